//! Makes one file of several, a piece at each call.

use super::{
    Runs, Tier,
    bucket::Fields,
    is_damage,
    row::{Clocks, PackedRow, Row, RowKey},
    run::{CHUNK_HOSTS, CLOCKS, OpenRun, Run, RunName, Unpacker, Writer},
};
use crate::{disk::Disk, error::StoreError, shared::Shared};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io,
    sync::{Arc, atomic::Ordering},
};
use tocsin_vocabulary::HostId;

/// Files of like size that are merged.
pub(super) const FAN_IN: usize = 16;
/// Host hours of the smallest files.
const LEVEL_HOURS: u64 = 512;

/// The size class of a file: each holds sixteen times as much as the one below.
const fn level(hours: u64) -> u32 {
    let times = hours / LEVEL_HOURS;
    if times == 0 { 0 } else { times.ilog2() / FAN_IN.ilog2() }
}

/// Files that should be one: all of a day that is over, or else sixteen of like size beside each other.
pub(super) fn due(runs: &Runs, whole_day: bool) -> Option<Vec<Arc<Run>>> {
    if whole_day {
        return (runs.len() > 1).then(|| runs.to_vec());
    }
    let like = |window: &&[Arc<Run>]| {
        let first = window.first().map_or(0, |run| level(run.hours));
        window.iter().all(|run| level(run.hours) == first)
    };
    runs.windows(FAN_IN).find(like).map(<[Arc<Run>]>::to_vec)
}

/// A merge in progress.
#[derive(Debug)]
pub(super) struct Merge {
    pub(super) inputs: Vec<Arc<Run>>,
    open: Vec<OpenRun>,
    unpacker: Unpacker,
    writer: Writer,
    hosts: Vec<HostId>,
    /// For each host, for which hours each input speaks.
    granted: HashMap<HostId, Vec<u32>>,
    metrics: Vec<String>,
    fields: Fields,
    /// Next metric and next of `hosts`.
    next: (usize, usize),
}

/// Where a piece of work led.
pub(super) enum Step {
    /// There is more to do.
    More(Box<Merge>),
    /// The new file is there.
    Done(Run, Vec<Arc<Run>>),
}

impl Merge {
    /// Opens the inputs, oldest first, and writes the clocks.
    fn begin(disk: &Arc<dyn Disk>, dir: &std::path::Path, inputs: Vec<Arc<Run>>) -> io::Result<Option<Self>> {
        let Some(first) = inputs.first() else { return Ok(None) };
        let name = RunName {
            tier: first.name.tier,
            day: first.name.day,
            from: inputs.iter().map(|run| run.name.from).min().unwrap_or(0),
            to: inputs.iter().map(|run| run.name.to).max().unwrap_or(0),
        };
        let mut open = Vec::with_capacity(inputs.len());
        for run in &inputs {
            let opened = OpenRun::open(disk.as_ref(), run.clone());
            open.push(opened.map_err(|error| condemn(run, error))?);
        }
        let mut unpacker = Unpacker::new();
        let mut clocks: BTreeMap<HostId, Clocks> = BTreeMap::new();
        let mut granted: HashMap<HostId, Vec<u32>> = HashMap::new();
        for (number, run) in open.iter_mut().enumerate().rev() {
            let read = run.all_clocks(&mut unpacker, |own| {
                let host = own.host;
                let granted = granted.entry(host).or_insert_with(|| vec![0; inputs.len()]);
                let taken = granted.iter().fold(0, |taken, mask| taken | mask);
                granted[number] |= own.mask() & !taken;
                let known = clocks.entry(host).or_insert_with(|| Clocks {
                    host,
                    hours: Vec::new(),
                });
                let new = own.hours.into_iter().filter(|(hour, _)| taken & 1 << hour == 0);
                known.hours.extend(new);
            });
            read.map_err(|error| condemn(&run.run, error))?;
        }
        let metrics: BTreeSet<String> = open.iter().flat_map(OpenRun::metrics).map(str::to_owned).collect();
        let mut writer = Writer::create(disk.clone(), dir, name)?;
        for clocks in clocks.values_mut() {
            clocks.hours.sort_by_key(|(hour, _)| *hour);
            writer.clocks(clocks)?;
        }
        writer.end_section(CLOCKS)?;
        Ok(Some(Self {
            inputs,
            open,
            unpacker,
            writer,
            hosts: clocks.into_keys().collect(),
            granted,
            metrics: metrics.into_iter().collect(),
            fields: Fields::default(),
            next: (0, 0),
        }))
    }

