//! Appends groups of records to the newest segment: one write, one sync, or nothing.
//!
//! A sync that must note a new size or a new place of the file costs the file system a transaction of its own, several
//! times what the data cost. So now and then a write makes the file longer than it needs, with zeros, and most groups lie
//! over zeros that are on the disk already. The zeros left when the segment ends are cut off; after a power cut they
//! may stay, and mean nothing.

use super::{
    record::{HEADER_BYTES, Kind, frame},
    segment_path,
};
use crate::{
    bytes::length_u32,
    config::SEGMENT_BYTES_MAX,
    disk::{Disk, DiskFile},
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Least and most bytes by which a segment is made longer ahead: as much again as it has, within these bounds, so that
/// a small fleet's segments stay small.
const AHEAD_BYTES: std::ops::RangeInclusive<u64> = 4 << 10..=4 << 20;

/// Why a group was not written.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing of it remains; the next group may succeed.
    Undone(io::Error),
    /// What is on disk is unknown: nothing may be promised from here on.
    Fatal(io::Error),
}

/// The open end of the journal.
#[derive(Debug)]
pub(crate) struct Writer {
    path: PathBuf,
    segment: u32,
    file: Arc<dyn DiskFile>,
    length: u64,
    /// Size of the file: what lies beyond `length` are zeros.
    size: u64,
}

impl Writer {
    /// Begins segment number `segment` with the records of `first`, synced together with its name.
    pub(crate) fn create(
        disk: &dyn Disk,
        dir: &Path,
        segment: u32,
        first: &[(Kind, Vec<u8>)],
    ) -> Result<Self, Failure> {
        let path = segment_path(dir, segment);
        let begin = || {
            let file = disk.open(&path, true)?;
            file.truncate(0)?;
            disk.sync_dir(dir)?;
            Ok(file)
        };
        let file = begin().map_err(Failure::Undone)?;
        let mut writer = Self {
            path,
            segment,
            file,
            length: 0,
            size: 0,
        };
        if !first.is_empty() {
            let records: Vec<_> = first.iter().map(|(kind, body)| (*kind, body.as_slice())).collect();
            if let Err(failure) = writer.write(&records) {
                // An empty segment is harmless where it can't be removed.
                let _ = disk.unlink(&writer.path);
                return Err(failure);
            }
        }
        Ok(writer)
    }

    /// Number of the segment.
    pub(crate) const fn segment(&self) -> u32 {
        self.segment
    }

    /// To read it while it is written.
    pub(crate) const fn file(&self) -> &Arc<dyn DiskFile> {
        &self.file
    }

    /// Its file's name.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of its records.
    pub(crate) const fn length(&self) -> u64 {
        self.length
    }

    /// Whether a group of this many records and bytes still belongs here.
    pub(crate) const fn has_room(&self, records: usize, bytes: usize) -> bool {
        let framed = records.saturating_mul(HEADER_BYTES).saturating_add(bytes) as u64;
        self.length == 0 || self.length.saturating_add(framed) <= SEGMENT_BYTES_MAX
    }

    /// Writes and syncs a group.
    pub(crate) fn write(&mut self, records: &[(Kind, &[u8])]) -> Result<(), Failure> {
        let size = records.iter().map(|(_, body)| HEADER_BYTES + body.len()).sum();
        let mut bytes = Vec::with_capacity(size);
        for (kind, body) in records {
            let offset = u32::try_from(self.length)
                .unwrap_or(u32::MAX)
                .saturating_add(length_u32(bytes.len()));
            frame(&mut bytes, *kind, self.segment, offset, body);
        }
        let length = self.length + bytes.len() as u64;
        if length > self.size {
            let ahead = length.clamp(*AHEAD_BYTES.start(), *AHEAD_BYTES.end());
            bytes.resize(bytes.len() + usize::try_from(ahead).unwrap_or_default(), 0);
        }
        if let Err(error) = self.file.write_at(self.length, &bytes) {
            return Err(match self.cut_off_zeros() {
                Ok(()) => Failure::Undone(error),
                Err(_) => Failure::Fatal(error),
            });
        }
        self.size = self.size.max(self.length + bytes.len() as u64);
        self.file.sync_data().map_err(Failure::Fatal)?;
        self.length = length;
        Ok(())
    }

    /// Cuts off what lies behind the records; also what is left of a write that failed.
    pub(crate) fn cut_off_zeros(&mut self) -> io::Result<()> {
        self.file.truncate(self.length)?;
        self.size = self.length;
        Ok(())
    }
}
