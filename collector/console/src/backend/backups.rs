//! Backup jobs and their runs.

use super::Failure;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tocsin_desk::{
    backup::{HostedJob, Job, JobBoard, JobDay, JobFilter, JobRun, Note, Plan},
    model::Person,
    record::List,
};
use tocsin_vocabulary::{CustomerId, HostId, JobId, Timestamp};

/// What a ping says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PingKind {
    /// The run begins.
    Start,
    /// It ended well.
    Success,
    /// It did not.
    Fail,
    /// Something to note.
    Log,
    /// It ended with this code.
    Exit(u8),
}

/// A run told over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ping {
    /// The secret part of the address.
    pub key: String,
    /// The job's name in the address; empty: the key tells.
    pub slug: String,
    /// What it says.
    pub kind: PingKind,
    /// The client's number for the run, or empty.
    pub rid: String,
    /// What it brought.
    pub body: String,
}

/// The plan, its runs, and what people do about them.
#[async_trait]
pub trait Backups: Send + Sync {
    /// Jobs that a filter lets through, oldest first.
    async fn backup_jobs(&self, filter: &JobFilter) -> Result<List<HostedJob>, Failure>;
    /// One page of a customer's jobs, or of all, what is wrong first; and how all of them stand.
    async fn backup_board(&self, customer: Option<CustomerId>, offset: u64, limit: u32) -> Result<JobBoard, Failure>;
    /// One job.
    async fn backup_job(&self, id: JobId) -> Result<Option<Job>, Failure>;
    /// Runs of a job that began before `before`, newest first.
    async fn backup_runs(&self, id: JobId, before: Option<Timestamp>, limit: u32) -> Result<Vec<JobRun>, Failure>;
    /// Days of jobs on a wall clock `offset_ms` ahead of UTC, each with its worst result.
    async fn backup_days(
        &self,
        jobs: &[JobId],
        from: Timestamp,
        to: Timestamp,
        offset_ms: i64,
    ) -> Result<Vec<JobDay>, Failure>;
    /// Hosts without any job, with their names; of a customer, or all.
    async fn uncovered_hosts(&self, customer: Option<CustomerId>) -> Result<Vec<(HostId, String)>, Failure>;
    /// Declares a job or changes it. Writes an audit line; `via` is `console` or `api`.
    async fn declare_backup_job(
        &self,
        host: HostId,
        plan: &Plan,
        ping: bool,
        person: &Person,
        via: &'static str,
    ) -> Result<Job, Failure>;
    /// Forgets a job and its runs. Writes an audit line.
    async fn forget_backup_job(&self, id: JobId, person: &Person, via: &'static str) -> Result<Job, Failure>;
    /// Notes a run that somebody made by hand. Writes an audit line.
    async fn note_backup_run(
        &self,
        id: JobId,
        note: &Note,
        person: &Person,
        via: &'static str,
    ) -> Result<JobRun, Failure>;
    /// Notes that a restore was tried. Writes an audit line.
    async fn note_restore(
        &self,
        id: JobId,
        at: Option<Timestamp>,
        person: &Person,
        via: &'static str,
    ) -> Result<Job, Failure>;
    /// A run told over HTTP; the key is the permission.
    async fn ping(&self, ping: &Ping) -> Result<(), Failure>;
}
