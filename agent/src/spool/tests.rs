//! What the spool promises, with real files.

use super::*;
use proptest::prelude::*;
use std::{
    fs::{self, OpenOptions},
    sync::Arc,
};
use tocsin_proto::CHUNK_TICKS_MAX;
use tocsin_vocabulary::{
    Kind as SeriesKind, Section, Series, Severity,
    batch::{Cell, Decoder, Encoder, Tick},
};

const START_MS: i64 = 1_800_000_000_000;
const PLENTY: u64 = 64 * 1024 * 1024;

fn at(seq: u64) -> Timestamp {
    Timestamp::from_millis(START_MS + i64::try_from(seq).unwrap() * 10_000)
}

fn dictionary(name: &str) -> Dictionary {
    let series = |i: u32| Series {
        name: format!("{name}.{i}").into(),
        attributes: Vec::new(),
        kind: SeriesKind::Gauge,
        unit: "1".into(),
        decimals: 0,
    };
    Dictionary::new(vec![Arc::new(Section::new((0..3).map(series).collect()))])
}

fn open(dir: &Path, bytes_max: u64) -> Spool {
    Spool::open(dir, bytes_max, SpoolId::from_bytes([9; 16]), at(100_000)).unwrap()
}

/// An agent's side: encodes ticks like the tick loop does.
struct Writer {
    encoder: Encoder,
    dictionary: Dictionary,
}

impl Writer {
    fn new() -> Self {
        Self {
            encoder: Encoder::new(),
            dictionary: dictionary("a"),
        }
    }

    fn values(seq: u64) -> Vec<Cell> {
        let base = i64::try_from(seq).unwrap();
        vec![Cell::Scaled(base), Cell::Scaled(base * base % 97), Cell::Absent]
    }

    /// Appends the next tick.
    fn tick(&mut self, spool: &mut Spool, key_frame: bool) -> StoredTick {
        let seq = spool.next_seq();
        let key_frame = key_frame || spool.key_wanted();
        let tick = Tick {
            time: at(seq),
            cells: Self::values(seq),
        };
        let payload = self.encoder.encode(&tick, &self.dictionary, key_frame);
        let stored = StoredTick {
            seq,
            time: at(seq),
            payload,
        };
        spool.append(&stored, key_frame, &self.dictionary);
        stored
    }

    fn ticks(&mut self, spool: &mut Spool, count: u64) {
        for i in 0..count {
            self.tick(spool, i % 30 == 0);
        }
    }
}

/// Decodes a chunk from nothing but itself, as a collector does.
fn decode(chunk: &StoredChunk) -> Vec<(u64, Vec<Cell>)> {
    let mut decoder = Decoder::new();
    let decode = |tick: &StoredTick| {
        let decoded = decoder.decode(&tick.payload, |hash| {
            (hash == chunk.dictionary.hash()).then(|| chunk.dictionary.clone())
        });
        (tick.seq, decoded.unwrap().tick.cells.clone())
    };
    chunk.ticks.iter().map(decode).collect()
}

fn assert_readable(spool: &mut Spool) {
    let stored = (*spool.view().stored).clone();
    for (mut first, last) in stored.iter() {
        while first <= last {
            let chunk = spool.chunk(first, last).unwrap();
            assert!(chunk.ticks.len() <= CHUNK_TICKS_MAX);
            for (seq, cells) in decode(&chunk) {
                assert_eq!(seq, first);
                assert_eq!(cells, Writer::values(seq));
                first += 1;
            }
        }
    }
}

/// Every number is sealed, stored or a gap.
fn assert_accounted(spool: &Spool) {
    let view = spool.view();
    let gaps = Ranges::of(view.gaps.iter().map(|gap| (gap.first, gap.last)));
    let mut all = (*view.stored).clone();
    for (first, last) in gaps.iter() {
        all.insert(first, last);
    }
    all.insert(1, view.sealed);
    let missing = Ranges::of([(1, view.next_seq - 1)]).minus(&all);
    assert!(missing.is_empty(), "{missing:?} of {view:?}");
}

fn files(dir: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(prefix))
        .collect();
    paths.sort();
    paths
}

fn event(name: &str) -> StoredEvent {
    StoredEvent {
        seq: 0,
        time: at(1),
        name: name.to_owned(),
        severity: Severity::Info,
        attributes: [("k".to_owned(), "v".to_owned())].into(),
        body: "x".repeat(200),
    }
}

#[test]
fn a_clean_restart_goes_on_where_it_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path(), PLENTY);
    Writer::new().ticks(&mut spool, 100);
    let id = spool.view().id;
    spool.close();

    let mut spool = open(dir.path(), PLENTY);
    assert_eq!((spool.next_seq(), spool.view().id), (101, id));
    assert!(spool.view().gaps.is_empty());
    Writer::new().ticks(&mut spool, 10);
    assert_eq!(spool.view().stored.iter().collect::<Vec<_>>(), [(1, 110)]);
    assert_readable(&mut spool);
}

