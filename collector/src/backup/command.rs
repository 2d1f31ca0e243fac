//! The commands `backup`, `restore` and `verify`.

use super::{Findings, Listener, Written, check_backup, check_closed, restore, write_closed};
use crate::{
    cli, clock,
    config::Config,
    control::{self, Answer, Ask},
};
use clap::Subcommand;
use serde::de::DeserializeOwned;
use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};
use tocsin_console::backend::Failure;
use tocsin_vocabulary::Code;

/// What keeps a site's data safe.
#[derive(Debug, Subcommand)]
pub enum Keep {
    /// Back up samples, ledger, keys and configuration into a folder, while the collector runs
    #[command(long_about = "\
Back up samples, ledger, keys and configuration into a folder, while the collector runs.

The running collector writes the backup; nothing is held up meanwhile. When none runs, this command writes it. Everything \
that was acknowledged before the command began is in it. MANIFEST is written last: a folder without it is no backup.

Samples are hard links where DIR is on the same file system and mount as the state folder: the backup takes no room until \
the collector drops what it holds, but shares its bytes with the running store. So never edit, chown or chmod what is in \
metrics/, and copy the folder to another machine: rsync, tar and cp all do. Elsewhere samples are copied.

A ledger on PostgreSQL is not copied; the backup says as of when it is needed from the server's own backups.

THE BACKUP HOLDS THE SITE'S PRIVATE KEYS, password hashes and the secrets of the configuration. DIR is made for its owner \
alone (0700); keep every copy of it as safe as the collector itself.

Under systemd the collector may write below its state folder alone. Name a folder there, such as \
/var/lib/tocsin/collector/backups/monday, or allow another one with ReadWritePaths=.

Exit status: 0 written; 2 DIR is not empty; 5 another backup is running, or the state is in use; 6 no room, or not \
reachable.")]
    Backup {
        /// Folder to write; new or empty
        dir: PathBuf,
    },
    /// Restore a backup into an empty state folder, while no collector runs
    #[command(long_about = "\
Restore a backup into an empty state folder, while no collector runs.

The backup is read through first; a damaged one is refused. Everything is copied, so the backup stays as it is. The state \
folder is that of --state-dir or of the configuration, and must be empty or missing: nothing is ever overwritten. What is \
restored belongs to the owner of that folder.

The configuration of then stays in DIR/config for you to compare. Agents send again what they still hold, an hour or so; \
what they were told to forget since the backup is a gap. What was shut out since must be shut out again.

Exit status: 0 restored, with what to do next; 3 no such backup; 5 the backup is damaged or unfinished, the state folder \
is not empty, or a collector runs; 6 a file can't be read or written.")]
    Restore {
        /// Folder of the backup
        dir: PathBuf,
    },
    /// Read the state, or a backup, through: every checksum and index, the ledger, the audit trail
    #[command(long_about = "\
Read the state, or a backup, through: every checksum and index, the ledger, the audit trail.

Without DIR it is the collector's own state: the running collector reads it, or this command when none runs. With DIR it \
is a backup, and each file is compared with the manifest too. Nothing is changed.

Each damaged place is printed with its file, its offset and what it costs: which host, hour and series.

Exit status: 0 everything is as it was written; 3 nothing there; 5 something is damaged, or it is no finished backup; 6 \
something can't be read.")]
    Verify {
        /// Folder of a backup; the collector's own state without it
        dir: Option<PathBuf>,
    },
}

/// Runs one of them.
pub async fn run(config: &Config, keep: Keep) -> ExitCode {
    let done = match keep {
        Keep::Backup { dir } => match std::path::absolute(&dir) {
            Ok(dir) => back_up(config, dir).await.map(|written| describe(&written)),
            Err(error) => Err(Failure::new(Code::InvalidInput, format!("{}: {error}", dir.display()))),
        },
        Keep::Restore { dir } => restore_into(config, &dir).await,
        Keep::Verify { dir } => match check(config, dir).await {
            Ok(findings) => return report(&findings),
            Err(failure) => Err(failure),
        },
    };
    match done {
        Ok(text) => cli::print(&text),
        Err(failure) => fail(&failure),
    }
}

