//! How far logs were read: `logs.json` in the state folder, replaced by rename and fsync.
//!
//! It is written after the spool has made durable what the lines before it told. So a restart loses nothing; when the
//! agent is killed between the two, the events of one pass may come twice.

use super::{follower::FilePosition, kmsg::KernelPosition};
use crate::files::{self, FileError};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fs, path::Path};

/// The file below the state folder.
pub(crate) const LOGS_FILE: &str = "logs.json";
/// A file larger than this is not ours.
const FILE_BYTES_MAX: u64 = 16 << 20;
const VERSION: u32 = 1;

/// How far everything was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Positions {
    version: u32,
    /// Of each path of the configuration.
    pub(super) files: BTreeMap<String, Vec<FilePosition>>,
    /// The journal's last entry.
    pub(super) cursor: Option<String>,
    /// The kernel's last message.
    pub(super) kernel: Option<KernelPosition>,
    /// Lines that were held back and not told yet, by the name of their event.
    pub(super) held: BTreeMap<String, u64>,
}

impl Positions {
    /// What an earlier run left; without it logs are read from their ends.
    pub(super) fn load(folder: &Path) -> Self {
        let path = folder.join(LOGS_FILE);
        let small = fs::metadata(&path).is_ok_and(|metadata| metadata.len() <= FILE_BYTES_MAX);
        let bytes = if small { fs::read(&path).ok() } else { None };
        let Some(bytes) = bytes else {
            return Self::default();
        };
        serde_json::from_slice(&bytes)
            .inspect_err(|error| tracing::warn!(path = %path.display(), %error, "logs are read from their ends"))
            .unwrap_or_default()
    }

    /// Stores it durably.
    ///
    /// # Errors
    /// When the disk refuses; what was stored before then stays.
    pub(super) fn save(&mut self, folder: &Path) -> Result<(), FileError> {
        self.version = VERSION;
        files::replace(
            &folder.join(LOGS_FILE),
            &serde_json::to_vec(self).unwrap_or_default(),
            0o600,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_found_again_and_a_damaged_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Positions::load(folder.path()), Positions::default());
        let mut positions = Positions {
            cursor: Some("s=1".to_owned()),
            held: BTreeMap::from([("app.error".to_owned(), 7)]),
            ..Positions::default()
        };
        positions.save(folder.path()).unwrap();
        assert_eq!(Positions::load(folder.path()), positions);
        fs::write(folder.path().join(LOGS_FILE), "{").unwrap();
        assert_eq!(Positions::load(folder.path()), Positions::default());
    }
}
