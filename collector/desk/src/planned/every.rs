//! On which days a window repeats: `daily`, `weekly mon,thu`, `monthly 15`, `monthly last sun`, `monthly 2nd tue`.

use jiff::civil::{self, Date};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weekday {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl Weekday {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Mon, "mon"),
        (Self::Tue, "tue"),
        (Self::Wed, "wed"),
        (Self::Thu, "thu"),
        (Self::Fri, "fri"),
        (Self::Sat, "sat"),
        (Self::Sun, "sun"),
    ];

    fn of(date: Date) -> Self {
        match date.weekday() {
            civil::Weekday::Monday => Self::Mon,
            civil::Weekday::Tuesday => Self::Tue,
            civil::Weekday::Wednesday => Self::Wed,
            civil::Weekday::Thursday => Self::Thu,
            civil::Weekday::Friday => Self::Fri,
            civil::Weekday::Saturday => Self::Sat,
            civil::Weekday::Sunday => Self::Sun,
        }
    }

    fn word(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(day, _)| *day == self)
            .map_or("", |(_, word)| word)
    }

    /// By its first three letters, so that `Monday` is understood too.
    fn parse(word: &str) -> Option<Self> {
        let word = word.trim().to_ascii_lowercase();
        let named = Self::ALL.into_iter().find(|(_, name)| word.starts_with(name));
        named.map(|(day, _)| day)
    }
}

/// On which days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Every {
    /// Each day.
    Daily,
    /// On these days of the week.
    Weekly(Vec<Weekday>),
    /// On this day of the month, 1–31; in a shorter month on its last day.
    MonthlyDay(i8),
    /// On the n-th such day of the month; 0 is the last one.
    MonthlyWeekday(i8, Weekday),
}

/// Text that names no days.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no days: expected daily, weekly mon,thu, monthly 15, monthly 2nd tue or monthly last sun")]
pub struct ParseEveryError(String);

impl Every {
    /// Whether it repeats on this date.
    pub(super) fn falls_on(&self, date: Date) -> bool {
        match self {
            Self::Daily => true,
            Self::Weekly(days) => days.contains(&Weekday::of(date)),
            Self::MonthlyDay(day) => date.day() == (*day).min(date.days_in_month()),
            Self::MonthlyWeekday(0, weekday) => Weekday::of(date) == *weekday && date.day() + 7 > date.days_in_month(),
            Self::MonthlyWeekday(nth, weekday) => Weekday::of(date) == *weekday && (date.day() - 1) / 7 + 1 == *nth,
        }
    }
}

impl fmt::Display for Every {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Daily => f.write_str("daily"),
            Self::Weekly(days) => {
                let days: Vec<_> = days.iter().map(|day| day.word()).collect();
                write!(f, "weekly {}", days.join(","))
            }
            Self::MonthlyDay(day) => write!(f, "monthly {day}"),
            Self::MonthlyWeekday(0, day) => write!(f, "monthly last {}", day.word()),
            Self::MonthlyWeekday(nth, day) => {
                let ending = match nth {
                    1 => "st",
                    2 => "nd",
                    3 => "rd",
                    _ => "th",
                };
                write!(f, "monthly {nth}{ending} {}", day.word())
            }
        }
    }
}

impl FromStr for Every {
    type Err = ParseEveryError;
    fn from_str(text: &str) -> Result<Self, ParseEveryError> {
        let mistake = || ParseEveryError(text.chars().take(64).collect());
        let lower = text.to_ascii_lowercase();
        let mut words = lower.split_whitespace();
        let kind = words.next().ok_or_else(mistake)?;
        let rest: Vec<&str> = words.collect();
        match (kind, rest.as_slice()) {
            ("daily", []) => Ok(Self::Daily),
            ("weekly", days) if !days.is_empty() => {
                let days = days
                    .iter()
                    .flat_map(|word| word.split(','))
                    .filter(|word| !word.is_empty());
                let mut days: Vec<Weekday> = days
                    .map(|word| Weekday::parse(word).ok_or_else(mistake))
                    .collect::<Result<_, _>>()?;
                days.sort_unstable();
                days.dedup();
                if days.is_empty() {
                    Err(mistake())
                } else {
                    Ok(Self::Weekly(days))
                }
            }
            ("monthly", [day]) => {
                let day = day.parse().ok().filter(|day| (1..=31).contains(day));
                day.map(Self::MonthlyDay).ok_or_else(mistake)
            }
            ("monthly", [nth, day]) => {
                let day = Weekday::parse(day).ok_or_else(mistake)?;
                let nth = match *nth {
                    "last" => 0,
                    nth => nth
                        .trim_end_matches(|c: char| c.is_ascii_alphabetic())
                        .parse()
                        .ok()
                        .filter(|nth| (1..=5).contains(nth))
                        .ok_or_else(mistake)?,
                };
                Ok(Self::MonthlyWeekday(nth, day))
            }
            _ => Err(mistake()),
        }
    }
}

impl TryFrom<String> for Every {
    type Error = ParseEveryError;
    fn try_from(text: String) -> Result<Self, ParseEveryError> {
        text.parse()
    }
}

impl From<Every> for String {
    fn from(every: Every) -> Self {
        every.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn days_are_read_and_written_in_the_same_words() {
        for text in [
            "daily",
            "weekly mon,thu",
            "monthly 15",
            "monthly 2nd tue",
            "monthly last sun",
        ] {
            assert_eq!(text.parse::<Every>().unwrap().to_string(), text);
        }
        assert_eq!(
            "Weekly Thursday, Monday".parse::<Every>().unwrap().to_string(),
            "weekly mon,thu"
        );
        for text in [
            "",
            "hourly",
            "weekly",
            "weekly ,",
            "monthly 0",
            "monthly 32",
            "monthly 6th mon",
            "daily 3",
        ] {
            assert!(text.parse::<Every>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_falls_where_the_calendar_has_it() {
        let falls = |text: &str, (year, month, day)| text.parse::<Every>().unwrap().falls_on(date(year, month, day));
        assert!(falls("weekly sun", (2026, 11, 22)));
        assert!(!falls("weekly sat", (2026, 11, 22)));
        assert!(falls("monthly 31", (2026, 11, 30)) && !falls("monthly 31", (2026, 12, 30)));
        assert!(falls("monthly 4th sun", (2026, 11, 22)) && !falls("monthly last sun", (2026, 11, 22)));
        assert!(falls("monthly last sun", (2026, 11, 29)));
        assert!(falls("monthly 1st tue", (2026, 12, 1)) && falls("monthly 2nd tue", (2026, 12, 8)));
    }
}
