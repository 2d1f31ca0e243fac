//! What the store promises, one story each.

use super::world::{Agent, INTERVAL_MS, START_MS, config, learn, level, open, stored, tick};
use crate::{Aggregate, FaultDisk, OpenError, Query, RealDisk, Store, StoreConfig, StoreError};
use std::{path::Path, sync::Arc, time::Duration};
use tocsin_vocabulary::{HostId, Timestamp};

fn ask(metric: &str, hosts: &[HostId], from: u64, to: u64) -> Query {
    Query {
        hosts: hosts.to_vec(),
        ..Query::new(metric, tick(from).time, tick(to).time)
    }
}

fn begun(disk: &FaultDisk) -> (Store, Agent) {
    let store = open(disk);
    let dictionary = learn(&store).unwrap();
    let mut agent = Agent::new(1, &dictionary);
    agent.connect(&store, 1);
    (store, agent)
}

#[test]
fn a_tick_is_in_charts_as_soon_as_it_is_durable_and_after_a_restart() {
    let disk = FaultDisk::new();
    let (store, mut agent) = begun(&disk);
    for seq in 1..=30 {
        let appended = agent.live(&store, seq, seq == 1).unwrap();
        assert_eq!((appended.duplicate, appended.key_frame), (false, seq == 1));
        assert_eq!(*appended.tick, tick(seq));
    }
    let before = store.query(&ask("level", &[agent.host], 1, 30)).unwrap();
    assert_eq!(before.series[0].points.len(), 30);
    assert_eq!(before.series[0].points[4], (tick(5).time, Some(level(5))));
    assert_eq!(before.not_observed, []);
    drop(store);
    let store = open(&disk.restart(0));
    assert_eq!(store.query(&ask("level", &[agent.host], 1, 30)).unwrap(), before);
    assert_eq!(*store.latest(agent.host).unwrap().tick, tick(30));
    assert_eq!(store.series(agent.host).len(), 3);
    assert_eq!(store.hosts(), [agent.host]);
    assert_eq!(store.current_spool(agent.host), Some(agent.spool));
}

#[test]
fn sealed_hours_answer_as_they_did_before_and_their_journal_goes() {
    let disk = FaultDisk::new();
    let (store, mut agent) = begun(&disk);
    for seq in 1..=800 {
        agent.live(&store, seq, seq % 30 == 1).unwrap();
    }
    let mut step = ask("level", &[agent.host], 1, 800);
    step.step = Some(Duration::from_secs(60));
    let raw = ask("sent", &[agent.host], 1, 800);
    let before = (store.query(&step).unwrap(), store.query(&raw).unwrap());
    assert_eq!(before.1.series[0].unit, "By/s");
    assert!(before.1.series[0].points.iter().all(|(_, value)| *value == Some(0.3)));
    let sealed = store.seal_everything(tick(801).time).unwrap();
    assert_eq!(sealed.sealed_blocks, 3);
    assert_eq!((store.query(&step).unwrap(), store.query(&raw).unwrap()), before);
    assert_eq!(store.holdings(agent.host, agent.spool).sealed_seq, 800);
    assert_eq!(store.health().head_bytes, 0);
    // Half an hour of silence later, only the segment with the watermarks is left.
    store.maintain(tick(801).time.plus(Duration::from_secs(4_000))).unwrap();
    drop(store);
    let store = open(&disk.restart(0));
    store.maintain(tick(801).time.plus(Duration::from_secs(4_000))).unwrap();
    assert!(store.health().journal_bytes < 200, "{}", store.health().journal_bytes);
    assert_eq!((store.query(&step).unwrap(), store.query(&raw).unwrap()), before);
    assert_eq!(*store.latest(agent.host).unwrap().tick, tick(800));
    drop(store);
    let store = open(&disk);
    assert_eq!(store.holdings(agent.host, agent.spool).received, [(1, 800)]);
}

