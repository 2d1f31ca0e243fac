//! The spool: a durable queue of ticks and events that are not yet safe at the collector.
//!
//! Ticks go to segments of about 1 MiB, each beginning with the dictionary and a key-frame, so that each stands alone.
//! They stay until the collector has *sealed* them; then whole segments are unlinked, after the state that says so is
//! durable. The spool is bounded: beyond its bound the oldest ticks go first and are remembered as a [`Gap`]; events go
//! only when no tick is left to drop. It stops growing when less than 5 % of the file system, and less than 4 GiB, are free.
//!
//! **What can be lost.** Events and state are synced as they are written. Ticks are written at once and synced every
//! ten seconds: when the agent dies nothing is lost, when its *host* dies the ticks of the last ten seconds are, unless
//! they had gone out live. Numbers are reserved ahead in `state.json`, so a number that went out is never used twice;
//! the jump after an unclean stop is a gap with reason `restart`.
//!
//! **Damage.** A record whose checksum fails is copied to `quarantine/` and skipped, with the deltas that depended on
//! it; what follows is kept. The spool always opens, unless its directory cannot be made.
//!
//! The format is in `record`, the index in `ticks`, the thread that owns a spool in [`worker`].

mod bound;
mod events;
mod read;
mod record;
mod recover;
mod state;
mod ticks;
mod view;
pub mod worker;
mod write;

pub use events::StoredEvent;
pub use state::{GAPS_MAX, Gap, GapReason};
pub use ticks::StoredTick;
pub use view::SpoolView;

use crate::{files::FileError, ranges::Ranges};
use events::EventQueue;
use state::State;
use std::{
    collections::{HashMap, HashSet, VecDeque},
    fs::File,
    path::{Path, PathBuf},
};
use ticks::{Run, Segment};
use tocsin_vocabulary::{Dictionary, Hash, HostId, SpoolId, Timestamp};

/// A segment of ticks is closed at this size, at its next key-frame.
pub const SEGMENT_BYTES: u64 = 1024 * 1024;
/// Numbers reserved ahead for ticks: one sync of `state.json` per so many.
const RESERVED_TICKS: u64 = 1_024;
/// Numbers reserved ahead for events.
const RESERVED_EVENTS: u64 = 256;
/// A chunk ends at this size, to stay well below the largest message.
const CHUNK_BYTES_MAX: usize = 1024 * 1024;
/// Older ticks for the collector: consecutive, beginning with a key-frame, all of one dictionary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredChunk {
    /// What gives the cells their meaning.
    pub dictionary: Dictionary,
    /// At least one, at most 60.
    pub ticks: Vec<StoredTick>,
}

struct OpenSegment {
    file: File,
    dictionaries: HashSet<Hash>,
}

/// The queue itself: synchronous, owned by one thread.
pub struct Spool {
    dir: PathBuf,
    bytes_max: u64,
    state: State,
    next_seq: u64,
    next_event: u64,
    segments: VecDeque<Segment>,
    open: Option<OpenSegment>,
    dictionaries: HashMap<Hash, Dictionary>,
    newest: Option<Hash>,
    stored: Ranges,
    events: EventQueue,
    /// Whether the next stored tick must be a key-frame.
    key_wanted: bool,
    last_failure: GapReason,
    disk_low: bool,
    problem: Option<String>,
    ticks_dropped: u64,
}

impl Spool {
    /// Opens the spool in `dir`, finding again what an earlier run left; `new_id` names it if it must begin anew.
    ///
    /// # Errors
    /// Only when the directory cannot be made or listed.
    pub fn open(dir: &Path, bytes_max: u64, new_id: SpoolId, now: Timestamp) -> Result<Self, FileError> {
        let recovered = recover::recover(dir, new_id)?;
        let mut spool = Self {
            dir: dir.to_owned(),
            bytes_max,
            next_seq: recovered.state.next_seq,
            next_event: recovered.state.next_event,
            state: recovered.state,
            segments: recovered.segments,
            open: None,
            dictionaries: recovered.dictionaries,
            newest: None,
            stored: Ranges::new(),
            events: recovered.events,
            key_wanted: true,
            last_failure: GapReason::SpoolDamaged,
            disk_low: false,
            problem: None,
            ticks_dropped: 0,
        };
        let runs = spool.segments.iter().flat_map(|segment| &segment.runs);
        spool.stored = Ranges::of(runs.map(|run| (run.first, run.last)));
        spool.newest = spool
            .segments
            .back()
            .and_then(|segment| segment.runs.last())
            .map(|run| run.dictionary);
        spool.note_missing(now);
        spool.check_disk();
        spool.reserve(spool.next_seq, spool.next_event);
        Ok(spool)
    }

