//! How rules are told of what became of a job: as events of its host, numbered so that the same thing told twice is one.

use super::Backups;
use crate::engine::Command;
use std::collections::BTreeMap;
use tocsin_desk::{
    backup::{Job, JobRun},
    record::EventRecord,
};
use tocsin_vocabulary::{Hash, HostId, RunResult, Severity, SpoolId, Timestamp};

/// Events of ours about a host are kept beside its own under this spool, which no agent can have.
pub(crate) const OUR_SPOOL: [u8; 16] = *b"tocsin-collector";
/// A restore drill that is due.
pub(super) const DRILL_DUE: &str = "backup.drill.due";
/// A restore that was tried.
pub(super) const DRILL_DONE: &str = "backup.drill.done";
/// The newest good copy is older than promised.
pub(super) const RPO_BROKEN: &str = "backup.rpo.broken";
/// Of an attribute, in characters.
const ATTRIBUTE_CHARS_MAX: usize = 256;

/// The number of what happened to `about` at `time`: the same again is the same number. Below 2⁶³, as ledgers count.
pub(crate) fn number(about: &str, name: &str, time: Timestamp) -> u64 {
    let hash = Hash::of(format!("{about} {name} {}", time.as_millis()).as_bytes());
    let mut first = [0; 8];
    for (to, from) in first.iter_mut().zip(hash.as_bytes()) {
        *to = *from;
    }
    u64::from_be_bytes(first) >> 1
}

fn name_of(result: RunResult) -> String {
    format!("backup.run.{result}")
}

const fn severity_of(result: RunResult) -> Severity {
    match result {
        RunResult::Ok => Severity::Info,
        RunResult::Warning | RunResult::Overran => Severity::Warning,
        RunResult::Shrunk | RunResult::Failed | RunResult::Missed => Severity::Major,
    }
}

/// The event that tells of a run's verdict; none while it goes on.
pub(super) fn of_run(job: &Job, run: &JobRun, now: Timestamp) -> Option<EventRecord> {
    let result = run.result?;
    let at = run.ended_at.unwrap_or(run.started_at);
    let name = name_of(result);
    let mut attributes = about(job);
    attributes.insert("run".to_owned(), run.id.to_string());
    attributes.insert("result".to_owned(), result.to_string());
    if let Some(code) = run.exit_code {
        attributes.insert("exit_code".to_owned(), code.to_string());
    }
    let error: String = run.error.chars().take(ATTRIBUTE_CHARS_MAX).collect();
    attributes.insert("error".to_owned(), error);
    Some(EventRecord {
        seq: number(&run.id.to_string(), &name, at),
        at,
        received_at: now,
        name,
        severity: severity_of(result),
        attributes,
        body: run.error.clone(),
    })
}

/// An event about the job itself.
pub(super) fn of_job(
    job: &Job,
    name: &str,
    severity: Severity,
    at: Timestamp,
    body: String,
    now: Timestamp,
) -> EventRecord {
    EventRecord {
        seq: number(&job.id.to_string(), name, at),
        at,
        received_at: now,
        name: name.to_owned(),
        severity,
        attributes: about(job),
        body,
    }
}

fn about(job: &Job) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("job".to_owned(), job.name.clone()),
        ("job_id".to_owned(), job.id.to_string()),
    ])
}

impl Backups {
    /// Tells the rules, and keeps the event beside those of the host.
    pub(super) async fn tell(&self, job: &Job, event: EventRecord, late: bool) {
        self.tell_all(job.host, vec![(event, late)]).await;
    }

    /// The same for several events of a host, each with whether it came late.
    pub(super) async fn tell_all(&self, host: HostId, told: Vec<(EventRecord, bool)>) {
        if told.is_empty() {
            return;
        }
        let spool = SpoolId::from_bytes(OUR_SPOOL);
        let events: Vec<EventRecord> = told.iter().map(|(event, _)| event.clone()).collect();
        // The rules need it more than the host's page does.
        if let Err(error) = self.ledger.store_events(host, spool, &events).await {
            tracing::warn!(%host, %error, "events about backup jobs are not on their host's page");
        }
        let with_lateness = told.into_iter().map(|(event, late)| {
            let ago = late.then(|| event.received_at.since(event.at));
            (event, ago)
        });
        let command = Command::Events(host, spool, with_lateness.collect());
        self.engine.send(command).await;
    }
}
