//! Reading files up to a length, with their checksum, and copying them.

use super::{BackupError, Entry, Manifest, Meter, Tell, folders_of, make_folder_of, prepare};
use crate::{
    bytes::length_usize,
    disk::{Disk, DiskFile},
};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// Bytes read at once.
const PIECE_BYTES: u64 = 1 << 20;

/// Calls `each` with the first `length` bytes of a file, piece by piece.
fn read_pieces(
    file: &dyn DiskFile,
    length: u64,
    path: &Path,
    meter: &mut Meter<'_>,
    mut each: impl FnMut(&[u8]) -> Result<(), BackupError>,
) -> Result<(), BackupError> {
    let mut piece = vec![0; length_usize(length.min(PIECE_BYTES))];
    let mut at = 0;
    while at < length {
        let size = (length - at).min(PIECE_BYTES);
        let piece = &mut piece[..length_usize(size)];
        file.read_at(at, piece).map_err(BackupError::io("read", path))?;
        each(piece)?;
        at += size;
        meter.add(size)?;
    }
    Ok(())
}

/// CRC32C of the first `length` bytes.
pub(crate) fn checksum(
    file: &dyn DiskFile,
    length: u64,
    path: &Path,
    meter: &mut Meter<'_>,
) -> Result<u32, BackupError> {
    let mut crc = 0;
    read_pieces(file, length, path, meter, |piece| {
        crc = crc32c::crc32c_append(crc, piece);
        Ok(())
    })?;
    Ok(crc)
}

/// Copies the first `length` bytes into a new file at `to` and syncs it; answers their CRC32C.
pub(crate) fn copy_to(
    disk: &dyn Disk,
    file: &dyn DiskFile,
    length: u64,
    to: &Path,
    meter: &mut Meter<'_>,
) -> Result<u32, BackupError> {
    let copy = disk.open(to, true).map_err(BackupError::io("create", to))?;
    copy.truncate(0).map_err(BackupError::io("truncate", to))?;
    let mut crc = 0;
    read_pieces(file, length, to, meter, |piece| {
        crc = crc32c::crc32c_append(crc, piece);
        copy.append(piece).map_err(BackupError::io("write", to))
    })?;
    copy.sync_data().map_err(BackupError::io("sync", to))?;
    Ok(crc)
}

/// Copies files that a manifest of `from` names to where `place` says (relative to `to`; none: not at all), each cut to
/// its length, checked and synced.
///
/// # Errors
/// When a file can't be read or written, is not what the manifest says, or `tell` asked to stop.
pub fn copy_files(
    disk: &dyn Disk,
    entries: &[Entry],
    (from, to): (&Path, &Path),
    place: impl Fn(&str) -> Option<String>,
    tell: Tell<'_>,
) -> Result<u64, BackupError> {
    let placed: Vec<(&Entry, String)> = entries
        .iter()
        .filter_map(|entry| Some((entry, place(&entry.path)?)))
        .collect();
    let total = placed.iter().map(|(entry, _)| entry.length).sum();
    let mut meter = Meter::new(total, tell);
    let mut folders: BTreeSet<PathBuf> = to.parent().map(Path::to_owned).into_iter().collect();
    for (entry, name) in &placed {
        folders.extend(folders_of(to, name));
        let (path, to) = (from.join(&entry.path), to.join(name));
        let file = disk.open_to_read(&path).map_err(BackupError::io("open", &path))?;
        let there = file.len().map_err(BackupError::io("read the size of", &path))?;
        make_folder_of(disk, &to)?;
        if there < entry.length || copy_to(disk, file.as_ref(), entry.length, &to, &mut meter)? != entry.crc {
            return Err(BackupError::Damaged { path });
        }
    }
    for folder in &folders {
        disk.sync_dir(folder).map_err(BackupError::io("sync", folder))?;
    }
    Ok(total)
}

/// Copies the file `from` to `path` in the folder of a backup; answers what its manifest says of it.
///
/// # Errors
/// When it can't be read or written.
pub fn copy_into(disk: &dyn Disk, from: &Path, dir: &Path, path: &str) -> Result<Entry, BackupError> {
    let file = disk.open_to_read(from).map_err(BackupError::io("open", from))?;
    let length = file.len().map_err(BackupError::io("read the size of", from))?;
    let to = dir.join(path);
    make_folder_of(disk, &to)?;
    let crc = copy_to(disk, file.as_ref(), length, &to, &mut Meter::new(length, &|_| true))?;
    for folder in folders_of(dir, path) {
        disk.sync_dir(&folder).map_err(BackupError::io("sync", &folder))?;
    }
    Ok(Entry {
        path: path.to_owned(),
        length,
        crc,
    })
}

/// What a manifest says of a file that lies in the folder of the backup already.
///
/// # Errors
/// When it can't be read, or `tell` asked to stop.
pub fn entry_of(disk: &dyn Disk, dir: &Path, path: &str, tell: Tell<'_>) -> Result<Entry, BackupError> {
    let full = dir.join(path);
    let file = disk.open_to_read(&full).map_err(BackupError::io("open", &full))?;
    let length = file.len().map_err(BackupError::io("read the size of", &full))?;
    Ok(Entry {
        path: path.to_owned(),
        length,
        crc: checksum(file.as_ref(), length, &full, &mut Meter::new(length, tell))?,
    })
}

/// Copies the backup of a store in `from` to `to`, a folder that is empty or not there yet; answers its bytes.
///
/// # Errors
/// When `from` is no finished backup or damaged, `to` is not empty, or a file can't be read or written.
pub fn restore(disk: &dyn Disk, from: &Path, to: &Path, tell: Tell<'_>) -> Result<u64, BackupError> {
    let manifest = Manifest::read(disk, from)?;
    prepare(disk, from, to)?;
    copy_files(disk, &manifest.entries, (from, to), |path| Some(path.to_owned()), tell)
}