#[test]
fn hours_are_sealed_only_when_they_are_over_and_quiet() {
    let disk = FaultDisk::new();
    let (store, mut agent) = begun(&disk);
    for seq in 1..=400 {
        agent.live(&store, seq, seq % 30 == 1).unwrap();
    }
    assert_eq!(store.maintain(tick(360).time).unwrap().sealed_blocks, 0);
    let after = config().lateness + config().stagger;
    assert_eq!(store.maintain(tick(400).time.plus(after)).unwrap().sealed_blocks, 1);
    assert_eq!(store.holdings(agent.host, agent.spool).sealed_seq, 359);
}

#[test]
fn duplicates_are_told_and_not_stored() {
    let disk = FaultDisk::new();
    let (store, mut agent) = begun(&disk);
    agent.live(&store, 1, true).unwrap();
    agent.live(&store, 2, false).unwrap();
    agent.connect(&store, 1);
    assert!(agent.live(&store, 2, true).unwrap().duplicate);
    // The tick after it refers to the repeated one.
    assert!(!agent.live(&store, 3, false).unwrap().duplicate);
    let counts = agent.chunk(&store, &[1, 2, 3, 4], tick(4).time).unwrap();
    assert_eq!((counts.ticks, counts.duplicates), (1, 3));
    let counts = agent.chunk(&store, &[1, 2], tick(4).time).unwrap();
    assert_eq!((counts.ticks, counts.duplicates), (0, 2));
    drop(store);
    let store = open(&disk.restart(0));
    assert!(stored(&store, agent.host).values().all(|count| *count == 1));
    assert_eq!(stored(&store, agent.host).len(), 4);
}

#[test]
fn late_ticks_of_a_sealed_hour_are_merged() {
    let disk = FaultDisk::new();
    let (store, mut agent) = begun(&disk);
    for seq in (1..=10).chain(21..=30) {
        agent.live(&store, seq, seq == 21).unwrap();
    }
    let holes = store.query(&ask("level", &[agent.host], 1, 30)).unwrap();
    assert_eq!(holes.not_observed, [(tick(10).time, tick(21).time)]);
    store.seal_everything(tick(31).time).unwrap();
    agent
        .chunk(&store, &(11..=20).collect::<Vec<_>>(), tick(31).time)
        .unwrap();
    for _ in 0..2 {
        let whole = store.query(&ask("level", &[agent.host], 1, 30)).unwrap();
        assert_eq!(whole.not_observed, []);
        let expected: Vec<_> = (1..=30).map(|seq| (tick(seq).time, Some(level(seq)))).collect();
        assert_eq!(whole.series[0].points, expected);
        store.seal_everything(tick(31).time).unwrap();
    }
    assert_eq!(store.holdings(agent.host, agent.spool).sealed_seq, 30);
}

#[test]
fn a_delta_without_its_key_frame_and_an_old_stream_are_refused() {
    let disk = FaultDisk::new();
    let (store, mut agent) = begun(&disk);
    agent.live(&store, 1, true).unwrap();
    let mut second = Agent::new(1, &agent.dictionary);
    second.connect(&store, 1);
    assert!(matches!(agent.live(&store, 2, false), Err(StoreError::Superseded(_))));
    second.live(&store, 2, true).unwrap();
    let other = Agent::new(3, &agent.dictionary);
    let stream = store.begin_stream(other.host, other.spool, 1);
    let (on_durable, _) = super::world::durable();
    let error = store
        .append_live(&stream, 1, b"garbage", tick(1).time, on_durable)
        .unwrap_err();
    assert!(error.to_string().contains("begin with a key-frame"), "{error}");
}

