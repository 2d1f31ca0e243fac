//! What is accounted for when the work is done: how long a contract's service was down and whose cause that was, how
//! available it was, how far that moves the end of maintenance, and the reports that are owed for it.
//!
//! * [`downtime`] — a downtime from its first claim to the customer's word, with every correction,
//! * [`availability`] — how much of a period assets and contracts were up,
//! * [`extension`] — the end of maintenance, moved by the contract's rounding (R27),
//! * [`overview`] — all of that, contract by contract,
//! * [`sheet`] — downtimes as a sheet, in and out,
//! * [`ticket_sheet`] — tickets as a sheet, in and out,
//! * [`report`] — incident reports (R30) and service documents (R29): drafted from the ticket, versioned, signed.

pub mod availability;
pub mod downtime;
pub mod extension;
pub mod overview;
pub mod report;
pub mod sheet;
pub mod ticket_sheet;

use downtime::Claim;
use report::{Kind, Stamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One thing that somebody does about what is accounted for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum AccountAct {
    /// Claims a new downtime of a ticket's asset.
    ClaimDowntime {
        /// The ticket's number.
        ticket: u64,
        /// From when to when, and whose cause.
        claim: Claim,
    },
    /// Says something of a downtime that stands: a correction, the customer's word, a withdrawal.
    TurnDowntime {
        /// Which.
        id: u64,
        /// How many lines it had when whoever says this saw it; none: however many it has now.
        seen: Option<u64>,
        /// What is said.
        turn: downtime::Turn,
    },
    /// Enters downtimes from a sheet, all rows or none.
    ImportDowntime {
        /// The sheet.
        sheet: crate::register::sheet::Sheet,
    },
    /// Writes a version of a report; the facts are taken from the ticket as it stands.
    WriteReport {
        /// The ticket's number.
        ticket: u64,
        /// Which report.
        kind: Kind,
        /// What was written, by section.
        words: BTreeMap<String, String>,
        /// The version that the writer saw; none: whichever is the last.
        seen: Option<u64>,
    },
    /// Reviews, returns, issues or signs the last version.
    StampReport {
        /// The ticket's number.
        ticket: u64,
        /// Which report.
        kind: Kind,
        /// What is done.
        stamp: Stamp,
        /// A word about it; needed to return it.
        words: String,
        /// The version that is meant; none: whichever is the last.
        seen: Option<u64>,
    },
}

impl AccountAct {
    /// What the audit trail calls it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::ClaimDowntime { .. } => "downtime.claim",
            Self::TurnDowntime { turn, .. } => turn.as_str(),
            Self::ImportDowntime { .. } => "downtime.import",
            Self::WriteReport { .. } => "report.write",
            Self::StampReport { stamp, .. } => stamp.as_str(),
        }
    }

    /// Whether it is the customer's to say, of their own downtime.
    #[must_use]
    pub const fn is_word_of_customer(&self) -> bool {
        matches!(
            self,
            Self::TurnDowntime {
                turn: downtime::Turn::Agree { .. } | downtime::Turn::Dispute { .. },
                ..
            }
        )
    }

    /// Whether only a lead may do it.
    #[must_use]
    pub const fn needs_lead(&self) -> bool {
        matches!(
            self,
            Self::StampReport {
                stamp: Stamp::Issue,
                ..
            }
        )
    }
}

/// Why something is refused, in words for whoever asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// What was given is wrong: every mistake.
    #[error("{}", .0.join("\n"))]
    Wrong(Vec<String>),
    /// It does not fit where the thing stands.
    #[error("{0}")]
    Standing(String),
}
