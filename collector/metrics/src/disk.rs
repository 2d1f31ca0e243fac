//! The seam to files: everything that the store does to a disk goes through [`Disk`].
//!
//! [`RealDisk`] is the file system. [`FaultDisk`] lives in memory, forgets what was not synced when its power is cut,
//! and fails on demand: the crash tests run on it.

mod fault;
mod real;

#[cfg(test)]
pub(crate) use fault::random::Random;
pub use fault::{FaultDisk, Lie, Operation};
pub use real::RealDisk;

use std::{any::Any, fmt, io, path::Path, sync::Arc, time::Duration};

/// Deepest nesting of folders that [`Disk::files_below`] follows: the store has three, and a link may go in circles.
pub const FOLDERS_DEEP_MAX: usize = 16;

/// Room on the file system that holds a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that an unprivileged process may still write.
    pub free_bytes: u64,
    /// Size of the file system in bytes.
    pub total_bytes: u64,
}

/// A file system. Errors are those of the operating system; callers name operation and path.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Makes a folder and those above it, durably; fine when it exists.
    ///
    /// # Errors
    /// When it can't be made.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Opens a file for reading and writing, made when `create`.
    ///
    /// # Errors
    /// `NotFound` when it is missing and not to be made, or what the system says.
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file for reading alone, so that a file on a medium that can't be written will do.
    ///
    /// # Errors
    /// `NotFound` when it is missing, or what the system says.
    fn open_to_read(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Every file below a folder, as paths relative to it, sorted. Links to folders are followed.
    ///
    /// # Errors
    /// When a folder can't be read, a name is not UTF-8, or folders are nested deeper than [`FOLDERS_DEEP_MAX`].
    fn files_below(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Gives a file one more name. Durable only after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// `CrossesDevices` when both are not on one file system, or what else the system says.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// The names in a folder, in no order.
    ///
    /// # Errors
    /// When the folder can't be read.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Renames within one file system, replacing `to`. Durable only after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file. Durable only after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// What the system says.
    fn unlink(&self, path: &Path) -> io::Result<()>;

    /// Makes new, renamed and removed names of a folder durable.
    ///
    /// # Errors
    /// What the system says.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Room where `dir` lies.
    ///
    /// # Errors
    /// What the system says.
    fn space(&self, dir: &Path) -> io::Result<Space>;

    /// Takes an exclusive lock that lasts until the returned value is dropped or the process ends.
    ///
    /// # Errors
    /// `WouldBlock` when somebody else holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>>;

    /// A monotonic clock, to measure how long a sync took.
    fn monotonic(&self) -> Duration;
}

/// An open file. Writes come from one thread; reads from any.
#[allow(clippy::len_without_is_empty)] // a file's size can fail to be read; emptiness is nobody's question
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// Writes at the end. After an error any part may have been written: truncate back.
    ///
    /// # Errors
    /// What the system says.
    fn append(&self, bytes: &[u8]) -> io::Result<()>;

    /// Writes at `offset`, over what is there and beyond the end. After an error any part may have been written.
    ///
    /// # Errors
    /// What the system says.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file is shorter.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Size in bytes.
    ///
    /// # Errors
    /// What the system says.
    fn len(&self) -> io::Result<u64>;

    /// Cuts the file to `length` bytes.
    ///
    /// # Errors
    /// What the system says.
    fn truncate(&self, length: u64) -> io::Result<()>;

    /// Makes content and size durable (`fdatasync`). After an error nothing written since the last success may be
    /// trusted, and a retry proves nothing.
    ///
    /// # Errors
    /// What the system says.
    fn sync_data(&self) -> io::Result<()>;
}

/// The whole of a file.
pub(crate) fn read_all(file: &dyn DiskFile) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(file.len()?).map_err(io::Error::other)?];
    file.read_at(0, &mut bytes)?;
    Ok(bytes)
}

/// Replaces `dir/name` so that either the old or the new content is there after a power cut.
pub(crate) fn replace(disk: &dyn Disk, dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = dir.join(format!("{name}.new"));
    let file = disk.open(&temporary, true)?;
    file.truncate(0)?;
    file.append(bytes)?;
    file.sync_data()?;
    disk.rename(&temporary, &dir.join(name))?;
    disk.sync_dir(dir)
}
