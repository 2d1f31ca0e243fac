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

    /// Whether ticks were sent that the collector has not acknowledged.
    #[must_use]
    pub fn awaits_ack(&self) -> bool {
        !self.sent.minus(&self.received).is_empty()
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
mod tests;
