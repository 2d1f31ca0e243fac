//! One file that is read as it grows.
//!
//! A file is known by device and inode and by its first bytes: an inode is used again, a name moves on, and a file that
//! is emptied and written anew is another one under the same inode.

use super::lines::{Line, Splitter};
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, Metadata, OpenOptions},
    io,
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

/// The beginning of a line that is looked at; what follows is counted.
pub(super) const LINE_BYTES_MAX: usize = 16 << 10;
/// Read of one file in one pass.
const PASS_BYTES_MAX: usize = 1 << 20;
/// Of a file's beginning, to know it again.
const FINGERPRINT_BYTES_MAX: usize = 256;

/// Which file it is, as long as it exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl Identity {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// The first bytes of a file: how many, and their checksum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fingerprint {
    length: u32,
    crc32c: u32,
}

impl Fingerprint {
    /// Of the first `length` bytes, or of fewer when the file is shorter.
    fn of(file: &File, length: usize) -> io::Result<Self> {
        let mut bytes = [0; FINGERPRINT_BYTES_MAX];
        let mut filled = 0;
        let wanted = length.min(FINGERPRINT_BYTES_MAX);
        while filled < wanted {
            match file.read_at(&mut bytes[filled..wanted], filled as u64)? {
                0 => break,
                read => filled += read,
            }
        }
        Ok(Self {
            length: u32::try_from(filled).unwrap_or(0),
            crc32c: crc32c::crc32c(&bytes[..filled]),
        })
    }

    /// Whether `file` begins with the same bytes.
    pub(super) fn fits(self, file: &File) -> bool {
        Self::of(file, self.length as usize).is_ok_and(|now| now == self)
    }

    /// Whether it says anything.
    pub(super) const fn is_empty(self) -> bool {
        self.length == 0
    }
}

/// How far a file was read, as it is kept across restarts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FilePosition {
    /// Where it was last seen.
    pub(super) path: PathBuf,
    #[serde(flatten)]
    pub(super) identity: Identity,
    /// Behind the last complete line that was looked at.
    pub(super) position: u64,
    pub(super) fingerprint: Fingerprint,
}

/// What a pass over a file came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Everything that is there was read.
    End,
    /// There is more.
    More,
    /// It is shorter than it was, or begins otherwise: it was emptied.
    Emptied,
}

/// Reads one file.
#[derive(Debug)]
pub(super) struct Follower {
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
    /// Since when it has another name than is followed; then what is left of it is read.
    pub(super) retired: Option<Duration>,
    /// Of the notification about it.
    pub(super) watch: Option<i32>,
    file: File,
    offset: u64,
    fingerprint: Fingerprint,
    splitter: Splitter,
    /// Length and time of change when it was last read to its end.
    seen: Option<(u64, i64, i64)>,
}

/// Opens a regular file; `None` for anything else, such as a pipe, which might never answer.
pub(super) fn open(path: &Path) -> io::Result<Option<(File, Metadata)>> {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or(0))
        .open(path)?;
    let metadata = file.metadata()?;
    Ok(metadata.is_file().then_some((file, metadata)))
}

impl Follower {
    /// Reads an open file from `position` on.
    pub(super) fn new(path: PathBuf, file: File, metadata: &Metadata, position: u64) -> Self {
        Self {
            path,
            identity: Identity::of(metadata),
            retired: None,
            watch: None,
            offset: position,
            fingerprint: Fingerprint::of(&file, FINGERPRINT_BYTES_MAX).unwrap_or_default(),
            file,
            splitter: Splitter::new(LINE_BYTES_MAX),
            seen: None,
        }
    }

    /// Reads what came since the last pass.
    pub(super) fn read(&mut self, buffer: &mut [u8], each: &mut dyn FnMut(Line<'_>)) -> io::Result<Progress> {
        let metadata = self.file.metadata()?;
        let state = (metadata.len(), metadata.mtime(), metadata.mtime_nsec());
        if self.seen == Some(state) {
            return Ok(Progress::End);
        }
        if metadata.len() < self.offset || !self.fingerprint.fits(&self.file) {
            return Ok(Progress::Emptied);
        }
        if (self.fingerprint.length as usize) < FINGERPRINT_BYTES_MAX {
            self.fingerprint = Fingerprint::of(&self.file, FINGERPRINT_BYTES_MAX)?;
        }
        let mut left = PASS_BYTES_MAX;
        while left > 0 {
            let read = match self.file.read_at(buffer, self.offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            if read == 0 {
                // What is written from now on changes the state, or comes with the next pass.
                self.seen = (self.offset == metadata.len()).then_some(state);
                return Ok(Progress::End);
            }
            self.splitter.feed(&buffer[..read], each);
            self.offset += read as u64;
            left = left.saturating_sub(read);
        }
        Ok(Progress::More)
    }

    /// Nothing more will come: tells a last line that no newline ends.
    pub(super) fn finish(&mut self, each: &mut dyn FnMut(Line<'_>)) {
        self.splitter.finish(each);
    }

    /// Begins anew, at the beginning of the file that was emptied.
    pub(super) fn begin_anew(&mut self) {
        self.offset = 0;
        self.seen = None;
        self.splitter.clear();
        self.fingerprint = Fingerprint::of(&self.file, FINGERPRINT_BYTES_MAX).unwrap_or_default();
    }

    /// When it last changed before it was read to its end.
    pub(super) fn changed(&self) -> Option<i64> {
        self.seen.map(|(_, seconds, _)| seconds)
    }

    /// When it last changed, as of now.
    pub(super) fn modified(&self) -> (i64, i64) {
        let metadata = self.file.metadata();
        metadata.map_or((i64::MAX, 0), |metadata| (metadata.mtime(), metadata.mtime_nsec()))
    }

    /// Behind the last complete line.
    pub(super) const fn position(&self) -> u64 {
        self.offset - self.splitter.pending()
    }

    /// How far it was read, to be kept.
    pub(super) fn kept(&self) -> FilePosition {
        FilePosition {
            path: self.path.clone(),
            identity: self.identity,
            position: self.position(),
            fingerprint: self.fingerprint,
        }
    }

    /// Bytes that were not read yet.
    pub(super) fn behind(&self) -> u64 {
        let length = self.file.metadata().map_or(0, |metadata| metadata.len());
        length.saturating_sub(self.offset)
    }

    /// Whether no name is left: its space is freed when it is closed.
    pub(super) fn is_deleted(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
    }
}
