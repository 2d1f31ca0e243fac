//! What can be asked over the control socket, and how it is answered.

use super::{AccountAsk, PlanAsk, papers, room};
use crate::{backups::JobAsk, channel_command::ChannelAsk, replaying::ReplayAsk};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tocsin_desk::{input::Amendment, model::Role};
use tocsin_vocabulary::{Code, Timestamp, time::HumanDuration};

/// A request of the command line.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Ask {
    /// Addresses and health.
    Status,
    /// Makes an enrolment token; answers the install string.
    CreateToken {
        /// Name that the host will bear; empty: its hostname.
        host_name: String,
        /// How long it is good.
        expires: HumanDuration,
    },
    /// Lists hosts.
    ListAgents,
    /// Shuts a host out.
    RevokeAgent {
        /// Its id or name.
        host: String,
    },
    /// Replaces a host's tags.
    TagHost {
        /// Its id or name.
        host: String,
        /// What it bears from now on; empty: none.
        tags: Vec<String>,
    },
    /// Adds a person; answers a one-time sign-in link when no password is given.
    AddUser {
        /// What they sign in with.
        login: String,
        /// What others call them.
        name: String,
        /// What they may do.
        role: Role,
        /// Mail address, or empty.
        email: String,
        /// Phone number, or empty.
        #[serde(default)]
        phone: String,
        /// For a customer's person: the customer's name.
        #[serde(default)]
        customer: Option<String>,
        /// Password, or none.
        password: Option<String>,
    },
    /// Lists people.
    ListUsers,
    /// Puts a person on or off duty.
    SetDuty {
        /// Who.
        login: String,
        /// Whether they are paged from now on.
        on_duty: bool,
    },
    /// Sets a password.
    SetPassword {
        /// Whose.
        login: String,
        /// The new one.
        password: String,
    },
    /// Makes a one-time sign-in link.
    SignInLink {
        /// For whom.
        login: String,
    },
    /// Makes an API token.
    CreateApiToken {
        /// Who answers for it.
        login: String,
        /// What it is for.
        name: String,
        /// What it may do.
        role: Role,
    },
    /// Points of a metric.
    Query {
        /// Host id or name.
        host: String,
        /// Metric.
        metric: String,
        /// Attributes that must match.
        attributes: Vec<(String, String)>,
        /// From.
        from: Timestamp,
        /// To.
        to: Timestamp,
        /// Step.
        step: Option<HumanDuration>,
    },
    /// A ticket's clocks with every interval that counted.
    Clocks {
        /// Its number.
        ticket: u64,
    },
    /// Says something of a ticket's times, impact or level.
    Amend {
        /// Its number.
        ticket: u64,
        /// Login of whoever says it.
        login: String,
        /// What.
        amendment: Amendment,
    },
    /// Backs everything up; tells how far it is.
    Backup {
        /// Folder to write, absolute; new or empty.
        dir: PathBuf,
    },
    /// Reads everything through; tells how far it is.
    Verify,
    /// Replays a past period through rules; tells how far it is.
    ReplayRules(Box<ReplayAsk>),
    /// Silences, windows, guarded periods, and what assets hang on.
    Plan(PlanAsk),
    /// About channels.
    Channel(ChannelAsk),
    /// About backup jobs.
    Job(JobAsk),
    /// Something about papers.
    Paper {
        /// What.
        ask: papers::PaperAsk,
    },
    /// Something of the duty room.
    Room {
        /// What.
        ask: room::RoomAsk,
    },
    /// Something of the accounts.
    Account {
        /// What.
        ask: AccountAsk,
    },
}

/// Says which request it is and nothing of what is in it: it may hold a password.
impl std::fmt::Debug for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Status => "Status",
            Self::CreateToken { .. } => "CreateToken",
            Self::Channel(_) => "Channel",
            Self::ListAgents => "ListAgents",
            Self::RevokeAgent { .. } => "RevokeAgent",
            Self::TagHost { .. } => "TagHost",
            Self::AddUser { .. } => "AddUser",
            Self::ListUsers => "ListUsers",
            Self::SetDuty { .. } => "SetDuty",
            Self::SetPassword { .. } => "SetPassword",
            Self::SignInLink { .. } => "SignInLink",
            Self::CreateApiToken { .. } => "CreateApiToken",
            Self::Query { .. } => "Query",
            Self::Clocks { .. } => "Clocks",
            Self::Amend { .. } => "Amend",
            Self::Backup { .. } => "Backup",
            Self::Verify => "Verify",
            Self::ReplayRules(_) => "ReplayRules",
            Self::Plan(_) => "Plan",
            Self::Job(_) => "Job",
            Self::Paper { .. } => "Paper",
            Self::Room { .. } => "Room",
            Self::Account { .. } => "Account",
        })
    }
}

/// What the collector answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is done; what to print.
    Done(serde_json::Value),
    /// It is not.
    Failed {
        /// Which kind.
        code: Code,
        /// Why, and what to do.
        reason: String,
    },
}
