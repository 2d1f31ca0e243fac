//! What rollups promise: answers as from the samples, whatever happened to them on the way.

use super::world::{START_MS, config};
use crate::{
    Across, Aggregate, Disk, FaultDisk, Query, QueryBudget, QueryResult, Rank, SeriesData, Store, StoreConfig, Top,
};
use proptest::prelude::*;
use std::{
    path::Path,
    sync::{Arc, mpsc},
    time::Duration,
};
use tocsin_vocabulary::{
    Dictionary, HostId, Kind, Section, Series, SpoolId, Timestamp,
    batch::{Cell, Encoder, Tick},
};

pub(super) const MINUTE: i64 = 60_000;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

pub(super) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(START_MS + millis)
}

pub(super) fn host(number: u8) -> HostId {
    HostId::from_bytes([number; 16])
}

/// A level, a counter, and both once more with another attribute.
pub(super) fn learn(store: &Store) -> Dictionary {
    let series = |name: &str, part: &str, kind| Series {
        name: name.into(),
        attributes: vec![("part".into(), part.into())],
        kind,
        unit: "By".into(),
        decimals: 1,
    };
    let section = Section::new(vec![
        series("level", "a", Kind::Gauge),
        series("sent", "a", Kind::Counter),
        series("level", "b", Kind::Gauge),
        series("sent", "b", Kind::Counter),
    ]);
    store.put_sections(&[section.bytes()]).unwrap();
    store.put_dictionary(&[section.hash()]).unwrap()
}

/// Puts these ticks, as a backlog, beginning with this sequence number.
pub(super) fn put(store: &Store, dictionary: &Dictionary, number: u8, first_seq: u64, ticks: &[Tick], now: Timestamp) {
    let stream = store.begin_stream(host(number), SpoolId::from_bytes([number; 16]), 1);
    for (at, ticks) in ticks.chunks(500).enumerate() {
        let mut encoder = Encoder::new();
        let batches: Vec<_> = (first_seq + at as u64 * 500..)
            .zip(ticks)
            .enumerate()
            .map(|(index, (seq, tick))| (seq, encoder.encode(tick, dictionary, index == 0)))
            .collect();
        let (sender, receiver) = mpsc::channel();
        let on_durable = Box::new(move |outcome| drop(sender.send(outcome)));
        store.append_chunk(&stream, &batches, now, on_durable).unwrap();
        receiver.recv().unwrap().unwrap();
    }
}

/// A tick a minute from `from` on; values follow from time and host.
pub(super) fn ticks(number: u8, from: i64, count: i64) -> Vec<Tick> {
    let one = |index: i64| {
        let time = from + index * MINUTE;
        let minute = time / MINUTE;
        let counter = minute % 777 * i64::from(number) * 10;
        Tick {
            time: at(time),
            cells: vec![
                Cell::Scaled(minute * 37 % 101 + i64::from(number) * 1_000),
                Cell::Scaled(counter),
                if minute % 7 == 0 { Cell::Absent } else { Cell::Raw(0.25) },
                Cell::Scaled(5),
            ],
        }
    };
    (0..count).map(one).collect()
}

pub(super) fn open(disk: &FaultDisk, config: StoreConfig) -> Store {
    Store::open(config, Arc::new(disk.clone())).unwrap()
}

pub(super) fn names(disk: &FaultDisk, ending: &str) -> Vec<String> {
    let paths = disk.paths();
    let names = paths.iter().map(|path| path.display().to_string());
    names.filter(|name| name.ends_with(ending)).collect()
}

/// Makes rollups unreadable as if they had never been made.
pub(super) fn without_rollups(disk: &FaultDisk) -> FaultDisk {
    let copy = disk.restart(0);
    for name in names(&copy, ".run") {
        copy.unlink(Path::new(&name)).unwrap();
    }
    copy.sync_dir(Path::new("/store/rollups")).unwrap();
    copy
}

