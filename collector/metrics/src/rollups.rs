//! Rollups: what is known of each series for every five minutes and every hour, made of sealed blocks.
//!
//! They are derived data. What a file of rollups lacks is read from the blocks, and what is damaged is made again from
//! them; nothing here lies on the way of a tick or of its acknowledgement.
//!
//! **A file** ([`run::Run`]) belongs to one tier, one day and one retention class. It stands for the blocks that begin in a range of bytes of
//! that day's file, which its name says. Day files only grow, so a file's end tells a query at a glance whether any block
//! of a day is not yet rolled up. Inside, rows lie metric by metric across hosts: a question about one metric of a whole
//! fleet reads one section of each day, one about a host one chunk of that section. The tiers have files of their own,
//! for they are kept for different times.
//!
//! **A row** says what a whole hour of its host comes to, all generations merged, as of the last block of its range; it
//! is never added to another row of the same hour. (Late ticks may lie between those that are known: neither an increase
//! nor a count of ticks that came twice can be mended by adding.) So the newest file that has an hour of a host speaks
//! for it, and late generations and folded ones simply make a newer row. A query takes the row of an hour unless the
//! head or a block beyond the files' range has ticks of that hour; then it reads that hour's blocks.
//!
//! **Making and merging** ([`make`], [`merge`]) happen in housekeeping, a bounded piece at each call. Files of like size
//! are merged sixteen at a time, and those of a day that is over into one.

pub(crate) mod bucket;
pub(crate) mod clock;
mod keep;
pub(crate) mod load;
mod make;
mod merge;
mod row;
pub(crate) mod run;

use crate::{
    disk::Disk,
    error::{OpenError, StoreError},
    head::HOUR_MS,
    retention::ClassDay,
};
use merge::Merge;
use run::{Run, RunName};
use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};
use tocsin_vocabulary::Timestamp;

/// A width of buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Tier {
    /// Five minutes.
    Minutes,
    /// One hour.
    Hour,
}

impl Tier {
    pub(crate) const ALL: [Self; 2] = [Self::Minutes, Self::Hour];

    /// Width of a bucket.
    pub(crate) const fn millis(self) -> i64 {
        match self {
            Self::Minutes => 300_000,
            Self::Hour => HOUR_MS,
        }
    }

    /// Buckets in an hour.
    pub(crate) const fn per_hour(self) -> usize {
        match self {
            Self::Minutes => 12,
            Self::Hour => 1,
        }
    }

    const fn suffix(self) -> &'static str {
        match self {
            Self::Minutes => "5m",
            Self::Hour => "1h",
        }
    }

    /// The widest tier of which a step is a multiple.
    pub(crate) fn for_step(step: i64) -> Option<Self> {
        Self::ALL.into_iter().rev().find(|tier| step % tier.millis() == 0)
    }
}

/// The files of one tier, day and class, the one that ends first first: a later one speaks for the hours that both have.
pub(crate) type Runs = Arc<[Arc<Run>]>;

/// The first byte of a day's blocks for which these files do not stand.
pub(crate) fn covered(runs: &[Arc<Run>]) -> u64 {
    let mut ranges: Vec<(u64, u64)> = runs.iter().map(|run| (run.name.from, run.name.to)).collect();
    ranges.sort_unstable();
    ranges.into_iter().fold(
        0,
        |covered, (from, to)| if from <= covered { covered.max(to) } else { covered },
    )
}

/// What housekeeping remembers from call to call.
#[derive(Debug, Default)]
struct Work {
    merge: Option<Box<Merge>>,
    /// Since when a day has had blocks that are not rolled up.
    waiting: HashMap<ClassDay, Timestamp>,
    /// When the files of a day that is over were merged last.
    merged: HashMap<(Tier, ClassDay), Timestamp>,
    /// Blocks sealed until the last look.
    sealed: u64,
}

/// All files of rollups.
#[derive(Debug)]
pub(crate) struct Rollups {
    dir: PathBuf,
    runs: RwLock<BTreeMap<(Tier, ClassDay), Runs>>,
    work: Mutex<Work>,
    /// Files that were set aside at the start.
    lost: AtomicU64,
}

impl Rollups {
    /// None yet; [`Self::open`] finds those on disk.
    pub(crate) fn new(store: &Path) -> Self {
        Self {
            dir: store.join("rollups"),
            runs: RwLock::default(),
            work: Mutex::default(),
            lost: AtomicU64::new(0),
        }
    }

