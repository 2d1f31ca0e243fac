//! Tests of rules as data: series and events are made, the engine runs over them in virtual time, and what it says is held
//! against what was expected.
//!
//! ```toml
//! [[test]]
//! rule = "filesystem-full"
//! name = "a file system that fills is a ticket, and clears when there is room"   # default: the rule's name
//! host = "db1"                                  # default: host; also tags, groups, customer
//! interval = "10s"                              # of ticks; default 10s
//!
//! [[test.series]]
//! metric = "system.filesystem.utilization"
//! attributes = { "system.filesystem.state" = "used", "system.filesystem.mountpoint" = "/" }
//! values = "0.5x5m 0.95x10m 0.5x1m"
//!
//! [[test.expect]]
//! at = "9m"
//! alert = "none"                                # not raised until now; also pending, raised, cleared
//! [[test.expect]]
//! at = "11m"
//! alert = "raised"
//! severity = "critical"                         # default: any
//! instance = "system.filesystem.mountpoint=/"   # default: any
//! ```
//!
//! # Values
//!
//! One sample each tick, parted by blanks: `5`; `5x3` (it and three more of the same); `0+10x3` (0 10 20 30);
//! `100-5x2` (100 95 90); `_` for a tick on which nothing is measured; `_x3`; `NaN`, `inf`. In place of a count a time may
//! stand: `0.5x5m` is as many samples as fit into five minutes, `0+10x5m` rises by ten with each of them. After its last
//! sample a series is gone; when all are gone, ticks go on without any until the last expectation.
//!
//! `silent = ["2m..10m"]` lists spans in which no tick comes at all, and `answers = true` says that the machine answers at its
//! address all the same. Events are `[[test.event]]` with `at`, `event`,
//! `attributes`, `body` and `late = true`. `raises = 1` says how often the alert is raised in all.

mod document;
mod never_met;
mod notation;
mod run;

pub use document::{is_tests, read};
pub use never_met::never_met;
pub use run::{Miss, Outcome, Said};

use crate::transition::TransitionKind;
use std::time::Duration;
use tocsin_vocabulary::{Series, Severity, Timestamp};

/// What an alert should be at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// It was not raised until then.
    Nothing,
    /// The condition holds, not long enough.
    Pending,
    /// People know of it.
    Raised,
    /// It was raised, and is over.
    Cleared,
}

impl Expected {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Nothing, Self::Pending, Self::Raised, Self::Cleared];

    /// The word in a test.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::Pending => "pending",
            Self::Raised => "raised",
            Self::Cleared => "cleared",
        }
    }
}

/// One expectation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// When, from the test's beginning; everything of that moment has happened.
    pub at: Duration,
    /// What then.
    pub alert: Expected,
    /// How bad; `None`: as it may be.
    pub severity: Option<Severity>,
    /// Of which instance, as in its transitions; `None`: of any.
    pub instance: Option<String>,
}

/// A series that is made.
#[derive(Debug, Clone, PartialEq)]
pub struct MadeSeries {
    /// What it is.
    pub series: Series,
    /// A sample for each tick from the beginning; `None` where nothing is measured.
    pub values: Vec<Option<f64>>,
}

/// An event that is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeEvent {
    /// When it happens, from the test's beginning.
    pub at: Duration,
    /// What it is.
    pub name: String,
    /// What it is about.
    pub attributes: Vec<(String, String)>,
    /// What the host says of it.
    pub body: String,
    /// Whether it comes from backlog.
    pub late: bool,
}

/// A test of one rule.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleTest {
    /// The file it was read from.
    pub file: String,
    /// The line where it begins, from 1.
    pub line: usize,
    /// What it shows.
    pub name: String,
    /// The rule.
    pub rule: String,
    /// What the host is called.
    pub host: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its groups.
    pub groups: Vec<String>,
    /// Its customer.
    pub customer: String,
    /// Between ticks.
    pub interval: Duration,
    /// When it begins.
    pub start: Timestamp,
    /// What is measured.
    pub series: Vec<MadeSeries>,
    /// What happens.
    pub events: Vec<MadeEvent>,
    /// Spans without ticks, from the test's beginning.
    pub silent: Vec<(Duration, Duration)>,
    /// Whether the machine answers at its address while it is silent.
    pub answers: bool,
    /// What should come of it, in the order of time.
    pub expect: Vec<Expectation>,
    /// How often the alert is raised in all; `None`: as often as it likes.
    pub raises: Option<usize>,
}

impl RuleTest {
    /// Whether it expects the alert to be raised and to be cleared.
    #[must_use]
    pub fn raises_and_clears(&self) -> bool {
        let expects = |what| self.expect.iter().any(|one| one.alert == what);
        expects(Expected::Raised) && expects(Expected::Cleared)
    }
}

/// The word for what was said.
pub(crate) const fn word(kind: TransitionKind) -> &'static str {
    match kind {
        TransitionKind::Raised => "raised",
        TransitionKind::Updated => "updated",
        TransitionKind::Cleared => "cleared",
    }
}

/// Time from a beginning, such as `1h5m10s`.
#[must_use]
pub fn offset(duration: Duration) -> String {
    let mut left = duration.as_millis();
    let mut text = String::new();
    for (unit, length) in [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ] {
        if left >= length {
            text.push_str(&format!("{}{unit}", left / length));
            left %= length;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}
