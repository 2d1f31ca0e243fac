//! Walks a host's hours, oldest first: blocks and head merged, the newest generation of a tick wins.

use super::Query;
use crate::{
    blocks::BlockRef,
    error::QueryError,
    head::{hour_of, view::View},
    host::Host,
    shared::Shared,
};
use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{Arc, atomic::Ordering},
};
use tocsin_vocabulary::{Dictionary, Hash, Series, Timestamp, batch::Cell};

/// Time in epoch milliseconds, and the value if there is a finite one.
pub(super) type Sample = (i64, Option<f64>);

/// What one hour holds.
#[derive(Debug, Default)]
pub(super) struct HourData {
    /// Times of all ticks, sorted, each once.
    pub(super) times: Vec<i64>,
    /// For each series of [`Walk::series`]: its samples, sorted by time, each time once.
    pub(super) samples: Vec<Vec<Sample>>,
}

/// A matching series in a dictionary: its place there, its place in [`Walk::series`], its decimals.
type Matched = Arc<[(usize, usize, u8)]>;

#[derive(Default)]
struct Sources {
    blocks: Vec<BlockRef>,
    light: Vec<BlockRef>,
    head: HeadData,
}

/// What lies in the journal alone.
#[derive(Default)]
struct HeadData {
    times: Vec<i64>,
    ranked: Vec<Vec<Ranked>>,
}

/// Rank of light blocks: beyond all generations, below [`HEAD_RANK`].
const LIGHT_RANK: u32 = u32::MAX - 1;
/// Rank of ticks that lie in the journal alone.
const HEAD_RANK: u32 = u32::MAX;

/// Samples with the rank of their source, by which doubles are settled.
type Ranked = (i64, u32, Option<f64>);

/// A walk in progress.
pub(super) struct Walk<'a> {
    shared: &'a Shared,
    query: &'a Query,
    begin: i64,
    end: i64,
    hours: BTreeMap<i64, Sources>,
    matched: HashMap<Hash, Matched>,
    /// The series met so far.
    pub(super) series: Vec<Series>,
}

impl<'a> Walk<'a> {
    /// A walk from `begin` to the query's end. The host's lock is held while its sources are listed and its head copied.
    pub(super) fn new(shared: &'a Shared, host: &Host, query: &'a Query, begin: Timestamp) -> Result<Self, QueryError> {
        let (first, last) = (hour_of(begin), hour_of(query.to));
        let mut hours: BTreeMap<i64, Sources> = BTreeMap::new();
        let state = host.lock();
        let listing = shared.blocks.list(host.id, first..=last);
        let mut view = state.head.view(first..=last, &shared.segments());
        drop(state);
        let blocks = listing.read().map_err(|source| QueryError::Io {
            path: shared.config.dir.clone(),
            source,
        })?;
        for block in blocks {
            hours.entry(block.hour).or_default().blocks.push(block);
        }
        for light in view.light.drain(..) {
            hours.entry(light.block.hour).or_default().light.push(light.block);
        }
        let mut walk = Self {
            shared,
            query,
            begin: begin.as_millis(),
            end: query.to.as_millis(),
            hours,
            matched: HashMap::new(),
            series: Vec::new(),
        };
        walk.read_head(&view).map_err(|source| QueryError::Io {
            path: shared.journal_dir(),
            source,
        })?;
        Ok(walk)
    }

    /// The next hour that holds anything.
    pub(super) fn next_hour(&mut self) -> Result<Option<HourData>, QueryError> {
        let Some((_, sources)) = self.hours.pop_first() else {
            return Ok(None);
        };
        let HeadData { mut times, mut ranked } = sources.head;
        let sealed = sources.blocks.iter().map(|block| (block, block.generation));
        for (block, rank) in sealed.chain(sources.light.iter().map(|block| (block, LIGHT_RANK))) {
            let read = self.read_block(block, rank, &mut times, &mut ranked);
            match read {
                Ok(()) => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => {
                    self.shared.counters.damaged_blocks.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(path = %block.file.path.display(), offset = block.offset, %error, "a block is damaged, its data is left out");
                }
                Err(source) => {
                    return Err(QueryError::Io {
                        path: block.file.path.clone(),
                        source,
                    });
                }
            }
        }
        times.sort_unstable();
        times.dedup();
        ranked.resize_with(self.series.len(), Vec::new);
        Ok(Some(HourData {
            times,
            samples: ranked.into_iter().map(settle).collect(),
        }))
    }

