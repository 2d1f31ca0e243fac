//! 交接班: the register that one shift hands to the next, signed by both.
//!
//! A handover opens when the people on duty change, filled with what the leaving shift has in hand. Until somebody of
//! each side has signed, both shifts are paged. While a fault of the worst level is open nobody may hand over without the
//! word of the 值班长: a team lead, a leader of either shift, or an administrator.

use crate::{model::TicketState, planned::PlannedKind};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tocsin_vocabulary::{Code, Level, RunResult, Text, Timestamp};

/// Both shifts have so long to sign before anybody is paged.
const GRACE: Duration = Duration::from_secs(15 * 60);
/// Then both are paged again and again, so far apart …
const NAG_EVERY: Duration = Duration::from_secs(15 * 60);
/// … and at most this often: a shift.
const NAGS_MAX: u32 = 48;
/// Longest notes, in characters.
const WORDS_MAX: usize = 4_000;
/// Most keys, phones and other things.
const THINGS_MAX: usize = 50;

/// A ticket that is handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// Its number.
    pub number: u64,
    /// What is wrong.
    pub title: Text,
    /// How bad.
    pub level: Level,
    /// The policy that names the level.
    #[serde(default)]
    pub policy: String,
    /// Where it stands.
    pub state: TicketState,
    /// Who has it.
    pub assignee: Option<String>,
    /// When its next clock is due; none when none runs.
    pub due_at: Option<Timestamp>,
}

/// A key, a phone, anything that passes from hand to hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thing {
    /// What.
    pub name: String,
    /// Whether the leaving shift has laid it down.
    pub there: bool,
}

/// A silence, window or guarded period that holds, or begins soon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quiet {
    /// Which of the three.
    pub kind: PlannedKind,
    /// Whom it concerns, in names.
    pub what: String,
    /// Until when.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
}

/// A backup job that stands badly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadJob {
    /// The host's name.
    pub host: String,
    /// The job's name.
    pub name: String,
    /// What its newest run was worth; none: there was none.
    pub result: Option<RunResult>,
    /// When its newest good run began; none: there was none.
    pub good_at: Option<Timestamp>,
}

/// What one shift hands to the next.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Register {
    /// Open tickets with what is left of their time.
    pub tickets: Vec<Carried>,
    /// Pages that are withheld, and planned work.
    pub silences: Vec<Quiet>,
    /// Backup jobs whose newest run brought no copy, or whose copy is older than promised.
    #[serde(default)]
    pub jobs: Vec<BadJob>,
    /// Other alerts about backups.
    pub backups: Vec<Text>,
    /// Hosts that are silent.
    pub silent: Vec<Text>,
    /// Keys, phones, cards.
    pub things: Vec<Thing>,
    /// Power, air conditioning, fire protection, room: as the leaving shift saw it.
    #[serde(default)]
    pub room: String,
    /// What the next shift must know.
    pub notes: String,
}

/// Somebody's signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Login.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// The word of the 值班长, that the shift may change although the worst is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// Login.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// Which shift somebody signs for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// 交班.
    Leaving,
    /// 接班.
    Coming,
}

impl Side {
    /// The word in API and ledger, and the text key's last part.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Leaving => "leaving",
            Self::Coming => "coming",
        }
    }

    /// The side that a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Leaving, Self::Coming]
            .into_iter()
            .find(|side| side.as_str() == word)
    }
}

/// One change of shifts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handover {
    /// 1, 2, 3 … within the ledger.
    pub id: u64,
    /// Of which roster.
    pub roster: String,
    /// When the shift changes.
    pub at: Timestamp,
    /// Logins of the shift that leaves.
    pub leaving: Vec<String>,
    /// Logins of the shift that comes.
    pub coming: Vec<String>,
    /// What is handed over.
    pub register: Register,
    /// Who signed for the leaving shift.
    pub left: Option<Signature>,
    /// Who signed for the coming shift.
    pub came: Option<Signature>,
    /// The 值班长's word.
    pub word: Option<Word>,
    /// How often both shifts were paged for it.
    pub nags: u32,
}

