//! 回访: the desk asks the customer afterwards whether all is well (R48, R49).

use super::{NAME_MAX, WORDS_MAX, attachment::Done, words};
use serde::{Deserialize, Serialize};
use tocsin_vocabulary::{TicketId, Timestamp};

/// What was asked and answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Its number.
    pub id: u64,
    /// The ticket.
    pub ticket: TicketId,
    /// Who was called.
    pub whom: String,
    /// Under which number.
    pub phone: String,
    /// When.
    pub at: Timestamp,
    /// What they said.
    pub answer: String,
    /// Whether they were content.
    pub content: bool,
    /// Who called, and when it was written down.
    pub by: Done,
}

impl Call {
    /// Everything that is wrong with it, as sentences.
    #[must_use]
    pub fn mistakes(&self, now: Timestamp) -> Vec<String> {
        let fields = [
            ("whom", &self.whom, true, NAME_MAX),
            ("phone", &self.phone, false, NAME_MAX),
            ("answer", &self.answer, true, WORDS_MAX),
        ];
        let mut mistakes: Vec<String> = fields
            .into_iter()
            .filter_map(|(name, text, needed, most)| words(name, text, needed, most).err())
            .collect();
        if self.at > now {
            mistakes.push("the call is yet to come".to_owned());
        }
        mistakes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_names_who_was_called_and_what_they_said() {
        let now = Timestamp::from_millis(1_000);
        let mut call = Call {
            id: 0,
            ticket: TicketId::from_bytes([1; 16]),
            whom: String::new(),
            phone: "1".repeat(NAME_MAX + 1),
            at: Timestamp::from_millis(2_000),
            answer: String::new(),
            content: true,
            by: Done {
                by: "wang".to_owned(),
                at: now,
            },
        };
        assert_eq!(call.mistakes(now).len(), 4);
        (call.whom, call.phone, call.answer, call.at) = ("Li".to_owned(), String::new(), "fine".to_owned(), now);
        assert!(call.mistakes(now).is_empty());
    }
}
