//! One host on its way through a query: what an hour's blocks and head hold is folded into its points.

mod mixed;

use super::{
    Aggregate, Query,
    budget::Meter,
    fold::{Fold, Ticks},
    observed::Observed,
    wanted::Wanted,
};
use crate::{
    blocks::{BlockRef, column::Numbers},
    error::QueryError,
    head::{HOUR_MS, hour_of, view::View},
    host::Host,
    rollups::{
        Tier,
        clock::Clock,
        load::{DayRow, HostDay},
    },
    shared::Shared,
};
use mixed::{Mixed, rescaled, settle, whole};
use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{Arc, atomic::Ordering},
};
use tocsin_vocabulary::{Dictionary, Hash, Series, batch::Cell};

/// Time in epoch milliseconds, and the value if there is a finite one.
pub(super) type Sample = (i64, Option<f64>);

/// A wanted series in a dictionary: its place there, its place among the host's series, its decimals.
pub(super) type Slots = Arc<[(usize, usize, u8)]>;

/// Where the ticks of an hour are.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub(super) blocks: Vec<BlockRef>,
    /// Blocks of an hour that is not sealed.
    pub(super) light: Vec<BlockRef>,
    /// Whether there are ticks that lie in the journal alone.
    pub(super) open: bool,
}

/// Rank of light blocks: beyond all generations, below [`HEAD_RANK`].
const LIGHT_RANK: u32 = u32::MAX - 1;
/// Rank of ticks that lie in the journal alone.
const HEAD_RANK: u32 = u32::MAX;

/// One host's series so far.
pub(super) struct HostRun {
    pub(super) host: Arc<Host>,
    pub(super) hours: BTreeMap<i64, Sources>,
    pub(super) series: Vec<Arc<Series>>,
    pub(super) folds: Vec<Fold>,
    pub(super) observed: Observed,
    slots: HashMap<Hash, Slots>,
    /// What lies in the journal alone, until it is read: then it is in `heads`, by hour.
    head: Option<View>,
    heads: BTreeMap<i64, Mixed>,
}

/// What all hosts of a query share.
pub(super) struct Context<'a> {
    pub(super) shared: &'a Shared,
    pub(super) query: &'a Query,
    pub(super) step: Option<i64>,
    /// First instant that is looked at, before the query's own.
    pub(super) begin: i64,
    /// Last instant.
    pub(super) end: i64,
    pub(super) meter: &'a Meter,
}

impl Context<'_> {
    /// Counts what was read.
    fn read(&self, samples: usize) -> Result<(), QueryError> {
        self.meter.take(samples as u64, || self.shared.disk.monotonic())
    }
}

impl HostRun {
    pub(super) fn new(context: &Context<'_>, host: Arc<Host>, hours: BTreeMap<i64, Sources>, head: View) -> Self {
        Self {
            host,
            hours,
            series: Vec::new(),
            folds: Vec::new(),
            observed: Observed::new(context.query.from, context.query.to),
            slots: HashMap::new(),
            head: Some(head),
            heads: BTreeMap::new(),
        }
    }

    /// Where the wanted series of a dictionary go. Slots come in order of the dictionaries that are met.
    fn slots(&mut self, context: &Context<'_>, wanted: &mut Wanted<'_>, dictionary: &Dictionary) -> Slots {
        if let Some(slots) = self.slots.get(&dictionary.hash()) {
            return slots.clone();
        }
        let mut slots = Vec::new();
        for (index, series) in wanted.of(dictionary).iter() {
            let same = |known: &Arc<Series>| {
                Arc::ptr_eq(known, series) || (known.name == series.name && known.attributes == series.attributes)
            };
            let known = if self.slots.is_empty() {
                None
            } else {
                self.series.iter().position(same)
            };
            let slot = known.unwrap_or_else(|| {
                let (query, step) = (context.query, context.step);
                let aggregate = query.aggregate_for(series.kind);
                self.folds.push(Fold::new(aggregate, query.from, query.to, step));
                self.series.push(series.clone());
                self.series.len() - 1
            });
            slots.push((*index, slot, series.decimals));
        }
        let slots: Slots = slots.into();
        self.slots.insert(dictionary.hash(), slots.clone());
        slots
    }

