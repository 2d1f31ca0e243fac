//! The plan and its runs, as the registers keep them.

use super::schedule::Schedule;
use crate::record::Slice;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tocsin_vocabulary::{CustomerId, HostId, JobId, RunId, RunResult, Timestamp};

/// Where a job comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A person declared it here.
    Declared,
    /// A run of it came, and nobody has declared it yet.
    Seen,
}

impl Origin {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Declared => "declared",
            Self::Seen => "seen",
        }
    }

    /// What a word means.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Declared, Self::Seen]
            .into_iter()
            .find(|origin| origin.as_str() == word)
    }
}

/// A backup job: what is saved, where to, when, and what a good run looks like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its identity.
    pub id: JobId,
    /// On which host it runs; faults are that host's.
    pub host: HostId,
    /// What people call it, once per host.
    pub name: String,
    /// With what, such as `restic`.
    pub tool: String,
    /// What is saved.
    pub content: String,
    /// Where to.
    pub target: String,
    /// When it should run; none: whenever it runs.
    pub schedule: Option<Schedule>,
    /// IANA name of the zone of the schedule.
    pub zone: String,
    /// How late it may begin.
    pub grace_ms: u64,
    /// Longer is overran; 0: any time is fine.
    pub duration_max_ms: u64,
    /// Less is shrunk; 0: its own history tells.
    pub bytes_min: u64,
    /// More is a warning; 0: its own history tells.
    pub bytes_max: u64,
    /// The newest good run may be so old; 0: nothing was promised.
    pub rpo_ms: u64,
    /// How long copies are kept, in the tool's or contract's words.
    pub retention: String,
    /// Who answers for it.
    pub owner: String,
    /// A restore is to be tried so often; 0: nothing was promised.
    pub drill_every_ms: u64,
    /// When a restore was tried last.
    pub drilled_at: Option<Timestamp>,
    /// The secret part of its ping address; empty: it has none.
    pub ping_key: String,
    /// Where it comes from.
    pub origin: Origin,
    /// Nothing is expected of it while this is set.
    pub paused: bool,
    /// When it was written down.
    pub created_at: Timestamp,
    /// How it stands.
    pub stand: JobStand,
}

/// How a job stands: kept beside it, so that no page has to look through its runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct JobStand {
    /// When the next run is awaited; it has the job's grace from then on.
    pub expected_at: Option<Timestamp>,
    /// When the newest run began, missed ones included.
    pub last_at: Option<Timestamp>,
    /// What the newest run was worth; none while it goes on.
    pub last_result: Option<RunResult>,
    /// When the newest good run began: this old is what would be restored.
    pub good_at: Option<Timestamp>,
}

impl Job {
    /// How late it may begin.
    #[must_use]
    pub const fn grace(&self) -> Duration {
        Duration::from_millis(self.grace_ms)
    }

    /// The age of what would be restored now; none: nothing.
    #[must_use]
    pub fn rpo_now(&self, now: Timestamp) -> Option<Duration> {
        self.stand.good_at.map(|good| now.since(good))
    }

    /// When what would be restored gets older than promised; none: nothing was promised. A job without a good run has
    /// the promised time for its first one.
    #[must_use]
    pub fn rpo_due(&self) -> Option<Timestamp> {
        let newest = self.stand.good_at.unwrap_or(self.created_at);
        (self.rpo_ms > 0).then(|| newest.plus(Duration::from_millis(self.rpo_ms)))
    }

    /// Whether what would be restored is older than promised.
    #[must_use]
    pub fn breaks_rpo(&self, now: Timestamp) -> bool {
        self.rpo_due().is_some_and(|due| due < now)
    }

    /// Since when a restore should have been tried again.
    #[must_use]
    pub fn drill_due(&self, now: Timestamp) -> Option<Timestamp> {
        if self.drill_every_ms == 0 {
            return None;
        }
        let due = self
            .drilled_at
            .unwrap_or(self.created_at)
            .plus(Duration::from_millis(self.drill_every_ms));
        (due <= now).then_some(due)
    }
}

/// A job beside the name of its host.
#[derive(Debug, Clone, PartialEq)]
pub struct HostedJob {
    /// The job.
    pub job: Job,
    /// The host's name.
    pub host_name: String,
}

/// Which jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Of this customer's hosts.
    pub customer: Option<CustomerId>,
    /// Of this host: its id or its name.
    pub host: Option<String>,
    /// How many, after which; oldest first.
    pub slice: Slice,
}

/// One page of the calendar's jobs, what is wrong first, and how all of them stand.
#[derive(Debug, Clone, PartialEq)]
pub struct JobBoard {
    /// This page's.
    pub rows: Vec<HostedJob>,
    /// All jobs.
    pub jobs: u64,
    /// Those whose newest run was not good, or whose newest good run is older than promised.
    pub bad: u64,
}

/// The worst of a job's runs on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobDay {
    /// Whose.
    pub job: JobId,
    /// Days since 1970-01-01 on the wall clock that was asked for.
    pub day: i64,
    /// The worst result; none when all of them go on.
    pub worst: Option<RunResult>,
    /// How many runs.
    pub runs: u64,
}

/// One run of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRun {
    /// Its identity.
    pub id: RunId,
    /// Of which job.
    pub job: JobId,
    /// When it began; of a missed one, when it should have.
    pub started_at: Timestamp,
    /// When it ended; none while it goes on.
    pub ended_at: Option<Timestamp>,
    /// When we heard of it.
    pub received_at: Timestamp,
    /// How long it took.
    pub duration_ms: Option<u64>,
    /// What it is worth; none while it goes on.
    pub result: Option<RunResult>,
    /// What the host said it was, before we judged.
    pub reported: Option<RunResult>,
    /// As a shell counts.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Bytes of the source.
    pub bytes: Option<u64>,
    /// Bytes added to the target.
    pub bytes_added: Option<u64>,
    /// Files.
    pub files: Option<u64>,
    /// What was made.
    pub artefact: String,
    /// Which rules judged it on the host, `ping`, or `person`.
    pub judged_by: String,
    /// A sentence: why it is not good.
    pub error: String,
    /// The end of what the tool wrote.
    pub tail: String,
    /// It took long to be told.
    pub late: bool,
    /// Who noted it by hand, or empty.
    pub noted_by: String,
}

impl JobRun {
    /// A run of which nothing is known but when it began.
    #[must_use]
    pub const fn begun(id: RunId, job: JobId, started_at: Timestamp, received_at: Timestamp) -> Self {
        Self {
            id,
            job,
            started_at,
            ended_at: None,
            received_at,
            duration_ms: None,
            result: None,
            reported: None,
            exit_code: None,
            signal: None,
            bytes: None,
            bytes_added: None,
            files: None,
            artefact: String::new(),
            judged_by: String::new(),
            error: String::new(),
            tail: String::new(),
            late: false,
            noted_by: String::new(),
        }
    }
}
