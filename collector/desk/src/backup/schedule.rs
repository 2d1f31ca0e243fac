//! When a job should run, in its zone.
//!
//! A time that a clock change leaves out means the instant as far behind the change; one that comes twice means the
//! first. So a nightly job is expected once each night, whatever the clock does.

use super::calendar::{Calendar, CalendarError};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, time::Duration};
use tocsin_vocabulary::{
    Timestamp,
    time::{format_duration, parse_duration},
};

/// Shortest period of a job.
const EVERY_MIN: Duration = Duration::from_secs(10);

/// Text that is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The calendar is wrong.
    #[error(transparent)]
    Calendar(#[from] CalendarError),
    /// The period is wrong.
    #[error("`{0}` is no period of a schedule: expected 10s or more, such as `every 6h`")]
    Every(String),
    /// No job is named.
    #[error("`after` names the job after which this one runs, such as `after dump`")]
    After,
    /// The zone is not known.
    #[error("`{0}` is not a time zone: expected an IANA name such as Asia/Shanghai")]
    Zone(String),
}

/// When a job should run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// By cron.
    Cron(String, Calendar),
    /// By a calendar of systemd.
    Systemd(String, Calendar),
    /// So long after it last ran, at most.
    Every(Duration),
    /// After another job of the same host ended well.
    After(String),
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cron(text, _) => f.write_str(text),
            Self::Systemd(text, _) => write!(f, "calendar {text}"),
            Self::Every(period) => write!(f, "every {}", format_duration(*period)),
            Self::After(job) => write!(f, "after {job}"),
        }
    }
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    /// `30 2 * * *`, `calendar Mon..Fri 02:30`, `every 6h`, `after dump`; with `cron ` before the first, too. What is none
    /// of cron's but is systemd's is taken as that.
    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let text = text.trim();
        if let Some(period) = text.strip_prefix("every ") {
            let wrong = || ScheduleError::Every(period.chars().take(64).collect());
            let period = parse_duration(period.trim()).map_err(|_| wrong())?;
            return if period < EVERY_MIN {
                Err(wrong())
            } else {
                Ok(Self::Every(period))
            };
        }
        if let Some(job) = text.strip_prefix("after ") {
            let job = job.trim();
            return if job.is_empty() {
                Err(ScheduleError::After)
            } else {
                Ok(Self::After(job.to_owned()))
            };
        }
        if let Some(calendar) = text.strip_prefix("calendar ") {
            return Ok(Self::Systemd(calendar.trim().to_owned(), Calendar::systemd(calendar)?));
        }
        let line = text.strip_prefix("cron ").unwrap_or(text).trim();
        match Calendar::cron(line) {
            Ok(calendar) => Ok(Self::Cron(line.to_owned(), calendar)),
            Err(error) => match Calendar::systemd(text) {
                Ok(calendar) if !text.is_empty() => Ok(Self::Systemd(text.to_owned(), calendar)),
                _ => Err(error.into()),
            },
        }
    }
}

impl Serialize for Schedule {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A zone by its IANA name.
///
/// # Errors
/// When there is none of this name.
pub fn zone(name: &str) -> Result<TimeZone, ScheduleError> {
    TimeZone::get(name).map_err(|_| ScheduleError::Zone(name.chars().take(64).collect()))
}

impl Schedule {
    /// The IANA name of the zone that its text names, which counts more than the job's.
    #[must_use]
    pub fn zone_name(&self) -> Option<&str> {
        match self {
            Self::Systemd(_, calendar) => calendar.zone()?.iana_name(),
            Self::Cron(..) | Self::Every(_) | Self::After(_) => None,
        }
    }

