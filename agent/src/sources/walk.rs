//! Walking all processes: which there are now, and how often that may be asked.
//!
//! A walk reads one small file per process, about 10 µs each. So up to [`EVERY_TICK_MAX`] processes it is done on each
//! tick, and above that it stretches: the more where nothing is watched closely, which is a [`Pace`]. Most processes of a
//! large host do nothing for hours: those that used no processor time are read at every [`QUIET_EVERY`]th walk only.

use super::{
    file::read_at,
    process_stat::{NAME_BYTES_MAX, ProcessStat, parse_stat},
};
use rustix::{
    fd::OwnedFd,
    fs::{AtFlags, CWD, Mode, OFlags, RawDir, SeekFrom, openat, seek, statat},
};
use std::{fmt::Write as _, path::Path, time::Duration};

/// Most processes that are looked at; Linux allows no more.
pub(crate) const PROCESSES_MAX: usize = 1 << 22;

/// Up to this many processes are walked on each tick, at either pace.
pub(crate) const EVERY_TICK_MAX: usize = 100;

/// Longest time between two walks, but on hosts with so many processes that a walk takes longer than half a second.
const WALK_PERIOD_MAX: Duration = Duration::from_secs(60);

/// A process that used no processor time over so many walks is quiet.
const QUIET_AFTER: u8 = 2;
/// Of this many walks a quiet process is read at one; each at another, so that no walk reads all.
pub(crate) const QUIET_EVERY: u32 = 4;

/// Usual time between two process tables.
const TABLE_PERIOD: Duration = Duration::from_secs(30);

/// How closely processes are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Nothing is missed: 10 µs of work in 100 ms are a hundredth of 1 % of one processor.
    Calm,
    /// A watched group lacks processes, so its new ones are looked for: up to 1 % of one processor.
    Searching,
}

impl Pace {
    /// Time that is left between walks for each process.
    const fn pause_per_process(self) -> Duration {
        match self {
            Self::Calm => Duration::from_millis(100),
            Self::Searching => Duration::from_millis(1),
        }
    }
}

/// Room for directory entries in one system call.
const DIRECTORY_BUFFER_BYTES: usize = 32 << 10;

/// Shortest time between two walks over `count` processes.
pub(crate) fn walk_period(count: usize, pace: Pace) -> Duration {
    if count <= EVERY_TICK_MAX {
        return Duration::ZERO;
    }
    let pause = |pace: Pace| pace.pause_per_process() * u32::try_from(count).unwrap_or(u32::MAX);
    // However calm: beyond 1 % of one processor nobody goes.
    pause(pace).min(WALK_PERIOD_MAX).max(pause(Pace::Searching))
}

/// Shortest time between two process tables over `count` processes.
pub(crate) fn table_period(count: usize) -> Duration {
    walk_period(count, Pace::Calm).max(TABLE_PERIOD)
}

/// One process as of the last walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// With `pid` it identifies the process: numbers are used again.
    pub(crate) started_ticks: u64,
    pub(crate) state: u8,
    pub(crate) parent: u32,
    pub(crate) cpu_ticks: u64,
    pub(crate) threads: u64,
    pub(crate) resident_pages: u64,
    name: [u8; NAME_BYTES_MAX],
    name_length: u8,
    /// Bit *i* is set when it belongs to group *i*.
    pub(crate) groups: u64,
    /// Whether `groups` holds for good; a young process may still become another program.
    pub(crate) settled: bool,
    /// When it was read, by the monotonic clock.
    pub(crate) seen: Duration,
    /// Walks in a row that found it without any processor time used since the one before, at most [`QUIET_AFTER`].
    quiet: u8,
}

impl Process {
    pub(crate) fn new(pid: u32, stat: &ProcessStat<'_>, seen: Duration) -> Self {
        let mut name = [0; NAME_BYTES_MAX];
        let length = stat.name.len().min(NAME_BYTES_MAX);
        name[..length].copy_from_slice(&stat.name[..length]);
        Self {
            pid,
            started_ticks: stat.started_ticks,
            state: stat.state,
            parent: stat.parent,
            cpu_ticks: stat.cpu_ticks,
            threads: stat.threads,
            resident_pages: stat.resident_pages,
            name,
            name_length: u8::try_from(length).unwrap_or(0),
            groups: 0,
            settled: false,
            seen,
            quiet: 0,
        }
    }

    /// What it calls itself.
    pub(crate) fn name(&self) -> &[u8] {
        &self.name[..usize::from(self.name_length)]
    }

    /// Whether `other` is the same process, and not a successor with the same number.
    pub(crate) const fn is(&self, other: &Self) -> bool {
        self.pid == other.pid && self.started_ticks == other.started_ticks
    }

