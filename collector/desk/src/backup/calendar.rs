//! Instants of a wall clock: cron lines and systemd calendar expressions as one.
//!
//! Of cron: five fields, or six with seconds before them; lists, ranges, steps, names of months and weekdays, `?`, `L` as
//! the month's last day, `@daily` and its like. Where both days are restricted, either counts, as in cron (crontab(5)).
//! Of systemd: `Mon..Fri *-*-* 02:00:00`, lists, `..` ranges, `/` steps, `~01` days from the month's end, `daily` and its like;
//! both days must fit (systemd.time(7)).

use jiff::ToSpan as _;
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;

/// Years that are looked through for the next instant: a 29 February on a given weekday comes within 28 (40 over a
/// century).
const YEARS_MAX: i16 = 41;

/// Text that is no calendar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no schedule: {reason}")]
pub struct CalendarError {
    text: String,
    reason: &'static str,
}

/// Which of 0–63 are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Set(u64);

impl Set {
    const NONE: Self = Self(0);

    fn all(first: u8, last: u8) -> Self {
        (first..=last).fold(Self::NONE, Self::with)
    }

    const fn with(self, member: u8) -> Self {
        Self(self.0 | 1 << (member & 63))
    }

    const fn has(self, member: u8) -> bool {
        member < 64 && self.0 & (1 << member) != 0
    }

    /// The first member at or after `from`.
    fn next(self, from: u8) -> Option<u8> {
        let rest = self.0.checked_shr(from.into())?;
        (rest != 0).then(|| from + u8::try_from(rest.trailing_zeros()).unwrap_or(0))
    }
}

/// A wall clock's instants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    seconds: Set,
    minutes: Set,
    hours: Set,
    /// 1–31.
    days: Set,
    /// From the month's end: 1 is its last day.
    days_from_end: Set,
    /// 1–12.
    months: Set,
    /// Monday is 0.
    weekdays: Set,
    /// None: every year.
    years: Option<(i16, i16)>,
    /// A day fits when either its date or its weekday does.
    either_day: bool,
    /// Whose wall clock it is, where the text says so; else that of whoever asks.
    zone: Option<TimeZone>,
}

/// A field of either language.
struct Field<'a> {
    first: u8,
    last: u8,
    names: &'a [&'a str],
    /// What stands for the first name.
    names_from: u8,
    range: &'a str,
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Field<'_> {
    fn parse(&self, text: &str) -> Result<Set, &'static str> {
        let mut set = Set::NONE;
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (
                    range,
                    Some(step.parse::<u8>().map_err(|_| "a step is a number above 0")?),
                ),
                None => (part, None),
            };
            let (from, to) = if range == "*" || range == "?" {
                (self.first, self.last)
            } else if let Some((from, to)) = range.split_once(self.range) {
                (self.member(from)?, self.member(to)?)
            } else {
                let from = self.member(range)?;
                (from, if step.is_some() { self.last } else { from })
            };
            let step = step.unwrap_or(1);
            if step == 0 {
                return Err("a step is a number above 0");
            }
            if from <= to {
                set = (from..=to).step_by(step.into()).fold(set, Set::with);
            } else {
                // Around the end: Sat-Mon, 22-2.
                let span = self.last - self.first + 1;
                let count = span - from + to;
                let around = (0..=count).step_by(step.into());
                set = around
                    .map(|i| self.first + (from - self.first + i) % span)
                    .fold(set, Set::with);
            }
        }
        Ok(set)
    }

    fn member(&self, text: &str) -> Result<u8, &'static str> {
        let lower = text.to_ascii_lowercase();
        if lower.len() >= 3
            && lower.is_ascii()
            && let Some(at) = self.names.iter().position(|name| lower.starts_with(name))
        {
            return Ok(u8::try_from(at).unwrap_or(0) + self.names_from);
        }
        let member: u8 = text.parse().map_err(|_| "a field is not a number, a range or a name")?;
        if member < self.first || member > self.last {
            return Err("a number is out of its range");
        }
        Ok(member)
    }
}

