//! What a stream sends, and in which order.

use super::*;
use crate::spool::GapReason;
use proptest::prelude::*;
use std::sync::Arc;
use tocsin_vocabulary::{Dictionary, SpoolId, Timestamp};

fn view(stored: &[(u64, u64)]) -> SpoolView {
    let stored = Ranges::of(stored.iter().copied());
    SpoolView {
        id: SpoolId::from_bytes([1; 16]),
        host: None,
        next_seq: stored.last().unwrap_or(0) + 1,
        stored: Arc::new(stored),
        gaps: Arc::new([]),
        last_event: 0,
        sealed: 0,
        events_acked: 0,
        bytes: 0,
        ticks_dropped: 0,
        events_dropped: 0,
        problem: None,
        dictionary: None,
    }
}

fn dictionary() -> Hash {
    Dictionary::new(Vec::new()).hash()
}

fn live(seq: u64, key_frame: bool) -> Live {
    Live {
        seq,
        key_frame,
        dictionary: dictionary(),
    }
}

fn ready(received: &[(u64, u64)], credit: u32, newest: u64, hour_ticks: u64) -> Plan {
    let mut plan = Plan::new(Ranges::of(received.iter().copied()), 0, credit, newest, hour_ticks);
    plan.offer_sent(dictionary());
    plan.dictionary_ready(dictionary());
    plan
}

#[test]
fn what_was_sent_awaits_its_acknowledgement() {
    let mut plan = ready(&[], 8, 0, 360);
    assert!(!plan.awaits_ack());
    plan.live_came(live(7, true));
    plan.live_sent();
    assert!(plan.awaits_ack());
    plan.acked(&Ranges::of([(7, 7)]), 0);
    assert!(!plan.awaits_ack());
}

/// Sends all chunks that the plan asks for.
fn drain(plan: &mut Plan, spool: &SpoolView) -> Vec<(u64, u64)> {
    let mut chunks = Vec::new();
    while let Step::ReadChunk(first, last) = plan.next(spool) {
        plan.chunk_asked();
        plan.chunk_read(first, last, dictionary());
        if plan.next(spool) != Step::SendChunk {
            break;
        }
        plan.chunk_sent();
        chunks.push((first, last));
    }
    chunks
}

#[test]
fn the_live_tick_goes_before_the_backlog_once_its_dictionary_is_ready() {
    let spool = view(&[(1, 100)]);
    let mut plan = Plan::new(Ranges::new(), 0, 9, 99, 360);
    assert!(plan.live_came(live(100, true)));
    assert_eq!(plan.next(&spool), Step::Offer(dictionary()));
    plan.offer_sent(dictionary());
    assert_eq!(plan.next(&spool), Step::ReadChunk(1, 60));
    plan.dictionary_ready(dictionary());
    assert_eq!(plan.next(&spool), Step::SendLive);
    plan.live_sent();
    assert_eq!(drain(&mut plan, &spool), [(1, 60), (61, 99)]);
    assert_eq!(plan.next(&spool), Step::Wait);
}

#[test]
fn backlog_goes_newest_hour_first_within_what_is_wanted_and_under_credit() {
    let spool = view(&[(1, 250)]);
    let mut plan = ready(&[(101, 110), (230, 250)], 3, 250, 100);
    assert_eq!(drain(&mut plan, &spool), [(201, 229), (111, 170), (171, 200)]);
    assert_eq!(plan.next(&spool), Step::Wait);
    plan.add_credit(9);
    assert_eq!(drain(&mut plan, &spool), [(1, 60), (61, 100)]);
}

#[test]
fn ticks_beyond_the_horizon_are_not_backlog_for_they_still_come_live() {
    let mut plan = ready(&[(1, 10)], 9, 10, 360);
    assert_eq!(plan.next(&view(&[(1, 12)])), Step::Wait);
    assert!(
        !plan.live_came(live(12, false)),
        "no chain was begun: it becomes backlog"
    );
    assert_eq!(plan.next(&view(&[(1, 12)])), Step::ReadChunk(11, 12));
}

