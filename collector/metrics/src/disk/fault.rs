//! A disk in memory that loses what was not synced and fails on demand. For crash tests.
//!
//! Each file has the content that programs see and the content that is safe. A power cut ([`FaultDisk::cut_at`]) fails
//! every operation from the given one on; [`FaultDisk::restart`] then shows what a machine might find: the safe content
//! plus a random part of what was written since, its end sometimes zeroed (the size reached the disk, the data did not).
//! Names made, renamed or removed since the last [`Disk::sync_dir`] survive or not, as the seed decides.

use super::{Disk, DiskFile, Space};
use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// What can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Writing at the end of a file.
    Append,
    /// Making a file's content durable.
    Sync,
    /// Cutting a file.
    Truncate,
    /// Making, renaming or removing a name, or syncing a folder.
    Name,
}

#[derive(Debug, Clone, Default)]
struct Content {
    seen: Vec<u8>,
    safe: Vec<u8>,
}

#[derive(Debug, Default)]
struct State {
    names: BTreeMap<PathBuf, usize>,
    safe_names: BTreeMap<PathBuf, usize>,
    files: Vec<Content>,
    locks: BTreeSet<PathBuf>,
    operations: u64,
    cut_at: Option<u64>,
    failures: Vec<(Operation, io::ErrorKind, u64)>,
    capacity: Option<u64>,
    lying_sync: bool,
    one_name_each: bool,
}

impl State {
    /// Counts one changing operation and decides whether it happens.
    fn step(&mut self, operation: Operation) -> io::Result<()> {
        let number = self.operations;
        self.operations += 1;
        if self.cut_at.is_some_and(|cut| number >= cut) {
            return Err(io::Error::other("the power is cut"));
        }
        let due = self
            .failures
            .iter_mut()
            .find(|(what, _, times)| *what == operation && *times > 0);
        if let Some((_, kind, times)) = due {
            *times -= 1;
            return Err((*kind).into());
        }
        Ok(())
    }

    fn used(&self) -> u64 {
        let files: BTreeSet<usize> = self.names.values().copied().collect();
        files.into_iter().map(|file| self.files[file].seen.len() as u64).sum()
    }
}

/// A disk in memory. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct FaultDisk {
    state: Arc<Mutex<State>>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FaultDisk {
    /// An empty disk without limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Operations that changed something so far: the range of useful cut points.
    #[must_use]
    pub fn operations(&self) -> u64 {
        lock(&self.state).operations
    }

    /// From operation number `operation` on, everything fails.
    pub fn cut_at(&self, operation: u64) {
        lock(&self.state).cut_at = Some(operation);
    }

    /// The next `times` operations of this sort fail with `kind`.
    pub fn fail(&self, operation: Operation, kind: io::ErrorKind, times: u64) {
        lock(&self.state).failures.push((operation, kind, times));
    }

    /// Bytes that fit; an append beyond writes what fits and fails with `StorageFull`. `None` lifts the limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        lock(&self.state).capacity = bytes;
    }

    /// Makes every sync succeed without doing anything: the switch by which the crash suite proves that it can fail.
    pub fn ignore_syncs(&self) {
        lock(&self.state).lying_sync = true;
    }

    /// Makes every hard link fail as if it led to another file system.
    pub fn refuse_links(&self) {
        lock(&self.state).one_name_each = true;
    }

    /// Changes bytes of a file behind everybody's back; `false` when there is no such file.
    pub fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        let mut state = lock(&self.state);
        let Some(&file) = state.names.get(path) else {
            return false;
        };
        let content = &mut state.files[file];
        change(&mut content.seen);
        content.safe.clone_from(&content.seen);
        true
    }

    /// All file names.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        lock(&self.state).names.keys().cloned().collect()
    }

    /// The disk as it is found after the power came back; `seed` decides about what was not synced.
    #[must_use]
    pub fn restart(&self, seed: u64) -> Self {
        let state = lock(&self.state);
        let mut random = seed;
        let names = if next(&mut random).is_multiple_of(2) {
            &state.names
        } else {
            &state.safe_names
        };
        let mut fresh = State {
            capacity: state.capacity,
            one_name_each: state.one_name_each,
            ..State::default()
        };
        // Two names of one file still are that after a restart.
        let mut moved = BTreeMap::new();
        for (path, &file) in names {
            let place = *moved.entry(file).or_insert_with(|| {
                let content = survive(&state.files[file], &mut random);
                fresh.files.push(Content {
                    seen: content.clone(),
                    safe: content,
                });
                fresh.files.len() - 1
            });
            fresh.names.insert(path.clone(), place);
        }
        fresh.safe_names = fresh.names.clone();
        Self {
            state: Arc::new(Mutex::new(fresh)),
        }
    }
}

