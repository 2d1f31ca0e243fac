//! Remote-write export: what arrives is passed on to another store of metrics, in order of arrival.
//!
//! One [`Worker`] per receiver reads the journal behind its writer ([`tocsin_metrics::Tail`]), so that a receiver which is
//! slow or away costs ingest nothing and memory little: one batch. Where it stands is on disk (`export/NAME.cursor` in the state folder); a restart goes
//! on there. What the receiver can't take now is tried again, from 0.5 s to 30 s apart, for as long as the journal is kept:
//! at most [`tocsin_metrics::tail::PIN_AGE_MAX`] and [`tocsin_metrics::tail::PIN_BYTES_MAX`]; then the oldest is given up,
//! counted and said.

mod config;
mod cursor;
mod figures;
mod requests;
mod sender;
#[cfg(test)]
mod tests;
mod worker;

pub use config::RemoteWriteConfig;
pub use worker::Worker;

use crate::fleet::Directory;
use figures::Figures;
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};
use tocsin_metrics::Store;
use tocsin_vocabulary::Timestamp;

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// An export can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Its configuration can't be used.
    #[error("export `{name}`: {reason}")]
    Setup {
        /// Which.
        name: String,
        /// Why, and what to do.
        reason: String,
    },
    /// Its place can't be kept.
    #[error("cannot {operation} {}; check that the collector's user may read and write there", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// Tells how all exports are doing.
#[derive(Debug, Clone, Default)]
pub struct Exports {
    all: Arc<[Arc<Figures>]>,
}

impl Exports {
    /// Sets all exports up; places are kept in `folder`, made when missing. What each still needs of the journal is kept
    /// from here on, so do this before housekeeping begins. Nothing is sent before the workers run.
    ///
    /// # Errors
    /// When a secret or certificate can't be used, or a place can't be read.
    pub fn open(
        configs: &[RemoteWriteConfig],
        folder: &Path,
        store: &Arc<Store>,
        directory: &Arc<dyn Directory>,
        clock: &Clock,
    ) -> Result<(Self, Vec<Worker>), ExportError> {
        let mut workers = Vec::new();
        if !configs.is_empty() {
            std::fs::create_dir_all(folder).map_err(|source| ExportError::Io {
                operation: "make the folder",
                path: folder.to_owned(),
                source,
            })?;
        }
        for config in configs {
            workers.push(Worker::open(config, folder, store, directory, clock)?);
        }
        let all = workers.iter().map(Worker::figures).collect();
        Ok((Self { all }, workers))
    }

    /// Whether all do their work, and in words; none when there are no exports.
    #[must_use]
    pub fn health(&self, now: Timestamp) -> Option<(bool, String)> {
        if self.all.is_empty() {
            return None;
        }
        let complaints: Vec<String> = self.all.iter().filter_map(|figures| figures.complaint(now)).collect();
        Some(if complaints.is_empty() {
            (true, format!("{} receivers take what they are sent", self.all.len()))
        } else {
            (false, complaints.join("; "))
        })
    }

    /// Their figures in Prometheus' text format.
    #[must_use]
    pub fn exposition(&self) -> String {
        figures::exposition(&self.all)
    }
}

/// Checks what can be checked without a store: secrets and certificates.
///
/// # Errors
/// When one can't be used.
pub fn check(configs: &[RemoteWriteConfig]) -> Result<(), ExportError> {
    configs
        .iter()
        .try_for_each(|config| sender::Sender::new(config).map(drop))
}
