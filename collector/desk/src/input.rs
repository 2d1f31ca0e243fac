//! Everything that can happen at the desk, as one closed list.

use crate::model::{Actor, AssetFacts, Response, Via};
use tocsin_vocabulary::{HostId, PersonId, Severity, Text, TicketId, Timestamp};

/// Something happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Rules spoke; all changes of one moment are one commit.
    Alerts(Vec<AlertChange>),
    /// A person acts on a ticket.
    Act(Act),
    /// A person reports a fault or asks for something.
    Report(Report),
    /// Time has passed: clocks and page rounds that are due.
    Timer,
    /// Who is on duty from now on.
    Duty(Vec<OnDuty>),
}

/// What a rule said about one asset and instance.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertChange {
    /// Raised, updated or cleared.
    pub turn: Turn,
    /// The rule's name.
    pub rule: String,
    /// The host that showed it.
    pub host: HostId,
    /// Attributes as `key=value,…`.
    pub instance: String,
    /// What is known of the asset.
    pub asset: AssetFacts,
    /// The rule's word.
    pub severity: Severity,
    /// What the rule asks for.
    pub response: Response,
    /// In plain words.
    pub title: Text,
    /// What to do.
    pub remedy: Text,
    /// The metric; empty for silence.
    pub metric: String,
    /// What was seen.
    pub value: Option<f64>,
    /// What it was held against.
    pub threshold: Option<f64>,
    /// When, by the host's tick.
    pub occurred_at: Timestamp,
    /// The path is exercised on purpose.
    pub drill: bool,
}

/// Which way an alert turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It holds now.
    Raised,
    /// It still holds, with another value.
    Updated,
    /// It no longer holds.
    Cleared,
}

/// A person acts on a ticket.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    /// The ticket.
    pub ticket: TicketId,
    /// Who.
    pub actor: Actor,
    /// By which way.
    pub via: Via,
    /// What.
    pub action: Action,
    /// The revision that the person saw; refused as a conflict when the ticket has moved on. None: whatever it is now.
    pub revision: Option<u64>,
}

/// What a person can do to a ticket (the table of ticket life).
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// 接单.
    Accept,
    /// 派工/转派: the receiver accepts anew.
    Assign {
        /// To whom.
        to: PersonId,
        /// Their name.
        name: String,
    },
    /// 到场.
    Arrive,
    /// 挂起.
    Wait {
        /// Why.
        reason: String,
        /// When it is expected to end.
        until: Option<Timestamp>,
    },
    /// 恢复处理.
    Resume,
    /// 业务恢复.
    Restore,
    /// 解决.
    Resolve {
        /// What was wrong.
        cause: String,
        /// What was done.
        solution: String,
    },
    /// 客户确认.
    Confirm,
    /// 重开.
    Reopen {
        /// Why.
        reason: String,
    },
    /// 作废.
    Cancel {
        /// Why.
        reason: String,
    },
    /// A note, internal.
    Note {
        /// What it says.
        text: String,
    },
}

/// A person's report.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Who took it down.
    pub actor: Actor,
    /// By which way.
    pub via: Via,
    /// The asset concerned.
    pub asset: AssetFacts,
    /// What is wrong.
    pub title: String,
    /// How bad.
    pub severity: Severity,
    /// When it began, if known.
    pub occurred_at: Option<Timestamp>,
}

/// A person on duty and the ways to reach them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnDuty {
    /// Who.
    pub person: PersonId,
    /// Destinations in order: `inbox`, names of configured channels.
    pub destinations: Vec<String>,
}
