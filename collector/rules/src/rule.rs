//! A rule, as it was meant.

mod bounds;
mod derived;
mod event;
mod flapping;
mod formula;
mod level;
mod overriding;
mod set;

pub use bounds::{Bounds, States};
pub use derived::{DerivedCondition, Direction, Function, Logic, Measure, Operand, Test};
pub use event::{Body, Event, EventCondition, EventPattern};
pub use flapping::Flapping;
pub use formula::Formula;
pub(crate) use level::LEVELS_MAX;
pub use level::Level;
pub use overriding::Override;
pub(crate) use overriding::Who;
pub use set::RuleSet;
pub(crate) use set::{Check, NONE, RULES_MAX};

use crate::{glob::Patterns, template::Template};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tocsin_vocabulary::{Hash, Severity, Text, catalogue::Metric};

/// Characters of a text's hash that tell it from all others, for a collector's rules.
const VERSION_CHARS: usize = 16;

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

/// A series that was there, or should be, and has no value.
#[derive(Debug, Clone, PartialEq)]
pub struct AbsentCondition {
    /// Which metric.
    pub metric: &'static Metric,
    /// Which of its series: attribute and patterns.
    pub filters: Vec<(String, Patterns)>,
    /// Missed also if it was never there.
    pub expected: bool,
}

/// What a rule looks at.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// Values of a metric.
    Metric(MetricCondition),
    /// What is worked out of values.
    Derived(DerivedCondition),
    /// A series that is not there.
    Absent(AbsentCondition),
    /// Something happened, so often.
    Event(EventCondition),
    /// Nothing was heard from the host.
    NoData {
        /// For this long.
        after: Duration,
        /// Only if its machine answers at its address all the same, or only if it does not; none: either way.
        answers: Option<bool>,
    },
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
    /// When it is worse than that, from mild to bad.
    pub levels: Vec<Level>,
    /// Where other thresholds count; the first that fits a host.
    pub overrides: Vec<Override>,
    /// When an alert that comes and goes stays; `None` for never.
    pub flapping: Option<Flapping>,
    /// Whether the ticket of its minor alert may be closed by itself when the alert has cleared.
    pub auto_close: bool,
    /// Where to read more: a link.
    pub knowledge: Option<String>,
    /// Rules that explain it on the same host: while an alert of one of them holds for the same part, this one's is recorded
    /// and not told.
    pub explained_by: Vec<String>,
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
    /// Which text it is: the beginning of the hash of what was written.
    #[must_use]
    pub fn version(&self) -> String {
        let mut version = Hash::of(self.text.as_bytes()).to_string();
        version.truncate(VERSION_CHARS);
        version
    }

    /// The metric's name, of several the first one's; empty for a rule about silence or events.
    #[must_use]
    pub fn metric(&self) -> &'static str {
        match &self.condition {
            Condition::Metric(condition) => condition.metric.name,
            Condition::Derived(condition) => condition.operands.first().map_or("", |one| one.metric.name),
            Condition::Absent(condition) => condition.metric.name,
            Condition::Event(_) | Condition::NoData { .. } => "",
        }
    }

    /// The threshold that raises, to be drawn in a chart of the metric; `None` where it is one of something else.
    #[must_use]
    pub fn threshold(&self) -> Option<f64> {
        match &self.condition {
            Condition::Metric(condition) => Some(condition.bounds.threshold()),
            Condition::Derived(condition) => match condition.tests.first() {
                Some(Test { measure, bounds, .. }) => match measure {
                    Measure::Value { .. } => Some(bounds.threshold()),
                    Measure::Window { function, .. } if *function != Function::Delta => Some(bounds.threshold()),
                    _ => None,
                },
                None => None,
            },
            Condition::Absent(_) | Condition::Event(_) | Condition::NoData { .. } => None,
        }
    }

    /// How bad an alert of this level is; level 0 is the rule's own.
    #[must_use]
    pub fn severity_at(&self, level: u8) -> Severity {
        self.level(level).map_or(self.severity, |level| level.severity)
    }

    /// What happens for an alert of this level.
    #[must_use]
    pub fn action_at(&self, level: u8) -> Action {
        self.level(level).and_then(|level| level.action).unwrap_or(self.action)
    }

    /// The main threshold; `None` where there is none.
    pub(crate) fn bounds(&self) -> Option<Bounds> {
        match &self.condition {
            Condition::Metric(condition) => Some(condition.bounds),
            Condition::Derived(condition) => condition.tests.first().map(|test| test.bounds),
            Condition::Absent(_) | Condition::Event(_) | Condition::NoData { .. } => None,
        }
    }

    /// The worse of two values.
    pub(crate) fn worse(&self, a: f64, b: f64) -> f64 {
        self.bounds().map_or_else(|| a.max(b), |bounds| bounds.worse(a, b))
    }

    pub(crate) fn level(&self, level: u8) -> Option<&Level> {
        self.levels.get(usize::from(level).checked_sub(1)?)
    }

    /// The level that bears a severity; 0 if none does.
    pub(crate) fn level_of(&self, severity: Severity) -> u8 {
        let at = self.levels.iter().position(|level| level.severity == severity);
        at.and_then(|at| u8::try_from(at + 1).ok()).unwrap_or(0)
    }

    /// Whether it looks at hosts of this name and these tags.
    #[must_use]
    pub fn applies(&self, name: &str, tags: &[String]) -> bool {
        self.hosts.matches(name) && self.tags.matches_any(tags.iter().map(String::as_str))
    }
}