    /// The first instant after `after` at which the job should begin; none when other things decide, or never.
    #[must_use]
    pub fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let calendar = match self {
            Self::Cron(_, calendar) | Self::Systemd(_, calendar) => calendar,
            Self::Every(period) => return Some(after.plus(*period)),
            Self::After(_) => return None,
        };
        let zone = calendar.zone().unwrap_or(zone);
        let from = jiff::Timestamp::from_millisecond(after.as_millis()).ok()?;
        let mut civil = from.to_zoned(zone.clone()).datetime();
        // Around a clock change the wall clock's next may not be later: look on.
        for _ in 0..200 {
            civil = calendar.next(civil)?;
            let found = zone.to_ambiguous_zoned(civil).compatible().ok()?;
            let found = Timestamp::from_millis(found.timestamp().as_millisecond());
            if found > after {
                return Some(found);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(schedule: &str, zone_name: &str, after: &str) -> String {
        let schedule: Schedule = schedule.parse().unwrap();
        let after = after.parse().unwrap();
        schedule.next(after, &zone(zone_name).unwrap()).unwrap().to_string()
    }

    #[test]
    fn a_schedule_is_of_its_zone() {
        assert_eq!(
            next("30 2 * * *", "Asia/Shanghai", "2026-11-22T00:00:00Z"),
            "2026-11-22T18:30:00.000Z"
        );
        assert_eq!(
            next("30 2 * * *", "UTC", "2026-11-22T00:00:00Z"),
            "2026-11-22T02:30:00.000Z"
        );
        // One that a calendar names counts more.
        assert_eq!(
            next("calendar *-*-* 02:30 Asia/Shanghai", "UTC", "2026-11-22T00:00:00Z"),
            "2026-11-22T18:30:00.000Z"
        );
        assert_eq!(
            next("calendar daily UTC", "Asia/Shanghai", "2026-11-22T00:00:00Z"),
            "2026-11-23T00:00:00.000Z"
        );
        assert!("calendar daily Mars/Olympus".parse::<Schedule>().is_err());
        assert_eq!(
            next("every 6h", "UTC", "2026-11-22T00:00:00Z"),
            "2026-11-22T06:00:00.000Z"
        );
    }

    #[test]
    fn a_night_with_a_clock_change_has_one_run() {
        // Berlin, 2026-03-29: 02:00 becomes 03:00. 2026-10-25: 03:00 becomes 02:00.
        let berlin = "Europe/Berlin";
        assert_eq!(
            next("30 2 * * *", berlin, "2026-03-28T12:00:00Z"),
            "2026-03-29T01:30:00.000Z"
        );
        assert_eq!(
            next("30 2 * * *", berlin, "2026-03-29T01:30:00Z"),
            "2026-03-30T00:30:00.000Z"
        );
        assert_eq!(
            next("30 2 * * *", berlin, "2026-10-24T12:00:00Z"),
            "2026-10-25T00:30:00.000Z"
        );
        assert_eq!(
            next("30 2 * * *", berlin, "2026-10-25T00:30:00Z"),
            "2026-10-26T01:30:00.000Z"
        );
        // In the hour that comes twice there is a run at each of its minutes, once.
        assert_eq!(
            next("*/30 * * * *", berlin, "2026-10-25T00:30:00Z"),
            "2026-10-25T02:00:00.000Z"
        );
    }

    #[test]
    fn schedules_read_back_as_written() {
        for text in [
            "30 2 * * *",
            "calendar Mon..Fri *-*-* 02:30",
            "calendar daily Asia/Shanghai",
            "every 6h",
            "after dump",
        ] {
            let schedule: Schedule = text.parse().unwrap();
            assert_eq!(schedule.to_string(), text);
            assert_eq!(schedule.to_string().parse(), Ok(schedule));
        }
        assert!(matches!("daily".parse(), Ok(Schedule::Systemd(..))));
        assert!(matches!("@daily".parse(), Ok(Schedule::Cron(..))));
        for wrong in ["", "every 1s", "every", "after ", "sometimes"] {
            assert!(wrong.parse::<Schedule>().is_err(), "{wrong}");
        }
        assert!(zone("Mars/Olympus").is_err());
    }
}
