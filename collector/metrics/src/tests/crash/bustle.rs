//! Power cuts amid many hosts that don't wait for one another, and a write that fails before others that refer to it.

use super::super::world::{Agent, INTERVAL_MS, START_MS, learn, level, open, stored, tick};
use crate::{Aggregate, FaultDisk, Query, Store, StoreError, disk::Operation};
use std::{collections::BTreeSet, io, time::Duration};
use tocsin_vocabulary::{HostId, Timestamp};

/// Ticks of each agent.
const LAST_SEQ: u64 = 420;
/// Runs, each cut at another place.
const RUNS: u64 = 40;

fn at(seq: u64) -> Timestamp {
    tick(seq).time
}

fn later(now: Timestamp, seconds: u64) -> Timestamp {
    now.plus(Duration::from_secs(seconds))
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
        attributes: vec![("host.part".into(), "a".into())],
        aggregate: Some(Aggregate::Last),
        ..Query::new("level", Timestamp::from_millis(START_MS), at(LAST_SEQ))
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
    for seed in 0..RUNS {
        let disk = FaultDisk::new();
        disk.cut_at(20 + seed * 13 % 400);
        let promised = bustle(&open(&disk));
        let found = open(&disk.restart(seed));
        for (number, promised) in (1_u8..).zip(&promised) {
            check_host(&found, HostId::from_bytes([number; 16]), promised, &nothing);
        }
    }
}

#[test]
fn a_failed_write_is_undone_and_the_store_goes_on() {
    let disk = FaultDisk::new();
    let store = open(&disk);
    let dictionary = learn(&store).unwrap();
    let mut agent = Agent::new(1, &dictionary);
    agent.connect(&store, 1);
    agent.live(&store, 1, true).unwrap();
    disk.fail(Operation::Write, io::ErrorKind::StorageFull, 1);
    assert!(matches!(agent.live(&store, 2, false), Err(StoreError::Write { .. })));
    // What referred to the lost tick must not be stored: only a key-frame will do.
    assert!(matches!(agent.live(&store, 3, false), Err(StoreError::Batch { .. })));
    agent.connect(&store, 1);
    agent.live(&store, 3, true).unwrap();
    agent.chunk(&store, &[2], at(3)).unwrap();
    drop(store);
    let store = open(&disk.restart(1));
    assert_eq!(store.holdings(agent.host, agent.spool).received, [(1, 3)]);
    assert_eq!(stored(&store, agent.host).len(), 3);
}
