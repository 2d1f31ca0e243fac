//! Makes rows of the blocks that have none yet.

use super::{
    Tier,
    bucket::{self, Fields, Grid, Samples},
    clock::Clock,
    covered, is_damage,
    row::{Clocks, PackedRow},
    run::{Run, RunName, Writer},
};
use crate::{
    blocks::{BlockRef, DAY_MS, OpenBlock, column::Numbers},
    error::StoreError,
    head::HOUR_MS,
    retention::{ClassDay, RetentionClass},
    shared::Shared,
};
use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{Arc, atomic::Ordering},
};
use tocsin_vocabulary::{Dictionary, Hash, HostId, Label, Series, batch::Cell};

/// Most blocks rolled up at one call of housekeeping.
pub(super) const SLICE_BLOCKS: usize = 512;

/// A piece of a day's blocks, and where it ends.
pub(super) struct Slice {
    pub(super) blocks: Vec<(HostId, BlockRef)>,
    pub(super) to: u64,
}

/// The first blocks of a day file that begin at `from` or later, up to the file's `end`.
pub(super) fn slice(shared: &Shared, key: ClassDay, from: u64, end: u64) -> io::Result<Slice> {
    let mut blocks = Vec::new();
    for host in shared.hosts.all() {
        let listing = shared.blocks.list(host.id, key.day..=key.day + DAY_MS - 1).read()?;
        let new = listing.into_iter();
        let new = new.filter(|block| block.file.class == key.class && (from..end).contains(&block.offset));
        blocks.extend(new.map(|block| (host.id, block)));
    }
    blocks.sort_by_key(|(_, block)| block.offset);
    let to = blocks.get(SLICE_BLOCKS).map_or(end, |(_, block)| block.offset);
    blocks.truncate(SLICE_BLOCKS);
    Ok(Slice { blocks, to })
}

/// One metric's rows, for each tier.
struct Metric {
    name: String,
    rows: [Vec<PackedRow>; 2],
}

/// The rows of a slice, and what it takes to make them.
#[derive(Default)]
struct Making {
    metrics: Vec<Metric>,
    by_name: HashMap<String, usize>,
    /// For each series of a dictionary its metric, so that names are looked up once.
    by_series: HashMap<Hash, Vec<usize>>,
    fields: [Fields; 2],
}

impl Making {
    /// The metrics of the series of a dictionary.
    fn metrics_of(&mut self, dictionary: &Dictionary) {
        let Self {
            metrics,
            by_name,
            by_series,
            ..
        } = self;
        let metric = |series: &Series| {
            if let Some(known) = by_name.get(series.name.as_str()) {
                return *known;
            }
            metrics.push(Metric {
                name: series.name.to_string(),
                rows: Default::default(),
            });
            by_name.insert(series.name.to_string(), metrics.len() - 1);
            metrics.len() - 1
        };
        by_series
            .entry(dictionary.hash())
            .or_insert_with(|| dictionary.series().map(metric).collect());
    }

