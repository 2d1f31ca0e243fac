//! How a service calendar is described: which days, which hours, what holidays mean. Data, from configuration or built in.

use super::Holidays;
use jiff::civil::{Date, Weekday};
use serde::{Deserialize, Serialize};

/// The zone that holds where none is named.
pub const ZONE: &str = "Asia/Shanghai";

const MINUTES_PER_DAY: u16 = 1440;

/// Names of weekdays as configuration writes them, Monday first.
const DAY_NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Which list of public holidays counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HolidayList {
    /// Those of China, with make-up workdays.
    #[default]
    Cn,
    /// None.
    None,
}

/// Whether service runs on a public holiday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnHolidays {
    /// As on any other day of the week.
    Open,
    /// It does not.
    #[default]
    Closed,
}

/// A span of a day in local time, in minutes from midnight: `09:00-17:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hours {
    /// First minute.
    pub from: u16,
    /// The minute after the last; 1440 is midnight.
    pub to: u16,
}

impl TryFrom<String> for Hours {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let minutes = |part: &str| -> Option<u16> {
            let (hour, minute) = part.trim().split_once(':')?;
            if hour.len() > 2 || minute.len() != 2 {
                return None;
            }
            let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
            (minute < 60 && hour * 60 + minute <= MINUTES_PER_DAY).then_some(hour * 60 + minute)
        };
        let hours = text
            .split_once('-')
            .and_then(|(from, to)| Some((minutes(from)?, minutes(to)?)))
            .filter(|(from, to)| from < to);
        let (from, to) = hours.ok_or_else(|| {
            format!(
                "`{}` is not a span of a day: expected such as 09:00-17:00 (over midnight: two spans)",
                text.chars().take(32).collect::<String>()
            )
        })?;
        Ok(Self { from, to })
    }
}

impl From<Hours> for String {
    fn from(hours: Hours) -> Self {
        let at = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        format!("{}-{}", at(hours.from), at(hours.to))
    }
}

/// A service calendar as it is agreed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarSpec {
    /// IANA zone in which its hours are meant.
    #[serde(default = "default_zone")]
    pub zone: String,
    /// Days of the week: `mon` … `sun`.
    #[serde(default = "weekdays")]
    pub days: Vec<String>,
    /// Open spans of such a day, in order.
    #[serde(default = "office_hours")]
    pub hours: Vec<Hours>,
    /// Which holidays count.
    #[serde(default)]
    pub holidays: HolidayList,
    /// Whether it is open on them.
    #[serde(default)]
    pub on_holidays: OnHolidays,
    /// Whether a make-up workday is open though it is a weekend.
    #[serde(default = "yes")]
    pub make_up_days: bool,
    /// Further days on which it is closed, whatever else is said: `2026-12-24`.
    #[serde(default)]
    pub closed: Vec<String>,
    /// Further days on which it is open, whatever else is said.
    #[serde(default)]
    pub open: Vec<String>,
}

fn default_zone() -> String {
    ZONE.to_owned()
}
fn weekdays() -> Vec<String> {
    DAY_NAMES[..5].iter().map(|&day| day.to_owned()).collect()
}
fn every_day() -> Vec<String> {
    DAY_NAMES.iter().map(|&day| day.to_owned()).collect()
}
fn office_hours() -> Vec<Hours> {
    vec![Hours { from: 540, to: 1020 }]
}
const fn yes() -> bool {
    true
}

impl CalendarSpec {
    /// 5×8: workdays 09:00–17:00; public holidays closed, make-up workdays open.
    #[must_use]
    pub fn workdays() -> Self {
        Self {
            zone: default_zone(),
            days: weekdays(),
            hours: office_hours(),
            holidays: HolidayList::Cn,
            on_holidays: OnHolidays::Closed,
            make_up_days: true,
            closed: Vec::new(),
            open: Vec::new(),
        }
    }

    /// 7×8: every day 09:00–17:00, public holidays too.
    #[must_use]
    pub fn daily() -> Self {
        Self {
            days: every_day(),
            on_holidays: OnHolidays::Open,
            ..Self::workdays()
        }
    }

    /// 7×24: always.
    #[must_use]
    pub fn always() -> Self {
        Self {
            hours: vec![Hours {
                from: 0,
                to: MINUTES_PER_DAY,
            }],
            holidays: HolidayList::None,
            ..Self::daily()
        }
    }

