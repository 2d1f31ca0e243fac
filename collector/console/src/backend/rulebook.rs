//! One rule read aloud with where its alerts stand, and replays of a past period.

use super::{Failure, RuleView};
use async_trait::async_trait;
use serde::Serialize;
use tocsin_vocabulary::{HostId, Severity, Text, Timestamp};

/// A rule read aloud.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuleReading {
    /// As in the list of rules.
    pub view: RuleView,
    /// The line of its file where it begins, from 1.
    pub line: usize,
    /// What to do.
    pub remedy: Text,
    /// Sentences: what each is about, and its words. Several may be about one thing, and then follow each other.
    pub sentences: Vec<(Text, Text)>,
    /// Where its alerts stand; those that are clear too, as far as there is room.
    pub states: Vec<RuleState>,
    /// Alerts that are clear and not among them.
    pub further_clear: usize,
    /// What came of its tests: the site's own, else those of the built-in rule of this name.
    pub tests: Vec<RuleTrial>,
}

/// What came of a test of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleTrial {
    /// What it shows.
    pub name: String,
    /// The file and the line where it begins.
    pub place: String,
    /// What differs, as lines; none when it passed.
    pub failure: Option<String>,
}

/// Where one alert of a rule stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuleState {
    /// Which host.
    pub host: HostId,
    /// Attributes as `key=value,…`; empty if there are none.
    pub instance: String,
    /// `clear`, `pending`, `raised` or `clearing`.
    pub phase: String,
    /// When its condition began to hold; none while clear.
    pub since: Option<Timestamp>,
    /// The last value that is known.
    pub value: Option<f64>,
}

/// What shall be replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayQuestion {
    /// First instant.
    pub from: Timestamp,
    /// Last instant, exclusive.
    pub to: Timestamp,
    /// The text of rules.
    pub text: String,
    /// Patterns of names of hosts; all when empty.
    pub hosts: Vec<String>,
}

/// How much one rule would have said, and said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReplayTally {
    /// Name of the rule.
    pub rule: String,
    /// Alerts that would have been.
    pub would: usize,
    /// Alerts that there were.
    pub did: usize,
    /// Both.
    pub both: usize,
    /// Hosts with alerts that would have been.
    pub hosts: usize,
    /// For how long these would have held in all, milliseconds.
    pub held_ms: u64,
}

/// An alert that would have been, was, or both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReplayAlert {
    /// Name of the rule.
    pub rule: String,
    /// Which host.
    pub host: HostId,
    /// What it is called. Data from a monitored host.
    pub host_name: String,
    /// Attributes as `key=value,…`.
    pub instance: String,
    /// How bad.
    pub severity: Severity,
    /// When it was raised.
    pub raised_at: Timestamp,
    /// When it cleared; none while it holds.
    pub cleared_at: Option<Timestamp>,
    /// In words.
    pub title: Text,
    /// Whether it would have been.
    pub would: bool,
    /// Whether it was.
    pub did: bool,
}

/// What came of a replay.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum ReplayAnswer {
    /// The rules have mistakes, each with line and hint.
    Mistakes(Vec<String>),
    /// It was replayed.
    Done {
        /// Hosts.
        hosts: usize,
        /// Ticks that were looked at.
        ticks: u64,
        /// By rule.
        tallies: Vec<ReplayTally>,
        /// In the order of time; no more than a page shows.
        alerts: Vec<ReplayAlert>,
        /// Alerts beyond those.
        further: usize,
        /// What a reader should know.
        remarks: Vec<String>,
    },
}

/// Rules, read and tried.
#[async_trait]
pub trait Rulebook: Send + Sync {
    /// What is wrong with the folder of rules since it was changed, one mistake each: then the rules from before stay in
    /// force. Empty when nothing is.
    async fn rules_refused(&self) -> Vec<String>;
    /// The rule of this name.
    async fn rule(&self, name: &str) -> Result<Option<RuleReading>, Failure>;
    /// Replays a past period through rules. Ends by itself before a page's time is over.
    async fn replay_rules(&self, question: ReplayQuestion) -> Result<ReplayAnswer, Failure>;
}
