//! Backup runs as both sides name them: results, and what an agent's event about a run is called.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The name of the event by which an agent tells of a run that ended.
pub const RUN_ENDED: &str = "backup.run.ended";
/// The name of the event by which an agent tells of a run that began.
pub const RUN_STARTED: &str = "backup.run.started";
/// The name of the event by which an agent declares a job of its configuration.
pub const JOB_DECLARED: &str = "backup.job.declared";
/// The name of the event by which an agent tells of a job that it found in a timer or crontab, and that nobody declared.
pub const JOB_FOUND: &str = "backup.job.found";
/// Longest name of a job, in characters.
pub const JOB_NAME_CHARS_MAX: usize = 120;

/// What became of a run. The order is that of badness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunResult {
    /// Everything that the job asks for is there.
    Ok,
    /// It did its work, with something left out.
    Warning,
    /// It ran longer than expected, and perhaps still does.
    Overran,
    /// It made much less than its own history lets expect, or less than the job asks for.
    Shrunk,
    /// It did not do its work.
    Failed,
    /// It did not run when it should have.
    Missed,
}

/// A word that is no result of a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a result of a run: expected ok, warning, overran, shrunk, failed or missed")]
pub struct ParseRunResultError(String);

impl RunResult {
    /// All of them, the best first.
    pub const ALL: [Self; 6] = [
        Self::Ok,
        Self::Warning,
        Self::Overran,
        Self::Shrunk,
        Self::Failed,
        Self::Missed,
    ];

    /// The word for it, as stored and sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Overran => "overran",
            Self::Shrunk => "shrunk",
            Self::Failed => "failed",
            Self::Missed => "missed",
        }
    }

    /// Whether there is a copy of the data afterwards that one would restore from.
    #[must_use]
    pub const fn is_good(self) -> bool {
        matches!(self, Self::Ok | Self::Warning | Self::Overran)
    }
}

impl fmt::Display for RunResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RunResult {
    type Err = ParseRunResultError;
    fn from_str(text: &str) -> Result<Self, ParseRunResultError> {
        Self::ALL
            .into_iter()
            .find(|result| result.as_str() == text)
            .ok_or_else(|| ParseRunResultError(text.chars().take(64).collect()))
    }
}

/// A job's name as it is kept: without control characters and blanks around it, not too long. Empty when nothing is left.
#[must_use]
pub fn job_name(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let plain: String = plain.take(JOB_NAME_CHARS_MAX).collect();
    plain.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_results_read_back() {
        for result in RunResult::ALL {
            assert_eq!(result.as_str().parse(), Ok(result));
            assert_eq!(serde_json::to_string(&result).unwrap(), format!("\"{result}\""));
        }
        assert!("fine".parse::<RunResult>().is_err());
    }

    #[test]
    fn a_job_name_is_one_short_line() {
        assert_eq!(job_name("  nightly\n\u{1b}[2J  "), "nightly  [2J");
        assert_eq!(job_name(&"x".repeat(1_000)).chars().count(), JOB_NAME_CHARS_MAX);
        assert_eq!(job_name("\n"), "");
    }
}