#[test]
fn a_live_tick_left_out_breaks_the_chain_until_a_key_frame() {
    let mut plan = ready(&[], 0, 0, 360);
    assert!(plan.live_came(live(1, true)));
    plan.live_sent();
    assert!(plan.live_came(live(2, false)));
    plan.live_sent();
    assert!(!plan.live_came(live(4, false)));
    assert!(!plan.live_came(live(5, false)));
    assert!(plan.live_came(live(6, true)));
}

#[test]
fn gaps_are_told_once_and_only_for_what_the_collector_lacks() {
    let at = Timestamp::from_millis(0);
    let gap = Gap {
        first: 5,
        last: 20,
        from: at,
        to: at,
        reason: GapReason::SpoolFull,
    };
    let spool = SpoolView {
        gaps: Arc::new([gap]),
        ..view(&[(21, 30)])
    };
    let mut plan = ready(&[(1, 8), (21, 30)], 0, 30, 360);
    let Step::TellGap(told) = plan.next(&spool) else {
        panic!("no gap told")
    };
    assert_eq!((told.first, told.last), (9, 20));
    plan.gap_told(&told);
    assert_eq!(plan.next(&spool), Step::Wait);
}

#[test]
fn a_tick_that_was_not_stored_but_is_about_to_go_live_is_no_gap() {
    let at = Timestamp::from_millis(0);
    let gap = Gap {
        first: 11,
        last: 11,
        from: at,
        to: at,
        reason: GapReason::DiskFull,
    };
    let spool = SpoolView {
        gaps: Arc::new([gap]),
        ..view(&[(1, 10)])
    };
    let mut plan = ready(&[(1, 10)], 0, 10, 360);
    assert_eq!(plan.next(&spool), Step::Wait);
    plan.live_came(live(11, true));
    assert_eq!(plan.next(&spool), Step::SendLive);
    plan.live_sent();
    assert_eq!(plan.next(&spool), Step::Wait);
}

#[test]
fn events_go_in_order_and_before_the_backlog() {
    let spool = SpoolView {
        last_event: 7,
        ..view(&[(1, 10)])
    };
    let mut plan = ready(&[], 1, 10, 360);
    assert_eq!(plan.next(&spool), Step::ReadEvents(0));
    plan.events_asked();
    assert_eq!(plan.next(&spool), Step::ReadChunk(1, 10));
    plan.events_sent(Some(5));
    assert_eq!(plan.next(&spool), Step::ReadEvents(5));
}

#[test]
fn a_busy_spool_is_not_asked_in_a_circle() {
    let spool = SpoolView {
        last_event: 1,
        ..view(&[(1, 10)])
    };
    let mut plan = ready(&[], 1, 10, 360);
    plan.events_asked();
    plan.events_sent(None);
    assert_eq!(plan.next(&spool), Step::Wait);
    plan.beat();
    assert_eq!(plan.next(&spool), Step::ReadEvents(0));
}

proptest! {
    #[test]
    fn every_stored_tick_that_is_lacking_is_sent_exactly_once(
        stored in prop::collection::vec((1_u64..400, 0_u64..90), 1..6),
        received in prop::collection::vec((1_u64..400, 0_u64..90), 0..6),
        hour in 1_u64..200,
    ) {
        let stored: Vec<_> = stored.into_iter().map(|(first, more)| (first, first + more)).collect();
        let received: Vec<_> = received.into_iter().map(|(first, more)| (first, first + more)).collect();
        let spool = view(&stored);
        let mut plan = ready(&received, u32::MAX, 1_000, hour);
        let chunks = drain(&mut plan, &spool);
        let lacking = spool.stored.minus(&Ranges::of(received));
        prop_assert_eq!(chunks.iter().map(|(first, last)| last - first + 1).sum::<u64>(), lacking.count());
        prop_assert!(chunks.iter().all(|(first, last)| last - first < 60));
        prop_assert_eq!(Ranges::of(chunks), lacking);
    }
}
