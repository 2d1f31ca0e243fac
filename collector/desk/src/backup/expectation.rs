//! Which run is awaited until when, and what a run that came means for that.
//!
//! A job awaits one run at a time: the next of its schedule. It is answered by a run that began within the grace, or a
//! little before (clocks differ). When the grace is over without one, the run is missed, and the next one is awaited.
//! What is awaited is kept with the job, so deadlines survive a restart; how it changes is said here and nowhere else.

use super::{
    job::Job,
    schedule::{self, Schedule},
};
use std::time::Duration;
use tocsin_vocabulary::Timestamp;

/// A run may begin so much before its time: clocks of hosts differ from ours.
pub const EARLY_MAX: Duration = Duration::from_secs(60);
/// Runs missed in a row that are written down one by one after a long absence of ours.
pub const MISSED_MAX: usize = 31;

/// When the run that is awaited counts as missed; none: nothing is awaited.
#[must_use]
pub fn deadline(job: &Job) -> Option<Timestamp> {
    if job.paused {
        return None;
    }
    job.stand.expected_at.map(|at| at.plus(job.grace()))
}

/// The next run after `after`, by the schedule alone.
#[must_use]
pub fn next(job: &Job, after: Timestamp) -> Option<Timestamp> {
    let zone = schedule::zone(&job.zone).ok()?;
    job.schedule.as_ref()?.next(after, &zone)
}

/// Whether a run that began at `started` is the one that was awaited at `expected`.
#[must_use]
pub fn answers(job: &Job, expected: Timestamp, started: Timestamp) -> bool {
    started.plus(EARLY_MAX) >= expected && started <= expected.plus(job.grace())
}

/// What is awaited after a run began at `started`.
#[must_use]
pub fn after_run(job: &Job, started: Timestamp) -> Option<Timestamp> {
    let expected = job.stand.expected_at;
    match &job.schedule {
        None => None,
        // Every run moves it.
        Some(Schedule::Every(period)) => Some(started.plus(*period)).max(expected),
        Some(_) => match expected {
            Some(at) if answers(job, at, started) => next(job, at.max(started)),
            other => other,
        },
    }
}

/// The runs that are missed at `now`, and what is awaited after them.
#[must_use]
pub fn missed(job: &Job, now: Timestamp) -> (Vec<Timestamp>, Option<Timestamp>) {
    let mut missed = Vec::new();
    let mut expected = job.stand.expected_at.filter(|_| !job.paused);
    while let Some(at) = expected.filter(|at| at.plus(job.grace()) <= now) {
        missed.push(at);
        expected = match job.schedule {
            Some(Schedule::After(_)) | None => None,
            Some(_) => next(job, at),
        };
        if missed.len() > MISSED_MAX {
            missed.remove(0);
            expected = next(job, now.minus(job.grace()));
        }
    }
    (
        missed,
        expected.or(job.stand.expected_at.filter(|_| missed_none(job, now))),
    )
}

/// Nothing was due.
fn missed_none(job: &Job, now: Timestamp) -> bool {
    deadline(job).is_none_or(|due| due > now)
}

#[cfg(test)]
pub(super) mod tests {
    use super::{super::job::*, *};
    use tocsin_vocabulary::{HostId, IdSource, JobId};

    /// A nightly job in UTC with ten minutes of grace.
    pub(crate) fn job() -> Job {
        let mut ids = IdSource::new(1);
        let at: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
        let mut job = Job {
            id: JobId::next(&mut ids, at),
            host: HostId::next(&mut ids, at),
            name: "nightly".to_owned(),
            tool: String::new(),
            content: String::new(),
            target: String::new(),
            schedule: Some("30 2 * * *".parse().unwrap()),
            zone: "UTC".to_owned(),
            grace_ms: 600_000,
            duration_max_ms: 0,
            bytes_min: 0,
            bytes_max: 0,
            rpo_ms: 0,
            retention: String::new(),
            owner: String::new(),
            drill_every_ms: 0,
            drilled_at: None,
            ping_key: String::new(),
            origin: Origin::Declared,
            paused: false,
            created_at: at,
            stand: JobStand::default(),
        };
        job.stand.expected_at = next(&job, at);
        job
    }

    fn at(text: &str) -> Timestamp {
        format!("2026-11-{text}Z").parse().unwrap()
    }

    #[test]
    fn a_run_within_the_grace_answers_and_the_next_night_is_awaited() {
        let job = job();
        assert_eq!(deadline(&job), Some(at("22T02:40:00")));
        assert_eq!(after_run(&job, at("22T02:29:30")), Some(at("23T02:30:00")));
        assert_eq!(after_run(&job, at("22T02:39:59")), Some(at("23T02:30:00")));
        assert_eq!(
            after_run(&job, at("22T01:00:00")),
            Some(at("22T02:30:00")),
            "a run by hand before answers nothing"
        );
        assert_eq!(after_run(&job, at("22T02:40:01")), Some(at("22T02:30:00")), "too late");
    }

    #[test]
    fn a_night_without_a_run_is_missed_when_the_grace_is_over() {
        let job = job();
        assert_eq!(missed(&job, at("22T02:39:59")), (vec![], Some(at("22T02:30:00"))));
        assert_eq!(
            missed(&job, at("22T02:40:00")),
            (vec![at("22T02:30:00")], Some(at("23T02:30:00")))
        );
        let two = vec![at("22T02:30:00"), at("23T02:30:00")];
        assert_eq!(missed(&job, at("24T00:00:00")), (two, Some(at("24T02:30:00"))));
        let paused = Job { paused: true, ..job };
        assert_eq!(missed(&paused, at("24T00:00:00")).0, vec![]);
    }

    #[test]
    fn after_a_year_of_absence_the_last_month_is_written_down() {
        let mut minutely = job();
        minutely.schedule = Some("* * * * *".parse().unwrap());
        let (missed, next) = missed(&minutely, at("25T00:00:00"));
        assert!(missed.len() <= MISSED_MAX + 1);
        assert_eq!(next, Some(at("24T23:51:00")));
    }

    #[test]
    fn a_period_counts_from_the_run_that_came_and_a_follower_from_its_leader() {
        let mut job = job();
        job.schedule = Some("every 6h".parse().unwrap());
        assert_eq!(after_run(&job, at("22T05:00:00")), Some(at("22T11:00:00")));
        job.schedule = Some("after dump".parse().unwrap());
        assert_eq!(after_run(&job, at("22T02:31:00")), None);
        assert_eq!(missed(&job, at("22T03:00:00")), (vec![at("22T02:30:00")], None));
    }
}