#[test]
fn damage_in_the_journal_costs_a_host_its_ticks_up_to_the_next_key_frame() {
    let disk = FaultDisk::new();
    let (store, mut agent) = begun(&disk);
    let mut other = Agent::new(2, &agent.dictionary);
    other.connect(&store, 1);
    for seq in 1..=12 {
        agent.live(&store, seq, seq == 1 || seq == 9).unwrap();
        other.live(&store, seq, seq == 1).unwrap();
    }
    drop(store);
    let segment = Path::new("/store/journal/0000000001.seg");
    let mut length = 0;
    disk.damage(segment, |bytes| length = bytes.len());
    for at in 0..length {
        let copy = disk.restart(0);
        copy.damage(segment, |bytes| bytes[at] ^= 0x10);
        let store = open(&copy);
        let (mine, theirs) = (stored(&store, agent.host).len(), stored(&store, other.host).len());
        assert!(mine + theirs < 24, "byte {at}");
        assert!(
            (mine == 12 || theirs == 12) && mine >= 4,
            "byte {at}: {mine} and {theirs}"
        );
        let health = store.health();
        assert!(health.quarantined_records + health.torn_bytes > 0, "byte {at}");
        if at % 100 == 0 {
            agent.connect(&store, 1);
            agent
                .chunk(&store, &(1..=12).collect::<Vec<_>>(), tick(13).time)
                .unwrap();
            assert_eq!(stored(&store, agent.host).len(), 12);
        }
    }
}

#[test]
fn ticks_whose_dictionary_is_lost_are_asked_for_again() {
    let disk = FaultDisk::new();
    let (store, mut agent) = begun(&disk);
    for seq in 1..=3 {
        agent.live(&store, seq, seq == 1).unwrap();
    }
    drop(store);
    let log = Path::new("/store/dictionaries.log");
    assert!(disk.damage(log, |bytes| bytes.fill(0)));
    let store = open(&disk);
    assert_eq!(store.health().undecodable_ticks, 3);
    assert!(
        store.holdings(agent.host, agent.spool).received.is_empty(),
        "not held: it comes again"
    );
    let dictionary = learn(&store).unwrap();
    assert_eq!(dictionary.hash(), agent.dictionary.hash());
    agent.connect(&store, 1);
    let taken = agent.chunk(&store, &[1, 2, 3], tick(4).time).unwrap();
    assert_eq!((taken.ticks, taken.duplicates), (3, 0));
    drop(store);
    let store = open(&disk);
    assert_eq!(store.holdings(agent.host, agent.spool).received, [(1, 3)]);
    assert!(
        stored(&store, agent.host).values().all(|times| *times == 1),
        "each once"
    );
    store.seal_everything(tick(5).time).unwrap();
    assert_eq!(store.holdings(agent.host, agent.spool).sealed_seq, 3);
}

#[test]
fn old_days_go_and_what_was_received_is_still_known() {
    let disk = FaultDisk::new();
    let (store, mut agent) = begun(&disk);
    agent.live(&store, 1, true).unwrap();
    store.seal_everything(tick(2).time).unwrap();
    let much_later = tick(2).time.plus(config().retention + Duration::from_secs(3 * 86_400));
    agent.live(&store, 2, false).unwrap();
    assert_eq!(store.seal_everything(much_later).unwrap().dropped_days, 1);
    assert!(
        disk.paths()
            .iter()
            .all(|path| path.extension().is_none_or(|extension| extension != "blk"))
    );
    drop(store);
    let store = open(&disk);
    assert_eq!(store.holdings(agent.host, agent.spool).received, [(1, 2)]);
}

#[test]
fn little_space_drops_the_oldest_day_and_says_so() {
    let disk = FaultDisk::new();
    let config = StoreConfig {
        free_bytes_min: 1 << 20,
        ..config()
    };
    let store = Store::open(config, Arc::new(disk.clone())).unwrap();
    let dictionary = learn(&store).unwrap();
    let mut agent = Agent::new(1, &dictionary);
    agent.connect(&store, 1);
    // Days are 8640 ticks apart.
    for seq in [1, 8_641, 17_281] {
        agent.live(&store, seq, true).unwrap();
    }
    store.seal_everything(tick(17_282).time).unwrap();
    disk.set_capacity(Some(1 << 20));
    assert_eq!(store.maintain(tick(17_282).time).unwrap().dropped_days, 2);
    let health = store.health();
    assert!(health.space_low && !health.is_good());
    assert_eq!(
        store.query(&ask("level", &[], 17_000, 17_300)).unwrap().series[0]
            .points
            .len(),
        1
    );
}

