//! Work in signed steps: the flow of a defect, 提交→分析→确认→解决→上报→回复 (R28), and of a complaint (R49).
//!
//! Steps come in order, each once, each with a name, a time and words. They stand beside the ticket's state: a step never
//! moves the ticket, and the ticket never skips a step.

use crate::model::TicketKind;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tocsin_vocabulary::Timestamp;

/// Longest words of a step, in characters.
const WORDS_MAX: usize = 4_000;

/// One step of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its word, and the text key's last part.
    pub key: &'static str,
    /// How long after the ticket opened it has to be done; none: without a term.
    pub within: Option<Duration>,
}

const fn step(key: &'static str) -> Step {
    Step { key, within: None }
}

const fn within_days(key: &'static str, days: u64) -> Step {
    Step {
        key,
        within: Some(Duration::from_secs(days * 86_400)),
    }
}

/// The steps of a kind of ticket, in order; none for kinds that have no flow.
#[must_use]
pub const fn steps(kind: TicketKind) -> &'static [Step] {
    match kind {
        TicketKind::Defect => {
            const STEPS: &[Step] = &[
                step("submit"),
                step("analyse"),
                step("confirm"),
                step("solve"),
                step("report"),
                step("reply"),
            ];
            STEPS
        }
        // Verified within two days; a written answer with an apology within five; then asked whether it is well.
        TicketKind::Complaint => {
            const STEPS: &[Step] = &[within_days("verify", 2), within_days("answer", 5), step("callback")];
            STEPS
        }
        _ => &[],
    }
}

/// A step that somebody did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// Which.
    pub step: String,
    /// Name of whoever signed.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What was done, found or answered.
    pub words: String,
}

/// Why a step can't be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlowError {
    /// The kind has no such step.
    #[error("this kind of ticket has no step `{0}`")]
    Unknown(String),
    /// It is signed.
    #[error("step `{step}` was signed by {by} already")]
    Twice {
        /// Which.
        step: String,
        /// Who.
        by: String,
    },
    /// Another comes first.
    #[error("step `{step}` comes after `{first}`, which is not signed yet")]
    TooEarly {
        /// Which was asked.
        step: String,
        /// Which comes first.
        first: &'static str,
    },
    /// Words are missing or too long.
    #[error("field `words` is empty or longer than {WORDS_MAX} characters")]
    Words,
}

/// Whether a step may be signed now, after those that are.
///
/// # Errors
/// When it is unknown, signed, out of turn, or says nothing.
pub fn may_sign(kind: TicketKind, done: &[Signed], key: &str, words: &str) -> Result<(), FlowError> {
    let all = steps(kind);
    let at = all
        .iter()
        .position(|step| step.key == key)
        .ok_or_else(|| FlowError::Unknown(key.to_owned()))?;
    if let Some(signed) = done.iter().find(|signed| signed.step == key) {
        return Err(FlowError::Twice {
            step: key.to_owned(),
            by: signed.by.clone(),
        });
    }
    if let Some(first) = all[..at]
        .iter()
        .find(|step| done.iter().all(|signed| signed.step != step.key))
    {
        return Err(FlowError::TooEarly {
            step: key.to_owned(),
            first: first.key,
        });
    }
    if words.trim().is_empty() || words.chars().count() > WORDS_MAX {
        return Err(FlowError::Words);
    }
    Ok(())
}

/// A step of a ticket as pages show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Which.
    pub step: Step,
    /// When it is due.
    pub due_at: Option<Timestamp>,
    /// Who did it; none while it is to do.
    pub done: Option<Signed>,
}

impl Progress {
    /// Whether it was done too late, or is too late by now.
    #[must_use]
    pub fn is_late(&self, now: Timestamp) -> bool {
        let at = self.done.as_ref().map_or(now, |signed| signed.at);
        self.due_at.is_some_and(|due| at > due)
    }
}

/// All steps of a ticket that opened at `opened_at`.
#[must_use]
pub fn progress(kind: TicketKind, opened_at: Timestamp, done: &[Signed]) -> Vec<Progress> {
    let of = |step: &Step| Progress {
        step: *step,
        due_at: step.within.map(|within| opened_at.plus(within)),
        done: done.iter().find(|signed| signed.step == step.key).cloned(),
    };
    steps(kind).iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(step: &str, days: u64) -> Signed {
        Signed {
            step: step.to_owned(),
            by: "wang".to_owned(),
            at: Timestamp::from_millis(0).plus(Duration::from_secs(days * 86_400)),
            words: "x".to_owned(),
        }
    }

    #[test]
    fn a_defects_steps_are_signed_in_order_and_once() {
        let done = [signed("submit", 0)];
        let sign = |key, words| may_sign(TicketKind::Defect, &done, key, words);
        assert_eq!(sign("analyse", "seen"), Ok(()));
        assert!(matches!(sign("submit", "x"), Err(FlowError::Twice { .. })));
        assert!(matches!(
            sign("solve", "x"),
            Err(FlowError::TooEarly { first: "analyse", .. })
        ));
        assert!(matches!(sign("verify", "x"), Err(FlowError::Unknown(_))));
        assert_eq!(sign("analyse", " "), Err(FlowError::Words));
        assert!(matches!(
            may_sign(TicketKind::Fault, &[], "submit", "x"),
            Err(FlowError::Unknown(_))
        ));
    }

    #[test]
    fn a_complaint_is_verified_in_two_days_and_answered_in_five() {
        let opened = Timestamp::from_millis(0);
        let steps = progress(TicketKind::Complaint, opened, &[signed("verify", 3)]);
        let days = |at: Option<Timestamp>| at.map(|at| at.as_millis() / 86_400_000);
        assert_eq!(
            [days(steps[0].due_at), days(steps[1].due_at), days(steps[2].due_at)],
            [Some(2), Some(5), None]
        );
        let fourth = opened.plus(Duration::from_secs(4 * 86_400));
        assert!(steps[0].is_late(fourth) && !steps[1].is_late(fourth));
    }
}
