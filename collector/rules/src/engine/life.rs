//! One alert's state machine: readings and time in, outcome out. The crate's face tells it in prose.

use crate::rule::{LEVELS_MAX, Level, Rule};
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

/// What a value means to a rule. The value of a derived condition may be unknown, and is NaN then.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Reading {
    Holds(f64),
    /// Between threshold and clear threshold.
    Between(f64),
    Healthy(f64),
    /// Nothing was measured.
    Unknown,
}

impl Reading {
    pub(crate) fn value(self) -> Option<f64> {
        match self {
            Self::Holds(value) | Self::Between(value) | Self::Healthy(value) => Some(value),
            Self::Unknown => None,
        }
        .filter(|value| !value.is_nan())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Nothing,
    Raised,
    Updated,
    /// Its level is worse, or milder.
    Graded {
        worse: bool,
    },
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

/// How long a rule waits, and when it is worse.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holds<'a> {
    pub(crate) raise: Duration,
    pub(crate) clear: Duration,
    /// In place of `clear` while it flaps, if that is longer.
    pub(crate) calm: Duration,
    pub(crate) levels: &'a [Level],
}

impl<'a> Holds<'a> {
    pub(crate) fn of(rule: &'a Rule) -> Self {
        Self {
            raise: rule.hold,
            clear: rule.clear_hold,
            calm: rule.flapping.map_or(Duration::ZERO, |flapping| flapping.calm),
            levels: &rule.levels,
        }
    }
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
    /// How bad: 0 as the rule says, else one of its levels from 1.
    pub(crate) level: u8,
    /// The worst of its levels so far.
    pub(crate) worst_level: u8,
    /// Whether it comes and goes.
    pub(crate) flapping: bool,
    /// By level: since when its threshold is passed; tick time.
    passed: [Option<Timestamp>; LEVELS_MAX],
    /// As `began`, in our time as far as is known.
    began_here: Timestamp,
    told_at: Timestamp,
    told: Option<f64>,
}

/// A life of which nothing is kept while it is clear, as nearly all are.
#[derive(Debug, Default)]
pub(crate) struct Rare(Option<Box<Life>>);

impl Rare {
    pub(crate) fn get(&self) -> Life {
        self.0.as_deref().copied().unwrap_or_default()
    }

    /// The life itself, if it is not clear.
    pub(crate) fn get_mut(&mut self) -> Option<&mut Life> {
        self.0.as_deref_mut()
    }

    pub(crate) fn put(&mut self, life: Life) {
        self.0 = (life.phase != Phase::Clear).then(|| Box::new(life));
    }