    /// Takes the next hour from its blocks and head.
    pub(super) fn add_raw(
        &mut self,
        context: &Context<'_>,
        wanted: &mut Wanted<'_>,
        (hour, sources): (i64, &Sources),
    ) -> Result<(), QueryError> {
        let sealed = sources.blocks.iter().map(|block| (block, block.generation));
        let light = sources.light.iter().map(|block| (block, LIGHT_RANK));
        let mut blocks = sealed.chain(light);
        if let (Some((block, _)), None, false) = (blocks.next(), blocks.next(), sources.open) {
            let added = self.add_block(context, wanted, block);
            return readable(context.shared, block, added);
        }
        let mut mixed = Mixed::default();
        let sealed = sources.blocks.iter().map(|block| (block, block.generation));
        let light = sources.light.iter().map(|block| (block, LIGHT_RANK));
        for (block, rank) in sealed.chain(light) {
            let read = self.mix_block(context, wanted, block, rank, &mut mixed);
            readable(context.shared, block, read)?;
        }
        if sources.open {
            self.read_head(context, wanted)?;
            mixed.add(self.heads.remove(&hour).unwrap_or_default());
        }
        let Mixed { mut times, samples } = mixed;
        times.sort_unstable();
        times.dedup();
        let Some(clock) = Clock::of(&times) else { return Ok(()) };
        let longest = self.observed.add(&clock);
        for ((fold, series), ranked) in self.folds.iter_mut().zip(&self.series).zip(samples) {
            context.read(ranked.len())?;
            let (times, cells) = settle(ranked);
            match (context.step, whole(&cells)) {
                // As from a single block, to the last digit: nobody sees an hour being sealed.
                (Some(step), Some(numbers)) => {
                    let ticks = Ticks::new(&times, context.query.from.as_millis(), step, longest);
                    fold.add_whole(&ticks, |at| numbers[at], series.decimals)?;
                }
                _ => {
                    let samples = times.into_iter().zip(cells);
                    fold.add(
                        samples.map(|(time, cell)| (time, value(cell, series.decimals))),
                        longest,
                    )?;
                }
            }
        }
        Ok(())
    }

    /// The only block of its hour: its columns go straight into the points.
    fn add_block(&mut self, context: &Context<'_>, wanted: &mut Wanted<'_>, block: &BlockRef) -> Result<(), Trouble> {
        let open = block.open()?;
        if open.header.last.as_millis() < context.begin || open.header.first.as_millis() > context.end {
            return Ok(());
        }
        let times = open.times()?;
        let from = times.partition_point(|time| *time < context.begin);
        let to = times.partition_point(|time| *time <= context.end);
        let Some(times) = times.get(from..to) else {
            return Ok(());
        };
        let once = times.is_sorted_by(|one, two| one < two);
        let clock = if once {
            Clock::of(times)
        } else {
            let mut once = times.to_vec();
            once.dedup();
            Clock::of(&once)
        };
        let Some(clock) = clock else { return Ok(()) };
        let longest = self.observed.add(&clock);
        let Some(dictionary) = dictionary_of(context.shared, open.header.dictionary) else {
            return Ok(());
        };
        let ticks = context
            .step
            .filter(|_| once)
            .map(|step| Ticks::new(times, context.query.from.as_millis(), step, longest));
        for &(index, slot, decimals) in self.slots(context, wanted, &dictionary).iter() {
            let Some(numbers) = undamaged(context.shared, open.numbers(index))? else {
                continue;
            };
            context.read(times.len())?;
            let Some(fold) = self.folds.get_mut(slot) else { continue };
            match (&ticks, &numbers) {
                (Some(_), Numbers::Absent) => {}
                (Some(ticks), Numbers::Constant(number)) => fold.add_whole(ticks, |_| *number, decimals)?,
                (Some(ticks), Numbers::Each(numbers)) => {
                    let own = numbers.get(from..to).unwrap_or_default();
                    fold.add_whole(ticks, |at| own.get(at).copied().unwrap_or(0), decimals)?;
                }
                _ => {
                    let samples = times.iter().zip(from..to);
                    let samples = samples.map(|(time, at)| (*time, value(numbers.get(at), decimals)));
                    fold.add(samples, longest)?;
                }
            }
        }
        Ok(())
    }

