//! Pages: one message to one person about one ticket over one destination.

use serde::{Deserialize, Serialize};
use tocsin_vocabulary::{Level, PageId, PersonId, Text, TicketId, Timestamp};

/// Where a page stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PageState {
    /// In the ledger, not yet handed over.
    Queued,
    /// The channel took it.
    Sent,
    /// Given up after the last try.
    Failed,
    /// No longer needed before it was sent.
    Withdrawn,
}

impl PageState {
    /// The word in API and ledger, and the text key's last part.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// The state that a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Queued, Self::Sent, Self::Failed, Self::Withdrawn]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

/// Why a page goes out; the last part of a text key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PageReason {
    /// A ticket opened.
    Opened,
    /// Nobody accepted yet.
    Unaccepted,
    /// Half of a clock's target has run, or four fifths.
    Warned,
    /// A clock passed its target.
    Breached,
    /// It came back after it was restored.
    Recurred,
    /// Everything cleared.
    Restored,
    /// A rule only wants to tell.
    Notice,
    /// It was accepted, and since then nobody did anything.
    Stalled,
    /// A handover is not signed.
    Handover,
    /// An approval waits for an answer or a signature.
    Approval,
}

impl PageReason {
    /// The word in API and ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Unaccepted => "unaccepted",
            Self::Warned => "warned",
            Self::Breached => "breached",
            Self::Recurred => "recurred",
            Self::Restored => "restored",
            Self::Notice => "notice",
            Self::Stalled => "stalled",
            Self::Handover => "handover",
            Self::Approval => "approval",
        }
    }

    /// The reason that a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [
            Self::Opened,
            Self::Unaccepted,
            Self::Warned,
            Self::Breached,
            Self::Recurred,
            Self::Restored,
            Self::Notice,
            Self::Stalled,
            Self::Handover,
            Self::Approval,
        ]
        .into_iter()
        .find(|reason| reason.as_str() == word)
    }
}

/// One message to one person about one ticket over one destination.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// Its id.
    pub id: PageId,
    /// Stable through every resend: receivers drop doubles by it. `<ticket number>-<reason>-<round>-<person>-<destination>`
    pub key: String,
    /// The ticket.
    pub ticket: Option<TicketId>,
    /// Its number.
    pub ticket_number: Option<u64>,
    /// To whom.
    pub person: PersonId,
    /// `inbox`, or the name of a configured channel.
    pub destination: String,
    /// Why.
    pub reason: PageReason,
    /// The ticket's or alert's title.
    pub title: Text,
    /// What to know: value, remedy.
    pub body: Text,
    /// The ticket's level.
    pub level: Level,
    /// Marked as a drill everywhere.
    pub drill: bool,
    /// When the desk decided to send it.
    pub created_at: Timestamp,
    /// Where it stands.
    pub state: PageState,
    /// Tries so far.
    pub attempts: u32,
    /// When the next try is due.
    pub due_at: Timestamp,
    /// When the channel took it.
    pub sent_at: Option<Timestamp>,
    /// What the last try said; empty when it went well.
    pub error: String,
}
