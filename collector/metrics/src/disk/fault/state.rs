//! The whole disk: files, names, what was done, what is to fail.

use super::{
    Space,
    content::{Content, Fate},
    names::Names,
    random::Random,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};

/// Size of a disk without a limit.
const TOTAL_BYTES: u64 = 1 << 40;

/// What can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Making a file.
    Create,
    /// Writing into a file or at its end.
    Write,
    /// Making a file's content durable.
    Sync,
    /// Cutting a file.
    Truncate,
    /// Giving a file one more name; its path is the new one.
    Link,
    /// Renaming a file; its path is the new one.
    Rename,
    /// Removing a file.
    Unlink,
    /// Making the names of a folder durable.
    SyncFolder,
}

/// A promise that a disk breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lie {
    /// Syncs of files whose path contains this do nothing.
    Sync(String),
    /// The sync of a file with this number, counted from 0 over all files, does nothing.
    OneSync(u64),
    /// Syncs of folders whose path ends in this do nothing.
    SyncFolder(String),
    /// A rename is durable at once, and the content that was synced before it is not.
    RenameFirst,
}

impl std::str::FromStr for Lie {
    type Err = String;

    /// `fdatasync:PART_OF_A_PATH`, `fdatasync:NUMBER`, `fsync-folder:END_OF_A_PATH` or `rename-first`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("fdatasync", what)) => Ok(what.parse().map_or_else(|_| Self::Sync(what.to_owned()), Self::OneSync)),
            Some(("fsync-folder", what)) => Ok(Self::SyncFolder(what.to_owned())),
            None if text == "rename-first" => Ok(Self::RenameFirst),
            _ => Err(format!(
                "{text} is no lie of a disk; say fdatasync:journal/, fdatasync:3, fsync-folder:blocks or rename-first"
            )),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) names: Names,
    pub(super) files: Vec<Content>,
    pub(super) locks: BTreeSet<PathBuf>,
    pub(super) history: Vec<(Operation, PathBuf)>,
    pub(super) cut_at: Option<u64>,
    pub(super) failures: Vec<(Operation, io::ErrorKind, u64)>,
    pub(super) fail_at: Option<(u64, io::ErrorKind)>,
    pub(super) full_from: Option<u64>,
    pub(super) capacity: Option<u64>,
    pub(super) one_name_each: bool,
    pub(super) lies: Vec<Lie>,
    pub(super) half_replaced: Vec<PathBuf>,
    syncs: u64,
}

/// What becomes of an operation.
enum Verdict {
    Fine,
    /// The power goes: it has begun, and nobody hears of its end.
    Cut,
    Fails(io::ErrorKind),
}

fn off() -> io::Error {
    io::Error::other("the power is cut")
}

impl State {
    fn number(&self) -> u64 {
        self.history.len() as u64
    }

    pub(super) fn is_off(&self) -> bool {
        self.cut_at.is_some_and(|cut| self.number() > cut)
    }

    pub(super) fn check_power(&self) -> io::Result<()> {
        if self.is_off() { Err(off()) } else { Ok(()) }
    }

    fn is_full(&self) -> bool {
        self.full_from.is_some_and(|from| self.number() > from)
    }

    /// Counts one changing operation and decides about it.
    fn begin(&mut self, operation: Operation, path: &Path) -> io::Result<Verdict> {
        self.check_power()?;
        let number = self.number();
        self.history.push((operation, path.to_owned()));
        if self.is_off() {
            return Ok(Verdict::Cut);
        }
        if let Some((_, kind)) = self.fail_at.filter(|(at, _)| *at == number) {
            return Ok(Verdict::Fails(kind));
        }
        if self.is_full() && operation == Operation::Create {
            return Ok(Verdict::Fails(io::ErrorKind::StorageFull));
        }
        let due = self
            .failures
            .iter_mut()
            .find(|(what, _, times)| *what == operation && *times > 0);
        Ok(due.map_or(Verdict::Fine, |(_, kind, times)| {
            *times -= 1;
            Verdict::Fails(*kind)
        }))
    }

    /// Does an operation, or not.
    pub(super) fn run<T>(
        &mut self,
        operation: Operation,
        path: &Path,
        act: impl FnOnce(&mut Self) -> io::Result<T>,
    ) -> io::Result<T> {
        match self.begin(operation, path)? {
            Verdict::Fine => act(self),
            Verdict::Cut => act(self).and(Err(off())),
            Verdict::Fails(kind) => Err(kind.into()),
        }
    }

    pub(super) fn make(&mut self, path: &Path) -> usize {
        self.files.push(Content::default());
        let file = self.files.len() - 1;
        self.names.make(path, file);
        file
    }

