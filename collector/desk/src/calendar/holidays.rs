//! Public holidays and make-up workdays (调休), one file a year, in the form in which the yearly notice circulates:
//! `{"year": 2026, "papers": [], "days": [{"name": "春节", "date": "2026-02-16", "isOffDay": true}]}`.
//!
//! A file is named after the notice it repeats, so days of December may stand in the file of the next year: all files
//! are read together, and where two name the same day the later year's holds.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What ships with the product: the notices of these years.
const BUILT_IN: [&str; 2] = [
    include_str!("../../holidays/cn-2025.json"),
    include_str!("../../holidays/cn-2026.json"),
];

/// Most days that one year's notice can name.
const DAYS_MAX: usize = 400;
/// Longest name of a holiday, in characters.
const NAME_CHARS_MAX: usize = 64;

/// One year's notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct YearFile {
    /// The year in the notice's title.
    pub year: i16,
    /// Where the notice is published; not used.
    #[serde(default)]
    pub papers: Vec<String>,
    /// Days off and make-up workdays.
    pub days: Vec<Day>,
}

/// One day of a notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Day {
    /// Of which holiday.
    pub name: String,
    /// `2026-02-16`.
    pub date: String,
    /// A day off; otherwise a workday although it is a weekend.
    pub is_off_day: bool,
}

/// A file of holidays can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HolidayError {
    /// It is no such file.
    #[error(
        "not a file of holidays ({0}): expected {{\"year\": 2027, \"days\": [{{\"name\": …, \"date\": \"2027-01-01\", \"isOffDay\": true}}]}}"
    )]
    Form(String),
    /// It names no day.
    #[error("the file of {0} names no day: wait for the notice and import it then")]
    Empty(i16),
    /// One of its days can't be right.
    #[error("the file of {year} has a wrong day: {what}")]
    Day {
        /// The file's year.
        year: i16,
        /// What is wrong with it.
        what: String,
    },
}

impl YearFile {
    /// Reads a file and checks every day of it.
    ///
    /// # Errors
    /// When it has another form, names no day, or a day twice, or a day that is none or far from its year.
    pub fn parse(text: &str) -> Result<Self, HolidayError> {
        let file: Self = serde_json::from_str(text).map_err(|error| HolidayError::Form(error.to_string()))?;
        if !(2000..=2100).contains(&file.year) {
            return Err(HolidayError::Form(format!("the year {} is not credible", file.year)));
        }
        if file.days.is_empty() {
            return Err(HolidayError::Empty(file.year));
        }
        if file.days.len() > DAYS_MAX {
            return Err(HolidayError::Form(format!("more than {DAYS_MAX} days in one year")));
        }
        let mut seen = BTreeMap::new();
        for day in &file.days {
            let wrong = |what: String| HolidayError::Day { year: file.year, what };
            let date = day
                .parsed()
                .ok_or_else(|| wrong(format!("`{}` is not a date", clip(&day.date))))?;
            if date.year().abs_diff(file.year) > 1 {
                return Err(wrong(format!("{date} is not near {}", file.year)));
            }
            if day.name.chars().count() > NAME_CHARS_MAX || day.name.chars().any(char::is_control) {
                return Err(wrong(format!("the name of {date} is too long or unprintable")));
            }
            if seen.insert(date, ()).is_some() {
                return Err(wrong(format!("{date} stands there twice")));
            }
        }
        Ok(file)
    }

    /// The same file, written the way the product keeps it.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

impl Day {
    fn parsed(&self) -> Option<Date> {
        // The parser knows more forms; a file has this one.
        let date: Date = self.date.parse().ok()?;
        (date.to_string() == self.date).then_some(date)
    }
}

fn clip(text: &str) -> String {
    text.chars().take(32).collect()
}

/// All holidays that are known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holidays {
    years: BTreeMap<i16, YearFile>,
    days: BTreeMap<Date, bool>,
}

impl Holidays {
    /// The years that ship with the product: 2025 and 2026.
    #[must_use]
    pub fn built_in() -> Self {
        // The files are a part of the program, and a test reads them.
        Self::of(BUILT_IN.iter().filter_map(|text| YearFile::parse(text).ok()))
    }

    /// The holidays of these years. A year that comes twice: the later one counts.
    #[must_use]
    pub fn of(files: impl IntoIterator<Item = YearFile>) -> Self {
        let mut holidays = Self::default();
        for file in files {
            holidays.add(file);
        }
        holidays
    }

