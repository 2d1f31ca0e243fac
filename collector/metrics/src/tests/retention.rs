//! Retention classes: each loses its own days at its own time, and no answer tells that there are several.

use super::{
    rollup::{DAY, HOUR, MINUTE, at, host, learn, names, open, put, queries, same, ticks, without_rollups},
    world::config,
};
use crate::{
    Aggregate, ClassSize, Disk, FaultDisk, Query, Retention, RetentionClass, Store, StoreConfig,
    backup::restore,
    disk::Operation,
    verify::{verify_backup, verify_closed},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
    sync::Arc,
    time::Duration,
};

/// Hosts 1 and 2 belong to the default class, 3 and 4 to this one.
fn bank() -> RetentionClass {
    "bank".parse().unwrap()
}

fn days(count: u64) -> Duration {
    Duration::from_secs(count * 86_400)
}

/// The default class keeps 3, 6 and 10 days, the other one 5, 12 and 20.
fn classed() -> StoreConfig {
    let kept = Retention {
        raw: days(5),
        rollup_5m: days(12),
        rollup_1h: days(20),
    };
    StoreConfig {
        retention: days(3),
        retention_5m: days(6),
        retention_1h: days(10),
        classes: BTreeMap::from([(bank(), kept)]),
        ..config()
    }
}

fn in_bank(numbers: &[u8]) -> HashMap<tocsin_vocabulary::HostId, RetentionClass> {
    numbers.iter().map(|number| (host(*number), bank())).collect()
}

/// Four hosts over so many days, six hours of each: twelve ticks an hour.
fn begun(disk: &FaultDisk, config: StoreConfig, last_day: i64) -> Store {
    let store = open(disk, config);
    store.set_classes(in_bank(&[3, 4]));
    let dictionary = learn(&store);
    for day in 0..=last_day {
        for number in 1..=4 {
            let seq = u64::try_from(day).unwrap() * 1_000 + 1;
            let ticks: Vec<_> = ticks(number, day * DAY, 360).into_iter().step_by(5).collect();
            put(&store, &dictionary, number, seq, &ticks, at(day * DAY + 7 * HOUR));
        }
        store.seal_everything(at(day * DAY + 7 * HOUR)).unwrap();
    }
    store
}

/// Names of the files with this ending, without their folder.
fn files(disk: &FaultDisk, ending: &str) -> BTreeSet<String> {
    let base = |path: String| path.rsplit('/').next().unwrap().to_owned();
    names(disk, ending).into_iter().map(base).collect()
}

/// How many values `level` shows for each host on the first day, at this step.
fn shown(store: &Store, step: i64) -> Vec<usize> {
    let query = Query {
        step: Some(Duration::from_millis(step.unsigned_abs())),
        aggregate: Some(Aggregate::Max),
        attributes: vec![("part".into(), "a".into())],
        ..Query::new("level", at(0), at(6 * HOUR - 1))
    };
    let answer = store.query(&query).unwrap();
    let count = |number: u8| {
        let of_host = answer.series.iter().filter(|series| series.host == Some(host(number)));
        of_host
            .flat_map(|series| &series.points)
            .filter(|(_, value)| value.is_some())
            .count()
    };
    (1..=4).map(count).collect()
}

