//! Reading a watched file: regular files only, never one that blocks, never more than the bound.

use super::mask::Mask;
use crate::surveys::Document;
use rustix::fs::{Mode, OFlags, open};
use std::{
    collections::BTreeMap,
    fs::{self, File, Metadata},
    io::Read as _,
    os::unix::fs::MetadataExt as _,
    path::Path,
};
use tocsin_vocabulary::{Hash, Timestamp};

/// How a file was when it was last read; another stamp means another content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
    modified: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// A file as it was found.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) stamp: Stamp,
    /// Of what the file really holds. Never leaves the host.
    pub(super) raw: Hash,
    pub(super) owner: u32,
    pub(super) document: Document,
}

/// How the file at `path` is now; `None` when there is none that may be read: a link of somebody else's, a pipe, a
/// device and a folder are none.
pub(super) fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    metadata.is_file().then(|| Stamp::of(&metadata))
}

/// Reads the file at `path`, which the host calls `name`.
pub(super) fn read(path: &Path, name: &str, bytes_max: usize, mask: &Mask) -> Option<Content> {
    // Looked at before it is opened, for opening a device may do something; and after, for it may be another by then.
    stamp(path)?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(open(path, flags, Mode::empty()).ok()?);
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() || !may_lead(path, &metadata) {
        return None;
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).ok()?;
    let raw = Hash::of(&bytes);
    let mut attributes = BTreeMap::from([
        ("mode".to_owned(), format!("{:04o}", metadata.mode() & 0o7777)),
        ("modified".to_owned(), modified(&metadata)),
        ("size".to_owned(), metadata.size().to_string()),
    ]);
    let text = if bytes.len() > bytes_max {
        attributes.insert("large".to_owned(), "true".to_owned());
        let (size, time) = (metadata.size(), modified(&metadata));
        format!("too large to be kept: {size} bytes, modified {time}\n")
    } else if bytes.contains(&0) {
        attributes.insert("binary".to_owned(), "true".to_owned());
        format!("not text: {} bytes, SHA-256 {raw}\n", bytes.len())
    } else {
        let (text, places) = mask.apply(&String::from_utf8_lossy(&bytes));
        if places > 0 {
            attributes.insert("masked".to_owned(), places.to_string());
        }
        text
    };
    Some(Content {
        stamp: Stamp::of(&metadata),
        raw,
        owner: metadata.uid(),
        document: Document {
            kind: "file",
            name: name.to_owned(),
            media: "text/plain",
            bytes: text.into_bytes(),
            attributes,
        },
    })
}

/// Whether a link may lead there: one that root or the file's own owner made. Whoever may write a folder must not make
/// an agent that may read more tell what is in it.
fn may_lead(path: &Path, target: &Metadata) -> bool {
    fs::symlink_metadata(path).is_ok_and(|link| !link.is_symlink() || link.uid() == 0 || link.uid() == target.uid())
}

fn modified(metadata: &Metadata) -> String {
    let millis = metadata
        .mtime()
        .saturating_mul(1_000)
        .saturating_add(metadata.mtime_nsec() / 1_000_000);
    Timestamp::from_millis(millis).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn text(path: &Path, bytes_max: usize) -> Option<String> {
        let content = read(path, "/x", bytes_max, &Mask::new(&[]))?;
        Some(String::from_utf8(content.document.bytes).unwrap())
    }

    #[test]
    fn a_pipe_a_device_and_a_folder_are_no_files_and_block_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        let link = dir.path().join("link");
        symlink("/dev/zero", &link).unwrap();
        let gone = dir.path().join("gone");
        symlink("nowhere", &gone).unwrap();
        for path in [&pipe, &link, &gone, Path::new("/dev/null"), dir.path()] {
            assert!(read(path, "/x", 100, &Mask::new(&[])).is_none(), "{}", path.display());
        }
    }

    #[test]
    fn a_link_of_ones_own_leads_to_its_file() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("real"), "a\n").unwrap();
        symlink("real", dir.path().join("link")).unwrap();
        assert_eq!(text(&dir.path().join("link"), 100).unwrap(), "a\n");
    }

    #[test]
    fn what_is_large_or_no_text_is_told_and_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "12345").unwrap();
        assert_eq!(text(&path, 5).unwrap(), "12345");
        assert!(text(&path, 4).unwrap().starts_with("too large to be kept: 5 bytes"));
        fs::write(&path, b"a\0b").unwrap();
        assert!(text(&path, 100).unwrap().starts_with("not text: 3 bytes"));
    }
}
