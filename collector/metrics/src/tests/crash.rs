//! Power cuts at every operation of a scripted run.
//!
//! The disk forgets what was not synced, keeps a random part of the rest, and sometimes zeroes its end. After each cut
//! the store must open, hold every acknowledged tick exactly once with its values, and take what is missing.
//! `TOCSIN_CRASH_SEEDS` sets how many outcomes of each cut are tried (default 2).

use super::world::{Agent, INTERVAL_MS, START_MS, config, learn, level, stored, tick};
use crate::{Aggregate, FaultDisk, Query, Store, StoreError, disk::Operation};
use std::{
    collections::BTreeSet,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};
use tocsin_vocabulary::{HostId, Timestamp};

/// Ticks of each agent in the whole script.
const LAST_SEQ: u64 = 420;

/// What a run was told to be safe.
#[derive(Default)]
struct Promised {
    steady: BTreeSet<u64>,
    flaky: BTreeSet<u64>,
}

fn at(seq: u64) -> Timestamp {
    tick(seq).time
}

fn later(now: Timestamp, seconds: u64) -> Timestamp {
    now.plus(Duration::from_secs(seconds))
}

/// A morning in the life of two agents: one steady, one with outages, over two hours, sealed and dropped in between.
fn script(store: &Store, promised: &mut Promised) -> Result<(), StoreError> {
    let dictionary = learn(store)?;
    let (mut steady, mut flaky) = (Agent::new(1, &dictionary), Agent::new(2, &dictionary));
    steady.connect(store, 1);
    flaky.connect(store, 1);
    for seq in 1..=12 {
        steady.live(store, seq, seq % 5 == 1)?;
        promised.steady.insert(seq);
    }
    for seq in [1, 2, 9, 10] {
        flaky.live(store, seq, seq == 9)?;
        promised.flaky.insert(seq);
    }
    flaky.chunk(store, &[3, 4, 5, 6], at(11))?;
    promised.flaky.extend(3..=6);
    flaky.gap(store, 7, 8)?;
    promised.flaky.extend(7..=8);
    store.seal_everything(at(13))?;
    // The chain goes on across sealing.
    for seq in 13..=16 {
        steady.live(store, seq, false)?;
        promised.steady.insert(seq);
    }
    // Late ticks for an hour that is sealed.
    flaky.chunk(store, &[11, 12], at(17))?;
    promised.flaky.extend(11..=12);
    // An hour later: a new segment, then the old ones go.
    for seq in 361..=364 {
        steady.live(store, seq, seq == 361)?;
        promised.steady.insert(seq);
    }
    store.maintain(at(400))?;
    for seq in 365..=368 {
        steady.live(store, seq, seq == 367)?;
        promised.steady.insert(seq);
    }
    store.maintain(later(at(400), 3_700))?;
    store.seal_everything(later(at(400), 7_400))?;
    store.maintain(later(at(400), 11_200))?;
    flaky.connect(store, 1);
    flaky.live(store, LAST_SEQ, true)?;
    promised.flaky.insert(LAST_SEQ);
    store.maintain(later(at(400), 15_000))?;
    Ok(())
}

/// Runs the script until the power goes.
fn run(disk: &FaultDisk) -> Promised {
    let mut promised = Promised::default();
    if let Ok(store) = Store::open(config(), Arc::new(disk.clone())) {
        let _ = script(&store, &mut promised);
    }
    promised
}

fn check_host(store: &Store, host: HostId, spool_seqs: &BTreeSet<u64>, lost: &BTreeSet<u64>) {
    let agent_spool = tocsin_vocabulary::SpoolId::from_bytes([host.as_bytes()[0] + 100; 16]);
    let holdings = store.holdings(host, agent_spool);
    let holds = |seq: u64| {
        holdings
            .received
            .iter()
            .any(|&(first, last)| (first..=last).contains(&seq))
    };
    for seq in spool_seqs {
        assert!(holds(*seq), "tick {seq} of {host} was promised and is lost");
    }
    let counts = stored(store, host);
    for ((_, seq), count) in &counts {
        assert_eq!(*count, 1, "tick {seq} of {host} is stored {count} times");
        assert!(holds(*seq));
    }
    let expected = (1..=LAST_SEQ).filter(|seq| holds(*seq) && !lost.contains(seq)).count();
    assert_eq!(counts.len(), expected, "what is held is stored");
    let query = Query {
        hosts: vec![host],
        metric: "level".into(),
        attributes: vec![("host.part".into(), "a".into())],
        from: Timestamp::from_millis(START_MS),
        to: at(LAST_SEQ),
        step: None,
        aggregate: Some(Aggregate::Last),
    };
    let answer = store.query(&query).unwrap();
    let points = answer
        .series
        .first()
        .map(|series| series.points.clone())
        .unwrap_or_default();
    assert_eq!(points.len(), counts.len());
    for (time, value) in points {
        let seq = u64::try_from((time.as_millis() - START_MS) / INTERVAL_MS).unwrap();
        assert_eq!(value, Some(level(seq)), "tick {seq} of {host}");
    }
}

