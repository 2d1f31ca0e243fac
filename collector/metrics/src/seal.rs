//! Sealing: an hour that is over and quiet becomes blocks in its day's file, that of its host's retention class.

use crate::{
    blocks::{
        BlockRef, DayFile,
        format::{self, Effort},
    },
    config::OPEN_HOURS_MAX,
    error::StoreError,
    head::{HOUR_MS, HeadHour, gather::Gather, view::View},
    host::Host,
    intervals::Intervals,
    maintain::spread,
    retention::ClassOf,
    store::Store,
};
use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tocsin_vocabulary::{SpoolId, Timestamp};

/// Hours sealed between two syncs.
const SEAL_BATCH: usize = 64;
/// An hour of whatever date is sealed this long after its first tick arrived, for clocks that are far off.
const OPEN_MAX: Duration = Duration::from_secs(2 * 3_600);

/// An hour on its way to its blocks: written when they are in the file, sealed when that is synced.
struct Sealing {
    host: Arc<Host>,
    hour: i64,
    /// What of the hour goes into the blocks; ticks that come later begin another generation.
    view: View,
    /// Places of the host when the view was made.
    count: usize,
    blocks: Vec<BlockRef>,
    seqs: Vec<(SpoolId, Intervals)>,
    ticks: u64,
    /// Ticks whose records are damaged.
    unreadable: Vec<(SpoolId, u64)>,
}

impl Store {
    /// Seals the hours that are due; answers how many blocks that made.
    pub(crate) fn seal(&self, now: Timestamp, everything: bool) -> Result<usize, StoreError> {
        if self.shared().poisoned.load(Ordering::Acquire) {
            return Err(StoreError::Poisoned);
        }
        let mut due = Vec::new();
        for host in self.shared().hosts.all() {
            let hours = self.due_hours(&host, now, everything);
            due.extend(hours.into_iter().map(|hour| (host.clone(), hour)));
        }
        let mut blocks = 0;
        let classes = self.shared().classes.now();
        for batch in due.chunks(SEAL_BATCH) {
            blocks += self.seal_batch(batch, &classes)?;
        }
        Ok(blocks)
    }

    fn due_hours(&self, host: &Host, now: Timestamp, everything: bool) -> Vec<i64> {
        let config = &self.shared().config;
        let wait = config.lateness + spread(host.id, config.stagger);
        let state = host.lock();
        let crowded = state.head.hours.len() > OPEN_HOURS_MAX / 2;
        let ready = |hour: &&HeadHour| {
            let ended = Timestamp::from_millis(hour.hour + HOUR_MS);
            let quiet = ended.max(hour.last_received).plus(wait) <= now;
            let crowded_out = crowded && ended <= now;
            everything || quiet || crowded_out || now.since(hour.first_received) >= OPEN_MAX + wait
        };
        state.head.hours.values().filter(ready).map(|hour| hour.hour).collect()
    }

    fn seal_batch(&self, due: &[(Arc<Host>, i64)], classes: &ClassOf) -> Result<usize, StoreError> {
        let mut batch: Vec<Sealing> = due.iter().map(|(host, hour)| self.begin_sealing(host, *hour)).collect();
        let mut touched: Vec<(Arc<DayFile>, u64)> = Vec::new();
        let written: Result<(), StoreError> = (0..batch.len()).try_for_each(|at| {
            let (before, rest) = batch.split_at_mut(at);
            rest.first_mut().map_or(Ok(()), |sealing| {
                self.write_hour(sealing, before, classes, &mut touched)
            })
        });
        if let Err(error) = written {
            for (file, length) in &touched {
                if file.undo(*length).is_err() {
                    self.shared().poisoned.store(true, Ordering::Release);
                }
            }
            return Err(error);
        }
        for (file, _) in &touched {
            if let Err(error) = file.sync() {
                self.shared().poisoned.store(true, Ordering::Release);
                return Err(StoreError::write("sync", &file.path)(error));
            }
        }
        let blocks = batch.into_iter().map(|sealing| self.publish(sealing)).sum();
        // Only now: places are counted from the start.
        due.iter().for_each(|(host, _)| host.lock().head.settle());
        Ok(blocks)
    }