fn field(first: u8, last: u8, range: &str) -> Field<'_> {
    Field {
        first,
        last,
        names: &[],
        names_from: 0,
        range,
    }
}

/// Weekdays of systemd; a comma may stand behind the last.
fn weekdays(text: &str) -> Result<Set, &'static str> {
    let days = Field {
        names: &DAYS,
        ..field(0, 6, "..")
    };
    days.parse(text.trim_end_matches(','))
}

/// An expression of systemd, and the zone that its last word names.
fn without_zone(text: &str) -> (&str, Option<TimeZone>) {
    if let Some((rest, word)) = text.rsplit_once(char::is_whitespace)
        && word.starts_with(|c: char| c.is_ascii_alphabetic())
        && weekdays(word).is_err()
        && let Ok(zone) = TimeZone::get(word)
    {
        return (rest.trim_end(), Some(zone));
    }
    (text, None)
}

/// Days from a month's end. A step goes on towards the end: `07/1` are the last seven days (systemd.time(7)).
fn from_end(text: &str) -> Result<Set, &'static str> {
    let mut set = Set::NONE;
    for part in text.split(',') {
        set.0 |= match part.split_once('/') {
            None => field(1, 31, "..").parse(part)?.0,
            Some((first, step)) => {
                let first = field(1, 31, "..").member(first)?;
                let step = step.parse::<u8>().ok().filter(|step| *step > 0);
                let step = step.ok_or("a step is a number above 0")?;
                (1..=first).rev().step_by(step.into()).fold(Set::NONE, Set::with).0
            }
        };
    }
    Ok(set)
}

impl Calendar {
    /// Reads a cron line's time fields, such as `30 2 * * 1-5`.
    ///
    /// # Errors
    /// When it is none.
    pub fn cron(text: &str) -> Result<Self, CalendarError> {
        Self::read_cron(text.trim()).map_err(|reason| error(text, reason))
    }

    fn read_cron(text: &str) -> Result<Self, &'static str> {
        let text = match text {
            "@hourly" => "0 * * * *",
            "@daily" | "@midnight" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            "@yearly" | "@annually" => "0 0 1 1 *",
            other => other,
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let (second, fields) = match fields[..] {
            [second, ref rest @ ..] if rest.len() == 5 => (second, rest),
            ref rest if rest.len() == 5 => ("0", rest),
            _ => return Err("cron has five fields: minute, hour, day, month, weekday, such as `30 2 * * *`"),
        };
        let (days, days_from_end) = last_days(fields[2])?;
        let months = Field {
            names: &MONTHS,
            names_from: 1,
            ..field(1, 12, "-")
        };
        // Sunday is 0 and 7 in cron; its names begin with it here too.
        let weekdays = Field {
            names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
            ..field(0, 7, "-")
        };
        let of_cron = weekdays.parse(fields[4])?;
        let weekdays = (0..=7_u8).filter(|day| of_cron.has(*day)).map(|day| (day + 6) % 7);
        let restricted = |text: &str| !text.starts_with(['*', '?']);
        Ok(Self {
            seconds: field(0, 59, "-").parse(second)?,
            minutes: field(0, 59, "-").parse(fields[0])?,
            hours: field(0, 23, "-").parse(fields[1])?,
            days,
            days_from_end,
            months: months.parse(fields[3])?,
            weekdays: weekdays.fold(Set::NONE, Set::with),
            years: None,
            either_day: restricted(fields[2]) && restricted(fields[4]),
            zone: None,
        })
    }

    /// Reads a systemd calendar expression, such as `Mon..Fri *-*-* 02:30:00`, with or without a zone at its end.
    ///
    /// # Errors
    /// When it is none.
    pub fn systemd(text: &str) -> Result<Self, CalendarError> {
        Self::read_systemd(text.trim()).map_err(|reason| error(text, reason))
    }

