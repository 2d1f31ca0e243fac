//! What of the logs an administrator wants watched.

use regex::bytes::{Regex, RegexBuilder};
use std::path::PathBuf;
use tocsin_vocabulary::Severity;

/// Most logs of one host.
pub const LOGS_MAX: usize = 64;
/// Most patterns of one log.
pub const MATCHES_MAX: usize = 64;
/// A compiled pattern may take this much memory; a pattern that needs more is refused.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// What the search for one pattern may keep at hand between lines.
pub(super) const SEARCH_BYTES_MAX: usize = 256 << 10;

/// Everything about logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogsConfig {
    /// Whether the kernel's messages are watched for what is known to be bad.
    pub kernel: bool,
    /// What else is watched, and for what.
    pub logs: Vec<LogConfig>,
}

impl Default for LogsConfig {
    fn default() -> Self {
        Self {
            kernel: true,
            logs: Vec::new(),
        }
    }
}

/// One log with what it is watched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// Which log.
    pub source: LogSource,
    /// In this order; the first pattern that a line fits makes the event.
    pub matches: Vec<LogMatch>,
}

/// A log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogSource {
    /// Files of one folder.
    Files {
        /// The folder, absolute.
        folder: PathBuf,
        /// The file's name, in which each `*` stands for any characters.
        name: String,
    },
    /// The whole journal.
    Journal,
    /// What the journal has of one unit; each `*` stands for any characters.
    Unit(String),
    /// What the kernel says.
    Kernel,
}

/// What makes a line an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogMatch {
    /// A regular expression that finds something in the line; its named captures become attributes.
    pub pattern: String,
    /// A line in which this regular expression finds something is no event after all.
    pub exclude: Option<String>,
    /// The event's name.
    pub event: String,
    /// How bad it is.
    pub severity: Severity,
}

/// Compiles a pattern for lines of any bytes.
///
/// # Errors
/// With one line that says what is wrong with it.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .size_limit(PATTERN_BYTES_MAX)
        .dfa_size_limit(SEARCH_BYTES_MAX)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "it needs too much memory: write it shorter".to_owned(),
            other => {
                let text = other.to_string();
                let last = text.lines().rev().find(|line| !line.trim().is_empty());
                let last = last.unwrap_or("it is not a regular expression").trim();
                last.strip_prefix("error: ").unwrap_or(last).to_owned()
            }
        })
}
