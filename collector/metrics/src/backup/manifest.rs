//! The last file of a backup: what belongs to it, how long, with which checksum.
//!
//! ```text
//! tocsin-backup 1
//! about metric store, taken at 2026-11-22T03:00:00Z
//! file 67108864 0badcafe journal/0000000007.seg
//! end 1234abcd
//! ```
//!
//! Lines end with `\n`. `file` gives the length in bytes, the CRC32C of that many bytes in hex, and the path below the
//! manifest's folder. A file may be longer than that: it shares its bytes with a store that went on. `end` gives the
//! CRC32C of everything before its line. A path is relative and holds no `..`, so a manifest can't reach outside.

use super::BackupError;
use crate::disk::{Disk, read_all, replace};
use std::{collections::BTreeSet, fmt::Write as _, io, path::Path};

/// Name of the manifest.
pub const MANIFEST: &str = "MANIFEST";
/// First line of every manifest; the number is the version.
const FIRST: &str = "tocsin-backup 1";

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the manifest's folder, with `/` between folders.
    pub path: String,
    /// Bytes that belong to the backup.
    pub length: u64,
    /// CRC32C of those bytes.
    pub crc: u32,
}

/// What belongs to a backup.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manifest {
    /// What a person should know about it, one line each.
    pub about: Vec<String>,
    /// Its files.
    pub entries: Vec<Entry>,
}

impl Manifest {
    /// Bytes of all its files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.entries.iter().map(|entry| entry.length).sum()
    }

    /// Writes it into `dir`, whole or not at all, and durable on return.
    ///
    /// # Errors
    /// When a path can't stand in a manifest or the file can't be written.
    pub fn write(&self, disk: &dyn Disk, dir: &Path) -> Result<(), BackupError> {
        let odd = self.entries.iter().find(|entry| !is_inside(&entry.path));
        if let Some(entry) = odd {
            let source = io::Error::from(io::ErrorKind::InvalidFilename);
            return Err(BackupError::io("back up", dir.join(&entry.path))(source));
        }
        replace(disk, dir, MANIFEST, self.encode().as_bytes()).map_err(BackupError::io("write", dir.join(MANIFEST)))
    }

    /// Reads the manifest of the backup in `dir`.
    ///
    /// # Errors
    /// When there is none or no such folder, or it is not as it was written.
    pub fn read(disk: &dyn Disk, dir: &Path) -> Result<Self, BackupError> {
        let path = dir.join(MANIFEST);
        let bytes = match disk.open_to_read(&path) {
            Ok(file) => read_all(file.as_ref()).map_err(BackupError::io("read", &path))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let there = disk.list(dir);
                let missing = there.is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
                let dir = dir.to_owned();
                return Err(if missing {
                    BackupError::NoFolder { dir }
                } else {
                    BackupError::NoManifest { dir }
                });
            }
            Err(error) => return Err(BackupError::io("open", &path)(error)),
        };
        Self::decode(&bytes).map_err(|(line, what)| BackupError::Manifest { path, line, what })
    }

    fn encode(&self) -> String {
        let mut text = format!("{FIRST}\n");
        // Writing to a String does not fail.
        for line in &self.about {
            let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            let _ = writeln!(text, "about {line}");
        }
        for Entry { path, length, crc } in &self.entries {
            let _ = writeln!(text, "file {length} {crc:08x} {path}");
        }
        let crc = crc32c::crc32c(text.as_bytes());
        let _ = writeln!(text, "end {crc:08x}");
        text
    }

    fn decode(bytes: &[u8]) -> Result<Self, (usize, &'static str)> {
        let text = std::str::from_utf8(bytes).map_err(|_| (1, "it is not text"))?;
        let Some(text) = text.strip_suffix('\n') else {
            return Err((text.lines().count(), "its end is missing"));
        };
        let mut manifest = Self::default();
        let mut paths = BTreeSet::new();
        let (mut at, mut ended) = (0, false);
        for (index, line) in text.split('\n').enumerate() {
            let number = index + 1;
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                _ if ended => return Err((number, "something stands behind its end")),
                _ if index == 0 && line == FIRST => {}
                _ if index == 0 => return Err((number, "it is no manifest, or one of a newer version")),
                "about" => manifest.about.push(rest.to_owned()),
                "file" => {
                    let entry = entry(rest).ok_or((number, "it names no file"))?;
                    if !paths.insert(entry.path.clone()) {
                        return Err((number, "it names a file twice"));
                    }
                    manifest.entries.push(entry);
                }
                "end" if checksum(rest) == Some(crc32c::crc32c(&bytes[..at])) => ended = true,
                "end" => return Err((number, "its checksum is wrong")),
                _ => return Err((number, "an unknown word")),
            }
            at += line.len() + 1;
        }
        if ended {
            Ok(manifest)
        } else {
            Err((text.lines().count(), "its end is missing"))
        }
    }
}

