//! What people do in the duty room beside working on tickets, as one closed list: pages, API and command line all say it
//! in these words.

use crate::{
    account::AccountAct,
    escalation::Chain,
    handover::{Side, Thing},
    register::{Book, sheet::Sheet},
    roster::{Move, Roster},
    sheet::{Intake, Relation},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One thing that somebody does.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum DutyAct {
    /// Enters a roster, or replaces the one of that name.
    PutRoster {
        /// The plan.
        roster: Box<Roster>,
    },
    /// Staffs days of a roster from a sheet.
    ImportRoster {
        /// Which.
        name: String,
        /// The sheet.
        sheet: Sheet,
    },
    /// A lead puts somebody in another's place.
    Override {
        /// Which roster.
        roster: String,
        /// Who, for whom, from when, until when.
        moves: Vec<Move>,
        /// Why.
        reason: String,
    },
    /// Somebody asks another to swap; it holds when that one agrees.
    Swap {
        /// Which roster.
        roster: String,
        /// What is given, and what is taken in return.
        moves: Vec<Move>,
        /// Why.
        reason: String,
        /// Login of whoever asks.
        asked_by: String,
    },
    /// Answers a swap.
    Answer {
        /// Which.
        id: u64,
        /// Yes or no.
        agree: bool,
        /// Login of whoever answers.
        login: String,
    },
    /// Sets the escalation chain of tickets to come.
    SetChain {
        /// The chain.
        chain: Box<Chain>,
    },
    /// Opens a handover now, beside those that open by themselves.
    OpenHandover {
        /// Of which roster.
        roster: String,
        /// Logins of the shift that comes; empty: those whom the roster names next.
        coming: Vec<String>,
    },
    /// Writes into a handover's register.
    WriteHandover {
        /// Which.
        id: u64,
        /// The state of the room.
        room: String,
        /// What the next shift must know.
        notes: String,
        /// Keys, phones.
        things: Vec<Thing>,
    },
    /// Signs a handover.
    SignHandover {
        /// Which.
        id: u64,
        /// For which shift.
        side: Side,
        /// Who.
        login: String,
        /// Their PIN.
        pin: String,
    },
    /// Allows a handover although the worst is open.
    GiveWord {
        /// Which.
        id: u64,
        /// Why.
        reason: String,
    },
    /// Sets a PIN.
    SetPin {
        /// Whose.
        login: String,
        /// The PIN: 4 to 12 digits.
        pin: String,
    },
    /// Enters a sheet into a register, all rows or none.
    ImportRegister {
        /// Which.
        book: Book,
        /// The sheet.
        sheet: Sheet,
    },
    /// Enters or changes one row.
    PutRow {
        /// Of which register.
        book: Book,
        /// Values by column.
        values: BTreeMap<String, String>,
    },
    /// Asks to use a spare.
    AskSpare {
        /// Name or id of the spare.
        spare: String,
        /// How many.
        count: u32,
        /// For which ticket.
        ticket: u64,
    },
    /// Allows or refuses the use of a spare.
    AnswerSpare {
        /// Which question.
        id: u64,
        /// Yes or no.
        allowed: bool,
    },
    /// Counts a spare on the shelf: the register says from now on what is there, and when it was counted (R47).
    CountSpare {
        /// Name or id of the spare.
        spare: String,
        /// How many are there.
        count: u32,
    },
    /// Something of what is accounted for: downtime, reports.
    Account {
        /// What.
        account: AccountAct,
    },
    /// Writes who reported a ticket.
    PutIntake {
        /// Which ticket.
        ticket: u64,
        /// Who, from where, over which channel.
        intake: Intake,
    },
    /// Signs a step of a defect or complaint.
    SignStep {
        /// Which ticket.
        ticket: u64,
        /// Which step.
        step: String,
        /// What was done, found or answered.
        words: String,
    },
    /// Lets the customer read a note.
    Publish {
        /// Which ticket.
        ticket: u64,
        /// Which line of its timeline.
        seq: u64,
    },
    /// Takes a note back from the customer.
    Unpublish {
        /// Which ticket.
        ticket: u64,
        /// Which line of its timeline.
        seq: u64,
    },
    /// Links two tickets.
    Link {
        /// Which ticket.
        ticket: u64,
        /// The other.
        other: u64,
        /// How they belong together.
        relation: Relation,
    },
    /// Rates a ticket that is done.
    Rate {
        /// Which ticket.
        ticket: u64,
        /// 1 to 5.
        stars: u8,
        /// In words.
        words: String,
    },
}

impl DutyAct {
    /// What the audit trail calls it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::PutRoster { .. } => "roster.put",
            Self::ImportRoster { .. } => "roster.import",
            Self::Override { .. } => "roster.override",
            Self::Swap { .. } => "roster.swap",
            Self::Answer { .. } => "roster.answer",
            Self::SetChain { .. } => "chain.set",
            Self::OpenHandover { .. } => "handover.open",
            Self::WriteHandover { .. } => "handover.write",
            Self::SignHandover { .. } => "handover.sign",
            Self::GiveWord { .. } => "handover.word",
            Self::SetPin { .. } => "person.pin",
            Self::ImportRegister { .. } => "register.import",
            Self::PutRow { .. } => "register.put",
            Self::AskSpare { .. } => "spare.ask",
            Self::AnswerSpare { .. } => "spare.answer",
            Self::CountSpare { .. } => "spare.count",
            Self::Account { account } => account.as_str(),
            Self::PutIntake { .. } => "ticket.intake",
            Self::SignStep { .. } => "ticket.step",
            Self::Publish { .. } => "ticket.publish",
            Self::Unpublish { .. } => "ticket.unpublish",
            Self::Link { .. } => "ticket.link",
            Self::Rate { .. } => "ticket.rate",
        }
    }
}

/// Says which act it is and nothing of what is in it: it may hold a PIN.
impl std::fmt::Debug for DutyAct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who does it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doer {
    /// Login, for the audit trail.
    pub login: String,
    /// Name, for whoever reads it later.
    pub name: String,
    /// `console`, `api` or `cli`.
    pub via: String,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Done {
    /// The number of what was entered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// What was done, and warnings.
    pub said: Vec<String>,
}
