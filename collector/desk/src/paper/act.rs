//! What people do about papers, as one closed list: pages, API and command line all say it in these words.

use super::{approval::Request, attachment::Purpose, terms::Terms};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use tocsin_vocabulary::Timestamp;

/// One thing that somebody does.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum PaperAct {
    /// Adds a file; what a customer adds is published by itself.
    Attach {
        /// To which ticket.
        ticket: u64,
        /// How the sender calls it.
        name: String,
        /// Its content.
        #[serde(with = "content")]
        bytes: Vec<u8>,
        /// What it is for.
        purpose: Purpose,
    },
    /// Lets the customer see a file, or takes it back.
    Show {
        /// Of which ticket.
        ticket: u64,
        /// Number of the file.
        file: u64,
        /// Whether they see it from now on.
        published: bool,
    },
    /// Asks for approval.
    Ask {
        /// For which ticket.
        ticket: u64,
        /// What is asked.
        request: Request,
    },
    /// The approver answers.
    Answer {
        /// Number of the approval.
        id: u64,
        /// Yes or no.
        granted: bool,
        /// Conditions, or why not.
        words: String,
    },
    /// The approver answered by phone.
    ByPhone {
        /// Number of the approval.
        id: u64,
        /// Login of the approver.
        approver: String,
        /// Yes or no.
        granted: bool,
        /// Conditions, or why not.
        words: String,
        /// When they said it.
        said_at: Timestamp,
    },
    /// The approver signs what was recorded.
    Sign {
        /// Number of the approval.
        id: u64,
        /// Login of the approver.
        login: String,
        /// Their PIN.
        pin: String,
    },
    /// Whoever asked does without.
    Withdraw {
        /// Number of the approval.
        id: u64,
    },
    /// Makes a one-time link behind which the customer signs on a phone.
    OfferSigning {
        /// For which ticket.
        ticket: u64,
    },
    /// The customer has signed a paper, which is attached.
    OnPaper {
        /// Which ticket.
        ticket: u64,
        /// Number of the file.
        file: u64,
        /// Who signed.
        name: String,
    },
    /// Writes down a call-back.
    CallBack {
        /// About which ticket.
        ticket: u64,
        /// Who was called.
        whom: String,
        /// Under which number.
        phone: String,
        /// When.
        at: Timestamp,
        /// What they said.
        answer: String,
        /// Whether they were content.
        content: bool,
    },
    /// Sets what must be signed before which step.
    SetTerms {
        /// From now on.
        terms: Terms,
    },
}

impl PaperAct {
    /// What the audit trail calls it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Attach { .. } => "attachment.add",
            Self::Show { published: true, .. } => "attachment.publish",
            Self::Show { .. } => "attachment.unpublish",
            Self::Ask { .. } => "approval.ask",
            Self::Answer { .. } => "approval.answer",
            Self::ByPhone { .. } => "approval.phone",
            Self::Sign { .. } => "approval.sign",
            Self::Withdraw { .. } => "approval.withdraw",
            Self::OfferSigning { .. } => "confirmation.offer",
            Self::OnPaper { .. } => "confirmation.paper",
            Self::CallBack { .. } => "ticket.call",
            Self::SetTerms { .. } => "paper.terms",
        }
    }
}

/// Says which act it is and nothing of what is in it: it may hold a PIN.
impl std::fmt::Debug for PaperAct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PaperDone {
    /// The number of what was entered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// Path of the one-time link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// What was done.
    pub said: String,
}

/// Bytes as hexadecimal text, for the socket.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The bytes of a hexadecimal text; none when it is not one.
#[must_use]
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pair = |pair: &[u8]| match *pair {
        [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
        _ => None,
    };
    text.as_bytes().chunks(2).map(pair).collect()
}

mod content {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::hex(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        super::unhex(&text).ok_or_else(|| D::Error::custom("the content of a file is not hexadecimal"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_passes_the_socket_and_a_debug_line_tells_nothing_of_it() {
        let act = PaperAct::Attach {
            ticket: 1042,
            name: "a.txt".to_owned(),
            bytes: (0..=255).collect(),
            purpose: Purpose::Evidence,
        };
        let text = serde_json::to_string(&act).unwrap();
        assert_eq!(serde_json::from_str::<PaperAct>(&text).unwrap(), act);
        assert!(serde_json::from_str::<PaperAct>(&text.replace("0001", "00g1")).is_err());
        assert_eq!(format!("{act:?}"), "attachment.add");
    }
}
