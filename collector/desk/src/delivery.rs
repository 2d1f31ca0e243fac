//! What became of a page on its way: finer than [`crate::model::PageState`], which is what the desk needs.

use crate::model::{Page, Person};
use serde::{Deserialize, Serialize};
use tocsin_vocabulary::{PageId, Timestamp};

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// Waits for its next try.
    Pending,
    /// Is being handed over.
    Sending,
    /// The other side took it.
    Accepted,
    /// It is on the phone.
    Delivered,
    /// Somebody read it.
    Read,
    /// It will not arrive.
    Failed,
    /// A try ended without an answer: it may have arrived.
    Unknown,
}

impl DeliveryState {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Sending,
        Self::Accepted,
        Self::Delivered,
        Self::Read,
        Self::Failed,
        Self::Unknown,
    ];

    /// The word in API and ledger, and the text key's last part.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sending => "sending",
            Self::Accepted => "accepted",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }

    /// The state that a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// A page that is due, with all that its text is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct DuePage {
    /// The page.
    pub page: Page,
    /// To whom.
    pub person: Person,
    /// The person's staff number; empty without one.
    pub staff: String,
    /// The asset's name; empty when there is neither ticket nor alert.
    pub asset: String,
    /// The customer's name; empty where nobody entered one.
    pub customer: String,
    /// The site's name, likewise.
    pub site: String,
    /// Whether its ticket waits for somebody to accept it.
    pub is_open: bool,
    /// Since when its ticket is open.
    pub opened_at: Option<Timestamp>,
    /// When the next of the ticket's clocks is due.
    pub next_due_at: Option<Timestamp>,
    /// The customer's secrecy: `full`, `code-only` or `none`.
    pub secrecy: String,
    /// Whether an earlier try may have arrived.
    pub unknown: bool,
}

/// One step of a delivery, as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryStep {
    /// When.
    pub at: Timestamp,
    /// Whereto it went.
    pub state: DeliveryState,
    /// Over which channel.
    pub channel: String,
    /// What was said.
    pub detail: String,
}

/// How a channel does, as its deliveries say.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChannelFigures {
    /// The channel, or the destination where nothing was tried yet.
    pub channel: String,
    /// Deliveries that the other side took, within the time that was asked for.
    pub accepted: u64,
    /// Those of them that are known to have arrived.
    pub delivered: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those of which nothing is known.
    pub unknown: u64,
    /// When it last took one.
    pub last_accepted_at: Option<Timestamp>,
    /// Pages that wait for it now.
    pub waiting: u64,
    /// Since when the oldest of them waits.
    pub oldest_at: Option<Timestamp>,
}

/// What came back about a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reported {
    /// Which page.
    pub page: PageId,
    /// Where its delivery stands now.
    pub state: DeliveryState,
    /// Whether it goes out again.
    pub again: bool,
}

/// What became of one page of a drill of the channels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillRow {
    /// Whom it went to.
    pub login: String,
    /// What they are called.
    pub name: String,
    /// Over which channel.
    pub channel: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// Since when.
    pub at: Option<Timestamp>,
    /// What was said last: by the provider, or why it failed.
    pub detail: String,
}

/// A drill of the channels: every channel to each of some people, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillReport {
    /// When it began.
    pub at: Timestamp,
    /// Every page, by person and channel.
    pub rows: Vec<DrillRow>,
}

impl DrillReport {
    /// How many pages are known to be on a phone, how many were taken by the other side, and how many there are.
    #[must_use]
    pub fn counts(&self) -> [usize; 3] {
        let count = |states: &[DeliveryState]| self.rows.iter().filter(|row| states.contains(&row.state)).count();
        let arrived = [DeliveryState::Delivered, DeliveryState::Read];
        [
            count(&arrived),
            count(&arrived) + count(&[DeliveryState::Accepted]),
            self.rows.len(),
        ]
    }

    /// People whom no channel is known to have taken a page to.
    #[must_use]
    pub fn unreached(&self) -> Vec<&str> {
        self.without(&[DeliveryState::Accepted, DeliveryState::Delivered, DeliveryState::Read])
    }

    /// People of whom a page was taken and none is known to have arrived.
    #[must_use]
    pub fn unproven(&self) -> Vec<&str> {
        let unreached = self.unreached();
        let mut logins = self.without(&[DeliveryState::Delivered, DeliveryState::Read]);
        logins.retain(|login| !unreached.contains(login));
        logins
    }

    /// People of whose pages none is in one of these states.
    fn without(&self, states: &[DeliveryState]) -> Vec<&str> {
        let mut logins: Vec<&str> = self.rows.iter().map(|row| row.login.as_str()).collect();
        logins.sort_unstable();
        logins.dedup();
        logins.retain(|login| {
            let mut own = self.rows.iter().filter(|row| row.login == *login);
            !own.any(|row| states.contains(&row.state))
        });
        logins
    }
}
