//! The open windows of a calendar, each with the open time before it: one search instead of a walk over days.

use super::{CalendarSpec, FIRST_YEAR, Holidays, LAST_YEAR};
use jiff::{civil::Date, tz::TimeZone};

/// Before all windows and after them the calendar is taken as open for this long, in milliseconds: far beyond any
/// credible instant, and small enough that sums can't overflow.
const BEYOND: i64 = 1 << 60;

const DAY_MILLIS: i64 = 86_400_000;

/// One open span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// Its first millisecond.
    pub(super) start: i64,
    /// The millisecond after its last.
    pub(super) end: i64,
    /// Open time in all windows before it.
    before: i64,
}

/// Open windows in order, at least one; neighbours never touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Windows {
    windows: Vec<Window>,
    covered: (i64, i64),
}

impl Windows {
    pub(super) fn of(spec: &CalendarSpec, holidays: &Holidays, zone: &TimeZone) -> Self {
        let first = Date::constant(FIRST_YEAR, 1, 1);
        let end = Date::constant(LAST_YEAR + 1, 1, 1);
        let (from, to) = (instant(first, 0, zone), instant(end, 0, zone));
        let fixed = fixed_offset(from, to, zone);
        let mut windows = Self {
            windows: vec![Window {
                start: -BEYOND,
                end: from,
                before: 0,
            }],
            covered: (from, to),
        };
        let exceptions = spec.exceptions();
        let mut date = first;
        let mut midnight = from;
        while date < end {
            if spec.is_open_on(date, holidays, &exceptions) {
                for hours in &spec.hours {
                    let at = |minute: u16| {
                        if fixed {
                            midnight + i64::from(minute) * 60_000
                        } else {
                            instant(date, minute, zone)
                        }
                    };
                    windows.push(at(hours.from), at(hours.to));
                }
            }
            let Ok(next) = date.tomorrow() else { break };
            date = next;
            midnight += DAY_MILLIS;
        }
        windows.push(to, BEYOND);
        windows
    }

    /// Adds a window behind the others, or lengthens the last when they touch. What a change of summer time left empty
    /// is dropped.
    fn push(&mut self, start: i64, end: i64) {
        let Some(last) = self.windows.last_mut() else { return };
        let start = start.max(last.end);
        if start >= end {
            return;
        }
        if start == last.end {
            last.end = end;
        } else {
            let before = last.before + (last.end - last.start);
            self.windows.push(Window { start, end, before });
        }
    }

    pub(super) const fn covers(&self, at: i64) -> bool {
        self.covered.0 <= at && at < self.covered.1
    }

    /// The window that begins last at or before `at`. There is one: the first begins before all instants.
    fn last_begun(&self, at: i64) -> usize {
        self.windows
            .partition_point(|window| window.start <= at)
            .saturating_sub(1)
    }

    /// Open time before `at`.
    pub(super) fn open_before(&self, at: i64) -> i64 {
        let at = at.clamp(-BEYOND, BEYOND);
        let window = self.windows[self.last_begun(at)];
        window.before + at.min(window.end) - window.start
    }

    /// The first instant before which there is this much open time.
    pub(super) fn instant_at(&self, open: i64) -> i64 {
        let open = open.min(2 * BEYOND);
        let index = self
            .windows
            .partition_point(|window| window.before < open)
            .saturating_sub(1);
        let window = self.windows[index];
        (window.start + (open - window.before)).min(BEYOND)
    }

    /// `at` when it is open then, otherwise the start of the next window.
    pub(super) fn opens_at(&self, at: i64) -> i64 {
        let at = at.clamp(-BEYOND, BEYOND - 1);
        let index = self.last_begun(at);
        if at < self.windows[index].end {
            at
        } else {
            self.windows.get(index + 1).map_or(at, |window| window.start)
        }
    }

    /// The windows between two instants, cut to them.
    pub(super) fn between(&self, from: i64, to: i64) -> impl Iterator<Item = Window> {
        let from = from.clamp(-BEYOND, BEYOND);
        let windows = self.windows[self.last_begun(from)..].iter();
        windows
            .take_while(move |window| window.start < to)
            .map(move |window| Window {
                start: window.start.max(from),
                end: window.end.min(to),
                before: window.before,
            })
            .filter(|window| window.start < window.end)
    }
}

/// Milliseconds of a local minute of a day; 1440 is the next midnight. A minute that a change of summer time skips is the
/// moment after it, one that comes twice is the first.
pub(super) fn instant(date: Date, minute: u16, zone: &TimeZone) -> i64 {
    let (date, minute) = if minute >= 1440 {
        (date.tomorrow().unwrap_or(date), minute - 1440)
    } else {
        (date, minute)
    };
    let hour = i8::try_from(minute / 60).unwrap_or(0);
    let minute = i8::try_from(minute % 60).unwrap_or(0);
    zone.to_timestamp(date.at(hour, minute, 0, 0))
        .map_or(BEYOND, jiff::Timestamp::as_millisecond)
}

/// Whether the zone keeps one offset all the time between two instants.
fn fixed_offset(from: i64, to: i64, zone: &TimeZone) -> bool {
    let Ok(from) = jiff::Timestamp::from_millisecond(from) else {
        return false;
    };
    zone.following(from)
        .next()
        .is_none_or(|change| change.timestamp().as_millisecond() >= to)
}
