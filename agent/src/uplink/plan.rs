//! What to send next on one stream: pure, knows neither sockets nor files nor clocks.
//!
//! The order is fixed: the live tick, events, news of gaps, then the backlog, newest hour first, under the collector's
//! credit. A tick that uses a dictionary waits until the collector said that it has it. Whether a tick is live or
//! backlog is decided by its number alone: up to the *horizon* — the newest tick that came by the live queue, or was in
//! the spool when the stream began — what was not sent live is backlog; beyond it, it will still come live.

use crate::{
    ranges::Ranges,
    spool::{Gap, SpoolView},
};
use std::collections::HashSet;
use tocsin_proto::CHUNK_TICKS_MAX;
use tocsin_vocabulary::Hash;

/// The newest tick, waiting to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Live {
    /// Its number.
    pub seq: u64,
    /// Whether it stands alone.
    pub key_frame: bool,
    /// What it uses.
    pub dictionary: Hash,
}

/// One thing to do. Nothing has changed until the plan is told that it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Send the waiting live tick.
    SendLive,
    /// Offer this dictionary.
    Offer(Hash),
    /// Read events after this number from the spool.
    ReadEvents(u64),
    /// Tell that these ticks are missing.
    TellGap(Gap),
    /// Send the chunk that was read.
    SendChunk,
    /// Read ticks from, to (included) from the spool.
    ReadChunk(u64, u64),
    /// Nothing, until something happens.
    Wait,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Nothing,
    Asked,
    /// Ticks from, to, and the dictionary they use.
    Ready(u64, u64, Hash),
}

/// The state of one stream.
#[derive(Debug)]
pub struct Plan {
    received: Ranges,
    /// Sent on this stream, or given up on it.
    sent: Ranges,
    told: Ranges,
    credit: u32,
    hour_ticks: u64,
    horizon: u64,
    /// The newest tick of the unbroken live chain.
    chain: Option<u64>,
    live: Option<Live>,
    offered: HashSet<Hash>,
    ready: HashSet<Hash>,
    events_sent: u64,
    reading_events: bool,
    chunk: Reading,
    /// The spool was too busy to answer: ask again after the next beat.
    stalled: bool,
}

impl Plan {
    /// A stream that the collector has just welcomed: it has `received`, stored events up to `event_seq`, and takes
    /// `credit` chunks. `newest` is the newest tick that went by the live queue before now; `hour_ticks` is how many
    /// ticks an hour has.
    #[must_use]
    pub fn new(received: Ranges, event_seq: u64, credit: u32, newest: u64, hour_ticks: u64) -> Self {
        Self {
            received,
            sent: Ranges::new(),
            told: Ranges::new(),
            credit,
            hour_ticks: hour_ticks.max(1),
            horizon: newest,
            chain: None,
            live: None,
            offered: HashSet::new(),
            ready: HashSet::new(),
            events_sent: event_seq,
            reading_events: false,
            chunk: Reading::Nothing,
            stalled: false,
        }
    }

    /// Whether the next live tick may be taken from its queue.
    #[must_use]
    pub const fn takes_live(&self) -> bool {
        self.live.is_none()
    }

    /// A live tick came. False when it cannot follow what was sent: it is backlog now, and a key-frame is wanted.
    pub fn live_came(&mut self, live: Live) -> bool {
        self.horizon = self.horizon.max(live.seq);
        let follows = live.key_frame || self.chain.is_some_and(|last| last.checked_add(1) == Some(live.seq));
        if follows {
            self.live = Some(live);
        } else {
            self.chain = None;
        }
        follows
    }

    /// The live tick was sent.
    pub fn live_sent(&mut self) {
        if let Some(live) = self.live.take() {
            self.sent.insert(live.seq, live.seq);
            self.chain = Some(live.seq);
        }
    }

    /// A dictionary was offered.
    pub fn offer_sent(&mut self, dictionary: Hash) {
        self.offered.insert(dictionary);
    }

    /// The collector has all of a dictionary.
    pub fn dictionary_ready(&mut self, dictionary: Hash) {
        self.ready.insert(dictionary);
    }

    /// Whether the collector has all of a dictionary.
    #[must_use]
    pub fn is_ready(&self, dictionary: Hash) -> bool {
        self.ready.contains(&dictionary)
    }

    /// Events are being read.
    pub const fn events_asked(&mut self) {
        self.reading_events = true;
    }

    /// Events were read, and sent up to this number if there were any.
    pub fn events_sent(&mut self, last: Option<u64>) {
        self.reading_events = false;
        match last {
            Some(last) => self.events_sent = self.events_sent.max(last),
            None => self.stalled = true,
        }
    }

