//! The head of one host: its ticks that are not sealed yet.
//!
//! **The journal is the head.** Memory keeps where each tick's record lies, 40 bytes a tick, and not the tick. Every ten
//! minutes, at a moment of the host's own, the ticks gathered since then become *light blocks*: columns in a scratch
//! file ([`scratch`]), so that questions about the last hour don't decode journals, and places in memory are few.
//! Scratch files are never synced and are gone after a restart: all that is in them is in the journal too, until the
//! hour is sealed.
//!
//! * [`view`] — the ticks of some hours as of one moment, read without any lock,
//! * [`gather`] — ticks and blocks on their way to columns,
//! * [`condense`] — making light blocks,
//! * [`scratch`] — where they lie.

pub(crate) mod condense;
pub(crate) mod gather;
pub(crate) mod scratch;
pub(crate) mod view;

use crate::{blocks::BlockRef, intervals::Intervals};
use std::{collections::BTreeMap, ops::RangeInclusive};
use tocsin_vocabulary::{SpoolId, Timestamp};

/// An hour in milliseconds.
pub(crate) const HOUR_MS: i64 = 3_600_000;

/// First instant after the year 9999, epoch milliseconds: no day file has a name for it.
pub(crate) const END_OF_TIME_MS: i64 = 253_402_300_800_000;

/// The start of the hour that holds this instant, epoch milliseconds.
pub(crate) const fn hour_of(time: Timestamp) -> i64 {
    time.as_millis().div_euclid(HOUR_MS) * HOUR_MS
}

/// Where a record lies in the journal, its header included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordPlace {
    pub(crate) segment: u32,
    pub(crate) offset: u32,
    pub(crate) length: u32,
}

/// One tick in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TickPlace {
    pub(crate) spool: SpoolId,
    pub(crate) seq: u64,
    pub(crate) time: Timestamp,
    pub(crate) part: Part,
}

/// Which part of its record a tick is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it: a live tick that begins its chain.
    KeyFrame,
    /// All of it: a live tick that refers to the one before.
    Delta,
    /// The batch with this number in a chunk.
    Batch(u16),
}

#[derive(Debug, Clone, Copy)]
struct Place {
    record: RecordPlace,
    /// Index into [`Head::spools`].
    spool: u16,
    part: Part,
    /// Whether this tick is still to become part of a block. Others are kept while later ones refer to them.
    open: bool,
    time: i64,
    seq: u64,
}

/// A block of an hour that is not sealed.
#[derive(Debug, Clone)]
pub(crate) struct Light {
    pub(crate) block: BlockRef,
    pub(crate) seqs: Vec<(SpoolId, Intervals)>,
    pub(crate) ticks: usize,
}

/// What is known of one unsealed hour.
#[derive(Debug)]
pub(crate) struct HeadHour {
    /// Start of the hour, epoch milliseconds.
    pub(crate) hour: i64,
    /// Oldest journal segment that is needed to decode its ticks again.
    pub(crate) oldest_segment: u32,
    /// When the first of them arrived.
    pub(crate) first_received: Timestamp,
    /// When the last of them arrived.
    pub(crate) last_received: Timestamp,
    /// Ticks, those in light blocks included.
    pub(crate) ticks: usize,
    light: Vec<Light>,
}

/// All unsealed ticks of one host.
#[derive(Debug, Default)]
pub(crate) struct Head {
    /// In journal order.
    places: Vec<Place>,
    spools: Vec<SpoolId>,
    pub(crate) hours: BTreeMap<i64, HeadHour>,
    /// Open places.
    open: usize,
    /// The ten minutes in which light blocks were made last, counted from the host's own moment.
    pub(crate) condensed: i64,
}

/// Bytes that an open tick takes in memory.
pub(crate) const PLACE_BYTES: usize = size_of::<Place>();
const _: () = assert!(PLACE_BYTES <= 40);
/// Least room that is made at once for more places. Not as many again, as vectors do: there are ten thousand heads.
const PLACES_MORE: usize = 16;

