//! Jobs that people declare, runs that they note by hand, restores that they tried.

use super::{Backups, events, turns::Turn};
use crate::clock;
use tocsin_console::backend::Failure;
use tocsin_desk::{
    backup::{Job, JobRun, Note, Plan, Schedule},
    record::AuditLine,
};
use tocsin_ledger::LedgerError;
use tocsin_vocabulary::{Code, HostId, JobId, RunId, Severity, Timestamp};

/// Shortest reason of a run by hand, in characters: one that a reader of the calendar can do something with.
const REASON_CHARS_MIN: usize = 3;
/// Longest reason, in characters.
const REASON_CHARS_MAX: usize = 1_000;

/// Jobs that run one after another.
const CHAIN_MAX: usize = 50;

/// Who does it, for the audit trail.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Actor<'a> {
    /// Login, or `cli`.
    pub(crate) who: &'a str,
    /// `console`, `api` or `cli`.
    pub(crate) via: &'a str,
}

fn failed(error: &LedgerError) -> Failure {
    Failure::new(error.code(), error.to_string())
}

fn unknown() -> Failure {
    Failure::new(Code::NotFound, "there is no such backup job")
}

impl Backups {
    fn line(&self, actor: Actor<'_>, action: &str, subject: &str, detail: &str) -> AuditLine {
        AuditLine {
            at: (self.clock)(),
            actor: actor.who.to_owned(),
            via: actor.via.to_owned(),
            action: action.to_owned(),
            subject: subject.to_owned(),
            detail: detail.to_owned(),
        }
    }

    /// Declares a job of a host, or changes the one of that name; adopts one that was seen. With `ping` it gets an address
    /// for pings, and keeps the one it has.
    ///
    /// # Errors
    /// When the plan is wrong or the ledger refuses.
    pub(crate) async fn declare(
        &self,
        host: HostId,
        plan: &Plan,
        ping: bool,
        actor: Actor<'_>,
    ) -> Result<Job, Failure> {
        let _turn = self.turns.of(host, plan.name.trim()).await;
        let before = self
            .ledger
            .job_named(host, plan.name.trim())
            .await
            .map_err(|error| failed(&error))?;
        let id = before.as_ref().map_or_else(|| self.next_id(JobId::next), |job| job.id);
        let now = (self.clock)();
        let mut job = plan
            .apply(before.as_ref(), id, host, &self.zone, now)
            .map_err(|error| Failure::new(Code::InvalidInput, error.to_string()))?;
        if ping && job.ping_key.is_empty() {
            job.ping_key = clock::secret().map_err(|error| Failure::new(Code::Internal, error.to_string()))?;
        }
        if let Some(circle) = self.circle(&job).await.map_err(|error| failed(&error))? {
            return Err(Failure::new(Code::InvalidInput, circle));
        }
        let line = self.line(actor, "backup.job.declare", &job.name, &host.to_string());
        self.ledger
            .declare_job(&job, &[line])
            .await
            .map_err(|error| failed(&error))?;
        self.arm(&job, None);
        Ok(job)
    }

    /// Says so when a job would run after itself, by way of others or not: each would await the other for ever.
    pub(super) async fn circle(&self, job: &Job) -> Result<Option<String>, LedgerError> {
        let mut way = job.name.clone();
        let mut schedule = job.schedule.clone();
        for _ in 0..CHAIN_MAX {
            let Some(Schedule::After(leader)) = schedule else {
                return Ok(None);
            };
            way.push_str(" after ");
            way.push_str(&leader);
            if leader == job.name {
                return Ok(Some(format!("a job can't run after itself: {way}")));
            }
            schedule = self
                .ledger
                .job_named(job.host, &leader)
                .await?
                .and_then(|job| job.schedule);
        }
        Ok(Some(format!("more than {CHAIN_MAX} jobs run one after another: {way}")))
    }

    /// Forgets a job and its runs.
    ///
    /// # Errors
    /// When there is none, or the ledger refuses.
    pub(crate) async fn forget(&self, id: JobId, actor: Actor<'_>) -> Result<Job, Failure> {
        let (job, _turn) = self.held(id).await?;
        let line = self.line(actor, "backup.job.forget", &job.name, &job.host.to_string());
        self.ledger
            .forget_job(id, &[line])
            .await
            .map_err(|error| failed(&error))?;
        self.disarm(id);
        Ok(job)
    }

    /// A job, and its turn.
    async fn held(&self, id: JobId) -> Result<(Job, Turn), Failure> {
        let job = self.find(id).await?;
        let turn = self.turns.of(job.host, &job.name).await;
        // Anew: somebody may have decided about it meanwhile.
        Ok((self.find(id).await?, turn))
    }

    async fn find(&self, id: JobId) -> Result<Job, Failure> {
        let found = self.ledger.job(id).await.map_err(|error| failed(&error))?;
        found.ok_or_else(unknown)
    }

    /// Notes a run that somebody made by hand.
    ///
    /// # Errors
    /// When there is no such job, the reason is missing, the time is to come, or the ledger refuses.
    pub(crate) async fn note(&self, id: JobId, note: &Note, actor: Actor<'_>) -> Result<JobRun, Failure> {
        let (job, turn) = self.held(id).await?;
        let reason = note.reason.trim();
        if !(REASON_CHARS_MIN..=REASON_CHARS_MAX).contains(&reason.chars().count()) {
            let range = format!("a run by hand needs a reason of {REASON_CHARS_MIN} to {REASON_CHARS_MAX} characters");
            return Err(Failure::new(Code::InvalidInput, range));
        }
        let now = (self.clock)();
        let started = note.started_at.unwrap_or(now);
        if started > now {
            return Err(Failure::new(
                Code::InvalidInput,
                "a run by hand can't begin in the future",
            ));
        }
        let run = JobRun {
            ended_at: Some(now),
            reported: Some(note.result),
            error: reason.to_owned(),
            judged_by: "person".to_owned(),
            noted_by: actor.who.to_owned(),
            ..JobRun::begun(self.next_id(RunId::next), id, started, now)
        };
        let line = self.line(actor, "backup.run.note", &job.name, reason);
        self.take(job, run, &[line], turn).await.map_err(|error| failed(&error))
    }

    /// Notes that a restore was tried.
    ///
    /// # Errors
    /// When there is no such job, the time is to come, or the ledger refuses.
    pub(crate) async fn drilled(&self, id: JobId, at: Option<Timestamp>, actor: Actor<'_>) -> Result<Job, Failure> {
        let (mut job, _turn) = self.held(id).await?;
        let now = (self.clock)();
        let at = at.unwrap_or(now);
        if at > now {
            return Err(Failure::new(
                Code::InvalidInput,
                "a restore can't have been tried in the future",
            ));
        }
        job.drilled_at = job.drilled_at.max(Some(at));
        let line = self.line(actor, "backup.drill", &job.name, &at.to_string());
        self.ledger
            .declare_job(&job, &[line])
            .await
            .map_err(|error| failed(&error))?;
        self.arm(&job, None);
        let done = events::of_job(&job, events::DRILL_DONE, Severity::Info, at, String::new(), now);
        self.tell(&job, done, false).await;
        Ok(job)
    }
}
