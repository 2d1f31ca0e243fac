//! A disk in memory that loses what was not synced and fails on demand. For crash tests.
//!
//! A power cut ([`FaultDisk::cut_at`]) comes amid an operation: that one may have happened or not, later ones fail.
//! [`FaultDisk::restart`] then shows what a machine might find. Of a file it is what was synced, and of the rest any
//! sectors, old, new or zero, with any size in between; of the names made, renamed or removed since their folder was
//! synced it is any part in any order. What a failed sync left behind stays doubtful for ever. Not modelled is a
//! sector that was safe and is destroyed by a write behind it.
//!
//! A disk can also be made to lie ([`FaultDisk::lie`]), which a crash suite has to notice.

mod content;
mod names;
pub(crate) mod random;
mod state;

use super::{Disk, DiskFile, Space};
use state::State;
pub use state::{Lie, Operation};
use std::{
    any::Any,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

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
        lock(&self.state).history.len() as u64
    }

    /// All of them, in order.
    #[must_use]
    pub fn history(&self) -> Vec<(Operation, PathBuf)> {
        lock(&self.state).history.clone()
    }

    /// The power goes amid operation number `operation`, counted from 0.
    pub fn cut_at(&self, operation: u64) {
        lock(&self.state).cut_at = Some(operation);
    }

    /// Whether the power is gone.
    #[must_use]
    pub fn is_off(&self) -> bool {
        lock(&self.state).is_off()
    }

    /// The next `times` operations of this sort fail with `kind`.
    pub fn fail(&self, operation: Operation, kind: io::ErrorKind, times: u64) {
        lock(&self.state).failures.push((operation, kind, times));
    }

    /// Operation number `operation`, counted from 0, fails with `kind`, whatever it is. Of a write a part is written.
    pub fn fail_at(&self, operation: u64, kind: io::ErrorKind) {
        lock(&self.state).fail_at = Some((operation, kind));
    }

    /// From operation number `operation` on nothing more fits, until [`Self::make_room`]: files can't grow nor be made.
    pub fn fill_at(&self, operation: u64) {
        lock(&self.state).full_from = Some(operation);
    }

    /// Ends what [`Self::fill_at`] began.
    pub fn make_room(&self) {
        lock(&self.state).full_from = None;
    }

    /// Bytes that fit; a write beyond writes what fits and fails with `StorageFull`. `None` lifts the limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        lock(&self.state).capacity = bytes;
    }

    /// Makes every [`Disk::link`] fail as if it led to another file system.
    pub fn refuse_links(&self) {
        lock(&self.state).one_name_each = true;
    }

    /// Makes the disk break a promise: the switch by which a crash suite proves that it can fail.
    pub fn lie(&self, lie: Lie) {
        lock(&self.state).lies.push(lie);
    }

    /// Changes bytes of a file behind everybody's back; `false` when there is no such file.
    pub fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        lock(&self.state).damage(path, change)
    }

    /// Removes all files of a folder behind everybody's back.
    pub fn forget_folder(&self, dir: &Path) {
        lock(&self.state).forget_folder(dir);
    }

    /// All file names.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        lock(&self.state).names.seen.keys().cloned().collect()
    }

    /// A disk with the same files, all of them safe: what another process finds when this one was killed.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self {
            state: Arc::new(Mutex::new(lock(&self.state).copy())),
        }
    }

    /// The disk as it is found after the power came back; `seed` decides about what was not synced.
    #[must_use]
    pub fn restart(&self, seed: u64) -> Self {
        Self {
            state: Arc::new(Mutex::new(lock(&self.state).restart(seed))),
        }
    }

    /// Files of which this restart found neither what was there before a rename nor all of what was renamed into their
    /// place: somebody renamed before the content was synced.
    #[must_use]
    pub fn half_replaced(&self) -> Vec<PathBuf> {
        lock(&self.state).half_replaced.clone()
    }
}