    /// Finds the files on disk. One that is damaged is removed when the day's blocks are still there to make it again,
    /// and set aside otherwise.
    pub(crate) fn open(&self, disk: &dyn Disk, raw_days: &[ClassDay]) -> Result<(), OpenError> {
        let dir = &self.dir;
        disk.create_dir(dir).map_err(OpenError::io("create folder", dir))?;
        for file in disk.list(dir).map_err(OpenError::io("list", dir))? {
            let path = dir.join(&file);
            if file.ends_with(".new") {
                disk.unlink(&path).map_err(OpenError::io("remove", &path))?;
                continue;
            }
            let Some(name) = RunName::parse(&file) else { continue };
            match run::inspect(disk, path.clone(), name) {
                Ok(run) => self.publish(&[], Arc::new(run)),
                Err(error) if is_damage(&error) => {
                    let again = raw_days.contains(&name.day);
                    self.lost.fetch_add(u64::from(!again), Ordering::Relaxed);
                    set_aside(disk, &path, again, &error);
                }
                Err(error) => return Err(OpenError::io("read", &path)(error)),
            }
        }
        for run in self.superseded() {
            disk.unlink(&run.path).map_err(OpenError::io("remove", &run.path))?;
            self.forget(&run);
        }
        Ok(())
    }

    /// The files of a tier and day.
    pub(crate) fn runs(&self, tier: Tier, day: ClassDay) -> Runs {
        let runs = self.runs.read().unwrap_or_else(PoisonError::into_inner);
        runs.get(&(tier, day)).cloned().unwrap_or_else(|| Arc::new([]))
    }

    /// The days of which a tier has files, oldest first, and within a day the default class.
    pub(crate) fn days(&self, tier: Tier) -> Vec<ClassDay> {
        let runs = self.runs.read().unwrap_or_else(PoisonError::into_inner);
        let days = runs.keys().filter(|(known, _)| *known == tier);
        days.map(|(_, day)| *day).collect()
    }

    /// Bytes of the files of each day, of all tiers.
    pub(crate) fn sizes(&self) -> Vec<(ClassDay, u64)> {
        let runs = self.runs.read().unwrap_or_else(PoisonError::into_inner);
        let bytes = |runs: &Runs| runs.iter().map(|run| run.bytes).sum();
        runs.iter().map(|((_, day), runs)| (*day, bytes(runs))).collect()
    }

    /// Files that are damaged and wait for being made again, or can't be.
    pub(crate) fn damaged(&self) -> u64 {
        let runs = self.runs.read().unwrap_or_else(PoisonError::into_inner);
        let damaged = runs
            .values()
            .flat_map(|runs| runs.iter())
            .filter(|run| run.is_damaged());
        damaged.count() as u64 + self.lost.load(Ordering::Relaxed)
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on readers find `new` in place of `old`.
    fn publish(&self, old: &[Arc<Run>], new: Arc<Run>) {
        let mut runs = self.runs.write().unwrap_or_else(PoisonError::into_inner);
        let place = runs
            .entry((new.name.tier, new.name.day))
            .or_insert_with(|| Arc::new([]));
        let kept = place.iter().filter(|run| !old.iter().any(|old| Arc::ptr_eq(run, old)));
        let mut all: Vec<Arc<Run>> = kept.cloned().collect();
        all.push(new);
        all.sort_by_key(|run| (run.name.to, std::cmp::Reverse(run.name.from)));
        *place = all.into();
    }

    fn forget(&self, gone: &Arc<Run>) {
        let mut runs = self.runs.write().unwrap_or_else(PoisonError::into_inner);
        let key = (gone.name.tier, gone.name.day);
        if let Some(place) = runs.get_mut(&key) {
            *place = place.iter().filter(|run| !Arc::ptr_eq(run, gone)).cloned().collect();
            if place.is_empty() {
                runs.remove(&key);
            }
        }
    }

    /// Files all of whose range another one stands for: a merge was cut off before it removed them.
    fn superseded(&self) -> Vec<Arc<Run>> {
        let runs = self.runs.read().unwrap_or_else(PoisonError::into_inner);
        let mut gone = Vec::new();
        for place in runs.values() {
            let within = |run: &Arc<Run>| {
                place.iter().any(|other| {
                    !Arc::ptr_eq(run, other) && other.name.from <= run.name.from && run.name.to <= other.name.to
                })
            };
            gone.extend(place.iter().filter(|run| within(run)).cloned());
        }
        gone
    }

    /// Removes files for good.
    fn remove(&self, disk: &dyn Disk, runs: &[Arc<Run>]) -> Result<(), StoreError> {
        for run in runs {
            self.forget(run);
            disk.unlink(&run.path).map_err(StoreError::write("remove", &run.path))?;
        }
        disk.sync_dir(&self.dir).map_err(StoreError::write("sync", &self.dir))
    }
}

/// Whether the bytes are to blame, not the system.
pub(crate) fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

/// Takes a damaged file out of the way. That this may fail must not stop the start.
fn set_aside(disk: &dyn Disk, path: &Path, again: bool, error: &io::Error) {
    let gone = if again {
        tracing::warn!(path = %path.display(), %error, "rollups are damaged, they are made again from their blocks");
        disk.unlink(path)
    } else {
        tracing::error!(path = %path.display(), %error, "rollups are damaged and their blocks are gone, the file is set aside");
        disk.rename(path, &path.with_extension("damaged"))
    };
    if let Err(error) = gone {
        tracing::warn!(path = %path.display(), %error, "could not set damaged rollups aside");
    }
}
