//! Backup jobs and their runs.

use crate::{
    Ledger, LedgerError, audit,
    engine::{Tx, commit},
    statement::{Conditions, Fields, Statement, Value, clean},
};
use tocsin_desk::{
    backup::{Job, JobDay, JobRun, JobStand, Origin, Schedule, verdict::HISTORY_MAX},
    record::AuditLine,
};
use tocsin_vocabulary::{HostId, JobId, RunId, RunResult, Timestamp};

/// Most jobs of the register.
pub const JOBS_MAX: i64 = 20_000;
/// Most runs of one list.
const RUNS_MAX: i64 = 1_000;
/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

const JOB: &str = "SELECT id, host, name, tool, content, target, schedule, zone, grace_ms, duration_max_ms, bytes_min,
    bytes_max, rpo_ms, retention, owner, drill_every_ms, drilled_at, ping_key, origin, paused, created_at, expected_at,
    last_at, last_result, good_at FROM backup_job";
const RUN: &str = "SELECT id, job, started_at, ended_at, received_at, duration_ms, result, reported, exit_code, signal,
    bytes, bytes_added, files, artefact, judged_by, error, tail, late, noted_by FROM backup_run";

pub(crate) const fn badness(result: Option<RunResult>) -> i64 {
    match result {
        None => 0,
        Some(RunResult::Ok) => 1,
        Some(RunResult::Warning) => 2,
        Some(RunResult::Overran) => 3,
        Some(RunResult::Shrunk) => 4,
        Some(RunResult::Failed) => 5,
        Some(RunResult::Missed) => 6,
    }
}

fn of_badness(badness: i64) -> Option<RunResult> {
    RunResult::ALL
        .into_iter()
        .find(|result| self::badness(Some(*result)) == badness)
}

impl Ledger {
    /// Writes a job down, or changes the one with its identity; how it stands is left alone but for what is awaited.
    ///
    /// # Errors
    /// When the ledger can't be written, the host is not there, or another job of the host has the name.
    pub async fn declare_job(&self, job: &Job, lines: &[AuditLine]) -> Result<(), LedgerError> {
        const OPERATION: &str = "declare a backup job";
        let mut tx = self.engine.write(OPERATION).await?;
        let schedule = job.schedule.as_ref().map(ToString::to_string).unwrap_or_default();
        Statement::new(
            OPERATION,
            "INSERT INTO backup_job (id, host, name, tool, content, target, schedule, zone, grace_ms, duration_max_ms,
                bytes_min, bytes_max, rpo_ms, retention, owner, drill_every_ms, drilled_at, ping_key, origin, paused,
                created_at, expected_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, tool = excluded.tool, content = excluded.content,
                target = excluded.target, schedule = excluded.schedule, zone = excluded.zone,
                grace_ms = excluded.grace_ms, duration_max_ms = excluded.duration_max_ms,
                bytes_min = excluded.bytes_min, bytes_max = excluded.bytes_max, rpo_ms = excluded.rpo_ms,
                retention = excluded.retention, owner = excluded.owner, drill_every_ms = excluded.drill_every_ms,
                drilled_at = excluded.drilled_at, ping_key = excluded.ping_key, origin = excluded.origin,
                paused = excluded.paused, expected_at = excluded.expected_at",
        )
        .id(job.id)
        .id(job.host)
        .text(&job.name)
        .text(&job.tool)
        .text(&job.content)
        .text(&job.target)
        .text(&schedule)
        .text(&job.zone)
        .count(job.grace_ms)
        .count(job.duration_max_ms)
        .count(job.bytes_min)
        .count(job.bytes_max)
        .count(job.rpo_ms)
        .text(&job.retention)
        .text(&job.owner)
        .count(job.drill_every_ms)
        .maybe_time(job.drilled_at)
        .text(&job.ping_key)
        .text(job.origin.as_str())
        .flag(job.paused)
        .time(job.created_at)
        .maybe_time(job.stand.expected_at)
        .run(&mut tx)
        .await?;
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await
    }

