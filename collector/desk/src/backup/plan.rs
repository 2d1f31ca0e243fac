//! What people declare of a job, checked; and runs that they note by hand.

use super::{
    expectation,
    job::{Job, JobStand, Origin},
    schedule::{self, Schedule, ScheduleError},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tocsin_vocabulary::{
    HostId, JobId, RunResult, Timestamp,
    backup::{JOB_NAME_CHARS_MAX, job_name},
    time::HumanDuration,
};

/// How late a run may begin where nothing is said.
pub const GRACE: Duration = Duration::from_secs(600);
/// Longest text of a plan, in characters.
const TEXT_CHARS_MAX: usize = 1_000;

/// A plan that can't be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The schedule or zone is wrong.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// The name is.
    #[error("a job has a name of 1 to {JOB_NAME_CHARS_MAX} characters")]
    Name,
    /// A text is too long.
    #[error("`{0}` is too long: at most {TEXT_CHARS_MAX} characters")]
    Text(&'static str),
    /// The band of sizes is empty.
    #[error("bytes_min is above bytes_max")]
    Sizes,
}

/// What is declared of a job. What is left out stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// Its name, once per host.
    pub name: String,
    /// When it should run: `30 2 * * *`, `calendar Mon..Fri 02:30`, `every 6h`, `after dump`; empty: whenever it does.
    pub schedule: Option<String>,
    /// IANA name of the schedule's zone.
    pub zone: Option<String>,
    /// How late it may begin.
    pub grace: Option<HumanDuration>,
    /// Longer is overran.
    pub duration_max: Option<HumanDuration>,
    /// Less is shrunk.
    pub bytes_min: Option<u64>,
    /// More is a warning.
    pub bytes_max: Option<u64>,
    /// The newest good run may be so old.
    pub rpo: Option<HumanDuration>,
    /// A restore is to be tried so often.
    pub drill_every: Option<HumanDuration>,
    /// With what.
    pub tool: Option<String>,
    /// What is saved.
    pub content: Option<String>,
    /// Where to.
    pub target: Option<String>,
    /// How long copies are kept.
    pub retention: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Nothing is expected while this is set.
    pub paused: Option<bool>,
}

impl Plan {
    /// The job as declared: a new one named `id` on `host`, or `before` with what is new. `zone` is the site's.
    ///
    /// # Errors
    /// When something in it is wrong.
    pub fn apply(
        &self,
        before: Option<&Job>,
        id: JobId,
        host: HostId,
        zone: &str,
        now: Timestamp,
    ) -> Result<Job, PlanError> {
        let mut job = before.cloned().unwrap_or_else(|| seen(id, host, &self.name, zone, now));
        job.origin = Origin::Declared;
        job.name = job_name(&self.name);
        if job.name.is_empty() || job.name != self.name.trim() {
            return Err(PlanError::Name);
        }
        if let Some(zone) = &self.zone {
            schedule::zone(zone)?;
            job.zone.clone_from(zone);
        }
        if let Some(text) = &self.schedule {
            job.schedule = if text.trim().is_empty() {
                None
            } else {
                Some(text.parse::<Schedule>()?)
            };
        }
        let durations = [
            (&mut job.grace_ms, self.grace),
            (&mut job.duration_max_ms, self.duration_max),
            (&mut job.rpo_ms, self.rpo),
            (&mut job.drill_every_ms, self.drill_every),
        ];
        for (field, new) in durations {
            if let Some(new) = new {
                *field = u64::try_from(new.0.as_millis()).unwrap_or(u64::MAX);
            }
        }
        job.bytes_min = self.bytes_min.unwrap_or(job.bytes_min);
        job.bytes_max = self.bytes_max.unwrap_or(job.bytes_max);
        if job.bytes_max > 0 && job.bytes_min > job.bytes_max {
            return Err(PlanError::Sizes);
        }
        let texts = [
            ("tool", &mut job.tool, &self.tool),
            ("content", &mut job.content, &self.content),
            ("target", &mut job.target, &self.target),
            ("retention", &mut job.retention, &self.retention),
            ("owner", &mut job.owner, &self.owner),
        ];
        for (name, field, new) in texts {
            if let Some(new) = new {
                if new.chars().count() > TEXT_CHARS_MAX {
                    return Err(PlanError::Text(name));
                }
                field.clone_from(new);
            }
        }
        job.paused = self.paused.unwrap_or(job.paused);
        let same = before.is_some_and(|before| {
            // Of a job that was only seen nothing is awaited yet.
            before.origin == Origin::Declared
                && before.schedule == job.schedule
                && before.zone == job.zone
                && before.paused == job.paused
        });
        if !same {
            job.stand.expected_at = if job.paused { None } else { expectation::next(&job, now) };
        }
        Ok(job)
    }

