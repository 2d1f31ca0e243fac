//! One backup job: how it stands, its trends, its runs with their errors, and what people do about it.

use super::backups::{Cell, may_change};
use crate::{
    api::fleet::find,
    authority::Action,
    backend::{Failure, Host},
    guard::{Answer, Visit, nothing, see_other},
    markup::Html,
    shell::{Shell, page},
};
use askama::Template;
use axum::{Form, extract::Path};
use http::StatusCode;
use serde::Deserialize;
use tocsin_chart::{Chart, Line, Unit};
use tocsin_desk::backup::{Job, JobRun, Note, Origin, Plan};
use tocsin_vocabulary::{
    Code, JobId, RunResult, Timestamp,
    time::{HumanDuration, format_duration, parse_duration},
};

/// Runs of the list, and of the trends.
const RUNS: u32 = 90;

struct RunRow {
    at: Html,
    result: Cell,
    took: String,
    bytes: String,
    files: String,
    exit: String,
    error: String,
    tail: String,
    artefact: String,
    late: bool,
    by_hand: String,
}

/// What is declared, as a form shows it.
#[derive(Default)]
struct Fields {
    schedule: String,
    zone: String,
    grace: String,
    duration_max: String,
    bytes_min: String,
    bytes_max: String,
    rpo: String,
    drill_every: String,
    tool: String,
    content: String,
    target: String,
    retention: String,
    owner: String,
}

#[derive(Template)]
#[template(path = "backup_job.html")]
struct JobPage {
    shell: Shell,
    name: String,
    host: String,
    host_url: String,
    url: String,
    seen: bool,
    paused: bool,
    change: bool,
    last: Option<RunRow>,
    expected: Option<Html>,
    rpo: String,
    rpo_promised: String,
    rpo_broken: bool,
    drilled: Option<Html>,
    drill_due: bool,
    /// What was declared, for whoever reads it: label and value.
    plan: Vec<(String, String)>,
    fields: Fields,
    durations: Html,
    sizes: Html,
    runs: Vec<RunRow>,
    error: String,
}

/// The job that whoever asks may see, and its host.
pub(crate) async fn found(visit: &Visit, id: &str) -> Result<(Job, Host), Failure> {
    let id: JobId = id.parse().map_err(|_| nothing())?;
    let job = visit.console.backend.backup_job(id).await?.ok_or_else(nothing)?;
    let host = find(visit, &job.host.to_string()).await?;
    Ok((job, host))
}

/// `GET /backups/{job}`.
pub(crate) async fn show(visit: Visit, Path(id): Path<String>) -> Answer {
    let (job, host) = found(&visit, &id).await?;
    page(&view(&visit, &job, &host, String::new()).await?)
}

/// A run by hand, as the form sends it.
#[derive(Debug, Deserialize)]
pub(crate) struct Done {
    reason: String,
    #[serde(default)]
    result: String,
}

/// `POST /backups/{job}/done`.
pub(crate) async fn done(visit: Visit, Path(id): Path<String>, Form(told): Form<Done>) -> Answer {
    let (job, host) = found(&visit, &id).await?;
    visit.require(Action::WorkTicket)?;
    let note = Note {
        result: told.result.parse().unwrap_or(RunResult::Ok),
        reason: told.reason,
        started_at: None,
    };
    let noted = visit
        .console
        .backend
        .note_backup_run(job.id, &note, visit.person()?, "console")
        .await;
    after(&visit, &job, &host, noted.map(|_| ())).await
}

/// `POST /backups/{job}/drill`.
pub(crate) async fn drill(visit: Visit, Path(id): Path<String>) -> Answer {
    let (job, host) = found(&visit, &id).await?;
    visit.require(Action::WorkTicket)?;
    let noted = visit
        .console
        .backend
        .note_restore(job.id, None, visit.person()?, "console")
        .await;
    after(&visit, &job, &host, noted.map(|_| ())).await
}

/// The plan, as the form sends it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Planned {
    schedule: String,
    zone: String,
    grace: String,
    duration_max: String,
    bytes_min: String,
    bytes_max: String,
    rpo: String,
    drill_every: String,
    tool: String,
    content: String,
    target: String,
    retention: String,
    owner: String,
    paused: String,
}