async fn back_up(config: &Config, dir: PathBuf) -> Result<Written, Failure> {
    let socket = cli::socket(config);
    if !control::is_answered(&socket).await {
        return write_closed(config, &dir, (clock::system())(), progress()).await;
    }
    let written: Written = ask(&socket, &Ask::Backup { dir }).await?;
    match std::fs::symlink_metadata(&written.dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let reason = format!(
                "the collector wrote {}, but into a /tmp of its own (PrivateTmp=) where nobody else finds it, and where \
                 it goes when the collector stops: name a folder elsewhere",
                written.dir.display()
            );
            Err(Failure::new(Code::FailedPrecondition, reason))
        }
        _ => Ok(written),
    }
}

async fn restore_into(config: &Config, dir: &Path) -> Result<String, Failure> {
    let socket = config.socket_path();
    if control::is_answered(&socket).await {
        let reason = format!(
            "a collector answers on {}: stop it first (systemctl stop tocsin-collector)",
            socket.display()
        );
        return Err(Failure::new(Code::Conflict, reason));
    }
    restore(config, dir, (clock::system())(), progress()).await
}

async fn check(config: &Config, dir: Option<PathBuf>) -> Result<Findings, Failure> {
    let socket = cli::socket(config);
    match dir {
        Some(dir) => check_backup(dir, progress()).await.map(|(_, findings)| findings),
        None if control::is_answered(&socket).await => ask(&socket, &Ask::Verify).await,
        None => check_closed(config, progress()).await,
    }
}

/// Asks the running collector and prints how far it is.
async fn ask<T: DeserializeOwned>(socket: &Path, request: &Ask) -> Result<T, Failure> {
    match control::ask_telling(socket, request, tell).await {
        Ok(Answer::Done(value)) => {
            serde_json::from_value(value).map_err(|error| Failure::new(Code::Internal, error.to_string()))
        }
        Ok(Answer::Failed { code, reason }) => Err(Failure::new(code, reason)),
        Err(reason) => Err(Failure::new(Code::Unavailable, reason)),
    }
}

fn progress() -> Listener {
    Listener::new(|line| tell(&line))
}

/// Progress goes to standard error, so that a script can use what is printed.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn describe(written: &Written) -> String {
    format!(
        "backed up into {}: {} files, {} MiB of samples ({} files linked, {} MiB copied)\nledger: {}\n\
         it holds the site's private keys: keep it as safe as the collector",
        written.dir.display(),
        written.files,
        written.bytes >> 20,
        written.linked_files,
        written.copied_bytes >> 20,
        written.ledger
    )
}

/// Prints what was found; the status says whether it is whole.
fn report(findings: &Findings) -> ExitCode {
    let mut text = String::new();
    for damage in &findings.damages {
        text.push_str(&format!("DAMAGED {damage}\n"));
    }
    if findings.further_damages > 0 {
        text.push_str(&format!("DAMAGED {} more places\n", findings.further_damages));
    }
    for remark in &findings.remarks {
        text.push_str(&format!("note: {remark}\n"));
    }
    if findings.unknown_files > 0 {
        let line = format!(
            "note: {} files are of a kind unknown to this version\n",
            findings.unknown_files
        );
        text.push_str(&line);
    }
    let audit = match findings.audit_lines {
        Some(lines) => format!("{lines} lines of the audit trail"),
        None => "no audit trail".to_owned(),
    };
    let attachments = findings
        .attachments
        .map_or_else(String::new, |count| format!(", {count} attachments"));
    let verdict = if findings.is_whole() { "whole" } else { "NOT whole" };
    text.push_str(&format!(
        "{verdict}: {} files ({} MiB), {} records, {} blocks, {} columns, {audit}{attachments}",
        findings.files,
        findings.bytes >> 20,
        findings.records,
        findings.blocks,
        findings.columns,
    ));
    let printed = cli::print(&text);
    if findings.is_whole() {
        printed
    } else {
        ExitCode::from(Code::FailedPrecondition.exit_status())
    }
}

fn fail(failure: &Failure) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "tocsin-collector: {}", failure.reason);
    ExitCode::from(failure.code.exit_status())
}