fn close(one: Option<f64>, two: Option<f64>) -> bool {
    match (one, two) {
        (Some(one), Some(two)) => (one - two).abs() <= 1e-9 * one.abs().max(two.abs()).max(1e-3),
        (one, two) => one == two,
    }
}

fn sorted(mut result: QueryResult) -> QueryResult {
    let key = |series: &SeriesData| (series.host, series.name.clone(), series.attributes.clone());
    result.series.sort_by_key(key);
    result
}

/// The same up to rounding.
pub(super) fn same(one: QueryResult, two: QueryResult) -> Result<(), String> {
    let (one, two) = (sorted(one), sorted(two));
    if one.not_observed != two.not_observed {
        return Err(format!("gaps {:?} and {:?}", one.not_observed, two.not_observed));
    }
    if one.series.len() != two.series.len() {
        return Err(format!("{} and {} series", one.series.len(), two.series.len()));
    }
    for (one, two) in one.series.iter().zip(&two.series) {
        let named = |series: &SeriesData| {
            (
                series.host,
                series.name.clone(),
                series.attributes.clone(),
                series.unit.clone(),
            )
        };
        let points = one.points.len() == two.points.len()
            && one
                .points
                .iter()
                .zip(&two.points)
                .all(|(one, two)| one.0 == two.0 && close(one.1, two.1));
        let edges = |one: &[Option<f64>], two: &[Option<f64>]| {
            one.len() == two.len() && one.iter().zip(two).all(|(one, two)| close(*one, *two))
        };
        if named(one) != named(two) || !points || !edges(&one.min, &two.min) || !edges(&one.max, &two.max) {
            return Err(format!("{one:?}\nand\n{two:?}"));
        }
    }
    Ok(())
}

pub(super) fn queries(from: i64, to: i64) -> Vec<Query> {
    let mut all = Vec::new();
    let aggregates = [
        None,
        Some(Aggregate::Last),
        Some(Aggregate::Avg),
        Some(Aggregate::Min),
        Some(Aggregate::Max),
        Some(Aggregate::Rate),
    ];
    for step in [5, 10, 60, 120] {
        for aggregate in aggregates {
            all.push(Query {
                metrics: vec!["level".into(), "s*t".into()],
                step: Some(Duration::from_secs(step * 60)),
                aggregate,
                ..Query::new("", at(from), at(to))
            });
        }
    }
    all
}

fn compare(disk: &FaultDisk, store: &Store, range: (i64, i64)) -> Result<(), String> {
    let raw = open(&without_rollups(disk), config());
    for query in queries(range.0, range.1) {
        same(store.query(&query).unwrap(), raw.query(&query).unwrap())
            .map_err(|error| format!("{query:?}: {error}"))?;
    }
    Ok(())
}

#[test]
fn rollups_are_written_and_answer_as_the_samples_do() {
    let disk = FaultDisk::new();
    let store = open(&disk, config());
    let dictionary = learn(&store);
    for number in 1..=3 {
        put(
            &store,
            &dictionary,
            number,
            1,
            &ticks(number, 0, 30 * 60),
            at(30 * HOUR),
        );
    }
    store.seal_everything(at(30 * HOUR)).unwrap();
    assert_eq!(names(&disk, "1h.0-1.run"), Vec::<String>::new());
    assert_eq!(names(&disk, ".run").len(), 4, "two tiers, two days: {:?}", disk.paths());
    compare(&disk, &store, (0, 30 * HOUR - 1)).unwrap();
    compare(&disk, &store, (7 * MINUTE + 13, 29 * HOUR + 31 * MINUTE)).unwrap();
}

