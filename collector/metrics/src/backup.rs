//! A consistent copy of the store while it runs.
//!
//! Everything in the store's folder is either append-only, immutable, or replaced as a whole under its name. So a moment
//! is kept by noting each file's length and giving it one more name: [`Store::snapshot`] does that under the lock of
//! housekeeping, so that nothing is removed, renamed or sealed meanwhile, and takes milliseconds. What was acknowledged
//! before lies within those lengths, for the committer and the dictionary log note a length only after its sync. Files
//! may grow afterwards; bytes below a noted length never change. Ingest is not held up at any time.
//!
//! [`Snapshot::finish`] then reads every file up to its length, copies where a second name was not to be had (another
//! file system), syncs, and writes the [`manifest`] last: a folder without one is no backup. [`restore`] copies, never
//! links, and cuts each file to its length.
//!
//! Left out are the lock, unfinished replacements (`NAME.new`) and everything below a folder named `head`, which is made
//! anew from the journal.

mod copy;
mod error;
mod frozen;
pub mod manifest;

pub(crate) use copy::checksum;
pub use copy::{copy_files, copy_into, entry_of, restore};
pub use error::BackupError;
pub(crate) use frozen::{DICTIONARIES, Frozen, freeze, freeze_closed, segment_of};
pub use manifest::{Entry, MANIFEST, Manifest};

use crate::{disk::Disk, store::Store};
use copy::copy_to;
use std::{
    any::Any,
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};
use tocsin_vocabulary::Timestamp;

/// How far a long copy or check has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read so far.
    pub done_bytes: u64,
    /// Bytes to read in all.
    pub total_bytes: u64,
}

/// Told after each mebibyte or so. `false` asks to stop.
pub type Tell<'a> = &'a dyn Fn(Progress) -> bool;

/// Counts what was read and passes it on.
pub(crate) struct Meter<'a> {
    progress: Progress,
    tell: Tell<'a>,
}

impl<'a> Meter<'a> {
    pub(crate) fn new(total_bytes: u64, tell: Tell<'a>) -> Self {
        let progress = Progress {
            done_bytes: 0,
            total_bytes,
        };
        Self { progress, tell }
    }

    /// Notes more bytes.
    pub(crate) fn add(&mut self, bytes: u64) -> Result<(), BackupError> {
        self.progress.done_bytes += bytes;
        if (self.tell)(self.progress) {
            Ok(())
        } else {
            Err(BackupError::Stopped)
        }
    }
}

/// What a backup took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BackupReport {
    /// Files in it.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// How many of the files share their bytes with the store, by a second name.
    pub linked_files: usize,
    /// Bytes that were copied.
    pub copied_bytes: u64,
}

/// The store at one moment, on its way into a folder.
#[derive(Debug)]
pub struct Snapshot {
    disk: Arc<dyn Disk>,
    target: PathBuf,
    taken_at: Timestamp,
    files: Vec<Taken>,
    /// Keeps a store that nobody has open from being opened meanwhile.
    _lock: Option<Lock>,
}

/// A lock that says nothing about itself.
struct Lock(#[allow(dead_code, reason = "it is held, not read")] Box<dyn Any + Send + Sync>);

impl std::fmt::Debug for Lock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lock")
    }
}

#[derive(Debug)]
struct Taken {
    frozen: Frozen,
    linked: bool,
}

impl Store {
    /// Backs the store up into `target`, a folder that is empty or not there yet. The store goes on meanwhile.
    ///
    /// # Errors
    /// When `target` is not empty or a file can't be read or written. It holds no manifest then.
    pub fn backup(&self, target: &Path, now: Timestamp) -> Result<BackupReport, BackupError> {
        self.snapshot(target, now)?.finish(&|_| true)
    }

    /// Takes the moment: from here on `target` has, or its [`Snapshot`] holds open, all that was acknowledged so far.
    ///
    /// # Errors
    /// When `target` is not empty or lies in the store, or a file can't be opened.
    pub fn snapshot(&self, target: &Path, now: Timestamp) -> Result<Snapshot, BackupError> {
        let shared = self.shared();
        let (disk, dir) = (shared.disk.clone(), &shared.config.dir);
        prepare(disk.as_ref(), dir, target)?;
        let _nothing_is_removed = self.housekeeping();
        let files = freeze(shared)?;
        // Names in the target are not yet durable; finish() sees to that.
        let files = files
            .into_iter()
            .map(|frozen| take(disk.as_ref(), target, frozen))
            .collect::<Result<_, _>>()?;
        Ok(Snapshot {
            disk,
            target: target.to_owned(),
            taken_at: now,
            files,
            _lock: None,
        })
    }
}