impl Head {
    /// Adds a tick that needs journal segments from `needed` on. One that is held already is kept only for those that
    /// refer to it.
    pub(crate) fn push(
        &mut self,
        tick: TickPlace,
        fresh: bool,
        record: RecordPlace,
        needed: u32,
        received_at: Timestamp,
    ) {
        if !fresh && matches!(tick.part, Part::Batch(_)) {
            return;
        }
        let spool = self.spool_index(tick.spool);
        if self.places.len() == self.places.capacity() {
            self.places.reserve_exact(PLACES_MORE.max(self.places.len() / 8));
        }
        self.places.push(Place {
            record,
            spool,
            part: tick.part,
            open: fresh,
            time: tick.time.as_millis(),
            seq: tick.seq,
        });
        if !fresh {
            return;
        }
        self.open += 1;
        let start = hour_of(tick.time);
        let hour = self.hours.entry(start).or_insert_with(|| HeadHour {
            hour: start,
            oldest_segment: needed,
            first_received: received_at,
            last_received: received_at,
            ticks: 0,
            light: Vec::new(),
        });
        hour.ticks += 1;
        hour.oldest_segment = hour.oldest_segment.min(needed);
        hour.first_received = hour.first_received.min(received_at);
        hour.last_received = hour.last_received.max(received_at);
    }

    fn spool_index(&mut self, spool: SpoolId) -> u16 {
        let known = self.spools.iter().rposition(|known| *known == spool);
        let index = known.unwrap_or_else(|| {
            self.spools.push(spool);
            self.spools.len() - 1
        });
        // Within ten minutes no agent begins so many spools that this runs out: each takes a record and a sync.
        u16::try_from(index).unwrap_or(u16::MAX)
    }

    /// Ticks in memory that are not yet in a block.
    pub(crate) const fn open(&self) -> usize {
        self.open
    }

    /// How many places there are; places only grow between two calls of [`Self::settle`].
    pub(crate) const fn len(&self) -> usize {
        self.places.len()
    }

    /// Blocks of these unsealed hours.
    pub(crate) fn light(&self, hours: RangeInclusive<i64>) -> impl Iterator<Item = &Light> {
        self.hours.range(hours).flat_map(|(_, hour)| &hour.light)
    }

    /// The oldest journal segment that the unsealed hours need.
    pub(crate) fn oldest_segment(&self) -> Option<u32> {
        self.hours.values().map(|hour| hour.oldest_segment).min()
    }

    /// The ticks of `light` left memory for a light block.
    pub(crate) fn add_light(&mut self, hour: i64, light: Light) {
        if let Some(hour) = self.hours.get_mut(&hour) {
            hour.light.push(light);
        }
    }

    /// Some light blocks of an hour are in a sealed block now, or their ticks are given up.
    pub(crate) fn drop_light(&mut self, hour: i64, gone: &[Light]) {
        let Some(held) = self.hours.get_mut(&hour) else {
            return;
        };
        let is_gone = |light: &Light| gone.iter().any(|gone| gone.block.is_at(&light.block));
        let ticks: usize = held
            .light
            .iter()
            .filter(|light| is_gone(light))
            .map(|light| light.ticks)
            .sum();
        held.light.retain(|light| !is_gone(light));
        self.leave(hour, ticks);
    }

    /// Closes those of the first `count` places whose hour is wanted: their ticks are in a block, or given up. Returns
    /// how many were open. With `sealed` they leave their hour too.
    pub(crate) fn close(&mut self, count: usize, sealed: bool, wanted: impl Fn(SpoolId, u64, i64) -> bool) -> usize {
        let mut closed = 0;
        for at in 0..count.min(self.places.len()) {
            let place = self.places[at];
            let hour = hour_of(Timestamp::from_millis(place.time));
            if place.open && wanted(self.spool_of(&place), place.seq, hour) {
                self.places[at].open = false;
                closed += 1;
                if sealed {
                    self.leave(hour, 1);
                }
            }
        }
        self.open -= closed;
        closed
    }