#[test]
fn each_class_loses_its_own_days_at_its_own_time_and_the_rest_still_answers() {
    let disk = FaultDisk::new();
    let mut store = begun(&disk, classed(), 0);
    let all = files(&disk, "");
    for expected in ["2025-11-22.blk", "2025-11-22.bank.blk"] {
        assert!(all.contains(expected), "{all:?}");
    }
    for day in 1..25_u64 {
        let now = at(i64::try_from(day).unwrap() * DAY + HOUR);
        store.maintain(now).unwrap();
        // The day ended after one day.
        let age = day - 1;
        for (class, hosts, kept) in [("", [0, 1], [3, 6, 10]), (".bank", [2, 3], [5, 12, 20])] {
            let blocks = files(&disk, ".blk").contains(&format!("2025-11-22{class}.blk"));
            assert_eq!(blocks, age < kept[0], "blocks of {class:?} on day {day}");
            let runs = |tier: &str| {
                let begin = format!("2025-11-22{class}.{tier}.");
                files(&disk, ".run").iter().any(|name| name.starts_with(&begin))
            };
            assert_eq!(runs("5m"), age < kept[1], "5m of {class:?} on day {day}");
            assert_eq!(runs("1h"), age < kept[2], "1h of {class:?} on day {day}");
            let (fine, coarse) = (shown(&store, 5 * MINUTE), shown(&store, HOUR));
            for number in hosts {
                let expected = if age < kept[0] || age < kept[1] {
                    72
                } else {
                    6 * usize::from(age < kept[2])
                };
                assert_eq!(
                    fine[number],
                    expected,
                    "five minutes of host {} on day {day}",
                    number + 1
                );
                assert_eq!(
                    coarse[number],
                    6 * usize::from(age < kept[2]),
                    "hours of host {} on day {day}",
                    number + 1
                );
            }
        }
        if day % 4 == 0 {
            drop(store);
            store = open(&disk.restart(day), classed());
            // Nobody told it yet who is of which class: what is written stays where it is.
            assert_eq!(shown(&store, HOUR).len(), 4);
            drop(store);
            store = open(&disk, classed());
            store.set_classes(in_bank(&[3, 4]));
        }
    }
    assert_eq!(files(&disk, ".run"), BTreeSet::new());
}

#[test]
fn classes_change_no_answer() {
    let (one, two) = (FaultDisk::new(), FaultDisk::new());
    let long = StoreConfig {
        retention: days(100),
        ..classed()
    };
    let (plain, classed) = (open(&one, config()), open(&two, long.clone()));
    for store in [&plain, &classed] {
        let dictionary = learn(store);
        for day in 0..3_i64 {
            // Host 2 goes to the other class at noon of the second day, host 3 comes back from it.
            for (half, members) in [&[3][..], if day == 0 { &[3] } else { &[2] }].into_iter().enumerate() {
                if day > 0 || half == 0 {
                    store.set_classes(in_bank(if day > 1 { &[2] } else { members }));
                }
                let from = day * DAY + i64::try_from(half).unwrap() * 12 * HOUR;
                let seq = u64::try_from(from / MINUTE).unwrap() + 1;
                for number in 1..=3 {
                    let all = ticks(number, from, 720);
                    let early: Vec<_> = all
                        .iter()
                        .filter(|tick| tick.time.as_millis() / MINUTE % 5 != 1)
                        .cloned()
                        .collect();
                    let late: Vec<_> = all
                        .iter()
                        .filter(|tick| tick.time.as_millis() / MINUTE % 5 == 1)
                        .cloned()
                        .collect();
                    put(store, &dictionary, number, seq, &early, at(from + 12 * HOUR));
                    store.seal_everything(at(from + 12 * HOUR)).unwrap();
                    put(
                        store,
                        &dictionary,
                        number,
                        seq + early.len() as u64,
                        &late,
                        at(from + 13 * HOUR),
                    );
                }
                store.seal_everything(at(from + 13 * HOUR)).unwrap();
            }
        }
    }
    let compare = |stage: &str| {
        for range in [(0, 3 * DAY - 1), (7 * MINUTE, DAY + 13 * HOUR + 5)] {
            for query in queries(range.0, range.1) {
                same(plain.query(&query).unwrap(), classed.query(&query).unwrap())
                    .unwrap_or_else(|error| panic!("{stage}: {query:?}: {error}"));
            }
        }
    };
    compare("sealed");
    for hour in 73..100 {
        plain.maintain(at(hour * HOUR)).unwrap();
        classed.maintain(at(hour * HOUR)).unwrap();
    }
    compare("folded and merged");
    let raw = open(&without_rollups(&two), long);
    let query = &queries(0, 3 * DAY - 1)[9];
    same(raw.query(query).unwrap(), classed.query(query).unwrap()).unwrap();
}

