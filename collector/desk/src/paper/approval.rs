//! Approval of risky work (R29): who asks for what, with which risk and way back, in which window; and who allows it.
//!
//! asked → granted | refused | withdrawn. Where the approver says yes or no by phone, whoever is on duty records it and
//! names the approver; the answer holds at once and is marked unsigned until the approver signs it with their PIN. Until
//! then they are reminded.

use super::{WORDS_MAX, attachment::Done, words};
use crate::model::{Person, Role};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tocsin_vocabulary::{Code, CustomerId, TicketId, Timestamp};

/// Reminders at most: two weeks of one every four hours.
const REMINDERS_MAX: u32 = 84;

/// Who allows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Approver {
    /// A team lead or administrator of the house.
    Lead,
    /// Somebody of the customer.
    Customer,
}

impl Approver {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Lead, Self::Customer];

    /// The word in API and ledger, and the text key's last part.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lead => "lead",
            Self::Customer => "customer",
        }
    }

    /// What a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }

    /// Whether a person may allow it for a ticket of this customer.
    #[must_use]
    pub fn includes(self, person: &Person, customer: CustomerId) -> bool {
        match self {
            Self::Lead => matches!(person.role, Role::TeamLead | Role::Administrator),
            Self::Customer => person.role == Role::Customer && person.customer == Some(customer),
        }
    }
}

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApprovalState {
    /// Waits for an answer.
    Asked,
    /// 同意.
    Granted,
    /// 不同意.
    Refused,
    /// Whoever asked does without.
    Withdrawn,
}

impl ApprovalState {
    /// The word in API and ledger, and the text key's last part.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Granted => "granted",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What shall be done.
    pub what: String,
    /// What may go wrong.
    pub risk: String,
    /// The way back.
    pub rollback: String,
    /// Beginning of the window.
    pub from: Timestamp,
    /// End of the window.
    pub to: Timestamp,
    /// Who allows it.
    pub of: Approver,
}

impl Request {
    /// Everything that is wrong with it, as sentences.
    #[must_use]
    pub fn mistakes(&self, now: Timestamp) -> Vec<String> {
        let fields = [("what", &self.what), ("risk", &self.risk), ("rollback", &self.rollback)];
        let mut mistakes: Vec<String> = fields
            .into_iter()
            .filter_map(|(name, text)| words(name, text, true, WORDS_MAX).err())
            .collect();
        if self.to <= self.from {
            mistakes.push("field `to` is not after `from`".to_owned());
        } else if self.to <= now {
            mistakes.push("the window is over already".to_owned());
        }
        mistakes
    }
}

/// What the approver said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Login of the approver.
    pub login: String,
    /// Their name.
    pub name: String,
    /// When they said it.
    pub at: Timestamp,
    /// Conditions, or why not.
    pub words: String,
    /// Who wrote it down after a call, and when; none when the approver answered themselves.
    pub recorded: Option<Done>,
    /// When the approver signed it; none: unsigned.
    pub signed_at: Option<Timestamp>,
}

/// One request with what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Its number.
    pub id: u64,
    /// The ticket.
    pub ticket: TicketId,
    /// The ticket's number.
    pub number: u64,
    /// The ticket's customer.
    pub customer: CustomerId,
    /// What shall be done.
    pub what: String,
    /// What may go wrong.
    pub risk: String,
    /// The way back.
    pub rollback: String,
    /// Beginning of the window.
    pub from: Timestamp,
    /// End of the window.
    pub to: Timestamp,
    /// Who allows it.
    pub of: Approver,
    /// Login of who asked.
    pub asker: String,
    /// Who asked, and when.
    pub asked: Done,
    /// Where it stands.
    pub state: ApprovalState,
    /// What the approver said.
    pub verdict: Option<Verdict>,
    /// Reminders so far.
    pub reminders: u32,
}

/// Why something can't be done about an approval.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalError {
    /// It was answered.
    #[error("approval {0} is answered already: ask anew")]
    Answered(u64),
    /// Not one who may allow it.
    #[error("`{login}` may not approve this: it takes {}", match of { Approver::Lead => "a team lead", Approver::Customer => "somebody of the customer" })]
    NotYours {
        /// Who tried, or was named.
        login: String,
        /// Who may.
        of: Approver,
    },
    /// Nobody allows their own work.
    #[error("`{0}` asked for it themselves: somebody else must approve it")]
    Own(String),
    /// There is nothing to sign.
    #[error("approval {0} waits for no signature")]
    NothingToSign(u64),
    /// Another must sign.
    #[error("approval {id} was given by `{by}`: they must sign it")]
    Another {
        /// Which.
        id: u64,
        /// Who.
        by: String,
    },
    /// A time that cannot be.
    #[error("the call was before the request, or is yet to come")]
    Time,
    /// A text.
    #[error("{0}")]
    Words(String),
}

impl ApprovalError {
    /// Which kind of failure.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Answered(_) | Self::NothingToSign(_) => Code::Conflict,
            Self::NotYours { .. } | Self::Own(_) | Self::Another { .. } => Code::Forbidden,
            Self::Time | Self::Words(_) => Code::InvalidInput,
        }
    }
}

/// An answer: yes or no, and with which words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// Yes or no.
    pub granted: bool,
    /// Conditions, or why not; a refusal needs them.
    pub words: &'a str,
}