    fn read_systemd(text: &str) -> Result<Self, &'static str> {
        let (text, zone) = without_zone(text);
        let text = match text.to_ascii_lowercase().as_str() {
            "minutely" => "*-*-* *:*:00".to_owned(),
            "hourly" => "*-*-* *:00:00".to_owned(),
            "daily" => "*-*-* 00:00:00".to_owned(),
            "weekly" => "Mon *-*-* 00:00:00".to_owned(),
            "monthly" => "*-*-01 00:00:00".to_owned(),
            "quarterly" => "*-01,04,07,10-01 00:00:00".to_owned(),
            "semiannually" => "*-01,07-01 00:00:00".to_owned(),
            "yearly" | "annually" => "*-01-01 00:00:00".to_owned(),
            _ => text.to_owned(),
        };
        let mut calendar = Self {
            seconds: Set::all(0, 0),
            minutes: Set::all(0, 0),
            hours: Set::all(0, 0),
            days: Set::all(1, 31),
            days_from_end: Set::NONE,
            months: Set::all(1, 12),
            weekdays: Set::all(0, 6),
            years: None,
            either_day: false,
            zone,
        };
        let mut read = false;
        for word in text.split_whitespace() {
            read = true;
            if word.starts_with(|c: char| c.is_ascii_alphabetic()) {
                calendar.weekdays = weekdays(word)?;
            } else if word.contains(':') {
                calendar.time(word)?;
            } else {
                calendar.date(word)?;
            }
        }
        if read { Ok(calendar) } else { Err("it is empty") }
    }

    fn time(&mut self, word: &str) -> Result<(), &'static str> {
        let parts: Vec<&str> = word.split(':').collect();
        let (hours, minutes, seconds) = match parts[..] {
            [hours, minutes] => (hours, minutes, "0"),
            [hours, minutes, seconds] => (hours, minutes, seconds),
            _ => return Err("a time is HH:MM or HH:MM:SS"),
        };
        self.hours = field(0, 23, "..").parse(hours)?;
        self.minutes = field(0, 59, "..").parse(minutes)?;
        self.seconds = field(0, 59, "..").parse(seconds)?;
        Ok(())
    }

    fn date(&mut self, word: &str) -> Result<(), &'static str> {
        let (before, days) = match word.rsplit_once('~') {
            Some((before, days)) => {
                self.days = Set::NONE;
                self.days_from_end = from_end(days)?;
                (before, None)
            }
            None => match word.rsplit_once('-') {
                Some((before, days)) => (before, Some(days)),
                None => return Err("a date is YYYY-MM-DD, MM-DD, or with `*`"),
            },
        };
        if let Some(days) = days {
            self.days = field(1, 31, "..").parse(days)?;
        }
        let (years, months) = before.rsplit_once('-').unwrap_or(("*", before));
        self.months = field(1, 12, "..").parse(months)?;
        self.years = match years {
            "*" => None,
            years => {
                let (from, to) = years.split_once("..").unwrap_or((years, years));
                let year = |text: &str| text.parse::<i16>().map_err(|_| "a year is a number");
                Some((year(from)?, year(to)?))
            }
        };
        Ok(())
    }

    /// The zone that the text names.
    #[must_use]
    pub const fn zone(&self) -> Option<&TimeZone> {
        self.zone.as_ref()
    }

    /// The first instant after `after`, on this wall clock; none when there is none within a lifetime.
    #[must_use]
    pub fn next(&self, after: DateTime) -> Option<DateTime> {
        let start = after
            .checked_add(1.second())
            .ok()?
            .with()
            .subsec_nanosecond(0)
            .build()
            .ok()?;
        if let Some(found) = self.on(start.date(), start.time()) {
            return Some(found);
        }
        let midnight = jiff::civil::Time::midnight();
        let mut date = start.date();
        let last = date.year().saturating_add(YEARS_MAX);
        loop {
            date = if self.months.has(u8::try_from(date.month()).unwrap_or(0)) {
                date.tomorrow().ok()?
            } else {
                date.last_of_month().tomorrow().ok()?
            };
            if date.year() > last || self.years.is_some_and(|(_, to)| date.year() > to) {
                return None;
            }
            if let Some(found) = self.on(date, midnight) {
                return Some(found);
            }
        }
    }

    /// The first instant of a day at or after a time.
    fn on(&self, date: Date, from: jiff::civil::Time) -> Option<DateTime> {
        if !self.fits(date) {
            return None;
        }
        let number = |value: i8| u8::try_from(value).unwrap_or(0);
        let (hour, minute, second) = (number(from.hour()), number(from.minute()), number(from.second()));
        let at = |hour: u8, minute: u8, second: u8| {
            let narrow = |value: u8| i8::try_from(value).unwrap_or(0);
            Some(date.at(narrow(hour), narrow(minute), narrow(second), 0))
        };
        if self.hours.has(hour) {
            if self.minutes.has(minute)
                && let Some(second) = self.seconds.next(second)
            {
                return at(hour, minute, second);
            }
            if let Some(minute) = self.minutes.next(minute + 1) {
                return at(hour, minute, self.seconds.next(0)?);
            }
        }
        at(self.hours.next(hour + 1)?, self.minutes.next(0)?, self.seconds.next(0)?)
    }

    fn fits(&self, date: Date) -> bool {
        let number = |value: i8| u8::try_from(value).unwrap_or(0);
        if !self.months.has(number(date.month()))
            || self
                .years
                .is_some_and(|(from, to)| date.year() < from || date.year() > to)
        {
            return false;
        }
        let from_end = number(date.days_in_month()) + 1 - number(date.day());
        let by_date = self.days.has(number(date.day())) || self.days_from_end.has(from_end);
        let by_weekday = self.weekdays.has(number(weekday(date.weekday())));
        if self.either_day {
            by_date || by_weekday
        } else {
            by_date && by_weekday
        }
    }
}