    /// Adds the rows of both tiers for a series, number `number` of its dictionary.
    fn add(&mut self, (host, grid): (HostId, &Grid<'_>), named: (&Dictionary, u32, &Series), samples: &Samples<'_>) {
        let (dictionary, number, series) = named;
        let hash = dictionary.hash();
        if !self.by_series.contains_key(&hash) {
            self.metrics_of(dictionary);
        }
        let known = self.by_series.get(&hash).and_then(|known| known.get(number as usize));
        let Some(metric) = known.and_then(|at| self.metrics.get_mut(*at)) else {
            return;
        };
        bucket::count(series.kind, series.decimals, grid, samples, &mut self.fields);
        for (fields, rows) in self.fields.iter_mut().zip(&mut metric.rows) {
            rows.push(PackedRow {
                host,
                dictionary: hash,
                series: number,
                kind: series.kind,
                mask: 1 << (grid.hour().rem_euclid(DAY_MS) / HOUR_MS),
                columns: fields.pack(series.kind),
            });
        }
    }
}

/// Writes files of rollups for `day` up to byte `slice.to` in each tier that does not reach there.
pub(super) fn make(shared: &Shared, key: ClassDay, slice: &Slice) -> Result<Vec<Run>, StoreError> {
    let mut hours: BTreeMap<HostId, Vec<i64>> = BTreeMap::new();
    for (host, block) in &slice.blocks {
        let hours = hours.entry(*host).or_default();
        if !hours.contains(&block.hour) {
            hours.push(block.hour);
        }
    }
    let mut clocks = Vec::with_capacity(hours.len());
    let mut making = Making::default();
    for (host, mut hours) in hours {
        hours.sort_unstable();
        let mut own = Clocks {
            host,
            hours: Vec::new(),
        };
        for hour in hours {
            let clock =
                hour_rows(shared, (host, hour), (key.class, slice.to), &mut making).map_err(read_error(shared))?;
            let number = u32::try_from((hour - key.day) / HOUR_MS).unwrap_or(0);
            own.hours.extend(clock.map(|clock| (number, clock)));
        }
        if !own.hours.is_empty() {
            clocks.push(own);
        }
    }
    let mut runs = Vec::new();
    making.metrics.sort_unstable_by(|one, two| one.name.cmp(&two.name));
    for (number, tier) in Tier::ALL.into_iter().enumerate() {
        let from = covered(&shared.rollups.runs(tier, key));
        if from < slice.to {
            let name = RunName {
                tier,
                day: key,
                from,
                to: slice.to,
            };
            runs.push(write(shared, name, &clocks, number, &mut making.metrics)?);
        }
    }
    Ok(runs)
}

fn read_error(shared: &Shared) -> impl FnOnce(io::Error) -> StoreError {
    StoreError::write("roll up the blocks of", &shared.config.dir)
}

fn write(
    shared: &Shared,
    name: RunName,
    clocks: &[Clocks],
    tier: usize,
    metrics: &mut [Metric],
) -> Result<Run, StoreError> {
    let dir = &shared.rollups.dir;
    let write = || {
        let mut writer = Writer::create(shared.disk.clone(), dir, name)?;
        clocks.iter().try_for_each(|clocks| writer.clocks(clocks))?;
        writer.end_section(super::run::CLOCKS)?;
        for metric in metrics {
            let Some(rows) = metric.rows.get_mut(tier) else {
                continue;
            };
            rows.sort_unstable_by_key(PackedRow::key);
            rows.iter().try_for_each(|row| writer.row(row))?;
            writer.end_section(&metric.name)?;
        }
        writer.finish()
    };
    write().map_err(StoreError::write("write", dir.join(name.file_name())))
}

/// A readable block of the hour.
struct Source {
    block: OpenBlock,
    times: Vec<i64>,
    dictionary: Option<Dictionary>,
}

/// Adds the rows of one hour of a host, of all its blocks in the file of that class that begin before `to`; `None` when
/// none of them is readable.
fn hour_rows(
    shared: &Shared,
    (host, hour): (HostId, i64),
    (class, to): (RetentionClass, u64),
    making: &mut Making,
) -> io::Result<Option<Clock>> {
    let mut sources = Vec::new();
    for block in shared.blocks.list(host, hour..=hour).read()? {
        if block.file.class != class || block.offset >= to {
            continue;
        }
        match open(shared, &block) {
            Ok(source) => sources.push(source),
            Err(error) if is_damage(&error) => {
                shared.counters.damaged_blocks.fetch_add(1, Ordering::Relaxed);
                tracing::error!(path = %block.file.path.display(), offset = block.offset, %error, "a block is damaged, its rollups lack it");
            }
            Err(error) => return Err(error),
        }
    }
    if let [source] = sources.as_slice()
        && source.times.is_sorted_by(|one, two| one < two)
    {
        return single(host, hour, source, making);
    }
    let mut times: Vec<i64> = sources.iter().flat_map(|source| source.times.iter().copied()).collect();
    times.sort_unstable();
    times.dedup();
    let Some(clock) = Clock::of(&times) else {
        return Ok(None);
    };
    for (dictionary, number, series, places) in series_of(&sources) {
        let (times, cells) = samples(&sources, series, &places)?;
        let grid = Grid::new(hour, &times, clock.longest.unwrap_or(0));
        making.add((host, &grid), (dictionary, number, series), &Samples::Cells(&cells));
    }
    Ok(Some(clock))
}

/// Adds the rows of an hour that has one block, as nearly all have: its columns are counted as they are.
fn single(host: HostId, hour: i64, source: &Source, making: &mut Making) -> io::Result<Option<Clock>> {
    let Some(clock) = Clock::of(&source.times) else {
        return Ok(None);
    };
    let Some(dictionary) = &source.dictionary else {
        return Ok(Some(clock));
    };
    let grid = Grid::new(hour, &source.times, clock.longest.unwrap_or(0));
    for (number, series) in dictionary.series().enumerate() {
        let numbers = match source.block.numbers(number) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Numbers::Absent,
            other => other?,
        };
        let samples = match &numbers {
            Numbers::Absent => Samples::Cells(&[]),
            Numbers::Constant(number) => Samples::Constant(*number),
            Numbers::Each(numbers) => Samples::Each(numbers),
            Numbers::Mixed(cells) => Samples::Cells(cells),
        };
        let number = crate::bytes::length_u32(number);
        making.add((host, &grid), (dictionary, number, series), &samples);
    }
    Ok(Some(clock))
}

