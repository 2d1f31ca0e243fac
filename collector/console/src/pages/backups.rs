//! Backups: jobs × days by result, and what nobody backs up.

use crate::{
    authority::Action,
    backend::Failure,
    guard::{Answer, Visit},
    shell::{Shell, page},
};
use askama::Template;
use jiff::{Timestamp as Instant, ToSpan as _, civil::Date};
use std::collections::HashMap;
use tocsin_desk::backup::{HostedJob, JobDay, Origin};
use tocsin_vocabulary::{JobId, RunResult, Timestamp};

/// Days of the calendar, today's included.
const DAYS: i64 = 31;
/// Jobs of one page.
const JOBS: u32 = 100;
/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// One day of a job: a shape and a word, never colour alone.
pub(crate) struct Cell {
    /// Of the worst run; `none` without one.
    pub(crate) key: &'static str,
    pub(crate) shape: &'static str,
    pub(crate) word: String,
    /// What hovering tells.
    pub(crate) title: String,
}

impl Cell {
    /// Of a result; `None` goes on.
    pub(crate) fn of(shell: &Shell, result: Option<RunResult>) -> Self {
        let key = result.map_or("running", RunResult::as_str);
        let word = shell.word("backup-result", key);
        Self {
            key,
            shape: shape(result),
            title: word.clone(),
            word,
        }
    }

    fn none() -> Self {
        Self {
            key: "none",
            shape: "",
            word: String::new(),
            title: String::new(),
        }
    }
}

/// The shape of a result, the same everywhere.
pub(crate) const fn shape(result: Option<RunResult>) -> &'static str {
    match result {
        None => "\u{2026}",
        Some(RunResult::Ok) => "\u{2713}",
        Some(RunResult::Warning) => "\u{25b2}",
        Some(RunResult::Overran) => "\u{25d4}",
        Some(RunResult::Shrunk) => "\u{25bd}",
        Some(RunResult::Failed) => "\u{2715}",
        Some(RunResult::Missed) => "\u{25cb}",
    }
}

struct Row {
    url: String,
    name: String,
    host: String,
    schedule: String,
    seen: bool,
    paused: bool,
    last: Cell,
    rpo: String,
    rpo_broken: bool,
    days: Vec<Cell>,
}

#[derive(Template)]
#[template(path = "backups.html")]
struct BackupsPage {
    shell: Shell,
    days: Vec<String>,
    rows: Vec<Row>,
    jobs: u64,
    bad: u64,
    uncovered: Vec<(String, String)>,
    earlier: Option<String>,
    later: Option<String>,
}

/// `GET /backups`.
pub(crate) async fn list(visit: Visit) -> Answer {
    let shell = Shell::new(&visit, "backups");
    let scope = visit.scope()?;
    let at: u64 = visit.parameter("from").and_then(|text| text.parse().ok()).unwrap_or(0);
    let backend = &visit.console.backend;
    let board = backend.backup_board(scope, at, JOBS).await?;
    let (dates, found) = days(&visit, &shell, &board.rows).await?;
    let rows = board.rows.iter().map(|hosted| row(&shell, hosted, &dates, &found));
    let uncovered = backend.uncovered_hosts(scope).await?;
    let uncovered = uncovered.into_iter().map(|(id, name)| (name, format!("/hosts/{id}")));
    let (page_jobs, all) = (u64::from(JOBS), board.jobs);
    page(&BackupsPage {
        days: dates
            .iter()
            .map(|date| format!("{:02}-{:02}", date.month(), date.day()))
            .collect(),
        rows: rows.collect(),
        jobs: all,
        bad: board.bad,
        uncovered: uncovered.collect(),
        earlier: (at > 0).then(|| format!("/backups?from={}", at.saturating_sub(page_jobs))),
        later: (at.saturating_add(page_jobs) < all).then(|| format!("/backups?from={}", at + page_jobs)),
        shell,
    })
}

/// The days of the calendar, and what these jobs did on each.
async fn days(
    visit: &Visit,
    shell: &Shell,
    jobs: &[HostedJob],
) -> Result<(Vec<Date>, HashMap<(JobId, i64), JobDay>), Failure> {
    let now = Instant::from_millisecond(visit.now.as_millis()).unwrap_or_default();
    let zoned = now.to_zoned(shell.zone().clone());
    let today = zoned.date();
    let dates: Vec<Date> = (0..DAYS)
        .rev()
        .filter_map(|ago| today.checked_sub(ago.days()).ok())
        .collect();
    // One offset for all days: a night around a clock change may stand an hour beside its day.
    let offset_ms = i64::from(zoned.offset().seconds()) * 1_000;
    let first = dates.first().copied().unwrap_or(today);
    let from = number(first) * DAY_MS - offset_ms;
    let ids: Vec<JobId> = jobs.iter().map(|hosted| hosted.job.id).collect();
    let backend = &visit.console.backend;
    let from = Timestamp::from_millis(from);
    let to = visit.now.plus(std::time::Duration::from_secs(86_400));
    let found = backend.backup_days(&ids, from, to, offset_ms).await?;
    Ok((dates, found.into_iter().map(|day| ((day.job, day.day), day)).collect()))
}

/// Days since 1970-01-01.
fn number(date: Date) -> i64 {
    let epoch = jiff::civil::date(1970, 1, 1);
    date.since(epoch).map_or(0, |span| i64::from(span.get_days()))
}

fn row(shell: &Shell, hosted: &HostedJob, dates: &[Date], found: &HashMap<(JobId, i64), JobDay>) -> Row {
    let HostedJob { job, host_name } = hosted;
    let days = dates.iter().map(|date| match found.get(&(job.id, number(*date))) {
        None => Cell::none(),
        Some(day) => {
            let cell = Cell::of(shell, day.worst);
            let title = format!("{date} {} {} \u{d7} {}", job.name, cell.word, day.runs);
            Cell { title, ..cell }
        }
    });
    Row {
        url: format!("/backups/{}", job.id),
        name: job.name.clone(),
        host: host_name.clone(),
        schedule: job.schedule.as_ref().map(ToString::to_string).unwrap_or_default(),
        seen: job.origin == Origin::Seen,
        paused: job.paused,
        last: match job.stand.last_at {
            None => Cell::none(),
            Some(_) => Cell::of(shell, job.stand.last_result),
        },
        rpo: job
            .rpo_now(shell.now)
            .map_or_else(|| shell.t("backup-never"), |age| shell.span(age)),
        rpo_broken: job.breaks_rpo(shell.now),
        days: days.collect(),
    }
}

/// Whether whoever is here may change jobs and note runs.
pub(crate) fn may_change(shell: &Shell) -> bool {
    shell.may(Action::WorkTicket)
}