/// `POST /backups/{job}/plan`: changes a job, and adopts one that was seen.
pub(crate) async fn plan(visit: Visit, Path(id): Path<String>, Form(told): Form<Planned>) -> Answer {
    let (job, host) = found(&visit, &id).await?;
    visit.require(Action::WorkTicket)?;
    let declared = match read(&job, &told) {
        Ok(plan) => {
            let backend = &visit.console.backend;
            backend
                .declare_backup_job(job.host, &plan, false, visit.person()?, "console")
                .await
        }
        Err(reason) => Err(Failure::new(Code::InvalidInput, reason)),
    };
    after(&visit, &job, &host, declared.map(|_| ())).await
}

fn read(job: &Job, told: &Planned) -> Result<Plan, String> {
    // An empty field of the form is a promise that is not made.
    let duration = |text: &str| match text.trim() {
        "" => Ok(HumanDuration::default()),
        text => parse_duration(text)
            .map(HumanDuration)
            .map_err(|error| error.to_string()),
    };
    let bytes = |text: &str| match text.trim() {
        "" => Ok(0),
        text => text
            .parse::<u64>()
            .map_err(|_| format!("`{text}` is not a number of bytes")),
    };
    let grace = told.grace.trim();
    Ok(Plan {
        name: job.name.clone(),
        schedule: Some(told.schedule.clone()),
        zone: Some(told.zone.trim().to_owned()).filter(|zone| !zone.is_empty()),
        grace: if grace.is_empty() { None } else { Some(duration(grace)?) },
        duration_max: Some(duration(&told.duration_max)?),
        bytes_min: Some(bytes(&told.bytes_min)?),
        bytes_max: Some(bytes(&told.bytes_max)?),
        rpo: Some(duration(&told.rpo)?),
        drill_every: Some(duration(&told.drill_every)?),
        tool: Some(told.tool.clone()),
        content: Some(told.content.clone()),
        target: Some(told.target.clone()),
        retention: Some(told.retention.clone()),
        owner: Some(told.owner.clone()),
        paused: Some(!told.paused.is_empty()),
    })
}

