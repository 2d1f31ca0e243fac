//! What did not come in time: runs that were missed, runs that take too long, copies that are too old, restores that
//! nobody tried.
//!
//! Deadlines follow from what the ledger has beside each job, so they survive a restart. A collector that starts was
//! blind: what fell due meanwhile is judged a minute later, when agents had time to tell what they kept.

use super::{Backups, events};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tocsin_desk::backup::{Job, JobRun, Schedule, expectation, verdict};
use tocsin_ledger::LedgerError;
use tocsin_vocabulary::{JobId, RunId, RunResult, Severity, Timestamp, time::format_duration};
use tokio_util::sync::CancellationToken;

/// How long agents have after a start to tell what they kept.
const BLIND: Duration = Duration::from_secs(60);
/// After a ledger that can't be written, deadlines are looked at again.
const RETRY: Duration = Duration::from_secs(5);
/// The longest sleep: a clock that was set is noticed by then.
const LOOK: Duration = Duration::from_secs(30);

/// Of one job.
#[derive(Debug, Default, Clone)]
struct Due {
    missed: Option<Timestamp>,
    overrun: Option<(RunId, Timestamp)>,
    rpo: Option<Timestamp>,
    drill: Option<Timestamp>,
}

impl Due {
    fn next(&self) -> Option<Timestamp> {
        let overrun = self.overrun.map(|(_, at)| at);
        [self.missed, overrun, self.rpo, self.drill].into_iter().flatten().min()
    }
}

/// Of all jobs.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    jobs: HashMap<JobId, Due>,
    /// Nothing is judged before.
    not_before: Timestamp,
}

impl Deadlines {
    fn next(&self) -> Option<Timestamp> {
        let next = self.jobs.values().filter_map(Due::next).min();
        next.map(|at| at.max(self.not_before))
    }

    /// Jobs with something due at `now`.
    fn due(&self, now: Timestamp) -> Vec<JobId> {
        if now < self.not_before {
            return Vec::new();
        }
        let due = self
            .jobs
            .iter()
            .filter(|(_, due)| due.next().is_some_and(|at| at <= now));
        due.map(|(job, _)| *job).collect()
    }
}

impl Backups {
    /// Sets a job's deadlines anew; `run` is one that began or ended.
    pub(super) fn arm(&self, job: &Job, run: Option<&JobRun>) {
        let mut deadlines = self.deadlines();
        let due = deadlines.jobs.entry(job.id).or_default();
        due.missed = expectation::deadline(job);
        let millis = Duration::from_millis;
        due.rpo = job.rpo_due().filter(|_| !job.paused);
        let drilled = job.drilled_at.unwrap_or(job.created_at);
        due.drill = (job.drill_every_ms > 0 && !job.paused).then(|| drilled.plus(millis(job.drill_every_ms)));
        if let Some(run) = run {
            let goes_on = run.ended_at.is_none() && job.duration_max_ms > 0;
            if goes_on {
                due.overrun = Some((run.id, run.started_at.plus(millis(job.duration_max_ms))));
            } else if due.overrun.is_some_and(|(id, _)| id == run.id) {
                due.overrun = None;
            }
        }
        drop(deadlines);
        self.changed.notify_one();
    }

    pub(super) fn disarm(&self, job: JobId) {
        self.deadlines().jobs.remove(&job);
    }