impl Approval {
    /// A new request; its number is given when it is entered.
    ///
    /// # Errors
    /// All mistakes, a line each.
    pub fn ask(
        ticket: &crate::model::Ticket,
        request: &Request,
        by: &Person,
        now: Timestamp,
    ) -> Result<Self, ApprovalError> {
        let mistakes = request.mistakes(now);
        if !mistakes.is_empty() {
            return Err(ApprovalError::Words(mistakes.join("\n")));
        }
        Ok(Self {
            id: 0,
            ticket: ticket.id,
            number: ticket.number,
            customer: ticket.customer,
            what: request.what.trim().to_owned(),
            risk: request.risk.trim().to_owned(),
            rollback: request.rollback.trim().to_owned(),
            from: request.from,
            to: request.to,
            of: request.of,
            asker: by.login.clone(),
            asked: Done {
                by: by.name.clone(),
                at: now,
            },
            state: ApprovalState::Asked,
            verdict: None,
            reminders: 0,
        })
    }

    fn check(&self, approver: &Person, answer: Answer<'_>) -> Result<String, ApprovalError> {
        if !self.of.includes(approver, self.customer) {
            return Err(ApprovalError::NotYours {
                login: approver.login.clone(),
                of: self.of,
            });
        }
        if self.state != ApprovalState::Asked {
            return Err(ApprovalError::Answered(self.id));
        }
        if approver.login == self.asker {
            return Err(ApprovalError::Own(approver.login.clone()));
        }
        words("words", answer.words, !answer.granted, WORDS_MAX).map_err(ApprovalError::Words)
    }

    fn settle(&mut self, granted: bool, verdict: Verdict) {
        self.state = if granted {
            ApprovalState::Granted
        } else {
            ApprovalState::Refused
        };
        self.verdict = Some(verdict);
    }

    /// The approver answers, signed in as themselves: that is their signature.
    ///
    /// # Errors
    /// When it is answered, not theirs to answer, or a refusal says no reason.
    pub fn answer(&mut self, approver: &Person, answer: Answer<'_>, now: Timestamp) -> Result<(), ApprovalError> {
        let words = self.check(approver, answer)?;
        self.settle(
            answer.granted,
            Verdict {
                login: approver.login.clone(),
                name: approver.name.clone(),
                at: now,
                words,
                recorded: None,
                signed_at: Some(now),
            },
        );
        Ok(())
    }

    /// The approver answered by phone at `said_at`, and `recorder` writes it down.
    ///
    /// # Errors
    /// As [`Self::answer`], and when the call was before the request or is yet to come.
    pub fn by_phone(
        &mut self,
        approver: &Person,
        answer: Answer<'_>,
        said_at: Timestamp,
        recorder: &Person,
        now: Timestamp,
    ) -> Result<(), ApprovalError> {
        let words = self.check(approver, answer)?;
        // A call of the same minute that was entered without seconds is no call before the request.
        if said_at > now || said_at.plus(Duration::from_secs(60)) < self.asked.at {
            return Err(ApprovalError::Time);
        }
        self.settle(
            answer.granted,
            Verdict {
                login: approver.login.clone(),
                name: approver.name.clone(),
                at: said_at,
                words,
                recorded: Some(Done {
                    by: recorder.name.clone(),
                    at: now,
                }),
                signed_at: None,
            },
        );
        Ok(())
    }

    /// The approver signs what was written down for them; whoever calls has checked their PIN.
    ///
    /// # Errors
    /// When nothing waits for a signature, or for somebody else's.
    pub fn sign(&mut self, login: &str, now: Timestamp) -> Result<(), ApprovalError> {
        let id = self.id;
        let verdict = self.verdict.as_mut().filter(|verdict| verdict.signed_at.is_none());
        let verdict = verdict.ok_or(ApprovalError::NothingToSign(id))?;
        if verdict.login != login {
            let by = verdict.login.clone();
            return Err(ApprovalError::Another { id, by });
        }
        verdict.signed_at = Some(now);
        Ok(())
    }

    /// Whoever asked does without.
    ///
    /// # Errors
    /// When it is answered.
    pub fn withdraw(&mut self) -> Result<(), ApprovalError> {
        if self.state != ApprovalState::Asked {
            return Err(ApprovalError::Answered(self.id));
        }
        self.state = ApprovalState::Withdrawn;
        Ok(())
    }

    /// The answer holds, but the approver has not signed it.
    #[must_use]
    pub fn is_unsigned(&self) -> bool {
        self.verdict.as_ref().is_some_and(|verdict| verdict.signed_at.is_none())
    }

    /// Nothing more is expected of anybody.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.state != ApprovalState::Asked && !self.is_unsigned()
    }

    /// When the approver is reminded next to sign.
    #[must_use]
    pub fn remind_at(&self, every: Duration) -> Option<Timestamp> {
        let verdict = self.verdict.as_ref().filter(|verdict| verdict.signed_at.is_none())?;
        let recorded = verdict.recorded.as_ref()?;
        // The first goes out at once: the approver learns what was written in their name.
        (self.reminders < REMINDERS_MAX).then(|| recorded.at.plus(every * self.reminders))
    }
}

#[cfg(test)]
mod tests;
