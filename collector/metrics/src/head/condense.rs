//! Every ten minutes, at a moment of its own, a host's newest ticks become light blocks.

use super::{HOUR_MS, Light, gather::Gather, hour_of, view::View};
use crate::{
    blocks::{
        BlockRef,
        format::{self, Effort},
    },
    host::Host,
    store::Store,
};
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};
use tocsin_vocabulary::{SpoolId, Timestamp};

/// How often a host's ticks become a light block.
pub(crate) const PERIOD: Duration = Duration::from_secs(600);
/// A host whose open ticks have so many cells does not wait for its moment.
const OPEN_CELLS_MAX: usize = 1 << 20;

impl Store {
    /// Makes light blocks for the hosts whose moment has come, or for all. A disk that takes no more is no reason to
    /// fail: the ticks stay where they are.
    pub(crate) fn condense(&self, now: Timestamp, everything: bool) {
        for host in self.shared().hosts.all() {
            if self.condense_is_due(&host, now, everything)
                && let Err(error) = self.condense_host(&host)
            {
                tracing::warn!(%error, host = %host.id, "could not make a light block, its ticks stay in the journal alone");
                return;
            }
        }
        if let Err(error) = self.shared().scratch().tidy() {
            tracing::warn!(%error, "could not remove a scratch file");
        }
    }

    fn condense_is_due(&self, host: &Host, now: Timestamp, everything: bool) -> bool {
        let period = i64::try_from(PERIOD.as_millis()).unwrap_or(HOUR_MS);
        let moment = now.plus(super::super::maintain::spread(host.id, PERIOD)).as_millis();
        let number = moment.div_euclid(period);
        let mut state = host.lock();
        let series = state.latest.as_ref().map_or(1, |latest| latest.tick.cells.len());
        let crowded = everything || state.head.open() * series > OPEN_CELLS_MAX;
        let begins = std::mem::replace(&mut state.head.condensed, number) != number;
        state.head.open() > 0 && (begins || crowded)
    }

    fn condense_host(&self, host: &Arc<Host>) -> io::Result<()> {
        let shared = self.shared();
        let (view, count) = {
            let state = host.lock();
            (
                state.head.view(i64::MIN..=i64::MAX, &shared.segments()),
                state.head.len(),
            )
        };
        let mut hours: BTreeMap<i64, Gather> = BTreeMap::new();
        let unreadable = view.for_each(&shared.dictionaries, |found| {
            let gather = hours.entry(hour_of(found.tick.time)).or_default();
            gather.add_tick(found.spool, found.seq, found.tick, found.dictionary);
        })?;
        let mut made = Vec::new();
        for (hour, gather) in hours {
            for light in self.write_light(host, hour, gather)? {
                made.push((hour, light));
            }
        }
        drop::<View>(view);
        let mut state = host.lock();
        state.give_up(&unreadable, count);
        for (hour, light) in made {
            state.head.add_light(hour, light);
        }
        let closed = state.head.close(count, false, |_, _, _| true);
        state.head.settle();
        drop(state);
        shared.release(closed + unreadable.len());
        shared.note_unreadable(host.id, &unreadable);
        Ok(())
    }

    fn write_light(&self, host: &Host, hour: i64, gather: Gather) -> io::Result<Vec<Light>> {
        let mut made = Vec::new();
        for columns in gather.finish() {
            let file = self.shared().scratch().file()?;
            let offset = file.end();
            let bytes = format::encode(host.id, hour, 0, &columns, Effort::Light, offset);
            if let Err(error) = file.append(&bytes) {
                file.undo(offset)?;
                return Err(error);
            }
            made.push(Light {
                block: BlockRef {
                    file,
                    offset,
                    hour,
                    generation: 0,
                },
                ticks: columns.times.len(),
                seqs: columns.seqs,
            });
        }
        Ok(made)
    }
}

impl crate::shared::Shared {
    /// The scratch files.
    pub(crate) fn scratch(&self) -> std::sync::MutexGuard<'_, super::scratch::Scratch> {
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many ticks have a place in memory.
    pub(crate) fn hold(&self, ticks: usize) {
        self.head_bytes.fetch_add(ticks * super::PLACE_BYTES, Ordering::Relaxed);
    }

    /// So many ticks need no place in memory any more.
    pub(crate) fn release(&self, ticks: usize) {
        self.head_bytes.fetch_sub(ticks * super::PLACE_BYTES, Ordering::Relaxed);
    }

    /// Says that ticks which were safe could not be read again.
    pub(crate) fn note_unreadable(&self, host: tocsin_vocabulary::HostId, ticks: &[(SpoolId, u64)]) {
        if !ticks.is_empty() {
            self.counters
                .undecodable
                .fetch_add(ticks.len() as u64, Ordering::Relaxed);
            self.counters.quarantined.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%host, ticks = ticks.len(), "ticks in the journal are damaged; their agent is asked for them again");
        }
    }
}
