//! A rule, as it was meant.

use crate::{
    glob::Patterns,
    language::{self, RuleError},
    template::Template,
};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use tocsin_vocabulary::{Severity, Text, catalogue::Metric};

/// What happens when a rule's alert is raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is kept for inspections and reports; nobody is told.
    Record,
    /// People are told; no ticket.
    Notify,
    /// A ticket is opened and its clocks start.
    Ticket,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Record, Self::Notify, Self::Ticket];

    /// The word in rules, API and ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Notify => "notify",
            Self::Ticket => "ticket",
        }
    }
}

/// A threshold and where it lets go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bounds {
    /// Holds above `limit`; healthy below `clear`, or at most `limit` without one.
    Above {
        /// Beyond this the condition holds.
        limit: f64,
        /// Below this it is healthy again; never more than `limit`.
        clear: Option<f64>,
    },
    /// Holds below `limit`; healthy above `clear`, or at least `limit` without one.
    Below {
        /// Below this the condition holds.
        limit: f64,
        /// Above this it is healthy again; never less than `limit`.
        clear: Option<f64>,
    },
    /// Holds while the value is this, healthy when it is another. Meant for flags and states, compared exactly.
    Equals(f64),
}

impl Bounds {
    /// Whether the condition holds. NaN never does.
    #[must_use]
    pub fn holds(self, value: f64) -> bool {
        match self {
            Self::Above { limit, .. } => value > limit,
            Self::Below { limit, .. } => value < limit,
            Self::Equals(limit) => value == limit,
        }
    }

    /// Whether the value is healthy: not only that the condition no longer holds. NaN never is.
    #[must_use]
    pub fn healthy(self, value: f64) -> bool {
        match self {
            Self::Above { clear: Some(clear), .. } => value < clear,
            Self::Above { limit, .. } => value <= limit,
            Self::Below { clear: Some(clear), .. } => value > clear,
            Self::Below { limit, .. } => value >= limit,
            Self::Equals(limit) => value != limit && !value.is_nan(),
        }
    }

    /// The threshold that raises.
    #[must_use]
    pub const fn threshold(self) -> f64 {
        match self {
            Self::Above { limit, .. } | Self::Below { limit, .. } | Self::Equals(limit) => limit,
        }
    }

    /// The worse of two values.
    #[must_use]
    pub fn worse(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Above { .. } => a.max(b),
            Self::Below { .. } => a.min(b),
            Self::Equals(_) => b,
        }
    }

    /// `above`, `below` or `equals`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Above { .. } => "above",
            Self::Below { .. } => "below",
            Self::Equals(_) => "equals",
        }
    }
}

/// A condition on the values of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricCondition {
    /// Which metric.
    pub metric: &'static Metric,
    /// Which of its series: attribute and patterns. An attribute that a series lacks counts as empty.
    pub filters: Vec<(String, Patterns)>,
    /// For counters: the value is the increase over this much time.
    pub per: Option<Duration>,
    /// The threshold.
    pub bounds: Bounds,
    /// Raised only for an instance that was seen healthy before: what *turned* wrong, not what always was.
    pub from_healthy: bool,
}

/// What a rule looks at.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// Values of a metric.
    Metric(MetricCondition),
    /// Nothing was heard from the host for this long.
    NoData(Duration),
}

/// A condition with hysteresis, a severity, an action and a remedy.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Unique over all files; the alert's identity together with host and instance.
    pub name: String,
    /// The file it was read from.
    pub file: String,
    /// The line where it begins, from 1.
    pub line: usize,
    /// Its own text, for the page of rules.
    pub text: String,
    /// What it looks at.
    pub condition: Condition,
    /// How long the condition must hold before the alert is raised (`for`).
    pub hold: Duration,
    /// How long it must be healthy before the alert is cleared (`clear_for`).
    pub clear_hold: Duration,
    /// How bad.
    pub severity: Severity,
    /// What happens.
    pub action: Action,
    /// Host names that it applies to; all when empty.
    pub hosts: Patterns,
    /// Host tags that it applies to; all when empty.
    pub tags: Patterns,
    /// Its alerts are a drill and marked so everywhere.
    pub drill: bool,
    /// Who · what · where, with placeholders as they were written.
    pub title: Text,
    /// What to do, with placeholders as they were written.
    pub remedy: Text,
    /// The same, ready to be filled.
    pub(crate) title_template: Template,
    pub(crate) remedy_template: Template,
}