#[test]
fn long_questions_read_rollups_and_not_the_samples() {
    let disk = FaultDisk::new();
    let store = open(&disk, config());
    let dictionary = learn(&store);
    put(&store, &dictionary, 1, 1, &ticks(1, 0, 24 * 60), at(DAY));
    store.seal_everything(at(DAY)).unwrap();
    let mut query = Query {
        step: Some(Duration::from_secs(3_600)),
        budget: QueryBudget {
            samples_max: 24 * 2,
            ..QueryBudget::default()
        },
        ..Query::new("sent", at(0), at(DAY - 1))
    };
    store.query(&query).unwrap();
    query.aggregate = Some(Aggregate::Avg);
    let error = store.query(&query).unwrap_err().to_string();
    assert!(
        error.contains("48 samples"),
        "the mean of a counter is not rolled up: {error}"
    );
}

#[test]
fn late_ticks_make_newer_rows() {
    let disk = FaultDisk::new();
    let store = open(&disk, config());
    let dictionary = learn(&store);
    let all = ticks(1, 0, 180);
    let (early, late): (Vec<_>, Vec<_>) = all
        .iter()
        .cloned()
        .partition(|tick| tick.time.as_millis() / MINUTE % 4 != 1);
    put(&store, &dictionary, 1, 1, &early, at(3 * HOUR));
    store.seal_everything(at(3 * HOUR)).unwrap();
    compare(&disk, &store, (0, 3 * HOUR - 1)).unwrap();
    put(&store, &dictionary, 1, 1_000, &late, at(3 * HOUR));
    compare(&disk, &store, (0, 3 * HOUR - 1)).unwrap();
    store.seal_everything(at(3 * HOUR)).unwrap();
    compare(&disk, &store, (0, 3 * HOUR - 1)).unwrap();
    assert_eq!(names(&disk, ".run").len(), 4, "two tiers, twice");
    store.seal_everything(at(2 * DAY)).unwrap();
    assert_eq!(names(&disk, ".run").len(), 2, "merged when the day was over");
    compare(&disk, &store, (0, 3 * HOUR - 1)).unwrap();
    drop(store);
    compare(&disk, &open(&disk.restart(0), config()), (0, 3 * HOUR - 1)).unwrap();
}

#[test]
fn when_the_samples_are_gone_rollups_answer_until_their_own_time_is_over() {
    let disk = FaultDisk::new();
    let kept = StoreConfig {
        retention: Duration::from_secs(86_400),
        retention_5m: Duration::from_secs(10 * 86_400),
        ..config()
    };
    let store = open(&disk, kept);
    let dictionary = learn(&store);
    put(&store, &dictionary, 1, 1, &ticks(1, 0, 120), at(2 * HOUR));
    store.seal_everything(at(2 * HOUR)).unwrap();
    let mut query = Query {
        step: Some(Duration::from_secs(3_600)),
        ..Query::new("level", at(0), at(2 * HOUR - 1))
    };
    let before = store.query(&query).unwrap();
    store.seal_everything(at(4 * DAY)).unwrap();
    assert_eq!(names(&disk, ".blk"), Vec::<String>::new());
    same(store.query(&query).unwrap(), before).unwrap();
    query.step = None;
    assert_eq!(
        store.query(&query).unwrap().series,
        [],
        "ticks that are gone are not made up"
    );
    query.step = Some(Duration::from_secs(300));
    let points = store.query(&query).unwrap().series.remove(0).points;
    assert_eq!(
        (points.len(), points[1].0),
        (24, at(5 * MINUTE)),
        "one for each five minutes"
    );
    store.maintain(at(20 * DAY)).unwrap();
    assert_eq!(names(&disk, ".run").len(), 1);
    let points = store.query(&query).unwrap().series.remove(0).points;
    let known = points.iter().filter(|(_, value)| value.is_some());
    assert_eq!(known.count(), 2, "one for each hour");
    store.maintain(at(2_000 * DAY)).unwrap();
    assert_eq!(names(&disk, ".run"), Vec::<String>::new());
}

