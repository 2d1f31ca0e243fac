//! The store's files at one moment: open, and each with the length up to which its bytes never change again.

use super::BackupError;
use crate::{
    disk::{Disk, DiskFile},
    journal::segment_number,
    shared::Shared,
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// The log of dictionaries, below the store's folder.
pub(crate) const DICTIONARIES: &str = "dictionaries.log";

/// A file as it was at one moment.
#[derive(Debug)]
pub(crate) struct Frozen {
    /// Below the store's folder, with `/` between folders.
    pub(crate) path: String,
    /// Where it can be opened.
    pub(crate) place: PathBuf,
    /// Held open where its name may go away meanwhile.
    pub(crate) held: Option<Arc<dyn DiskFile>>,
    /// Bytes that count. The file may be longer: it grew since.
    pub(crate) length: u64,
    /// Whether the end is known to be whole; otherwise it may be a write that was cut off.
    pub(crate) ends_whole: bool,
}

impl Frozen {
    /// The file, opened unless it is held.
    pub(crate) fn open(&self, disk: &dyn Disk) -> Result<Arc<dyn DiskFile>, BackupError> {
        match &self.held {
            Some(file) => Ok(file.clone()),
            None => disk
                .open_to_read(&self.place)
                .map_err(BackupError::io("open", &self.place)),
        }
    }
}

/// The files of an open store. The caller holds the lock of housekeeping.
///
/// A segment's noted length is synced, and so is the dictionary log's; the segments come first, so that what a batch in
/// them refers to is there. Segments begun later are left out.
pub(crate) fn freeze(shared: &Shared) -> Result<Vec<Frozen>, BackupError> {
    let (disk, dir) = (shared.disk.as_ref(), &shared.config.dir);
    let segments = shared.segments().clone();
    let written = segments.keys().next_back().copied();
    let dictionaries = shared.dictionaries.length();
    let mut files = Vec::new();
    for path in list(disk, dir)? {
        let noted = match segment_of(&path) {
            Some(segment) => match segments.get(&segment) {
                Some(known) => Some((known.bytes, Some(segment) == written)),
                None => continue,
            },
            None if path == DICTIONARIES => Some((dictionaries, true)),
            // Under the lock of housekeeping a block is either whole and synced, or not begun.
            None => None,
        };
        files.push(hold(disk, dir, path, noted)?);
    }
    Ok(files)
}

/// The files of a store that nobody has open. None is held: a shell allows a thousand open files.
pub(crate) fn freeze_closed(disk: &dyn Disk, dir: &Path) -> Result<Vec<Frozen>, BackupError> {
    let measured = |path| {
        let mut frozen = hold(disk, dir, path, None)?;
        frozen.held = None;
        frozen.ends_whole = false;
        Ok(frozen)
    };
    list(disk, dir)?.into_iter().map(measured).collect()
}

/// The number of a journal segment at this path.
pub(crate) fn segment_of(path: &str) -> Option<u32> {
    path.strip_prefix("journal/").and_then(segment_number)
}

fn list(disk: &dyn Disk, dir: &Path) -> Result<Vec<String>, BackupError> {
    let mut files = disk.files_below(dir).map_err(BackupError::io("list", dir))?;
    files.retain(|path| !left_out(path));
    Ok(files)
}

/// The lock, unfinished replacements, and what is made anew from the journal.
fn left_out(path: &str) -> bool {
    let mut folders = path.split('/').rev().skip(1);
    path == "lock" || path.ends_with(".new") || folders.any(|folder| folder == "head")
}

/// A file with its noted length, or as long as it is.
fn hold(disk: &dyn Disk, dir: &Path, path: String, noted: Option<(u64, bool)>) -> Result<Frozen, BackupError> {
    let place = dir.join(&path);
    let file = disk.open_to_read(&place).map_err(BackupError::io("open", &place))?;
    let (length, ends_whole) = match noted {
        Some(noted) => noted,
        None => (file.len().map_err(BackupError::io("read the size of", &place))?, true),
    };
    Ok(Frozen {
        path,
        place,
        held: Some(file),
        length,
        ends_whole,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_anew_is_left_out_and_what_is_not_known_is_not() {
        for out in [
            "lock",
            "head/a",
            "head/x/y.bin",
            "a/head/b",
            "blocks/2026-11-22.index.new",
        ] {
            assert!(left_out(out), "{out}");
        }
        for taken in [
            "FORMAT",
            "head",
            "blocks/lock",
            "rollups/5m/2026-11-22.roll",
            "heads/a",
            "journal/0000000001.damaged",
        ] {
            assert!(!left_out(taken), "{taken}");
        }
    }
}
