//! Backup jobs and their runs: when a job should run, and whether what came of it is what was promised. Pure.
//!
//! * [`job`] — the plan and its runs, as the registers keep them,
//! * [`plan`] — what people declare of a job, checked; runs that they note by hand,
//! * [`calendar`] — instants of a wall clock: cron and systemd calendars as one,
//! * [`coverage`] — the plan against the fact, and what runs came to,
//! * [`schedule`] — when a job should run, in its zone,
//! * [`verdict`] — what a run is worth, judged beside what the job asks for and its own history,
//! * [`expectation`] — which run is awaited until when, and what a run that came means for that.

pub mod calendar;
pub mod coverage;
pub mod expectation;
pub mod job;
pub mod plan;
pub mod schedule;
pub mod verdict;

pub use calendar::{Calendar, CalendarError};
pub use coverage::{Coverage, Gap, Period, RunTotals};
pub use job::{HostedJob, Job, JobBoard, JobDay, JobFilter, JobRun, JobStand, Origin};
pub use plan::{Note, Plan, PlanError};
pub use schedule::{Schedule, ScheduleError};
