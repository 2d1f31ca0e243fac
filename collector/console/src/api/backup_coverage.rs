//! `/backups/coverage`, `/backups/summary`: the plan against the fact, for reports.

use super::{ListOf, Parameters, list};
use crate::{
    backup_span,
    guard::{Answer, Visit},
};
use axum::{Json, response::IntoResponse as _};
use serde::Serialize;
use std::collections::HashMap;
use tocsin_desk::backup::{Coverage, Gap, HostedJob, JobDay, JobFilter, RunTotals};
use tocsin_vocabulary::{ContractId, JobId, RunResult, Timestamp};
use utoipa::ToSchema;

/// A host without any backup job.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GapItem {
    /// The host's id.
    host: String,
    /// Its name.
    name: String,
}

/// How the hosts of one contract are covered.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CoverageItem {
    /// The contract's id.
    contract: String,
    /// What people call it.
    contract_name: String,
    /// Whose it is.
    customer_name: String,
    /// Hosts that should be backed up.
    hosts: u64,
    /// Hosts that bear the tag `no-backup`.
    not_needed: u64,
    /// Hosts that should be backed up, and that a job covers.
    covered: u64,
    /// The same of a hundred; 100 without hosts.
    percent: u64,
    /// Jobs that are not paused.
    jobs: u64,
    /// Jobs that promise how old their newest good copy may be.
    rpo_promised: u64,
    /// Of those, jobs whose newest good copy is older.
    rpo_broken: u64,
    /// Jobs without any good run.
    never_good: u64,
    /// Hosts that should be backed up, and are not.
    uncovered: Vec<GapItem>,
}

/// How the hosts of each contract are covered; contracts without hosts are left out.
#[utoipa::path(get, path = "/backups/coverage",
    responses((status = 200, description = "contracts", body = ListOf<CoverageItem>)))]
pub(crate) async fn coverage(visit: Visit) -> Answer {
    Parameters::of(&visit, &[])?;
    let (scope, backend) = (visit.scope()?, &visit.console.backend);
    let mut gaps: HashMap<ContractId, Vec<GapItem>> = HashMap::new();
    for Gap {
        contract,
        host,
        host_name,
    } in backend.backup_gaps(scope).await?
    {
        let host = host.to_string();
        gaps.entry(contract)
            .or_default()
            .push(GapItem { host, name: host_name });
    }
    let contracts = backend.backup_coverage(scope).await?;
    let items = contracts.into_iter().map(|coverage: Coverage| CoverageItem {
        contract: coverage.contract.to_string(),
        percent: coverage.percent(),
        contract_name: coverage.contract_name,
        customer_name: coverage.customer_name,
        hosts: coverage.hosts,
        not_needed: coverage.not_needed,
        covered: coverage.covered,
        jobs: coverage.jobs,
        rpo_promised: coverage.promised,
        rpo_broken: coverage.broken,
        never_good: coverage.never_good,
        uncovered: gaps.remove(&coverage.contract).unwrap_or_default(),
    });
    Ok(list(items.collect(), None))
}

/// What runs came to.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Totals {
    /// Runs that ended, missed ones included.
    runs: u64,
    /// Good ones without a word.
    ok: u64,
    /// Good ones with something left out.
    warning: u64,
    /// Good ones that took too long.
    overran: u64,
    /// Much smaller ones than usual.
    shrunk: u64,
    /// Those that failed.
    failed: u64,
    /// Those that did not come.
    missed: u64,
    /// Good ones of a thousand; null without a run.
    good_per_mille: Option<u64>,
    /// Bytes of the sources, as far as runs told.
    bytes: u64,
    /// Bytes added to the targets, as far as runs told.
    bytes_added: u64,
    /// The longest run, in milliseconds.
    longest_ms: u64,
}

impl From<&RunTotals> for Totals {
    fn from(totals: &RunTotals) -> Self {
        Self {
            runs: totals.runs,
            ok: totals.ok,
            warning: totals.warning,
            overran: totals.overran,
            shrunk: totals.shrunk,
            failed: totals.failed,
            missed: totals.missed,
            good_per_mille: totals.good_per_mille(),
            bytes: totals.bytes,
            bytes_added: totals.bytes_added,
            longest_ms: totals.longest_ms,
        }
    }
}