    /// Watches deadlines until cancelled.
    pub async fn watch(self: Arc<Self>, cancel: CancellationToken) {
        while let Err(error) = self.begin().await {
            tracing::warn!(%error, "backup jobs can't be read; they are tried again");
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(RETRY) => {}
            }
        }
        loop {
            let now = (self.clock)();
            let pause = self.deadlines().next().map_or(LOOK, |at| at.since(now).min(LOOK));
            tokio::select! {
                () = cancel.cancelled() => return,
                () = self.changed.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "deadlines of backup jobs can't be judged; they are tried again");
                tokio::select! {
                    () = cancel.cancelled() => return,
                    () = tokio::time::sleep(RETRY) => {}
                }
            }
        }
    }

    /// Arms every job from the ledger, and tells the rules again what they may not have heard.
    pub(super) async fn begin(&self) -> Result<(), LedgerError> {
        let now = (self.clock)();
        let jobs = self.ledger.jobs().await?;
        let overdue = jobs
            .iter()
            .any(|job| expectation::deadline(job).is_some_and(|at| at <= now));
        if overdue {
            self.deadlines().not_before = now.plus(BLIND);
        }
        // By host, as they are listed: what is told of one host is stored at once.
        for jobs in jobs.chunk_by(|one, other| one.host == other.host) {
            self.recall(jobs, now).await?;
        }
        Ok(())
    }

    /// Arms the jobs of one host, and tells how each stands.
    async fn recall(&self, jobs: &[Job], now: Timestamp) -> Result<(), LedgerError> {
        let mut told = Vec::new();
        let mut leaders = HashMap::new();
        for job in jobs {
            let newest = self.ledger.runs(job.id, None, 1).await?.into_iter().next();
            self.arm(job, newest.as_ref());
            // What is broken or due again since is not ended by good news of before.
            if let Some(at) = job.drilled_at.filter(|_| job.drill_due(now).is_none()) {
                let done = events::of_job(job, events::DRILL_DONE, Severity::Info, at, String::new(), now);
                told.push((done, false));
            }
            let Some(run) = newest else { continue };
            let is_good = run.result.is_some_and(RunResult::is_good);
            if is_good {
                leaders.insert(job.name.clone(), run.ended_at.unwrap_or(run.started_at));
            }
            let event = events::of_run(job, &run, now).filter(|_| !(is_good && job.breaks_rpo(now)));
            told.extend(event.map(|event| (event, run.late)));
        }
        if let Some(first) = jobs.first() {
            self.tell_all(first.host, told).await;
        }
        for (follower, ended) in jobs.iter().filter_map(|job| Some((job, not_awaited(job, &leaders)?))) {
            self.await_after(follower.id, ended).await?;
        }
        Ok(())
    }

    /// Judges what is due.
    pub(super) async fn look(&self) -> Result<(), LedgerError> {
        let due = self.deadlines().due((self.clock)());
        for id in due {
            let Some(job) = self.ledger.job(id).await? else {
                self.disarm(id);
                continue;
            };
            let _turn = self.turns.of(job.host, &job.name).await;
            // Anew: a run may have come meanwhile.
            if let Some(job) = self.ledger.job(id).await? {
                self.judge_absence(job).await?;
            }
        }
        Ok(())
    }

    async fn judge_absence(&self, mut job: Job) -> Result<(), LedgerError> {
        let now = (self.clock)();
        let (missed, expected_at) = expectation::missed(&job, now);
        for due in &missed {
            let run = JobRun {
                ended_at: Some(now),
                result: Some(RunResult::Missed),
                error: format!("no run since {due}, awaited within {}", format_duration(job.grace())),
                judged_by: "schedule".to_owned(),
                ..JobRun::begun(self.next_id(RunId::next), job.id, *due, now)
            };
            self.ledger.keep_run(&run, expected_at, None, &[]).await?;
            if let Some(event) = events::of_run(&job, &run, now) {
                self.tell(&job, event, false).await;
            }
        }
        if !missed.is_empty()
            && let Some(again) = self.ledger.job(job.id).await?
        {
            job = again;
        }
        let due = self.deadlines().jobs.get(&job.id).cloned().unwrap_or_default();
        self.arm(&job, None);
        self.judge_overrun(&job, &due, now).await?;
        if let Some(at) = due.rpo.filter(|at| *at <= now) {
            let newest = job.stand.good_at.unwrap_or(job.created_at);
            let age = format_duration(Duration::from_secs(now.since(newest).as_secs()));
            let promised = format_duration(Duration::from_millis(job.rpo_ms));
            let body = format!("the newest good copy is {age} old, promised {promised}");
            self.tell(
                &job,
                events::of_job(&job, events::RPO_BROKEN, Severity::Major, at, body, now),
                false,
            )
            .await;
            self.said(&job, |due| due.rpo = None);
        }
        if let Some(at) = due.drill.filter(|at| *at <= now) {
            let body = job.drilled_at.map_or_else(
                || "no restore was ever tried".to_owned(),
                |last| format!("a restore was tried last at {last}"),
            );
            self.tell(
                &job,
                events::of_job(&job, events::DRILL_DUE, Severity::Warning, at, body, now),
                false,
            )
            .await;
            self.said(&job, |due| due.drill = None);
        }
        Ok(())
    }

    async fn judge_overrun(&self, job: &Job, due: &Due, now: Timestamp) -> Result<(), LedgerError> {
        let Some((id, _)) = due.overrun.filter(|(_, at)| *at <= now) else {
            return Ok(());
        };
        self.said(job, |due| due.overrun = None);
        let runs = self.ledger.runs(job.id, None, 10).await?;
        if let Some(run) = runs.into_iter().find(|run| run.id == id && run.ended_at.is_none()) {
            let took = u64::try_from(now.since(run.started_at).as_millis()).unwrap_or(u64::MAX);
            let going_on = JobRun {
                result: Some(RunResult::Overran),
                error: format!("{}, and it goes on", verdict::overran(took, job.duration_max_ms)),
                ..run
            };
            // What comes of it is not known yet, so it is told and not kept.
            if let Some(event) = events::of_run(job, &going_on, now) {
                self.tell(job, event, false).await;
            }
        }
        Ok(())
    }

    /// It was told, and is not told again before something new comes.
    fn said(&self, job: &Job, clear: impl FnOnce(&mut Due)) {
        if let Some(due) = self.deadlines().jobs.get_mut(&job.id) {
            clear(due);
        }
    }
}

/// Since when a job should be awaited that runs after another one, and is not: its leader's good run was kept, and then this
/// collector was killed.
fn not_awaited(job: &Job, leaders: &HashMap<String, Timestamp>) -> Option<Timestamp> {
    let Some(Schedule::After(leader)) = &job.schedule else {
        return None;
    };
    let ended = *leaders.get(leader)?;
    let came = job.stand.last_at.unwrap_or(job.created_at);
    (job.stand.expected_at.is_none() && !job.paused && came < ended).then_some(ended)
}
