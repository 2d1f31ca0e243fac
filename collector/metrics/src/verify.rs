//! Reads a store or a backup through and tells what is damaged, where, and what that costs.
//!
//! Each kind of file has a line in the table `CHECKS`: which paths are of that kind, and how one is read through. A file of no
//! kind is counted as not looked into; in a backup the manifest's checksum covers it all the same. Nothing is changed.

mod blocks;
mod log;
mod rollups;

use crate::{
    backup::{BackupError, Frozen, Manifest, Meter, Tell, freeze, freeze_closed, lock_closed},
    dictionaries::Known,
    disk::{Disk, DiskFile},
    store::Store,
};
use std::{collections::BTreeMap, fmt, path::Path, sync::Arc};

/// Most damaged places that are listed; the rest is only counted.
pub const DAMAGES_MAX: usize = 1_000;

/// A place that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file, below the folder that was checked.
    pub path: String,
    /// Where in it, in bytes; none: somewhere.
    pub offset: Option<u64>,
    /// What is wrong there.
    pub what: String,
    /// What that costs.
    pub cost: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if let Some(offset) = self.offset {
            write!(f, " at byte {offset}")?;
        }
        write!(f, ": {}; {}", self.what, self.cost)
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// Files read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whole records of journal and dictionary log.
    pub records: u64,
    /// Blocks whose header is whole.
    pub blocks: u64,
    /// Whole columns of those.
    pub columns: u64,
    /// Files of a kind that nobody here can look into.
    pub unknown_files: u64,
    /// Ends that look like a write that was cut off. Harmless: nothing in them was acknowledged, a start cuts them off.
    pub unfinished: Vec<String>,
    /// What is damaged, the first [`DAMAGES_MAX`].
    pub damages: Vec<Damage>,
    /// Damaged places beyond those.
    pub further_damages: u64,
}

impl Verified {
    /// Whether everything is as it was written.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.damages.is_empty() && self.further_damages == 0
    }

    /// Notes a damaged place.
    pub fn add(&mut self, damage: Damage) {
        if self.damages.len() < DAMAGES_MAX {
            self.damages.push(damage);
        } else {
            self.further_damages += 1;
        }
    }
}

/// One kind of file.
struct Check {
    /// Whether a path below the store's folder is of this kind.
    is: fn(&str) -> bool,
    /// Reads one through.
    read: fn(&Part, &mut Look<'_>) -> Result<(), BackupError>,
}

/// All kinds, in the order in which they are read: what names others' contents comes first.
const CHECKS: &[Check] = &[
    Check {
        is: log::is_dictionaries,
        read: log::read_dictionaries,
    },
    Check {
        is: log::is_segment,
        read: log::read_segment,
    },
    Check {
        is: blocks::is_day,
        read: blocks::read_day,
    },
    Check {
        is: blocks::is_index,
        read: blocks::read_index,
    },
    Check {
        is: rollups::is_run,
        read: rollups::read_run,
    },
    Check {
        is: log::is_format,
        read: log::read_format,
    },
    // What was set aside as damaged is not damage again.
    Check {
        is: |path| path.starts_with("journal/") && path.ends_with(".damaged"),
        read: |part, look| look.meter.add(part.length),
    },
];

/// A file that is read through.
struct Part {
    /// Below the store's folder.
    path: String,
    file: Arc<dyn DiskFile>,
    /// Bytes that count.
    length: u64,
    /// Whether the end is known to be whole; otherwise it may be a write that was cut off.
    ends_whole: bool,
}

/// A check under way.
struct Look<'a> {
    known: Known,
    meter: Meter<'a>,
    found: Verified,
}

impl Look<'_> {
    fn damage(&mut self, path: &str, offset: u64, what: impl Into<String>, cost: impl Into<String>) {
        self.found.add(Damage {
            path: path.to_owned(),
            offset: Some(offset),
            what: what.into(),
            cost: cost.into(),
        });
    }
}

