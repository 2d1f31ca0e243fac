//! Reading a collector's state or a backup through: what is damaged, and what that costs.

use super::{ATTACHMENTS, LEDGER, Listener, METRICS, blocking, chain, of_ledger};
use crate::{attachments, config::Config};
use serde::{Deserialize, Serialize};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tocsin_console::backend::Failure;
use tocsin_desk::paper::attachment::Attachment;
use tocsin_ledger::{Chain, Ledger};
use tocsin_metrics::{
    RealDisk, Store,
    backup::{BackupError, MANIFEST, Manifest},
    verify::{Damage, Verified, verify_backup, verify_closed, verify_files},
};
use tocsin_vocabulary::Code;

/// What was read and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Findings {
    /// Files of the metric store that were read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whole records of journal and dictionaries.
    pub records: u64,
    /// Whole block headers.
    pub blocks: u64,
    /// Whole columns of blocks.
    pub columns: u64,
    /// Files whose kind this version does not know.
    pub unknown_files: u64,
    /// Lines of the audit trail; none when the ledger is not here.
    pub audit_lines: Option<u64>,
    /// Attachments that are as they were written; none when the ledger that names them is not here.
    #[serde(default)]
    pub attachments: Option<u64>,
    /// What is no damage, but somebody may wonder about.
    pub remarks: Vec<String>,
    /// Each damaged place: file, offset, what, and what it costs.
    pub damages: Vec<String>,
    /// Damaged places beyond those.
    pub further_damages: u64,
}

impl Findings {
    /// Whether everything is as it was written.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.damages.is_empty() && self.further_damages == 0
    }

    fn of_store(found: Verified) -> Self {
        let under_metrics = |mut damage: Damage| {
            damage.path = format!("{METRICS}/{}", damage.path);
            damage.to_string()
        };
        Self {
            files: found.files,
            bytes: found.bytes,
            records: found.records,
            blocks: found.blocks,
            columns: found.columns,
            unknown_files: found.unknown_files,
            audit_lines: None,
            attachments: None,
            remarks: found
                .unfinished
                .iter()
                .map(|place| format!("{METRICS}/{place} was cut off; nothing in it was acknowledged"))
                .collect(),
            damages: found.damages.into_iter().map(under_metrics).collect(),
            further_damages: found.further_damages,
        }
    }

    /// Adds what the ledger's pages and its audit trail say.
    async fn add_ledger(&mut self, ledger: &Ledger) {
        match ledger.damages().await {
            Ok(damages) => {
                let words = |damage| format!("{LEDGER}: {damage}; tickets, people or hosts may be lost: use a backup");
                self.damages.extend(damages.into_iter().map(words));
            }
            Err(error) => self.damages.push(format!("{LEDGER}: {}", chain(&error))),
        }
        match ledger.verify_audit().await {
            Ok(Chain::Whole { lines }) => self.audit_lines = Some(lines),
            Ok(Chain::Broken { at }) => self.damages.push(format!(
                "{LEDGER}: line {at} of the audit trail is missing or was changed; from there on it proves nothing"
            )),
            Err(error) => self
                .damages
                .push(format!("{LEDGER}: the audit trail can't be read: {}", chain(&error))),
        }
    }

    /// Reads every attachment that the ledger names and compares it with its digest.
    async fn add_attachments(&mut self, ledger: &Ledger, folder: PathBuf) {
        let (mut after, mut whole) = (0, 0);
        loop {
            let slice = match ledger.attachments_after(after, SLICE).await {
                Ok(slice) => slice,
                Err(error) => {
                    self.damages.push(format!("{ATTACHMENTS}: {}", chain(&error)));
                    return;
                }
            };
            let Some(last) = slice.last() else { break };
            after = last.id;
            let folder = folder.clone();
            let read = tokio::task::spawn_blocking(move || {
                let bad = |one: &Attachment| {
                    let path = folder.join(attachments::place(&one.digest));
                    attachments::read(&path, &one.digest).err().map(|error| chain(&error))
                };
                slice.iter().map(bad).collect::<Vec<_>>()
            });
            for outcome in read.await.unwrap_or_else(|error| vec![Some(error.to_string())]) {
                match outcome {
                    None => whole += 1,
                    Some(reason) if self.damages.len() < DAMAGES_MAX => {
                        self.damages.push(format!(
                            "{ATTACHMENTS}: {reason}; what was signed or handed in there is lost"
                        ));
                    }
                    Some(_) => self.further_damages += 1,
                }
            }
        }
        self.attachments = Some(whole);
    }
}