/// Back to the page; with what went wrong on it.
async fn after(visit: &Visit, job: &Job, host: &Host, done: Result<(), Failure>) -> Answer {
    match done {
        Ok(()) => Ok(see_other(&format!("/backups/{}", job.id))),
        Err(failure) if failure.code == Code::Internal => Err(failure.into()),
        Err(failure) => {
            let mut response = page(&view(visit, job, host, failure.reason).await?)?;
            *response.status_mut() =
                StatusCode::from_u16(failure.code.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
            Ok(response)
        }
    }
}

async fn view(visit: &Visit, job: &Job, host: &Host, error: String) -> Result<JobPage, Failure> {
    let shell = Shell::new(visit, "backups");
    let runs = visit.console.backend.backup_runs(job.id, None, RUNS).await?;
    let millis = |millis: u64| match millis {
        0 => String::new(),
        millis => format_duration(std::time::Duration::from_millis(millis)),
    };
    let rows: Vec<RunRow> = runs.iter().map(|run| row(&shell, run)).collect();
    let fields = Fields {
        schedule: job.schedule.as_ref().map(ToString::to_string).unwrap_or_default(),
        zone: job.zone.clone(),
        grace: millis(job.grace_ms),
        duration_max: millis(job.duration_max_ms),
        bytes_min: some(job.bytes_min),
        bytes_max: some(job.bytes_max),
        rpo: millis(job.rpo_ms),
        drill_every: millis(job.drill_every_ms),
        tool: job.tool.clone(),
        content: job.content.clone(),
        target: job.target.clone(),
        retention: job.retention.clone(),
        owner: job.owner.clone(),
    };
    let contract = contract_of(visit, host).await?;
    Ok(JobPage {
        plan: planned(&shell, &fields, contract),
        name: job.name.clone(),
        host: host.record.name.clone(),
        host_url: format!("/hosts/{}", host.record.id),
        url: format!("/backups/{}", job.id),
        seen: job.origin == Origin::Seen,
        paused: job.paused,
        change: may_change(&shell),
        last: runs.first().map(|run| row(&shell, run)),
        expected: job.stand.expected_at.map(|at| shell.exact(at)),
        rpo: job
            .rpo_now(visit.now)
            .map_or_else(|| shell.t("backup-never"), |age| shell.span(age)),
        rpo_promised: millis(job.rpo_ms),
        rpo_broken: job.breaks_rpo(visit.now),
        drilled: job.drilled_at.map(|at| shell.exact(at)),
        drill_due: job.drill_due(visit.now).is_some(),
        durations: trend(&shell, "backup-duration", &runs, Unit::of("s", false), |run| {
            run.duration_ms
                .map(|millis| std::time::Duration::from_millis(millis).as_secs_f64())
        }),
        sizes: trend(&shell, "backup-bytes", &runs, Unit::of("By", false), |run| {
            run.bytes.map(float)
        }),
        fields,
        runs: rows,
        error,
        shell,
    })
}

/// The name of the contract that covers a host.
async fn contract_of(visit: &Visit, host: &Host) -> Result<String, Failure> {
    let contracts = visit
        .console
        .backend
        .backup_coverage(Some(host.record.customer))
        .await?;
    let own = contracts
        .into_iter()
        .find(|found| found.contract == host.record.contract);
    Ok(own.map_or_else(String::new, |own| own.contract_name))
}

/// What was declared of a job, without what was not.
fn planned(shell: &Shell, fields: &Fields, contract: String) -> Vec<(String, String)> {
    let of_schedule = |text: &String| {
        if fields.schedule.is_empty() {
            String::new()
        } else {
            text.clone()
        }
    };
    let all = [
        ("backup-contract", contract),
        ("backup-content", fields.content.clone()),
        ("backup-target", fields.target.clone()),
        ("backup-schedule", fields.schedule.clone()),
        ("backup-zone", of_schedule(&fields.zone)),
        ("backup-grace", of_schedule(&fields.grace)),
        ("backup-duration-max", fields.duration_max.clone()),
        ("backup-bytes-min", fields.bytes_min.clone()),
        ("backup-bytes-max", fields.bytes_max.clone()),
        ("backup-drill-every", fields.drill_every.clone()),
        ("backup-tool", fields.tool.clone()),
        ("backup-retention", fields.retention.clone()),
        ("backup-owner", fields.owner.clone()),
    ];
    let said = all.into_iter().filter(|(_, value)| !value.is_empty());
    said.map(|(key, value)| (shell.t(key), value)).collect()
}

fn some(bytes: u64) -> String {
    if bytes == 0 { String::new() } else { bytes.to_string() }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a chart has fewer pixels than a double has digits"
)]
const fn float(bytes: u64) -> f64 {
    bytes as f64
}

fn row(shell: &Shell, run: &JobRun) -> RunRow {
    RunRow {
        at: shell.exact(run.started_at),
        result: Cell::of(shell, run.result),
        took: run.duration_ms.map_or_else(String::new, |millis| {
            shell.span(std::time::Duration::from_millis(millis))
        }),
        bytes: run
            .bytes
            .map_or_else(String::new, |bytes| Unit::of("By", false).format(float(bytes))),
        files: run.files.map_or_else(String::new, |files| files.to_string()),
        exit: run.exit_code.map_or_else(String::new, |code| code.to_string()),
        error: run.error.clone(),
        tail: if run.tail == run.error {
            String::new()
        } else {
            run.tail.clone()
        },
        artefact: run.artefact.clone(),
        late: run.late,
        by_hand: run.noted_by.clone(),
    }
}

fn trend(shell: &Shell, title: &str, runs: &[JobRun], unit: Unit, value: fn(&JobRun) -> Option<f64>) -> Html {
    let points: Vec<(Timestamp, Option<f64>)> = runs
        .iter()
        .rev()
        .filter(|run| run.result.is_some_and(|result| result != RunResult::Missed))
        .filter_map(|run| value(run).map(|value| (run.started_at, Some(value))))
        .collect();
    let (from, to) = match (points.first(), points.last()) {
        (Some((from, _)), Some((to, _))) if from < to => (*from, *to),
        _ => return Html(String::new()),
    };
    let (width, height) = crate::graph::SIZE;
    let chart = Chart {
        title: shell.t(title),
        empty: shell.t("chart-empty"),
        zone: shell.zone().clone(),
        unit,
        lines: vec![Line {
            label: shell.t(title),
            points,
            class: 0,
        }],
        area: true,
        ..Chart::new(width, height, from, to)
    };
    Html(chart.svg())
}