#[test]
fn after_a_crash_no_number_is_used_again_and_the_jump_is_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path(), PLENTY);
    Writer::new().ticks(&mut spool, 50);
    drop(spool);

    let mut spool = open(dir.path(), PLENTY);
    assert!(spool.next_seq() > 51);
    let view = spool.view();
    assert_eq!(
        view.gaps.iter().map(|gap| (gap.first, gap.reason)).collect::<Vec<_>>(),
        [(51, GapReason::Restart)]
    );
    assert_eq!(view.gaps[0].from, at(50));
    assert_accounted(&spool);
    assert_readable(&mut spool);
}

#[test]
fn a_chunk_that_begins_within_a_run_stands_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path(), PLENTY);
    Writer::new().ticks(&mut spool, 90);
    let chunk = spool.chunk(17, 200).unwrap();
    let seqs: Vec<u64> = decode(&chunk).iter().map(|(seq, _)| *seq).collect();
    assert_eq!(seqs, (17..77).collect::<Vec<_>>());
    assert_eq!(decode(&spool.chunk(40, 42).unwrap()).len(), 3);
    assert_eq!(spool.chunk(91, 91), None);
}

#[test]
fn a_chunk_ends_where_the_dictionary_changes() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path(), PLENTY);
    let mut writer = Writer::new();
    writer.ticks(&mut spool, 10);
    writer.dictionary = dictionary("b");
    writer.tick(&mut spool, true);
    writer.ticks(&mut spool, 5);
    assert_eq!(spool.chunk(1, 16).unwrap().ticks.len(), 10);
    assert_eq!(spool.chunk(11, 16).unwrap().dictionary, dictionary("b"));
    drop(spool);
    let mut spool = open(dir.path(), PLENTY);
    assert_eq!(spool.chunk(11, 16).unwrap().dictionary, dictionary("b"));
    assert_eq!(spool.view().dictionary, Some(dictionary("b")));
}

#[test]
fn beyond_its_bound_the_oldest_ticks_go_and_are_remembered_but_events_stay() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path(), 8 * 1024);
    let mut writer = Writer::new();
    spool.append_events(vec![event("first")]);
    writer.ticks(&mut spool, 400);
    let view = spool.view();
    assert!(view.bytes <= 8 * 1024);
    assert!(
        view.gaps
            .iter()
            .any(|gap| gap.first == 1 && gap.reason == GapReason::SpoolFull)
    );
    assert_eq!(spool.events_after(0, 10).len(), 1);
    assert_accounted(&spool);
    assert_readable(&mut spool);
}

#[test]
fn events_go_only_when_no_tick_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path(), 200 * 1024);
    Writer::new().ticks(&mut spool, 20);
    for i in 0..1_000 {
        spool.append_events(vec![event(&i.to_string())]);
    }
    let view = spool.view();
    assert!(view.stored.is_empty());
    assert!(view.events_dropped > 0);
    let left = spool.events_after(0, 2_000);
    assert_eq!(left.last().unwrap().name, "999");
    assert_eq!(left.len() as u64 + view.events_dropped, 1_000);
    assert_accounted(&spool);
}

#[test]
fn what_is_sealed_goes_in_whole_segments() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path(), PLENTY);
    let mut writer = Writer::new();
    writer.ticks(&mut spool, 60);
    spool.rotate(61).unwrap();
    spool.key_wanted = true;
    writer.ticks(&mut spool, 30);
    assert_eq!(files(dir.path(), "ticks-").len(), 2);
    spool.sealed(59);
    assert_eq!(files(dir.path(), "ticks-").len(), 2);
    spool.sealed(60);
    assert_eq!(files(dir.path(), "ticks-").len(), 1);
    assert_eq!(spool.view().stored.first(), Some(61));
    drop(spool);
    let mut spool = open(dir.path(), PLENTY);
    assert_eq!(spool.view().sealed, 60);
    assert_accounted(&spool);
    assert_readable(&mut spool);
}

#[test]
fn events_are_kept_in_order_until_acknowledged_over_restarts_and_never_renumbered() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path(), PLENTY);
    spool.append_events(vec![event("a"), event("b")]);
    spool.append_events(vec![event("c")]);
    let names = |events: Vec<StoredEvent>| events.into_iter().map(|event| event.name).collect::<Vec<_>>();
    assert_eq!(names(spool.events_after(0, 2)), ["a", "b"]);
    assert_eq!(names(spool.events_after(2, 9)), ["c"]);
    drop(spool);

    let mut spool = open(dir.path(), PLENTY);
    assert_eq!(names(spool.events_after(0, 9)), ["a", "b", "c"]);
    spool.append_events(vec![event("d")]);
    assert!(spool.view().last_event > 4);
    spool.events_acked(2);
    assert_eq!(names(spool.events_after(2, 9)), ["c", "d"]);
    let last = spool.view().last_event;
    spool.events_acked(last);
    assert!(files(dir.path(), "events-").is_empty());
    drop(spool);
    let mut spool = open(dir.path(), PLENTY);
    spool.append_events(vec![event("e")]);
    assert!(spool.view().last_event > last);
}