/// Opens what is left, checks it, fills what is missing, seals, opens again, checks again.
fn check(disk: &FaultDisk, promised: &Promised) {
    let steady = HostId::from_bytes([1; 16]);
    let flaky = HostId::from_bytes([2; 16]);
    let nothing = BTreeSet::new();
    let lost: BTreeSet<u64> = (7..=8).collect();
    {
        let store = Store::open(config(), Arc::new(disk.clone())).expect("the store opens after a cut");
        check_host(&store, steady, &promised.steady, &nothing);
        check_host(&store, flaky, &promised.flaky, &lost);
        let dictionary = learn(&store).unwrap();
        let mut agent = Agent::new(1, &dictionary);
        agent.connect(&store, 1);
        let all: Vec<u64> = (1..=40).collect();
        agent.chunk(&store, &all, at(LAST_SEQ)).unwrap();
        agent.live(&store, 41, true).unwrap();
        store.seal_everything(at(LAST_SEQ)).unwrap();
        agent.live(&store, 42, false).unwrap();
    }
    let store = Store::open(config(), Arc::new(disk.clone())).expect("the store opens again");
    let mut promised_steady = promised.steady.clone();
    promised_steady.extend(1..=42);
    check_host(&store, steady, &promised_steady, &nothing);
    check_host(&store, flaky, &promised.flaky, &lost);
}

