//! Everything that can happen at the desk, as one closed list.

use crate::{
    calendar::Calendars,
    clocks::Moment,
    escalation::{Chain, Crew},
    model::{Actor, AssetFacts, Response, Ruling, TicketKind, Via},
    planned::NewPlanned,
    policy::Impact,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tocsin_vocabulary::{HostId, PersonId, PlannedId, Severity, Text, TicketId, Timestamp};

/// Something happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Rules spoke; all changes of one moment are one commit.
    Alerts(Vec<AlertChange>),
    /// Episodes were found in what came late: they are kept, and nobody is paged.
    Found(Vec<Found>),
    /// A person acts on a ticket.
    Act(Act),
    /// A person says something of a ticket's times, impact or level; its state stays.
    Amend(Amend),
    /// A person reports a fault or asks for something.
    Report(Report),
    /// Time has passed: clocks and page rounds that are due.
    Timer,
    /// Who is on duty from now on.
    Duty(Vec<OnDuty>),
    /// Who is paged after them, from now on. Tickets that are open keep the chain that they have.
    Escalation(Box<(Chain, Crew)>),
    /// Looks for tickets whose next step is overdue or was never set, and sets them going again.
    Audit,
    /// A silence, window or guarded period is made or ended.
    Plan(PlanChange),
    /// The register or the rules changed: what is withheld is looked at again.
    Relook,
    /// Public holidays became known: open tickets are counted by these calendars from now on.
    Calendars(Arc<Calendars>),
}

/// What a person does about planned work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanChange {
    /// Makes it.
    Add(Box<NewPlanned>),
    /// Ends it before its time.
    End {
        /// Which.
        id: PlannedId,
        /// Login of whoever does it, or `cli`.
        by: String,
    },
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
    /// What else the rule said.
    pub ruling: Ruling,
}

/// An episode that was over when the collector heard of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// As the rule would have said when it began.
    pub change: AlertChange,
    /// When it was over, by the host's tick.
    pub cleared_at: Timestamp,
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
    /// 合并: another ticket goes on with it.
    Merge {
        /// That ticket's number.
        into: u64,
    },
    /// A note, internal.
    Note {
        /// What it says.
        text: String,
    },
}

/// A person says something of a ticket's times, impact or level.
#[derive(Debug, Clone, PartialEq)]
pub struct Amend {
    /// The ticket.
    pub ticket: TicketId,
    /// Who.
    pub actor: Actor,
    /// By which way.
    pub via: Via,
    /// What.
    pub amendment: Amendment,
    /// The revision that the person saw, as for [`Act`].
    pub revision: Option<u64>,
}

/// What can be said of a ticket beside what is done to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amendment {
    /// 补录: when something really was. Both times are kept, and the clocks are counted anew.
    Enter {
        /// What.
        moment: Moment,
        /// When it was.
        at: Timestamp,
        /// Why it is entered only now.
        reason: String,
    },
    /// 修复方案: the repair plan.
    Plan {
        /// What it says.
        text: String,
    },
    /// The duty engineer gives up and calls for a specialist.
    GiveUp {
        /// Why.
        reason: String,
    },
    /// Both sides agreed that the level is not raised.
    Waive {
        /// What was agreed, with whom.
        reason: String,
    },
    /// What the fault does to the customer.
    Impact(Impact),
}

impl Amendment {
    /// The word in timeline and audit trail.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Enter { .. } => "enter",
            Self::Plan { .. } => "plan",
            Self::GiveUp { .. } => "give_up",
            Self::Waive { .. } => "waive",
            Self::Impact(_) => "impact",
        }
    }
}

/// A person's report.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Who took it down.
    pub actor: Actor,
    /// By which way.
    pub via: Via,
    /// What kind of work it is.
    pub kind: TicketKind,
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