impl Disk for FaultDisk {
    fn create_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = lock(&self.state);
        state.check_power()?;
        let file = match state.names.seen.get(path) {
            Some(&file) => file,
            None if create => state.run(Operation::Create, path, |state| Ok(state.make(path)))?,
            None => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(Arc::new(FaultFile {
            state: self.state.clone(),
            path: path.to_owned(),
            file,
        }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = lock(&self.state);
        state.check_power()?;
        let inside = state.names.seen.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside
            .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .collect())
    }

    fn open_to_read(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.open(path, false)
    }

    fn files_below(&self, dir: &Path) -> io::Result<Vec<String>> {
        let paths = self.paths();
        let inside = paths.iter().filter_map(|path| path.strip_prefix(dir).ok());
        Ok(inside.map(|path| path.to_string_lossy().into_owned()).collect())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        lock(&self.state).run(Operation::Link, to, |state| state.link(from, to))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        lock(&self.state).run(Operation::Rename, to, |state| state.rename(from, to))
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        lock(&self.state).run(Operation::Unlink, path, |state| {
            if state.names.remove(path) {
                Ok(())
            } else {
                Err(io::ErrorKind::NotFound.into())
            }
        })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        lock(&self.state).sync_folder(dir)
    }

    fn space(&self, _dir: &Path) -> io::Result<Space> {
        Ok(lock(&self.state).space())
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
        Duration::from_micros(self.operations())
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
    path: PathBuf,
    file: usize,
}

impl DiskFile for FaultFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let mut state = lock(&self.state);
        let end = state.files[self.file].seen.len();
        state.write(self.file, &self.path, end, bytes)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        lock(&self.state).write(self.file, &self.path, offset, bytes)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let state = lock(&self.state);
        state.check_power()?;
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
        let state = lock(&self.state);
        state.check_power()?;
        Ok(state.files[self.file].seen.len() as u64)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        lock(&self.state).run(Operation::Truncate, &self.path, |state| {
            state.files[self.file].truncate(length);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        lock(&self.state).sync_file(self.file, &self.path)
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
            assert!(file.sync_data().is_err() && disk.is_off());
            let found = disk.restart(seed).open(Path::new("/d/a"), false).unwrap();
            let bytes = super::super::read_all(found.as_ref()).unwrap();
            assert!(bytes.starts_with(b"safe"));
            lost += u32::from(!bytes.starts_with(b"safeperhaps"));
        }
        assert!(lost > 0);
    }

    #[test]
    fn a_rename_before_the_sync_of_its_content_is_told() {
        let replaced = |lie: bool, seed| {
            let disk = FaultDisk::new();
            if lie {
                disk.lie(Lie::RenameFirst);
            }
            super::super::replace(&disk, Path::new("/d"), "name", b"all of it or nothing").unwrap();
            disk.restart(seed).half_replaced().len()
        };
        assert!((0..20).all(|seed| replaced(false, seed) == 0));
        assert!((0..20).any(|seed| replaced(true, seed) == 1));
    }

    #[test]
    fn two_names_of_one_file_are_that_after_a_restart() {
        let disk = FaultDisk::new();
        let (one, two) = (Path::new("/d/a"), Path::new("/d/b"));
        let file = disk.open(one, true).unwrap();
        file.append(b"both").unwrap();
        file.sync_data().unwrap();
        disk.link(one, two).unwrap();
        assert!(disk.link(one, two).is_err());
        disk.sync_dir(Path::new("/d")).unwrap();
        let found = disk.restart(1);
        found.open(two, false).unwrap().append(b" see it").unwrap();
        assert_eq!(found.open(one, false).unwrap().len().unwrap(), 11);
        disk.refuse_links();
        let error = disk.link(one, Path::new("/d/c")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::CrossesDevices);
    }

    #[test]
    fn a_full_disk_takes_nothing_until_there_is_room() {
        let disk = FaultDisk::new();
        let file = disk.open(Path::new("/d/a"), true).unwrap();
        disk.fill_at(1);
        assert_eq!(file.append(b"1234").unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(disk.open(Path::new("/d/b"), true).is_err());
        assert_eq!(disk.space(Path::new("/d")).unwrap().free_bytes, 0);
        file.truncate(0).unwrap();
        disk.make_room();
        file.append(b"5").unwrap();
        assert_eq!(file.len().unwrap(), 1);
    }
}
