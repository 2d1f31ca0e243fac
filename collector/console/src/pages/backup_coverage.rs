//! Backups against the plan: how contracts are covered, and what a week or a month came to.

use super::backups::shape;
use crate::{
    backup_span,
    guard::{Answer, Visit},
    shell::{Shell, page},
};
use askama::Template;
use jiff::{ToSpan as _, civil::Date};
use std::collections::HashMap;
use tocsin_chart::Unit;
use tocsin_desk::backup::{Coverage, HostedJob, JobFilter, RunTotals, coverage::Period};
use tocsin_desk::record::Slice;
use tocsin_vocabulary::{ContractId, JobId, RunResult, time::format_duration};

/// Jobs of one page of the summary.
const JOBS: u32 = 500;

struct ContractRow {
    name: String,
    customer: String,
    coverage: Coverage,
    percent: u64,
    uncovered: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "backup_coverage.html")]
struct CoveragePage {
    shell: Shell,
    rows: Vec<ContractRow>,
}

/// `GET /backups/coverage`.
pub(crate) async fn coverage(visit: Visit) -> Answer {
    let shell = Shell::new(&visit, "backups");
    let (scope, backend) = (visit.scope()?, &visit.console.backend);
    let mut gaps: HashMap<ContractId, Vec<(String, String)>> = HashMap::new();
    for gap in backend.backup_gaps(scope).await? {
        let url = format!("/hosts/{}", gap.host);
        gaps.entry(gap.contract).or_default().push((gap.host_name, url));
    }
    let rows = backend
        .backup_coverage(scope)
        .await?
        .into_iter()
        .map(|coverage| ContractRow {
            name: coverage.contract_name.clone(),
            customer: coverage.customer_name.clone(),
            percent: coverage.percent(),
            uncovered: gaps.remove(&coverage.contract).unwrap_or_default(),
            coverage,
        });
    let rows = rows.collect();
    page(&CoveragePage { shell, rows })
}

/// One count of a result.
struct Count {
    key: &'static str,
    shape: &'static str,
    word: String,
    count: u64,
}

struct JobRow {
    url: String,
    name: String,
    host: String,
    counts: Vec<u64>,
    good: String,
    bytes: String,
    longest: String,
    rpo: String,
    rpo_promised: String,
    rpo_broken: bool,
}

#[derive(Template)]
#[template(path = "backup_summary.html")]
struct SummaryPage {
    shell: Shell,
    span: String,
    month: bool,
    earlier: Option<String>,
    later: Option<String>,
    runs: u64,
    good: String,
    bytes: String,
    counts: Vec<Count>,
    rows: Vec<JobRow>,
    next: Option<String>,
}

/// `GET /backups/summary`.
pub(crate) async fn summary(visit: Visit) -> Answer {
    let shell = Shell::new(&visit, "backups");
    let span = backup_span::read(&visit)?;
    let filter = JobFilter {
        customer: visit.scope()?,
        host: None,
        slice: Slice {
            after: visit.parameter("after"),
            limit: JOBS,
        },
    };
    let backend = &visit.console.backend;
    let all = backend.all_backup_totals(filter.customer, span.from, span.to).await?;
    let jobs = backend.backup_jobs(&filter).await?;
    let ids: Vec<JobId> = jobs.items.iter().map(|hosted| hosted.job.id).collect();
    let totals = backend.backup_totals(&ids, span.from, span.to).await?;
    let totals: HashMap<Option<JobId>, RunTotals> = totals.into_iter().map(|one| (one.job, one)).collect();
    let none = RunTotals::default();
    let rows = jobs.items.iter().map(|hosted| {
        let of_job = totals.get(&Some(hosted.job.id)).unwrap_or(&none);
        row(&shell, hosted, of_job)
    });
    let period = span.period.unwrap_or(Period::Week);
    let here = |day: Date| format!("/backups/summary?period={}&on={day}", period.as_str());
    let (earlier, later) = span.days.map_or((None, None), |(first, last)| {
        let later = last.checked_add(1.day()).ok();
        let today = span.to <= visit.now;
        (first.yesterday().ok().map(here), later.filter(|_| today).map(here))
    });
    let next = jobs.next.as_ref().zip(span.days);
    page(&SummaryPage {
        span: span
            .days
            .map_or_else(String::new, |(first, last)| format!("{first} \u{2013} {last}")),
        month: period == Period::Month,
        earlier,
        later,
        runs: all.runs,
        good: good(&all),
        bytes: bytes(all.bytes),
        counts: RunResult::ALL
            .iter()
            .zip(counts(&all))
            .map(|(result, count)| Count {
                key: result.as_str(),
                shape: shape(Some(*result)),
                word: shell.word("backup-result", result.as_str()),
                count,
            })
            .collect(),
        rows: rows.collect(),
        next: next.map(|(after, (first, _))| format!("{}&after={after}", here(first))),
        shell,
    })
}

fn row(shell: &Shell, hosted: &HostedJob, totals: &RunTotals) -> JobRow {
    let job = &hosted.job;
    let millis = std::time::Duration::from_millis;
    JobRow {
        url: format!("/backups/{}", job.id),
        name: job.name.clone(),
        host: hosted.host_name.clone(),
        counts: counts(totals).to_vec(),
        good: good(totals),
        bytes: if totals.bytes == 0 {
            String::new()
        } else {
            bytes(totals.bytes)
        },
        longest: if totals.longest_ms == 0 {
            String::new()
        } else {
            shell.span(millis(totals.longest_ms))
        },
        rpo: job
            .rpo_now(shell.now)
            .map_or_else(|| shell.t("backup-never"), |age| shell.span(age)),
        rpo_promised: if job.rpo_ms == 0 {
            String::new()
        } else {
            // As it was promised: 26h is not a day.
            format_duration(millis(job.rpo_ms))
        },
        rpo_broken: job.breaks_rpo(shell.now),
    }
}

/// In the order of [`RunResult::ALL`].
const fn counts(totals: &RunTotals) -> [u64; 6] {
    [
        totals.ok,
        totals.warning,
        totals.overran,
        totals.shrunk,
        totals.failed,
        totals.missed,
    ]
}

/// Good runs of a hundred, with one decimal, never rounded up; nothing without a run.
fn good(totals: &RunTotals) -> String {
    let of = |per_mille: u64| format!("{}.{} %", per_mille / 10, per_mille % 10);
    totals.good_per_mille().map_or_else(String::new, of)
}

#[allow(clippy::cast_precision_loss, reason = "shown with four digits")]
fn bytes(bytes: u64) -> String {
    Unit::of("By", false).format(bytes as f64)
}
