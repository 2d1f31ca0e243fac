//! Folds an hour that has several blocks into one, once its day is over.
//!
//! Late ticks become one more block of their hour, each with a header and times of its own, and each to be read by every
//! query of that hour. Of a past day that has been quiet for a while, the blocks of such an hour are merged, once, into a
//! block at the end of the day file that replaces them. Their own bytes stay until the day goes: to write the day anew
//! without them would cost a whole day of writing (11 GB for ten thousand hosts) for a few late hours.
//!
//! A cut anywhere costs nothing: until the new block is synced the old ones count, and at a start a block that replaces
//! others is believed only when all of it is whole. Ticks keep their sequence numbers.

use crate::{
    blocks::{
        BlockRef, Columns, DAY_MS, DayFile,
        format::{self, Effort},
    },
    config::TICKS_PER_HOUR_MAX,
    error::StoreError,
    intervals::Intervals,
    retention::ClassDay,
    store::Store,
};
use std::{
    collections::{BTreeMap, HashSet},
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tocsin_vocabulary::{Dictionary, HostId, SpoolId, Timestamp, batch::Cell};

/// Hours folded between two syncs: one step.
const STEP_HOURS: usize = 16;
/// How long a day must be over, beyond lateness, and its file unchanged.
const QUIET: Duration = Duration::from_secs(3_600);
/// Most cells of a folded block (64 MiB in memory while it is made).
const CELLS_MAX: usize = 4 << 20;

/// What is known about a day file.
#[derive(Debug, Clone, Copy)]
struct Seen {
    length: u64,
    since: Timestamp,
    /// Its hours were looked at when it had this length.
    done: bool,
}

/// What there is to fold. Kept in memory alone: after a start each day is looked at once.
#[derive(Debug, Default)]
pub(crate) struct Folding {
    days: BTreeMap<ClassDay, Seen>,
    /// The day file whose hours are being folded, and these.
    hours: Option<(ClassDay, Vec<(HostId, i64)>)>,
}

/// A block that takes the place of others.
struct Folded {
    columns: Columns,
    replaces: Vec<u32>,
}

impl Folding {
    /// A day that is over and quiet and was not looked at.
    fn due(&mut self, days: &[(ClassDay, u64)], over: Timestamp, now: Timestamp) -> Option<ClassDay> {
        self.days.retain(|day, _| days.iter().any(|(known, _)| known == day));
        let mut due = None;
        for &(key, length) in days {
            let fresh = Seen {
                length,
                since: now,
                done: false,
            };
            let seen = self.days.entry(key).or_insert(fresh);
            if seen.length != length {
                *seen = fresh;
            }
            let quiet = now.since(seen.since) >= QUIET && key.day.saturating_add(DAY_MS) <= over.as_millis();
            if !seen.done && quiet && due.is_none() {
                seen.done = true;
                due = Some(key);
            }
        }
        due
    }

    /// A step of folding made this file longer: that is no reason to look at its day again.
    fn grown(&mut self, day: ClassDay, from: u64, to: u64) {
        if let Some(seen) = self.days.get_mut(&day).filter(|seen| seen.length == from) {
            seen.length = to;
        }
    }

    /// Something of this day failed: it will be looked at again.
    fn again(&mut self, day: ClassDay) {
        self.days.remove(&day);
    }
}

impl Store {
    /// One step: looks at a day, or folds a few hours. Called from housekeeping. Answers how many hours were folded.
    pub(crate) fn fold(&self, now: Timestamp) -> Result<usize, StoreError> {
        let shared = self.shared();
        if shared.poisoned.load(Ordering::Acquire) {
            return Ok(0);
        }
        let mut folding = shared.blocks.folding();
        let Some((key, mut hours)) = folding.hours.take() else {
            let over = now.minus(shared.config.lateness).minus(QUIET);
            if let Some(key) = folding.due(&shared.blocks.lengths(), over, now) {
                let layered = shared.blocks.layered(key).inspect_err(|_| folding.again(key));
                let hours = layered.map_err(StoreError::write("read the index of", &shared.config.dir))?;
                folding.hours = Some((key, hours)).filter(|(_, hours)| !hours.is_empty());
            }
            return Ok(0);
        };
        let step = hours.split_off(hours.len().saturating_sub(STEP_HOURS));
        if !hours.is_empty() {
            folding.hours = Some((key, hours));
        }
        let outcome = self.fold_hours(&mut folding, key, &step);
        outcome.inspect_err(|_| folding.again(key))
    }

    fn fold_hours(&self, folding: &mut Folding, key: ClassDay, step: &[(HostId, i64)]) -> Result<usize, StoreError> {
        let shared = self.shared();
        // The day may have been dropped meanwhile.
        let Some(file) = shared.blocks.find(key) else {
            return Ok(0);
        };
        let begin = file.end();
        let mut made: Vec<(HostId, BlockRef, Vec<u32>)> = Vec::new();
        for &(host, hour) in step {
            if let Err(error) = self.fold_hour(&file, (host, hour), &mut made) {
                if file.undo(begin).is_err() {
                    shared.poisoned.store(true, Ordering::Release);
                }
                return Err(StoreError::write("append to", &file.path)(error));
            }
        }
        if made.is_empty() {
            return Ok(0);
        }
        if let Err(error) = file.sync() {
            shared.poisoned.store(true, Ordering::Release);
            return Err(StoreError::write("sync", &file.path)(error));
        }
        folding.grown(key, begin, file.end());
        let count = made.len();
        for (host, block, replaces) in made {
            shared.blocks.publish_replacing(host, block, &replaces);
        }
        tracing::info!(blocks = count, path = %file.path.display(), "folded the blocks of late ticks");
        Ok(count)
    }

    /// Appends what takes the place of the blocks of an hour. An hour that can't be folded stays as it is.
    fn fold_hour(
        &self,
        file: &Arc<DayFile>,
        (host, hour): (HostId, i64),
        made: &mut Vec<(HostId, BlockRef, Vec<u32>)>,
    ) -> io::Result<()> {
        let blocks = self.shared().blocks.list(host, hour..=hour).read()?;
        let mut generation = blocks.last().map_or(0, |block| block.generation.saturating_add(1));
        let folded = match self.merge(&blocks) {
            Ok(folded) => folded,
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => {
                tracing::warn!(%host, %error, "an hour is not folded: one of its blocks is damaged");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for Folded { columns, replaces } in folded {
            let offset = file.end();
            let numbers = (generation, replaces.as_slice());
            file.append(&format::encode_replacing(
                host,
                hour,
                numbers,
                &columns,
                Effort::Full,
                offset,
            ))?;
            let block = BlockRef {
                file: file.clone(),
                offset,
                hour,
                generation,
            };
            made.push((host, block, replaces));
            generation = generation.saturating_add(1);
        }
        Ok(())
    }

    /// For each dictionary of several blocks one that holds all their ticks. Nothing when that would change an answer or
    /// be too large.
    fn merge(&self, blocks: &[BlockRef]) -> io::Result<Vec<Folded>> {
        let mut parts: Vec<Part> = Vec::new();
        for block in blocks {
            let open = block.open()?;
            let Some(dictionary) = self.shared().dictionaries.get(open.header.dictionary) else {
                return Ok(Vec::new());
            };
            let same = |part: &&mut Part| part.dictionary.hash() == dictionary.hash();
            let at = parts.iter_mut().find(same);
            let source = (block.generation, open);
            match at {
                Some(part) => part.sources.push(source),
                None => parts.push(Part {
                    dictionary,
                    sources: vec![source],
                }),
            }
        }
        // Of the same time in blocks of two dictionaries the greater generation counts. That order must not change.
        let mut times = HashSet::new();
        for part in &parts {
            let of_part: HashSet<i64> = part.times()?.into_iter().map(|(time, ..)| time).collect();
            if of_part.into_iter().any(|time| !times.insert(time)) {
                return Ok(Vec::new());
            }
        }
        let several = parts.iter().filter(|part| part.sources.len() > 1 && part.fits());
        several.map(Part::fold).collect()
    }
}

/// Blocks of one hour and dictionary, by generation.
struct Part {
    dictionary: Dictionary,
    sources: Vec<(u32, crate::blocks::OpenBlock)>,
}

impl Part {
    fn fits(&self) -> bool {
        let ticks: usize = self.sources.iter().map(|(_, open)| open.header.ticks).sum();
        ticks <= TICKS_PER_HOUR_MAX && ticks.saturating_mul(self.dictionary.len()) <= CELLS_MAX
    }

    /// Time, source and place there of each tick, sorted: of equal times the newest generation's first, for a reader
    /// takes the first.
    fn times(&self) -> io::Result<Vec<(i64, usize, usize)>> {
        let mut times = Vec::new();
        for (source, (_, open)) in self.sources.iter().enumerate() {
            let of_source = open.times()?;
            times.extend(of_source.into_iter().enumerate().map(|(at, time)| (time, source, at)));
        }
        times.sort_by_key(|(time, source, at)| (*time, std::cmp::Reverse(*source), *at));
        Ok(times)
    }

    fn fold(&self) -> io::Result<Folded> {
        let order = self.times()?;
        let mut cells: Vec<Vec<Cell>> = Vec::with_capacity(self.dictionary.len());
        for series in 0..self.dictionary.len() {
            let of_sources = self.sources.iter().map(|(_, open)| open.cells(series));
            let of_sources: Vec<Vec<Cell>> = of_sources.collect::<io::Result<_>>()?;
            cells.push(order.iter().map(|(_, source, at)| of_sources[*source][*at]).collect());
        }
        let mut seqs: Vec<(SpoolId, Intervals)> = Vec::new();
        for (spool, intervals) in self.sources.iter().flat_map(|(_, open)| &open.header.seqs) {
            match seqs.iter_mut().find(|(known, _)| known == spool) {
                Some((_, known)) => known.merge(intervals),
                None => seqs.push((*spool, intervals.clone())),
            }
        }
        Ok(Folded {
            columns: Columns {
                dictionary: self.dictionary.clone(),
                times: order.iter().map(|(time, ..)| *time).collect(),
                cells,
                seqs,
            },
            replaces: self.sources.iter().map(|(generation, _)| *generation).collect(),
        })
    }
}
