//! One host on its way through a query: what an hour's blocks and head hold is folded into its points.

mod mixed;
mod rolled_up;

use super::{
    Query,
    budget::Meter,
    fold::{Fold, Ticks},
    observed::Observed,
    wanted::Wanted,
};
use crate::{
    blocks::{BlockRef, OpenBlock, column::Numbers},
    error::QueryError,
    head::{hour_of, view::View},
    host::Host,
    rollups::clock::Clock,
    shared::Shared,
};
use mixed::{Mixed, Settled, rescaled, whole};
use std::{
    cell::RefCell,
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
            mixed.append(self.heads.remove(&hour).unwrap_or_default());
        }
        let (times, once) = mixed.times();
        let Some(clock) = Clock::of(&times) else { return Ok(()) };
        let longest = self.observed.add(&clock);
        let from = context.query.from.as_millis();
        let ticks = context.step.map(|step| Ticks::new(&times, from, step, longest));
        for (slot, (fold, series)) in self.folds.iter_mut().zip(&self.series).enumerate() {
            let decimals = series.decimals;
            match (mixed.settle(slot, once), &ticks) {
                (Settled::Whole(numbers), Some(ticks)) => {
                    context.read(numbers.len())?;
                    fold.add_whole(ticks, |at| numbers[at], decimals)?;
                }
                (Settled::Whole(numbers), None) => {
                    context.read(numbers.len())?;
                    let cells = numbers.iter().map(|number| value(Cell::Scaled(*number), decimals));
                    fold.add(times.iter().copied().zip(cells), longest)?;
                }
                (Settled::Cells(times, cells), _) => {
                    context.read(cells.len())?;
                    add_cells(context, fold, (times, cells), decimals, longest)?;
                }
            }
        }
        Ok(())
    }

    /// The only block of its hour: its columns go straight into the points.
    fn add_block(&mut self, context: &Context<'_>, wanted: &mut Wanted<'_>, block: &BlockRef) -> Result<(), Trouble> {
        let Some((open, dictionary)) = open(context, wanted, block)? else {
            return Ok(());
        };
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
        let Some(dictionary) = dictionary else { return Ok(()) };
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
        let Some((open, dictionary)) = open(context, wanted, block)? else {
            return Ok(());
        };
        let times = open.times()?;
        let from = times.partition_point(|time| *time < context.begin);
        let to = times.partition_point(|time| *time <= context.end);
        mixed.begin(rank, times.get(from..to).unwrap_or_default().iter().copied());
        let Some(dictionary) = dictionary else { return Ok(()) };
        for &(index, slot, decimals) in self.slots(context, wanted, &dictionary).iter() {
            let Some(numbers) = undamaged(context.shared, open.numbers(index))? else {
                continue;
            };
            let own = self.series.get(slot).map_or(decimals, |series| series.decimals);
            mixed.add(slot, &numbers, from, (decimals, own));
        }
        Ok(())
    }

    /// Reads what lies in the journal alone, once, for all hours.
    fn read_head(&mut self, context: &Context<'_>, wanted: &mut Wanted<'_>) -> Result<(), QueryError> {
        let Some(head) = self.head.take() else { return Ok(()) };
        let mut heads: BTreeMap<i64, Mixed> = BTreeMap::new();
        // Ticks that follow each other mostly have one dictionary.
        let mut known: Option<(Hash, Slots)> = None;
        // Both ask it, one after the other.
        let wanted = RefCell::new(wanted);
        let choose = |dictionary: &Dictionary| wanted.borrow_mut().places(dictionary).to_vec();
        let read = head.for_each_chosen(&context.shared.dictionaries, choose, |found| {
            let time = found.tick.time.as_millis();
            if !(context.begin..=context.end).contains(&time) {
                return;
            }
            let mixed = heads.entry(hour_of(found.tick.time)).or_insert_with(|| {
                let mut mixed = Mixed::default();
                mixed.begin(HEAD_RANK, []);
                mixed
            });
            mixed.push_time(time);
            let hash = found.dictionary.hash();
            if known.as_ref().is_none_or(|(known, _)| *known != hash) {
                known = Some((hash, self.slots(context, &mut wanted.borrow_mut(), found.dictionary)));
            }
            let Some((_, slots)) = &known else { return };
            // Slots and cells are both in order of the dictionary.
            for (&(_, slot, decimals), &cell) in slots.iter().zip(&found.tick.cells) {
                let own = self.series.get(slot).map_or(decimals, |series| series.decimals);
                mixed.push(slot, rescaled(cell, decimals, own));
            }
        });
        self.heads = heads;
        read.map(drop).map_err(|source| QueryError::Io {
            path: context.shared.journal_dir(),
            source,
        })
    }
}

/// Adds the cells of a series' part of an hour.
fn add_cells(
    context: &Context<'_>,
    fold: &mut Fold,
    (times, cells): (Vec<i64>, Vec<Cell>),
    decimals: u8,
    longest: i64,
) -> Result<(), QueryError> {
    if let (Some(step), Some(numbers)) = (context.step, whole(&cells)) {
        // As from a single block, to the last digit: nobody sees an hour being sealed.
        let ticks = Ticks::new(&times, context.query.from.as_millis(), step, longest);
        return fold.add_whole(&ticks, |at| numbers[at], decimals);
    }
    let samples = times.into_iter().zip(cells);
    fold.add(samples.map(|(time, cell)| (time, value(cell, decimals))), longest)
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

/// Opens a block for the wanted series of its dictionary, unless none of its ticks is asked for.
fn open(
    context: &Context<'_>,
    wanted: &mut Wanted<'_>,
    block: &BlockRef,
) -> io::Result<Option<(OpenBlock, Option<Dictionary>)>> {
    let start = block.start()?;
    if start.header.last.as_millis() < context.begin || start.header.first.as_millis() > context.end {
        return Ok(None);
    }
    let dictionary = dictionary_of(context.shared, start.header.dictionary);
    let places = dictionary.as_ref().map(|dictionary| wanted.places(dictionary));
    let open = block.open_chosen(start, places.as_deref().unwrap_or_default())?;
    Ok(Some((open, dictionary)))
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