impl Rule {
    /// The metric's name; empty for a rule about silence.
    #[must_use]
    pub fn metric(&self) -> &'static str {
        match &self.condition {
            Condition::Metric(condition) => condition.metric.name,
            Condition::NoData(_) => "",
        }
    }

    /// The threshold that raises, to be drawn in a chart; `None` for a rule about silence.
    #[must_use]
    pub const fn threshold(&self) -> Option<f64> {
        match &self.condition {
            Condition::Metric(condition) => Some(condition.bounds.threshold()),
            Condition::NoData(_) => None,
        }
    }

    /// Whether it looks at hosts of this name and these tags.
    #[must_use]
    pub fn applies(&self, name: &str, tags: &[String]) -> bool {
        self.hosts.matches(name) && self.tags.matches_any(tags.iter().map(String::as_str))
    }
}

/// All rules, sorted by name. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RuleSet {
    rules: Arc<[Arc<Rule>]>,
    checks: Arc<[Check]>,
}

/// What a tick wants to know of a rule that looks at a metric, side by side with those of the other rules.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Check {
    pub(crate) bounds: Bounds,
    /// Seconds that a rate is over; `None` for the value itself.
    pub(crate) per: Option<f64>,
    pub(crate) from_healthy: bool,
}

impl Check {
    fn of(rule: &Rule) -> Self {
        match &rule.condition {
            Condition::Metric(condition) => Self {
                bounds: condition.bounds,
                per: condition.per.map(|per| per.as_secs_f64()),
                from_healthy: condition.from_healthy,
            },
            // No entry of a plan has such a rule.
            Condition::NoData(_) => Self {
                bounds: Bounds::Equals(0.0),
                per: None,
                from_healthy: false,
            },
        }
    }
}

/// The rules that a collector has when nobody wrote any.
const BUILTIN: &[(&str, &str)] = &[
    ("agent.toml", include_str!("../default/agent.toml")),
    ("cpu.toml", include_str!("../default/cpu.toml")),
    ("disk.toml", include_str!("../default/disk.toml")),
    ("memory.toml", include_str!("../default/memory.toml")),
    ("network.toml", include_str!("../default/network.toml")),
    ("process.toml", include_str!("../default/process.toml")),
];

impl RuleSet {
    /// Reads files, given as name and text.
    ///
    /// # Errors
    /// All mistakes of all files, in the order of files and lines.
    pub fn parse<N: AsRef<str>, T: AsRef<str>>(files: &[(N, T)]) -> Result<Self, Vec<RuleError>> {
        language::read(files.iter().map(|(name, text)| (name.as_ref(), text.as_ref()))).map(|rules| Self {
            checks: rules.iter().map(Check::of).collect(),
            rules: rules.into_iter().map(Arc::new).collect(),
        })
    }

    /// The default rules.
    #[must_use]
    pub fn builtin() -> Self {
        // A test proves that they have no mistake; without it the set would be empty, not a panic.
        Self::parse(BUILTIN).unwrap_or_default()
    }

    /// The files that [`Self::builtin`] reads, as name and text, for an administrator to start from.
    #[must_use]
    pub const fn builtin_files() -> &'static [(&'static str, &'static str)] {
        BUILTIN
    }

    /// The rules, sorted by name.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = &Rule> {
        self.rules.iter().map(|rule| &**rule)
    }

    /// The rule at a position of [`Self::rules`].
    pub(crate) fn at(&self, position: usize) -> &Rule {
        &self.rules[position]
    }

    /// What a tick wants to know of the rule at a position.
    pub(crate) fn check(&self, position: usize) -> &Check {
        &self.checks[position]
    }

    /// The rule of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Rule> {
        self.position(name).map(|at| self.at(at))
    }

    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.rules.binary_search_by(|rule| rule.name.as_str().cmp(name)).ok()
    }
}
