//! One alert's state machine: readings and time in, outcome out. The crate's face tells it in prose.

use std::time::Duration;
use tocsin_vocabulary::Timestamp;

/// Timers wait this long beyond `for` and `clear_for`, so that a tick that is due at the same moment decides first.
pub(crate) const GRACE: Duration = Duration::from_secs(1);
/// `for` and `clear_for` count in tick time, which must not run ahead of ours by more than this: a host's clock that
/// jumps forward, as after a pause of a virtual machine, proves nothing. More than ticks are delayed on their way.
const AHEAD_MAX: Duration = Duration::from_secs(6);
/// A raised alert's new value is told at most this often.
pub(crate) const UPDATE_EVERY: Duration = Duration::from_secs(300);

/// Where an alert stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Phase {
    /// The condition does not hold.
    #[default]
    Clear,
    /// It holds, not long enough.
    Pending,
    /// It was raised.
    Raised,
    /// It was raised and is healthy, not long enough.
    Clearing,
}

impl Phase {
    /// Whether people know of it: raised, or clearing.
    #[must_use]
    pub const fn is_raised(self) -> bool {
        matches!(self, Self::Raised | Self::Clearing)
    }

    /// Whether it holds, not long enough.
    #[must_use]
    pub const fn is_pending(self) -> bool {
        matches!(self, Self::Pending)
    }

    /// The word in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Pending => "pending",
            Self::Raised => "raised",
            Self::Clearing => "clearing",
        }
    }
}

/// What a value means to a rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Reading {
    Holds(f64),
    /// Between threshold and clear threshold.
    Between(f64),
    Healthy(f64),
    /// Nothing was measured.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Nothing,
    Raised,
    Updated,
    Cleared,
}

/// A tick's two times.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// By the agent's clock.
    pub(crate) tick: Timestamp,
    /// By ours.
    pub(crate) now: Timestamp,
}

/// How long a rule waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holds {
    pub(crate) raise: Duration,
    pub(crate) clear: Duration,
}

/// One alert.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Life {
    pub(crate) phase: Phase,
    /// When the condition began to hold; tick time.
    pub(crate) began: Timestamp,
    /// When it was first seen healthy again; tick time.
    pub(crate) ended: Timestamp,
    /// When a timer shall look, in our time.
    pub(crate) due: Option<Timestamp>,
    pub(crate) value: Option<f64>,
    pub(crate) worst: Option<f64>,
    pub(crate) ticks: u32,
    told_at: Timestamp,
    told: Option<f64>,
}

impl Life {
    /// One that was raised before this engine began.
    pub(crate) fn restored(began: Timestamp, value: Option<f64>, now: Timestamp) -> Self {
        Self {
            phase: Phase::Raised,
            began,
            ended: began,
            worst: value,
            told_at: now,
            told: value,
            ..Self::default()
        }
    }

    /// One that is clear, and the last value.
    pub(crate) fn clear_at(value: Option<f64>) -> Self {
        Self {
            value,
            ..Self::default()
        }
    }

    /// Whether people know of it.
    pub(crate) const fn is_raised(&self) -> bool {
        self.phase.is_raised()
    }

    /// The value to speak of: the last, or the one it was restored with.
    pub(crate) fn last(&self) -> Option<f64> {
        self.value.or(self.told)
    }

    pub(crate) fn read(
        &mut self,
        reading: Reading,
        moment: Moment,
        holds: Holds,
        worse: impl Fn(f64, f64) -> f64,
    ) -> Outcome {
        self.value = match reading {
            Reading::Holds(value) | Reading::Between(value) | Reading::Healthy(value) => Some(value),
            Reading::Unknown => None,
        };
        match (self.phase, reading) {
            (Phase::Clear, Reading::Holds(value)) => {
                (self.began, self.worst, self.ticks) = (moment.tick, Some(value), 1);
                self.phase = Phase::Pending;
                self.due = Some(moment.now.plus(holds.raise).plus(GRACE));
                self.raise_after(holds.raise, moment)
            }
            (Phase::Pending, Reading::Holds(value)) => {
                self.saw(value, worse);
                // An agent's clock that was set back must not keep us waiting.
                self.began = self.began.min(moment.tick);
                self.raise_after(holds.raise, moment)
            }
            (Phase::Clear | Phase::Pending, _) => {
                self.rest();
                Outcome::Nothing
            }
            (Phase::Raised, Reading::Healthy(_)) => {
                self.ended = moment.tick;
                self.phase = Phase::Clearing;
                self.due = Some(moment.now.plus(holds.clear).plus(GRACE));
                self.clear_after(holds.clear, moment)
            }
            (Phase::Clearing, Reading::Healthy(_)) => {
                self.ended = self.ended.min(moment.tick);
                self.clear_after(holds.clear, moment)
            }
            (Phase::Raised | Phase::Clearing, _) => {
                (self.phase, self.due) = (Phase::Raised, None);
                if let Reading::Holds(value) = reading {
                    self.saw(value, worse);
                }
                self.update(moment.now)
            }
        }
    }

    /// A timer looks: nothing was read meanwhile that changed the state.
    pub(crate) fn elapse(&mut self, now: Timestamp) -> Outcome {
        if self.due.is_none_or(|due| due > now) {
            return Outcome::Nothing;
        }
        self.due = None;
        match self.phase {
            Phase::Pending => self.raise(now),
            Phase::Clearing => self.clear(),
            Phase::Clear | Phase::Raised => Outcome::Nothing,
        }
    }

    fn raise_after(&mut self, hold: Duration, moment: Moment) -> Outcome {
        if moment.tick.since(self.began) >= hold && self.is_near(moment.now) {
            self.raise(moment.now)
        } else {
            Outcome::Nothing
        }
    }

    fn clear_after(&mut self, hold: Duration, moment: Moment) -> Outcome {
        if moment.tick.since(self.ended) >= hold && self.is_near(moment.now) {
            self.clear()
        } else {
            Outcome::Nothing
        }
    }

    /// Whether the timer that would decide without ticks is not far off; it decides in any case.
    fn is_near(&self, now: Timestamp) -> bool {
        self.due.is_none_or(|due| due <= now.plus(AHEAD_MAX))
    }

    fn raise(&mut self, now: Timestamp) -> Outcome {
        (self.phase, self.due) = (Phase::Raised, None);
        (self.told_at, self.told) = (now, self.last());
        Outcome::Raised
    }

    fn clear(&mut self) -> Outcome {
        self.rest();
        Outcome::Cleared
    }

    const fn rest(&mut self) {
        self.phase = Phase::Clear;
        self.due = None;
    }

    fn saw(&mut self, value: f64, worse: impl Fn(f64, f64) -> f64) {
        self.worst = Some(self.worst.map_or(value, |worst| worse(worst, value)));
        self.ticks = self.ticks.saturating_add(1);
    }

    fn update(&mut self, now: Timestamp) -> Outcome {
        if self.value.is_none() || self.value == self.told || now.since(self.told_at) < UPDATE_EVERY {
            return Outcome::Nothing;
        }
        (self.told_at, self.told) = (now, self.value);
        Outcome::Updated
    }
}
