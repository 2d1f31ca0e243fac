//! What a modem's daemon keeps in tables of its own: shared by who sends through them and who speaks SQL.

/// A message for the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingSms {
    /// The phone.
    pub number: String,
    /// Ours: by it the message is found again.
    pub creator: String,
    /// Only over the modem of this name; empty: over any.
    pub modem: String,
    /// Higher goes first.
    pub priority: i64,
    /// At least one.
    pub parts: Vec<SmsPart>,
}

/// One part of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmsPart {
    /// The text.
    pub text: String,
    /// The text as UTF-16BE, in hexadecimal.
    pub hex: String,
    /// The user data header in hexadecimal; empty for a message in one part.
    pub header: String,
}

/// What became of one part of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentPart {
    /// The daemon's number of the message.
    pub id: i64,
    /// As in [`OutgoingSms`].
    pub creator: String,
    /// In the daemon's word.
    pub status: String,
}

/// A message that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedSms {
    /// The daemon's number of it.
    pub id: i64,
    /// The phone that it came from.
    pub from: String,
    /// What it says.
    pub text: String,
}

/// How the daemon and its modems are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Modems {
    /// Each modem's signal in percent, where it tells.
    pub signals: Vec<Option<u8>>,
    /// The daemon's last sign of life, as it writes it; changes as long as it runs. Empty: it never ran.
    pub sign_of_life: String,
    /// Messages that wait to be sent.
    pub waiting: u64,
    /// The daemon's number of the oldest of them.
    pub oldest: Option<i64>,
}