#[test]
fn little_space_takes_rollups_only_after_all_samples_the_finest_first() {
    let disk = FaultDisk::new();
    let store = open(
        &disk,
        StoreConfig {
            free_bytes_min: 1 << 20,
            ..config()
        },
    );
    let dictionary = learn(&store);
    put(&store, &dictionary, 1, 1, &ticks(1, 0, 120), at(2 * HOUR));
    store.seal_everything(at(DAY + HOUR)).unwrap();
    disk.set_capacity(Some(1 << 19));
    store.maintain(at(DAY + HOUR)).unwrap();
    assert_eq!((names(&disk, ".blk").len(), names(&disk, ".run").len()), (0, 0));
    assert_eq!(store.health().days_dropped_for_space, 3, "samples, five minutes, hours");
}

#[test]
fn damaged_rollups_cost_nothing_while_the_samples_are_there() {
    let disk = FaultDisk::new();
    let store = open(&disk, config());
    let dictionary = learn(&store);
    for number in 1..=2 {
        put(&store, &dictionary, number, 1, &ticks(number, 0, 180), at(3 * HOUR));
    }
    store.seal_everything(at(3 * HOUR)).unwrap();
    let query = &queries(0, 3 * HOUR - 1)[0];
    let expected = store.query(query).unwrap();
    drop(store);
    let run = names(&disk, ".run")
        .into_iter()
        .find(|name| name.contains(".5m."))
        .unwrap();
    let mut length = 0;
    disk.damage(Path::new(&run), |bytes| length = bytes.len());
    for at_byte in (0..length).step_by(7) {
        let copy = disk.restart(0);
        copy.damage(Path::new(&run), |bytes| bytes[at_byte] ^= 0x20);
        let store = open(&copy, config());
        same(store.query(query).unwrap(), expected.clone()).unwrap_or_else(|error| panic!("byte {at_byte}: {error}"));
        store.seal_everything(at(3 * HOUR)).unwrap();
        same(store.query(query).unwrap(), expected.clone()).unwrap();
        assert_eq!(store.health().damaged_rollups, 0, "byte {at_byte}: made again");
    }
}

#[test]
fn a_power_cut_while_rollups_are_made_or_merged_changes_no_answer() {
    let begun = FaultDisk::new();
    let store = open(&begun, config());
    let dictionary = learn(&store);
    for hour in 0..3 {
        for number in 1..=2 {
            let first = u64::try_from(hour).unwrap() * 60 + 1;
            put(
                &store,
                &dictionary,
                number,
                first,
                &ticks(number, hour * HOUR, 60),
                at((hour + 1) * HOUR),
            );
        }
        store.seal_everything(at((hour + 1) * HOUR)).unwrap();
    }
    for number in 1..=2 {
        put(
            &store,
            &dictionary,
            number,
            181,
            &ticks(number, 3 * HOUR, 60),
            at(4 * HOUR),
        );
    }
    drop(store);
    let query = &queries(0, 4 * HOUR - 1)[0];
    let expected = open(&without_rollups(&begun), config()).query(query).unwrap();
    for cut in 0.. {
        let disk = begun.restart(0);
        let store = open(&disk, config());
        disk.cut_at(disk.operations() + cut);
        let whole = store.seal_everything(at(2 * DAY)).is_ok();
        drop(store);
        let disk = disk.restart(cut);
        let store = open(&disk, config());
        same(store.query(query).unwrap(), expected.clone()).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        store.seal_everything(at(2 * DAY)).unwrap();
        same(store.query(query).unwrap(), expected.clone()).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        assert_eq!(names(&disk, ".run").len(), 2, "cut at {cut}: {:?}", disk.paths());
        assert_eq!(names(&disk, ".new"), Vec::<String>::new());
        if whole {
            assert!(cut > 20, "something was cut");
            break;
        }
    }
}

