//! What shall be looked at when: ordered, each deadline once.

use std::collections::BTreeSet;
use tocsin_vocabulary::{HostId, Timestamp};

/// What a deadline is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Slot {
    /// An entry of the host's plan, pending or clearing.
    Entry(u32),
    /// A raised alert whose series is gone.
    Orphans,
    /// A rule about silence: the host is overdue then, or was heard long enough.
    Silence(u32),
    /// What events raised: it ends by itself, or gets worse.
    Events,
}

impl Slot {
    /// Entries and silences are fewer than the bytes that they were named with: neither comes near 2³².
    pub(crate) fn entry(at: usize) -> Self {
        Self::Entry(u32::try_from(at).unwrap_or(u32::MAX))
    }

    pub(crate) fn silence(at: usize) -> Self {
        Self::Silence(u32::try_from(at).unwrap_or(u32::MAX))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Timers {
    set: BTreeSet<(Timestamp, HostId, Slot)>,
}

impl Timers {
    /// Replaces the deadline `before` of a slot by `after`.
    pub(crate) fn rearm(&mut self, host: HostId, slot: Slot, before: Option<Timestamp>, after: Option<Timestamp>) {
        if before == after {
            return;
        }
        if let Some(before) = before {
            self.set.remove(&(before, host, slot));
        }
        if let Some(after) = after {
            self.set.insert((after, host, slot));
        }
    }

    pub(crate) fn first(&self) -> Option<Timestamp> {
        self.set.first().map(|(at, ..)| *at)
    }

    /// Takes the earliest deadline that has come.
    pub(crate) fn pop(&mut self, now: Timestamp) -> Option<(HostId, Slot)> {
        if self.first()? > now {
            return None;
        }
        self.set.pop_first().map(|(_, host, slot)| (host, slot))
    }
}