/// SplitMix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn below(random: &mut u64, limit: usize) -> usize {
    usize::try_from(next(random) % (limit as u64 + 1)).unwrap_or(0)
}

fn survive(content: &Content, random: &mut u64) -> Vec<u8> {
    if !content.seen.starts_with(&content.safe) {
        let keep = next(random).is_multiple_of(2);
        return if keep {
            content.seen.clone()
        } else {
            content.safe.clone()
        };
    }
    let unsynced = content.seen.len() - content.safe.len();
    let kept = below(random, unsynced);
    let mut survived = content.seen[..content.safe.len() + kept].to_vec();
    if next(random).is_multiple_of(2) {
        let zeroed = below(random, kept);
        let from = survived.len() - zeroed;
        survived[from..].fill(0);
    }
    survived
}

impl Disk for FaultDisk {
    fn create_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = lock(&self.state);
        let file = match state.names.get(path) {
            Some(&file) => file,
            None if create => {
                state.step(Operation::Name)?;
                state.files.push(Content::default());
                let file = state.files.len() - 1;
                state.names.insert(path.to_owned(), file);
                file
            }
            None => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(Arc::new(FaultFile {
            state: self.state.clone(),
            file,
        }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = lock(&self.state);
        let inside = state.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside
            .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .collect())
    }

    fn open_to_read(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.open(path, false)
    }

    fn files_below(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = lock(&self.state);
        let inside = state.names.keys().filter_map(|path| path.strip_prefix(dir).ok());
        Ok(inside.map(|path| path.to_string_lossy().into_owned()).collect())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.step(Operation::Name)?;
        if state.one_name_each {
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        let file = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        if state.names.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.step(Operation::Name)?;
        let file = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.step(Operation::Name)?;
        state
            .names
            .remove(path)
            .map(|_| ())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.step(Operation::Name)?;
        if state.lying_sync {
            return Ok(());
        }
        let inside = |path: &PathBuf| path.parent() == Some(dir);
        state.safe_names.retain(|path, _| !inside(path));
        let now: Vec<_> = state
            .names
            .iter()
            .filter(|(path, _)| inside(path))
            .map(|(p, f)| (p.clone(), *f))
            .collect();
        state.safe_names.extend(now);
        Ok(())
    }

    fn space(&self, _dir: &Path) -> io::Result<Space> {
        let state = lock(&self.state);
        let total_bytes = state.capacity.unwrap_or(1 << 40);
        Ok(Space {
            free_bytes: total_bytes.saturating_sub(state.used()),
            total_bytes,
        })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        if !lock(&self.state).locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(Held {
            state: self.state.clone(),
            path: path.to_owned(),
        }))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(lock(&self.state).operations)
    }
}

struct Held {
    state: Arc<Mutex<State>>,
    path: PathBuf,
}

impl Drop for Held {
    fn drop(&mut self) {
        lock(&self.state).locks.remove(&self.path);
    }
}

#[derive(Debug)]
struct FaultFile {
    state: Arc<Mutex<State>>,
    file: usize,
}

impl DiskFile for FaultFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.step(Operation::Append)?;
        let room = state
            .capacity
            .map_or(u64::MAX, |capacity| capacity.saturating_sub(state.used()));
        let fits = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        state.files[self.file].seen.extend_from_slice(&bytes[..fits]);
        if fits < bytes.len() {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(())
        }
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let state = lock(&self.state);
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(buffer.len());
        let source = state.files[self.file]
            .seen
            .get(start..end)
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(source);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.state).files[self.file].seen.len() as u64)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.step(Operation::Truncate)?;
        state.files[self.file]
            .seen
            .resize(usize::try_from(length).unwrap_or(usize::MAX), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.step(Operation::Sync)?;
        if !state.lying_sync {
            let content = &mut state.files[self.file];
            content.safe.clone_from(&content.seen);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn synced_bytes_and_names_survive_and_others_may_not() {
        let mut lost = 0;
        for seed in 0..32 {
            let disk = FaultDisk::new();
            let file = disk.open(Path::new("/d/a"), true).unwrap();
            disk.sync_dir(Path::new("/d")).unwrap();
            file.append(b"safe").unwrap();
            file.sync_data().unwrap();
            file.append(b"perhaps").unwrap();
            disk.cut_at(disk.operations());
            assert!(file.append(b"never").is_err());
            let found = disk.restart(seed).open(Path::new("/d/a"), false).unwrap();
            let bytes = super::super::read_all(found.as_ref()).unwrap();
            assert!(bytes.starts_with(b"safe"));
            lost += u32::from(bytes != b"safeperhaps");
        }
        assert!(lost > 0);
    }
}
