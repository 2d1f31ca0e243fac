//! The file system of the machine.

use super::{Disk, DiskFile, FOLDERS_DEEP_MAX, Space};
use std::{
    any::Any,
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

/// The file system of the machine. Files are made readable for their owner alone.
#[derive(Debug)]
pub struct RealDisk {
    started: Instant,
}

impl RealDisk {
    /// The file system; its monotonic clock starts now.
    #[must_use]
    #[allow(clippy::disallowed_methods)] // durations of syncs only, never data or decisions
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Default for RealDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl Disk for RealDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let missing = |dir: &&Path| !dir.as_os_str().is_empty() && !dir.exists();
        let made: Vec<&Path> = dir.ancestors().take_while(missing).collect();
        fs::create_dir_all(dir)?;
        for dir in made {
            let above = dir.parent().filter(|above| !above.as_os_str().is_empty());
            self.sync_dir(above.unwrap_or(Path::new(".")))?;
        }
        Ok(())
    }

    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(create)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        Ok(Arc::new(RealFile(file)))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        fs::read_dir(dir)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn open_to_read(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(RealFile(File::open(path)?)))
    }

    fn files_below(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut files = Vec::new();
        gather(dir, "", FOLDERS_DEEP_MAX, &mut files)?;
        files.sort_unstable();
        Ok(files)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        // Of a symbolic link it is the file that is meant, not the link.
        fs::hard_link(fs::canonicalize(from)?, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(dir)?;
        Ok(Space {
            free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
            total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
        })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(file)),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// Adds the files below `dir`, each as `before` and its name.
fn gather(dir: &Path, before: &str, deep: usize, files: &mut Vec<String>) -> io::Result<()> {
    if deep == 0 {
        return Err(io::Error::other("folders are nested too deeply"));
    }
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name
            .to_str()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidFilename, "a file name is not UTF-8"))?;
        let (path, name) = (entry.path(), format!("{before}{name}"));
        match fs::metadata(&path) {
            Ok(found) if found.is_dir() => gather(&path, &format!("{name}/"), deep - 1, files)?,
            Ok(found) if found.is_file() => files.push(name),
            // A socket or a device is no data.
            Ok(_) => {}
            // It was removed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        // Not `O_APPEND`: with it every write would go to the end, wherever it is meant to go.
        self.0.write_all_at(bytes, self.len()?)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_go_where_they_are_meant_to_and_appends_to_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::new();
        let file = disk.open(&dir.path().join("a"), true).unwrap();
        file.append(b"12345").unwrap();
        file.truncate(2).unwrap();
        file.append(b"x").unwrap();
        file.sync_data().unwrap();
        file.write_at(1, b"yz").unwrap();
        file.append(b"!").unwrap();
        assert_eq!(super::super::read_all(file.as_ref()).unwrap(), b"1yz!");
        assert!(disk.space(dir.path()).unwrap().total_bytes > 0);
    }

    #[test]
    fn files_are_found_below_folders_and_linked_as_files() {
        let dir = tempfile::tempdir().unwrap();
        let (disk, path) = (RealDisk::new(), |name: &str| dir.path().join(name));
        disk.create_dir(&path("a/b")).unwrap();
        disk.open(&path("a/b/one"), true).unwrap().append(b"1").unwrap();
        std::os::unix::fs::symlink(path("a/b/one"), path("two")).unwrap();
        disk.link(&path("two"), &path("three")).unwrap();
        disk.open(&path("three"), false).unwrap().append(b"2").unwrap();
        assert_eq!(disk.files_below(dir.path()).unwrap(), ["a/b/one", "three", "two"]);
        let one = disk.open_to_read(&path("a/b/one")).unwrap();
        assert_eq!(super::super::read_all(one.as_ref()).unwrap(), b"12");
        assert!(one.append(b"3").is_err(), "it was opened for reading alone");
        std::os::unix::fs::symlink(dir.path(), path("circle")).unwrap();
        assert!(disk.files_below(dir.path()).is_err());
    }

    #[test]
    fn a_second_lock_is_refused_until_the_first_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::new();
        let path = dir.path().join("lock");
        let held = disk.lock(&path).unwrap();
        assert_eq!(disk.lock(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(held);
        disk.lock(&path).unwrap();
    }
}
