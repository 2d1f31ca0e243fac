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
    /// By the number of the hour.
    clocks: HashMap<u32, Clock>,
    rows: Vec<(u32, Row)>,
}

/// A series in one hour.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HourRow<'a> {
    row: &'a Row,
    tier: Tier,
    at: usize,
    start: i64,
}

impl HostDay {
    /// The hours there are, ascending, as epoch milliseconds.
    pub(crate) fn hours(&self, day: i64) -> Vec<i64> {
        let mut hours: Vec<i64> = self
            .clocks
            .keys()
            .map(|hour| day + i64::from(*hour) * HOUR_MS)
            .collect();
        hours.sort_unstable();
        hours
    }

    /// When the host ticked in that hour.
    pub(crate) fn clock(&self, hour: u32) -> Option<&Clock> {
        self.clocks.get(&hour)
    }

    /// The series of that hour, which begins at `start`.
    pub(crate) fn rows(&self, tier: Tier, hour: u32, start: i64) -> impl Iterator<Item = HourRow<'_>> {
        let speaking = self.rows.iter().filter(move |(granted, _)| granted & (1 << hour) != 0);
        speaking.filter_map(move |(_, row)| {
            let at = row.place(tier, hour)?;
            Some(HourRow { row, tier, at, start })
        })
    }
}

impl HourRow<'_> {
    /// Which dictionary names it, and its number there.
    pub(crate) const fn series(&self) -> (Hash, usize) {
        (self.row.dictionary, self.row.series as usize)
    }

    pub(crate) const fn kind(&self) -> Kind {
        self.row.kind
    }

    /// Calls `each` with start and content of the buckets that have a sample.
    pub(crate) fn for_each(&self, decimals: u8, mut each: impl FnMut(i64, &Bucket)) {
        let mut start = self.start;
        for at in self.at..self.at + self.tier.per_hour() {
            if let Some(bucket) = self.row.bucket(at, start, decimals) {
                each(start, &bucket);
            }
            start += self.tier.millis();
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
            for (hour, clock) in own.hours {
                if let Entry::Vacant(place) = days[at].clocks.entry(hour) {
                    place.insert(clock);
                    granted[at] |= 1 << hour;
                }
            }
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