    /// All jobs, by host and name.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn jobs(&self) -> Result<Vec<Job>, LedgerError> {
        const OPERATION: &str = "list backup jobs";
        let mut tx = self.engine.snapshot(OPERATION).await?;
        let rows = Conditions::default()
            .statement(OPERATION, JOB, "ORDER BY host, name", JOBS_MAX)
            .rows(&mut tx)
            .await?;
        rows.iter().map(|row| job(&Fields::new(OPERATION, row))).collect()
    }

    /// One job.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn job(&self, id: JobId) -> Result<Option<Job>, LedgerError> {
        let mut conditions = Conditions::default();
        conditions.equal("id", Some(id));
        self.one_job(conditions).await
    }

    /// The job of a host by its name.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn job_named(&self, host: HostId, name: &str) -> Result<Option<Job>, LedgerError> {
        let mut conditions = Conditions::default();
        conditions.equal("host", Some(host));
        conditions.equal("name", Some(clean(name)));
        self.one_job(conditions).await
    }

    /// The job whose ping address has this key.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn job_of_key(&self, key: &str) -> Result<Option<Job>, LedgerError> {
        if key.is_empty() {
            return Ok(None);
        }
        let mut conditions = Conditions::default();
        conditions.equal("ping_key", Some(clean(key)));
        self.one_job(conditions).await
    }

    /// Jobs of a host that run after another one of it.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn followers(&self, host: HostId, leader: &str) -> Result<Vec<Job>, LedgerError> {
        const OPERATION: &str = "find backup jobs that follow";
        let schedule = Schedule::After(leader.to_owned()).to_string();
        let mut conditions = Conditions::default();
        conditions.equal("host", Some(host));
        conditions.equal("schedule", Some(clean(&schedule)));
        let mut tx = self.engine.snapshot(OPERATION).await?;
        let rows = conditions
            .statement(OPERATION, JOB, "ORDER BY name", JOBS_MAX)
            .rows(&mut tx)
            .await?;
        rows.iter().map(|row| job(&Fields::new(OPERATION, row))).collect()
    }

    async fn one_job(&self, conditions: Conditions) -> Result<Option<Job>, LedgerError> {
        const OPERATION: &str = "find a backup job";
        let mut tx = self.engine.snapshot(OPERATION).await?;
        let row = conditions.statement(OPERATION, JOB, "", 1).row(&mut tx).await?;
        row.map(|row| job(&Fields::new(OPERATION, &row))).transpose()
    }

    /// Forgets a job and its runs.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn forget_job(&self, id: JobId, lines: &[AuditLine]) -> Result<(), LedgerError> {
        const OPERATION: &str = "forget a backup job";
        let mut tx = self.engine.write(OPERATION).await?;
        for sql in [
            "DELETE FROM backup_run WHERE job = $1",
            "DELETE FROM backup_job WHERE id = $1",
        ] {
            Statement::new(OPERATION, sql).id(id).run(&mut tx).await?;
        }
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await
    }

    /// Keeps a run and what is awaited after it; the same run again fills in what was not known. A missed run whose place
    /// it takes (`instead_of`, the time at which it was due) goes. Answers whether anything was news.
    ///
    /// # Errors
    /// When the ledger can't be written, or there is no such job.
    pub async fn keep_run(
        &self,
        run: &JobRun,
        expected_at: Option<Timestamp>,
        instead_of: Option<Timestamp>,
        lines: &[AuditLine],
    ) -> Result<bool, LedgerError> {
        const OPERATION: &str = "keep a backup run";
        let mut tx = self.engine.write(OPERATION).await?;
        let news = insert(&mut tx, OPERATION, run).await?;
        if let Some(due) = instead_of {
            Statement::new(
                OPERATION,
                "DELETE FROM backup_run WHERE job = $1 AND started_at = $2 AND result = 'missed'",
            )
            .id(run.job)
            .time(due)
            .run(&mut tx)
            .await?;
        }
        Statement::new(OPERATION, "UPDATE backup_job SET expected_at = $2 WHERE id = $1")
            .id(run.job)
            .maybe_time(expected_at)
            .run(&mut tx)
            .await?;
        stand(&mut tx, OPERATION, run.job).await?;
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await?;
        Ok(news)
    }

    /// Runs of a job that began before `before`, newest first.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn runs(&self, job: JobId, before: Option<Timestamp>, limit: u32) -> Result<Vec<JobRun>, LedgerError> {
        const OPERATION: &str = "list backup runs";
        let mut conditions = Conditions::default();
        conditions.equal("job", Some(job));
        if let Some(before) = before {
            conditions.and("started_at < ?", [Value::Integer(before.as_millis())]);
        }
        let limit = i64::from(limit).clamp(1, RUNS_MAX);
        let mut tx = self.engine.snapshot(OPERATION).await?;
        let rows = conditions
            .statement(OPERATION, RUN, "ORDER BY started_at DESC, id DESC", limit)
            .rows(&mut tx)
            .await?;
        rows.iter().map(|row| run(&Fields::new(OPERATION, row))).collect()
    }

    /// Whether a run is known, and known to have ended.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn has_run(&self, id: RunId) -> Result<bool, LedgerError> {
        const OPERATION: &str = "find a backup run";
        let mut tx = self.engine.snapshot(OPERATION).await?;
        let sql = "SELECT id FROM backup_run WHERE id = $1 AND ended_at IS NOT NULL";
        let row = Statement::new(OPERATION, sql).id(id).row(&mut tx).await?;
        Ok(row.is_some())
    }

    /// The sizes of a job's newest good runs that began before `before`.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn run_sizes(&self, job: JobId, before: Timestamp) -> Result<Vec<u64>, LedgerError> {
        const OPERATION: &str = "read sizes of backup runs";
        let mut tx = self.engine.snapshot(OPERATION).await?;
        let rows = Statement::new(
            OPERATION,
            "SELECT bytes FROM backup_run WHERE job = $1 AND started_at < $2 AND result IN ('ok', 'warning', 'overran')
             AND bytes > 0 ORDER BY started_at DESC LIMIT $3",
        )
        .id(job)
        .time(before)
        .integer(i64::try_from(HISTORY_MAX).unwrap_or(i64::MAX))
        .rows(&mut tx)
        .await?;
        rows.iter()
            .map(|row| Fields::new(OPERATION, row).number("bytes"))
            .collect()
    }

    /// Days of these jobs, each with its worst result. Days are of a wall clock that is `offset_ms` ahead of UTC.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn job_days(
        &self,
        jobs: &[JobId],
        from: Timestamp,
        to: Timestamp,
        offset_ms: i64,
    ) -> Result<Vec<JobDay>, LedgerError> {
        const OPERATION: &str = "read the calendar of backups";
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let mut conditions = Conditions::default();
        let places = vec!["?"; jobs.len()].join(", ");
        let ids = jobs.iter().map(|job| Value::Text(job.to_string()));
        conditions.and(&format!("job IN ({places})"), ids);
        conditions.and("started_at >= ?", [Value::Integer(from.as_millis())]);
        conditions.and("started_at < ?", [Value::Integer(to.as_millis())]);
        // Both numbers are ours. Nobody backed up before 1970, so division rounds down in both engines.
        let head = format!(
            "SELECT job, (started_at + {offset_ms}) / {DAY_MS} AS day, MAX(badness) AS worst, COUNT(*) AS runs FROM backup_run"
        );
        let mut tx = self.engine.snapshot(OPERATION).await?;
        let rows = conditions
            .statement(OPERATION, &head, "GROUP BY 1, 2", i64::from(u32::MAX))
            .rows(&mut tx)
            .await?;
        let day = |fields: &Fields<'_>| {
            Ok(JobDay {
                job: fields.parsed("job")?,
                day: fields.integer("day")?,
                worst: of_badness(fields.integer("worst")?),
                runs: fields.number("runs")?,
            })
        };
        rows.iter().map(|row| day(&Fields::new(OPERATION, row))).collect()
    }
}