    /// Whether people know of it.
    pub(crate) fn is_raised(&self) -> bool {
        self.0.as_ref().is_some_and(|life| life.is_raised())
    }
}

impl Life {
    /// One that was raised before this engine began.
    pub(crate) fn restored(began: Timestamp, value: Option<f64>, level: u8, now: Timestamp) -> Self {
        let mut passed = [None; LEVELS_MAX];
        passed
            .iter_mut()
            .take(usize::from(level))
            .for_each(|since| *since = Some(began));
        Self {
            phase: Phase::Raised,
            level,
            worst_level: level,
            passed,
            began_here: began.min(now),
            began,
            ended: began,
            worst: value,
            told_at: now,
            told: value,
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
        holds: Holds<'_>,
        worse: impl Fn(f64, f64) -> f64,
    ) -> Outcome {
        let (was_raised, level) = (self.is_raised(), self.level);
        let outcome = self.step(reading, moment, holds, worse);
        if holds.levels.is_empty() || self.phase == Phase::Clear || matches!(reading, Reading::Healthy(_)) {
            return outcome;
        }
        // The agent's clock may jump forward; ours says whether that time really passed.
        let here = moment.now.since(self.began_here).saturating_add(AHEAD_MAX);
        let lasted = moment.tick.since(self.began).min(here);
        self.grade(holds.levels, self.value, moment.tick, lasted);
        if was_raised {
            self.graded(level, moment.now, outcome)
        } else {
            outcome
        }
    }

    /// Takes a reading of before a restart: what held is pending since then, what is known of was healthy since then.
    /// Nothing is decided, and no timer is set: the next live reading decides.
    pub(crate) fn recall(&mut self, reading: Reading, moment: Moment, worse: impl Fn(f64, f64) -> f64) {
        let tick = moment.tick;
        match (self.phase, reading) {
            // Of the time before it was raised.
            (Phase::Raised | Phase::Clearing, _) if tick <= self.began => {}
            (Phase::Raised, Reading::Healthy(_)) => (self.phase, self.ended, self.due) = (Phase::Clearing, tick, None),
            (Phase::Clearing, Reading::Healthy(_)) => self.ended = self.ended.min(tick),
            (Phase::Raised | Phase::Clearing, _) => (self.phase, self.due) = (Phase::Raised, None),
            (Phase::Clear, Reading::Holds(value)) => {
                self.begin(value, moment);
                self.due = None;
            }
            (Phase::Pending, Reading::Holds(value)) => {
                self.saw(value, worse);
                self.began = self.began.min(tick);
            }
            (Phase::Clear | Phase::Pending, _) => self.rest(),
        }
    }

    /// It holds from now on.
    fn begin(&mut self, value: f64, moment: Moment) {
        (self.began, self.worst, self.ticks) = (moment.tick, Some(value).filter(|value| !value.is_nan()), 1);
        (self.level, self.worst_level, self.flapping) = (0, 0, false);
        (self.passed, self.began_here) = ([None; LEVELS_MAX], moment.tick.min(moment.now));
        self.phase = Phase::Pending;
    }

    fn step(&mut self, reading: Reading, moment: Moment, holds: Holds<'_>, worse: impl Fn(f64, f64) -> f64) -> Outcome {
        self.value = reading.value();
        let clear = if self.flapping {
            holds.clear.max(holds.calm)
        } else {
            holds.clear
        };
        match (self.phase, reading) {
            (Phase::Clear, Reading::Holds(value)) => {
                self.begin(value, moment);
                self.due = Some(moment.now.plus(holds.raise).plus(GRACE));
                self.raise_after(holds.raise, moment)
            }
            (Phase::Pending, Reading::Holds(value)) => {
                self.saw(value, worse);
                // An agent's clock that was set back must not keep us waiting.
                self.began = self.began.min(moment.tick);
                // Recalled, or of a host that was silent: no timer waits.
                self.due = self.due.or(Some(self.began_here.plus(holds.raise).plus(GRACE)));
                self.raise_after(holds.raise, moment)
            }
            (Phase::Clear | Phase::Pending, _) => {
                self.rest();
                Outcome::Nothing
            }
            (Phase::Raised, Reading::Healthy(_)) => {
                self.ended = moment.tick;
                self.phase = Phase::Clearing;
                self.due = Some(moment.now.plus(clear).plus(GRACE));
                self.clear_after(clear, moment)
            }
            (Phase::Clearing, Reading::Healthy(_)) => {
                self.ended = self.ended.min(moment.tick);
                self.clear_after(clear, moment)
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
    pub(crate) fn elapse(&mut self, now: Timestamp, levels: &[Level]) -> Outcome {
        if self.phase == Phase::Raised {
            let level = self.level;
            self.grade(levels, None, now, now.since(self.began_here));
            return self.graded(level, now, Outcome::Nothing);
        }
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

    /// When the next level is reached by time alone, in our time.
    pub(crate) fn next_level(&self, levels: &[Level]) -> Option<Timestamp> {
        let further = levels.get(usize::from(self.level)..)?;
        let after = further.iter().filter_map(|level| level.after).min()?;
        Some(self.began_here.plus(after))
    }

    /// Finds the level. A threshold once passed counts until the value is beyond its clear threshold.
    fn grade(&mut self, levels: &[Level], value: Option<f64>, tick: Timestamp, lasted: Duration) {
        let mut reached = 0;
        for ((number, level), passed) in (1_u8..).zip(levels).zip(&mut self.passed) {
            if let (Some(bounds), Some(value)) = (level.bounds, value) {
                if bounds.holds(value) {
                    *passed = Some(passed.map_or(tick, |since| since.min(tick)));
                } else if bounds.healthy(value) || self.level < number {
                    *passed = None;
                }
            }
            let by_value = passed.is_some_and(|since| self.level >= number || tick.since(since) >= level.hold);
            if by_value || level.after.is_some_and(|after| lasted >= after) {
                reached = number;
            }
        }
        self.level = reached;
        self.worst_level = self.worst_level.max(reached);
    }

    fn graded(&mut self, before: u8, now: Timestamp, outcome: Outcome) -> Outcome {
        if self.level == before {
            return outcome;
        }
        (self.told_at, self.told) = (now, self.last());
        Outcome::Graded {
            worse: self.level > before,
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
        if !value.is_nan() {
            self.worst = Some(self.worst.map_or(value, |worst| worse(worst, value)));
        }
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
