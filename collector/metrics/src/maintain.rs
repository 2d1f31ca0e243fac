//! Housekeeping: sealing hours, dropping journal segments, retention, the free-space guard.
//!
//! The order survives a cut anywhere: a block is synced before its hour leaves the head, its hour leaves the head before
//! a segment is unlinked, and a segment is unlinked only when the one after it began with the watermarks.

use crate::{
    blocks::{
        BlockRef, Columns, DAY_MS, DayFile,
        format::{self, Effort},
    },
    config::OPEN_HOURS_MAX,
    error::StoreError,
    head::{HOUR_MS, HeadHour, HeadSnapshot, Stored},
    health::is_low,
    host::{Host, HostState},
    intervals::Intervals,
    journal::segment_path,
    store::Store,
};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tocsin_vocabulary::{HostId, SpoolId, Timestamp, batch::Cell};

/// Hours sealed between two syncs.
const SEAL_BATCH: usize = 64;
/// Most cells of one block (64 MiB in memory while it is made); a longer hour becomes several generations.
const BLOCK_CELLS_MAX: usize = 4 << 20;
/// An hour of whatever date is sealed this long after its first tick arrived, for clocks that are far off.
const OPEN_MAX: Duration = Duration::from_secs(2 * 3_600);
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

struct Due {
    host: Arc<Host>,
    hour: Arc<HeadHour>,
}

