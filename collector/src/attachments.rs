//! Contents of attachments: files below the state folder, named by the SHA-256 of what is in them.
//!
//! ```text
//! attachments/
//! └── 3f/3f1c…9a        only its owner may read it; nobody may run it
//! ```
//!
//! A file is written before the ledger speaks of it and is never changed or erased, so whatever a ledger of any later
//! moment names is there.

use crate::files::{self, FileError};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use tocsin_vocabulary::Hash;

/// The folder, in a state folder and in a backup.
pub(crate) const FOLDER: &str = "attachments";

/// Contents by digest. Clones share it.
#[derive(Debug, Clone)]
pub struct Attachments {
    dir: PathBuf,
    /// Held while a file is written: two people may send the same one.
    writing: Arc<Mutex<()>>,
}

/// What is wrong with a content.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// The file can't be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is there and is another than it was.
    #[error("{} is not as it was written: take it from a backup", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
    },
}

/// Where a content lies below the folder.
pub(crate) fn place(digest: &str) -> String {
    format!("{}/{digest}", digest.get(..2).unwrap_or_default())
}

impl Attachments {
    /// Contents below this state folder.
    #[must_use]
    pub fn new(state_dir: &Path) -> Self {
        Self {
            dir: state_dir.join(FOLDER),
            writing: Arc::default(),
        }
    }

    /// Keeps a content; answers its digest.
    ///
    /// # Errors
    /// When the file system refuses.
    pub async fn put(&self, bytes: Vec<u8>) -> Result<String, ContentError> {
        let this = self.clone();
        blocking(&self.dir, move || this.put_now(&bytes)).await
    }

    fn put_now(&self, bytes: &[u8]) -> Result<String, ContentError> {
        let digest = Hash::of(bytes).to_string();
        let path = self.dir.join(place(&digest));
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if path.is_file() {
            return Ok(digest);
        }
        if let Some(folder) = path.parent() {
            files::create_private_dir(folder)?;
            // The folder's own name must be on the disk too before the ledger relies on it.
            for made in [folder, &self.dir] {
                std::fs::File::open(made)
                    .and_then(|open| open.sync_all())
                    .map_err(|source| FileError::new("sync", made, source))?;
            }
        }
        files::write_private(&path, bytes)?;
        Ok(digest)
    }

    /// A content, proved to be what its digest says.
    ///
    /// # Errors
    /// When it is not there or damaged.
    pub async fn get(&self, digest: &str) -> Result<Vec<u8>, ContentError> {
        let path = self.dir.join(place(digest));
        let digest = digest.to_owned();
        blocking(&self.dir, move || read(&path, &digest)).await
    }
}

/// Reads a file and compares it with its digest.
pub(crate) fn read(path: &Path, digest: &str) -> Result<Vec<u8>, ContentError> {
    let bytes = std::fs::read(path).map_err(|source| FileError::new("read", path, source))?;
    if Hash::of(&bytes).to_string() == digest {
        Ok(bytes)
    } else {
        Err(ContentError::Damaged { path: path.to_owned() })
    }
}

async fn blocking<T: Send + 'static>(
    dir: &Path,
    work: impl FnOnce() -> Result<T, ContentError> + Send + 'static,
) -> Result<T, ContentError> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|error| Err(FileError::new("use", dir, io::Error::other(error)).into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[tokio::test]
    async fn a_content_is_kept_once_privately_and_proved_when_it_is_read() {
        let state = tempfile::tempdir().unwrap();
        let files = Attachments::new(state.path());
        let digest = files.put(b"a photo".to_vec()).await.unwrap();
        assert_eq!(files.put(b"a photo".to_vec()).await.unwrap(), digest);
        assert_eq!(files.get(&digest).await.unwrap(), b"a photo");
        let path = state.path().join(FOLDER).join(place(&digest));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, b"another").unwrap();
        let damaged = files.get(&digest).await.unwrap_err().to_string();
        assert!(damaged.contains("is not as it was written"), "{damaged}");
        assert!(files.get(&"0".repeat(64)).await.is_err());
    }
}
