//! What a channel is: it hands one page over and says how that went.

use async_trait::async_trait;
use std::time::Duration;
use tocsin_desk::model::{Page, Person};
use tocsin_vocabulary::Timestamp;

/// A page with everything that is needed to deliver it.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// What to say.
    pub page: Page,
    /// To whom.
    pub person: Person,
    /// Signed address of the ticket for this person; empty when there is none.
    pub link: String,
}

impl Envelope {
    /// Which try this is, from 1.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.page.attempts.saturating_add(1)
    }

    /// Whether it may have arrived before.
    #[must_use]
    pub const fn is_resent(&self) -> bool {
        self.page.attempts > 0
    }
}

/// The other side took the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// What it answered, in short, for the log.
    pub answer: String,
}

/// What a failed try means for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendErrorKind {
    /// It did not arrive, and may later.
    Temporary,
    /// It will never arrive as things are.
    Permanent,
    /// It may have arrived: the answer is missing. Tried again, marked as resent.
    Unknown,
}

/// A try failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct SendError {
    /// What it means for the next try.
    pub kind: SendErrorKind,
    /// What happened and what to do, never a secret.
    pub reason: String,
    /// How long the other side wants to be left alone.
    pub retry_after: Option<Duration>,
}

impl SendError {
    /// Without a wish of the other side.
    pub fn new(kind: SendErrorKind, reason: impl Into<String>) -> Self {
        Self {
            kind,
            reason: reason.into(),
            retry_after: None,
        }
    }
}

/// A way for pages to leave. One try is bounded in time by the channel itself.
#[async_trait]
pub trait Channel: Send + Sync + 'static {
    /// Hands one page over; `now` is the time of this try.
    async fn send(&self, envelope: &Envelope, now: Timestamp) -> Result<Receipt, SendError>;
}

/// An error with all its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some libraries repeat their cause in their own words.
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
