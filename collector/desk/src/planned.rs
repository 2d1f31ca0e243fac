//! What was planned: silences, maintenance windows, guarded periods. Whom each concerns ([`Scope`]), when it counts
//! ([`Span`]), who made it and why.
//!
//! * A *silence* (屏蔽) withholds pages of what it names until its end.
//! * A *maintenance window* (维护窗口) does the same for planned work, once or again and again, and has an owner who is told when
//!   something has not come back at its end.
//! * A *guarded period* (重保) does the opposite: what happens in it is taken one step more seriously and paged sooner.
//!
//! Alerts are recorded all the same: nothing here keeps one from being raised.

mod every;
mod names;
mod pattern;
mod scope;
mod span;

pub use every::{Every, ParseEveryError, Weekday};
pub use names::Names;
pub use scope::{Scope, Subject};
pub use span::{Repeat, Span, Times};

pub(crate) use pattern::matches;

use serde::{Deserialize, Serialize};
use std::time::Duration;
use tocsin_vocabulary::{PersonId, PlannedId, Timestamp};

/// Longest reason, in characters.
const REASON_MAX: usize = 500;
/// Longest silence: what nobody should hear of for longer is a matter for the rules.
pub const SILENCE_MAX: Duration = Duration::from_secs(90 * 86_400);
/// How long before a guarded period people are told to check everything (R32).
pub const CHECK_BEFORE: Duration = Duration::from_secs(3 * 86_400);
/// How long ahead a guarded period is to be booked (R32). Later is possible, and said.
pub const BOOK_AHEAD: Duration = Duration::from_secs(21 * 86_400);

/// Which of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlannedKind {
    /// 屏蔽.
    Silence,
    /// 维护窗口.
    Window,
    /// 重要时期保障.
    Guard,
}

impl PlannedKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Silence, Self::Window, Self::Guard];

    /// The word in command line, API and ledger, and the text key's last part.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Silence => "silence",
            Self::Window => "window",
            Self::Guard => "guard",
        }
    }

    /// The kind that a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether it withholds pages.
    #[must_use]
    pub const fn withholds(self) -> bool {
        matches!(self, Self::Silence | Self::Window)
    }
}

/// What somebody plans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPlanned {
    /// Which of the three.
    pub kind: PlannedKind,
    /// Whom it concerns.
    pub scope: Scope,
    /// When it counts.
    pub span: Span,
    /// Why.
    pub reason: String,
    /// Who answers for it: told of an overrun, paged beside the people on duty in a guarded period.
    pub owner: Option<PersonId>,
    /// Login of whoever made it, or `cli`.
    pub made_by: String,
}

/// A silence, a maintenance window or a guarded period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// Its id.
    pub id: PlannedId,
    /// Which of the three.
    pub kind: PlannedKind,
    /// Whom it concerns.
    pub scope: Scope,
    /// When it counts.
    pub span: Span,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: Option<PersonId>,
    /// Login of whoever made it, or `cli`.
    pub made_by: String,
    /// When.
    pub made_at: Timestamp,
    /// Up to when the desk has done its part: the end of the last window, or when people were told to check.
    pub told_at: Option<Timestamp>,
    /// When it was over for good.
    pub ended_at: Option<Timestamp>,
    /// Login of whoever ended it early; `system` when its time was over.
    pub ended_by: Option<String>,
}

impl NewPlanned {
    /// Everything that is wrong with it, as sentences; empty when it can be kept.
    #[must_use]
    pub fn mistakes(&self, now: Timestamp) -> Vec<String> {
        let mut mistakes = self.scope.mistakes();
        mistakes.extend(self.span.mistakes());
        if self.reason.trim().is_empty() {
            mistakes.push(format!(
                "a {} needs a reason: say why in a few words",
                self.kind.as_str()
            ));
        }
        if self.reason.chars().count() > REASON_MAX {
            mistakes.push(format!("the reason is longer than {REASON_MAX} characters"));
        }
        if mistakes.is_empty() && self.span.next_end(now).is_none() {
            mistakes.push("it would be over before it begins: choose an end in the future".to_owned());
        }
        if self.kind != PlannedKind::Window && self.span.repeats.is_some() {
            mistakes.push(format!(
                "a {} does not repeat: only maintenance windows do",
                self.kind.as_str()
            ));
        }
        let long = |to: Timestamp| to.since(self.span.from) > SILENCE_MAX;
        if self.kind == PlannedKind::Silence && self.span.to.is_some_and(long) {
            mistakes.push("a silence lasts at most 90d: change or remove the rule instead".to_owned());
        }
        if self.kind != PlannedKind::Silence && self.owner.is_none() {
            mistakes.push(format!("a {} needs an owner, who answers for it", self.kind.as_str()));
        }
        mistakes
    }

    /// The row that comes of it.
    #[must_use]
    pub fn keep(self, id: PlannedId, now: Timestamp) -> Planned {
        Planned {
            id,
            kind: self.kind,
            scope: self.scope,
            span: self.span,
            reason: self.reason.trim().to_owned(),
            owner: self.owner,
            made_by: self.made_by,
            made_at: now,
            told_at: None,
            ended_at: None,
            ended_by: None,
        }
    }
}

impl Planned {
    /// The time that it counts at `now`, if it does.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Option<Times> {
        if self.ended_at.is_some_and(|ended| ended <= now) {
            return None;
        }
        self.span.at(now)
    }

    /// The time that it counts now, or else next; of what is over, from its beginning to its end.
    #[must_use]
    pub fn times(&self, now: Timestamp) -> Option<Times> {
        match self.ended_at {
            Some(to) => Some(Times {
                from: self.span.from,
                to,
            }),
            None => self.at(now).or_else(|| self.span.next_end(now)),
        }
    }

    /// When the desk has something to do about it next: tell people to check, look at the end of a window, put it away.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        if self.ended_at.is_some() {
            return None;
        }
        match self.kind {
            PlannedKind::Guard if self.told_at.is_none() => Some(self.span.from.minus(CHECK_BEFORE).max(self.made_at)),
            PlannedKind::Guard | PlannedKind::Silence => self.span.to,
            PlannedKind::Window => self
                .span
                .next_end(self.told_at.unwrap_or(self.made_at))
                .map(|times| times.to),
        }
    }
}