    fn mix_block(
        &mut self,
        context: &Context<'_>,
        wanted: &mut Wanted<'_>,
        block: &BlockRef,
        rank: u32,
        mixed: &mut Mixed,
    ) -> Result<(), Trouble> {
        let open = block.open()?;
        if open.header.last.as_millis() < context.begin || open.header.first.as_millis() > context.end {
            return Ok(());
        }
        let times = open.times()?;
        let inside = context.begin..=context.end;
        mixed
            .times
            .extend(times.iter().copied().filter(|time| inside.contains(time)));
        let Some(dictionary) = dictionary_of(context.shared, open.header.dictionary) else {
            return Ok(());
        };
        for &(index, slot, decimals) in self.slots(context, wanted, &dictionary).iter() {
            let Some(numbers) = undamaged(context.shared, open.numbers(index))? else {
                continue;
            };
            let samples = times.iter().enumerate().filter(|(_, time)| inside.contains(time));
            let own = self.series.get(slot).map_or(decimals, |series| series.decimals);
            let samples = samples.map(|(at, time)| (*time, rank, rescaled(numbers.get(at), decimals, own)));
            mixed.slot(slot).extend(samples);
        }
        Ok(())
    }

    /// Reads what lies in the journal alone, once, for all hours.
    fn read_head(&mut self, context: &Context<'_>, wanted: &mut Wanted<'_>) -> Result<(), QueryError> {
        let Some(head) = self.head.take() else { return Ok(()) };
        let mut heads: BTreeMap<i64, Mixed> = BTreeMap::new();
        // Ticks that follow each other mostly have one dictionary.
        let mut known: Option<(Hash, Slots)> = None;
        let read = head.for_each(&context.shared.dictionaries, |found| {
            let time = found.tick.time.as_millis();
            if !(context.begin..=context.end).contains(&time) {
                return;
            }
            let mixed = heads.entry(hour_of(found.tick.time)).or_default();
            mixed.times.push(time);
            let hash = found.dictionary.hash();
            if known.as_ref().is_none_or(|(known, _)| *known != hash) {
                known = Some((hash, self.slots(context, wanted, found.dictionary)));
            }
            let Some((_, slots)) = &known else { return };
            for &(index, slot, decimals) in slots.iter() {
                let cell = found.tick.cells.get(index).copied().unwrap_or(Cell::Absent);
                let own = self.series.get(slot).map_or(decimals, |series| series.decimals);
                mixed.slot(slot).push((time, HEAD_RANK, rescaled(cell, decimals, own)));
            }
        });
        self.heads = heads;
        read.map(drop).map_err(|source| QueryError::Io {
            path: context.shared.journal_dir(),
            source,
        })
    }

