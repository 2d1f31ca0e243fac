//! What the desk keeps. These types are the rows of the ledger and the subjects of the pages.

mod kind;
mod page;
mod person;
mod ruling;

pub use kind::TicketKind;
pub use page::{Page, PageReason, PageState};
pub use person::{Person, Role};
pub use ruling::{Arrival, Decision, Judged, Phase, RuleVersion, Ruling, SampledSeries, Samples, Silence};

use crate::clocks::Reckoning;
use serde::{Deserialize, Serialize};
use tocsin_vocabulary::{
    AlertId, AssetId, ContractId, CustomerId, FaultId, HostId, Importance, Level, PersonId, Severity, SiteId, Text,
    TicketId, Timestamp,
};

/// What a rule asks for when it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Response {
    /// Keep it for inspections and reports.
    Record,
    /// Tell people, open no ticket.
    Notify,
    /// Open a ticket and page until somebody takes it.
    Ticket,
}

/// Where an alert stands once its rule has spoken. Pending and clearing live in the rules engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// It holds.
    Raised,
    /// It held.
    Cleared,
}

/// A rule that holds for one asset and instance. Raised once, updated, cleared once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Its own id; a later episode has another.
    pub id: AlertId,
    /// The rule's name.
    pub rule: String,
    /// The host that showed it.
    pub host: HostId,
    /// The asset concerned.
    pub asset: AssetId,
    /// Attributes of the series as `key=value,…`; empty when there is only one.
    pub instance: String,
    /// The rule's word.
    pub severity: Severity,
    /// What the rule asks for.
    pub response: Response,
    /// Who · what · where, in plain words.
    pub title: Text,
    /// What to do about it.
    pub remedy: Text,
    /// The metric; empty for silence.
    pub metric: String,
    /// The value that raised it, or the latest.
    pub value: Option<f64>,
    /// The threshold it was held against.
    pub threshold: Option<f64>,
    /// Raised or cleared.
    pub state: AlertState,
    /// When it began, by the host's tick.
    pub occurred_at: Timestamp,
    /// When the collector raised it.
    pub raised_at: Timestamp,
    /// When it cleared.
    pub cleared_at: Option<Timestamp>,
    /// The fault it belongs to.
    pub fault: Option<FaultId>,
    /// What else its rule said of it.
    #[serde(default)]
    pub ruling: Ruling,
}

/// What is wrong as the contract sees it, with its four times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// Its id.
    pub id: FaultId,
    /// The asset concerned.
    pub asset: AssetId,
    /// The customer whose contract covers it.
    pub customer: CustomerId,
    /// The worst severity of its alerts.
    pub severity: Severity,
    /// By the contract's policy.
    pub level: Level,
    /// In plain words.
    pub title: Text,
    /// 发生.
    pub occurred_at: Timestamp,
    /// 发现.
    pub discovered_at: Timestamp,
    /// 报障.
    pub reported_at: Timestamp,
    /// 受理.
    pub accepted_at: Option<Timestamp>,
    /// When the last of its alerts cleared; none while one holds.
    pub cleared_at: Option<Timestamp>,
    /// The ticket opened for it.
    pub ticket: Option<TicketId>,
}

/// Where a ticket stands. Breach, level and assignee are columns beside it, never states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TicketState {
    /// 待受理.
    Open,
    /// 已受理.
    Accepted,
    /// 已到现场.
    OnSite,
    /// 挂起.
    Waiting,
    /// 业务已恢复.
    Restored,
    /// 故障已解决.
    Resolved,
    /// 已关闭.
    Closed,
    /// 已合并.
    Merged,
    /// 已作废.
    Cancelled,
}

impl TicketState {
    /// All of them, in the order of a ticket's life.
    pub const ALL: [Self; 9] = [
        Self::Open,
        Self::Accepted,
        Self::OnSite,
        Self::Waiting,
        Self::Restored,
        Self::Resolved,
        Self::Closed,
        Self::Merged,
        Self::Cancelled,
    ];

    /// The word in API and ledger, and the text key's last part.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Accepted => "accepted",
            Self::OnSite => "on_site",
            Self::Waiting => "waiting",
            Self::Restored => "restored",
            Self::Resolved => "resolved",
            Self::Closed => "closed",
            Self::Merged => "merged",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state that a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether the desk still has work to do with it.
    #[must_use]
    pub const fn is_live(self) -> bool {
        !matches!(self, Self::Closed | Self::Merged | Self::Cancelled)
    }
}

/// One target of a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClockKind {
    /// 响应.
    Respond,
    /// 到场.
    Arrive,
    /// 修复方案.
    Plan,
    /// 恢复.
    Restore,
    /// 指标恢复.
    Recover,
    /// 解决.
    Resolve,
}

impl ClockKind {
    /// All of them, in the order of a ticket's life.
    pub const ALL: [Self; 6] = [
        Self::Respond,
        Self::Arrive,
        Self::Plan,
        Self::Restore,
        Self::Recover,
        Self::Resolve,
    ];

