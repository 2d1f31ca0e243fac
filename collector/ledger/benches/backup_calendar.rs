//! The calendar of backups over a long history: one page of a hundred jobs × 31 days, read as the console reads it, and a page
//! of the job list.
//!
//! `cargo bench -p tocsin-ledger --bench backup_calendar [-- JOBS DAYS]`, by default 10 000 jobs with a run on each of 365
//! days. Without `--bench` (as in tests) a small history only shows that it works.
#![allow(clippy::print_stdout)] // this is a command
#![allow(clippy::disallowed_methods, reason = "a benchmark measures the time that passes")]

use sqlx::{AssertSqlSafe, Connection as _};
use std::{
    error::Error,
    time::{Duration, Instant},
};
use tocsin_desk::{
    backup::{JobFilter, Plan},
    record::HostFacts,
};
use tocsin_ledger::{Ledger, NewHost};
use tocsin_vocabulary::{AssetId, HostId, IdSource, JobId, Timestamp, time::HumanDuration};

/// 2026-11-22T00:00:00Z.
const NOW: Timestamp = Timestamp::from_millis(1_795_305_600_000);
const DAY: Duration = Duration::from_secs(86_400);
/// Each host has so many jobs.
const JOBS_OF_HOST: usize = 10;
/// Each page is read so often; the median counts.
const ROUNDS: usize = 41;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let measured = words.iter().any(|word| word == "--bench");
    let mut numbers = words.iter().filter_map(|word| word.parse::<usize>().ok());
    let jobs = numbers.next().unwrap_or(if measured { 10_000 } else { 20 });
    let days = numbers.next().unwrap_or(if measured { 365 } else { 40 });
    let folder = tempfile::tempdir()?;
    let address = format!("sqlite:{}", folder.path().join("ledger.db").display());
    let ledger = Ledger::open(&address, NOW).await?;
    fill(&ledger, jobs).await?;
    history(&address, days).await?;

    let mut took = Vec::new();
    for round in 0..ROUNDS {
        let offset = (round * 100 % jobs.max(1)) as u64;
        let began = Instant::now();
        let board = ledger.job_board(None, offset, 100, NOW).await?;
        let ids: Vec<JobId> = board.rows.iter().map(|of| of.job.id).collect();
        let cells = ledger
            .job_days(&ids, NOW.minus(DAY * 31), NOW.plus(DAY), 28_800_000)
            .await?;
        took.push(began.elapsed());
        if board.jobs != jobs as u64 || cells.len() < ids.len() * days.min(31) {
            return Err(format!("{} jobs and {} cells were read", board.jobs, cells.len()).into());
        }
    }
    tell("calendar page of 100 jobs x 31 days", &mut took);
    let mut took = Vec::new();
    let mut filter = JobFilter::default();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        filter.slice.after = ledger.job_list(&filter).await?.next;
        took.push(began.elapsed());
    }
    tell("100 jobs of the list", &mut took);
    println!("{jobs} jobs, {} runs", jobs * days);
    Ok(())
}

fn tell(what: &str, took: &mut [Duration]) {
    took.sort_unstable();
    println!(
        "{what}: median {:?}, slowest {:?}",
        took[took.len() / 2],
        took[took.len() - 1]
    );
}

async fn fill(ledger: &Ledger, jobs: usize) -> Result<(), Box<dyn Error>> {
    let mut ids = IdSource::new(1);
    let mut host = None;
    for number in 0..jobs {
        if number % JOBS_OF_HOST == 0 {
            let new = NewHost {
                host: HostId::next(&mut ids, NOW),
                asset: AssetId::next(&mut ids, NOW),
                name: format!("host-{number}"),
                customer: None,
                facts: HostFacts::default(),
                certificate_until: NOW,
            };
            host = Some(ledger.enrol_host(&new, NOW, &[]).await?.id);
        }
        let host = host.ok_or("no host")?;
        let plan = Plan {
            name: format!("job-{}", number % JOBS_OF_HOST),
            schedule: Some("30 2 * * *".to_owned()),
            rpo: Some(HumanDuration(DAY * 2)),
            ..Plan::default()
        };
        let job = plan.apply(None, JobId::next(&mut ids, NOW), host, "Asia/Shanghai", NOW)?;
        ledger.declare_job(&job, &[]).await?;
    }
    Ok(())
}

/// A run of every job on every day; one in fifty failed. Laid by one statement, for one by one takes an hour.
async fn history(address: &str, days: usize) -> Result<(), Box<dyn Error>> {
    let mut connection = sqlx::SqliteConnection::connect(address).await?;
    let (now, day) = (NOW.as_millis(), DAY.as_millis());
    let sql = format!(
        "WITH RECURSIVE day (n) AS (SELECT {days} UNION ALL SELECT n - 1 FROM day WHERE n > 1),
            job (id, n) AS (SELECT id, ROW_NUMBER() OVER (ORDER BY id) FROM backup_job),
            run (job, n, day, at, bad) AS (SELECT job.id, job.n, day.n, {now} - day.n * {day} + 9000000,
                (job.n + day.n) % 50 = 0 FROM day CROSS JOIN job)
         INSERT INTO backup_run (id, job, started_at, ended_at, received_at, duration_ms, result, reported, badness, exit_code,
            signal, bytes, bytes_added, files, artefact, judged_by, error, tail, late, noted_by)
         SELECT printf('%08x-%04x-7000-8000-%012x', 400 - day, day, n), job, at, at + 600000, at + 601000, 600000,
            CASE WHEN bad THEN 'failed' ELSE 'ok' END, CASE WHEN bad THEN 'failed' ELSE 'ok' END,
            CASE WHEN bad THEN 5 ELSE 1 END, bad, NULL, 4000000000, 1000000, 12000, '', 'restic',
            CASE WHEN bad THEN 'Fatal: wrong password or no key found' ELSE '' END, '', 0, '' FROM run"
    );
    sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await?;
    let stand = format!(
        "UPDATE backup_job SET last_at = {now} - {day} + 9000000, good_at = {now} - {day} + 9000000,
         last_result = (SELECT result FROM backup_run WHERE job = backup_job.id ORDER BY started_at DESC LIMIT 1)"
    );
    sqlx::query(AssertSqlSafe(stand)).execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}