    /// Adds a year, or replaces it.
    pub fn add(&mut self, file: YearFile) {
        self.years.insert(file.year, file);
        let days = self.years.values().flat_map(|file| &file.days);
        self.days = days.filter_map(|day| Some((day.parsed()?, day.is_off_day))).collect();
    }

    /// Whether a day is off (`true`) or a make-up workday (`false`); none when the notice leaves it as it is.
    #[must_use]
    pub fn day(&self, date: Date) -> Option<bool> {
        self.days.get(&date).copied()
    }

    /// Whether the notice of a year is known.
    #[must_use]
    pub fn knows(&self, year: i16) -> bool {
        self.years.contains_key(&year)
    }

    /// The years whose notices are known, in order.
    #[must_use]
    pub fn years(&self) -> Vec<i16> {
        self.years.keys().copied().collect()
    }

    /// The files, in order of their years.
    pub fn files(&self) -> impl Iterator<Item = &YearFile> {
        self.years.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dates(year: i16, off: bool) -> Vec<String> {
        let holidays = Holidays::built_in();
        let days = holidays.days.iter().filter(|(date, is_off)| {
            let weekend = matches!(
                date.weekday(),
                jiff::civil::Weekday::Saturday | jiff::civil::Weekday::Sunday
            );
            date.year() == year && **is_off == off && weekend != off
        });
        days.map(|(date, _)| format!("{:02}{:02}", date.month(), date.day()))
            .collect()
    }

    /// The two lists are the notices' own, written down a second time.
    #[test]
    fn the_shipped_years_are_those_of_the_notices() {
        assert_eq!(Holidays::built_in().years(), [2025, 2026]);
        assert_eq!(
            dates(2026, true),
            [
                "0101", "0102", "0216", "0217", "0218", "0219", "0220", "0223", "0406", "0501", "0504", "0505", "0619",
                "0925", "1001", "1002", "1005", "1006", "1007"
            ]
        );
        assert_eq!(dates(2026, false), ["0104", "0214", "0228", "0509", "0920", "1010"]);
        assert_eq!(dates(2025, false), ["0126", "0208", "0427", "0928", "1011"]);
    }

    #[test]
    fn a_file_is_refused_with_what_is_wrong_with_it() {
        let day = |date: &str| format!(r#"{{"name":"x","date":"{date}","isOffDay":true}}"#);
        for (text, part) in [
            ("[]".to_owned(), "not a file of holidays"),
            (r#"{"year":2027,"days":[]}"#.to_owned(), "wait for the notice"),
            (
                format!(r#"{{"year":1,"days":[{}]}}"#, day("2027-01-01")),
                "not credible",
            ),
            (
                format!(r#"{{"year":2027,"days":[{}]}}"#, day("2027-02-30")),
                "is not a date",
            ),
            (format!(r#"{{"year":2027,"days":[{}]}}"#, day("2031-02-03")), "not near"),
            (
                format!(r#"{{"year":2027,"days":[{0},{0}]}}"#, day("2027-01-01")),
                "twice",
            ),
        ] {
            let error = YearFile::parse(&text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn days_of_december_may_stand_in_the_next_years_file_and_the_later_file_holds() {
        let file = |year, date: &str, is_off_day| YearFile {
            year,
            papers: Vec::new(),
            days: vec![Day {
                name: "元旦".to_owned(),
                date: date.to_owned(),
                is_off_day,
            }],
        };
        let mut holidays = Holidays::of([file(2027, "2026-12-31", true)]);
        let date = jiff::civil::date(2026, 12, 31);
        assert_eq!(holidays.day(date), Some(true));
        assert!(!holidays.knows(2026) && holidays.knows(2027));
        holidays.add(file(2026, "2026-12-31", false));
        assert_eq!(holidays.day(date), Some(true));
        assert_eq!(
            YearFile::parse(&file(2027, "2026-12-31", true).to_json()),
            Ok(file(2027, "2026-12-31", true))
        );
    }

    #[test]
    fn no_file_makes_the_reader_stumble() {
        bolero::check!().with_type::<Vec<u8>>().for_each(|bytes| {
            if let Ok(file) = std::str::from_utf8(bytes).map_or_else(|_| YearFile::parse(""), YearFile::parse) {
                assert_eq!(YearFile::parse(&file.to_json()), Ok(file));
            }
        });
    }
}