#[test]
fn a_change_of_class_holds_from_the_next_day_on() {
    let disk = FaultDisk::new();
    let store = begun(&disk, classed(), 0);
    let dictionary = learn(&store);
    store.set_classes(in_bank(&[1, 3, 4]));
    // The rest of the first day goes where its beginning is, after a restart too.
    put(&store, &dictionary, 1, 5_000, &ticks(1, 8 * HOUR, 60), at(9 * HOUR));
    store.seal_everything(at(9 * HOUR)).unwrap();
    drop(store);
    let store = open(&disk, classed());
    store.set_classes(in_bank(&[1, 3, 4]));
    put(&store, &dictionary, 1, 6_000, &ticks(1, 10 * HOUR, 60), at(11 * HOUR));
    put(&store, &dictionary, 1, 7_000, &ticks(1, DAY, 60), at(DAY + HOUR));
    store.seal_everything(at(DAY + HOUR)).unwrap();
    assert!(
        !files(&disk, ".blk").contains("2025-11-23.blk"),
        "nobody else ticks on that day"
    );
    let minutes = |store: &Store, from: i64| {
        let query = Query {
            hosts: vec![host(1)],
            attributes: vec![("part".into(), "a".into())],
            ..Query::new("level", at(from), at(from + DAY - 1))
        };
        store
            .query(&query)
            .unwrap()
            .series
            .iter()
            .map(|series| series.points.len())
            .sum::<usize>()
    };
    assert_eq!((minutes(&store, 0), minutes(&store, DAY)), (72 + 120, 60));
    // What was written before goes with the class that it was written in.
    store.maintain(at(5 * DAY)).unwrap();
    assert_eq!((minutes(&store, 0), minutes(&store, DAY)), (0, 60));
    store.maintain(at(7 * DAY)).unwrap();
    assert_eq!(minutes(&store, DAY), 60);
    store.maintain(at(8 * DAY)).unwrap();
    assert_eq!(minutes(&store, DAY), 0);
}

#[test]
fn little_space_drops_the_oldest_day_of_all_classes_the_default_one_first() {
    let disk = FaultDisk::new();
    let tight = StoreConfig {
        free_bytes_min: 1 << 20,
        ..classed()
    };
    let store = begun(&disk, tight, 2);
    let before = disk.history().len();
    disk.set_capacity(Some(1 << 19));
    assert_eq!(store.maintain(at(2 * DAY + 8 * HOUR)).unwrap().dropped_days, 4);
    let gone: Vec<String> = disk.history()[before..]
        .iter()
        .filter(|(operation, _)| *operation == Operation::Unlink)
        .map(|(_, path)| path.file_name().unwrap().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".blk") && !name.starts_with("0000"))
        .collect();
    assert_eq!(
        gone,
        [
            "2025-11-22.blk",
            "2025-11-22.bank.blk",
            "2025-11-23.blk",
            "2025-11-23.bank.blk"
        ]
    );
    let health = store.health();
    assert!(health.space_low && !health.is_good());
    assert_eq!(
        files(&disk, ".blk"),
        BTreeSet::from(["2025-11-24.blk".to_owned(), "2025-11-24.bank.blk".to_owned()])
    );
}

#[test]
fn a_class_that_is_no_longer_declared_keeps_its_files_until_it_is_again() {
    let disk = FaultDisk::new();
    drop(begun(&disk, classed(), 0));
    let without = StoreConfig {
        classes: BTreeMap::new(),
        ..classed()
    };
    let store = open(&disk, without);
    store.set_classes(in_bank(&[3, 4]));
    store.maintain(at(300 * DAY)).unwrap();
    assert_eq!(files(&disk, ".blk"), BTreeSet::from(["2025-11-22.bank.blk".to_owned()]));
    assert_eq!(shown(&store, HOUR), [0, 0, 6, 6]);
    let sizes = store.health().classes;
    let of = |class: RetentionClass| sizes.iter().find(|size| size.class == class).cloned().unwrap();
    assert!(!of(bank()).declared && of(bank()).block_bytes > 0);
    assert_eq!(of(RetentionClass::DEFAULT).oldest_day, None);
    // New days of its hosts are the default class's.
    let dictionary = learn(&store);
    put(
        &store,
        &dictionary,
        3,
        5_000,
        &ticks(3, 300 * DAY, 60),
        at(300 * DAY + HOUR),
    );
    store.seal_everything(at(300 * DAY + HOUR)).unwrap();
    assert!(
        files(&disk, ".blk").contains("2026-09-18.blk"),
        "{:?}",
        files(&disk, ".blk")
    );
    drop(store);
    let store = open(&disk, classed());
    store.maintain(at(300 * DAY + 2 * HOUR)).unwrap();
    assert!(!files(&disk, ".blk").contains("2025-11-22.bank.blk"));
}