/// Why somebody can't sign or write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandoverError {
    /// Both have signed.
    #[error("handover {0} is signed by both: it is not changed any more")]
    Closed(u64),
    /// Somebody has signed that side.
    #[error("{by} has signed for the {side} shift already", side = .side.as_str())]
    Signed {
        /// Which side.
        side: Side,
        /// Login.
        by: String,
    },
    /// They are not of that shift.
    #[error("`{login}` is not of the {side} shift: {people}", side = .side.as_str(), people = .people.join(", "))]
    NotYours {
        /// Login.
        login: String,
        /// Which side.
        side: Side,
        /// Who is.
        people: Vec<String>,
    },
    /// One person can't give and take.
    #[error("`{0}` has signed for the other shift: the two signatures are of two people")]
    Twice(String),
    /// The worst is open.
    #[error("#{0} of the worst level is open: the shift changes only with the word of the one who leads it")]
    WorstOpen(u64),
    /// Words are missing or too long.
    #[error("{0}")]
    Words(String),
}

impl HandoverError {
    /// For each edge to say in its own way.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Closed(_) | Self::Signed { .. } | Self::Twice(_) | Self::WorstOpen(_) => Code::Conflict,
            Self::NotYours { .. } => Code::Forbidden,
            Self::Words(_) => Code::InvalidInput,
        }
    }
}

impl Handover {
    /// Whether both have signed.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.left.is_some() && self.came.is_some()
    }

    /// Signs for a side. `worst` is the number of an open ticket of the worst level, if there is one. Somebody who stays
    /// on duty may sign only one side.
    ///
    /// # Errors
    /// When it is signed, they are not of that shift, or the worst is open and nobody gave their word.
    pub fn sign(&mut self, side: Side, login: &str, worst: Option<u64>, now: Timestamp) -> Result<(), HandoverError> {
        if self.is_closed() {
            return Err(HandoverError::Closed(self.id));
        }
        let (own, other, people) = match side {
            Side::Leaving => (&self.left, &self.came, &self.leaving),
            Side::Coming => (&self.came, &self.left, &self.coming),
        };
        if let Some(signature) = own {
            return Err(HandoverError::Signed {
                side,
                by: signature.by.clone(),
            });
        }
        if !people.iter().any(|one| one == login) {
            return Err(HandoverError::NotYours {
                login: login.to_owned(),
                side,
                people: people.clone(),
            });
        }
        if other.as_ref().is_some_and(|signature| signature.by == login) {
            return Err(HandoverError::Twice(login.to_owned()));
        }
        if let Some(number) = worst.filter(|_| self.word.is_none()) {
            return Err(HandoverError::WorstOpen(number));
        }
        let signature = Some(Signature {
            by: login.to_owned(),
            at: now,
        });
        match side {
            Side::Leaving => self.left = signature,
            Side::Coming => self.came = signature,
        }
        Ok(())
    }

    /// The 值班长 allows the change although the worst is open.
    ///
    /// # Errors
    /// When it is closed, or no reason is given.
    pub fn give_word(&mut self, login: &str, reason: &str, now: Timestamp) -> Result<(), HandoverError> {
        if self.is_closed() {
            return Err(HandoverError::Closed(self.id));
        }
        check_words("reason", reason, true)?;
        self.word = Some(Word {
            by: login.to_owned(),
            at: now,
            reason: reason.trim().to_owned(),
        });
        Ok(())
    }

    /// Writes notes, the state of the room and the things that are handed over. A signature of before does not stand any
    /// more for what it did not see.
    ///
    /// # Errors
    /// When it is closed, or a text is too long.
    pub fn write(&mut self, room: &str, notes: &str, things: Vec<Thing>) -> Result<(), HandoverError> {
        if self.is_closed() {
            return Err(HandoverError::Closed(self.id));
        }
        check_words("notes", notes, false)?;
        check_words("room", room, false)?;
        if things.len() > THINGS_MAX {
            return Err(HandoverError::Words(format!("more than {THINGS_MAX} things")));
        }
        for thing in &things {
            check_words("thing", &thing.name, true)?;
        }
        let register = &mut self.register;
        if (register.room.as_str(), register.notes.as_str(), &register.things) == (room, notes, &things) {
            return Ok(());
        }
        room.clone_into(&mut register.room);
        notes.clone_into(&mut register.notes);
        register.things = things;
        self.left = None;
        self.came = None;
        Ok(())
    }

    /// When both shifts are paged next because it is not signed.
    #[must_use]
    pub fn nag_at(&self) -> Option<Timestamp> {
        if self.is_closed() || self.nags >= NAGS_MAX {
            return None;
        }
        Some(self.at.plus(GRACE + NAG_EVERY * self.nags))
    }

    /// Everybody of both shifts, each once.
    #[must_use]
    pub fn everybody(&self) -> Vec<String> {
        let mut all = self.leaving.clone();
        all.extend(self.coming.iter().filter(|one| !self.leaving.contains(one)).cloned());
        all
    }
}