    /// Takes over what changes while a process lives.
    pub(crate) const fn take_figures(&mut self, seen: &Self) {
        self.state = seen.state;
        self.parent = seen.parent;
        self.cpu_ticks = seen.cpu_ticks;
        self.threads = seen.threads;
        self.resident_pages = seen.resident_pages;
        self.seen = seen.seen;
    }

    /// Notes what it did since the walk `before`.
    fn note_quiet(&mut self, before: &Self) {
        if self.is(before) && self.cpu_ticks == before.cpu_ticks {
            self.quiet = QUIET_AFTER.min(before.quiet + 1);
        }
    }

    /// Whether walk number `walk` has to read it.
    const fn is_due(&self, walk: u32) -> bool {
        self.quiet < QUIET_AFTER || self.pid.wrapping_add(walk).is_multiple_of(QUIET_EVERY)
    }

    /// Whether it still does something: neither a zombie nor dead.
    pub(crate) const fn is_alive(&self) -> bool {
        !matches!(self.state, b'Z' | b'X' | b'x')
    }
}

/// The folder `/proc`.
#[derive(Debug)]
pub(crate) struct ProcessFolder {
    folder: Option<OwnedFd>,
    entries: Vec<u8>,
    path: String,
    walks: u32,
}

impl ProcessFolder {
    pub(crate) fn new(root: &Path) -> Self {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Self {
            folder: openat(CWD, root.join("proc"), flags, Mode::empty()).ok(),
            entries: Vec::with_capacity(DIRECTORY_BUFFER_BYTES),
            path: String::new(),
            walks: 0,
        }
    }

