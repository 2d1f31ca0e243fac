//! When something planned counts: once from here to there, or again and again at a time of day in a zone.
//!
//! The zone's table is the bundled one. A time of day that a change of clocks leaves out begins as much later as the
//! clocks jump; one that comes twice begins the first time. A window lasts as long as it says, whatever the clocks do.

use super::Every;
use jiff::{
    civil::{Date, Time},
    tz::{TimeZone, TimeZoneDatabase},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tocsin_vocabulary::{Timestamp, time::HumanDuration};

/// Longest time that a repeating window may take.
const LASTING_MAX: Duration = Duration::from_secs(7 * 86_400);
/// Days in which the next time is looked for: a fifth weekday can be away for months.
const DAYS_AHEAD_MAX: i32 = 200;
/// Longest time ahead that anything is planned for.
const AHEAD_MAX: Duration = Duration::from_secs(3_660 * 86_400);

/// When it counts. Without `repeats`, from `from` to `to`. With it, at each of its times that begins in between; without
/// `to` it never ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// From, inclusive.
    pub from: Timestamp,
    /// To, exclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// Again and again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<Repeat>,
}

/// How it repeats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// On which days.
    pub every: Every,
    /// Time of day, `HH:MM`.
    pub at: String,
    /// How long each time takes.
    pub lasting: HumanDuration,
    /// IANA zone of days and times, such as `Asia/Shanghai`.
    pub zone: String,
}

/// One time that it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// From, inclusive.
    pub from: Timestamp,
    /// To, exclusive.
    pub to: Timestamp,
}

impl Span {
    /// Once, from here to there.
    #[must_use]
    pub const fn once(from: Timestamp, to: Timestamp) -> Self {
        Self {
            from,
            to: Some(to),
            repeats: None,
        }
    }

    /// Everything that is wrong with it, as sentences.
    pub(super) fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        match (&self.repeats, self.to) {
            (None, None) => mistakes.push("it has no end: say until when".to_owned()),
            (_, Some(to)) if to <= self.from => mistakes.push("it ends before it begins".to_owned()),
            (_, Some(to)) if to.since(self.from) > AHEAD_MAX => {
                mistakes.push("it lasts longer than ten years".to_owned());
            }
            _ => {}
        }
        if let Some(repeat) = &self.repeats {
            repeat.mistakes(&mut mistakes);
        }
        mistakes
    }

    /// The time that counts at `now`; of several, the one that ends last.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Option<Times> {
        let Some(repeat) = &self.repeats else {
            let times = Times {
                from: self.from,
                to: self.to?,
            };
            return (times.from <= now && now < times.to).then_some(times);
        };
        let since = now.minus(repeat.lasting.0);
        let covering = repeat
            .beginning(since, now)
            .filter(|times| times.from <= now && now < times.to);
        covering.filter(|times| self.holds(*times)).max_by_key(|times| times.to)
    }

    /// The first time that ends after `after`.
    #[must_use]
    pub fn next_end(&self, after: Timestamp) -> Option<Times> {
        let Some(repeat) = &self.repeats else {
            let times = Times {
                from: self.from,
                to: self.to?,
            };
            return (times.to > after).then_some(times);
        };
        let since = after.minus(repeat.lasting.0).max(self.from);
        let until = since.plus(Duration::from_secs(86_400).saturating_mul(DAYS_AHEAD_MAX.unsigned_abs()));
        repeat
            .beginning(since, until)
            .find(|times| times.to > after && self.holds(*times))
    }

    /// The last time that ended at or before `now`, and after `after`.
    #[must_use]
    pub fn last_end(&self, after: Timestamp, now: Timestamp) -> Option<Times> {
        let Some(repeat) = &self.repeats else {
            let times = Times {
                from: self.from,
                to: self.to?,
            };
            return (after < times.to && times.to <= now).then_some(times);
        };
        let far = Duration::from_secs(86_400).saturating_mul(DAYS_AHEAD_MAX.unsigned_abs());
        let since = after
            .minus(repeat.lasting.0)
            .max(now.minus(far))
            .max(self.from.minus(repeat.lasting.0));
        let ended = repeat
            .beginning(since, now)
            .filter(|times| after < times.to && times.to <= now);
        ended.filter(|times| self.holds(*times)).last()
    }

    /// Whether a time belongs to it: it begins between its bounds.
    fn holds(&self, times: Times) -> bool {
        self.from <= times.from && self.to.is_none_or(|to| times.from < to)
    }
}

impl Repeat {
    fn mistakes(&self, mistakes: &mut Vec<String>) {
        if self.time().is_none() {
            mistakes.push(format!("`{}` is not a time of day such as 02:30", self.at));
        }
        if self.zone().is_none() {
            mistakes.push(format!("`{}` is not a zone such as Asia/Shanghai", self.zone));
        }
        let longest = if self.every == Every::Daily {
            Duration::from_secs(86_400)
        } else {
            LASTING_MAX
        };
        if self.lasting.0.is_zero() || self.lasting.0 > longest {
            mistakes.push("each time lasts at most 7d, and each day's at most 24h".to_owned());
        }
    }

