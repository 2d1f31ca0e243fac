//! Past days: their indexes, and the folding of hours that got late ticks.

use super::world::{Agent, START_MS, config, learn, open, stored, tick};
use crate::{
    Aggregate, Disk, FaultDisk, Query, QueryResult, Retention, RetentionClass, Store, StoreConfig, StoreError,
};
use std::{
    collections::{BTreeMap, HashMap},
    ops::RangeInclusive,
    path::Path,
    sync::Arc,
    time::Duration,
};
use tocsin_vocabulary::{HostId, Timestamp};

const DAY: &str = "/store/blocks/2025-11-22.blk";
const INDEX: &str = "/store/blocks/2025-11-22.index";

fn hours(count: u64) -> Timestamp {
    Timestamp::from_millis(START_MS).plus(Duration::from_secs(count * 3_600))
}

fn answer(store: &Store) -> QueryResult {
    let query = Query {
        aggregate: Some(Aggregate::Last),
        ..Query::new("level", tick(1).time, tick(800).time)
    };
    store.query(&query).unwrap()
}

/// These ticks of the first hour, and the same of the two hours after it.
fn every_hour(seqs: RangeInclusive<u64>) -> impl Iterator<Item = u64> {
    (0..3).flat_map(move |hour| seqs.clone().map(move |seq| hour * 360 + seq))
}

/// Three hosts over three hours; of the second one many ticks come late, in three goes, each sealed for itself.
fn layered(store: &Store) -> Result<(), StoreError> {
    let dictionary = learn(store)?;
    for number in 1..=3 {
        let mut agent = Agent::new(number, &dictionary);
        agent.connect(store, 1);
        for seq in every_hour(1..=10).chain(every_hour(41..=50)) {
            agent.live(store, seq, true)?;
        }
    }
    store.seal_everything(hours(3))?;
    let mut late = Agent::new(2, &dictionary);
    late.connect(store, 1);
    for third in 0..3 {
        let first = 11 + 10 * third;
        let seqs: Vec<u64> = every_hour(first..=first + 9).collect();
        late.chunk(store, &seqs, hours(3))?;
        store.seal_everything(hours(3))?;
    }
    Ok(())
}

/// Housekeeping every hour until all is indexed and folded.
fn keep_house(store: &Store) -> Result<(), StoreError> {
    for hour in 4..36 {
        store.maintain(hours(hour))?;
    }
    Ok(())
}

fn blocks(store: &Store, number: u8) -> usize {
    let all = i64::MIN..=i64::MAX;
    let listing = store.shared().blocks.list(HostId::from_bytes([number; 16]), all);
    listing.read().unwrap().len()
}

fn places(store: &Store) -> Vec<(u8, i64, u32, u64)> {
    let mut places = Vec::new();
    for number in 1..=3 {
        let host = HostId::from_bytes([number; 16]);
        let found = store.shared().blocks.list(host, i64::MIN..=i64::MAX).read().unwrap();
        let newest = store.shared().blocks.newest(host).unwrap().unwrap();
        assert!(newest.is_at(found.last().unwrap()) || newest.offset == found.last().unwrap().offset);
        places.extend(
            found
                .iter()
                .map(|block| (number, block.hour, block.generation, block.offset)),
        );
    }
    places
}

fn check(store: &Store, expected: &QueryResult) {
    assert_eq!(answer(store), *expected);
    for number in 1..=3 {
        let agent = Agent::new(number, &learn(store).unwrap());
        let counts = stored(store, agent.host);
        assert_eq!(counts.len(), if number == 2 { 150 } else { 60 }, "host {number}");
        assert!(counts.values().all(|count| *count == 1));
        let held = store.holdings(agent.host, agent.spool).received;
        let numbers: u64 = held.iter().map(|(first, last)| last - first + 1).sum();
        assert_eq!(numbers, counts.len() as u64, "host {number}");
    }
}

#[test]
fn an_hour_with_late_ticks_becomes_one_block_that_answers_as_they_did() {
    let disk = FaultDisk::new();
    let store = open(&disk);
    layered(&store).unwrap();
    let before = answer(&store);
    assert_eq!((blocks(&store, 1), blocks(&store, 2)), (3, 12));
    keep_house(&store).unwrap();
    assert_eq!((blocks(&store, 1), blocks(&store, 2)), (3, 3));
    check(&store, &before);
    let length = store.shared().blocks.size();
    keep_house(&store).unwrap();
    assert_eq!(store.shared().blocks.size(), length, "folded once");
    let folded = places(&store);
    drop(store);
    let store = open(&disk.restart(0));
    assert_eq!(places(&store), folded);
    check(&store, &before);
}

