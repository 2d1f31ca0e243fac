//! How much a query may cost.

use crate::error::QueryError;
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

/// What a query may read, and how long it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryBudget {
    /// Most samples (or buckets of rollups) read. Default 50 million.
    pub samples_max: u64,
    /// Longest time, waiting for its turn included. Default 30 seconds.
    pub time_max: Duration,
}

impl Default for QueryBudget {
    fn default() -> Self {
        Self {
            samples_max: 50_000_000,
            time_max: Duration::from_secs(30),
        }
    }
}

/// What is left of it.
#[derive(Debug)]
pub(super) struct Meter {
    budget: QueryBudget,
    read: AtomicU64,
    until: Duration,
    stopped: AtomicBool,
}

impl Meter {
    /// Begins at `now` of the disk's clock.
    pub(super) const fn new(budget: QueryBudget, now: Duration) -> Self {
        Self {
            budget,
            read: AtomicU64::new(0),
            until: now.saturating_add(budget.time_max),
            stopped: AtomicBool::new(false),
        }
    }

    /// Nobody waits for the answer any more.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Counts samples that were read.
    pub(super) fn take(&self, samples: u64, now: impl FnOnce() -> Duration) -> Result<(), QueryError> {
        let read = self.read.fetch_add(samples, Ordering::Relaxed) + samples;
        let max = self.budget.samples_max;
        if read > max {
            return Err(QueryError::Samples { max });
        }
        if self.stopped.load(Ordering::Relaxed) || now() > self.until {
            return Err(self.late());
        }
        Ok(())
    }

    pub(super) const fn late(&self) -> QueryError {
        QueryError::Time {
            max: self.budget.time_max,
        }
    }
}