    fn begin_sealing(&self, host: &Arc<Host>, hour: i64) -> Sealing {
        let state = host.lock();
        Sealing {
            host: host.clone(),
            hour,
            view: state.head.view(hour..=hour, &self.shared().segments()),
            count: state.head.len(),
            blocks: Vec::new(),
            seqs: Vec::new(),
            ticks: 0,
            unreadable: Vec::new(),
        }
    }

    /// Appends the blocks of an hour. `before` are those of the same batch, which nobody finds yet.
    fn write_hour(
        &self,
        sealing: &mut Sealing,
        before: &[Sealing],
        classes: &ClassOf,
        touched: &mut Vec<(Arc<DayFile>, u64)>,
    ) -> Result<(), StoreError> {
        let blocks = &self.shared().blocks;
        let class = classes.get(&sealing.host.id).copied().unwrap_or_default();
        let file = blocks.file_for(sealing.host.id, sealing.hour, class)?;
        if !touched.iter().any(|(known, _)| Arc::ptr_eq(known, &file)) {
            touched.push((file.clone(), file.end()));
        }
        let gather = self
            .gather(sealing)
            .map_err(StoreError::write("read the journal for", &file.path))?;
        let first = blocks.next_generation(sealing.host.id, sealing.hour);
        let mut generation = first.map_err(StoreError::write("read the index of", &file.path))?;
        let same = |other: &&Sealing| Arc::ptr_eq(&other.host, &sealing.host) && other.hour == sealing.hour;
        generation += before
            .iter()
            .filter(same)
            .map(|other| crate::bytes::length_u32(other.blocks.len()))
            .sum::<u32>();
        for columns in gather.finish() {
            let offset = file.end();
            let bytes = format::encode(
                sealing.host.id,
                sealing.hour,
                generation,
                &columns,
                Effort::Full,
                offset,
            );
            file.append(&bytes)
                .map_err(StoreError::write("append to", &file.path))?;
            sealing.blocks.push(BlockRef {
                file: file.clone(),
                offset,
                hour: sealing.hour,
                generation,
            });
            sealing.ticks += columns.times.len() as u64;
            sealing.seqs.extend(columns.seqs);
            generation = generation.saturating_add(1);
        }
        Ok(())
    }

    /// The ticks of an hour: those of its light blocks, and those that lie in the journal alone.
    fn gather(&self, sealing: &mut Sealing) -> io::Result<Gather> {
        let dictionaries = &self.shared().dictionaries;
        let mut gather = Gather::default();
        for light in &sealing.view.light {
            let opened = light.block.open().and_then(|block| {
                let dictionary = dictionaries.get(block.header.dictionary);
                let dictionary = dictionary.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
                gather.add_block(&block, &dictionary)
            });
            match opened {
                Ok(()) => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => {
                    for (spool, seqs) in &light.seqs {
                        let all = seqs.ranges().iter().flat_map(|&(first, last)| first..=last);
                        sealing.unreadable.extend(all.map(|seq| (*spool, seq)));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        let unreadable = sealing.view.for_each(dictionaries, |found| {
            gather.add_tick(found.spool, found.seq, found.tick, found.dictionary);
        })?;
        sealing.unreadable.extend(unreadable);
        Ok(gather)
    }

    /// From here on readers find the hour in its blocks and the agent may forget it.
    fn publish(&self, sealing: Sealing) -> usize {
        let shared = self.shared();
        let made = sealing.blocks.len();
        let mut state = sealing.host.lock();
        let open = state.head.open();
        state.give_up(&sealing.unreadable, sealing.count);
        state.head.close(sealing.count, true, |_, _, hour| hour == sealing.hour);
        state.head.drop_light(sealing.hour, &sealing.view.light);
        let closed = open - state.head.open();
        for (spool, intervals) in &sealing.seqs {
            state.spool(*spool).sealed.merge(intervals);
        }
        for block in sealing.blocks {
            shared.blocks.publish(sealing.host.id, block);
        }
        drop(state);
        shared.counters.sealed_blocks.fetch_add(made as u64, Ordering::Relaxed);
        shared.counters.sealed_ticks.fetch_add(sealing.ticks, Ordering::Relaxed);
        shared.release(closed);
        shared.note_unreadable(sealing.host.id, &sealing.unreadable);
        made
    }
}
