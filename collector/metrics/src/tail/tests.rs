//! Readers behind the writer: everything once, in order of arrival, across restarts, damage and dropped segments.

use super::*;
use crate::{
    disk::{Disk, FaultDisk},
    tests::world::{Agent, config, learn, open, tick},
};
use proptest::prelude::*;
use std::path::Path;

/// What a reader yields until the end, as (host's first byte, tick time).
fn read_on(tail: &mut Tail, store: &Store) -> (Vec<(u8, i64)>, Position, u32) {
    let (mut found, mut missed) = (Vec::new(), 0);
    loop {
        let batch = tail.next_batch(store, 6).unwrap();
        assert_eq!(batch.undecodable, 0);
        found.extend(
            batch
                .ticks
                .iter()
                .map(|tick| (tick.host.as_bytes()[0], tick.tick.time.as_millis())),
        );
        missed += batch.missed_segments;
        if !batch.more {
            return (found, batch.next, missed);
        }
    }
}

fn time(seq: u64) -> i64 {
    tick(seq).time.as_millis()
}

fn beginning() -> Position {
    Position::default()
}

#[test]
fn positions_read_back_as_they_are_written() {
    let position = Position {
        segment: 12,
        offset: 345,
        rebuild_from: 9,
    };
    assert_eq!(position.to_string().parse(), Ok(position));
    assert_eq!("1:2".parse::<Position>(), Err(ParsePositionError));
    assert_eq!("1:2:x".parse::<Position>(), Err(ParsePositionError));
}

#[test]
fn ticks_are_yielded_whole_in_order_of_arrival_and_once() {
    let disk = FaultDisk::new();
    let store = open(&disk);
    let dictionary = learn(&store).unwrap();
    let (mut one, mut two) = (Agent::new(1, &dictionary), Agent::new(2, &dictionary));
    one.connect(&store, 1);
    two.connect(&store, 1);
    let mut tail = store.tail(beginning());
    one.live(&store, 10, true).unwrap();
    two.live(&store, 1, true).unwrap();
    one.live(&store, 11, false).unwrap();
    let batch = tail.next_batch(&store, usize::MAX).unwrap();
    let cells: Vec<_> = batch.ticks.iter().map(|found| found.tick.clone()).collect();
    assert_eq!(cells, [tick(10), tick(1), tick(11)]);
    assert!(!batch.more && batch.ticks.iter().all(|found| !found.backlog));
    // The agent did not hear the acknowledgement and sends all of it again, and backlog with ticks that are held.
    one.connect(&store, 1);
    one.live(&store, 11, true).unwrap();
    one.live(&store, 12, false).unwrap();
    one.chunk(&store, &[8, 9, 10, 11], tick(12).time).unwrap();
    let mut next = || {
        let batch = tail.next_batch(&store, usize::MAX).unwrap();
        batch
            .ticks
            .into_iter()
            .map(|found| (found.tick, found.backlog))
            .collect::<Vec<_>>()
    };
    assert_eq!(next(), [(tick(12), false)]);
    assert_eq!(next(), [(tick(8), true), (tick(9), true)], "backlog comes alone");
    assert!(tail.next_batch(&store, 1).unwrap().ticks.is_empty());
}

