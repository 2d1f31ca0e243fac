//! Runs that come: from agents as events, from pings and people as they are.

use super::{Backups, events, turns::Turn};
use std::time::Duration;
use tocsin_desk::{
    backup::{Job, JobRun, Origin, Plan, expectation, plan, verdict},
    record::{AuditLine, EventRecord},
};
use tocsin_ledger::LedgerError;
use tocsin_vocabulary::{
    HostId, JobId, RunId, RunResult, Timestamp,
    backup::{JOB_DECLARED, JOB_FOUND, RUN_ENDED, RUN_STARTED, job_name},
    time::{HumanDuration, parse_duration},
};

/// Whether an event of an agent is about a run.
pub(crate) fn is_run(event: &EventRecord) -> bool {
    [RUN_ENDED, RUN_STARTED, JOB_DECLARED, JOB_FOUND].contains(&event.name.as_str())
}

impl Backups {
    /// Takes what a host tells of its runs; with each that came late, how long ago it was. When this comes back, every run is kept and judged.
    ///
    /// # Errors
    /// When the ledger can't be read or written; the host has to tell it again.
    pub async fn told(&self, host: HostId, events: &[(EventRecord, Option<Duration>)]) -> Result<(), LedgerError> {
        for (event, late) in events.iter().filter(|(event, _)| is_run(event)) {
            let name = job_name(event.attributes.get("job").map_or("", String::as_str));
            if name.is_empty() {
                continue; // of no job; it is on the host's page as it came
            }
            let turn = self.turns.of(host, &name).await;
            if event.name == JOB_DECLARED {
                self.declared(host, &name, event).await?;
                continue;
            }
            if event.name == JOB_FOUND {
                self.found(host, &name, event).await?;
                continue;
            }
            let job = self.job_of(host, &name).await?;
            if let Some(run) = run_of(job.id, event, late.is_some()) {
                self.take(job, run, &[], turn).await?;
            }
        }
        Ok(())
    }

    /// A job of a host's configuration. What it does not say stays as people declared it here.
    async fn declared(&self, host: HostId, name: &str, event: &EventRecord) -> Result<(), LedgerError> {
        let before = self.ledger.job_named(host, name).await?;
        let id = before.as_ref().map_or_else(|| self.next_id(JobId::next), |job| job.id);
        match plan_of(name, event).apply(before.as_ref(), id, host, &self.zone, (self.clock)()) {
            Ok(job) if before.as_ref() != Some(&job) => match self.circle(&job).await? {
                Some(circle) => tracing::warn!(%host, job = name, circle, "a host declares a backup job that can't be"),
                None => {
                    self.ledger.declare_job(&job, &[]).await?;
                    self.arm(&job, None);
                }
            },
            Ok(_) => {}
            Err(error) => tracing::warn!(%host, job = name, %error, "a host declares a backup job that can't be"),
        }
        Ok(())
    }

    /// A job that a host found in a timer or crontab: seen, with its schedule filled in, so that one button adopts it. What
    /// people have declared stays as it is.
    async fn found(&self, host: HostId, name: &str, event: &EventRecord) -> Result<(), LedgerError> {
        let before = self.ledger.job_named(host, name).await?;
        if before.as_ref().is_some_and(|job| job.origin == Origin::Declared) {
            return Ok(());
        }
        let (id, now) = (self.next_id(JobId::next), (self.clock)());
        let before = before.unwrap_or_else(|| plan::seen(id, host, name, &self.zone, now));
        match plan_of(name, event).found(&before) {
            Ok(job) => self.ledger.declare_job(&job, &[]).await?,
            Err(error) => tracing::warn!(%host, job = name, %error, "a host found a backup job that can't be"),
        }
        Ok(())
    }

    /// The job of a host by its name, while it is its turn; one that nobody has declared is written down as seen.
    pub(super) async fn job_of(&self, host: HostId, name: &str) -> Result<Job, LedgerError> {
        if let Some(job) = self.ledger.job_named(host, name).await? {
            return Ok(job);
        }
        let now = (self.clock)();
        let job = plan::seen(self.next_id(JobId::next), host, name, &self.zone, now);
        self.ledger.declare_job(&job, &[]).await?;
        Ok(job)
    }