    /// The word in API and ledger, and the text key's last part.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Respond => "respond",
            Self::Arrive => "arrive",
            Self::Plan => "plan",
            Self::Restore => "restore",
            Self::Recover => "recover",
            Self::Resolve => "resolve",
        }
    }

    /// The clock that a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// One running or stopped target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Which target.
    pub kind: ClockKind,
    /// When it began to run.
    pub started_at: Timestamp,
    /// When it is past its target.
    pub due_at: Timestamp,
    /// When it was met; none while it runs.
    pub stopped_at: Option<Timestamp>,
    /// When it passed its target. Stays on the record whatever happens later.
    pub breached_at: Option<Timestamp>,
}

/// The unit of work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ticket {
    /// Its id.
    pub id: TicketId,
    /// What people call it: `#1042`.
    pub number: u64,
    /// What kind of work.
    pub kind: TicketKind,
    /// Where it stands.
    pub state: TicketState,
    /// The state that `resume` or `recur` leads back to; set in waiting and restored.
    pub prior_state: Option<TicketState>,
    /// In plain words.
    pub title: Text,
    /// The rule's remedy, or nothing.
    pub remedy: Text,
    /// By the contract's policy.
    pub level: Level,
    /// Worst severity of the fault.
    pub severity: Severity,
    /// The fault it is about.
    pub fault: Option<FaultId>,
    /// The asset concerned.
    pub asset: AssetId,
    /// Its name when the ticket was opened.
    pub asset_name: String,
    /// The host that showed it.
    pub host: Option<HostId>,
    /// The customer.
    pub customer: CustomerId,
    /// The contract whose clocks run.
    pub contract: ContractId,
    /// Who works on it.
    pub assignee: Option<PersonId>,
    /// The assignee's name.
    pub assignee_name: Option<String>,
    /// Its clocks. After a raise a kind stands there once for each level: the last one counts, those before it keep what
    /// became of them.
    pub clocks: Vec<Clock>,
    /// What its clocks are computed from.
    pub reckoning: Reckoning,
    /// How many rounds of pages went out.
    pub page_round: u32,
    /// When the next round goes out if nobody accepts; before that a return of what cleared is not paged. None: at once.
    pub page_due_at: Option<Timestamp>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When anything last changed.
    pub updated_at: Timestamp,
    /// Counts changes, by one for each step that touched it; an action against an older revision is refused.
    pub revision: u64,
    /// How many lines its timeline has: the `seq` of the last one.
    pub entry_count: u64,
}

impl Ticket {
    /// One of its clocks: that of the level on which it stands now.
    #[must_use]
    pub fn clock(&self, kind: ClockKind) -> Option<&Clock> {
        self.clocks.iter().rev().find(|clock| clock.kind == kind)
    }

    /// The earliest due of the clocks that run; one that stands still is due never.
    #[must_use]
    pub fn next_due(&self) -> Option<&Clock> {
        let places = self.clocks.iter().enumerate();
        places
            .filter(|(place, clock)| clock.stopped_at.is_none() && !self.reckoning.is_paused(*place))
            .map(|(_, clock)| clock)
            .min_by_key(|clock| clock.due_at)
    }
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Actor {
    /// Tocsin itself.
    System,
    /// A person, with the name they had then.
    Person(PersonId, String),
}

/// By which way an action reached the desk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// The desk itself.
    System,
    /// A console page.
    Console,
    /// The HTTP API.
    Api,
    /// The signed link of a page.
    Link,
}

impl Via {
    /// The word in API and ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Console => "console",
            Self::Api => "api",
            Self::Link => "link",
        }
    }

    /// The way that a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::System, Self::Console, Self::Api, Self::Link]
            .into_iter()
            .find(|via| via.as_str() == word)
    }
}

/// One line of a ticket's timeline. Never changed, never erased.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The ticket.
    pub ticket: TicketId,
    /// 1, 2, 3 … within the ticket, without holes: its order. The ticket's `entry_count` is the last one given.
    pub seq: u64,
    /// When it happened.
    pub at: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// By which way.
    pub via: Via,
    /// What: `open`, `accept`, `page`, `alert_cleared`, `breach`, … the last part of a text key.
    pub action: String,
    /// State before, where it changed.
    pub from: Option<TicketState>,
    /// State after, where it changed.
    pub to: Option<TicketState>,
    /// Reason, note, or what the system saw.
    pub note: Text,
}

/// What the desk must know of an asset to open a fault for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetFacts {
    /// The asset.
    pub asset: AssetId,
    /// What people call it.
    pub name: String,
    /// Whose it is.
    pub customer: CustomerId,
    /// What covers it.
    pub contract: ContractId,
    /// Where it stands.
    pub site: SiteId,
    /// How much it matters.
    pub importance: Importance,
}
