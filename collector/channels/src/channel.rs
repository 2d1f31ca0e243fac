//! What a channel is: it hands one page over and says how that went, and tells what came back.

use crate::advice::Advice;
use async_trait::async_trait;
use std::time::Duration;
use tocsin_desk::model::{Page, Person};
use tocsin_vocabulary::{Level, Timestamp};

/// How much of a customer's matters may leave the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Secrecy {
    /// Everything a page says.
    #[default]
    Full,
    /// Ticket number and level, and a call to come to the duty room.
    CodeOnly,
    /// Nothing: only the console tells.
    None,
}

impl Secrecy {
    /// The word on the command line and in the ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::CodeOnly => "code-only",
            Self::None => "none",
        }
    }

    /// The secrecy that a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Full, Self::CodeOnly, Self::None]
            .into_iter()
            .find(|secrecy| secrecy.as_str() == word)
    }
}

/// The level of what is said of no ticket: heartbeats, drills, tests, and that an answer could not be used.
pub const OWN_LEVEL: Level = Level::new(9);

/// What a page's text is made of besides the page itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The customer's wish.
    pub secrecy: Secrecy,
    /// The asset's name; empty when there is none.
    pub asset: String,
    /// The customer's name; empty where nobody entered one.
    pub customer: String,
    /// The site's name, likewise.
    pub site: String,
    /// Whether its ticket waits for somebody to accept it: only then does a text say how.
    pub is_open: bool,
    /// Since when the ticket is open.
    pub since: Option<Timestamp>,
    /// When the next of its clocks is due.
    pub due_at: Option<Timestamp>,
    /// The person's staff number, by which they answer from a shared phone; empty without one.
    pub staff: String,
    /// Whether an earlier try may have arrived: nobody knew what became of it. A plain refusal is none.
    pub unknown: bool,
    /// How many channels it can go over; the worker knows.
    pub order: usize,
    /// Whether it goes to look if a channel that was out of order is back.
    pub probe: bool,
}

impl Facts {
    /// Whether it can go over another channel too.
    pub(crate) const fn has_alternatives(&self) -> bool {
        self.order > 1
    }
}

/// A page with everything that is needed to deliver it.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// What to say.
    pub page: Page,
    /// To whom.
    pub person: Person,
    /// Signed address of the ticket for this person; empty when there is none.
    pub link: String,
    /// What else is known.
    pub facts: Facts,
    /// Further pages that this one message tells of, with theirs: a digest.
    pub also: Vec<(Page, Facts)>,
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
        self.facts.unknown
    }

    /// The strictest wish of all customers whose pages are in it.
    #[must_use]
    pub fn secrecy(&self) -> Secrecy {
        self.also
            .iter()
            .fold(self.facts.secrecy, |strictest, (_, facts)| strictest.max(facts.secrecy))
    }
}

/// How far the page is known to have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reached {
    /// The other side took it.
    #[default]
    Accepted,
    /// It is on the phone.
    Delivered,
}

/// The other side took the page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Receipt {
    /// What it answered, in short, for the log.
    pub answer: String,
    /// What it calls the message; reports of delivery bear it. Empty when it names none.
    pub reference: String,
    /// How far it came.
    pub reached: Reached,
}

impl Receipt {
    /// Taken, without a name for it.
    pub fn taken(answer: impl Into<String>) -> Self {
        Self {
            answer: answer.into(),
            ..Self::default()
        }
    }
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
    /// How long the other side wants to be left alone: the whole channel rests.
    pub retry_after: Option<Duration>,
    /// What it means in plain words, where that is known.
    pub advice: Option<Advice>,
}

impl SendError {
    /// Without a wish of the other side.
    pub fn new(kind: SendErrorKind, reason: impl Into<String>) -> Self {
        Self {
            kind,
            reason: reason.into(),
            retry_after: None,
            advice: None,
        }
    }

    /// It did not arrive, and may later.
    pub fn temporary(reason: impl Into<String>) -> Self {
        Self::new(SendErrorKind::Temporary, reason)
    }

    /// It will never arrive as things are.
    pub fn permanent(reason: impl Into<String>) -> Self {
        Self::new(SendErrorKind::Permanent, reason)
    }

    /// It may have arrived.
    pub fn unknown(reason: impl Into<String>) -> Self {
        Self::new(SendErrorKind::Unknown, reason)
    }

    /// With what it means, where that is known.
    #[must_use]
    pub fn meaning(self, advice: impl Into<Option<Advice>>) -> Self {
        Self {
            advice: advice.into(),
            ..self
        }
    }

    /// The person cannot be reached over this channel: what is missing.
    pub(crate) fn no_contact(reason: impl Into<String>) -> Self {
        Self::permanent(reason).meaning(Advice::NoContact)
    }

    /// The other side wants to be left alone for so long.
    #[must_use]
    pub fn after(self, pause: Duration) -> Self {
        Self {
            retry_after: Some(pause),
            ..self
        }
    }
}

/// What became of a message that the other side had taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is on the phone.
    Delivered,
    /// Somebody read it.
    Read,
    /// It will not arrive.
    Failed,
}

/// Something that came back over a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A report of delivery.
    Report {
        /// The names under which the message may be known: providers write one number in several ways.
        references: Vec<String>,
        /// What became of it.
        outcome: Outcome,
        /// In the provider's words.
        detail: String,
    },
    /// A person's text.
    Reply {
        /// The phone it came from.
        from: String,
        /// What it says.
        text: String,
    },
    /// Whoever was called accepts: a digit, a button.
    Accept {
        /// The message that they answer.
        reference: String,
    },
}

/// How a channel's line is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Condition {
    /// Whether it works.
    pub well: bool,
    /// In words.
    pub detail: String,
    /// The modem's signal, in percent.
    pub signal_percent: Option<u8>,
    /// How long the oldest message has waited with the modem's daemon.
    pub oldest: Option<Duration>,
    /// What the provider says is left, in its own unit.
    pub balance: Option<f64>,
}

impl Condition {
    /// Without figures.
    pub fn new(well: bool, detail: impl Into<String>) -> Self {
        Self {
            well,
            detail: detail.into(),
            ..Self::default()
        }
    }
}

/// A way for pages to leave. One try is bounded in time by the channel itself.
#[async_trait]
pub trait Channel: Send + Sync + 'static {
    /// Hands one page over; `now` is the time of this try.
    async fn send(&self, envelope: &Envelope, now: Timestamp) -> Result<Receipt, SendError>;

    /// Where it would go, so that what goes to one place may be told together; none: never together.
    fn address(&self, _person: &Person) -> Option<String> {
        None
    }

    /// Waits for the next thing that comes back; `now` is when the wait began. Must lose nothing when it is dropped while it
    /// waits.
    async fn incoming(&self, _now: Timestamp) -> Incoming {
        std::future::pending().await
    }

    /// A report or reply that came by HTTP, as decoded parameters; none: it says nothing that we know.
    fn called_back(&self, _parameters: &[(String, String)]) -> Option<Incoming> {
        None
    }

    /// What would be said, for a preview; without secrets.
    fn render(&self, envelope: &Envelope) -> Vec<String>;

    /// Asks the other side how it is, for [`Channel::condition`]; called every now and then, may take seconds.
    async fn refresh(&self, _now: Timestamp) {}

    /// How the line is, as far as that is known here. None: nothing to tell.
    fn condition(&self) -> Option<Condition> {
        None
    }
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
