//! Service calendars: when a contract's hours run, and what that makes of a target.
//!
//! A calendar is compiled once into its open windows, each with the open time before it. Then the open time up to an
//! instant is one search, and so is its inverse: [`Calendar::elapsed`] and [`Calendar::due`] undo each other by
//! construction, and neither walks days.
//!
//! Two ways of counting ([`TimeBase`]): *business* counts open hours only; *natural* is the wall clock from the first
//! moment at which the calendar is open.
//!
//! Windows are half open: at 17:00 sharp a calendar that closes at 17:00 is closed. Outside [`FIRST_YEAR`]..=[`LAST_YEAR`]
//! every calendar is taken as open, so that arithmetic has an answer for every instant; edges refuse such instants
//! ([`Calendar::covers`]).

mod holidays;
mod spec;
mod windows;

#[cfg(test)]
mod tests;

pub use holidays::{Day, HolidayError, Holidays, YearFile};
pub use spec::{CalendarSpec, HolidayList, Hours, OnHolidays, ZONE};

use jiff::{
    civil::Date,
    tz::{TimeZone, TimeZoneDatabase},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock},
    time::Duration,
};
use tocsin_vocabulary::Timestamp;
use windows::{Window, Windows};

/// The first year whose days are counted.
pub const FIRST_YEAR: i16 = 2010;
/// The last year whose days are counted.
pub const LAST_YEAR: i16 = 2069;

/// Which hours count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeBase {
    /// The wall clock, from the moment the calendar is open.
    #[default]
    Natural,
    /// Only open hours.
    Business,
}

impl TimeBase {
    /// The word on the command line and in policies and ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Natural => "natural",
            Self::Business => "business",
        }
    }

    /// The base that a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Natural, Self::Business]
            .into_iter()
            .find(|base| base.as_str() == word)
    }
}

/// A span of time that was counted, from `from` up to but not including `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// First instant.
    pub from: Timestamp,
    /// The instant after the last.
    pub to: Timestamp,
}

impl Span {
    /// How long it is.
    #[must_use]
    pub fn length(self) -> Duration {
        self.to.since(self.from)
    }
}

/// The zone of an IANA name, from the data that is built in.
pub(crate) fn zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}

/// A calendar ready to count.
#[derive(Debug, Clone)]
pub struct Calendar {
    name: String,
    version: String,
    spec: CalendarSpec,
    holidays: Arc<Holidays>,
    zone: TimeZone,
    windows: Windows,
}

impl PartialEq for Calendar {
    /// Two calendars are equal when they have the same name and count the same.
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.version) == (&other.name, &other.version)
    }
}

impl Calendar {
    /// Compiles a description. A zone that is not known is read as UTC; [`CalendarSpec::mistakes`] tells of it.
    #[must_use]
    pub fn new(name: &str, spec: CalendarSpec, holidays: Arc<Holidays>) -> Self {
        let zone = zone(&spec.zone).unwrap_or(TimeZone::UTC);
        Self {
            name: name.to_owned(),
            version: version(&spec, &holidays),
            windows: Windows::of(&spec, &holidays, &zone),
            spec,
            holidays,
            zone,
        }
    }

    /// What contracts call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A fingerprint of all that it counts by: two calendars of one version count the same.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// How it is described.
    #[must_use]
    pub const fn spec(&self) -> &CalendarSpec {
        &self.spec
    }

    /// Whether the calendar knows the days around this instant.
    #[must_use]
    pub fn covers(&self, at: Timestamp) -> bool {
        self.windows.covers(at.as_millis())
    }

    /// Whether service runs at this instant.
    #[must_use]
    pub fn is_open(&self, at: Timestamp) -> bool {
        self.opens_at(at) == at
    }

    /// This instant when it is open then, otherwise the moment at which it opens.
    #[must_use]
    pub fn opens_at(&self, at: Timestamp) -> Timestamp {
        Timestamp::from_millis(self.windows.opens_at(at.as_millis()))
    }

    /// How much of a target has run between two instants; zero when `end` is not after `start`.
    #[must_use]
    pub fn elapsed(&self, base: TimeBase, start: Timestamp, end: Timestamp) -> Duration {
        match base {
            TimeBase::Natural => end.since(self.opens_at(start)),
            TimeBase::Business => {
                let open = self.windows.open_before(end.as_millis()) - self.windows.open_before(start.as_millis());
                Duration::from_millis(u64::try_from(open).unwrap_or(0))
            }
        }
    }

    /// The first instant at which `target` has run since `start`: the inverse of [`Calendar::elapsed`].
    #[must_use]
    pub fn due(&self, base: TimeBase, start: Timestamp, target: Duration) -> Timestamp {
        match base {
            TimeBase::Natural => self.opens_at(start).plus(target),
            TimeBase::Business if target.is_zero() => start,
            TimeBase::Business => {
                let target = i64::try_from(target.as_millis()).unwrap_or(i64::MAX);
                let open = self.windows.open_before(start.as_millis()).saturating_add(target);
                Timestamp::from_millis(self.windows.instant_at(open))
            }
        }
    }

    /// Every span that [`Calendar::elapsed`] counts between two instants, in order; their lengths add up to it.
    #[must_use]
    pub fn spans(&self, base: TimeBase, start: Timestamp, end: Timestamp) -> Vec<Span> {
        match base {
            TimeBase::Natural => {
                let from = self.opens_at(start);
                if from < end {
                    vec![Span { from, to: end }]
                } else {
                    Vec::new()
                }
            }
            TimeBase::Business => self
                .windows
                .between(start.as_millis(), end.as_millis())
                .map(|Window { start, end, .. }| Span {
                    from: Timestamp::from_millis(start),
                    to: Timestamp::from_millis(end),
                })
                .collect(),
        }
    }