    /// A gap was told.
    pub fn gap_told(&mut self, gap: &Gap) {
        self.told.insert(gap.first, gap.last);
    }

    /// A chunk is being read.
    pub const fn chunk_asked(&mut self) {
        self.chunk = Reading::Asked;
    }

    /// A chunk was read: its first and last tick and its dictionary.
    pub const fn chunk_read(&mut self, first: u64, last: u64, dictionary: Hash) {
        self.chunk = Reading::Ready(first, last, dictionary);
    }

    /// The tick that was asked for could not be read: leave it out on this stream.
    pub fn chunk_unreadable(&mut self, first: u64) {
        self.chunk = Reading::Nothing;
        self.sent.insert(first, first);
    }

    /// The spool was too busy to answer.
    pub const fn chunk_stalled(&mut self) {
        self.chunk = Reading::Nothing;
        self.stalled = true;
    }

    /// The chunk was sent.
    pub fn chunk_sent(&mut self) {
        if let Reading::Ready(first, last, _) = self.chunk {
            self.sent.insert(first, last);
            self.credit = self.credit.saturating_sub(1);
        }
        self.chunk = Reading::Nothing;
    }

    /// More chunks may be sent.
    pub const fn add_credit(&mut self, chunks: u32) {
        self.credit = self.credit.saturating_add(chunks);
    }

    /// The collector has these ticks safe.
    pub fn acked(&mut self, received: &Ranges, sealed: u64) {
        for (first, last) in received.iter() {
            self.received.insert(first, last);
        }
        self.received.insert(1, sealed);
    }

    /// Time passed: what was too busy may be asked again.
    pub const fn beat(&mut self) {
        self.stalled = false;
    }

    /// What to do next.
    #[must_use]
    pub fn next(&self, spool: &SpoolView) -> Step {
        if let Some(live) = self.live {
            if self.ready.contains(&live.dictionary) {
                return Step::SendLive;
            }
            if !self.offered.contains(&live.dictionary) {
                return Step::Offer(live.dictionary);
            }
        }
        if !self.reading_events && !self.stalled && spool.last_event > self.events_sent {
            return Step::ReadEvents(self.events_sent);
        }
        if let Some(gap) = self.untold(spool) {
            return Step::TellGap(gap);
        }
        match self.chunk {
            Reading::Ready(_, _, dictionary) if !self.offered.contains(&dictionary) => {
                return Step::Offer(dictionary);
            }
            Reading::Ready(_, _, dictionary) if self.credit > 0 && self.ready.contains(&dictionary) => {
                return Step::SendChunk;
            }
            Reading::Nothing if self.credit > 0 && !self.stalled => {
                if let Some((first, last)) = self.wanted(spool) {
                    return Step::ReadChunk(first, last);
                }
            }
            _ => {}
        }
        match &spool.dictionary {
            Some(newest) if !self.offered.contains(&newest.hash()) => Step::Offer(newest.hash()),
            _ => Step::Wait,
        }
    }

    /// The newest tick that is surely not on its way live.
    fn settled(&self) -> u64 {
        self.live.map_or(self.horizon, |live| live.seq.saturating_sub(1))
    }

    fn untold(&self, spool: &SpoolView) -> Option<Gap> {
        spool.gaps.iter().find_map(|gap| {
            let missing = Ranges::of([(gap.first, gap.last.min(self.settled()))]);
            let missing = missing.minus(&self.received).minus(&self.sent).minus(&self.told);
            missing.iter().next().map(|(first, last)| Gap { first, last, ..*gap })
        })
    }

    /// The oldest missing ticks of the newest hour that misses some.
    fn wanted(&self, spool: &SpoolView) -> Option<(u64, u64)> {
        let missing = spool
            .stored
            .within(1, self.settled())
            .minus(&self.received)
            .minus(&self.sent);
        let newest = missing.last()?;
        let hour_begins = (newest - 1) / self.hour_ticks * self.hour_ticks + 1;
        let (first, last) = missing.within(hour_begins, newest).iter().next()?;
        Some((first, last.min(first + (CHUNK_TICKS_MAX as u64 - 1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::GapReason;
    use proptest::prelude::*;
    use std::sync::Arc;
    use tocsin_vocabulary::{Dictionary, SpoolId, Timestamp};

    fn view(stored: &[(u64, u64)]) -> SpoolView {
        let stored = Ranges::of(stored.iter().copied());
        SpoolView {
            id: SpoolId::from_bytes([1; 16]),
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
}
