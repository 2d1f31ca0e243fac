//! `/backups/jobs`, `…/{job}`, `…/{job}/runs`, `/backups/uncovered`: the plan and its runs.

use super::{ListOf, Parameters, body, fleet::find, list, wrong};
use crate::{
    authority::Action,
    guard::{Answer, Visit},
    pages::backup_job::found,
};
use axum::{Json, body::Bytes, extract::Path, response::IntoResponse as _};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tocsin_desk::backup::{Job, JobFilter, JobRun, Note, Plan};
use tocsin_vocabulary::{RunResult, Timestamp};
use utoipa::ToSchema;

/// Runs of one answer, where nothing is said.
const RUNS: u32 = 100;

/// A backup job and how it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobItem {
    /// Its id.
    id: String,
    /// The host's id.
    host: String,
    /// The host's name.
    host_name: String,
    /// What people call it.
    name: String,
    /// `declared` or `seen`.
    origin: &'static str,
    /// When it should run; null: whenever it does.
    schedule: Option<String>,
    /// IANA name of the schedule's zone.
    zone: String,
    /// How late it may begin, in milliseconds.
    grace_ms: u64,
    /// Longer is overran, in milliseconds; 0: any time is fine.
    duration_max_ms: u64,
    /// Less is shrunk; 0: its history tells.
    bytes_min: u64,
    /// More is a warning; 0: its history tells.
    bytes_max: u64,
    /// How old the newest good run may be, in milliseconds; 0: nothing was promised.
    rpo_ms: u64,
    /// How old it is now, in milliseconds; null: there is none.
    rpo_now_ms: Option<u64>,
    /// Whether that is older than promised.
    rpo_broken: bool,
    /// With what.
    tool: String,
    /// What is saved.
    content: String,
    /// Where to.
    target: String,
    /// How long copies are kept.
    retention: String,
    /// Who answers for it.
    owner: String,
    /// A restore is to be tried so often, in milliseconds; 0: nothing was promised.
    drill_every_ms: u64,
    /// When one was tried last.
    drilled_at: Option<String>,
    /// Nothing is expected of it.
    paused: bool,
    /// When the next run is awaited.
    expected_at: Option<String>,
    /// When the newest run began.
    last_at: Option<String>,
    /// What it was worth: ok, warning, overran, shrunk, failed, missed; null while it goes on.
    last_result: Option<&'static str>,
    /// When the newest good run began.
    good_at: Option<String>,
}

fn item(job: &Job, host_name: &str, now: Timestamp) -> JobItem {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    JobItem {
        id: job.id.to_string(),
        host: job.host.to_string(),
        host_name: host_name.to_owned(),
        name: job.name.clone(),
        origin: job.origin.as_str(),
        schedule: job.schedule.as_ref().map(ToString::to_string),
        zone: job.zone.clone(),
        grace_ms: job.grace_ms,
        duration_max_ms: job.duration_max_ms,
        bytes_min: job.bytes_min,
        bytes_max: job.bytes_max,
        rpo_ms: job.rpo_ms,
        rpo_now_ms: job.rpo_now(now).and_then(|age| u64::try_from(age.as_millis()).ok()),
        rpo_broken: job.breaks_rpo(now),
        tool: job.tool.clone(),
        content: job.content.clone(),
        target: job.target.clone(),
        retention: job.retention.clone(),
        owner: job.owner.clone(),
        drill_every_ms: job.drill_every_ms,
        drilled_at: time(job.drilled_at),
        paused: job.paused,
        expected_at: time(job.stand.expected_at),
        last_at: time(job.stand.last_at),
        last_result: job.stand.last_result.map(RunResult::as_str),
        good_at: time(job.stand.good_at),
    }
}