    fn read_block(
        &mut self,
        block: &BlockRef,
        rank: u32,
        times: &mut Vec<i64>,
        ranked: &mut Vec<Vec<Ranked>>,
    ) -> io::Result<()> {
        let open = block.open()?;
        if open.header.last.as_millis() < self.begin || open.header.first.as_millis() > self.end {
            return Ok(());
        }
        let block_times = open.times()?;
        times.extend(
            block_times
                .iter()
                .copied()
                .filter(|time| (self.begin..=self.end).contains(time)),
        );
        let Some(dictionary) = self.shared.dictionaries.get(open.header.dictionary) else {
            tracing::warn!(dictionary = %open.header.dictionary, "a block's dictionary is not known, its data is left out");
            return Ok(());
        };
        for &(index, slot, decimals) in self.matched_in(&dictionary).iter() {
            let cells = match open.cells(index) {
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    self.shared.counters.damaged_blocks.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                other => other?,
            };
            let samples = block_times
                .iter()
                .zip(cells)
                .map(|(&time, cell)| (time, rank, value(cell, decimals)));
            self.keep(ranked, slot, samples);
        }
        Ok(())
    }

    /// Ticks that lie in the journal alone are decoded once, for all hours.
    fn read_head(&mut self, view: &View) -> io::Result<()> {
        let mut hours = std::mem::take(&mut self.hours);
        view.for_each(&self.shared.dictionaries, |found| {
            let time = found.tick.time.as_millis();
            if !(self.begin..=self.end).contains(&time) {
                return;
            }
            let head = &mut hours.entry(hour_of(found.tick.time)).or_default().head;
            head.times.push(time);
            for &(index, slot, decimals) in self.matched_in(found.dictionary).iter() {
                let cell = found.tick.cells.get(index).copied().unwrap_or(Cell::Absent);
                let sample = std::iter::once((time, HEAD_RANK, value(cell, decimals)));
                self.keep(&mut head.ranked, slot, sample);
            }
        })?;
        self.hours = hours;
        Ok(())
    }

    fn keep(&self, ranked: &mut Vec<Vec<Ranked>>, slot: usize, samples: impl Iterator<Item = Ranked>) {
        if ranked.len() <= slot {
            ranked.resize_with(slot + 1, Vec::new);
        }
        let inside = self.begin..=self.end;
        ranked[slot].extend(samples.filter(|(time, ..)| inside.contains(time)));
    }

    fn matched_in(&mut self, dictionary: &Dictionary) -> Matched {
        if let Some(matched) = self.matched.get(&dictionary.hash()) {
            return matched.clone();
        }
        let mut matched = Vec::new();
        for (index, series) in dictionary.series().enumerate() {
            if !self.query.matches(series) {
                continue;
            }
            let same = |known: &Series| known.name == series.name && known.attributes == series.attributes;
            let slot = self.series.iter().position(same).unwrap_or_else(|| {
                self.series.push(series.clone());
                self.series.len() - 1
            });
            matched.push((index, slot, series.decimals));
        }
        let matched: Matched = matched.into();
        self.matched.insert(dictionary.hash(), matched.clone());
        matched
    }
}

fn value(cell: Cell, decimals: u8) -> Option<f64> {
    cell.to_f64(decimals).filter(|value| value.is_finite())
}

/// Sorts by time; of doubles the highest rank stays.
fn settle(mut ranked: Vec<Ranked>) -> Vec<Sample> {
    ranked.sort_by_key(|(time, rank, _)| (*time, std::cmp::Reverse(*rank)));
    ranked.dedup_by_key(|(time, ..)| *time);
    ranked.into_iter().map(|(time, _, value)| (time, value)).collect()
}