#[test]
fn limits_of_a_query_are_named() {
    let disk = FaultDisk::new();
    let (store, _) = begun(&disk);
    let mut query = ask("level", &[], 0, 100_000);
    query.step = Some(Duration::from_secs(10));
    let error = store.query(&query).unwrap_err().to_string();
    assert!(error.contains("100001") && error.contains("11000"), "{error}");
    query.step = Some(Duration::ZERO);
    assert!(store.query(&query).is_err());
    (query.from, query.to) = (query.to, query.from);
    assert!(store.query(&query).is_err());
}

#[test]
fn rates_and_extremes_come_in_aligned_steps() {
    let disk = FaultDisk::new();
    let (store, mut agent) = begun(&disk);
    for seq in 1..=60 {
        agent.live(&store, seq, seq == 1).unwrap();
    }
    let mut query = ask("level", &[agent.host], 1, 60);
    query.step = Some(Duration::from_secs(60));
    query.aggregate = Some(Aggregate::Max);
    query.attributes = vec![("host.part".into(), "a".into())];
    let series = store.query(&query).unwrap().series.remove(0);
    assert!(series.points.iter().all(|(time, _)| time.as_millis() % 60_000 == 0));
    assert_eq!(series.points[1].1, (6..12).map(level).reduce(f64::max));
    assert_eq!(series.min[1], (6..12).map(level).reduce(f64::min));
    query.attributes = vec![("host.part".into(), "b".into())];
    assert_eq!(store.query(&query).unwrap().series, []);
}

#[test]
fn a_newer_format_a_second_process_and_a_closed_folder_are_refused_clearly() {
    let dir = tempfile::tempdir().unwrap();
    let config = StoreConfig::new(dir.path().join("metrics"));
    let disk = Arc::new(RealDisk::new());
    let store = Store::open(config.clone(), disk.clone()).unwrap();
    assert!(matches!(
        Store::open(config.clone(), disk.clone()),
        Err(OpenError::InUse { .. })
    ));
    drop(store);
    std::fs::write(config.dir.join("FORMAT"), crate::recovery::format_text(9)).unwrap();
    let error = Store::open(config, disk.clone()).unwrap_err();
    assert!(error.to_string().contains("install the newer collector"), "{error}");
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Store::open(StoreConfig::new(file.join("metrics")), disk).unwrap_err();
    assert!(error.to_string().contains("cannot create folder"), "{error}");
}

#[test]
fn the_store_works_on_a_real_disk() {
    let dir = tempfile::tempdir().unwrap();
    let config = StoreConfig {
        free_bytes_min: 0,
        free_percent_min: 0,
        ..StoreConfig::new(dir.path())
    };
    let store = Store::open(config.clone(), Arc::new(RealDisk::new())).unwrap();
    let dictionary = learn(&store).unwrap();
    let mut agent = Agent::new(1, &dictionary);
    agent.connect(&store, 1);
    let sent: Vec<_> = (1..=50).map(|seq| agent.send(&store, seq, seq == 1)).collect();
    for (appended, receiver) in sent {
        appended.unwrap();
        receiver.recv().unwrap().unwrap();
    }
    store.seal_everything(tick(51).time).unwrap();
    drop(store);
    let store = Store::open(config, Arc::new(RealDisk::new())).unwrap();
    assert_eq!(
        store.query(&ask("sent", &[], 1, 50)).unwrap().series[0].points.len(),
        49
    );
    assert!(store.health().free_bytes.is_some_and(|free| free > 0));
    assert!(
        store
            .counters()
            .iter()
            .any(|counter| counter.name == "store_block_bytes" && counter.value > 0)
    );
    assert_eq!(tick(1).time, Timestamp::from_millis(START_MS + INTERVAL_MS));
}
