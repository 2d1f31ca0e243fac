//! Files that survive a crash: written beside, synced, renamed over, the directory synced.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// An operation on a file or directory that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}: {remedy}", path.display())]
pub struct FileError {
    /// What was tried, such as `write`.
    pub operation: &'static str,
    /// On what.
    pub path: PathBuf,
    /// What a person can do about it.
    pub remedy: &'static str,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

impl FileError {
    /// Names the operation and the path, and derives the remedy from what the system said.
    pub fn new(operation: &'static str, path: &Path, source: io::Error) -> Self {
        let remedy = match source.kind() {
            io::ErrorKind::NotFound => "check that the path exists",
            io::ErrorKind::PermissionDenied => "check who owns it and that the agent's user may use it",
            io::ErrorKind::NotADirectory => "name a directory",
            io::ErrorKind::StorageFull => "free some disk space",
            io::ErrorKind::ReadOnlyFilesystem => "choose a state directory on a writable file system",
            _ => "check the disk and the system's log",
        };
        Self {
            operation,
            path: path.to_owned(),
            remedy,
            source,
        }
    }
}

/// Makes a directory with its parents, for nobody but its owner (mode 0700).
///
/// # Errors
/// When it cannot be made.
pub fn private_dir(path: &Path) -> Result<(), FileError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| FileError::new("create directory", path, error))
}

/// Makes what was renamed, created or removed in `dir` durable.
///
/// # Errors
/// When the directory cannot be opened or synced.
pub fn sync_dir(dir: &Path) -> Result<(), FileError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|error| FileError::new("sync directory", dir, error))
}

/// Creates `path` with `mode`, writes, syncs.
///
/// # Errors
/// When one of these fails.
pub fn write_synced(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    // An old file may have a wider mode, which opening would keep.
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(|error| FileError::new("create", path, error))?;
    file.write_all(bytes)
        .map_err(|error| FileError::new("write", path, error))?;
    file.sync_all().map_err(|error| FileError::new("sync", path, error))
}

/// Replaces `path` by `bytes` so that a reader, or a crash, sees the old or the new content and nothing between.
///
/// # Errors
/// When one of the steps fails; the old content then stays.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let beside = beside(path);
    write_synced(&beside, bytes, mode)?;
    fs::rename(&beside, path).map_err(|error| FileError::new("rename over", path, error))?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Writes `bytes` over what `path` holds, padded with white space to whole blocks so that the length hardly ever changes.
/// For what is written often and may be lost: it costs a tenth of replacing the file. Who reads at the same moment may see
/// something between old and new.
///
/// # Errors
/// When the file can't be written.
pub fn overwrite(path: &Path, mut bytes: Vec<u8>) -> Result<(), FileError> {
    const BLOCK_BYTES: usize = 512;
    bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), b'\n');
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        file.write_all(&bytes)?;
        let length = bytes.len() as u64;
        if file.metadata()?.len() > length {
            file.set_len(length)?;
        }
        Ok(())
    };
    write().map_err(|error| FileError::new("write", path, error))
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_replaced_file_has_the_new_content_and_mode_and_leaves_nothing_beside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.pem");
        fs::write(&path, "old").unwrap();
        replace(&path, b"new", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_written_over_leaves_nothing_of_the_old() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("status.json");
        for length in [3, 2_000, 600, 512, 0] {
            overwrite(&path, vec![b'x'; length]).unwrap();
            let text = fs::read_to_string(&path).unwrap();
            assert_eq!(text.trim_end(), "x".repeat(length));
            assert_eq!(text.len() % 512, 0);
        }
    }

    #[test]
    fn an_error_names_operation_path_and_remedy() {
        let error = replace(Path::new("/nonexistent-dir/file"), b"", 0o600).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot create /nonexistent-dir/file.tmp: check that the path exists"
        );
    }
}