#[test]
fn a_reader_at_the_end_yields_what_comes_after() {
    let disk = FaultDisk::new();
    let store = open(&disk);
    let mut agent = Agent::new(1, &learn(&store).unwrap());
    agent.connect(&store, 1);
    (1..5).for_each(|seq| drop(agent.live(&store, seq, seq == 1).unwrap()));
    let mut tail = store.tail(store.tail_end());
    assert_eq!(store.journal_bytes_after(store.tail_end()), 0);
    agent.live(&store, 5, false).unwrap();
    assert_eq!(read_on(&mut tail, &store).0, [(1, time(5))]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn wherever_reader_and_store_are_restarted_each_tick_is_yielded_once(
        steps in prop::collection::vec((0..6_u8, 0..4_u8), 1..40),
    ) {
        let disk = FaultDisk::new();
        let mut store = open(&disk);
        let dictionary = learn(&store).unwrap();
        let mut agents = [Agent::new(1, &dictionary), Agent::new(2, &dictionary)];
        let mut seqs = [0_u64; 2];
        agents.iter_mut().for_each(|agent| agent.connect(&store, 1));
        let mut fresh = [true; 2];
        let mut tail = store.tail(beginning());
        store.pin_journal("reader", beginning(), tick(1).time);
        let (mut found, mut sent, mut position) = (Vec::new(), Vec::new(), beginning());
        for (what, which) in steps {
            let at = usize::from(which % 2);
            match what {
                // The reader is lost after its last word, or everything is.
                0 => tail = store.tail(position),
                1 => {
                    drop(store);
                    store = open(&disk);
                    agents.iter_mut().for_each(|agent| agent.connect(&store, 1));
                    fresh = [true; 2];
                    store.pin_journal("reader", position, tick(1).time);
                    tail = store.tail(position);
                }
                2 => {
                    let (more, next, _) = read_on(&mut tail, &store);
                    found.extend(more);
                    position = next;
                    store.pin_journal("reader", position, tick(1).time);
                }
                3 => {
                    let now = tick(seqs[at] + 1).time.plus(Duration::from_secs(4_000));
                    store.seal_everything(now).unwrap();
                }
                _ => {
                    seqs[at] += 1;
                    // One in four is a duplicate of the tick before.
                    let seq = if which == 3 && seqs[at] > 1 { seqs[at] -= 1; seqs[at] } else { sent.push((1 + which % 2, time(seqs[at]))); seqs[at] };
                    agents[at].live(&store, seq, std::mem::take(&mut fresh[at])).unwrap();
                }
            }
        }
        found.extend(read_on(&mut tail, &store).0);
        prop_assert_eq!(found, sent);
    }
}

#[test]
fn a_reader_whose_segments_are_gone_goes_on_with_the_oldest_and_says_so() {
    let disk = FaultDisk::new();
    let mut agent;
    let lost = {
        let store = open(&disk);
        agent = Agent::new(1, &learn(&store).unwrap());
        agent.connect(&store, 1);
        agent.live(&store, 1, true).unwrap();
        store.tail_end()
    };
    let store = open(&disk);
    store.seal_everything(tick(1_000).time).unwrap();
    assert!(
        !disk
            .list(Path::new("/store/journal"))
            .unwrap()
            .contains(&"0000000001.seg".to_owned())
    );
    agent.connect(&store, 1);
    agent.live(&store, 2, true).unwrap();
    let mut tail = store.tail(Position { offset: 0, ..lost });
    let (found, _, missed) = read_on(&mut tail, &store);
    assert_eq!((found, missed), (vec![(1, time(2))], 1));
    // Neither the default nor a position that this store never had: those mean its beginning.
    assert_eq!(read_on(&mut store.tail(beginning()), &store).2, 0);
    let mut tail = store.tail(Position {
        segment: 99,
        offset: 5,
        rebuild_from: 98,
    });
    assert_eq!(read_on(&mut tail, &store).0, [(1, time(2))]);
}

#[test]
fn a_pinned_segment_stays_until_the_reader_has_gone_on() {
    let disk = FaultDisk::new();
    let mut agent;
    {
        let store = open(&disk);
        agent = Agent::new(1, &learn(&store).unwrap());
        agent.connect(&store, 1);
        agent.live(&store, 1, true).unwrap();
    }
    let store = open(&disk);
    store.pin_journal("reader", beginning(), tick(1).time);
    store.seal_everything(tick(1_000).time).unwrap();
    agent.connect(&store, 1);
    agent.live(&store, 2, true).unwrap();
    let mut tail = store.tail(beginning());
    let (found, next, missed) = read_on(&mut tail, &store);
    assert_eq!((found, missed), (vec![(1, time(1)), (1, time(2))], 0));
    store.pin_journal("reader", next, tick(1).time);
    assert_eq!(store.seal_everything(tick(1_000).time).unwrap().dropped_segments, 1);
}

#[test]
fn damage_costs_a_reader_one_record_and_what_refers_to_it() {
    let disk = FaultDisk::new();
    let place = {
        let store = open(&disk);
        let mut agent = Agent::new(1, &learn(&store).unwrap());
        agent.connect(&store, 1);
        agent.live(&store, 1, true).unwrap();
        let place = store.tail_end().offset;
        (2..6).for_each(|seq| drop(agent.live(&store, seq, seq == 4).unwrap()));
        place
    };
    let path = Path::new("/store/journal/0000000001.seg");
    let file = disk.open(path, false).unwrap();
    let mut bytes = crate::disk::read_all(file.as_ref()).unwrap();
    bytes[place as usize + 30] ^= 1;
    file.truncate(0).unwrap();
    file.append(&bytes).unwrap();
    let store = Store::open(config(), std::sync::Arc::new(disk.clone())).unwrap();
    let mut tail = store.tail(beginning());
    let batch = tail.next_batch(&store, usize::MAX).unwrap();
    let times: Vec<i64> = batch.ticks.iter().map(|found| found.tick.time.as_millis()).collect();
    assert_eq!(times, [time(1), time(4), time(5)]);
    assert_eq!(batch.undecodable, 1);
}