    /// Removes the spool in `dir` if its ticks were taken under another identity than `host`. Before [`Spool::open`].
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn forget_other_host(dir: &Path, host: HostId) -> Result<(), FileError> {
        recover::forget_other_host(dir, host)
    }

    /// As whom the host is enrolled: whatever is stored here is that host's.
    pub fn belongs_to(&mut self, host: HostId) {
        if self.state.host != Some(host) {
            self.state.host = Some(host);
            self.save();
        }
    }

    /// What lies between the stored ticks, and after them, is a gap.
    fn note_missing(&mut self, now: Timestamp) {
        let last = self.stored.last().unwrap_or(0).max(self.state.sealed);
        self.next_seq = self.next_seq.max(last + 1);
        self.next_event = self
            .next_event
            .max(self.events.last() + 1)
            .max(self.state.events_acked + 1);
        let known = self.state.gaps.iter().map(|gap| (gap.first, gap.last));
        let mut missing = Ranges::of([(self.state.sealed + 1, self.next_seq - 1)]).minus(&self.stored);
        missing = missing.minus(&Ranges::of(known));
        for (first, until) in missing.iter() {
            let from = self.time_before(first).unwrap_or(now);
            let (to, reason) = match self.time_after(until) {
                Some(to) => (to, GapReason::SpoolDamaged),
                None => (now, GapReason::Restart),
            };
            self.state.add_gap(Gap {
                first,
                last: until,
                from,
                to,
                reason,
            });
        }
    }

    fn time_before(&self, seq: u64) -> Option<Timestamp> {
        self.runs().take_while(|run| run.first < seq).last().map(|run| run.to)
    }

    fn time_after(&self, seq: u64) -> Option<Timestamp> {
        self.runs().find(|run| run.first > seq).map(|run| run.from)
    }

    fn runs(&self) -> impl Iterator<Item = &Run> {
        self.segments.iter().flat_map(|segment| &segment.runs)
    }

    /// The number that the next tick bears.
    #[must_use]
    pub const fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Whether the next tick should be a key-frame, because the one before is not stored or the segment is full.
    #[must_use]
    pub fn key_wanted(&self) -> bool {
        self.key_wanted || self.open_bytes() >= SEGMENT_BYTES
    }

    /// Another bound, from a changed configuration.
    pub fn set_bytes_max(&mut self, bytes_max: u64) {
        self.bytes_max = bytes_max;
        self.enforce_bound();
    }

    fn open_bytes(&self) -> u64 {
        self.open
            .as_ref()
            .and(self.segments.back())
            .map_or(0, |segment| segment.bytes)
    }

    /// Stores one tick; `key_frame` says whether it stands alone. A tick that cannot be stored becomes a gap.
    ///
    /// Numbers must ascend; those left out become a gap of reason `disk_slow`.
    pub fn append(&mut self, tick: &StoredTick, key_frame: bool, dictionary: &Dictionary) {
        if tick.seq < self.next_seq {
            tracing::warn!(
                seq = tick.seq,
                next = self.next_seq,
                "a tick came with a number already used"
            );
            return;
        }
        if tick.seq > self.next_seq {
            self.miss(self.next_seq, tick.seq - 1, tick.time, GapReason::DiskSlow);
        }
        self.next_seq = tick.seq + 1;
        self.reserve(self.next_seq, self.next_event);
        let stored = if self.disk_low {
            Err(GapReason::DiskFull)
        } else if self.key_wanted && !key_frame {
            Err(self.last_failure)
        } else {
            self.store(tick, key_frame, dictionary).map_err(|error| {
                tracing::warn!(error = &error as &dyn std::error::Error, "the spool cannot store ticks");
                self.problem = Some(format!("{error}: {}", error.source));
                GapReason::DiskFull
            })
        };
        match stored {
            Ok(()) => {
                self.key_wanted = false;
                self.problem = None;
                self.stored.insert(tick.seq, tick.seq);
                self.newest = Some(dictionary.hash());
                self.enforce_bound();
            }
            Err(reason) => self.miss(tick.seq, tick.seq, tick.time, reason),
        }
    }

    fn miss(&mut self, first: u64, last: u64, time: Timestamp, reason: GapReason) {
        self.key_wanted = true;
        self.last_failure = reason;
        self.ticks_dropped += last + 1 - first;
        self.state.add_gap(Gap {
            first,
            last,
            from: time,
            to: time,
            reason,
        });
    }