fn check_words(field: &str, words: &str, needed: bool) -> Result<(), HandoverError> {
    if needed && words.trim().is_empty() {
        return Err(HandoverError::Words(format!("field `{field}` is empty: fill it in")));
    }
    if words.chars().count() > WORDS_MAX {
        return Err(HandoverError::Words(format!(
            "field `{field}` is longer than {WORDS_MAX} characters"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_316_645_000);

    fn handover() -> Handover {
        Handover {
            id: 7,
            roster: "room".to_owned(),
            at: NOW,
            leaving: vec!["wang".to_owned(), "li".to_owned()],
            coming: vec!["zhao".to_owned(), "li".to_owned()],
            register: Register::default(),
            left: None,
            came: None,
            word: None,
            nags: 0,
        }
    }

    #[test]
    fn both_sides_sign_and_then_it_is_closed() {
        let mut one = handover();
        assert!(matches!(
            one.sign(Side::Leaving, "zhao", None, NOW),
            Err(HandoverError::NotYours { .. })
        ));
        one.sign(Side::Leaving, "wang", None, NOW).unwrap();
        assert!(matches!(
            one.sign(Side::Leaving, "li", None, NOW),
            Err(HandoverError::Signed { .. })
        ));
        one.sign(Side::Coming, "zhao", None, NOW).unwrap();
        assert!(one.is_closed() && one.nag_at().is_none());
        assert_eq!(one.sign(Side::Coming, "zhao", None, NOW), Err(HandoverError::Closed(7)));
    }

    #[test]
    fn one_person_does_not_sign_for_both() {
        let mut one = handover();
        one.sign(Side::Leaving, "li", None, NOW).unwrap();
        assert_eq!(
            one.sign(Side::Coming, "li", None, NOW),
            Err(HandoverError::Twice("li".to_owned()))
        );
    }

    #[test]
    fn with_the_worst_open_the_shift_changes_only_with_a_word() {
        let mut one = handover();
        assert_eq!(
            one.sign(Side::Leaving, "wang", Some(42), NOW),
            Err(HandoverError::WorstOpen(42))
        );
        assert!(one.give_word("chen", " ", NOW).is_err());
        one.give_word("chen", "the new shift is briefed", NOW).unwrap();
        one.sign(Side::Leaving, "wang", Some(42), NOW).unwrap();
    }

    #[test]
    fn both_are_paged_until_both_have_signed() {
        let mut one = handover();
        let minutes = |at: Option<Timestamp>| at.map(|at| at.since(NOW).as_secs() / 60);
        assert_eq!(minutes(one.nag_at()), Some(15));
        one.nags = 1;
        one.sign(Side::Leaving, "wang", None, NOW).unwrap();
        assert_eq!(minutes(one.nag_at()), Some(30));
        assert_eq!(one.everybody(), ["wang", "li", "zhao"]);
        one.nags = NAGS_MAX;
        assert_eq!(one.nag_at(), None);
    }

    #[test]
    fn what_is_written_after_a_signature_is_signed_anew() {
        let mut one = handover();
        one.sign(Side::Leaving, "wang", None, NOW).unwrap();
        one.write("", "", Vec::new()).unwrap();
        assert!(one.left.is_some());
        one.write("UPS ok", "watch db-01", Vec::new()).unwrap();
        assert!(one.left.is_none());
    }
}
