//! Housekeeping: dropping journal segments, retention, the free-space guard; sealing and light blocks have files of their
//! own.
//!
//! The order survives a cut anywhere: a block is synced before its hour leaves the head, its hour leaves the head before
//! a segment is unlinked, and a segment is unlinked only when the one after it began with the watermarks.

use crate::{
    blocks::DAY_MS, error::StoreError, health::is_low, host::HostState, journal::segment_path, retention::ClassDay,
    store::Store,
};
use std::{sync::atomic::Ordering, time::Duration};
use tocsin_vocabulary::{HostId, Timestamp};

/// A chain that had no tick for three key-frame intervals no longer keeps its segment.
const CHAIN_IDLE_MAX: Duration = Duration::from_secs(900);

/// What one round of housekeeping did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Maintained {
    /// Blocks written.
    pub sealed_blocks: usize,
    /// Journal segments removed.
    pub dropped_segments: usize,
    /// Day files removed.
    pub dropped_days: usize,
}

impl Store {
    /// Seals what is due, drops what is no longer needed. Call it every few seconds; it may take as long as its disk.
    ///
    /// # Errors
    /// The first thing that failed; the rest was still tried, and all of it is tried again next time.
    pub fn maintain(&self, now: Timestamp) -> Result<Maintained, StoreError> {
        self.keep_house(now, false)
    }

    /// As [`Store::maintain`], but seals every hour whatever its age: before a backup, and in tests.
    ///
    /// # Errors
    /// As for [`Store::maintain`].
    pub fn seal_everything(&self, now: Timestamp) -> Result<Maintained, StoreError> {
        self.keep_house(now, true)
    }

    fn keep_house(&self, now: Timestamp, everything: bool) -> Result<Maintained, StoreError> {
        let _one_at_a_time = self.housekeeping();
        // Rather small blocks than no more data: appends are refused once the head is full.
        let held = self.shared().head_bytes.load(Ordering::Relaxed);
        let crowded = held > self.shared().config.head_bytes_max / 10 * 8;
        let sealed = self.seal(now, everything);
        let active = self.shared().segments().keys().next_back().copied().unwrap_or(0);
        let indexed = if self.shared().poisoned.load(Ordering::Acquire) {
            Ok(())
        } else {
            self.shared().blocks.write_indexes(now, active)
        };
        self.condense(now, crowded);
        self.tidy_journal(now);
        let segments = self.drop_segments(now);
        let days = self.drop_days(now);
        let folded = self.fold(now);
        let rollups = self.keep_rollups(now, everything);
        let done = Maintained {
            sealed_blocks: sealed?,
            dropped_segments: segments?,
            dropped_days: days?,
        };
        folded.and(indexed).and(rollups).map(|()| done)
    }

    /// Removes the segments that nothing unsealed goes back to.
    fn drop_segments(&self, now: Timestamp) -> Result<usize, StoreError> {
        let shared = self.shared();
        let (mut needed, all) = {
            let segments = shared.segments();
            let active = segments.keys().next_back().copied().unwrap_or(0);
            (active, segments.keys().copied().collect::<Vec<_>>())
        };
        let hosts = shared.hosts.all();
        for host in &hosts {
            let state = host.lock();
            needed = state.head.oldest_segment().map_or(needed, |oldest| oldest.min(needed));
            if let Some(chain) = active_chain(&state, now) {
                needed = needed.min(chain);
            }
        }
        // Days that are stored go before the journal does only for want of space, and no reader is worth that.
        if !shared.counters.space_low.load(Ordering::Relaxed) {
            needed = shared.pins.hold(needed, &shared.segment_lengths(), now);
        }
        let gone: Vec<u32> = all.into_iter().filter(|segment| *segment < needed).collect();
        if gone.is_empty() {
            return Ok(0);
        }
        for host in &hosts {
            let mut state = host.lock();
            let mut used = state.head.oldest_segment().into_iter().chain(active_chain(&state, now));
            if used.any(|segment| segment < needed) {
                // It came back to life just now, or had a tick stored meanwhile: next time.
                return Ok(0);
            }
            let chain = state.chain.segment.load(Ordering::Acquire);
            if chain != 0 && chain < needed {
                state.chain.restart();
                state.head.end_chain();
            }
        }
        let dir = shared.journal_dir();
        for segment in &gone {
            let path = segment_path(&dir, *segment);
            shared.disk.unlink(&path).map_err(StoreError::write("remove", &path))?;
            shared.segments().remove(segment);
            shared.counters.dropped_segments.fetch_add(1, Ordering::Relaxed);
        }
        shared.disk.sync_dir(&dir).map_err(StoreError::write("sync", &dir))?;
        Ok(gone.len())
    }

    fn drop_days(&self, now: Timestamp) -> Result<usize, StoreError> {
        let shared = self.shared();
        let mut dropped = 0;
        for key in shared.blocks.days() {
            let kept = shared.config.retention_of(key.class);
            if kept.is_some_and(|kept| key.day.saturating_add(DAY_MS) < now.minus(kept.raw).as_millis()) {
                self.drop_day(key)?;
                dropped += 1;
            }
        }
        dropped += self.make_room(now)?;
        Ok(dropped)
    }

    /// Drops the oldest raw days, never today's, while free space is low: of all classes, within a day the default one
    /// first.
    fn make_room(&self, now: Timestamp) -> Result<usize, StoreError> {
        let shared = self.shared();
        let mut dropped = 0;
        loop {
            let space = shared
                .disk
                .space(&shared.config.dir)
                .map_err(StoreError::write("read the free space of", &shared.config.dir))?;
            let low = is_low(space, &shared.config);
            shared.counters.space_low.store(low || dropped > 0, Ordering::Relaxed);
            let oldest = shared
                .blocks
                .days()
                .first()
                .copied()
                .filter(|key| key.day.saturating_add(DAY_MS) <= now.as_millis());
            let Some(key) = oldest.filter(|_| low) else {
                return Ok(dropped);
            };
            tracing::error!(day = %Timestamp::from_millis(key.day), class = %key.class, free_bytes = space.free_bytes, "little space is left: dropping the oldest raw day");
            self.drop_day(key)?;
            shared.counters.days_dropped_for_space.fetch_add(1, Ordering::Relaxed);
            dropped += 1;
        }
    }

    fn drop_day(&self, key: ClassDay) -> Result<(), StoreError> {
        self.shared().blocks.drop_day(key)?;
        self.shared().counters.dropped_days.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// The segment that the next live tick of a host would refer to, if one may still come.
fn active_chain(state: &HostState, now: Timestamp) -> Option<u32> {
    let chain = state.chain.segment.load(Ordering::Acquire);
    let pending = state.spools.iter().any(|spool| !spool.pending.is_empty());
    let active = pending || now.since(state.chain.last_received) < CHAIN_IDLE_MAX;
    (chain != 0 && active).then_some(chain)
}

/// A host's own place within the stagger.
pub(crate) fn spread(host: HostId, stagger: Duration) -> Duration {
    let width = u64::try_from(stagger.as_millis()).unwrap_or(u64::MAX);
    let hash = u64::from(crc32c::crc32c(host.as_bytes()));
    Duration::from_millis(hash.checked_rem(width).unwrap_or(0))
}