    fn leave(&mut self, hour: i64, ticks: usize) {
        if let Some(held) = self.hours.get_mut(&hour) {
            held.ticks = held.ticks.saturating_sub(ticks);
            if held.ticks == 0 {
                self.hours.remove(&hour);
            }
        }
    }

    fn spool_of(&self, place: &Place) -> SpoolId {
        let last = SpoolId::from_bytes([0; 16]);
        self.spools.get(usize::from(place.spool)).copied().unwrap_or(last)
    }

    /// Forgets the places that nothing open refers to, nor will a live tick that is still to come.
    pub(crate) fn settle(&mut self) {
        let mut needed = true;
        let mut kept = vec![false; self.places.len()];
        for (at, place) in self.places.iter().enumerate().rev() {
            match place.part {
                Part::Batch(_) => kept[at] = place.open,
                Part::Delta | Part::KeyFrame => {
                    needed |= place.open;
                    kept[at] = needed;
                    needed &= place.part == Part::Delta;
                }
            }
        }
        let mut kept = kept.into_iter();
        self.places.retain(|_| kept.next().unwrap_or(true));
        if self.places.is_empty() {
            self.spools.clear();
        }
        if self.places.capacity() > 2 * self.places.len() + 64 {
            self.places.shrink_to(self.places.len() + 32);
        }
    }

    /// Forgets the places that nothing open refers to; the next live tick will be a key-frame.
    pub(crate) fn end_chain(&mut self) {
        if self.open == 0 {
            self.places.clear();
            self.spools.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(head: &mut Head, seq: u64, part: Part, fresh: bool) {
        let tick = TickPlace {
            spool: SpoolId::from_bytes([1; 16]),
            seq,
            time: Timestamp::from_millis(i64::try_from(seq).unwrap() * 600_000),
            part,
        };
        let record = RecordPlace {
            segment: 1,
            offset: 0,
            length: 10,
        };
        head.push(tick, fresh, record, 1, tick.time);
    }

    fn seqs(head: &Head) -> Vec<u64> {
        head.places.iter().map(|place| place.seq).collect()
    }

    #[test]
    fn what_open_or_coming_ticks_refer_to_stays() {
        let mut head = Head::default();
        push(&mut head, 1, Part::KeyFrame, true);
        push(&mut head, 2, Part::Delta, true);
        push(&mut head, 90, Part::Batch(0), true);
        push(&mut head, 3, Part::KeyFrame, true);
        push(&mut head, 4, Part::Delta, true);
        push(&mut head, 5, Part::KeyFrame, true);
        push(&mut head, 6, Part::Delta, true);
        assert_eq!(head.close(7, true, |_, seq, _| seq != 4), 6);
        head.settle();
        assert_eq!((seqs(&head), head.open()), (vec![3, 4, 5, 6], 1));
        assert_eq!(head.hours.values().map(|hour| hour.ticks).sum::<usize>(), 1);
        assert_eq!(head.close(4, true, |_, _, _| true), 1);
        head.settle();
        assert_eq!((seqs(&head), head.hours.len()), (vec![5, 6], 0));
        push(&mut head, 7, Part::Delta, true);
        head.settle();
        assert_eq!(seqs(&head), [5, 6, 7]);
    }

    #[test]
    fn what_is_held_already_is_kept_only_as_context() {
        let mut head = Head::default();
        push(&mut head, 1, Part::KeyFrame, false);
        push(&mut head, 8, Part::Batch(0), false);
        push(&mut head, 2, Part::Delta, true);
        assert_eq!((seqs(&head), head.open(), head.hours.len()), (vec![1, 2], 1, 1));
    }
}