fn weekday(day: Weekday) -> i8 {
    day.to_monday_zero_offset()
}

/// Days of cron's third field: `L` is the month's last.
fn last_days(text: &str) -> Result<(Set, Set), &'static str> {
    let (mut plain, mut from_end) = (Vec::new(), Set::NONE);
    for part in text.split(',') {
        if part.eq_ignore_ascii_case("l") {
            from_end = from_end.with(1);
        } else {
            plain.push(part);
        }
    }
    if plain.is_empty() {
        return Ok((Set::NONE, from_end));
    }
    Ok((field(1, 31, "-").parse(&plain.join(","))?, from_end))
}

fn error(text: &str, reason: &'static str) -> CalendarError {
    CalendarError {
        text: text.chars().take(64).collect(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn next(calendar: &Calendar, after: &str) -> String {
        calendar
            .next(after.parse().unwrap())
            .map_or_else(|| "never".to_owned(), |at| at.to_string())
    }

    #[test]
    fn cron_lines_mean_what_crontab_says() {
        for (line, after, expected) in [
            ("30 2 * * *", "2026-11-22T02:30:00", "2026-11-23T02:30:00"),
            ("30 2 * * *", "2026-11-22T02:29:59", "2026-11-22T02:30:00"),
            ("*/15 9-17 * * 1-5", "2026-11-20T17:45:00", "2026-11-23T09:00:00"),
            ("0 0 31 * *", "2026-11-01T00:00:00", "2026-12-31T00:00:00"),
            ("0 3 L * *", "2026-02-01T00:00:00", "2026-02-28T03:00:00"),
            ("0 3 L * *", "2028-02-01T00:00:00", "2028-02-29T03:00:00"),
            ("0 0 29 2 *", "2026-03-01T00:00:00", "2028-02-29T00:00:00"),
            ("0 0 13 * 5", "2026-11-01T00:00:00", "2026-11-06T00:00:00"),
            ("0 0 * * sun", "2026-11-22T00:00:00", "2026-11-29T00:00:00"),
            ("0 0 * * 7", "2026-11-23T00:00:00", "2026-11-29T00:00:00"),
            ("0 0 * * 5-7", "2026-11-23T00:00:00", "2026-11-27T00:00:00"),
            ("0 22-2 * * *", "2026-11-22T23:00:00", "2026-11-23T00:00:00"),
            ("15 30 2 * * *", "2026-11-22T00:00:00", "2026-11-22T02:30:15"),
            ("@monthly", "2026-11-22T00:00:00", "2026-12-01T00:00:00"),
            ("0 0 30 2 *", "2026-11-22T00:00:00", "never"),
        ] {
            assert_eq!(next(&Calendar::cron(line).unwrap(), after), expected, "{line}");
        }
    }

    #[test]
    fn systemd_calendars_mean_what_its_manual_says() {
        for (line, after, expected) in [
            ("Mon..Fri *-*-* 02:30:00", "2026-11-20T02:30:00", "2026-11-23T02:30:00"),
            ("*-*-* 04:00", "2026-11-22T05:00:00", "2026-11-23T04:00:00"),
            ("daily", "2026-11-22T00:00:00", "2026-11-23T00:00:00"),
            ("weekly", "2026-11-22T00:00:00", "2026-11-23T00:00:00"),
            ("*-*~01 23:00", "2026-02-01T00:00:00", "2026-02-28T23:00:00"),
            ("Sat,Sun 12:00", "2026-11-22T12:00:00", "2026-11-28T12:00:00"),
            ("*-*-* 00/6:00:00", "2026-11-22T07:00:00", "2026-11-22T12:00:00"),
            ("*-*~03/1 03:00", "2026-11-22T00:00:00", "2026-11-28T03:00:00"),
            ("*-*~07/3 03:00", "2026-11-24T03:00:00", "2026-11-27T03:00:00"),
            ("Mon *-05~07/1", "2026-11-22T00:00:00", "2027-05-31T00:00:00"),
            ("Mon *-*-1..7 18:00", "2026-11-22T00:00:00", "2026-12-07T18:00:00"),
            ("Wed, 17:48", "2026-11-22T00:00:00", "2026-11-25T17:48:00"),
            ("2027-01-01 00:00", "2026-11-22T07:00:00", "2027-01-01T00:00:00"),
            ("2026-01-01 00:00", "2026-11-22T07:00:00", "never"),
            ("quarterly", "2026-11-22T07:00:00", "2027-01-01T00:00:00"),
        ] {
            assert_eq!(next(&Calendar::systemd(line).unwrap(), after), expected, "{line}");
        }
    }

    #[test]
    fn what_is_no_calendar_says_why() {
        for line in [
            "",
            "* * * *",
            "60 * * * *",
            "*/0 * * * *",
            "a b c d e",
            "1-x * * * *",
            "* * * * 8",
        ] {
            assert!(Calendar::cron(line).is_err(), "{line}");
        }
        for line in ["", "25:00", "*-13-01 00:00", "Foo 00:00", "1:2:3:4"] {
            assert!(Calendar::systemd(line).is_err(), "{line}");
        }
        let error = Calendar::cron("often").unwrap_err().to_string();
        assert!(error.contains("five fields"), "{error}");
    }

    proptest! {
        #[test]
        fn the_next_instant_is_later_and_nothing_fits_between(minute in 0_u8..60, hour in 0_u8..24, day in 1_u8..29, days in 0_i64..20_000, secs in 0_i64..86_400) {
            let calendar = Calendar::cron(&format!("{minute} {hour} {day} * *")).unwrap();
            let start: DateTime = "1990-01-01T00:00:00".parse().unwrap();
            let after = start.checked_add(days.days()).unwrap().checked_add(secs.seconds()).unwrap();
            let found = calendar.next(after).unwrap();
            prop_assert!(found > after);
            prop_assert_eq!((found.minute(), found.hour(), found.day()), (i8::try_from(minute).unwrap(), i8::try_from(hour).unwrap(), i8::try_from(day).unwrap()));
            prop_assert!(found.checked_sub(32.days()).unwrap() < after);
        }
    }

    #[test]
    fn no_text_makes_it_panic() {
        bolero::check!().with_type::<String>().for_each(|text| {
            for calendar in [Calendar::cron(text), Calendar::systemd(text)].into_iter().flatten() {
                let _ = calendar.next("2026-11-22T00:00:00".parse().unwrap());
            }
        });
    }
}