/// Eight hexadecimal digits as they are written, and nothing else: no sign, no capitals.
fn checksum(text: &str) -> Option<u32> {
    let crc = u32::from_str_radix(text, 16).ok()?;
    (format!("{crc:08x}") == text).then_some(crc)
}

fn entry(text: &str) -> Option<Entry> {
    let mut parts = text.splitn(3, ' ');
    let length = parts.next()?.parse().ok()?;
    let crc = checksum(parts.next()?)?;
    let path = parts.next().filter(|path| is_inside(path))?.to_owned();
    Some(Entry { path, length, crc })
}

/// Whether a path stays below its folder and fits a line.
fn is_inside(path: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    path.split('/').all(plain) && !path.contains(|c: char| c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Manifest {
        let file = |path: &str, length| Entry {
            path: path.to_owned(),
            length,
            crc: 0xabc,
        };
        Manifest {
            about: vec!["taken now".to_owned(), "\u{4e2d} \u{6587}".to_owned()],
            entries: vec![file("journal/0000000001.seg", 7), file("\u{914d}\u{7f6e} 1.toml", 0)],
        }
    }

    proptest! {
        #[test]
        fn a_manifest_reads_back(
            about in prop::collection::vec("[^\\p{Cc}]{0,20}", 0..3),
            paths in prop::collection::btree_set("[a-z\u{4e00}-\u{4e10} ]{1,9}(/[a-z]{1,5}){0,2}", 0..6),
            length: u64, crc: u32,
        ) {
            let entries = paths.into_iter().map(|path| Entry { path, length, crc }).collect();
            let manifest = Manifest { about, entries };
            prop_assert_eq!(Manifest::decode(manifest.encode().as_bytes()), Ok(manifest));
        }
    }

    #[test]
    fn a_changed_or_missing_byte_is_noticed() {
        let whole = sample().encode().into_bytes();
        for at in 0..whole.len() {
            for flip in [0x01, 0x20, 0x80] {
                let mut bytes = whole.clone();
                bytes[at] ^= flip;
                assert!(Manifest::decode(&bytes).is_err(), "byte {at} ^ {flip:#x}");
            }
            assert!(Manifest::decode(&whole[..at]).is_err(), "cut at {at}");
        }
        assert!(Manifest::decode(&[whole.as_slice(), b"more\n"].concat()).is_err());
    }

    #[test]
    fn a_path_that_leads_outside_is_refused() {
        for path in ["/etc/passwd", "../a", "a/../b", "a//b", "", "a\nb", "./a"] {
            let mut manifest = sample();
            manifest.entries[0].path = path.to_owned();
            assert!(Manifest::decode(manifest.encode().as_bytes()).is_err(), "{path:?}");
            let written = manifest.write(&crate::FaultDisk::new(), Path::new("/b"));
            assert!(written.is_err(), "{path:?}");
        }
    }

    #[test]
    fn any_bytes_are_a_manifest_or_none() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let _ = Manifest::decode(bytes);
        });
    }
}