    /// Takes the next hours from their rollups.
    pub(super) fn add_rollups(
        &mut self,
        context: &Context<'_>,
        wanted: &mut Wanted<'_>,
        day: &HostDay,
        (tier, hours): (Tier, &[i64]),
    ) -> Result<(), QueryError> {
        let mut heard: Vec<Heard> = Vec::with_capacity(hours.len());
        for &start in hours {
            let number = u32::try_from(start.rem_euclid(crate::blocks::DAY_MS) / HOUR_MS).unwrap_or(0);
            if let Some(clock) = day.clock(number).filter(|clock| clock.last >= context.begin) {
                let longest = self.observed.add(clock);
                heard.push(Heard { number, start, longest });
            }
        }
        let mut rows: Vec<(usize, u8, DayRow<'_>)> = Vec::new();
        let mut known: Option<(Hash, Slots)> = None;
        for row in day.rows() {
            if !heard.iter().any(|hour| row.has(hour.number)) {
                continue;
            }
            let (hash, index) = row.series();
            if known.as_ref().is_none_or(|(known, _)| *known != hash) {
                let dictionary = dictionary_of(context.shared, hash);
                known = dictionary.map(|dictionary| (hash, self.slots(context, wanted, &dictionary)));
            }
            let Some((_, slots)) = &known else { continue };
            if let Ok(at) = slots.binary_search_by_key(&index, |(index, ..)| *index) {
                let (_, slot, decimals) = slots[at];
                rows.push((slot, decimals, row));
            }
        }
        rows.sort_by_key(|(slot, ..)| *slot);
        for of_slot in rows.chunk_by(|one, two| one.0 == two.0) {
            self.add_rows(context, tier, &heard, of_slot)?;
        }
        Ok(())
    }

    /// Takes the rows of one series, hour by hour.
    fn add_rows(
        &mut self,
        context: &Context<'_>,
        tier: Tier,
        heard: &[Heard],
        rows: &[(usize, u8, DayRow<'_>)],
    ) -> Result<(), QueryError> {
        let Some((slot, _, first)) = rows.first() else {
            return Ok(());
        };
        let Some(fold) = self.folds.get_mut(*slot) else {
            return Ok(());
        };
        let from = context.query.from.as_millis();
        let rate = context.query.aggregate_for(first.kind()) == Aggregate::Rate;
        let mut outcome = Ok(());
        let mut buckets = 0;
        for hour in heard {
            for (_, decimals, row) in rows.iter().filter(|(.., row)| row.has(hour.number)) {
                buckets += tier.per_hour();
                row.for_each(tier, (hour.number, hour.start), *decimals, |start, bucket| {
                    if start > context.end || outcome.is_err() {
                    } else if start + tier.millis() > from {
                        outcome = fold.add_bucket(start, bucket, hour.longest);
                    } else if rate && bucket.last_at >= context.begin {
                        fold.seed(bucket.last_at, bucket.last);
                    }
                });
            }
        }
        context.read(buckets)?;
        outcome
    }
}

/// An hour that is taken from rollups.
struct Heard {
    /// Its number in its day.
    number: u32,
    start: i64,
    /// Longest interval that is no gap there.
    longest: i64,
}

/// Why a block did not go in.
enum Trouble {
    Io(io::Error),
    Query(QueryError),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<QueryError> for Trouble {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

/// A damaged block costs its data, not the answer.
fn readable(shared: &Shared, block: &BlockRef, read: Result<(), Trouble>) -> Result<(), QueryError> {
    match read {
        Ok(()) => Ok(()),
        Err(Trouble::Query(error)) => Err(error),
        Err(Trouble::Io(error)) if crate::rollups::is_damage(&error) => {
            shared.counters.damaged_blocks.fetch_add(1, Ordering::Relaxed);
            tracing::error!(path = %block.file.path.display(), offset = block.offset, %error, "a block is damaged, its data is left out");
            Ok(())
        }
        Err(Trouble::Io(source)) => Err(QueryError::Io {
            path: block.file.path.clone(),
            source,
        }),
    }
}

fn dictionary_of(shared: &Shared, hash: Hash) -> Option<Dictionary> {
    let dictionary = shared.dictionaries.get(hash);
    if dictionary.is_none() {
        tracing::warn!(dictionary = %hash, "a dictionary is not known, what it names is left out");
    }
    dictionary
}

/// The numbers of a column; `None` when it is damaged.
fn undamaged(shared: &Shared, numbers: io::Result<Numbers>) -> io::Result<Option<Numbers>> {
    match numbers {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            shared.counters.damaged_blocks.fetch_add(1, Ordering::Relaxed);
            Ok(None)
        }
        other => other.map(Some),
    }
}

fn value(cell: Cell, decimals: u8) -> Option<f64> {
    cell.to_f64(decimals).filter(|value| value.is_finite())
}
