//! Recordings of real hardware, which are not part of this repository: the folder that `TOCSIN_FIELD_DATA` names.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The folder; without the variable the test says that it is skipped.
pub(crate) fn folder() -> Option<PathBuf> {
    let folder = env::var_os("TOCSIN_FIELD_DATA").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: TOCSIN_FIELD_DATA is not set");
    }
    folder
}

/// One recording.
pub(crate) fn file(path: &str) -> Option<Vec<u8>> {
    let path = folder()?.join(path);
    Some(fs::read(&path).unwrap_or_else(|error| panic!("can't read {}: {error}", path.display())))
}

/// One recording as text; other bytes than UTF-8 are replaced.
pub(crate) fn text(path: &str) -> Option<String> {
    Some(String::from_utf8_lossy(&file(path)?).into_owned())
}

/// The tree `linux/`, or `linux.tar.gz` unpacked into `scratch`.
pub(crate) fn tree(scratch: &Path) -> Option<PathBuf> {
    let folder = folder()?;
    if folder.join("linux/proc").is_dir() {
        return Some(folder.join("linux"));
    }
    let archive = folder.join("linux.tar.gz");
    let mut unpack = Command::new("tar");
    let unpacked = unpack
        .arg("-xzf")
        .arg(&archive)
        .arg("-C")
        .arg(scratch)
        .status()
        .unwrap();
    assert!(unpacked.success(), "can't unpack {}", archive.display());
    Some(scratch.join("linux"))
}
