//! What the engine says: an alert raised, updated or cleared.

use crate::{engine::Phase, rule::Action};
use tocsin_vocabulary::{HostId, Severity, Text, Timestamp};

/// What happened to the alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransitionKind {
    /// It holds, long enough.
    Raised,
    /// It still holds; its severity, its value or its words changed. At most every five minutes for a value.
    Updated,
    /// It is over.
    Cleared,
}

/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The condition holds.
    Holds,
    /// It is worse: another severity, reached by value or by time.
    Worsened,
    /// It is milder again, and still holds.
    Eased,
    /// It was seen healthy, long enough.
    Recovered,
    /// The host no longer has the series.
    Vanished,
    /// The rule was removed, or its severity or words were edited.
    RuleChanged,
    /// The rule no longer applies to the host.
    NotApplicable,
    /// The host is no longer watched.
    Forgotten,
}

impl Reason {
    /// The word in the ledger and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Worsened => "worsened",
            Self::Eased => "eased",
            Self::Recovered => "recovered",
            Self::Vanished => "vanished",
            Self::RuleChanged => "rule_changed",
            Self::NotApplicable => "not_applicable",
            Self::Forgotten => "forgotten",
        }
    }
}

/// What was seen, and when: enough to answer a dispute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// Why this was decided.
    pub reason: Reason,
    /// When the condition began to hold, by the agent's clock (silence: when the host was last heard, by ours).
    pub since: Timestamp,
    /// Time of the tick on which it was decided; equals `decided` when a timer did.
    pub observed: Timestamp,
    /// When it was decided, by the collector's clock.
    pub decided: Timestamp,
    /// The worst value since; `None` when nothing was measured since a restart.
    pub worst: Option<f64>,
    /// Ticks evaluated since.
    pub ticks: u32,
    /// Whether it comes and goes, and stays raised until it is quiet for long enough.
    pub flapping: bool,
    /// Whether an event decided that came late, from a host's backlog.
    pub late: bool,
}

/// One evaluation that changed where an alert stands, heard of or not: what was seen, and what was decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Name of the rule.
    pub rule: String,
    /// Which host.
    pub host: HostId,
    /// As in [`Transition`].
    pub instance: String,
    /// Where it stood.
    pub from: Phase,
    /// Where it stands now; the same for another level.
    pub to: Phase,
    /// Why: `holds`, `held` (long enough), `not_long_enough`, `healthy`, `holds_again`, `recovered`, `worsened`, `eased`, or
    /// the word of a [`Reason`].
    pub reason: &'static str,
    /// When the condition began to hold, as in [`Evidence`].
    pub since: Timestamp,
    /// Time of the tick on which it was decided; equals `decided` when a timer did.
    pub observed: Timestamp,
    /// When it was decided, by the collector's clock.
    pub decided: Timestamp,
    /// The value that decided.
    pub value: Option<f64>,
    /// What it was held against.
    pub threshold: f64,
    /// The worst value since.
    pub worst: Option<f64>,
    /// Ticks on which it held since.
    pub ticks: u32,
    /// What each comparison of a condition of several parts came to, in words; empty for a single value.
    pub saw: String,
}

/// One change of one alert. Alternates between raised and cleared for each (rule, host, instance).
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    /// What happened.
    pub kind: TransitionKind,
    /// Name of the rule.
    pub rule: String,
    /// Which host.
    pub host: HostId,
    /// Attributes as `key=value,key=value`; empty if there are none.
    pub instance: String,
    /// How bad.
    pub severity: Severity,
    /// What shall happen.
    pub action: Action,
    /// Who · what · where, filled in. Contains names from the host: whoever shows it escapes it.
    pub title: Text,
    /// What to do, filled in. As `title`.
    pub remedy: Text,
    /// Where to read more: a link of the rule.
    pub knowledge: Option<String>,
    /// Whether its ticket may be closed by itself when it has cleared: the rule says so, and it never was worse than minor.
    pub auto_close: bool,
    /// The metric; empty for silence and events.
    pub metric: String,
    /// The value that decided; seconds of silence for silence. `None` when nothing was measured since a restart.
    pub value: Option<f64>,
    /// The threshold that raises; seconds for silence.
    pub threshold: f64,
    /// When it happened out there: raised — when the condition began to hold; cleared — when it ceased to; by the
    /// agent's clock where a tick told, else by ours.
    pub at: Timestamp,
    /// Whether the rule is a drill.
    pub drill: bool,
    /// What was seen.
    pub evidence: Evidence,
}
