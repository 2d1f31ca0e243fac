//! What is counted of all hosts of a fleet.

use crate::figures::Figures;
use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};
use tocsin_vocabulary::Timestamp;

/// Different reasons that are kept.
const REASONS_MAX: usize = 20;

/// A count that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// So many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// How many.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A live tick that was acknowledged.
#[derive(Debug, Clone, Copy)]
pub struct Acked {
    /// When it was sent.
    pub sent_at: Timestamp,
    /// Until its acknowledgement.
    pub after: Duration,
}

/// What happened in a fleet.
#[derive(Debug, Default)]
pub struct Tally {
    /// Live ticks sent.
    pub live: Count,
    /// Ticks sent in chunks of backlog.
    pub backlog: Count,
    /// Samples in both.
    pub samples: Count,
    /// Bytes of their batches.
    pub bytes: Count,
    /// Streams that were welcomed.
    pub welcomed: Count,
    /// Times that the collector asked to come back later, and was obeyed.
    pub retries: Count,
    /// Refusals.
    pub refused: Count,
    /// Connections that failed or broke.
    pub broken: Count,
    /// Ticks that were acknowledged and that a later `Welcome` did not list: acknowledged and lost.
    pub forgotten: Count,
    acked: Mutex<Vec<Acked>>,
    late: Mutex<Figures>,
    reasons: Mutex<BTreeMap<String, u64>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tally {
    /// A live tick was acknowledged.
    pub fn acknowledged(&self, sent_at: Timestamp, after: Duration) {
        locked(&self.acked).push(Acked { sent_at, after });
    }

    /// A live tick was sent so long after its time: how far behind the simulation itself is.
    pub fn sent_late(&self, by: Duration) {
        locked(&self.late).add(by);
    }

    /// Takes the acknowledgements noted so far.
    #[must_use]
    pub fn take_acked(&self) -> Vec<Acked> {
        std::mem::take(&mut locked(&self.acked))
    }

    /// Takes how late ticks were sent so far.
    #[must_use]
    pub fn take_late(&self) -> Figures {
        std::mem::take(&mut locked(&self.late))
    }

    /// Why streams ended, and how often.
    #[must_use]
    pub fn reasons(&self) -> BTreeMap<String, u64> {
        locked(&self.reasons).clone()
    }

    pub(super) fn because(&self, reason: &str) {
        let mut reasons = locked(&self.reasons);
        if reasons.len() < REASONS_MAX || reasons.contains_key(reason) {
            *reasons.entry(reason.to_owned()).or_default() += 1;
        }
    }
}

/// How far one host is.
#[derive(Debug, Default)]
pub struct Progress {
    connected: AtomicBool,
    received: AtomicU64,
    live_at: AtomicI64,
    caught_up_at: AtomicI64,
}

impl Progress {
    /// Whether it was ever welcomed.
    #[must_use]
    pub fn connected(&self) -> bool {
        self.connected.load(Ordering::Acquire)
    }

    /// How many of its ticks are acknowledged.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Acquire)
    }

    /// When its first live tick was acknowledged.
    #[must_use]
    pub fn live_at(&self) -> Option<Timestamp> {
        moment(&self.live_at)
    }

    /// When all that it held on connecting was acknowledged.
    #[must_use]
    pub fn caught_up_at(&self) -> Option<Timestamp> {
        moment(&self.caught_up_at)
    }

    pub(super) fn is_connected(&self) {
        self.connected.store(true, Ordering::Release);
    }

    pub(super) fn set_received(&self, ticks: u64) {
        self.received.store(ticks, Ordering::Release);
    }

    pub(super) fn is_live(&self, now: Timestamp) {
        first(&self.live_at, now);
    }

    pub(super) fn is_caught_up(&self, now: Timestamp) {
        first(&self.caught_up_at, now);
    }
}

fn moment(at: &AtomicI64) -> Option<Timestamp> {
    Some(at.load(Ordering::Acquire))
        .filter(|at| *at != 0)
        .map(Timestamp::from_millis)
}

fn first(at: &AtomicI64, now: Timestamp) {
    // Only the first counts.
    let _ = at.compare_exchange(0, now.as_millis(), Ordering::AcqRel, Ordering::Relaxed);
}