/// What a job did in a span.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct JobSummary {
    /// The job's id.
    job: String,
    /// Its name.
    name: String,
    /// The host's name.
    host_name: String,
    /// What its runs came to.
    #[serde(flatten)]
    totals: Totals,
    /// Days on which the worst run was good.
    days_good: u64,
    /// Days on which the worst run was a warning, too long or too small.
    days_with_warning: u64,
    /// Days on which a run failed or was missed.
    days_bad: u64,
    /// How old the newest good copy may be, in milliseconds; 0: nothing was promised.
    rpo_ms: u64,
    /// How old it is now, in milliseconds; null: there is none.
    rpo_now_ms: Option<u64>,
    /// Whether that is older than promised.
    rpo_broken: bool,
}

/// What backup jobs did in a span.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Summary {
    /// `week` or `month`; null: so many days.
    period: Option<&'static str>,
    /// First day; null without a period.
    first_day: Option<String>,
    /// Last day; null without a period.
    last_day: Option<String>,
    /// Where it begins.
    from: String,
    /// Where it ends.
    to: String,
    /// What the runs of all jobs came to, also of those on other pages.
    totals: Totals,
    /// One row per job; oldest job first.
    items: Vec<JobSummary>,
    /// `after` of the next page.
    next: Option<String>,
}

/// What backup jobs did, for weekly and monthly reports.
#[utoipa::path(get, path = "/backups/summary", params(
    ("period" = Option<String>, Query, description = "`week` or `month`; `week` without it"),
    ("on" = Option<String>, Query, description = "a day of that week or month; the last whole one without it"),
    ("days" = Option<u64>, Query, description = "instead of a period: so many days back from now, at most 400"),
    ("limit" = Option<u32>, Query, description = "rows, 1 to 500"),
    ("after" = Option<String>, Query, description = "`next` of the list before"),
), responses((status = 200, description = "what runs came to", body = Summary)))]
pub(crate) async fn summary(visit: Visit) -> Answer {
    let parameters = Parameters::of(&visit, &["period", "on", "days", "limit", "after"])?;
    let span = backup_span::read(&visit)?;
    let filter = JobFilter {
        customer: visit.scope()?,
        host: None,
        slice: parameters.slice()?,
    };
    let backend = &visit.console.backend;
    let jobs = backend.backup_jobs(&filter).await?;
    let ids: Vec<JobId> = jobs.items.iter().map(|hosted| hosted.job.id).collect();
    let zone = &visit.console.options.zone;
    let offset = jiff::Timestamp::from_millisecond(span.from.as_millis()).map_or(0, |at| zone.to_offset(at).seconds());
    let offset_ms = i64::from(offset) * 1_000;
    let mut days: HashMap<JobId, Vec<JobDay>> = HashMap::new();
    for day in backend.backup_days(&ids, span.from, span.to, offset_ms).await? {
        days.entry(day.job).or_default().push(day);
    }
    let totals = backend.backup_totals(&ids, span.from, span.to).await?;
    let totals: HashMap<Option<JobId>, RunTotals> = totals.into_iter().map(|one| (one.job, one)).collect();
    let none = RunTotals::default();
    let rows = jobs.items.iter().map(|hosted| {
        let id = hosted.job.id;
        let days = days.get(&id).map(Vec::as_slice).unwrap_or_default();
        summed(hosted, days, totals.get(&Some(id)).unwrap_or(&none), visit.now)
    });
    let all = backend.all_backup_totals(filter.customer, span.from, span.to).await?;
    let summary = Summary {
        period: span.period.map(|period| period.as_str()),
        first_day: span.days.map(|(first, _)| first.to_string()),
        last_day: span.days.map(|(_, last)| last.to_string()),
        from: span.from.to_string(),
        to: span.to.to_string(),
        totals: Totals::from(&all),
        items: rows.collect(),
        next: jobs.next,
    };
    Ok(Json(summary).into_response())
}

fn summed(hosted: &HostedJob, days: &[JobDay], totals: &RunTotals, now: Timestamp) -> JobSummary {
    let job = &hosted.job;
    let age = job
        .rpo_now(now)
        .map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
    let mut row = JobSummary {
        job: job.id.to_string(),
        name: job.name.clone(),
        host_name: hosted.host_name.clone(),
        totals: Totals::from(totals),
        rpo_ms: job.rpo_ms,
        rpo_now_ms: age,
        rpo_broken: job.breaks_rpo(now),
        ..JobSummary::default()
    };
    for day in days {
        match day.worst {
            Some(RunResult::Failed | RunResult::Missed) => row.days_bad += 1,
            Some(RunResult::Ok) => row.days_good += 1,
            Some(_) => row.days_with_warning += 1,
            None => {}
        }
    }
    row
}
