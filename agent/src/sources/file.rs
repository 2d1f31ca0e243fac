//! Reading small kernel files again and again: the descriptor is kept open, the buffer is reused.
//!
//! `/proc` and `/sys` make their text anew for each read from offset 0, so a kept descriptor and `pread` save the
//! path walk of each tick. In a recorded tree files may be replaced, so there each read opens anew. A file that is gone or unreadable is absent, never an error: kernels, containers and
//! permissions differ.

use rustix::{
    buffer::spare_capacity,
    fd::{AsFd, OwnedFd},
    fs::{CWD, Mode, OFlags, openat},
    io::{Errno, pread},
    path::Arg,
};
use std::path::{Path, PathBuf};

/// Most bytes taken from one file; what follows is left out. The largest in practice is the mount table: 10 000
/// mounts are about 2 MB.
pub(crate) const FILE_BYTES_MAX: usize = 4 << 20;

/// Room for most files in one read.
const FIRST_READ_BYTES: usize = 16 << 10;

/// A file that is read on each tick.
#[derive(Debug)]
pub(crate) struct KeptFile {
    path: PathBuf,
    descriptor: Option<OwnedFd>,
    keep: bool,
}

impl KeptFile {
    /// The file at `path`; it is opened when it is first read.
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let keep = path.starts_with("/proc") || path.starts_with("/sys");
        Self {
            path,
            descriptor: None,
            keep,
        }
    }

    /// The whole content in `buffer`, or `None` when there is no such file or it can't be read now.
    pub(crate) fn read<'buffer>(&mut self, buffer: &'buffer mut Vec<u8>) -> Option<&'buffer [u8]> {
        if self.descriptor.is_none() {
            self.descriptor = open_file(CWD, &self.path).ok();
        }
        let descriptor = self.descriptor.as_ref()?;
        let filled = fill(descriptor, buffer, Pieces::Many);
        if filled.is_err() || !self.keep {
            self.descriptor = None; // after an error: a removed device's successor needs a new descriptor
        }
        filled.ok()?;
        Some(buffer)
    }
}

/// The content of the small file `name` below the directory `at` in `buffer`, opened and closed at once. For files that
/// the kernel gives in one piece, such as those of a process: a read that leaves room in the buffer is the last.
pub(crate) fn read_at(at: impl AsFd, name: impl Arg, buffer: &mut Vec<u8>) -> Option<&[u8]> {
    let descriptor = open_file(at, name).ok()?;
    fill(&descriptor, buffer, Pieces::One).ok()?;
    Some(buffer)
}

/// The content of the file at `path` in `buffer`, opened and closed at once.
pub(crate) fn read_path<'buffer>(path: &Path, buffer: &'buffer mut Vec<u8>) -> Option<&'buffer [u8]> {
    let descriptor = open_file(CWD, path).ok()?;
    fill(&descriptor, buffer, Pieces::Many).ok()?;
    Some(buffer)
}

fn open_file(at: impl AsFd, name: impl Arg) -> Result<OwnedFd, Errno> {
    // NONBLOCK: a pipe in a recorded tree must not hang the tick.
    openat(
        at,
        name,
        OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY,
        Mode::empty(),
    )
}

/// How the kernel gives a file: tables come in pieces of whole lines, so a short read is not the end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pieces {
    One,
    Many,
}

fn fill(descriptor: &OwnedFd, buffer: &mut Vec<u8>, pieces: Pieces) -> Result<(), Errno> {
    buffer.clear();
    buffer.reserve(FIRST_READ_BYTES);
    while buffer.len() < FILE_BYTES_MAX {
        if buffer.len() == buffer.capacity() {
            buffer.reserve(buffer.len());
        }
        let offset = buffer.len() as u64;
        match pread(descriptor, spare_capacity(buffer), offset) {
            Ok(0) => return Ok(()),
            Ok(_) if pieces == Pieces::One && buffer.len() < buffer.capacity() => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_kept_file_shows_what_is_in_it_now() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("value");
        let (mut file, mut buffer) = (KeptFile::new(&path), Vec::new());
        assert_eq!(file.read(&mut buffer), None);
        fs::write(&path, "1").unwrap();
        assert_eq!(file.read(&mut buffer), Some(&b"1"[..]));
        fs::write(&path, "22").unwrap();
        assert_eq!(file.read(&mut buffer), Some(&b"22"[..]));
    }

    #[test]
    fn a_kernel_file_is_opened_once_and_read_anew() {
        let (mut file, mut buffer) = (KeptFile::new("/proc/self/stat"), Vec::new());
        for _ in 0..2 {
            assert!(file.read(&mut buffer).is_some_and(|bytes| bytes.ends_with(b"\n")));
            assert!(file.descriptor.is_some());
        }
    }

    #[test]
    fn long_files_are_read_whole_and_endless_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long");
        let content = vec![b'x'; FIRST_READ_BYTES * 5 + 1];
        fs::write(&path, &content).unwrap();
        let mut buffer = Vec::new();
        assert_eq!(read_path(&path, &mut buffer), Some(&content[..]));
        let read = read_path(Path::new("/dev/zero"), &mut buffer).unwrap();
        assert!(read.len() >= FILE_BYTES_MAX && read.len() < 3 * FILE_BYTES_MAX);
    }

    #[test]
    fn a_folder_is_absent() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_path(folder.path(), &mut Vec::new()), None);
    }
}