#[test]
fn numbers_that_the_collector_knows_are_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path(), PLENTY);
    let mut writer = Writer::new();
    writer.ticks(&mut spool, 3);
    spool.skip_to(5_000, 700, at(4));
    assert_eq!(writer.tick(&mut spool, false).seq, 5_000);
    spool.append_events(vec![event("a")]);
    assert_eq!(spool.view().last_event, 700);
    assert_accounted(&spool);
}

#[test]
fn a_damaged_record_costs_its_run_and_is_kept_in_quarantine() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path(), PLENTY);
    Writer::new().ticks(&mut spool, 90);
    let run = spool.segments[0].runs[1];
    spool.close();
    let path = files(dir.path(), "ticks-").remove(0);
    let mut bytes = fs::read(&path).unwrap();
    // Somewhere within the second run.
    let middle = bytes.len() - (bytes.len() / 2);
    bytes[middle] ^= 0x55;
    fs::write(&path, bytes).unwrap();

    let mut spool = open(dir.path(), PLENTY);
    let view = spool.view();
    assert_eq!(view.gaps.len(), 1);
    let gap = view.gaps[0];
    assert_eq!((gap.last, gap.reason), (run.last, GapReason::SpoolDamaged));
    assert!(gap.first >= run.first);
    assert_eq!(spool.next_seq(), 91);
    assert_eq!(files(&dir.path().join("quarantine"), "").len(), 1);
    assert_accounted(&spool);
    assert_readable(&mut spool);
}

#[test]
fn damage_under_a_running_agent_becomes_a_gap_when_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path(), PLENTY);
    Writer::new().ticks(&mut spool, 60);
    let path = files(dir.path(), "ticks-").remove(0);
    let length = fs::metadata(&path).unwrap().len();
    OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(length - 5)
        .unwrap();
    let chunk = spool.chunk(1, 60);
    assert!(chunk.is_none_or(|chunk| chunk.ticks.len() < 60));
    assert!(
        spool
            .view()
            .gaps
            .iter()
            .any(|gap| gap.reason == GapReason::SpoolDamaged)
    );
    assert_accounted(&spool);
}

#[test]
fn a_lost_state_is_found_again_from_the_segments() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path(), PLENTY);
    let id = spool.view().id;
    Writer::new().ticks(&mut spool, 40);
    spool.append_events(vec![event("a")]);
    spool.close();
    fs::write(dir.path().join("state.json"), b"{ torn").unwrap();

    let other = SpoolId::from_bytes([3; 16]);
    let mut spool = Spool::open(dir.path(), PLENTY, other, at(100)).unwrap();
    assert_eq!(spool.view().id, id);
    assert!(spool.next_seq() > 41);
    assert_eq!(spool.events_after(0, 9).len(), 1);
    assert_accounted(&spool);
    assert_readable(&mut spool);
}

#[test]
fn a_lost_spool_begins_a_new_life() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path(), PLENTY).close();
    fs::remove_dir_all(dir.path()).unwrap();
    let other = SpoolId::from_bytes([3; 16]);
    let spool = Spool::open(dir.path(), PLENTY, other, at(1)).unwrap();
    assert_eq!((spool.view().id, spool.next_seq()), (other, 1));
}

#[test]
fn a_disk_that_refuses_makes_gaps_and_ticks_are_stored_again_when_it_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path(), PLENTY);
    let mut writer = Writer::new();
    writer.ticks(&mut spool, 5);
    // A read-only descriptor refuses like a full disk.
    let path = spool.segments[0].path.clone();
    spool.open.as_mut().unwrap().file = File::open(&path).unwrap();
    writer.ticks(&mut spool, 3);
    let view = spool.view();
    assert!(
        view.gaps
            .iter()
            .any(|gap| gap.first == 6 && gap.reason == GapReason::DiskFull)
    );
    writer.ticks(&mut spool, 3);
    assert_eq!(spool.view().problem, None);
    assert_accounted(&spool);
    assert_readable(&mut spool);
}

