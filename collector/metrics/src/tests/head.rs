//! The last hour: light blocks beside the journal.

use super::world::{Agent, INTERVAL_MS, learn, open, stored, tick};
use crate::{Aggregate, FaultDisk, Query, Store};
use std::{path::PathBuf, time::Duration};
use tocsin_vocabulary::HostId;

fn ask(host: HostId, to: u64) -> Query {
    Query {
        hosts: vec![host],
        aggregate: Some(Aggregate::Last),
        ..Query::new("level", tick(1).time, tick(to).time)
    }
}

/// 200 ticks, with housekeeping every ten: more than half an hour, so three light blocks.
fn with_light_blocks(disk: &FaultDisk) -> (Store, Agent) {
    let store = open(disk);
    let mut agent = Agent::new(1, &learn(&store).unwrap());
    agent.connect(&store, 1);
    for seq in 1..=200 {
        agent.live(&store, seq, seq % 30 == 1).unwrap();
        if seq % 10 == 0 {
            store.maintain(tick(seq).time).unwrap();
        }
    }
    (store, agent)
}

fn scratch(disk: &FaultDisk) -> Vec<PathBuf> {
    let mut paths = disk.paths();
    paths.retain(|path| path.starts_with("/store/head"));
    paths
}

#[test]
fn the_last_hour_answers_alike_from_light_blocks_and_from_the_journal() {
    let disk = FaultDisk::new();
    let (store, agent) = with_light_blocks(&disk);
    assert_eq!(scratch(&disk).len(), 1);
    assert!(store.health().head_bytes < 70 * 40, "{}", store.health().head_bytes);
    let before = store.query(&ask(agent.host, 200)).unwrap();
    assert_eq!(before.series[0].points.len(), 200);
    assert_eq!(stored(&store, agent.host).len(), 200);
    drop(store);
    let store = open(&disk.restart(0));
    assert_eq!(store.query(&ask(agent.host, 200)).unwrap(), before);
    assert_eq!(*store.latest(agent.host).unwrap().tick, tick(200));
    assert_eq!(store.seal_everything(tick(200).time).unwrap().sealed_blocks, 1);
    assert_eq!(store.query(&ask(agent.host, 200)).unwrap(), before);
}

#[test]
fn live_ticks_go_on_after_a_light_block_was_made_of_those_that_they_refer_to() {
    let disk = FaultDisk::new();
    let (store, mut agent) = with_light_blocks(&disk);
    for seq in 201..=205 {
        agent.live(&store, seq, false).unwrap();
    }
    let answer = store.query(&ask(agent.host, 205)).unwrap();
    assert_eq!(answer.series[0].points.len(), 205);
    store.seal_everything(tick(205).time).unwrap();
    assert_eq!(store.query(&ask(agent.host, 205)).unwrap(), answer);
    // Sealed, and still what the next one refers to.
    agent.live(&store, 206, false).unwrap();
    drop(store);
    let store = open(&disk.restart(0));
    assert_eq!(store.query(&ask(agent.host, 206)).unwrap().series[0].points.len(), 206);
}

#[test]
fn a_damaged_light_block_or_record_is_asked_for_again() {
    let disk = FaultDisk::new();
    let (store, mut agent) = with_light_blocks(&disk);
    assert!(disk.damage(&scratch(&disk)[0], |bytes| bytes[200] ^= 1));
    // In the middle of the newest key-frame's record, or one of those after it.
    let segment = disk
        .paths()
        .into_iter()
        .find(|path| path.extension().is_some_and(|kind| kind == "seg"));
    assert!(disk.damage(&segment.unwrap(), |bytes| {
        let at = bytes.len() - 500;
        bytes[at] ^= 1;
    }));
    store.seal_everything(tick(200).time).unwrap();
    let holdings = store.holdings(agent.host, agent.spool);
    let held: u64 = holdings.received.iter().map(|(first, last)| last - first + 1).sum();
    assert!(held < 200 && held > 80, "{held}");
    assert!(holdings.sealed_seq < 60, "{}", holdings.sealed_seq);
    assert!(!store.health().is_good());
    agent.connect(&store, 1);
    agent
        .chunk(&store, &(1..=200).collect::<Vec<_>>(), tick(200).time)
        .unwrap();
    store.seal_everything(tick(201).time).unwrap();
    assert_eq!(store.holdings(agent.host, agent.spool).sealed_seq, 200);
    assert!(stored(&store, agent.host).values().all(|count| *count == 1));
    assert_eq!(stored(&store, agent.host).len(), 200);
}

#[test]
fn a_disk_without_room_for_light_blocks_costs_only_speed() {
    let disk = FaultDisk::new();
    let store = open(&disk);
    let mut agent = Agent::new(1, &learn(&store).unwrap());
    agent.connect(&store, 1);
    for seq in 1..=200 {
        agent.live(&store, seq, seq % 30 == 1).unwrap();
    }
    let used: u64 = store.health().journal_bytes;
    disk.set_capacity(Some(used));
    store.maintain(tick(200).time).unwrap();
    disk.set_capacity(None);
    assert_eq!(store.query(&ask(agent.host, 200)).unwrap().series[0].points.len(), 200);
    store
        .maintain(
            tick(200)
                .time
                .plus(Duration::from_millis(60 * INTERVAL_MS.unsigned_abs())),
        )
        .unwrap();
    assert_eq!(store.health().head_bytes, 0);
    assert_eq!(stored(&store, agent.host).len(), 200);
}

#[test]
fn scratch_files_go_when_their_hours_are_sealed() {
    let disk = FaultDisk::new();
    let (store, agent) = with_light_blocks(&disk);
    assert!(disk.damage(&scratch(&disk)[0], |_| ()));
    let blocks = |store: &Store| {
        store
            .shared()
            .hosts
            .find(agent.host)
            .unwrap()
            .lock()
            .head
            .light(i64::MIN..=i64::MAX)
            .count()
    };
    assert!(blocks(&store) >= 3);
    store.seal_everything(tick(200).time).unwrap();
    assert_eq!(blocks(&store), 0);
}
