//! Why a backup could not be written, read or restored.

use std::{io, path::PathBuf};
use tocsin_vocabulary::Code;

/// Why a backup could not be written, checked or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file or folder can't be used.
    #[error("cannot {operation} {}; check that the collector's user may read and write there and that there is room", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Somebody has the store open.
    #[error("metric store {} is in use by a running collector; ask that one, or stop it", dir.display())]
    InUse {
        /// The store's folder.
        dir: PathBuf,
    },
    /// There is something where a backup or a restored store would go.
    #[error("{} is not empty; name a folder that is new or empty", dir.display())]
    NotEmpty {
        /// The folder.
        dir: PathBuf,
    },
    /// A backup would lie in what it is a backup of.
    #[error("{} lies inside the metric store {}; name a folder elsewhere", target.display(), dir.display())]
    Inside {
        /// Where the backup should go.
        target: PathBuf,
        /// The store's folder.
        dir: PathBuf,
    },
    /// The folder is missing.
    #[error("there is no folder {}; name the folder of a backup", dir.display())]
    NoFolder {
        /// The folder.
        dir: PathBuf,
    },
    /// No manifest: not a backup, or one that was not finished.
    #[error("{} holds no finished backup: it has no MANIFEST; use another backup", dir.display())]
    NoManifest {
        /// The folder.
        dir: PathBuf,
    },
    /// The manifest can't be believed.
    #[error("{} is damaged at line {line}: {what}; use another backup", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A file is not what the manifest says.
    #[error("{} is not what the manifest says; use another backup, or see what is damaged with `verify`", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Whoever asked for it went away.
    #[error("stopped before the end, as was asked")]
    Stopped,
}

impl BackupError {
    pub(crate) fn io(operation: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            operation,
            path,
            source,
        }
    }

    /// The closed code of this error.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => Code::NotFound,
            Self::NoFolder { .. } => Code::NotFound,
            Self::Io { .. } | Self::Stopped => Code::Unavailable,
            Self::NotEmpty { .. } | Self::Inside { .. } => Code::InvalidInput,
            Self::InUse { .. } | Self::NoManifest { .. } | Self::Manifest { .. } | Self::Damaged { .. } => {
                Code::FailedPrecondition
            }
        }
    }
}