    /// Writes the rows of one metric for the next hosts.
    fn step(mut self: Box<Self>) -> io::Result<Step> {
        let (metric, at) = self.next;
        let Some(name) = self.metrics.get(metric).cloned() else {
            return Ok(Step::Done(self.writer.finish()?, self.inputs));
        };
        let batch: Vec<HostId> = self.hosts.iter().skip(at).take(CHUNK_HOSTS).copied().collect();
        let Some((&first, &last)) = batch.first().zip(batch.last()) else {
            self.writer.end_section(&name)?;
            self.next = (metric + 1, 0);
            return Ok(Step::More(self));
        };
        let mut rows: BTreeMap<RowKey, Vec<(u32, Row)>> = BTreeMap::new();
        for (number, run) in self.open.iter_mut().enumerate() {
            let granted = &self.granted;
            let tier = run.run.name.tier;
            for section in run.sections(|metric| metric == name) {
                let read = run.rows(&mut self.unpacker, section, (first, last), |row| {
                    let own = granted.get(&row.host).map_or(0, |masks| masks[number]) & row.mask;
                    if own != 0 && (first..=last).contains(&row.host) {
                        let row = row.read(tier, None)?;
                        rows.entry(row.key()).or_default().push((own, row));
                    }
                    Some(())
                });
                read.map_err(|error| condemn(&run.run, error))?;
            }
        }
        let tier = self.inputs.first().map_or(Tier::Hour, |run| run.name.tier);
        for parts in rows.values() {
            if let Some(row) = joined(tier, parts, &mut self.fields) {
                self.writer.row(&row)?;
            }
        }
        self.next = (metric, at + batch.len());
        Ok(Step::More(self))
    }
}

/// One row of parts that each speak for other hours.
fn joined(tier: Tier, parts: &[(u32, Row)], fields: &mut Fields) -> Option<PackedRow> {
    let (_, first) = parts.first()?;
    fields.clear();
    let mut mask = 0;
    for hour in 0..super::row::HOURS {
        let Some((_, part)) = parts.iter().find(|(own, _)| own & (1 << hour) != 0) else {
            continue;
        };
        let Some(at) = part.place(tier, hour) else { continue };
        mask |= 1 << hour;
        (at..at + tier.per_hour()).for_each(|bucket| part.copy(bucket, fields));
    }
    // The kind is the dictionary's, so it is the same in all of them.
    Some(PackedRow {
        host: first.host,
        dictionary: first.dictionary,
        series: first.series,
        kind: first.kind,
        mask,
        columns: fields.pack(first.kind),
    })
}

/// Marks a file whose bytes are damaged, so that it is made again.
pub(super) fn condemn(run: &Run, error: io::Error) -> io::Error {
    if is_damage(&error) && !run.damaged.swap(true, Ordering::Relaxed) {
        tracing::error!(path = %run.path.display(), %error, "rollups are damaged");
    }
    error
}

/// Begins a merge of these files.
pub(super) fn begin(shared: &Shared, inputs: Vec<Arc<Run>>) -> Result<Option<Box<Merge>>, StoreError> {
    let dir = &shared.rollups.dir;
    let merge = Merge::begin(&shared.disk, dir, inputs).map_err(StoreError::write("merge rollups in", dir))?;
    Ok(merge.map(Box::new))
}

/// Does the next piece of a merge. Files that went away or turned out to be damaged end it.
pub(super) fn step(shared: &Shared, merge: Box<Merge>) -> Result<Step, StoreError> {
    let dir = &shared.rollups.dir;
    merge.step().map_err(StoreError::write("merge rollups in", dir))
}