#[test]
fn the_index_and_the_headers_tell_the_same() {
    let disk = FaultDisk::new();
    let store = open(&disk);
    layered(&store).unwrap();
    let before = answer(&store);
    for folded in [false, true] {
        store.maintain(hours(4)).unwrap();
        store.maintain(hours(5)).unwrap();
        if folded {
            keep_house(&store).unwrap();
        }
        assert!(disk.paths().iter().any(|path| path == Path::new(INDEX)));
        let expected = places(&store);
        let whole = disk.restart(0);
        let again = open(&whole);
        assert_eq!(places(&again), expected);
        check(&again, &before);
        drop(again);
        whole.unlink(Path::new(INDEX)).unwrap();
        let again = open(&whole);
        assert_eq!(places(&again), expected);
        assert_eq!(again.health().damaged_blocks, 0);
        check(&again, &before);
        drop(again);
        let length = {
            let mut length = 0;
            disk.damage(Path::new(INDEX), |bytes| length = bytes.len());
            length
        };
        for at in (0..length).step_by(7) {
            let damaged = disk.restart(0);
            damaged.damage(Path::new(INDEX), |bytes| bytes[at] ^= 0x20);
            let again = open(&damaged);
            assert_eq!(places(&again), expected, "byte {at}");
            // It is written anew.
            again.maintain(hours(40)).unwrap();
            again.maintain(hours(41)).unwrap();
            drop(again);
            let again = open(&damaged.restart(0));
            assert_eq!(again.health().damaged_blocks, 0, "byte {at}");
            assert_eq!(answer(&again), before, "byte {at}");
        }
    }
}

#[test]
fn a_start_does_not_read_the_headers_of_indexed_blocks_that_the_journal_knows_as_sealed() {
    let disk = FaultDisk::new();
    let store = open(&disk);
    layered(&store).unwrap();
    let expected = places(&store);
    store.maintain(hours(4)).unwrap();
    store.maintain(hours(5)).unwrap();
    drop(store);
    // Two starts later the segment of that time is gone.
    for seq in 1..=2 {
        let store = open(&disk);
        let mut agent = Agent::new(9, &learn(&store).unwrap());
        agent.connect(&store, 1);
        agent.live(&store, seq, true).unwrap();
        store.maintain(hours(6)).unwrap();
    }
    disk.damage(Path::new(DAY), |bytes| bytes[..20].fill(0));
    let store = open(&disk);
    assert_eq!(store.health().damaged_blocks, 0);
    assert_eq!(places(&store), expected);
    assert_eq!(store.hosts().len(), 4);
    let agent = Agent::new(1, &learn(&store).unwrap());
    let held = store.holdings(agent.host, agent.spool).received;
    assert_eq!(held.len(), 6);
}

#[test]
fn an_index_goes_with_its_day() {
    let disk = FaultDisk::new();
    let store = open(&disk);
    layered(&store).unwrap();
    store.maintain(hours(4)).unwrap();
    store.maintain(hours(5)).unwrap();
    let orphan = disk.restart(0);
    let retention = config().retention + Duration::from_secs(3 * 86_400);
    assert_eq!(store.maintain(hours(5).plus(retention)).unwrap().dropped_days, 1);
    assert!(!disk.paths().iter().any(|path| path.starts_with("/store/blocks")));
    orphan.unlink(Path::new(DAY)).unwrap();
    assert_eq!(open(&orphan).health().damaged_blocks, 0);
    assert!(!orphan.paths().iter().any(|path| path.starts_with("/store/blocks")));
}

/// The host whose ticks come late is of another class than the others.
fn open_classed(disk: &FaultDisk) -> Store {
    let late = "late".parse().unwrap();
    let kept = Retention {
        raw: Duration::from_secs(90 * 86_400),
        ..config().retention_of(RetentionClass::DEFAULT).unwrap()
    };
    let config = StoreConfig {
        classes: BTreeMap::from([(late, kept)]),
        ..config()
    };
    let store = Store::open(config, Arc::new(disk.clone())).unwrap();
    store.set_classes(HashMap::from([(HostId::from_bytes([2; 16]), late)]));
    store
}

#[test]
fn a_power_cut_anywhere_in_indexing_and_folding_costs_nothing() {
    cut_anywhere(open);
    cut_anywhere(open_classed);
}

fn cut_anywhere(open: fn(&FaultDisk) -> Store) {
    let seeds = 2;
    let run = |disk: &FaultDisk, cut: Option<u64>| {
        let store = open(disk);
        layered(&store).unwrap();
        let (before, operations) = (answer(&store), disk.operations());
        if let Some(cut) = cut {
            disk.cut_at(operations + cut);
        }
        let kept = keep_house(&store);
        assert!(cut.is_some() || kept.is_ok());
        (before, disk.operations() - operations)
    };
    let (before, operations) = run(&FaultDisk::new(), None);
    assert!(operations > 20, "{operations}");
    for cut in 0..operations {
        let disk = FaultDisk::new();
        run(&disk, Some(cut));
        for seed in 0..seeds {
            let found = disk.restart(cut * 100 + seed);
            let store = open(&found);
            check(&store, &before);
            keep_house(&store).unwrap();
            assert_eq!(blocks(&store, 2), 3, "cut {cut}, seed {seed}");
            check(&store, &before);
            drop(store);
            check(&open(&found.restart(seed)), &before);
        }
    }
}