    /// The calendars that are there without being configured, by name.
    #[must_use]
    pub fn built_in() -> [(&'static str, Self); 3] {
        [
            ("7x24", Self::always()),
            ("7x8", Self::daily()),
            ("5x8", Self::workdays()),
        ]
    }

    /// Whether the notices of the years change anything about it.
    #[must_use]
    pub fn needs_holidays(&self) -> bool {
        self.holidays == HolidayList::Cn && (self.on_holidays == OnHolidays::Closed || self.days.len() < 7)
    }

    /// Open minutes of an ordinary day.
    #[must_use]
    pub fn minutes_per_day(&self) -> u32 {
        self.hours.iter().map(|hours| u32::from(hours.to - hours.from)).sum()
    }

    /// Whether it is open on this day at all.
    pub(super) fn is_open_on(&self, date: Date, holidays: &Holidays, exceptions: &Exceptions) -> bool {
        if exceptions.closed.contains(&date) {
            return false;
        }
        if exceptions.open.contains(&date) {
            return true;
        }
        let usual = exceptions.week[usize::from(place(date.weekday()))];
        if self.holidays == HolidayList::None {
            return usual;
        }
        match holidays.day(date) {
            Some(true) => usual && self.on_holidays == OnHolidays::Open,
            Some(false) => usual || self.make_up_days,
            None => usual,
        }
    }

    /// The words of days, read once.
    pub(super) fn exceptions(&self) -> Exceptions {
        let dates = |words: &[String]| words.iter().filter_map(|word| word.parse().ok()).collect();
        let mut week = [false; 7];
        for (open, name) in week.iter_mut().zip(DAY_NAMES) {
            *open = self.days.iter().any(|day| day == name);
        }
        Exceptions {
            week,
            closed: dates(&self.closed),
            open: dates(&self.open),
        }
    }

    /// Everything that is wrong with it, as sentences; empty when it can be used.
    #[must_use]
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        if super::zone(&self.zone).is_none() {
            mistakes.push(format!(
                "zone `{}` is not known: expected an IANA name such as Asia/Shanghai",
                self.zone
            ));
        }
        for day in self.days.iter().filter(|day| !DAY_NAMES.contains(&day.as_str())) {
            mistakes.push(format!("days: `{day}` is none of {}", DAY_NAMES.join(", ")));
        }
        if self.days.is_empty() {
            mistakes.push("days: names no day, it would never be open".to_owned());
        }
        if self.hours.is_empty() {
            mistakes.push("hours: names no span, it would never be open".to_owned());
        }
        if self.hours.windows(2).any(|pair| pair[0].to > pair[1].from) {
            mistakes.push("hours: the spans must follow each other without overlap".to_owned());
        }
        for (key, words) in [("closed", &self.closed), ("open", &self.open)] {
            for word in words.iter().filter(|word| word.parse::<Date>().is_err()) {
                mistakes.push(format!("{key}: `{word}` is not a date such as 2026-12-24"));
            }
        }
        mistakes
    }
}

/// The days of a spec that are decided one by one.
pub(super) struct Exceptions {
    week: [bool; 7],
    closed: std::collections::BTreeSet<Date>,
    open: std::collections::BTreeSet<Date>,
}

/// Monday is 0.
const fn place(day: Weekday) -> u8 {
    match day {
        Weekday::Monday => 0,
        Weekday::Tuesday => 1,
        Weekday::Wednesday => 2,
        Weekday::Thursday => 3,
        Weekday::Friday => 4,
        Weekday::Saturday => 5,
        Weekday::Sunday => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_read_as_written_and_refuse_the_rest() {
        for text in ["09:00-17:00", "00:00-24:00", "13:30-17:45"] {
            let hours = Hours::try_from(text.to_owned()).unwrap();
            assert_eq!(String::from(hours), text);
        }
        for text in ["", "9-17", "17:00-09:00", "09:60-10:00", "09:00-24:01", "009:00-10:00"] {
            assert!(Hours::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn all_mistakes_are_told_together() {
        let spec = CalendarSpec {
            zone: "Mars/Base".to_owned(),
            days: vec!["monday".to_owned()],
            hours: Vec::new(),
            closed: vec!["christmas".to_owned()],
            ..CalendarSpec::workdays()
        };
        assert_eq!(spec.mistakes().len(), 4, "{:#?}", spec.mistakes());
        for (name, spec) in CalendarSpec::built_in() {
            assert_eq!(spec.mistakes(), Vec::<String>::new(), "{name}");
        }
    }
}