/// Blocks of one hour that are written but not yet synced.
struct Written<'a> {
    due: &'a Due,
    blocks: Vec<BlockRef>,
    seqs: Vec<(SpoolId, Intervals)>,
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
        let everything = everything || held > self.shared().config.head_bytes_max / 10 * 8;
        let sealed = self.seal(now, everything);
        self.tidy_journal(now);
        let segments = self.drop_segments(now);
        let days = self.drop_days(now);
        Ok(Maintained {
            sealed_blocks: sealed?,
            dropped_segments: segments?,
            dropped_days: days?,
        })
    }

    fn seal(&self, now: Timestamp, everything: bool) -> Result<usize, StoreError> {
        if self.shared().poisoned.load(Ordering::Acquire) {
            return Err(StoreError::Poisoned);
        }
        let mut due = Vec::new();
        for host in self.shared().hosts.all() {
            self.freeze(&host, now, everything, &mut due);
        }
        let mut blocks = 0;
        for batch in due.chunks(SEAL_BATCH) {
            blocks += self.seal_batch(batch)?;
        }
        Ok(blocks)
    }

    /// Takes the hours that are due out of the head; ticks that still arrive for them begin another generation.
    fn freeze(&self, host: &Arc<Host>, now: Timestamp, everything: bool, due: &mut Vec<Due>) {
        let config = &self.shared().config;
        let wait = config.lateness + spread(host.id, config.stagger);
        let mut state = host.lock();
        let crowded = state.open.len() > OPEN_HOURS_MAX / 2;
        let ready = |hour: &HeadHour| {
            let ended = Timestamp::from_millis(hour.hour + HOUR_MS);
            let quiet = ended.max(hour.last_received).plus(wait) <= now;
            let crowded_out = crowded && ended <= now;
            everything || quiet || crowded_out || now.since(hour.first_received) >= OPEN_MAX + wait
        };
        let hours: Vec<i64> = state
            .open
            .values()
            .filter(|hour| ready(hour))
            .map(|hour| hour.hour)
            .collect();
        for hour in hours {
            if let Some(hour) = state.open.remove(&hour) {
                state.sealing.push(Arc::new(hour));
            }
        }
        due.extend(state.sealing.iter().map(|hour| Due {
            host: host.clone(),
            hour: hour.clone(),
        }));
    }

    fn seal_batch(&self, batch: &[Due]) -> Result<usize, StoreError> {
        let mut touched: Vec<(Arc<DayFile>, u64)> = Vec::new();
        let outcome = self.write_batch(batch, &mut touched);
        let written = match outcome {
            Ok(written) => written,
            Err(error) => {
                for (file, length) in &touched {
                    if file.undo(*length).is_err() {
                        self.shared().poisoned.store(true, Ordering::Release);
                    }
                }
                return Err(error);
            }
        };
        for (file, _) in &touched {
            if let Err(error) = file.sync() {
                self.shared().poisoned.store(true, Ordering::Release);
                return Err(StoreError::write("sync", &file.path)(error));
            }
        }
        Ok(written.into_iter().map(|written| self.publish(written)).sum())
    }

    fn write_batch<'a>(
        &self,
        batch: &'a [Due],
        touched: &mut Vec<(Arc<DayFile>, u64)>,
    ) -> Result<Vec<Written<'a>>, StoreError> {
        let mut all = Vec::with_capacity(batch.len());
        for due in batch {
            let file = self.shared().blocks.day_file(due.hour.hour)?;
            if !touched.iter().any(|(known, _)| Arc::ptr_eq(known, &file)) {
                touched.push((file.clone(), file.end()));
            }
            let pending = all.iter().filter(|written: &&Written<'_>| {
                Arc::ptr_eq(&written.due.host, &due.host) && written.due.hour.hour == due.hour.hour
            });
            let taken: usize = pending.map(|written| written.blocks.len()).sum();
            let first = self.shared().blocks.next_generation(due.host.id, due.hour.hour);
            let first = first.map_err(StoreError::write("read the index of", &file.path))?;
            let first = first.saturating_add(crate::bytes::length_u32(taken));
            let mut written = Written {
                due,
                blocks: Vec::new(),
                seqs: Vec::new(),
            };
            for (generation, part) in (first..).zip(parts(&due.hour.snapshot())) {
                let (hour, offset) = (due.hour.hour, file.end());
                let bytes = format::encode(due.host.id, hour, generation, &part, Effort::Full, offset);
                file.append(&bytes)
                    .map_err(StoreError::write("append to", &file.path))?;
                written.blocks.push(BlockRef {
                    file: file.clone(),
                    offset,
                    hour,
                    generation,
                });
                written.seqs.extend(part.seqs);
            }
            all.push(written);
        }
        Ok(all)
    }

    /// From here on readers find the hour in its blocks and the agent may forget it.
    fn publish(&self, written: Written<'_>) -> usize {
        let Written { due, blocks, seqs } = written;
        let count = blocks.len();
        let mut state = due.host.lock();
        state.sealing.retain(|hour| !Arc::ptr_eq(hour, &due.hour));
        for (spool, intervals) in &seqs {
            state.spool(*spool).sealed.merge(intervals);
        }
        blocks
            .into_iter()
            .for_each(|block| self.shared().blocks.publish(due.host.id, block));
        drop(state);
        let counters = &self.shared().counters;
        counters.sealed_blocks.fetch_add(count as u64, Ordering::Relaxed);
        counters
            .sealed_ticks
            .fetch_add(due.hour.len() as u64, Ordering::Relaxed);
        self.shared().head_bytes.fetch_sub(due.hour.size(), Ordering::Relaxed);
        count
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
            needed = state.oldest_segment().map_or(needed, |oldest| oldest.min(needed));
            if let Some(chain) = active_chain(&state, now) {
                needed = needed.min(chain);
            }
        }
        let gone: Vec<u32> = all.into_iter().filter(|segment| *segment < needed).collect();
        if gone.is_empty() {
            return Ok(0);
        }
        for host in &hosts {
            let mut state = host.lock();
            if active_chain(&state, now).is_some_and(|chain| chain < needed) {
                // It came back to life just now: next time.
                return Ok(0);
            }
            let chain = state.chain.segment.load(Ordering::Acquire);
            if chain != 0 && chain < needed {
                state.chain.restart();
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
        let oldest_kept = now.minus(shared.config.retention).as_millis();
        let mut dropped = 0;
        for day in shared.blocks.days() {
            if day.saturating_add(DAY_MS) < oldest_kept {
                self.drop_day(day)?;
                dropped += 1;
            }
        }
        dropped += self.make_room(now)?;
        Ok(dropped)
    }

    /// Drops the oldest raw days, never today's, while free space is low.
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
                .filter(|day| day.saturating_add(DAY_MS) <= now.as_millis());
            let Some(day) = oldest.filter(|_| low) else {
                return Ok(dropped);
            };
            tracing::error!(day = %Timestamp::from_millis(day), free_bytes = space.free_bytes, "little space is left: dropping the oldest raw day");
            self.drop_day(day)?;
            shared.counters.days_dropped_for_space.fetch_add(1, Ordering::Relaxed);
            dropped += 1;
        }
    }

    fn drop_day(&self, day: i64) -> Result<(), StoreError> {
        self.shared().blocks.drop_day(day)?;
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

/// Splits the ticks of an hour by dictionary and size, each part sorted by time.
fn parts(hour: &HeadSnapshot) -> Vec<Columns> {
    let mut done: Vec<Vec<Stored>> = Vec::new();
    let mut open: Vec<(Vec<Stored>, usize)> = Vec::new();
    hour.for_each(|spool, seq, tick, dictionary| {
        let same = |(part, _): &(Vec<Stored>, usize)| {
            part.first()
                .is_some_and(|first| first.dictionary.hash() == dictionary.hash())
        };
        let at = open.iter().position(same).unwrap_or_else(|| {
            open.push((Vec::new(), 0));
            open.len() - 1
        });
        open[at].0.push(Stored {
            spool,
            seq,
            tick: tick.clone(),
            dictionary: dictionary.clone(),
        });
        open[at].1 += tick.cells.len();
        if open[at].1 >= BLOCK_CELLS_MAX {
            done.push(open.swap_remove(at).0);
        }
    });
    done.extend(open.into_iter().map(|(part, _)| part));
    done.into_iter().filter_map(columns).collect()
}

fn columns(mut part: Vec<Stored>) -> Option<Columns> {
    part.sort_by_key(|stored| stored.tick.time);
    let dictionary = part.first()?.dictionary.clone();
    let of = |index: usize| {
        let cells = part.iter().map(|stored| stored.tick.cells.get(index).copied());
        cells.map(|cell| cell.unwrap_or(Cell::Absent)).collect()
    };
    Some(Columns {
        times: part.iter().map(|stored| stored.tick.time.as_millis()).collect(),
        cells: (0..dictionary.len()).map(of).collect(),
        seqs: HeadSnapshot::seqs(&part),
        dictionary,
    })
}

/// A host's own place within the stagger.
fn spread(host: HostId, stagger: Duration) -> Duration {
    let width = u64::try_from(stagger.as_millis()).unwrap_or(u64::MAX);
    let hash = u64::from(crc32c::crc32c(host.as_bytes()));
    Duration::from_millis(hash.checked_rem(width).unwrap_or(0))
}
