//! Backup, restore and check of everything that a collector keeps.
//!
//! ```text
//! DIR/                    only its owner may enter
//! ├── metrics/            the metric store, with a MANIFEST of its own; hard links where the file system has them
//! ├── ledger.db           the ledger, when it is SQLite
//! ├── attachments/        files of tickets, named by their digests
//! ├── pki/                the site's authorities with their private keys
//! ├── config/             collector.toml, rules.d/, console/ (a certificate that the administrator brought)
//! └── MANIFEST            written last: without it this is no backup
//! ```
//!
//! **The store comes first, the ledger after it.** So whatever the restored ledger refers to is there or comes again:
//!
//! * A host is in the ledger before its first tick can be in the store, so no tick is without its host.
//! * A tick that came between the two moments, and the alert that it raised, are in the ledger only. Its agent keeps it
//!   until it is sealed, an hour or so, and sends it again to a collector that does not hold it.
//! * The other way round such a tick would be in the store and its alert nowhere: the collector would take it for one
//!   that it has judged, and a fault that came and went then would never have been.
//! * Events are forgotten by their agents as soon as the ledger has them: the later the ledger, the fewer are lost.
//!
//! The moment of the store takes milliseconds and its long reading comes after the ledger, so the two are close together.
//!
//! Attachments come after the ledger: they are written before the ledger speaks of them and never erased, so a copy of a
//! later moment has all that the ledger names.
//!
//! A ledger on PostgreSQL is not in the backup: the manifest says as of when it is needed from the server's own backups.
//! By the same reasoning that is the moment of this backup or any later one.

mod check;
mod command;
mod listener;
mod restore;
mod sources;
#[cfg(test)]
mod tests;
mod write;

pub use check::{Findings, check_backup, check_closed};
pub use command::{Keep, run};
pub use listener::Listener;
pub use restore::restore;
pub use sources::Sources;
pub use write::{Written, write_closed};

use crate::{attachments::FOLDER as ATTACHMENTS, clock::Clock};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tocsin_console::backend::Failure;
use tocsin_ledger::Ledger;
use tocsin_metrics::{Store, backup::BackupError};
use tocsin_vocabulary::Code;
use tokio_util::sync::CancellationToken;

/// Folder of the metric store, in a state folder and in a backup.
const METRICS: &str = "metrics";
/// The ledger's file, in a state folder and in a backup.
const LEDGER: &str = "ledger.db";
/// Folder of the authorities, in a state folder and in a backup.
const PKI: &str = "pki";
/// Folder of the configuration in a backup.
const CONFIG: &str = "config";

/// What a running collector needs to back itself up and to check itself.
pub struct Keeper {
    /// Registers and tickets.
    pub ledger: Arc<Ledger>,
    /// Samples.
    pub store: Arc<Store>,
    /// Where the rest lies.
    pub sources: Sources,
    /// The shell's clock.
    pub clock: Clock,
    /// Cancelled when the collector must end: a long copy ends then too.
    pub cancel: CancellationToken,
    /// Held by the one backup or check that may run: each reads the whole disk.
    pub busy: Arc<tokio::sync::Mutex<()>>,
}

impl Keeper {
    /// Backs everything up into `dir` while the collector runs.
    ///
    /// # Errors
    /// When another one runs, or with what hindered it; `dir` holds no backup then.
    pub async fn back_up(&self, dir: PathBuf, listener: Listener) -> Result<Written, Failure> {
        let turn = self.turn()?;
        let (ledger, store, sources) = (self.ledger.clone(), self.store.clone(), self.sources.clone());
        let (listener, now) = (listener.until(self.cancel.clone()), (self.clock)());
        // A task of its own: who asked may go away, and what is half written must be removed all the same.
        let written = tokio::spawn(async move {
            let _turn = turn;
            write::write_live(&ledger, &store, &sources, &dir, now, listener).await
        });
        written.await.map_err(internal)?
    }

    /// Reads everything through while the collector runs.
    ///
    /// # Errors
    /// When another one runs, or something can't be read at all. Damage is an answer, not an error.
    pub async fn check(&self, listener: Listener) -> Result<Findings, Failure> {
        let _turn = self.turn()?;
        let folder = self.sources.state_dir.join(ATTACHMENTS);
        let listener = listener.until(self.cancel.clone());
        check::check_live(&self.ledger, self.store.clone(), folder, listener).await
    }

    fn turn(&self) -> Result<tokio::sync::OwnedMutexGuard<()>, Failure> {
        self.busy.clone().try_lock_owned().map_err(|_| {
            Failure::new(
                Code::Conflict,
                "another backup or check is running: wait until it has ended",
            )
        })
    }
}

/// Work that reads or writes files, off the runtime's threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackupError> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(internal)?
        .map_err(|error| of_backup(&error))
}

fn of_backup(error: &BackupError) -> Failure {
    Failure::new(error.code(), chain(error))
}

fn of_ledger(error: &tocsin_ledger::LedgerError) -> Failure {
    Failure::new(error.code(), chain(error))
}

fn internal(error: impl std::fmt::Display) -> Failure {
    Failure::new(Code::Internal, error.to_string())
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

/// Whether a folder is missing or holds nothing.
fn is_free(dir: &Path) -> std::io::Result<bool> {
    match std::fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}