/// One host's ticks as they may come: with resets, gaps, absent and raw cells, some of them late.
fn any_ticks() -> impl Strategy<Value = Vec<(Tick, bool)>> {
    let cell = || {
        prop_oneof![
            12 => (0_i64..5_000).prop_map(Cell::Scaled),
            1 => Just(Cell::Absent),
            1 => (-1e6..1e6).prop_map(Cell::Raw),
        ]
    };
    let gauge = prop_oneof![
        12 => (-5_000_i64..5_000).prop_map(Cell::Scaled),
        1 => Just(Cell::Absent),
        1 => any::<f32>().prop_map(|value| Cell::Raw(f64::from(value))),
    ];
    let tick = (prop::bool::weighted(0.9), prop::bool::weighted(0.1), gauge, cell());
    prop::collection::vec(tick, 60..400).prop_map(|all| {
        let one = |(index, (there, late, gauge, counter)): (i64, (bool, bool, Cell, Cell))| {
            let tick = Tick {
                time: at(index * MINUTE + 1_000),
                cells: vec![gauge, counter, Cell::Absent, Cell::Scaled(index * 3)],
            };
            there.then_some((tick, late))
        };
        (0..).zip(all).filter_map(one).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn rollups_answer_as_the_samples_do(
        ticks in any_ticks(), split in any::<prop::sample::Index>(), sealed_late: bool,
        from in 0_i64..6 * HOUR, length in 0_i64..7 * HOUR, aligned: bool,
    ) {
        let disk = FaultDisk::new();
        let store = open(&disk, config());
        let dictionary = learn(&store);
        let (late, early): (Vec<_>, Vec<_>) = ticks.into_iter().partition(|(_, late)| *late);
        let strip = |ticks: &[(Tick, bool)]| ticks.iter().map(|(tick, _)| tick.clone()).collect::<Vec<_>>();
        let split = split.index(early.len() + 1);
        put(&store, &dictionary, 1, 1, &strip(&early[..split]), at(8 * HOUR));
        store.seal_everything(at(8 * HOUR)).unwrap();
        put(&store, &dictionary, 1, 5_000, &strip(&early[split..]), at(8 * HOUR));
        store.seal_everything(at(8 * HOUR)).unwrap();
        put(&store, &dictionary, 1, 9_000, &strip(&late), at(8 * HOUR));
        if sealed_late {
            store.seal_everything(at(8 * HOUR)).unwrap();
        }
        let round = |time: i64| if aligned { time / HOUR * HOUR } else { time };
        let range = (round(from), round(from + length).max(round(from) + 1) - 1);
        let compared = compare(&disk, &store, range);
        prop_assert!(compared.is_ok(), "{}", compared.unwrap_err());
    }
}

#[test]
fn a_fleet_is_grouped_and_its_greatest_are_chosen() {
    let disk = FaultDisk::new();
    let store = open(&disk, config());
    let dictionary = learn(&store);
    for number in 1..=3 {
        put(&store, &dictionary, number, 1, &ticks(number, 0, 120), at(2 * HOUR));
    }
    store.seal_everything(at(2 * HOUR)).unwrap();
    let mut query = Query {
        step: Some(Duration::from_secs(3_600)),
        attributes: vec![("part".into(), "a".into())],
        group_by: Some(Vec::new()),
        across: Across::Max,
        ..Query::new("level", at(0), at(2 * HOUR - 1))
    };
    let grouped = store.query(&query).unwrap().series;
    assert_eq!((grouped.len(), grouped[0].host, grouped[0].points.len()), (1, None, 2));
    query.group_by = None;
    let single = store.query(&query).unwrap().series;
    assert_eq!(single.len(), 3);
    assert_eq!(
        grouped[0].points[0].1, single[2].points[0].1,
        "the third host's level is the highest"
    );
    query.top = Some(Top {
        k: 1,
        by: Rank::Avg,
        lowest: true,
    });
    assert_eq!(store.query(&query).unwrap().series[0].host, Some(host(1)));
}
