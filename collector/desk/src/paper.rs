//! What people sign, and what they hand in: attachments, approvals, confirmations, call-backs (R29, R48, R49).
//!
//! * [`attachment`] — files of a ticket: what they are by their content, and how they are called,
//! * [`approval`] — risky work that somebody must allow, also by phone and signed later,
//! * [`confirmation`] — the customer's word that it is done: what was shown, who signed, and how,
//! * [`ink`] — a signature drawn by hand,
//! * [`call`] — asking the customer afterwards,
//! * [`terms`] — what the site wants signed before which step,
//! * [`act`] — what people do about all of them, as one closed list.

pub mod act;
pub mod approval;
pub mod attachment;
pub mod call;
pub mod confirmation;
pub mod ink;
pub mod terms;

use approval::Approval;
use attachment::Attachment;
use call::Call;
use confirmation::Confirmation;
use serde::{Deserialize, Serialize};

/// Longest field that a person fills in, in characters.
pub const WORDS_MAX: usize = 2_000;
/// Longest name of a person or file, in characters.
pub const NAME_MAX: usize = 120;

/// All papers of a ticket, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Papers {
    /// Files.
    pub attachments: Vec<Attachment>,
    /// Risky work.
    pub approvals: Vec<Approval>,
    /// The customer's word.
    pub confirmations: Vec<Confirmation>,
    /// What was asked afterwards.
    pub calls: Vec<Call>,
}

impl Papers {
    /// One of its files.
    #[must_use]
    pub fn attachment(&self, id: u64) -> Option<&Attachment> {
        self.attachments.iter().find(|one| one.id == id)
    }

    /// What a customer may see of it: files that were published, approvals that wait for its own people or were given by
    /// them, and its own confirmations.
    #[must_use]
    pub fn published(mut self) -> Self {
        self.attachments.retain(|one| one.published.is_some());
        self.approvals.retain(|one| one.of == approval::Approver::Customer);
        self.calls.clear();
        self
    }
}

/// Whether a field is filled in and not too long.
///
/// # Errors
/// What is wrong with it, as a sentence.
pub fn words(field: &str, text: &str, needed: bool, most: usize) -> Result<String, String> {
    let text = text.trim();
    if needed && text.is_empty() {
        return Err(format!("field `{field}` is empty: fill it in"));
    }
    if text.chars().count() > most {
        return Err(format!("field `{field}` is longer than {most} characters: shorten it"));
    }
    Ok(text.to_owned())
}