/// A run that is known already keeps what it has when the other says less: a start after the end changes nothing.
async fn insert(tx: &mut Tx, operation: &'static str, run: &JobRun) -> Result<bool, LedgerError> {
    let touched = Statement::new(
        operation,
        "INSERT INTO backup_run (id, job, started_at, ended_at, received_at, duration_ms, result, reported, badness,
            exit_code, signal, bytes, bytes_added, files, artefact, judged_by, error, tail, late, noted_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
         ON CONFLICT (id) DO UPDATE SET ended_at = excluded.ended_at, received_at = excluded.received_at,
            duration_ms = excluded.duration_ms, result = excluded.result, reported = excluded.reported,
            badness = excluded.badness, exit_code = excluded.exit_code, signal = excluded.signal,
            bytes = excluded.bytes, bytes_added = excluded.bytes_added, files = excluded.files,
            artefact = excluded.artefact, judged_by = excluded.judged_by, error = excluded.error,
            tail = excluded.tail, late = excluded.late, noted_by = excluded.noted_by
         WHERE backup_run.ended_at IS NULL",
    )
    .id(run.id)
    .id(run.job)
    .time(run.started_at)
    .maybe_time(run.ended_at)
    .time(run.received_at)
    .maybe_count(run.duration_ms)
    .maybe_text(run.result.map(RunResult::as_str))
    .maybe_text(run.reported.map(RunResult::as_str))
    .integer(badness(run.result))
    .maybe_count(run.exit_code.and_then(|code| u64::try_from(code).ok()))
    .maybe_count(run.signal.and_then(|signal| u64::try_from(signal).ok()))
    .maybe_count(run.bytes)
    .maybe_count(run.bytes_added)
    .maybe_count(run.files)
    .text(&run.artefact)
    .text(&run.judged_by)
    .text(&run.error)
    .text(&run.tail)
    .flag(run.late)
    .text(&run.noted_by)
    .run(tx)
    .await?;
    Ok(touched > 0)
}