    /// A job that was `seen`, with what a host found of it; nothing is awaited of it until somebody adopts it. A schedule
    /// that is none of ours is left out: people say it when they adopt.
    ///
    /// # Errors
    /// When something else in it is wrong.
    pub fn found(&self, seen: &Job) -> Result<Job, PlanError> {
        let apply = |plan: &Self| plan.apply(Some(seen), seen.id, seen.host, &seen.zone, seen.created_at);
        let without = || Self {
            schedule: None,
            ..self.clone()
        };
        let mut job = match apply(self) {
            Err(PlanError::Schedule(_)) => apply(&without()),
            other => other,
        }?;
        job.origin = Origin::Seen;
        job.stand.expected_at = None;
        Ok(job)
    }
}

/// A job of which a run came, and that nobody has declared.
#[must_use]
pub fn seen(id: JobId, host: HostId, name: &str, zone: &str, now: Timestamp) -> Job {
    Job {
        id,
        host,
        name: job_name(name),
        tool: String::new(),
        content: String::new(),
        target: String::new(),
        schedule: None,
        zone: zone.to_owned(),
        grace_ms: u64::try_from(GRACE.as_millis()).unwrap_or(u64::MAX),
        duration_max_ms: 0,
        bytes_min: 0,
        bytes_max: 0,
        rpo_ms: 0,
        retention: String::new(),
        owner: String::new(),
        drill_every_ms: 0,
        drilled_at: None,
        ping_key: String::new(),
        origin: Origin::Seen,
        paused: false,
        created_at: now,
        stand: JobStand::default(),
    }
}

/// A run that somebody made by hand, and says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// What came of it.
    pub result: RunResult,
    /// Why by hand, and what was done.
    pub reason: String,
    /// When it began; now without it.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use tocsin_vocabulary::IdSource;

    const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

    fn apply(plan: &Plan, before: Option<&Job>) -> Result<Job, PlanError> {
        let mut ids = IdSource::new(1);
        plan.apply(
            before,
            JobId::next(&mut ids, NOW),
            HostId::next(&mut ids, NOW),
            "Asia/Shanghai",
            NOW,
        )
    }

    fn plan(name: &str) -> Plan {
        Plan {
            name: name.to_owned(),
            schedule: Some("30 2 * * *".to_owned()),
            ..Plan::default()
        }
    }

    #[test]
    fn a_declared_job_awaits_its_next_run_and_keeps_what_is_not_said_again() {
        let job = apply(&plan("nightly"), None).unwrap();
        assert_eq!(
            (job.origin, job.zone.as_str(), job.grace_ms),
            (Origin::Declared, "Asia/Shanghai", 600_000)
        );
        let awaited = job.stand.expected_at.unwrap();
        assert!(awaited > NOW && awaited <= NOW.plus(Duration::from_secs(86_400)));
        let renamed = Plan {
            name: "nightly".to_owned(),
            grace: Some(HumanDuration(Duration::from_secs(60))),
            ..Plan::default()
        };
        let changed = apply(&renamed, Some(&job)).unwrap();
        assert_eq!((changed.grace_ms, &changed.schedule), (60_000, &job.schedule));
        assert_eq!(changed.stand.expected_at, Some(awaited));
    }

    #[test]
    fn a_job_that_was_found_awaits_nothing_until_it_is_adopted() {
        let mut ids = IdSource::new(1);
        let (id, host) = (JobId::next(&mut ids, NOW), HostId::next(&mut ids, NOW));
        let found = plan("x").found(&seen(id, host, "x", "UTC", NOW)).unwrap();
        assert_eq!((found.origin, found.stand.expected_at), (Origin::Seen, None));
        assert_eq!(found.schedule, plan("x").schedule.unwrap().parse().ok());
        let adopted = apply(&plan("x"), Some(&found)).unwrap();
        assert_eq!(adopted.origin, Origin::Declared);
        assert!(adopted.stand.expected_at.is_some_and(|at| at > NOW));
        let strange = Plan {
            schedule: Some("now and then".to_owned()),
            tool: Some("restic".to_owned()),
            ..plan("x")
        };
        let found = strange.found(&seen(id, host, "x", "UTC", NOW)).unwrap();
        assert_eq!((found.schedule, found.tool.as_str()), (None, "restic"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(apply(&plan(" \n"), None), Err(PlanError::Name));
        let wrong = Plan {
            schedule: Some("now and then".to_owned()),
            ..plan("x")
        };
        assert!(matches!(apply(&wrong, None), Err(PlanError::Schedule(_))));
        let wrong = Plan {
            bytes_min: Some(2),
            bytes_max: Some(1),
            ..plan("x")
        };
        assert_eq!(apply(&wrong, None), Err(PlanError::Sizes));
    }
}