    /// Judges a run, keeps it, and tells the rules; ends the job's turn.
    pub(super) async fn take(
        &self,
        job: Job,
        mut run: JobRun,
        lines: &[AuditLine],
        turn: Turn,
    ) -> Result<JobRun, LedgerError> {
        if run.ended_at.is_some() {
            let sizes = self.ledger.run_sizes(job.id, run.started_at).await?;
            let (result, error) = verdict::judge(&job, &run, &sizes);
            (run.result, run.error) = (Some(result), error);
        }
        let expected_at = expectation::after_run(&job, run.started_at);
        // A run that was told late takes the place of the one that was missed.
        let missed = self.missed_before(&job, run.started_at).await?;
        let news = self.ledger.keep_run(&run, expected_at, missed, lines).await?;
        let Some(job) = self.ledger.job(job.id).await? else {
            return Ok(run);
        };
        self.arm(&job, Some(&run));
        // What comes late and is not the newest of its job any more is of the past: it is on record, and nobody is woken.
        let newest = job.stand.last_at.is_none_or(|last| last <= run.started_at);
        let to_tell = if run.late { newest } else { news };
        if let Some(event) = events::of_run(&job, &run, (self.clock)()).filter(|_| to_tell) {
            self.tell(&job, event, run.late).await;
        }
        drop(turn);
        if news && newest && run.result.is_some_and(RunResult::is_good) {
            self.lead(&job, run.ended_at.unwrap_or(run.started_at)).await?;
        }
        Ok(run)
    }

    /// The missed run that a run which began at `started` shows to be none.
    async fn missed_before(&self, job: &Job, started: Timestamp) -> Result<Option<Timestamp>, LedgerError> {
        if job.schedule.is_none() {
            return Ok(None);
        }
        let until = started
            .plus(expectation::EARLY_MAX)
            .plus(std::time::Duration::from_millis(1));
        let newest = self.ledger.runs(job.id, Some(until), 1).await?;
        let missed = newest.first().filter(|newest| newest.result == Some(RunResult::Missed));
        Ok(missed
            .map(|missed| missed.started_at)
            .filter(|due| expectation::answers(job, *due, started)))
    }

    /// Jobs that follow this one are awaited from now on.
    async fn lead(&self, leader: &Job, ended: Timestamp) -> Result<(), LedgerError> {
        for follower in self.ledger.followers(leader.host, &leader.name).await? {
            self.await_after(follower.id, ended).await?;
        }
        Ok(())
    }

    /// Awaits a follower from its leader's end on; waits for its turn.
    pub(super) async fn await_after(&self, follower: JobId, ended: Timestamp) -> Result<(), LedgerError> {
        let Some(job) = self.ledger.job(follower).await? else {
            return Ok(());
        };
        let _turn = self.turns.of(job.host, &job.name).await;
        if let Some(mut job) = self.ledger.job(follower).await?.filter(|job| !job.paused) {
            job.stand.expected_at = Some(ended);
            self.ledger.declare_job(&job, &[]).await?;
            self.arm(&job, None);
        }
        Ok(())
    }
}

/// A plan as an agent tells it.
fn plan_of(name: &str, event: &EventRecord) -> Plan {
    let text = |key: &str| event.attributes.get(key).cloned();
    let duration = |key: &str| parse_duration(event.attributes.get(key)?).ok().map(HumanDuration);
    let bytes = |key: &str| event.attributes.get(key)?.parse().ok();
    Plan {
        name: name.to_owned(),
        schedule: text("schedule"),
        zone: text("zone"),
        grace: duration("grace"),
        duration_max: duration("duration_max"),
        bytes_min: bytes("bytes_min"),
        bytes_max: bytes("bytes_max"),
        rpo: duration("rpo"),
        drill_every: duration("drill_every"),
        tool: text("tool"),
        content: text("content"),
        target: text("target"),
        retention: text("retention"),
        owner: text("owner"),
        ..Plan::default()
    }
}

/// A run as an agent tells it; none without its number.
fn run_of(job: JobId, event: &EventRecord, late: bool) -> Option<JobRun> {
    let text = |key: &str| event.attributes.get(key).cloned().unwrap_or_default();
    let number = |key: &str| text(key).parse::<u64>().ok();
    let small = |key: &str| text(key).parse::<i32>().ok();
    let time = |key: &str| text(key).parse::<i64>().ok().map(Timestamp::from_millis);
    let id: RunId = text("run").parse().ok()?;
    let ended = event.name == RUN_ENDED;
    Some(JobRun {
        ended_at: ended.then(|| time("ended_ms").unwrap_or(event.at)),
        duration_ms: number("duration_ms").filter(|_| ended),
        reported: ended.then(|| text("result").parse().unwrap_or(RunResult::Failed)),
        exit_code: small("exit_code"),
        signal: small("signal"),
        bytes: number("bytes"),
        bytes_added: number("bytes_added"),
        files: number("files"),
        artefact: text("artefact"),
        judged_by: text("judged_by"),
        error: text("error"),
        tail: event.body.clone(),
        late,
        ..JobRun::begun(id, job, time("started_ms").unwrap_or(event.at), event.received_at)
    })
}