    /// Stores events durably and numbers them; `false` when the disk refused and they are in memory only.
    pub fn append_events(&mut self, mut events: Vec<StoredEvent>) -> bool {
        for event in &mut events {
            event.seq = self.next_event;
            self.next_event += 1;
        }
        self.reserve(self.next_seq, self.next_event);
        let stored = self.events.append(events);
        let durable = stored.is_ok();
        self.tell_events(stored);
        self.enforce_bound();
        durable
    }

    /// Events that the disk refused when they came may be stored now.
    fn save_events(&mut self) {
        let stored = self.events.save();
        self.tell_events(stored);
    }

    fn tell_events(&mut self, stored: Result<(), FileError>) {
        if let Err(error) = stored {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the spool cannot store events"
            );
            self.problem = Some(format!("{error}: {}", error.source));
        }
    }

    /// The collector knows numbers up to here that this spool has not given out: go on behind them.
    pub fn skip_to(&mut self, next_seq: u64, next_event: u64, now: Timestamp) {
        if next_seq > self.next_seq {
            self.miss(self.next_seq, next_seq - 1, now, GapReason::Restart);
            self.next_seq = next_seq;
        }
        self.next_event = self.next_event.max(next_event);
        self.reserve(self.next_seq, self.next_event);
    }

    /// The collector has everything up to `seq` in fsynced blocks: forget whole segments of it.
    pub fn sealed(&mut self, seq: u64) {
        let seq = seq.min(self.next_seq.saturating_sub(1));
        if seq <= self.state.sealed {
            return;
        }
        self.state.seal(seq);
        let going = |segment: &Segment| segment.last().is_none_or(|last| last <= seq);
        let closed = self.segments.len() - usize::from(self.open.is_some());
        let count = self
            .segments
            .iter()
            .take(closed)
            .take_while(|segment| going(segment))
            .count();
        if count == 0 {
            return;
        }
        self.save();
        for _ in 0..count {
            self.pop_segment();
        }
    }

    /// The collector has stored all events up to `seq`.
    pub fn events_acked(&mut self, seq: u64) {
        let seq = seq.min(self.next_event.saturating_sub(1));
        if seq <= self.state.events_acked {
            return;
        }
        self.state.events_acked = seq;
        if self.events.would_forget(seq) {
            self.save();
        }
        self.events.acked(seq);
    }

    /// Makes durable what was written, and looks how full the disk is. Called every ten seconds and at the end.
    pub fn sync(&mut self) {
        self.check_disk();
        self.save_events();
        let (Some(open), Some(segment)) = (&self.open, self.segments.back()) else {
            return;
        };
        if let Err(error) = open.file.sync_data() {
            // After a failed sync nobody knows what of it reached the disk: write no more to this segment.
            tracing::warn!(path = %segment.path.display(), %error, "cannot sync a segment of ticks");
            self.problem = Some(format!("cannot sync {}: {error}", segment.path.display()));
            self.open = None;
            self.key_wanted = true;
        }
    }

    /// Syncs, and notes that this run ended in order, so that the next one goes on without a jump.
    pub fn close(mut self) {
        self.sync();
        self.state.next_seq = self.next_seq;
        self.state.next_event = self.next_event;
        self.save();
    }

    fn reserve(&mut self, next_seq: u64, next_event: u64) {
        if next_seq < self.state.next_seq && next_event < self.state.next_event {
            return;
        }
        let before = (self.state.next_seq, self.state.next_event);
        self.state.next_seq = next_seq + RESERVED_TICKS;
        self.state.next_event = next_event + RESERVED_EVENTS;
        if !self.save() {
            // Nothing is reserved that the disk does not know: tried again with the next tick.
            (self.state.next_seq, self.state.next_event) = before;
        }
    }

    /// Whether the state is durable now.
    fn save(&mut self) -> bool {
        let saved = self.state.save(&self.dir.join(recover::STATE_FILE));
        if let Err(error) = &saved {
            tracing::warn!(error = error as &dyn std::error::Error, "cannot save the spool's state");
            self.problem = Some(format!("{error}: {}", error.source));
        }
        saved.is_ok()
    }

    fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum::<u64>() + self.events.bytes()
    }

    /// Up to `count` events after `seq`, in order.
    #[must_use]
    pub fn events_after(&self, seq: u64, count: usize) -> Vec<StoredEvent> {
        self.events.after(seq, count)
    }
}

#[cfg(test)]
mod tests;
