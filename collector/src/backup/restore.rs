//! Restoring a backup into an empty state folder.
//!
//! Everything is copied below `restoring/` first, and takes its place when all of it is on the disk: a collector that is
//! started too early finds an empty folder, never half of a site. Files are copied, never linked, so that the backup
//! stays what it is whatever the restored collector does.

use super::{
    ATTACHMENTS, CONFIG, Findings, LEDGER, Listener, METRICS, PKI, blocking,
    check::{self, check_backup},
    is_free, of_ledger,
};
use crate::config::Config;
use std::{
    fs::{self, File},
    io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
};
use tocsin_console::backend::Failure;
use tocsin_desk::record::AuditLine;
use tocsin_ledger::Ledger;
use tocsin_metrics::{
    Disk as _, RealDisk,
    backup::{self, BackupError, Manifest, copy_files},
};
use tocsin_vocabulary::{Code, Timestamp};

/// Where everything is gathered before it takes its place.
const RESTORING: &str = "restoring";

/// Restores the backup in `dir` into the state folder of `config`, which must be empty; answers what to do next.
///
/// # Errors
/// When the backup is not whole, the folder is not empty, or a file can't be written.
pub async fn restore(config: &Config, dir: &Path, now: Timestamp, listener: Listener) -> Result<String, Failure> {
    let state = config.state_dir.clone();
    make_room(&state)?;
    listener.say("reading the backup through");
    let (manifest, findings) = check_backup(dir.to_owned(), listener.clone()).await?;
    if !findings.is_whole() {
        return Err(check::refuse(dir, &findings));
    }
    let with_ledger = manifest.entries.iter().any(|entry| entry.path == LEDGER);
    let (from, to) = (dir.to_owned(), state.clone());
    let entries = manifest.clone();
    blocking(move || copy_all(&entries, &from, &to, &listener)).await?;
    if with_ledger {
        note(&state, dir, now).await?;
    }
    give_to_owner(&state).map_err(|source| unusable(&state, &source))?;
    Ok(next_steps(config, dir, &manifest, &findings, with_ledger))
}

fn unusable(path: &Path, source: &io::Error) -> Failure {
    let reason = format!(
        "cannot use the state folder {}: {source}; run this as root or as the collector's user",
        path.display()
    );
    Failure::new(Code::Unavailable, reason)
}

/// The state folder, empty but for what an interrupted restore left.
fn make_room(state: &Path) -> Result<(), Failure> {
    let failed = |source: io::Error| unusable(state, &source);
    if is_free(state).map_err(failed)? {
        return crate::files::create_private_dir(state)
            .map_err(|error| Failure::new(Code::Unavailable, super::chain(&error)));
    }
    let mut names = fs::read_dir(state).map_err(failed)?;
    if names.all(|entry| entry.is_ok_and(|entry| entry.file_name() == RESTORING)) {
        return fs::remove_dir_all(state.join(RESTORING)).map_err(failed);
    }
    let reason = format!(
        "{} is not empty: nothing is overwritten. Stop the collector, move the folder away, make a new one, or restore \
         into another with --state-dir",
        state.display()
    );
    Err(Failure::new(Code::Conflict, reason))
}

fn copy_all(manifest: &Manifest, from: &Path, state: &Path, listener: &Listener) -> Result<(), BackupError> {
    let disk = RealDisk::new();
    let gathered = state.join(RESTORING);
    crate::files::create_private_dir(&gathered).map_err(|error| BackupError::Io {
        operation: "create folder",
        path: gathered.clone(),
        source: io::Error::other(error),
    })?;
    backup::restore(
        &disk,
        &from.join(METRICS),
        &gathered.join(METRICS),
        &listener.steps("metric store"),
    )?;
    let folders = [ATTACHMENTS, PKI].map(|folder| format!("{folder}/"));
    let place = |path: &str| {
        let wanted = path == LEDGER || folders.iter().any(|folder| path.starts_with(folder));
        wanted.then(|| path.to_owned())
    };
    let steps = listener.steps("ledger and keys");
    copy_files(&disk, &manifest.entries, (from, &gathered), place, &steps)?;
    // The authorities last: without them a collector that is started now makes none of this its own.
    for name in [METRICS, ATTACHMENTS, LEDGER, PKI] {
        let path = gathered.join(name);
        if path.exists() {
            disk.rename(&path, &state.join(name)).map_err(io_error("move", &path))?;
        }
    }
    fs::remove_dir(&gathered).map_err(io_error("remove", &gathered))?;
    disk.sync_dir(state).map_err(io_error("sync", state))
}

fn io_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Io {
        operation,
        path,
        source,
    }
}

/// The restored ledger says that it was restored.
async fn note(state: &Path, dir: &Path, now: Timestamp) -> Result<(), Failure> {
    let address = format!("sqlite:{}", state.join(LEDGER).display());
    let failed = |error| of_ledger(&error);
    let ledger = Ledger::open_as_it_is(&address).await.map_err(failed)?;
    let line = AuditLine {
        at: now,
        actor: "system".to_owned(),
        via: "cli".to_owned(),
        action: "backup.restore".to_owned(),
        subject: dir.display().to_string(),
        detail: String::new(),
    };
    let noted = ledger.audit(line).await.map_err(failed);
    ledger.close().await;
    noted
}

/// What root restored belongs to whom the state folder belongs to; folders are closed to everybody else.
fn give_to_owner(state: &Path) -> io::Result<()> {
    let owner = fs::metadata(state)?;
    let as_root = rustix::process::geteuid().is_root();
    let mut folders = vec![state.to_owned()];
    while let Some(folder) = folders.pop() {
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if as_root {
                std::os::unix::fs::lchown(&path, Some(owner.uid()), Some(owner.gid()))?;
            }
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    File::open(state)?.sync_all()
}

fn next_steps(config: &Config, dir: &Path, manifest: &Manifest, findings: &Findings, with_ledger: bool) -> String {
    let mut text = format!(
        "restored into {}: {} files, {} MiB of samples",
        config.state_dir.display(),
        findings.files,
        findings.bytes >> 20
    );
    for line in &manifest.about {
        text.push_str(&format!("\n  {line}"));
    }
    text.push_str("\nnext:");
    let on_server = config.ledger != "sqlite";
    match (with_ledger, on_server) {
        (true, false) => {}
        (false, true) => text.push_str("\n  - restore the PostgreSQL database that the line above names, before you start"),
        (false, false) => text.push_str(
            "\n  - the ledger of this backup is on PostgreSQL, but the configuration says sqlite: set ledger.url and \
             restore that database, or the collector begins with an empty ledger",
        ),
        (true, true) => text.push_str(
            "\n  - the ledger was restored as a SQLite file, but the configuration names PostgreSQL: take ledger.url out, \
             or the file is not used",
        ),
    }
    let configuration = dir.join(CONFIG);
    if configuration.is_dir() {
        text.push_str(&format!(
            "\n  - compare the configuration of then, {}, with the one in use; it was not touched",
            configuration.display()
        ));
    }
    let owner = fs::metadata(&config.state_dir).map_or(0, |owner| owner.uid());
    if owner == 0 {
        text.push_str(&format!(
            "\n  - {} belongs to root: chown -R tocsin:tocsin it if the collector runs as tocsin",
            config.state_dir.display()
        ));
    }
    text.push_str(
        "\n  - shut out again whom you shut out since the backup: hosts (agent revoke), people's passwords and API tokens \
         are as they were then\
         \n  - start the collector (systemctl start tocsin-collector); agents send again what they still hold",
    );
    text
}
