//! Files of a folder that appliances write: exports, logs, status files. Looked at again and again rather than watched by the
//! kernel, which tells nothing of what another machine writes to a shared folder. A file is read when it looked the same
//! twice, so that one which is being written is not read half.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};
use tocsin_rules::Glob;
use tocsin_vocabulary::Timestamp;

/// Files of one folder.
const FILES_MAX: usize = 1_000;
/// Of a longer file the end is read.
pub(super) const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// By which a file that changed is told from one that did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

#[derive(Debug)]
struct Known {
    look: Look,
    taken: bool,
}

/// A file that has something new.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Changed {
    /// Where it is.
    pub(super) path: PathBuf,
    /// When it was written.
    pub(super) modified_at: Timestamp,
}

/// What is known of a folder's files.
#[derive(Debug, Default)]
pub(super) struct Folder {
    known: HashMap<PathBuf, Known>,
}

impl Folder {
    /// The files that changed, and are written.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub(super) fn look(&mut self, folder: &Path, files: &Glob) -> io::Result<Vec<Changed>> {
        let mut changed = Vec::new();
        let mut there = HashMap::new();
        for entry in fs::read_dir(folder)?.filter_map(Result::ok) {
            let name = entry.file_name();
            // Hidden files are those that are being written and renamed later.
            let wanted = name
                .to_str()
                .is_some_and(|name| !name.starts_with('.') && files.matches(name));
            let Some(found) = fs::metadata(entry.path())
                .ok()
                .filter(|found| wanted && found.is_file())
            else {
                continue;
            };
            if there.len() == FILES_MAX {
                break;
            }
            let look = Look {
                inode: found.ino(),
                bytes: found.len(),
                modified: (found.mtime(), found.mtime_nsec()),
            };
            let before = self.known.get(&entry.path()).filter(|before| before.look == look);
            let taken = before.is_some_and(|before| before.taken);
            if before.is_some() && !taken {
                changed.push(Changed {
                    path: entry.path(),
                    modified_at: Timestamp::from_millis(found.mtime().saturating_mul(1_000)),
                });
            }
            there.insert(entry.path(), Known { look, taken });
        }
        self.known = there;
        changed.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(changed)
    }

    /// Its runs are kept; it is not told again before it changes.
    pub(super) fn taken(&mut self, path: &Path) {
        if let Some(known) = self.known.get_mut(path) {
            known.taken = true;
        }
    }
}

/// The end of a file, from the beginning of a line on when it is longer than `bytes_max`.
///
/// # Errors
/// When it can't be read.
pub(super) fn read_bytes(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let from = file.metadata()?.len().saturating_sub(bytes_max);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes)?;
    if from > 0
        && let Some(end) = bytes.iter().position(|byte| *byte == b'\n')
    {
        bytes.drain(..=end);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::slice;

    #[test]
    fn a_file_is_read_when_it_is_written_and_again_when_it_changed() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("runs.csv");
        let glob = Glob::new("*.csv");
        let mut folder = Folder::default();
        let look = |folder: &mut Folder| -> Vec<PathBuf> {
            let changed = folder.look(place.path(), &glob).unwrap();
            changed.into_iter().map(|changed| changed.path).collect()
        };
        fs::write(&path, "a\n").unwrap();
        fs::write(place.path().join("notes.txt"), "x").unwrap();
        fs::write(place.path().join(".runs.csv"), "half").unwrap();
        assert!(look(&mut folder).is_empty(), "it may be half written");
        fs::write(&path, "a\nb\n").unwrap();
        assert!(look(&mut folder).is_empty(), "it was");
        assert_eq!(look(&mut folder), slice::from_ref(&path));
        assert_eq!(look(&mut folder), slice::from_ref(&path), "until it is taken");
        folder.taken(&path);
        assert!(look(&mut folder).is_empty());
        // Another file in its place, of the same length.
        let beside = place.path().join("beside");
        fs::write(&beside, "c\nd\n").unwrap();
        fs::rename(beside, &path).unwrap();
        look(&mut folder);
        assert_eq!(look(&mut folder), slice::from_ref(&path));
        assert!(folder.look(&place.path().join("nowhere"), &glob).is_err());
    }

    #[test]
    fn of_a_long_file_the_last_lines_are_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "first\nsecond\nthird\n").unwrap();
        assert_eq!(read_bytes(file.path(), 100).unwrap(), b"first\nsecond\nthird\n");
        assert_eq!(read_bytes(file.path(), 8).unwrap(), b"third\n");
    }
}