    fn time(&self) -> Option<Time> {
        let (hour, minute) = self.at.split_once(':')?;
        let digits = |text: &str| (text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(());
        digits(hour)?;
        digits(minute)?;
        Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
    }

    fn zone(&self) -> Option<TimeZone> {
        TimeZoneDatabase::bundled().get(&self.zone).ok()
    }

    /// The times that begin on the days from a day before `since` to a day after `until`, in order. What cannot be read
    /// has none; [`Repeat::mistakes`] keeps that from being planned.
    fn beginning(&self, since: Timestamp, until: Timestamp) -> impl Iterator<Item = Times> {
        let known = self.zone().zip(self.time());
        let days = known.as_ref().and_then(|(zone, _)| {
            let first = date_of(since, zone)?.yesterday().ok()?;
            Some((first, date_of(until, zone)?.tomorrow().ok()?))
        });
        let dates = days.into_iter().flat_map(|(first, last)| {
            first
                .series(jiff::Span::new().days(1))
                .take_while(move |date| *date <= last)
        });
        dates.filter(|date| self.every.falls_on(*date)).filter_map(move |date| {
            let (zone, time) = known.as_ref()?;
            let begins = zone.to_ambiguous_zoned(date.to_datetime(*time)).compatible().ok()?;
            let from = Timestamp::from_millis(begins.timestamp().as_millisecond());
            Some(Times {
                from,
                to: from.plus(self.lasting.0),
            })
        })
    }
}

fn date_of(at: Timestamp, zone: &TimeZone) -> Option<Date> {
    let instant = jiff::Timestamp::from_millisecond(at.as_millis()).ok()?;
    Some(zone.to_datetime(instant).date())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn repeating(every: &str, time: &str, lasting: u64, zone: &str) -> Span {
        Span {
            from: at("2026-01-01T00:00:00Z"),
            to: None,
            repeats: Some(Repeat {
                every: every.parse().unwrap(),
                at: time.to_owned(),
                lasting: HumanDuration(Duration::from_secs(lasting)),
                zone: zone.to_owned(),
            }),
        }
    }

    #[test]
    fn once_counts_from_its_beginning_to_before_its_end() {
        let span = Span::once(at("2026-11-22T01:00:00Z"), at("2026-11-22T02:00:00Z"));
        assert!(span.at(at("2026-11-22T01:00:00Z")).is_some());
        assert!(span.at(at("2026-11-22T02:00:00Z")).is_none());
        assert!(span.next_end(at("2026-11-22T01:59:59Z")).is_some());
        assert!(span.next_end(at("2026-11-22T02:00:00Z")).is_none());
    }

    #[test]
    fn a_window_over_midnight_counts_on_both_days() {
        let span = repeating("weekly sat", "23:00", 4 * 3600, "Asia/Shanghai");
        // Saturday 2026-11-21 23:00 in Shanghai is 15:00 UTC.
        assert_eq!(span.at(at("2026-11-21T14:59:59Z")), None);
        let times = span.at(at("2026-11-21T18:00:00Z")).unwrap();
        assert_eq!(
            (times.from, times.to),
            (at("2026-11-21T15:00:00Z"), at("2026-11-21T19:00:00Z"))
        );
        assert_eq!(span.next_end(times.to).unwrap().from, at("2026-11-28T15:00:00Z"));
        assert_eq!(span.last_end(span.from, at("2026-11-22T00:00:00Z")), Some(times));
    }

    #[test]
    fn a_change_of_clocks_neither_loses_nor_doubles_a_window() {
        // Berlin jumps from 02:00 to 03:00 on 2026-03-29 and back from 03:00 to 02:00 on 2026-10-25.
        let span = repeating("daily", "02:30", 3600, "Europe/Berlin");
        assert_eq!(
            span.at(at("2026-03-29T01:45:00Z")).unwrap().from,
            at("2026-03-29T01:30:00Z")
        );
        let first = span.at(at("2026-10-25T00:45:00Z")).unwrap();
        assert_eq!(
            (first.from, first.to),
            (at("2026-10-25T00:30:00Z"), at("2026-10-25T01:30:00Z"))
        );
        assert_eq!(
            span.at(at("2026-10-25T01:45:00Z")),
            None,
            "the second 02:30 begins none"
        );
        assert_eq!(span.next_end(first.to).unwrap().from, at("2026-10-26T01:30:00Z"));
    }

    #[test]
    fn bounds_keep_times_out_that_begin_beyond_them() {
        let mut span = repeating("daily", "01:00", 3600, "UTC");
        span.to = Some(at("2026-01-03T01:00:00Z"));
        assert!(span.at(at("2026-01-02T01:30:00Z")).is_some());
        assert!(span.at(at("2026-01-03T01:30:00Z")).is_none());
        assert!(span.next_end(at("2026-01-02T02:00:00Z")).is_none());
    }

    #[test]
    fn mistakes_are_all_told() {
        let mut span = repeating("daily", "25:00", 25 * 3600, "Mars/Olympus");
        span.to = Some(span.from);
        assert_eq!(span.mistakes().len(), 4);
        let endless = Span {
            from: span.from,
            to: None,
            repeats: None,
        };
        assert_eq!(endless.mistakes().len(), 1);
    }

    proptest! {
        #[test]
        fn the_next_end_is_the_end_of_what_counts_then(
            every in prop::sample::select(vec!["daily", "weekly tue,sun", "monthly 31", "monthly last fri", "monthly 5th mon"]),
            zone in prop::sample::select(vec!["UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York"]),
            hour in 0..24_u8,
            minutes in 1..1_400_u64,
            after in 1_767_225_600_000..1_830_000_000_000_i64,
        ) {
            let span = repeating(every, &format!("{hour:02}:15"), minutes * 60, zone);
            let after = Timestamp::from_millis(after);
            let next = span.next_end(after).unwrap();
            prop_assert!(next.to > after && next.from < next.to);
            let inside = Timestamp::from_millis(next.to.as_millis() - 1);
            prop_assert_eq!(span.at(inside), Some(next));
            prop_assert_eq!(span.last_end(after, next.to), Some(next));
            if let Some(now) = span.at(after) {
                prop_assert_eq!(now, next);
            }
        }
    }
}
