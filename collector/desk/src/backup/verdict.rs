//! What a run is worth: what the host said of it, beside what the job asks for and its own history.

use super::job::{Job, JobRun};
use std::time::Duration;
use tocsin_vocabulary::{RunResult, time::format_duration};

/// Good runs that make a history.
pub const HISTORY_MIN: usize = 5;
/// Good runs that are looked at.
pub const HISTORY_MAX: usize = 30;

/// Judges a run that ended; `sizes` are the bytes of its job's newest good runs before it. The worst counts, and says why.
#[must_use]
pub fn judge(job: &Job, run: &JobRun, sizes: &[u64]) -> (RunResult, String) {
    let mut result = run.reported.unwrap_or(RunResult::Failed);
    let mut why = run.error.clone();
    if result == RunResult::Failed {
        return (result, why);
    }
    let mut at_least = |found: RunResult, reason: String| {
        if found > result {
            result = found;
            why = reason;
        }
    };
    if let Some((found, reason)) = run.bytes.and_then(|bytes| size(job, bytes, sizes)) {
        at_least(found, reason);
    }
    if run.bytes.is_none() && job.bytes_min > 0 {
        at_least(
            RunResult::Shrunk,
            format!("no size was told, expected at least {} bytes", job.bytes_min),
        );
    }
    let (took, most) = (run.duration_ms.unwrap_or(0), job.duration_max_ms);
    if most > 0 && took > most {
        at_least(RunResult::Overran, overran(took, most));
    }
    (result, why)
}

/// The words for a run that takes too long.
#[must_use]
pub fn overran(took_ms: u64, most_ms: u64) -> String {
    let took = Duration::from_millis(took_ms).as_secs();
    format!(
        "it took {}, expected at most {}",
        format_duration(Duration::from_secs(took)),
        format_duration(Duration::from_millis(most_ms))
    )
}

fn size(job: &Job, bytes: u64, sizes: &[u64]) -> Option<(RunResult, String)> {
    if job.bytes_min > 0 && bytes < job.bytes_min {
        return Some((
            RunResult::Shrunk,
            format!("{bytes} bytes, expected at least {}", job.bytes_min),
        ));
    }
    if job.bytes_max > 0 && bytes > job.bytes_max {
        return Some((
            RunResult::Warning,
            format!("{bytes} bytes, expected at most {}", job.bytes_max),
        ));
    }
    let usual = median(sizes)?;
    // The band of a history is from half of its median to twice.
    if job.bytes_min == 0 && bytes < usual / 2 {
        return Some((RunResult::Shrunk, format!("{bytes} bytes, usually {usual}")));
    }
    if job.bytes_max == 0 && bytes > usual.saturating_mul(2) {
        return Some((RunResult::Warning, format!("{bytes} bytes, usually {usual}")));
    }
    None
}

/// Of a history that is long enough.
fn median(sizes: &[u64]) -> Option<u64> {
    let mut sizes: Vec<u64> = sizes.iter().take(HISTORY_MAX).copied().collect();
    if sizes.len() < HISTORY_MIN {
        return None;
    }
    sizes.sort_unstable();
    sizes.get(sizes.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::{super::expectation::tests::job, *};
    use tocsin_vocabulary::{IdSource, RunId, Timestamp};

    fn run(bytes: Option<u64>, seconds: u64) -> JobRun {
        let at = Timestamp::from_millis(1_000_000);
        JobRun {
            bytes,
            duration_ms: Some(seconds * 1_000),
            reported: Some(RunResult::Ok),
            ..JobRun::begun(RunId::next(&mut IdSource::new(1), at), job().id, at, at)
        }
    }

    #[test]
    fn a_run_is_judged_by_its_own_history() {
        let usual = [100; 6];
        let judged = |bytes| judge(&job(), &run(Some(bytes), 1), &usual).0;
        assert_eq!(judged(100), RunResult::Ok);
        assert_eq!(judged(50), RunResult::Ok);
        assert_eq!(judged(49), RunResult::Shrunk);
        assert_eq!(judged(200), RunResult::Ok);
        assert_eq!(judged(201), RunResult::Warning);
        assert_eq!(
            judge(&job(), &run(Some(1), 1), &usual[..4]).0,
            RunResult::Ok,
            "no history yet"
        );
    }

    #[test]
    fn what_the_job_asks_for_counts_more_than_history() {
        let strict = Job {
            bytes_min: 10,
            bytes_max: 1_000,
            duration_max_ms: 60_000,
            ..job()
        };
        let judged = |bytes, seconds| judge(&strict, &run(bytes, seconds), &[100; 6]);
        assert_eq!(judged(Some(10), 60).0, RunResult::Ok);
        assert_eq!(judged(Some(9), 61).0, RunResult::Shrunk, "the worst counts");
        assert_eq!(judged(None, 1).0, RunResult::Shrunk);
        assert_eq!(judged(Some(1_001), 1).0, RunResult::Warning);
        assert_eq!(
            judged(Some(500), 61),
            (RunResult::Overran, "it took 61s, expected at most 1m".to_owned())
        );
    }

    #[test]
    fn a_failure_stays_one_with_its_own_words() {
        let failed = JobRun {
            reported: Some(RunResult::Failed),
            error: "wrong password".to_owned(),
            ..run(Some(1), 1)
        };
        assert_eq!(
            judge(&job(), &failed, &[100; 6]),
            (RunResult::Failed, "wrong password".to_owned())
        );
    }
}