    /// Reads file `name` of process `pid`.
    pub(crate) fn read<'buffer>(
        &mut self,
        pid: u32,
        name: &str,
        buffer: &'buffer mut Vec<u8>,
    ) -> Option<&'buffer [u8]> {
        self.path.clear();
        write!(self.path, "{pid}/{name}").ok()?;
        read_at(self.folder.as_ref()?, self.path.as_str(), buffer)
    }

    /// Looks at one process.
    pub(crate) fn look(&mut self, pid: u32, mono: Duration, buffer: &mut Vec<u8>) -> Option<Process> {
        self.read(pid, "stat", buffer)
            .and_then(parse_stat)
            .map(|stat| Process::new(pid, &stat, mono))
    }

    /// How many files process `pid` has open; `None` when it doesn't show them. More than `at_most` are not counted.
    pub(crate) fn open_files(&mut self, pid: u32, at_most: u64) -> Option<u64> {
        self.path.clear();
        write!(self.path, "{pid}/fd").ok()?;
        let folder = self.folder.as_ref()?;
        // Kernels since 6.2 tell the number as the folder's size; for older ones its entries are counted.
        let size = statat(folder, self.path.as_str(), AtFlags::empty()).ok()?.st_size;
        if let Ok(size @ 1..) = u64::try_from(size) {
            return Some(size);
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = openat(folder, self.path.as_str(), flags, Mode::empty()).ok()?;
        let mut listing = RawDir::new(&opened, self.entries.spare_capacity_mut());
        let mut count = 0;
        while let Some(entry) = listing.next() {
            count += u64::from(entry.ok()?.file_name().to_bytes().first() != Some(&b'.'));
            if count > at_most {
                return None;
            }
        }
        Some(count)
    }

    /// All processes, sorted by number, in `found`; those that end meanwhile are left out. Of `known`, the processes of the
    /// walk before, sorted too, quiet ones are taken over as they were.
    pub(crate) fn walk(&mut self, known: &[Process], mono: Duration, found: &mut Vec<Process>, buffer: &mut Vec<u8>) {
        found.clear();
        self.walks = self.walks.wrapping_add(1);
        let Self {
            folder: Some(folder),
            entries,
            path,
            walks,
        } = self
        else {
            return;
        };
        if seek(&*folder, SeekFrom::Start(0)).is_err() {
            return;
        }
        let mut listing = RawDir::new(&*folder, entries.spare_capacity_mut());
        while let Some(Ok(entry)) = listing.next() {
            let Some(pid) = super::bytes::number(entry.file_name().to_bytes()).and_then(|pid| u32::try_from(pid).ok())
            else {
                continue;
            };
            let before = known.binary_search_by_key(&pid, |process| process.pid);
            let before = before.ok().map(|at| &known[at]);
            if let Some(before) = before.filter(|before| !before.is_due(*walks)) {
                found.push(*before);
                continue;
            }
            path.clear();
            let read = write!(path, "{pid}/stat")
                .ok()
                .and_then(|()| read_at(&*folder, path.as_str(), buffer));
            if let Some(stat) = read.and_then(parse_stat) {
                let mut process = Process::new(pid, &stat, mono);
                if let Some(before) = before {
                    process.note_quiet(before);
                }
                found.push(process);
            }
            if found.len() >= PROCESSES_MAX {
                break;
            }
        }
        found.sort_unstable_by_key(|process| process.pid); // the kernel lists in this order, a recorded tree doesn't
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn walks_stretch_with_the_number_of_processes() {
        for pace in [Pace::Calm, Pace::Searching] {
            assert_eq!(walk_period(100, pace), Duration::ZERO);
            assert_eq!(walk_period(101, Pace::Searching), Duration::from_millis(101));
            assert_eq!(walk_period(100_000, pace), Duration::from_secs(100));
        }
        assert_eq!(walk_period(101, Pace::Calm), Duration::from_millis(10_100));
        assert_eq!(walk_period(300, Pace::Calm), Duration::from_secs(30));
        assert_eq!(walk_period(1_000, Pace::Calm), Duration::from_secs(60));
        assert_eq!(walk_period(10_001, Pace::Calm), Duration::from_secs(60));
        assert_eq!(walk_period(1_000, Pace::Searching), Duration::from_secs(1));
        assert_eq!(table_period(100), Duration::from_secs(30));
        assert_eq!(table_period(20_000), Duration::from_secs(60));
    }

    #[test]
    fn a_recorded_tree_is_walked_in_order_again_and_again() {
        let root = tempfile::tempdir().unwrap();
        for (pid, name) in [(300, "c"), (7, "a"), (42, "b) Z 1 (")] {
            let folder = root.path().join("proc").join(pid.to_string());
            fs::create_dir_all(&folder).unwrap();
            fs::write(
                folder.join("stat"),
                format!("{pid} ({name}) S 1 1 1 0 -1 0 0 0 0 0 1 2 0 0 20 0 1 0 {pid} 0 5"),
            )
            .unwrap();
        }
        fs::create_dir_all(root.path().join("proc/sys")).unwrap();
        fs::create_dir_all(root.path().join("proc/99")).unwrap();
        let (mut folder, mut found, mut buffer) = (ProcessFolder::new(root.path()), Vec::new(), Vec::new());
        for _ in 0..2 {
            folder.walk(&[], Duration::ZERO, &mut found, &mut buffer);
            assert_eq!(
                found.iter().map(|process| process.pid).collect::<Vec<_>>(),
                [7, 42, 300]
            );
            assert_eq!(found[1].name(), b"b) Z 1 (");
        }
    }

    #[test]
    fn a_tree_without_processes_has_none() {
        let root = tempfile::tempdir().unwrap();
        let mut found = Vec::new();
        ProcessFolder::new(root.path()).walk(&[], Duration::ZERO, &mut found, &mut Vec::new());
        assert!(found.is_empty());
    }

    #[test]
    fn who_does_nothing_is_read_at_every_fourth_walk_and_who_works_at_each() {
        let root = tempfile::tempdir().unwrap();
        let write = |pid: u32, ticks: u32| {
            let folder = root.path().join("proc").join(pid.to_string());
            fs::create_dir_all(&folder).unwrap();
            let stat = format!("{pid} (a) S 1 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 {pid} 0 5");
            fs::write(folder.join("stat"), stat).unwrap();
        };
        fs::create_dir(root.path().join("proc")).unwrap();
        let (mut folder, mut known, mut buffer) = (ProcessFolder::new(root.path()), Vec::new(), Vec::new());
        let mut read_at = [Vec::new(), Vec::new()];
        for walk in 1..=16_u32 {
            write(7, 100);
            write(8, 100 + walk);
            // The quiet one works again after the 12th walk.
            if walk > 12 {
                write(7, 100 + walk);
            }
            let (mono, mut found) = (Duration::from_secs(walk.into()), Vec::new());
            folder.walk(&known, mono, &mut found, &mut buffer);
            for (process, read_at) in found.iter().zip(&mut read_at) {
                if process.seen == mono {
                    read_at.push(walk);
                }
            }
            known = found;
        }
        assert_eq!(read_at[0], [1, 2, 3, 5, 9, 13, 14, 15, 16]);
        assert_eq!(read_at[1], (1..=16).collect::<Vec<_>>());
        fs::remove_dir_all(root.path().join("proc/7")).unwrap();
        let mut found = Vec::new();
        folder.walk(&known, Duration::from_secs(17), &mut found, &mut buffer);
        assert_eq!(found.len(), 1, "who ended is gone, quiet or not");
    }
}
