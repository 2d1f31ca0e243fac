//! How much of a target has run, pauses left out, and when it ends.

use super::Pause;
use crate::calendar::{Calendar, Span, TimeBase};
use std::time::Duration;
use tocsin_vocabulary::Timestamp;

/// One clock's way of counting.
#[derive(Debug, Clone, Copy)]
pub struct Count<'a> {
    /// The calendar.
    pub calendar: &'a Calendar,
    /// Which hours count.
    pub base: TimeBase,
    /// When it starts.
    pub start: Timestamp,
    /// When it does not run: in order, apart from each other; the last may still last.
    pub pauses: &'a [Pause],
}

/// When a target ends. Of two, the lesser is the sooner, and at the same instant the one that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// The instant; of a clock that stands still, the instant at which it would end if it ran again now.
    pub at: Timestamp,
    /// Whether it stands still.
    pub paused: bool,
}

impl Count<'_> {
    /// When the count begins: natural time waits for the calendar to open.
    fn begins(&self) -> Timestamp {
        match self.base {
            TimeBase::Natural => self.calendar.opens_at(self.start),
            TimeBase::Business => self.start,
        }
    }

    fn counted(&self, from: Timestamp, to: Timestamp) -> Duration {
        match self.base {
            TimeBase::Natural => to.since(from),
            TimeBase::Business => self.calendar.elapsed(TimeBase::Business, from, to),
        }
    }

    fn ends(&self, from: Timestamp, rest: Duration) -> Timestamp {
        match self.base {
            TimeBase::Natural => from.plus(rest),
            TimeBase::Business => self.calendar.due(TimeBase::Business, from, rest),
        }
    }

    /// The times between pauses up to `end`, whether or not they count.
    fn runs(&self, end: Timestamp) -> Vec<Span> {
        let mut from = self.begins();
        let mut runs = Vec::new();
        for pause in self.pauses {
            let to = pause.from.min(end);
            if from < to {
                runs.push(Span { from, to });
            }
            match pause.to {
                Some(resumed) => from = from.max(resumed),
                None => return runs,
            }
        }
        if from < end {
            runs.push(Span { from, to: end });
        }
        runs
    }

    /// How much has run up to `end`.
    #[must_use]
    pub fn elapsed(&self, end: Timestamp) -> Duration {
        self.runs(end)
            .into_iter()
            .map(|run| self.counted(run.from, run.to))
            .sum()
    }

    /// Every span that was counted up to `end`; their lengths add up to [`Count::elapsed`].
    #[must_use]
    pub fn spans(&self, end: Timestamp) -> Vec<Span> {
        let runs = self.runs(end).into_iter();
        match self.base {
            TimeBase::Natural => runs.collect(),
            TimeBase::Business => runs
                .flat_map(|run| self.calendar.spans(TimeBase::Business, run.from, run.to))
                .collect(),
        }
    }

    /// When `target` has run: the inverse of [`Count::elapsed`].
    #[must_use]
    pub fn due(&self, target: Duration, now: Timestamp) -> Due {
        let mut from = self.begins();
        let mut rest = target;
        for pause in self.pauses {
            if pause.to.is_some_and(|resumed| resumed <= from) {
                continue;
            }
            let due = self.ends(from, rest);
            if due <= pause.from {
                break;
            }
            rest = rest.saturating_sub(self.counted(from, pause.from.max(from)));
            match pause.to {
                Some(resumed) => from = resumed,
                None => {
                    return Due {
                        at: self.ends(now.max(from).max(pause.from), rest),
                        paused: true,
                    };
                }
            }
        }
        Due {
            at: self.ends(from, rest),
            paused: false,
        }
    }
}