impl Store {
    /// Reads everything through that is on the disk now. The store goes on meanwhile.
    ///
    /// # Errors
    /// When a file can't be read, or `tell` asked to stop. Damage is an answer, not an error.
    pub fn verify(&self, tell: Tell<'_>) -> Result<Verified, BackupError> {
        let files = {
            let _nothing_is_removed = self.housekeeping();
            freeze(self.shared())?
        };
        look(self.shared().disk.as_ref(), &files, tell)
    }
}

/// As [`Store::verify`] for the store in `dir` that nobody has open.
///
/// # Errors
/// When somebody has it open, a file can't be read, or `tell` asked to stop.
pub fn verify_closed(disk: &dyn Disk, dir: &Path, tell: Tell<'_>) -> Result<Verified, BackupError> {
    let _lock = lock_closed(disk, dir)?;
    let files = freeze_closed(disk, dir)?;
    look(disk, &files, tell)
}

/// Checks the backup of a store in `dir`: every file against the manifest, and everything in the files.
///
/// # Errors
/// When there is no manifest or it is damaged, a file can't be read, or `tell` asked to stop.
pub fn verify_backup(disk: &dyn Disk, dir: &Path, tell: Tell<'_>) -> Result<Verified, BackupError> {
    let manifest = Manifest::read(disk, dir)?;
    let whole = manifest.bytes();
    // Every file is read twice.
    let first = |done| tell(halved(done, whole, 0));
    let (files, changed) = check_files(disk, dir, &manifest, &first)?;
    let second = |done| tell(halved(done, whole, whole));
    let mut found = look(disk, &files, &second)?;
    for (path, damage) in changed {
        // The place within is known where its own checksums tell it.
        if !found.damages.iter().any(|known| known.path == path) {
            found.add(damage);
        }
    }
    Ok(found)
}

const fn halved(progress: crate::backup::Progress, whole: u64, before: u64) -> crate::backup::Progress {
    crate::backup::Progress {
        done_bytes: progress.done_bytes + before,
        total_bytes: whole * 2,
    }
}

/// What [`check_files`] found wrong, by path.
type Changed = BTreeMap<String, Damage>;

/// Compares files with their manifest; answers those that are long enough to look into, and what is wrong.
fn check_files(
    disk: &dyn Disk,
    dir: &Path,
    manifest: &Manifest,
    tell: Tell<'_>,
) -> Result<(Vec<Frozen>, Changed), BackupError> {
    let mut meter = Meter::new(manifest.bytes(), tell);
    let (mut files, mut changed) = (Vec::new(), Changed::new());
    for entry in &manifest.entries {
        let path = dir.join(&entry.path);
        let mut note = |what: String| {
            let damage = Damage {
                path: entry.path.clone(),
                offset: None,
                what,
                cost: "what is in it can't be trusted; use another backup for it".to_owned(),
            };
            changed.insert(entry.path.clone(), damage);
        };
        let file = match disk.open_to_read(&path) {
            Ok(file) => file,
            Err(error) => {
                note(format!("it can't be opened ({error})"));
                continue;
            }
        };
        let there = file.len().map_err(BackupError::io("read the size of", &path))?;
        if there < entry.length {
            note(format!("it has {there} bytes, the manifest says {}", entry.length));
        }
        let length = entry.length.min(there);
        match crate::backup::checksum(file.as_ref(), length, &path, &mut meter) {
            Ok(crc) if crc != entry.crc && there >= entry.length => {
                note("it does not match its checksum in the manifest".to_owned());
            }
            Ok(_) => {}
            Err(BackupError::Io { source, .. }) => {
                note(format!("it can't be read ({source})"));
                continue;
            }
            Err(other) => return Err(other),
        }
        files.push(Frozen {
            path: entry.path.clone(),
            place: path,
            held: None,
            length,
            ends_whole: false,
        });
    }
    Ok((files, changed))
}