fn seeds() -> u64 {
    std::env::var("TOCSIN_CRASH_SEEDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(2)
}

fn operations_of_a_run() -> u64 {
    let disk = FaultDisk::new();
    let promised = run(&disk);
    assert!(
        promised.flaky.contains(&LAST_SEQ),
        "the script runs to its end on a good disk"
    );
    disk.operations()
}

#[test]
fn a_power_cut_anywhere_loses_nothing_acknowledged_and_stores_nothing_twice() {
    let operations = operations_of_a_run();
    assert!(operations > 100, "{operations}");
    for cut in 0..operations {
        for seed in 0..seeds() {
            let disk = FaultDisk::new();
            disk.cut_at(cut);
            let promised = run(&disk);
            let found = disk.restart(cut * 1_000 + seed);
            let outcome = catch_unwind(AssertUnwindSafe(|| check(&found, &promised)));
            assert!(outcome.is_ok(), "cut at operation {cut}, seed {seed}");
        }
    }
}

/// One agent that does not wait for each tick; what it was told to be safe.
fn hasty(store: &Store, number: u8) -> BTreeSet<u64> {
    let mut promised = BTreeSet::new();
    let Ok(dictionary) = learn(store) else { return promised };
    let mut agent = Agent::new(number, &dictionary);
    agent.connect(store, 1);
    for first in (1..=LAST_SEQ - 20).step_by(20) {
        let send = |seq| (seq, agent.send(store, seq, seq % 30 == 1));
        let sent: Vec<_> = (first..first + 20).map(send).collect();
        for (seq, (appended, receiver)) in sent {
            if appended.is_err() || !matches!(receiver.recv(), Ok(Ok(()))) {
                return promised;
            }
            promised.insert(seq);
        }
    }
    promised
}

/// Six hasty agents while hours are sealed all the time.
fn bustle(store: &Store) -> Vec<BTreeSet<u64>> {
    std::thread::scope(|scope| {
        let agents: Vec<_> = (1..=6)
            .map(|number| scope.spawn(move || hasty(store, number)))
            .collect();
        for round in 0..20 {
            // The cut may come here too.
            let _ = store.seal_everything(later(at(1), round * 4_000));
        }
        agents.into_iter().map(|agent| agent.join().unwrap()).collect()
    })
}

#[test]
fn a_power_cut_amid_many_hosts_and_sealing_loses_nothing_acknowledged() {
    let nothing = BTreeSet::new();
    for seed in 0..20 * seeds() {
        let disk = FaultDisk::new();
        disk.cut_at(20 + seed * 13 % 400);
        let promised = bustle(&super::world::open(&disk));
        let found = super::world::open(&disk.restart(seed));
        for (number, promised) in (1_u8..).zip(&promised) {
            check_host(&found, HostId::from_bytes([number; 16]), promised, &nothing);
        }
    }
}

#[test]
fn the_suite_notices_a_disk_that_lies_about_syncs() {
    let operations = operations_of_a_run();
    let noticed = (0..operations).rev().step_by(10).any(|cut| {
        let disk = FaultDisk::new();
        disk.ignore_syncs();
        disk.cut_at(cut);
        let promised = run(&disk);
        catch_unwind(AssertUnwindSafe(|| check(&disk.restart(cut), &promised))).is_err()
    });
    assert!(noticed);
}

#[test]
fn a_failed_write_is_undone_and_the_store_goes_on() {
    let disk = FaultDisk::new();
    let store = super::world::open(&disk);
    let dictionary = learn(&store).unwrap();
    let mut agent = Agent::new(1, &dictionary);
    agent.connect(&store, 1);
    agent.live(&store, 1, true).unwrap();
    disk.fail(Operation::Append, io::ErrorKind::StorageFull, 1);
    assert!(matches!(agent.live(&store, 2, false), Err(StoreError::Write { .. })));
    // What referred to the lost tick must not be stored: only a key-frame will do.
    assert!(matches!(agent.live(&store, 3, false), Err(StoreError::Batch { .. })));
    agent.connect(&store, 1);
    agent.live(&store, 3, true).unwrap();
    agent.chunk(&store, &[2], at(3)).unwrap();
    drop(store);
    let store = super::world::open(&disk.restart(1));
    assert_eq!(store.holdings(agent.host, agent.spool).received, [(1, 3)]);
    assert_eq!(stored(&store, agent.host).len(), 3);
}

#[test]
fn a_full_disk_loses_nothing_acknowledged_and_is_used_again_when_there_is_room() {
    for room in (0..6_000).step_by(37) {
        let disk = FaultDisk::new();
        let store = super::world::open(&disk);
        let dictionary = learn(&store).unwrap();
        let mut agent = Agent::new(1, &dictionary);
        agent.connect(&store, 1);
        let used: usize = 600;
        disk.set_capacity(Some((used + room) as u64));
        let mut promised = Promised::default();
        for seq in 1..=20 {
            if agent.live(&store, seq, seq == 1).is_err() {
                agent.connect(&store, 1);
            } else {
                promised.steady.insert(seq);
            }
        }
        let _ = store.seal_everything(at(21));
        disk.set_capacity(None);
        agent.connect(&store, 1);
        agent.live(&store, 21, true).unwrap();
        promised.steady.insert(21);
        store.seal_everything(at(22)).unwrap();
        assert!(!store.health().poisoned);
        drop(store);
        check(&disk.restart(room as u64), &promised);
    }
}

#[test]
fn after_a_failed_sync_nothing_is_promised_any_more() {
    let disk = FaultDisk::new();
    let store = super::world::open(&disk);
    let dictionary = learn(&store).unwrap();
    let mut agent = Agent::new(1, &dictionary);
    agent.connect(&store, 1);
    agent.live(&store, 1, true).unwrap();
    disk.fail(Operation::Sync, io::ErrorKind::Other, 1);
    assert!(matches!(agent.live(&store, 2, false), Err(StoreError::Write { .. })));
    assert!(store.health().poisoned);
    agent.connect(&store, 1);
    assert!(matches!(agent.live(&store, 2, true), Err(StoreError::Poisoned)));
    assert!(matches!(store.seal_everything(at(3)), Err(StoreError::Poisoned)));
    drop(store);
    let store = super::world::open(&disk.restart(5));
    let held = store.holdings(agent.host, agent.spool).received;
    assert!(held.first().is_some_and(|&(first, last)| first == 1 && last <= 2));
}