    /// Open time of an ordinary working day: what "two working days" are made of.
    #[must_use]
    pub fn working_day(&self) -> Duration {
        Duration::from_secs(u64::from(self.spec.minutes_per_day()) * 60)
    }

    /// "The next day" (第二天) of a promise that begins at `start`: the close of the first open day after the one on
    /// which `start` is accepted.
    #[must_use]
    pub fn next_day_ends(&self, start: Timestamp) -> Timestamp {
        let accepted = self.opens_at(start);
        let exceptions = self.spec.exceptions();
        let mut date = self.date(accepted);
        // More closed days in a row than this are outside every calendar.
        for _ in 0..366 {
            let Ok(next) = date.tomorrow() else { break };
            date = next;
            if self.spec.is_open_on(date, &self.holidays, &exceptions)
                && let Some(hours) = self.spec.hours.last()
            {
                return Timestamp::from_millis(windows::instant(date, hours.to, &self.zone));
            }
        }
        accepted.plus(Duration::from_secs(86_400))
    }

    /// The years of these days whose notice of holidays is not known although it would matter.
    #[must_use]
    pub fn unknown_years(&self, from: Timestamp, to: Timestamp) -> Vec<i16> {
        if !self.spec.needs_holidays() {
            return Vec::new();
        }
        let years = self.date(from).year()..=self.date(to.max(from)).year();
        years
            .filter(|year| (FIRST_YEAR..=LAST_YEAR).contains(year) && !self.holidays.knows(*year))
            .collect()
    }

    /// An instant as people of the calendar's zone write it: `2026-02-13T16:30:00+08:00`.
    #[must_use]
    pub fn show(&self, at: Timestamp) -> String {
        match jiff::Timestamp::from_millisecond(at.as_millis()) {
            Ok(instant) => instant.display_with_offset(self.zone.to_offset(instant)).to_string(),
            Err(_) => at.to_string(),
        }
    }

    fn date(&self, at: Timestamp) -> Date {
        jiff::Timestamp::from_millisecond(at.as_millis()).map_or(Date::ZERO, |instant| {
            self.zone.to_offset(instant).to_datetime(instant).date()
        })
    }
}

/// Sixteen hex digits of SHA-256 over everything that the calendar counts by.
fn version(spec: &CalendarSpec, holidays: &Holidays) -> String {
    let mut hash = Sha256::new();
    hash.update(serde_json::to_vec(spec).unwrap_or_default());
    if spec.holidays == HolidayList::Cn {
        for file in holidays.files() {
            for day in &file.days {
                hash.update([0]);
                hash.update(day.date.as_bytes());
                hash.update([u8::from(day.is_off_day)]);
            }
        }
    }
    hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All calendars of a site, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Calendars {
    by_name: BTreeMap<String, Arc<Calendar>>,
    holidays: Arc<Holidays>,
}

/// No calendar has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no calendar `{name}`: there are {known}; others come from [calendar.NAME] in the configuration")]
pub struct UnknownCalendar {
    /// What was asked for.
    pub name: String,
    /// What there is.
    pub known: String,
}

impl Calendars {
    /// The built-in calendars and the configured ones, which may replace them.
    #[must_use]
    pub fn new(configured: &BTreeMap<String, CalendarSpec>, holidays: Holidays) -> Self {
        let holidays = Arc::new(holidays);
        let mut specs: BTreeMap<String, CalendarSpec> = CalendarSpec::built_in()
            .into_iter()
            .map(|(name, spec)| (name.to_owned(), spec))
            .collect();
        specs.extend(configured.iter().map(|(name, spec)| (name.clone(), spec.clone())));
        let by_name = specs
            .into_iter()
            .map(|(name, spec)| {
                let calendar = Arc::new(Calendar::new(&name, spec, holidays.clone()));
                (name, calendar)
            })
            .collect();
        Self { by_name, holidays }
    }

    /// The built-in calendars alone. Compiled once: they are always the same.
    #[must_use]
    pub fn built_in() -> Arc<Self> {
        static BUILT_IN: LazyLock<Arc<Calendars>> =
            LazyLock::new(|| Arc::new(Calendars::new(&BTreeMap::new(), Holidays::built_in())));
        BUILT_IN.clone()
    }

    /// One by name. `5×8` and `5X8` are what people write for `5x8`.
    ///
    /// # Errors
    /// When there is none.
    pub fn get(&self, name: &str) -> Result<&Arc<Calendar>, UnknownCalendar> {
        let plain = name.trim().to_lowercase().replace('×', "x");
        let found = self.by_name.get(name).or_else(|| self.by_name.get(&plain));
        found.ok_or_else(|| UnknownCalendar {
            name: name.chars().take(64).collect(),
            known: self.by_name.keys().cloned().collect::<Vec<_>>().join(", "),
        })
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Calendar>> {
        self.by_name.values()
    }

    /// The holidays by which they count.
    #[must_use]
    pub fn holidays(&self) -> &Holidays {
        &self.holidays
    }

    /// What somebody must know about missing notices today: years that are counted as plain weekdays, and from
    /// 1 December on the next year. Empty when nothing is missing or no calendar depends on it.
    #[must_use]
    pub fn missing_notices(&self, now: Timestamp) -> Vec<i16> {
        let mut years = BTreeSet::new();
        for calendar in self.by_name.values() {
            let today = calendar.date(now);
            let ahead = if today.month() == 12 { 31 } else { 0 };
            years.extend(calendar.unknown_years(now, now.plus(Duration::from_secs(ahead * 86_400))));
        }
        years.into_iter().collect()
    }
}