#[test]
fn sizes_are_told_by_class() {
    let disk = FaultDisk::new();
    let store = begun(&disk, classed(), 1);
    let health = store.health();
    let [default, own] = health.classes.as_slice() else {
        panic!("{:?}", health.classes)
    };
    assert_eq!((default.class, own.class), (RetentionClass::DEFAULT, bank()));
    let whole = |size: &ClassSize| size.declared && size.block_bytes > 0 && size.rollup_bytes > 0;
    assert!(whole(default) && whole(own));
    assert_eq!(default.block_bytes + own.block_bytes, health.block_bytes);
    assert_eq!(default.rollup_bytes + own.rollup_bytes, health.rollup_bytes);
    store.maintain(at(5 * DAY)).unwrap();
    let oldest: Vec<_> = store
        .health()
        .classes
        .iter()
        .map(|size| (size.oldest_raw_day, size.oldest_day))
        .collect();
    assert_eq!(oldest, [(Some(at(DAY)), Some(at(0))), (Some(at(0)), Some(at(0)))]);
}

#[test]
fn a_backup_holds_all_classes_and_verify_reads_them() {
    let disk = FaultDisk::new();
    let store = begun(&disk, classed(), 1);
    // Indexes too.
    store.maintain(at(DAY + 8 * HOUR)).unwrap();
    store.maintain(at(DAY + 10 * HOUR)).unwrap();
    assert!(
        files(&disk, ".index").contains("2025-11-22.bank.index"),
        "{:?}",
        disk.paths()
    );
    let before = shown(&store, MINUTE);
    let live = store.verify(&|_| true).unwrap();
    assert!(live.is_whole() && live.unknown_files == 0, "{live:?}");
    store.backup(Path::new("/backup"), at(2 * DAY)).unwrap();
    drop(store);
    assert!(verify_closed(&disk, Path::new("/store"), &|_| true).unwrap().is_whole());
    let found = verify_backup(&disk, Path::new("/backup"), &|_| true).unwrap();
    assert!(found.is_whole() && found.unknown_files == 0, "{found:?}");
    restore(&disk, Path::new("/backup"), Path::new("/again"), &|_| true).unwrap();
    let again = StoreConfig {
        dir: "/again".into(),
        ..classed()
    };
    assert_eq!(shown(&open(&disk, again), MINUTE), before);
    // Damage of a class's files is found as any other.
    for path in names(&disk, "") {
        if path.starts_with("/store/") && path.contains(".bank.") {
            let damaged = disk.copy();
            assert!(damaged.damage(Path::new(&path), |bytes| *bytes.last_mut().unwrap() ^= 1));
            assert!(
                !verify_closed(&damaged, Path::new("/store"), &|_| true)
                    .unwrap()
                    .is_whole(),
                "{path}"
            );
        }
    }
}

#[test]
fn an_index_of_a_class_goes_with_its_day_and_is_no_other_class_s() {
    let disk = FaultDisk::new();
    let store = begun(&disk, classed(), 0);
    store.maintain(at(8 * HOUR)).unwrap();
    store.maintain(at(10 * HOUR)).unwrap();
    let indexes = BTreeSet::from(["2025-11-22.index".to_owned(), "2025-11-22.bank.index".to_owned()]);
    assert_eq!(files(&disk, ".index"), indexes);
    let before = shown(&store, MINUTE);
    drop(store);
    let orphan = disk.restart(0);
    orphan.unlink(Path::new("/store/blocks/2025-11-22.blk")).unwrap();
    let store = open(&orphan, classed());
    assert_eq!(
        files(&orphan, ".index"),
        BTreeSet::from(["2025-11-22.bank.index".to_owned()])
    );
    let rolled_up = shown(&store, HOUR);
    assert_eq!((rolled_up[2], rolled_up[3]), (6, 6));
    let store = Store::open(classed(), Arc::new(disk.clone())).unwrap();
    assert_eq!(shown(&store, MINUTE), before);
    store.maintain(at(5 * DAY)).unwrap();
    assert_eq!(
        files(&disk, ".index"),
        BTreeSet::from(["2025-11-22.bank.index".to_owned()])
    );
}