#[derive(Debug, Clone)]
enum Act {
    Ticks(u64, bool),
    Events(usize),
    Seal(u64),
    Sync,
    Restart,
    /// The host dies: the newest segment ends somewhere.
    Crash(prop::sample::Index),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (1_u64..40, any::<bool>()).prop_map(|(count, change)| Act::Ticks(count, change)),
        1 => (1_usize..4).prop_map(Act::Events),
        1 => (0_u64..60).prop_map(Act::Seal),
        1 => Just(Act::Sync),
        1 => Just(Act::Restart),
        2 => any::<prop::sample::Index>().prop_map(Act::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn whatever_happens_every_number_is_accounted_for_and_what_is_stored_is_true(
        acts in prop::collection::vec(act(), 1..14),
        bytes_max in 3_000_u64..20_000,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = open(dir.path(), bytes_max);
        let mut writer = Writer::new();
        let mut given = 0;
        for act in acts {
            match act {
                Act::Ticks(count, change) => {
                    if change {
                        writer.dictionary = dictionary(if writer.dictionary == dictionary("a") { "b" } else { "a" });
                        writer.tick(&mut spool, true);
                    }
                    writer.ticks(&mut spool, count);
                }
                Act::Events(count) => {
                    spool.append_events(vec![event("e"); count]);
                }
                Act::Seal(behind) => spool.sealed(spool.next_seq().saturating_sub(behind)),
                Act::Sync => spool.sync(),
                Act::Restart => {
                    spool.close();
                    spool = open(dir.path(), bytes_max);
                }
                Act::Crash(place) => {
                    drop(spool);
                    if let Some(path) = files(dir.path(), "ticks-").last() {
                        let length = usize::try_from(fs::metadata(path).unwrap().len()).unwrap();
                        let cut = place.index(length + 1) as u64;
                        OpenOptions::new().write(true).open(path).unwrap().set_len(cut).unwrap();
                    }
                    spool = open(dir.path(), bytes_max);
                }
            }
            prop_assert!(spool.next_seq() > given, "a number was given twice");
            given = spool.next_seq() - 1;
            assert_accounted(&spool);
            assert_readable(&mut spool);
        }
    }
}

#[test]
fn ticks_of_another_identity_are_not_handed_to_the_new_one() {
    let host = |seed| HostId::from_bytes([seed; 16]);
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path(), PLENTY);
    Writer::new().ticks(&mut spool, 5);
    spool.belongs_to(host(1));
    spool.close();
    Spool::forget_other_host(dir.path(), host(1)).unwrap();
    assert_eq!(open(dir.path(), PLENTY).view().stored.count(), 5);

    Spool::forget_other_host(dir.path(), host(2)).unwrap();
    let anew = Spool::open(dir.path(), PLENTY, SpoolId::from_bytes([8; 16]), at(1)).unwrap();
    assert_eq!(anew.view().stored.count(), 0);
    assert_eq!(anew.view().id, SpoolId::from_bytes([8; 16]));
}

#[test]
fn ticks_from_before_the_first_enrolment_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path(), PLENTY);
    Writer::new().ticks(&mut spool, 5);
    spool.close();
    Spool::forget_other_host(dir.path(), HostId::from_bytes([1; 16])).unwrap();
    assert_eq!(open(dir.path(), PLENTY).view().stored.count(), 5);
}

#[test]
fn a_spool_of_a_newer_agent_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path(), PLENTY).close();
    let newer = r#"{"version":2,"shape":"unknown"}"#;
    fs::write(dir.path().join("state.json"), newer).unwrap();
    let error = Spool::open(dir.path(), PLENTY, SpoolId::from_bytes([8; 16]), at(1))
        .err()
        .unwrap();
    assert!(error.to_string().contains("newer agent"), "{error}");
    assert_eq!(fs::read_to_string(dir.path().join("state.json")).unwrap(), newer);
}

#[test]
fn a_disk_is_low_by_its_share_and_by_its_bytes() {
    const BLOCK: u64 = 4_096;
    let gib = |gib: u64| gib * 1024 * 1024 * 1024 / BLOCK;
    assert!(bound::is_low(4, 100, BLOCK), "a small disk");
    assert!(!bound::is_low(5, 100, BLOCK));
    assert!(bound::is_low(gib(3), gib(1_000), BLOCK));
    assert!(
        !bound::is_low(gib(5), gib(1_000), BLOCK),
        "5 GiB are enough on any disk"
    );
}

#[test]
fn events_that_the_disk_refused_are_stored_once_it_takes_them() {
    let dir = tempfile::tempdir().unwrap();
    let (spool_dir, away) = (dir.path().join("spool"), dir.path().join("away"));
    let mut spool = open(&spool_dir, PLENTY);
    fs::rename(&spool_dir, &away).unwrap();
    spool.append_events(vec![event("first")]);
    assert!(spool.view().problem.is_some());
    fs::rename(&away, &spool_dir).unwrap();
    spool.sync();
    drop(spool);
    let names: Vec<String> = open(&spool_dir, PLENTY)
        .events_after(0, 9)
        .into_iter()
        .map(|event| event.name)
        .collect();
    assert_eq!(names, ["first"]);
}