/// Attachments whose files are read in one go.
const SLICE: u32 = 100;
/// Damaged places that are told one by one.
const DAMAGES_MAX: usize = 100;

/// Checks a running collector's own state.
pub(super) async fn check_live(
    ledger: &Ledger,
    store: Arc<Store>,
    attachments: PathBuf,
    listener: Listener,
) -> Result<Findings, Failure> {
    let found = blocking(move || store.verify(&listener.steps("metric store"))).await?;
    let mut findings = Findings::of_store(found);
    findings.add_ledger(ledger).await;
    findings.add_attachments(ledger, attachments).await;
    Ok(findings)
}

/// Checks the state folder of a collector that does not run.
///
/// # Errors
/// When one runs after all, or there is nothing to check.
pub async fn check_closed(config: &Config, listener: Listener) -> Result<Findings, Failure> {
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
    let found = blocking(move || verify_closed(&RealDisk::new(), &metrics, &listener.steps("metric store"))).await?;
    let mut findings = Findings::of_store(found);
    findings.add_ledger(&ledger).await;
    findings
        .add_attachments(&ledger, config.state_dir.join(ATTACHMENTS))
        .await;
    ledger.close().await;
    Ok(findings)
}

/// Checks the backup in `dir`.
///
/// # Errors
/// When it is no finished backup, or its manifest is damaged.
pub async fn check_backup(dir: PathBuf, listener: Listener) -> Result<(Manifest, Findings), Failure> {
    let (path, kept) = (dir.join(LEDGER), dir.join(ATTACHMENTS));
    let (manifest, mut findings) = blocking(move || files_of(&dir, &listener)).await?;
    if manifest.entries.iter().any(|entry| entry.path == LEDGER) {
        match Ledger::open_copy(&path).await {
            Ok(ledger) => {
                findings.add_ledger(&ledger).await;
                findings.add_attachments(&ledger, kept).await;
                ledger.close().await;
            }
            Err(error) => findings.damages.push(format!("{LEDGER}: {}", chain(&error))),
        }
    }
    findings.remarks.extend(manifest.about.clone());
    Ok((manifest, findings))
}

fn files_of(dir: &Path, listener: &Listener) -> Result<(Manifest, Findings), BackupError> {
    let disk = RealDisk::new();
    let (manifest, damages) = verify_files(&disk, dir, &listener.steps("ledger and files"))?;
    let mut findings = match verify_backup(&disk, &dir.join(METRICS), &listener.steps("metric store")) {
        Ok(found) => Findings::of_store(found),
        Err(error @ (BackupError::NoFolder { .. } | BackupError::NoManifest { .. } | BackupError::Manifest { .. })) => {
            Findings {
                damages: vec![format!(
                    "{METRICS}/{MANIFEST}: {error}; no sample can be restored from here"
                )],
                ..Findings::default()
            }
        }
        Err(error) => return Err(error),
    };
    findings.damages.extend(damages.iter().map(ToString::to_string));
    Ok((manifest, findings))
}

/// The refusal to use a backup that is not whole.
pub(super) fn refuse(dir: &Path, findings: &Findings) -> Failure {
    let shown = findings.damages.iter().take(20).map(|damage| format!("\n  {damage}"));
    Failure::new(
        Code::FailedPrecondition,
        format!(
            "the backup in {} is damaged, nothing was restored:{}",
            dir.display(),
            shown.collect::<String>()
        ),
    )
}