/// One run of a backup job. Its words come from the host: data, never markup.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunItem {
    /// Its id.
    id: String,
    /// When it began; of a missed one, when it should have.
    started_at: String,
    /// When it ended; null while it goes on.
    ended_at: Option<String>,
    /// When the collector heard of it.
    received_at: String,
    /// How long it took, in milliseconds.
    duration_ms: Option<u64>,
    /// ok, warning, overran, shrunk, failed, missed, running.
    result: &'static str,
    /// What it exited with, as a shell counts.
    exit_code: Option<i32>,
    /// The signal that ended it.
    signal: Option<i32>,
    /// Bytes of the source.
    bytes: Option<u64>,
    /// Bytes added to the target.
    bytes_added: Option<u64>,
    /// Files.
    files: Option<u64>,
    /// What was made.
    artefact: String,
    /// Who judged it: an adapter, `exit`, `ping`, `schedule`, `person`.
    judged_by: String,
    /// Why it is not good, or the reason of a run by hand.
    error: String,
    /// The end of what the tool wrote.
    tail: String,
    /// It took long to be told.
    late: bool,
    /// Who noted it by hand, or empty.
    noted_by: String,
}

impl From<&JobRun> for RunItem {
    fn from(run: &JobRun) -> Self {
        Self {
            id: run.id.to_string(),
            started_at: run.started_at.to_string(),
            ended_at: run.ended_at.map(|at| at.to_string()),
            received_at: run.received_at.to_string(),
            duration_ms: run.duration_ms,
            result: run.result.map_or("running", RunResult::as_str),
            exit_code: run.exit_code,
            signal: run.signal,
            bytes: run.bytes,
            bytes_added: run.bytes_added,
            files: run.files,
            artefact: run.artefact.clone(),
            judged_by: run.judged_by.clone(),
            error: run.error.clone(),
            tail: run.tail.clone(),
            late: run.late,
            noted_by: run.noted_by.clone(),
        }
    }
}

/// Backup jobs of all hosts, or of one; oldest first.
#[utoipa::path(get, path = "/backups/jobs", params(
    ("host" = Option<String>, Query, description = "of this host: its id or its name"),
    ("limit" = Option<u32>, Query, description = "rows, 1 to 500"),
    ("after" = Option<String>, Query, description = "`next` of the list before"),
), responses((status = 200, description = "jobs", body = ListOf<JobItem>)))]
pub(crate) async fn jobs(visit: Visit) -> Answer {
    let parameters = Parameters::of(&visit, &["host", "limit", "after"])?;
    let filter = JobFilter {
        customer: visit.scope()?,
        host: parameters.get("host").map(str::to_owned),
        slice: parameters.slice()?,
    };
    let jobs = visit.console.backend.backup_jobs(&filter).await?;
    let items = jobs
        .items
        .iter()
        .map(|hosted| item(&hosted.job, &hosted.host_name, visit.now));
    Ok(list(items.collect(), jobs.next))
}

/// What is declared. What is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewJob {
    /// The host's id.
    host: String,
    /// Whether it gets an address for pings.
    #[serde(default)]
    ping: bool,
    /// Its `name`, and what is promised: `schedule`, `zone`, `grace`, `duration_max`, `bytes_min`, `bytes_max`, `rpo`,
    /// `drill_every`, `tool`, `content`, `target`, `retention`, `owner`, `paused`. Durations as `30m`.
    #[schema(value_type = Object)]
    plan: Plan,
}

/// Declares a backup job, changes the one of that name, or adopts one that was seen.
#[utoipa::path(post, path = "/backups/jobs", request_body = NewJob,
    responses((status = 200, description = "the job", body = JobItem), (status = 400, description = "what is wrong with it")))]
pub(crate) async fn declare(visit: Visit, bytes: Bytes) -> Answer {
    visit.require(Action::WorkTicket)?;
    let new: NewJob = body(&bytes)?;
    let host = find(&visit, &new.host).await?;
    let backend = &visit.console.backend;
    let job = backend
        .declare_backup_job(host.record.id, &new.plan, new.ping, visit.person()?, "api")
        .await?;
    let mut answer = serde_json::to_value(item(&job, &host.record.name, visit.now)).unwrap_or_default();
    if !job.ping_key.is_empty() {
        answer["ping_path"] = format!("/ping/{}", job.ping_key).into();
    }
    Ok(Json(answer).into_response())
}