fn open(shared: &Shared, block: &BlockRef) -> io::Result<Source> {
    let block = block.open()?;
    let dictionary = shared.dictionaries.get(block.header.dictionary);
    Ok(Source {
        times: block.times()?,
        dictionary,
        block,
    })
}

/// Where a series lies: source, column, decimals there.
type Place = (usize, usize, u8);

/// What tells one series from another: name and attributes.
type Named<'a> = (&'a str, &'a [(Label, Label)]);

/// All series of the hour, as the newest block that has it names it, with all their places, the oldest block first.
fn series_of(sources: &[Source]) -> Vec<(&Dictionary, u32, &Series, Vec<Place>)> {
    let mut all: Vec<(&Dictionary, u32, &Series, Vec<Place>)> = Vec::new();
    let mut known: HashMap<Named<'_>, usize> = HashMap::new();
    for (source, dictionary) in sources
        .iter()
        .enumerate()
        .filter_map(|(at, source)| Some((at, source.dictionary.as_ref()?)))
    {
        for (column, series) in dictionary.series().enumerate() {
            let at = *known.entry((&series.name, &series.attributes)).or_insert_with(|| {
                all.push((dictionary, 0, series, Vec::new()));
                all.len() - 1
            });
            let places = &mut all[at].3;
            places.push((source, column, series.decimals));
            let places = std::mem::take(places);
            all[at] = (dictionary, crate::bytes::length_u32(column), series, places);
        }
    }
    all
}

/// The samples of a series from all its places, sorted, each time once; of doubles the newest block's counts.
fn samples(sources: &[Source], series: &Series, places: &[Place]) -> io::Result<(Vec<i64>, Vec<Cell>)> {
    let mut samples: Vec<(i64, Cell)> = Vec::new();
    // The newest first, and a stable sort: of doubles the first one stays.
    for &(source, column, decimals) in places.iter().rev() {
        let source = &sources[source];
        let cells = match source.block.cells(column) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => continue,
            other => other?,
        };
        let same = decimals == series.decimals;
        let cells = cells.into_iter().map(|cell| match cell {
            Cell::Scaled(_) if !same => cell.to_f64(decimals).map_or(Cell::Absent, Cell::Raw),
            cell => cell,
        });
        samples.extend(source.times.iter().copied().zip(cells));
    }
    if !samples.is_sorted_by(|one, two| one.0 < two.0) {
        samples.sort_by_key(|(time, _)| *time);
        samples.dedup_by_key(|(time, _)| *time);
    }
    Ok(samples.into_iter().unzip())
}

/// Publishes new files.
pub(super) fn publish(shared: &Shared, runs: Vec<Run>) {
    for run in runs {
        shared.rollups.publish(&[], Arc::new(run));
    }
}
