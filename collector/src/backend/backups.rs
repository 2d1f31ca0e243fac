//! Backup jobs for pages and API.

use super::{Wired, failed};
use crate::backups::Actor;
use async_trait::async_trait;
use tocsin_console::backend::{Backups, Failure, Ping};
use tocsin_desk::{
    backup::{HostedJob, Job, JobBoard, JobDay, JobFilter, JobRun, Note, Plan},
    model::Person,
    record::List,
};
use tocsin_vocabulary::{CustomerId, HostId, JobId, Timestamp};

const fn actor<'a>(person: &'a Person, via: &'a str) -> Actor<'a> {
    Actor {
        who: person.login.as_str(),
        via,
    }
}

#[async_trait]
impl Backups for Wired {
    async fn backup_jobs(&self, filter: &JobFilter) -> Result<List<HostedJob>, Failure> {
        self.ledger.job_list(filter).await.map_err(failed)
    }
    async fn backup_board(&self, customer: Option<CustomerId>, offset: u64, limit: u32) -> Result<JobBoard, Failure> {
        let now = (self.clock)();
        let board = self.ledger.job_board(customer, offset, limit, now).await;
        board.map_err(failed)
    }
    async fn backup_job(&self, id: JobId) -> Result<Option<Job>, Failure> {
        self.ledger.job(id).await.map_err(failed)
    }
    async fn backup_runs(&self, id: JobId, before: Option<Timestamp>, limit: u32) -> Result<Vec<JobRun>, Failure> {
        self.ledger.runs(id, before, limit).await.map_err(failed)
    }
    async fn backup_days(
        &self,
        jobs: &[JobId],
        from: Timestamp,
        to: Timestamp,
        offset_ms: i64,
    ) -> Result<Vec<JobDay>, Failure> {
        self.ledger.job_days(jobs, from, to, offset_ms).await.map_err(failed)
    }
    async fn uncovered_hosts(&self, customer: Option<CustomerId>) -> Result<Vec<(HostId, String)>, Failure> {
        self.ledger.uncovered_hosts(customer).await.map_err(failed)
    }
    async fn declare_backup_job(
        &self,
        host: HostId,
        plan: &Plan,
        ping: bool,
        person: &Person,
        via: &'static str,
    ) -> Result<Job, Failure> {
        self.backups.declare(host, plan, ping, actor(person, via)).await
    }
    async fn forget_backup_job(&self, id: JobId, person: &Person, via: &'static str) -> Result<Job, Failure> {
        self.backups.forget(id, actor(person, via)).await
    }
    async fn note_backup_run(
        &self,
        id: JobId,
        note: &Note,
        person: &Person,
        via: &'static str,
    ) -> Result<JobRun, Failure> {
        self.backups.note(id, note, actor(person, via)).await
    }
    async fn note_restore(
        &self,
        id: JobId,
        at: Option<Timestamp>,
        person: &Person,
        via: &'static str,
    ) -> Result<Job, Failure> {
        self.backups.drilled(id, at, actor(person, via)).await
    }
    async fn ping(&self, ping: &Ping) -> Result<(), Failure> {
        self.backups.pinged(ping).await
    }
}
