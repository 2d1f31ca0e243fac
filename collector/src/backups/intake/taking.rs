//! From what a text says to runs of jobs.

use super::{
    super::{Backups, run_of_words},
    Source,
};
use jiff::tz::TimeZone;
use std::{cmp::Reverse, time::Duration};
use tocsin_adapters::{Output, Reading};
use tocsin_desk::backup::JobRun;
use tocsin_ledger::LedgerError;
use tocsin_vocabulary::{
    HostId, JobId, Timestamp,
    backup::{JOB_NAME_CHARS_MAX, job_name},
};

/// A run that ended so long ago is late: it is on record, and pages only while it is the newest of its job.
const LATE_AFTER: Duration = Duration::from_secs(900);
/// Of what the appliance said, so many characters from its end are kept with a run.
const TAIL_CHARS_MAX: usize = 4_096;
/// Longest error of a run, in characters.
const ERROR_CHARS_MAX: usize = 2_000;

/// What can't be taken in.
#[derive(Debug, thiserror::Error)]
pub(super) enum TakingError {
    /// The configuration names a host that is not there.
    #[error("there is no host `{0}`, or several: name one of `tocsin-collector agent list`")]
    Host(String),
    /// The ledger can't be read or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl TakingError {
    /// Whether it is worth waiting for.
    pub(super) const fn may_pass(&self) -> bool {
        matches!(self, Self::Ledger(_))
    }
}

/// What a source told.
pub(super) struct Told<'a> {
    /// All of it.
    pub(super) text: &'a str,
    /// When: of what says no time itself.
    pub(super) at: Timestamp,
    /// By which it is the same when it is told again; empty: its time tells.
    pub(super) id: &'a str,
}

/// A text as adapters read it.
pub(super) const fn output<'a>(text: &'a str, zone: &'a TimeZone, now: Timestamp) -> Output<'a> {
    Output {
        exit_code: None,
        stdout: Some(text),
        stderr: "",
        zone,
        now,
    }
}

impl Backups {
    /// Keeps every run that a text tells of. The newest comes first, so that what it makes up for wakes nobody.
    ///
    /// # Errors
    /// When the host is not there or the ledger can't be written: it is to be told again, which changes nothing of what is kept.
    pub(super) async fn take_in(&self, source: &Source, told: &Told<'_>) -> Result<(), TakingError> {
        let now = (self.clock)();
        let readings = source.judge.runs(&output(told.text, &source.zone, now));
        let alone = readings.len() == 1;
        let ended = readings.into_iter().filter(|reading| !reading.running);
        let mut runs: Vec<(String, JobRun)> = ended.map(|reading| run_of(source, reading, told, now)).collect();
        if runs.is_empty() {
            return Ok(());
        }
        runs.sort_by_key(|(_, run)| Reverse(run.ended_at));
        let host = self.host_of(&source.config.host).await?;
        let mut kept = 0;
        for (name, mut run) in runs {
            if self.ledger.has_run(run.id).await? {
                continue;
            }
            let turn = self.turns.of(host, &name).await;
            let job = self.job_of(host, &name).await?;
            run.job = job.id;
            if alone {
                let from = told.text.char_indices().rev().nth(TAIL_CHARS_MAX - 1);
                run.tail = told.text[from.map_or(0, |(at, _)| at)..].to_owned();
            }
            self.take(job, run, &[], turn).await?;
            kept += 1;
        }
        self.intake.kept(&source.config.name, kept);
        Ok(())
    }

    async fn host_of(&self, name: &str) -> Result<HostId, TakingError> {
        let hosts = self.ledger.hosts().await?;
        let id = name.parse().ok();
        let mut found = hosts.iter().filter(|host| host.name == name || Some(host.id) == id);
        match (found.next(), found.next()) {
            (Some(host), None) => Ok(host.id),
            _ => Err(TakingError::Host(name.to_owned())),
        }
    }
}

/// The run that a reading tells of, and its job's name; which job it is, is filled in later.
fn run_of(source: &Source, reading: Reading, told: &Told<'_>, now: Timestamp) -> (String, JobRun) {
    let millis = Duration::from_millis;
    let took = reading.duration_ms;
    let ended = reading.ended_at;
    let began = reading.started_at.or_else(|| Some(ended?.minus(millis(took?))));
    let ended = ended.or_else(|| Some(began?.plus(millis(took?))));
    // A clock that is ahead of ours, or a zone that is wrong, makes no run of tomorrow.
    let ended_at = ended.or(began).unwrap_or(told.at).min(now);
    let started_at = began.unwrap_or(ended_at).min(ended_at);
    let names = [reading.job.as_str(), &source.config.job, &source.config.name];
    let name = names.into_iter().map(job_name).find(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| source.config.name.chars().take(JOB_NAME_CHARS_MAX).collect());
    let said_when = reading.started_at.or(reading.ended_at);
    let same = [
        source.config.name.as_str(),
        &name,
        &reading.artefact,
        &said_when.unwrap_or(told.at).as_millis().to_string(),
        // Of what says no time, each telling is a run.
        if said_when.is_none() { told.id } else { "" },
    ];
    let id = run_of_words(&same.join("\0"));
    let run = JobRun {
        ended_at: Some(ended_at),
        duration_ms: took.or_else(|| {
            let known = reading.started_at.is_some() && reading.ended_at.is_some();
            known.then(|| u64::try_from(ended_at.since(started_at).as_millis()).unwrap_or(u64::MAX))
        }),
        reported: Some(reading.result),
        bytes: reading.bytes,
        bytes_added: reading.bytes_added,
        files: reading.files,
        artefact: reading.artefact,
        judged_by: source.judge.name().to_owned(),
        error: reading.error.chars().take(ERROR_CHARS_MAX).collect(),
        late: now.since(ended_at) > LATE_AFTER,
        ..JobRun::begun(id, JobId::from_bytes([0; 16]), started_at, now)
    };
    (name, run)
}