/// Writes down beside a job how it stands, from its runs.
async fn stand(tx: &mut Tx, operation: &'static str, job: JobId) -> Result<(), LedgerError> {
    Statement::new(
        operation,
        "UPDATE backup_job SET
            last_at = (SELECT MAX(started_at) FROM backup_run WHERE job = $1),
            last_result = (SELECT result FROM backup_run WHERE job = $1 ORDER BY started_at DESC, id DESC LIMIT 1),
            good_at = (SELECT started_at FROM backup_run WHERE job = $1 AND badness BETWEEN 1 AND 3
                       ORDER BY started_at DESC LIMIT 1)
         WHERE id = $1",
    )
    .id(job)
    .run(tx)
    .await?;
    Ok(())
}

pub(crate) fn job(fields: &Fields<'_>) -> Result<Job, LedgerError> {
    let schedule = fields.text("schedule")?;
    let schedule = (!schedule.is_empty()).then(|| schedule.parse()).transpose();
    Ok(Job {
        id: fields.parsed("id")?,
        host: fields.parsed("host")?,
        name: fields.text("name")?,
        tool: fields.text("tool")?,
        content: fields.text("content")?,
        target: fields.text("target")?,
        schedule: schedule.map_err(|error| fields.strange("schedule", error))?,
        zone: fields.text("zone")?,
        grace_ms: fields.number("grace_ms")?,
        duration_max_ms: fields.number("duration_max_ms")?,
        bytes_min: fields.number("bytes_min")?,
        bytes_max: fields.number("bytes_max")?,
        rpo_ms: fields.number("rpo_ms")?,
        retention: fields.text("retention")?,
        owner: fields.text("owner")?,
        drill_every_ms: fields.number("drill_every_ms")?,
        drilled_at: fields.maybe_time("drilled_at")?,
        ping_key: fields.text("ping_key")?,
        origin: fields.word("origin", Origin::parse)?,
        paused: fields.flag("paused")?,
        created_at: fields.time("created_at")?,
        stand: JobStand {
            expected_at: fields.maybe_time("expected_at")?,
            last_at: fields.maybe_time("last_at")?,
            last_result: fields.maybe_parsed("last_result")?,
            good_at: fields.maybe_time("good_at")?,
        },
    })
}

fn run(fields: &Fields<'_>) -> Result<JobRun, LedgerError> {
    Ok(JobRun {
        id: fields.parsed("id")?,
        job: fields.parsed("job")?,
        started_at: fields.time("started_at")?,
        ended_at: fields.maybe_time("ended_at")?,
        received_at: fields.time("received_at")?,
        duration_ms: fields.maybe_number("duration_ms")?,
        result: fields.maybe_parsed("result")?,
        reported: fields.maybe_parsed("reported")?,
        exit_code: fields.maybe_number("exit_code")?,
        signal: fields.maybe_number("signal")?,
        bytes: fields.maybe_number("bytes")?,
        bytes_added: fields.maybe_number("bytes_added")?,
        files: fields.maybe_number("files")?,
        artefact: fields.text("artefact")?,
        judged_by: fields.text("judged_by")?,
        error: fields.text("error")?,
        tail: fields.text("tail")?,
        late: fields.flag("late")?,
        noted_by: fields.text("noted_by")?,
    })
}