    /// Writes at `offset`. Only what goes beyond the end of the file takes room.
    pub(super) fn write(&mut self, file: usize, path: &Path, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let verdict = self.begin(Operation::Write, path)?;
        let room = usize::try_from(self.space().free_bytes).unwrap_or(usize::MAX);
        let inside = self.files[file].seen.len().saturating_sub(offset);
        let fits = inside.saturating_add(room).min(bytes.len());
        let (written, outcome) = match verdict {
            Verdict::Fine if fits < bytes.len() => (fits, Err(io::ErrorKind::StorageFull.into())),
            Verdict::Fine => (fits, Ok(())),
            Verdict::Cut => (fits, Err(off())),
            Verdict::Fails(kind) => {
                let part = Random::new(self.number()).within(0, bytes.len().saturating_sub(1));
                (part, Err(kind.into()))
            }
        };
        self.files[file].write_at(offset, &bytes[..written]);
        outcome
    }

    pub(super) fn sync_file(&mut self, file: usize, path: &Path) -> io::Result<()> {
        let verdict = self.begin(Operation::Sync, path)?;
        let number = self.syncs;
        self.syncs += 1;
        let lie = |lie: &Lie| match lie {
            Lie::Sync(part) => path.to_string_lossy().contains(part.as_str()),
            Lie::OneSync(one) => *one == number,
            Lie::SyncFolder(_) | Lie::RenameFirst => false,
        };
        match verdict {
            Verdict::Fine => {
                if !self.lies.iter().any(lie) {
                    self.files[file].sync();
                }
                Ok(())
            }
            Verdict::Cut => Err(off()),
            Verdict::Fails(kind) => {
                self.files[file].sync_failed();
                Err(kind.into())
            }
        }
    }

    /// Its failure promises nothing, and a later one that succeeds covers its changes too: file systems journal names.
    pub(super) fn sync_folder(&mut self, dir: &Path) -> io::Result<()> {
        let lie = |lie: &Lie| matches!(lie, Lie::SyncFolder(end) if dir.to_string_lossy().ends_with(end.as_str()));
        match self.begin(Operation::SyncFolder, dir)? {
            Verdict::Fine => {
                if !self.lies.iter().any(lie) {
                    self.names.sync(dir);
                }
                Ok(())
            }
            Verdict::Cut => Err(off()),
            Verdict::Fails(kind) => Err(kind.into()),
        }
    }

    pub(super) fn link(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        if self.one_name_each {
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        let file = *self.names.seen.get(from).ok_or(io::ErrorKind::NotFound)?;
        if self.names.seen.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.names.make(to, file);
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let file = self.names.rename(from, to).ok_or(io::ErrorKind::NotFound)?;
        self.files[file].rename();
        if self.lies.contains(&Lie::RenameFirst) {
            self.files[file].forget_sync();
            to.parent().into_iter().for_each(|dir| self.names.sync(dir));
        }
        Ok(())
    }

    pub(super) fn space(&self) -> Space {
        let total_bytes = self.capacity.unwrap_or(TOTAL_BYTES);
        let files: BTreeSet<usize> = self.names.seen.values().copied().collect();
        let used: u64 = files.iter().map(|&file| self.files[file].seen.len() as u64).sum();
        let free_bytes = if self.is_full() {
            0
        } else {
            total_bytes.saturating_sub(used)
        };
        Space {
            free_bytes,
            total_bytes,
        }
    }

    pub(super) fn damage(&mut self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        let Some(&file) = self.names.seen.get(path) else {
            return false;
        };
        let mut bytes = std::mem::take(&mut self.files[file].seen);
        change(&mut bytes);
        self.files[file] = Content::settled(bytes);
        true
    }

    pub(super) fn forget_folder(&mut self, dir: &Path) {
        let mut names = std::mem::take(&mut self.names).seen;
        names.retain(|path, _| path.parent() != Some(dir));
        self.names = Names::settled(names);
    }

    /// The same files, all of them safe.
    pub(super) fn copy(&self) -> Self {
        self.rebuilt(self.names.seen.clone(), |content| content.seen.clone())
    }

    /// What a machine finds when the power is back.
    pub(super) fn restart(&self, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let names = self.names.survive(&mut random);
        let fate = Fate::of(&mut random);
        self.rebuilt(names, |content| content.survive(fate, &mut random))
    }

    fn rebuilt(&self, names: BTreeMap<PathBuf, usize>, mut found: impl FnMut(&Content) -> Vec<u8>) -> Self {
        let mut fresh = Self {
            capacity: self.capacity,
            one_name_each: self.one_name_each,
            ..Self::default()
        };
        let mut settled = BTreeMap::new();
        // Two names of one file are that after a restart, too.
        let mut places: BTreeMap<usize, usize> = BTreeMap::new();
        for (path, file) in names {
            let place = *places.entry(file).or_insert_with(|| {
                fresh.files.push(Content::settled(found(&self.files[file])));
                fresh.files.len() - 1
            });
            if self.files[file].is_half(&fresh.files[place].seen) {
                fresh.half_replaced.push(path.clone());
            }
            settled.insert(path, place);
        }
        fresh.names = Names::settled(settled);
        fresh
    }
}
