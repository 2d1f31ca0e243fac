//! The interval log: what changed between two reckonings of a ticket's clocks. Only ever added to.

use super::{Reckoned, Timing};
use crate::model::{Clock, ClockKind};
use serde::{Deserialize, Serialize};
use tocsin_vocabulary::{Level, TicketId, Timestamp};

/// What happened to a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MarkKind {
    /// It began to run.
    Start,
    /// It stands still.
    Pause,
    /// It runs again.
    Resume,
    /// It was met, or nobody asks for it any more.
    Stop,
    /// It goes on as if it had not been stopped.
    GoOn,
    /// A time was entered late, or calendar or policy changed: it is counted anew.
    Correct,
    /// It passed its target.
    Breach,
    /// It is no longer promised: a time that was entered late makes it never have begun.
    Void,
}

impl MarkKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Start,
        Self::Pause,
        Self::Resume,
        Self::Stop,
        Self::GoOn,
        Self::Correct,
        Self::Breach,
        Self::Void,
    ];

    /// The word in ledger and API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Stop => "stop",
            Self::GoOn => "go_on",
            Self::Correct => "correct",
            Self::Breach => "breach",
            Self::Void => "void",
        }
    }

    /// The kind that a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// One line of the interval log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The ticket.
    pub ticket: TicketId,
    /// 1, 2, 3 … within the ticket.
    pub seq: u64,
    /// Which clock.
    pub clock: ClockKind,
    /// Of which rung, from 0.
    pub rung: u32,
    /// The level whose promise it is.
    pub level: Level,
    /// What happened.
    pub kind: MarkKind,
    /// When it happened; may have been entered late.
    pub at: Timestamp,
    /// When it was written.
    pub entered_at: Timestamp,
    /// When the target ends, as of then.
    pub due_at: Timestamp,
    /// Version of the policy by which it was counted.
    pub policy_version: String,
    /// Version of the calendar by which it was counted.
    pub calendar_version: String,
}

/// What changed from the clocks before to the clocks now, as lines without their place in the log.
#[must_use]
pub fn marks(
    ticket: TicketId,
    policy_version: &str,
    before: (&[Clock], &[Timing]),
    after: &[Reckoned],
    now: Timestamp,
) -> Vec<Mark> {
    let mut marks = Vec::new();
    let mut add = |timing: &Timing, kind: MarkKind, at: Timestamp, due_at: Timestamp| {
        marks.push(Mark {
            ticket,
            seq: 0,
            clock: timing.clock,
            rung: timing.rung,
            level: timing.level,
            kind,
            at,
            entered_at: now,
            due_at,
            policy_version: policy_version.to_owned(),
            calendar_version: timing.calendar_version.clone(),
        });
    };
    let old = |timing: &Timing| {
        let found = before
            .1
            .iter()
            .position(|old| (old.clock, old.rung) == (timing.clock, timing.rung))?;
        Some((before.0.get(found)?, &before.1[found]))
    };
    for Reckoned { clock, timing } in after {
        let due_at = clock.due_at;
        let was = old(timing);
        match was {
            None => add(timing, MarkKind::Start, clock.started_at, due_at),
            Some((old, counted)) => {
                // Of a clock that stands still the due moves with the time; that is no correction.
                let moved = old.started_at != clock.started_at
                    || counted.target_ms != timing.target_ms
                    || counted.calendar_version != timing.calendar_version
                    || (old.due_at != due_at && !counted.paused && !timing.paused);
                if moved {
                    add(timing, MarkKind::Correct, clock.started_at, due_at);
                }
            }
        }
        let (was_stopped, was_paused) = was.map_or((None, false), |(old, counted)| (old.stopped_at, counted.paused));
        let was_breached = was.and_then(|(old, _)| old.breached_at);
        match (was_paused, timing.paused) {
            (false, true) => add(timing, MarkKind::Pause, now, due_at),
            (true, false) => add(timing, MarkKind::Resume, now, due_at),
            _ => {}
        }
        if let Some(at) = clock.breached_at.filter(|_| was_breached.is_none()) {
            add(timing, MarkKind::Breach, at, due_at);
        }
        match (was_stopped, clock.stopped_at) {
            (None, Some(at)) => add(timing, MarkKind::Stop, at, due_at),
            (Some(_), None) => add(timing, MarkKind::GoOn, now, due_at),
            (Some(before), Some(at)) if before != at => add(timing, MarkKind::Stop, at, due_at),
            _ => {}
        }
    }
    for (clock, timing) in before.0.iter().zip(before.1) {
        let stays = after
            .iter()
            .any(|new| (new.timing.clock, new.timing.rung) == (timing.clock, timing.rung));
        if !stays {
            add(timing, MarkKind::Void, clock.started_at, clock.due_at);
        }
    }
    marks
}
