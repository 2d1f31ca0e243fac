//! What a rule says of its alert beside value and words, what it saw and decided, and which events it has judged.

use serde::{Deserialize, Serialize};
use tocsin_vocabulary::{AlertId, HostId, SpoolId, Text, Timestamp};

/// How what raised an alert reached the collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrival {
    /// When it happened.
    #[default]
    Live,
    /// Late, from a host's backlog, and still unresolved: an event. It pages.
    Late,
    /// Late, in samples: it was over when the collector heard of it. It never pages.
    Retrospective,
}

impl Arrival {
    const ALL: [Self; 3] = [Self::Live, Self::Late, Self::Retrospective];

    /// The word in API and ledger, and the text key's last part.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Late => "late",
            Self::Retrospective => "retrospective",
        }
    }

    /// The arrival that a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

/// Why nothing is heard from a host, as far as can be known from where the collector stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Silence {
    /// The machine answers at its address, its agent says nothing.
    AgentSilent,
    /// Nothing answers at its address.
    HostUnreachable,
    /// Nothing is heard from any host: the fault may be the collector's own, or its network's.
    CollectorBlind,
    /// It is in the register and was never heard.
    NeverHeard,
}

impl Silence {
    const ALL: [Self; 4] = [
        Self::AgentSilent,
        Self::HostUnreachable,
        Self::CollectorBlind,
        Self::NeverHeard,
    ];

    /// The word in API and ledger, and the text key's last part.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AgentSilent => "agent_silent",
            Self::HostUnreachable => "host_unreachable",
            Self::CollectorBlind => "collector_blind",
            Self::NeverHeard => "never_heard",
        }
    }

    /// What people are told of it.
    #[must_use]
    pub fn words(self) -> Text {
        match self {
            Self::AgentSilent => Text::new(
                "the machine answers at its address: its agent is what is silent",
                "主机地址有应答：是代理程序无数据",
            ),
            Self::HostUnreachable => Text::new(
                "nothing answers at its address: the machine or the network between is down",
                "主机地址无应答：主机或中间网络中断",
            ),
            Self::CollectorBlind => Text::new(
                "nothing is heard from any host: look at the collector and its network first",
                "所有主机均无数据：请先检查采集中心及其网络",
            ),
            Self::NeverHeard => Text::new(
                "it is in the register and was never heard: look at its agent",
                "已登记但从未上报：请检查代理程序",
            ),
        }
    }

    /// The kind of silence that a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

/// What a rule says of its alert beside value and words.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ruling {
    /// Where to read more: a link.
    pub knowledge: Option<String>,
    /// The ticket of a minor alert may be closed by itself when all has cleared.
    pub auto_close: bool,
    /// How what raised it reached the collector.
    pub arrival: Arrival,
    /// Which text of the rule spoke: the beginning of its hash; empty when unknown.
    pub version: String,
    /// Of silence: why.
    pub silence: Option<Silence>,
}

/// The text of a rule, by the hash that alerts and decisions name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleVersion {
    /// As in [`Ruling::version`].
    pub version: String,
    /// The rule's name.
    pub rule: String,
    /// Its text, as it was written.
    pub text: String,
    /// When it first spoke.
    pub since: Timestamp,
}

/// Where an alert stands for its rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The condition does not hold.
    Clear,
    /// It holds, not long enough.
    Pending,
    /// It was raised.
    Raised,
    /// It was raised and is healthy, not long enough.
    Clearing,
}

impl Phase {
    const ALL: [Self; 4] = [Self::Clear, Self::Pending, Self::Raised, Self::Clearing];

    /// The word in API and ledger, and the text key's last part.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Pending => "pending",
            Self::Raised => "raised",
            Self::Clearing => "clearing",
        }
    }

    /// The phase that a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

/// One evaluation that changed where an alert stands: what the rule saw, and what it decided. Never changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Whose.
    pub host: HostId,
    /// The rule's name.
    pub rule: String,
    /// As in the alert.
    pub instance: String,
    /// Where it stood.
    pub from: Phase,
    /// Where it stands now.
    pub to: Phase,
    /// Why: `holds`, `recovered`, `not_long_enough`, …
    pub reason: String,
    /// Since when the condition held, by the host's clock.
    pub since: Timestamp,
    /// The tick on which it was decided, by the host's clock.
    pub observed: Timestamp,
    /// When, by the collector's clock.
    pub decided: Timestamp,
    /// The value; none when nothing was measured.
    pub value: Option<f64>,
    /// What it was held against.
    pub threshold: Option<f64>,
    /// The worst value since.
    pub worst: Option<f64>,
    /// Ticks on which it held since.
    pub ticks: u32,
    /// What each comparison of a condition of several parts came to, in words; empty for a single value.
    pub saw: String,
    /// Which text of the rule decided.
    pub version: String,
}

/// Events of one life of a host's spool that the rules have judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// Whose.
    pub host: HostId,
    /// Which life.
    pub spool: SpoolId,
    /// All up to this number.
    pub seq: u64,
}

/// The samples around an alert, kept longer than the store of metrics keeps them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Samples {
    /// Of which alert.
    pub alert: AlertId,
    /// First and last instant that was asked for.
    pub from: Timestamp,
    /// As `from`.
    pub to: Timestamp,
    /// Whether what came after it cleared is in it: nothing will be added.
    pub complete: bool,
    /// Series by series.
    pub series: Vec<SampledSeries>,
}

/// One series of [`Samples`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampledSeries {
    /// The metric.
    pub name: String,
    /// Pairs sorted by key.
    pub attributes: Vec<(String, String)>,
    /// Its unit.
    pub unit: String,
    /// Milliseconds since 1970 and value.
    pub points: Vec<(i64, Option<f64>)>,
}