/// As [`Store::snapshot`] for the store in `dir` that nobody has open. All of it is copied: the next start may cut an
/// unfinished write off a file, and a second name would be cut too.
///
/// # Errors
/// When somebody has it open, `target` is not empty, or a file can't be opened.
pub fn snapshot_closed(
    disk: Arc<dyn Disk>,
    dir: &Path,
    target: &Path,
    now: Timestamp,
) -> Result<Snapshot, BackupError> {
    let lock = lock_closed(disk.as_ref(), dir)?;
    prepare(disk.as_ref(), dir, target)?;
    let files = freeze_closed(disk.as_ref(), dir)?;
    let copied = |frozen| Taken { frozen, linked: false };
    Ok(Snapshot {
        disk,
        target: target.to_owned(),
        taken_at: now,
        files: files.into_iter().map(copied).collect(),
        _lock: Some(Lock(lock)),
    })
}

/// Keeps everybody else from opening the store in `dir`.
pub(crate) fn lock_closed(disk: &dyn Disk, dir: &Path) -> Result<Box<dyn Any + Send + Sync>, BackupError> {
    let path = dir.join("lock");
    disk.lock(&path).map_err(|source| match source.kind() {
        io::ErrorKind::WouldBlock => BackupError::InUse { dir: dir.to_owned() },
        _ => BackupError::io("lock", &path)(source),
    })
}

fn prepare(disk: &dyn Disk, dir: &Path, target: &Path) -> Result<(), BackupError> {
    if target.starts_with(dir) {
        return Err(BackupError::Inside {
            target: target.to_owned(),
            dir: dir.to_owned(),
        });
    }
    disk.create_dir(target)
        .map_err(BackupError::io("create folder", target))?;
    let there = disk.files_below(target).map_err(BackupError::io("list", target))?;
    if there.is_empty() {
        Ok(())
    } else {
        Err(BackupError::NotEmpty { dir: target.to_owned() })
    }
}

/// Gives a file its second name where that is possible; what remains is copied from the open file, without the lock.
fn take(disk: &dyn Disk, target: &Path, mut frozen: Frozen) -> Result<Taken, BackupError> {
    let to = target.join(&frozen.path);
    make_folder_of(disk, &to)?;
    let linked = disk.link(&frozen.place, &to).is_ok();
    if linked {
        (frozen.place, frozen.held) = (to, None);
    }
    Ok(Taken { frozen, linked })
}

/// The folders of a file from its own up to `root`: each holds the name of the next.
fn folders_of(root: &Path, path: &str) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = Path::new(path)
        .ancestors()
        .skip(1)
        .map(|folder| root.join(folder))
        .collect();
    folders.dedup();
    folders
}

fn make_folder_of(disk: &dyn Disk, path: &Path) -> Result<(), BackupError> {
    let Some(folder) = path.parent() else { return Ok(()) };
    disk.create_dir(folder)
        .map_err(BackupError::io("create folder", folder))
}

impl Snapshot {
    /// Bytes that [`Snapshot::finish`] has to read.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|taken| taken.frozen.length).sum()
    }

    /// Copies what is not there yet, notes every checksum, and writes the manifest when all of it is on the disk.
    ///
    /// # Errors
    /// When a file can't be read or written, or `tell` asked to stop. The target holds no manifest then.
    pub fn finish(self, tell: Tell<'_>) -> Result<BackupReport, BackupError> {
        let mut meter = Meter::new(self.bytes(), tell);
        let mut report = BackupReport::default();
        let mut entries = Vec::with_capacity(self.files.len());
        let mut folders: BTreeSet<PathBuf> = self.target.parent().map(Path::to_owned).into_iter().collect();
        for Taken { frozen, linked } in &self.files {
            let (file, to) = (frozen.open(self.disk.as_ref())?, self.target.join(&frozen.path));
            let crc = if *linked {
                checksum(file.as_ref(), frozen.length, &to, &mut meter)?
            } else {
                make_folder_of(self.disk.as_ref(), &to)?;
                copy_to(self.disk.as_ref(), file.as_ref(), frozen.length, &to, &mut meter)?
            };
            folders.extend(folders_of(&self.target, &frozen.path));
            entries.push(Entry {
                path: frozen.path.clone(),
                length: frozen.length,
                crc,
            });
            report.files += 1;
            report.bytes += frozen.length;
            report.linked_files += usize::from(*linked);
            report.copied_bytes += if *linked { 0 } else { frozen.length };
        }
        for folder in &folders {
            self.disk.sync_dir(folder).map_err(BackupError::io("sync", folder))?;
        }
        let about = vec![format!("metric store, taken at {}", self.taken_at)];
        Manifest { about, entries }.write(self.disk.as_ref(), &self.target)?;
        Ok(report)
    }
}
