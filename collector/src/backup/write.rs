//! Writing a backup: of a running collector, or of a state folder that nobody has open.

use super::{ATTACHMENTS, CONFIG, LEDGER, Listener, METRICS, PKI, Sources, blocking, is_free, of_backup, of_ledger};
use crate::config::Config;
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};
use tocsin_console::backend::Failure;
use tocsin_ledger::Ledger;
use tocsin_metrics::{
    Disk as _, RealDisk, Store,
    backup::{BackupError, BackupReport, MANIFEST, Manifest, Snapshot, entry_of, snapshot_closed},
};
use tocsin_vocabulary::{Code, Timestamp};

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Where.
    pub dir: PathBuf,
    /// Files of the metric store.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// How many of them share their bytes with the running store.
    pub linked_files: usize,
    /// Bytes of them that were copied.
    pub copied_bytes: u64,
    /// What became of the ledger, in words.
    pub ledger: String,
}

/// Backs up a running collector into `dir`.
pub(super) async fn write_live(
    ledger: &Ledger,
    store: &Arc<Store>,
    sources: &Sources,
    dir: &Path,
    now: Timestamp,
    listener: Listener,
) -> Result<Written, Failure> {
    let take = {
        let (store, target) = (store.clone(), dir.join(METRICS));
        move || store.snapshot(&target, now)
    };
    write(ledger, take, sources, dir, now, listener).await
}

/// Backs up the state folder of a collector that does not run into `dir`.
///
/// # Errors
/// When one runs after all, or with what hindered it; `dir` holds no backup then.
pub async fn write_closed(config: &Config, dir: &Path, now: Timestamp, listener: Listener) -> Result<Written, Failure> {
    let metrics = config.state_dir.join(METRICS);
    if !metrics.is_dir() {
        let reason = format!(
            "there is no state of a collector in {}: name its --state-dir or --config",
            config.state_dir.display()
        );
        return Err(Failure::new(Code::NotFound, reason));
    }
    let ledger = Ledger::open_as_it_is(&config.ledger_url())
        .await
        .map_err(|error| of_ledger(&error))?;
    let target = dir.join(METRICS);
    let take = move || snapshot_closed(Arc::new(RealDisk::new()), &metrics, &target, now);
    let written = write(&ledger, take, &Sources::of(config), dir, now, listener).await;
    ledger.close().await;
    written
}

async fn write(
    ledger: &Ledger,
    take: impl FnOnce() -> Result<Snapshot, BackupError> + Send + 'static,
    sources: &Sources,
    dir: &Path,
    now: Timestamp,
    listener: Listener,
) -> Result<Written, Failure> {
    make_folder(dir, sources)?;
    let written = write_into(ledger, take, sources, dir, now, listener).await;
    if written.is_err() {
        remove_unfinished(dir);
    }
    written
}

async fn write_into(
    ledger: &Ledger,
    take: impl FnOnce() -> Result<Snapshot, BackupError> + Send + 'static,
    sources: &Sources,
    dir: &Path,
    now: Timestamp,
    listener: Listener,
) -> Result<Written, Failure> {
    let snapshot = blocking(take).await?;
    listener.say(format!(
        "the metric store as of {now}: {} MiB; copying the ledger",
        snapshot.bytes() >> 20
    ));
    let server = ledger.server();
    let words = match &server {
        Some(server) => format!(
            "not in this backup: it is on PostgreSQL ({server}); restore that database as of {now} or later from its own backups (pg_dump, point in time)"
        ),
        None => {
            let path = dir.join(LEDGER);
            ledger.backup_to(&path).await.map_err(|error| of_ledger(&error))?;
            format!("{LEDGER}, taken after the metric store")
        }
    };
    let (sources, dir, about) = (sources.clone(), dir.to_owned(), words.clone());
    let rest = move || {
        finish(snapshot, &sources, &dir, now, (server.is_none(), &about), &listener).map(|report| (report, dir))
    };
    let (report, dir) = blocking(rest).await?;
    Ok(Written {
        dir,
        files: report.files,
        bytes: report.bytes,
        linked_files: report.linked_files,
        copied_bytes: report.copied_bytes,
        ledger: words,
    })
}

fn finish(
    snapshot: Snapshot,
    sources: &Sources,
    dir: &Path,
    now: Timestamp,
    (with_ledger, about_ledger): (bool, &str),
    listener: &Listener,
) -> Result<BackupReport, BackupError> {
    let disk = RealDisk::new();
    let report = snapshot.finish(&listener.steps("metric store"))?;
    let mut entries = sources.copy(&disk, dir)?;
    if with_ledger {
        let path = dir.join(LEDGER);
        private(&path)?;
        entries.push(entry_of(&disk, dir, LEDGER, &listener.steps("ledger"))?);
    }
    entries.push(entry_of(&disk, dir, &format!("{METRICS}/{MANIFEST}"), &|_| true)?);
    let about = vec![
        format!("collector {}, backed up at {now}", env!("CARGO_PKG_VERSION")),
        format!("ledger: {about_ledger}"),
    ];
    Manifest { about, entries }.write(&disk, dir)?;
    if let Some(folder) = dir.parent() {
        disk.sync_dir(folder).map_err(|source| BackupError::Io {
            operation: "sync",
            path: folder.to_owned(),
            source,
        })?;
    }
    Ok(report)
}

fn private(path: &Path) -> Result<(), BackupError> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(|source| BackupError::Io {
        operation: "set the permissions of",
        path: path.to_owned(),
        source,
    })
}

/// Makes the folder, or takes an empty one, and closes it to everybody else.
fn make_folder(dir: &Path, sources: &Sources) -> Result<(), Failure> {
    let failed = |source: io::Error| {
        let refused = matches!(
            source.kind(),
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
        );
        let hint = if refused {
            format!(
                "; under systemd the collector writes below {} alone: name a folder there, or allow another one with \
                 ReadWritePaths= in `systemctl edit tocsin-collector`",
                sources.state_dir.display()
            )
        } else {
            String::new()
        };
        Failure::new(
            Code::Unavailable,
            format!("cannot make the folder {}: {source}{hint}", dir.display()),
        )
    };
    let metrics = sources.state_dir.join(METRICS);
    if dir.starts_with(&metrics) {
        return Err(of_backup(&BackupError::Inside {
            target: dir.to_owned(),
            dir: metrics,
        }));
    }
    if !is_free(dir).map_err(failed)? {
        return Err(of_backup(&BackupError::NotEmpty { dir: dir.to_owned() }));
    }
    crate::files::create_private_dir(dir).map_err(|error| {
        let io = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<io::Error>());
        failed(io.map_or_else(|| io::Error::other(error.to_string()), |io| io::Error::from(io.kind())))
    })?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(failed)
}

/// Removes what an unfinished backup left, so that the same folder will do the next time.
fn remove_unfinished(dir: &Path) {
    for folder in [METRICS, ATTACHMENTS, PKI, CONFIG] {
        let _ = fs::remove_dir_all(dir.join(folder));
    }
    for file in [LEDGER, "ledger.db.part", MANIFEST, "MANIFEST.new"] {
        let _ = fs::remove_file(dir.join(file));
    }
}
