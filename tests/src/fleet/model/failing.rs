//! A simulated host that fails: from a tick on, its memory is said to be used far beyond what there is.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use tocsin_vocabulary::Timestamp;

/// What [`PROBE`](super::PROBE) is from then on: a share that no host has by itself.
pub const FAILED: f64 = 9.0;

/// From which tick on a host fails, and when it said so.
#[derive(Debug)]
pub struct Failing {
    from: AtomicU64,
    told_at: AtomicI64,
}

impl Default for Failing {
    fn default() -> Self {
        Self {
            from: AtomicU64::new(u64::MAX),
            told_at: AtomicI64::new(i64::MAX),
        }
    }
}

impl Failing {
    /// It fails from tick `seq` on.
    pub fn begin(&self, seq: u64) {
        self.from.store(seq, Ordering::Release);
    }

    /// Whether it fails at tick `seq`.
    #[must_use]
    pub fn at(&self, seq: u64) -> bool {
        seq >= self.from.load(Ordering::Acquire)
    }

    /// When the first tick that says so was sent.
    #[must_use]
    pub fn told_at(&self) -> Option<Timestamp> {
        let at = self.told_at.load(Ordering::Acquire);
        (at != i64::MAX).then(|| Timestamp::from_millis(at))
    }

    /// Tick `seq` was sent live.
    pub(in crate::fleet) fn sent(&self, seq: u64, now: Timestamp) {
        if self.at(seq) {
            self.told_at.fetch_min(now.as_millis(), Ordering::AcqRel);
        }
    }
}