/// Compares the files of any backup with its manifest, whatever is in them.
///
/// # Errors
/// When there is no manifest or it is damaged, a size can't be read, or `tell` asked to stop.
pub fn verify_files(disk: &dyn Disk, dir: &Path, tell: Tell<'_>) -> Result<(Manifest, Vec<Damage>), BackupError> {
    let manifest = Manifest::read(disk, dir)?;
    let (_, changed) = check_files(disk, dir, &manifest, tell)?;
    Ok((manifest, changed.into_values().collect()))
}

fn look(disk: &dyn Disk, files: &[Frozen], tell: Tell<'_>) -> Result<Verified, BackupError> {
    let mut look = Look {
        known: Known::default(),
        meter: Meter::new(files.iter().map(|frozen| frozen.length).sum(), tell),
        found: Verified::default(),
    };
    for check in CHECKS {
        for frozen in files.iter().filter(|frozen| (check.is)(&frozen.path)) {
            look.found.files += 1;
            look.found.bytes += frozen.length;
            match read(disk, check, frozen, &mut look) {
                // A place that the disk itself can't give back is damage too, and there may be more behind it.
                Err(BackupError::Io { source, .. }) => {
                    let what = format!("it can't be read ({source})");
                    look.damage(&frozen.path, 0, what, "what is in it may be lost; check the disk");
                }
                other => other?,
            }
        }
    }
    let unknown = files
        .iter()
        .filter(|frozen| !CHECKS.iter().any(|check| (check.is)(&frozen.path)));
    look.found.unknown_files = unknown.count() as u64;
    Ok(look.found)
}

fn read(disk: &dyn Disk, check: &Check, frozen: &Frozen, look: &mut Look<'_>) -> Result<(), BackupError> {
    let part = Part {
        path: frozen.path.clone(),
        file: frozen.open(disk)?,
        length: frozen.length,
        ends_whole: frozen.ends_whole,
    };
    (check.read)(&part, look)
}

/// The bytes of a file that count.
fn read_whole(part: &Part) -> Result<Vec<u8>, BackupError> {
    let mut bytes = vec![0; crate::bytes::length_usize(part.length)];
    read_at(part, 0, &mut bytes)?;
    Ok(bytes)
}

fn read_at(part: &Part, offset: u64, buffer: &mut [u8]) -> Result<(), BackupError> {
    part.file
        .read_at(offset, buffer)
        .map_err(BackupError::io("read", &part.path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FaultDisk;

    /// What is found in a file of these bytes.
    fn found_in(path: &str, bytes: &[u8]) -> Verified {
        let disk = FaultDisk::new();
        let file = disk.open(Path::new("/x"), true).unwrap();
        file.append(bytes).unwrap();
        let frozen = Frozen {
            path: path.to_owned(),
            place: "/x".into(),
            held: None,
            length: bytes.len() as u64,
            ends_whole: true,
        };
        look(&disk, &[frozen], &|_| true).unwrap()
    }

    #[test]
    fn any_bytes_are_read_to_their_end() {
        bolero::check!().for_each(|bytes: &[u8]| {
            for path in [
                "dictionaries.log",
                "journal/0000000001.seg",
                "blocks/2025-11-22.blk",
                "FORMAT",
            ] {
                let found = found_in(path, bytes);
                let holds = found.records + found.blocks > 0;
                // Zeros in a log are room that was made ahead.
                let is_log = path.ends_with(".seg") || path.ends_with(".log");
                let is_room = (is_log || bytes.is_empty()) && bytes.iter().all(|byte| *byte == 0);
                assert!(is_room || holds || !found.is_whole(), "{path}");
            }
        });
    }

    #[test]
    fn beyond_the_limit_damages_are_counted() {
        let mut found = Verified::default();
        for offset in 0..DAMAGES_MAX as u64 + 5 {
            found.add(Damage {
                path: "a".to_owned(),
                offset: Some(offset),
                what: "changed".to_owned(),
                cost: "nothing".to_owned(),
            });
        }
        assert_eq!((found.damages.len(), found.further_damages), (DAMAGES_MAX, 5));
        assert!(!found.is_whole());
        assert_eq!(found.damages[7].to_string(), "a at byte 7: changed; nothing");
    }
}
