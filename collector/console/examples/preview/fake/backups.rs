//! Two backup jobs of the first host: one that is well, one that failed last night.

use super::Fake;
use async_trait::async_trait;
use std::time::Duration;
use tocsin_console::backend::{Backups, Failure, Host, Measurements as _, Ping, System as _};
use tocsin_desk::{
    backup::{HostedJob, Job, JobBoard, JobDay, JobFilter, JobRun, JobStand, Note, Plan, plan},
    model::Person,
    record::List,
};
use tocsin_vocabulary::{Code, CustomerId, HostId, JobId, RunId, RunResult, Timestamp};

const DAY: Duration = Duration::from_secs(86_400);

fn job(fake: &Fake, number: u8, name: &str, result: RunResult) -> Job {
    let now = fake.now();
    let mut job = plan::seen(
        JobId::from_bytes([number; 16]),
        HostId::from_bytes([1; 16]),
        name,
        "Asia/Shanghai",
        now,
    );
    job.schedule = "30 2 * * *".parse().ok();
    job.stand = JobStand {
        expected_at: Some(now.plus(DAY / 2)),
        last_at: Some(now.minus(DAY / 2)),
        last_result: Some(result),
        good_at: Some(now.minus(if result.is_good() { DAY / 2 } else { DAY * 2 })),
    };
    job
}

fn both(fake: &Fake) -> [Job; 2] {
    [
        job(fake, 1, "nightly <i>db</i>", RunResult::Failed),
        job(fake, 2, "files", RunResult::Ok),
    ]
}

fn run(fake: &Fake, job: JobId, days_ago: u32, result: RunResult) -> JobRun {
    let at = fake.now().minus(DAY * days_ago + DAY / 2);
    let number = u8::try_from(days_ago).unwrap_or(0);
    let bad = result == RunResult::Failed;
    JobRun {
        ended_at: Some(at.plus(Duration::from_secs(600))),
        duration_ms: Some(600_000 + u64::from(days_ago) * 1_000),
        result: Some(result),
        reported: Some(result),
        exit_code: Some(i32::from(bad)),
        bytes: Some(4_000_000_000 + u64::from(days_ago) * 1_000_000),
        judged_by: "restic".to_owned(),
        error: if bad {
            "Fatal: wrong password or no key found <b>".to_owned()
        } else {
            String::new()
        },
        ..JobRun::begun(RunId::from_bytes([number; 16]), job, at, at)
    }
}

fn refused<T>() -> Result<T, Failure> {
    Err(Failure::new(Code::Unavailable, "the preview takes no changes"))
}

#[async_trait]
impl Backups for Fake {
    async fn backup_jobs(&self, filter: &JobFilter) -> Result<List<HostedJob>, Failure> {
        let items = self.backup_board(filter.customer, 0, 100).await?.rows;
        Ok(List { items, next: None })
    }
    async fn backup_board(&self, customer: Option<CustomerId>, _: u64, _: u32) -> Result<JobBoard, Failure> {
        let hosts = self.hosts().await?;
        let host = hosts
            .into_iter()
            .find(|host| host.record.id == HostId::from_bytes([1; 16]))
            .filter(|host| customer.is_none_or(|only| host.record.customer == only));
        let rows = host.map_or_else(Vec::new, |host| {
            let hosted = |job| HostedJob {
                job,
                host_name: host.record.name.clone(),
            };
            both(self).into_iter().map(hosted).collect()
        });
        let (jobs, bad) = (rows.len() as u64, u64::from(!rows.is_empty()));
        Ok(JobBoard { rows, jobs, bad })
    }
    async fn backup_job(&self, id: JobId) -> Result<Option<Job>, Failure> {
        Ok(both(self).into_iter().find(|job| job.id == id))
    }
    async fn backup_runs(&self, id: JobId, _: Option<Timestamp>, _: u32) -> Result<Vec<JobRun>, Failure> {
        let newest = if id == JobId::from_bytes([1; 16]) {
            RunResult::Failed
        } else {
            RunResult::Ok
        };
        let result = |ago| if ago == 0 { newest } else { RunResult::Ok };
        Ok((0..5).map(|ago| run(self, id, ago, result(ago))).collect())
    }
    async fn backup_days(&self, jobs: &[JobId], _: Timestamp, to: Timestamp, _: i64) -> Result<Vec<JobDay>, Failure> {
        let today = to.as_millis() / 86_400_000 - 1;
        let day = |job: &JobId| JobDay {
            job: *job,
            day: today,
            worst: Some(if *job == JobId::from_bytes([1; 16]) {
                RunResult::Failed
            } else {
                RunResult::Ok
            }),
            runs: 1,
        };
        Ok(jobs.iter().map(day).collect())
    }
    async fn uncovered_hosts(&self, customer: Option<CustomerId>) -> Result<Vec<(HostId, String)>, Failure> {
        let second = |host: &Host| host.record.id == HostId::from_bytes([2; 16]);
        let mut hosts = self.hosts().await?;
        hosts.retain(|host| second(host) && customer.is_none_or(|only| host.record.customer == only));
        Ok(hosts
            .into_iter()
            .map(|host| (host.record.id, host.record.name))
            .collect())
    }
    async fn declare_backup_job(
        &self,
        _: HostId,
        _: &Plan,
        _: bool,
        _: &Person,
        _: &'static str,
    ) -> Result<Job, Failure> {
        refused()
    }
    async fn forget_backup_job(&self, _: JobId, _: &Person, _: &'static str) -> Result<Job, Failure> {
        refused()
    }
    async fn note_backup_run(&self, _: JobId, _: &Note, _: &Person, _: &'static str) -> Result<JobRun, Failure> {
        refused()
    }
    async fn note_restore(&self, _: JobId, _: Option<Timestamp>, _: &Person, _: &'static str) -> Result<Job, Failure> {
        refused()
    }
    async fn ping(&self, ping: &Ping) -> Result<(), Failure> {
        if ping.key == "known" {
            return Ok(());
        }
        Err(Failure::new(Code::NotFound, "not found"))
    }
}
