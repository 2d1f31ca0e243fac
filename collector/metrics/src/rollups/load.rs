//! Reads, for a question, what a day's files say about some hosts.

use super::{
    Runs, Tier,
    bucket::{Bucket, Need},
    clock::Clock,
    is_damage,
    merge::condemn,
    row::{Row, RowBytes},
    run::{OpenRun, Run, Unpacker},
};
use crate::{disk::Disk, head::HOUR_MS};
use std::{
    collections::{HashMap, hash_map::Entry},
    io,
    path::PathBuf,
    sync::Arc,
};
use tocsin_vocabulary::{Hash, HostId, Kind};

/// Files that a question keeps open.
const OPEN_MAX: usize = 128;

/// What is known of one host and day.
#[derive(Debug, Default)]
pub(crate) struct HostDay {
    /// With the number of the hour, ascending.
    clocks: Vec<(u32, Clock)>,
    /// With the hours for which each speaks, the one that begins first first.
    rows: Vec<(u32, Row)>,
}

/// A series in some hours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DayRow<'a> {
    row: &'a Row,
    granted: u32,
}

impl HostDay {
    /// Takes the hours for which nothing spoke yet; answers which they are.
    fn hear(&mut self, hours: Vec<(u32, Clock)>) -> u32 {
        let mask = |hours: &[(u32, Clock)]| hours.iter().fold(0_u32, |mask, (hour, _)| mask | 1 << hour);
        if self.clocks.is_empty() {
            self.clocks = hours;
            return mask(&self.clocks);
        }
        let known = mask(&self.clocks);
        let granted = mask(&hours) & !known;
        let new = hours.into_iter().filter(|(hour, _)| granted & 1 << hour != 0);
        self.clocks.extend(new);
        self.clocks.sort_unstable_by_key(|(hour, _)| *hour);
        granted
    }

    /// The hours there are, ascending, as epoch milliseconds.
    pub(crate) fn hours(&self, day: i64) -> impl Iterator<Item = i64> {
        self.clocks
            .iter()
            .map(move |(hour, _)| day + i64::from(*hour) * HOUR_MS)
    }

    /// When the host ticked in each of them, by the number of the hour.
    pub(crate) fn clocks(&self) -> impl Iterator<Item = &(u32, Clock)> {
        self.clocks.iter()
    }

    /// Its series. One series may have several rows, for different hours.
    pub(crate) fn rows(&self) -> impl Iterator<Item = DayRow<'_>> {
        let rows = self.rows.iter();
        rows.map(|(granted, row)| DayRow { row, granted: *granted })
    }
}

impl DayRow<'_> {
    /// Which dictionary names it, and its number there.
    pub(crate) const fn series(&self) -> (Hash, usize) {
        (self.row.dictionary, self.row.series as usize)
    }

    pub(crate) const fn kind(&self) -> Kind {
        self.row.kind
    }

    /// Whether it speaks for that hour.
    pub(crate) const fn has(&self, hour: u32) -> bool {
        self.granted & (1 << hour) != 0
    }

    /// Calls `each` with start and content of the buckets of that hour, which begins at `start`, that have a sample.
    #[inline]
    pub(crate) fn for_each(
        &self,
        tier: Tier,
        (hour, mut start): (u32, i64),
        decimals: u8,
        mut each: impl FnMut(i64, &Bucket),
    ) {
        let Some(first) = self.row.place(tier, hour).filter(|_| self.has(hour)) else {
            return;
        };
        for at in first..first + tier.per_hour() {
            if let Some(bucket) = self.row.bucket(at, start, decimals) {
                each(start, &bucket);
            }
            start += tier.millis();
        }
    }
}

/// Opened files, kept for the next hosts of a question.
#[derive(Debug)]
pub(crate) struct Opened {
    files: HashMap<PathBuf, OpenRun>,
    unpacker: Unpacker,
}

/// What is asked of a day.
pub(crate) struct Ask<'a> {
    pub(crate) runs: &'a Runs,
    pub(crate) tier: Tier,
    /// Sorted.
    pub(crate) hosts: &'a [HostId],
    pub(crate) need: Need,
    /// The blocks are gone: what is damaged is left out.
    pub(crate) lenient: bool,
}

impl Opened {
    pub(crate) fn new() -> Self {
        Self {
            files: HashMap::new(),
            unpacker: Unpacker::new(),
        }
    }

    /// What the files say about each of the hosts, in their order. `wanted` tells metrics, `series` the rows of them.
    pub(crate) fn load(
        &mut self,
        disk: &dyn Disk,
        ask: &Ask<'_>,
        wanted: &dyn Fn(&str) -> bool,
        series: &mut dyn FnMut(Hash, usize) -> bool,
    ) -> io::Result<Vec<HostDay>> {
        let mut days: Vec<HostDay> = Vec::new();
        days.resize_with(ask.hosts.len(), HostDay::default);
        let Some((&first, &last)) = ask.hosts.first().zip(ask.hosts.last()) else {
            return Ok(days);
        };
        for run in ask.runs.iter().rev() {
            if self.files.len() >= OPEN_MAX {
                self.files.clear();
            }
            let read = self.load_run(disk, run, ask, (first, last), wanted, series, &mut days);
            match read.map_err(|error| condemn(run, error)) {
                Err(error) if !(ask.lenient && is_damage(&error)) => return Err(error),
                _ => {}
            }
        }
        for day in &mut days {
            day.rows.sort_by_key(|(granted, _)| granted.trailing_zeros());
        }
        Ok(days)
    }

    /// Takes from one file the hours for which no later one spoke.
    #[allow(clippy::too_many_arguments)] // the two questions are asked of the caller, who borrows
    fn load_run(
        &mut self,
        disk: &dyn Disk,
        run: &Arc<Run>,
        ask: &Ask<'_>,
        ends: (HostId, HostId),
        wanted: &dyn Fn(&str) -> bool,
        series: &mut dyn FnMut(Hash, usize) -> bool,
        days: &mut [HostDay],
    ) -> io::Result<()> {
        let Self { files, unpacker } = self;
        let open = match files.entry(run.path.clone()) {
            Entry::Occupied(place) => place.into_mut(),
            Entry::Vacant(place) => place.insert(OpenRun::open(disk, run.clone())?),
        };
        let mut granted = vec![0_u32; ask.hosts.len()];
        open.clocks(unpacker, ends, |own| {
            let Ok(at) = ask.hosts.binary_search(&own.host) else {
                return;
            };
            granted[at] |= days[at].hear(own.hours);
        })?;
        if granted.iter().all(|hours| *hours == 0) {
            return Ok(());
        }
        for section in open.sections(wanted) {
            let read = open.rows(unpacker, section, ends, |row: RowBytes<'_>| {
                let Ok(at) = ask.hosts.binary_search(&row.host) else {
                    return Some(());
                };
                let hours = granted[at] & row.mask;
                if hours != 0 && series(row.dictionary, row.series as usize) {
                    days[at].rows.push((hours, row.read(ask.tier, Some(ask.need))?));
                }
                Some(())
            });
            match read.map_err(|error| condemn(run, error)) {
                Err(error) if !(ask.lenient && is_damage(&error)) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Whether trying again may help: the file was damaged, and is left out next time, or it was merged meanwhile.
pub(crate) fn passes(error: &io::Error) -> bool {
    is_damage(error) || error.kind() == io::ErrorKind::NotFound
}
