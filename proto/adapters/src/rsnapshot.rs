//! rsnapshot: its exit status, and its log.
//!
//! Exit codes (rsnapshot(1)): 0, 1 fatal, 2 warnings. In the log a run is `… daily: started` up to `… completed
//! successfully`, `… completed, but with some warnings` or `ERROR:`; the last run counts.

use super::{Output, Reading, text};
use tocsin_vocabulary::{RunResult, Timestamp};

pub(super) fn read(output: &Output<'_>) -> Reading {
    let mut reading = Reading::of(match output.exit_code {
        Some(0) | None => RunResult::Ok,
        Some(2) => RunResult::Warning,
        Some(_) => RunResult::Failed,
    });
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    let (mut begun, mut completed) = (false, false);
    for line in output.lines() {
        let words = line.trim();
        if words.ends_with(": started") {
            (begun, completed) = (true, false);
            (errors, warnings) = (Vec::new(), Vec::new());
            reading.started_at = stamp(words, output);
            reading.ended_at = None;
            let level = words.trim_end_matches(": started").rsplit(' ').next();
            level.unwrap_or_default().clone_into(&mut reading.job);
        } else if words.contains(": completed successfully") {
            completed = true;
            reading.ended_at = stamp(words, output);
        } else if words.contains(": completed, but with") {
            completed = true;
            reading.ended_at = stamp(words, output);
            reading.result = reading.result.max(RunResult::Warning);
        } else if words.contains("ERROR: ") {
            errors.push(words);
        } else if words.contains("WARNING: ") {
            warnings.push(words);
        }
    }
    if !errors.is_empty() && !completed {
        reading.result = RunResult::Failed;
    }
    if begun && !completed {
        reading.at_least(RunResult::Failed, "the log does not say that the run was completed");
    }
    if !warnings.is_empty() || !errors.is_empty() {
        reading.result = reading.result.max(RunResult::Warning);
    }
    if reading.result > RunResult::Ok && !(errors.is_empty() && warnings.is_empty()) {
        reading.error = text::joined(errors.into_iter().chain(warnings));
    } else if let Some(code) = output.exit_code.filter(|code| *code != 0 && reading.error.is_empty()) {
        reading.error = text::error_of(output, code);
    }
    reading
}

/// `[2026-11-21T23:08:02] …` or, in older versions, `[21/Nov/2026:23:08:02] …`.
fn stamp(line: &str, output: &Output<'_>) -> Option<Timestamp> {
    let (stamp, _) = line.strip_prefix('[')?.split_once(']')?;
    text::time(stamp, output.zone).or_else(|| text::time_as("%d/%b/%Y:%H:%M:%S", stamp, output.zone))
}