/// One backup job.
#[utoipa::path(get, path = "/backups/jobs/{job}", params(("job" = String, Path, description = "the job's id")),
    responses((status = 200, description = "the job", body = JobItem), (status = 404, description = "no such job")))]
pub(crate) async fn job(visit: Visit, Path(id): Path<String>) -> Answer {
    Parameters::of(&visit, &[])?;
    let (job, host) = found(&visit, &id).await?;
    Ok(Json(item(&job, &host.record.name, visit.now)).into_response())
}

/// Runs of a job, newest first.
#[utoipa::path(get, path = "/backups/jobs/{job}/runs", params(
    ("job" = String, Path, description = "the job's id"),
    ("before" = Option<String>, Query, description = "that began before: RFC 3339 or epoch milliseconds"),
    ("limit" = Option<u32>, Query, description = "rows, 1 to 500"),
), responses((status = 200, description = "runs", body = ListOf<RunItem>), (status = 404, description = "no such job")))]
pub(crate) async fn runs(visit: Visit, Path(id): Path<String>) -> Answer {
    let parameters = Parameters::of(&visit, &["before", "limit"])?;
    let limit: u32 = parameters.parse("limit")?.unwrap_or(RUNS);
    if !(1..=500).contains(&limit) {
        return Err(wrong("parameter `limit` must be 1 to 500").into());
    }
    let (job, _) = found(&visit, &id).await?;
    let runs = visit
        .console
        .backend
        .backup_runs(job.id, parameters.parse("before")?, limit)
        .await?;
    let next = runs.last().filter(|_| runs.len() == limit as usize);
    let next = next.map(|run| run.started_at.as_millis().to_string());
    Ok(list(runs.iter().map(RunItem::from).collect(), next))
}

/// A run that was made by hand.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRun {
    /// ok, warning or failed.
    result: String,
    /// Why by hand, and what was done.
    reason: String,
    /// When it began; now without it.
    #[serde(default)]
    started_at: Option<String>,
}

/// Notes a run that somebody made by hand.
#[utoipa::path(post, path = "/backups/jobs/{job}/runs", request_body = NewRun, params(
    ("job" = String, Path, description = "the job's id"),
), responses((status = 201, description = "the run", body = RunItem), (status = 404, description = "no such job")))]
pub(crate) async fn note(visit: Visit, Path(id): Path<String>, bytes: Bytes) -> Answer {
    visit.require(Action::WorkTicket)?;
    let (job, _) = found(&visit, &id).await?;
    let new: NewRun = body(&bytes)?;
    let started_at = new.started_at.map(|text| text.parse()).transpose();
    let note = Note {
        result: new.result.parse().map_err(|error| wrong(format!("result: {error}")))?,
        reason: new.reason,
        started_at: started_at.map_err(|error| wrong(format!("started_at: {error}")))?,
    };
    let run = visit
        .console
        .backend
        .note_backup_run(job.id, &note, visit.person()?, "api")
        .await?;
    Ok((StatusCode::CREATED, Json(RunItem::from(&run))).into_response())
}

/// A host without any backup job.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Uncovered {
    /// The host's id.
    host: String,
    /// Its name.
    name: String,
}

/// Hosts that no backup job covers.
#[utoipa::path(get, path = "/backups/uncovered",
    responses((status = 200, description = "hosts", body = ListOf<Uncovered>)))]
pub(crate) async fn uncovered(visit: Visit) -> Answer {
    Parameters::of(&visit, &[])?;
    let hosts = visit.console.backend.uncovered_hosts(visit.scope()?).await?;
    let items = hosts.into_iter().map(|(id, name)| Uncovered {
        host: id.to_string(),
        name,
    });
    Ok(list(items.collect(), None))
}
