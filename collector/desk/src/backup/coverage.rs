//! The plan against the fact: which hosts of a contract somebody backs up, which copies are as new as promised, and what runs
//! came to over a week or a month.

use jiff::{ToSpan as _, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};
use tocsin_vocabulary::{ContractId, HostId, JobId, Timestamp};

/// A host that bears this tag needs no backup, and somebody has said so.
pub const NOT_NEEDED: &str = "no-backup";

/// How the hosts of one contract are covered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// Which contract.
    pub contract: ContractId,
    /// What people call it.
    pub contract_name: String,
    /// Whose it is.
    pub customer_name: String,
    /// Hosts that should be backed up: all but those that bear [`NOT_NEEDED`].
    pub hosts: u64,
    /// Hosts that need no backup.
    pub not_needed: u64,
    /// Hosts that should be backed up, and that a job covers.
    pub covered: u64,
    /// Jobs of them that are not paused.
    pub jobs: u64,
    /// Of those, jobs whose newest good copy may be so and so old.
    pub promised: u64,
    /// Of those, jobs whose newest good copy is older.
    pub broken: u64,
    /// Jobs without any good run.
    pub never_good: u64,
}

impl Coverage {
    /// Covered hosts of a hundred; a contract without hosts that should be backed up lacks nothing.
    #[must_use]
    pub const fn percent(&self) -> u64 {
        match self.covered.saturating_mul(100).checked_div(self.hosts) {
            Some(percent) => percent,
            None => 100,
        }
    }
}

/// A host that should be backed up, and is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Of which contract.
    pub contract: ContractId,
    /// Which host.
    pub host: HostId,
    /// Its name.
    pub host_name: String,
}

/// What the runs of a job, or of many, came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunTotals {
    /// Whose; none: of all.
    pub job: Option<JobId>,
    /// Runs that ended, missed ones included.
    pub runs: u64,
    /// Good ones without a word.
    pub ok: u64,
    /// Good ones with something left out.
    pub warning: u64,
    /// Good ones that took too long.
    pub overran: u64,
    /// Much smaller ones than usual.
    pub shrunk: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those that did not come.
    pub missed: u64,
    /// Bytes of the sources, as far as runs told.
    pub bytes: u64,
    /// Bytes added to the targets, as far as runs told.
    pub bytes_added: u64,
    /// The longest run, in milliseconds.
    pub longest_ms: u64,
}

impl RunTotals {
    /// Runs after which there was a copy that one would restore from.
    #[must_use]
    pub const fn good(&self) -> u64 {
        self.ok + self.warning + self.overran
    }

    /// Good runs of a thousand; none without a run.
    #[must_use]
    pub const fn good_per_mille(&self) -> Option<u64> {
        self.good().saturating_mul(1_000).checked_div(self.runs)
    }
}

/// A span that reports are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// From Monday to Sunday.
    Week,
    /// From the first to the last day.
    Month,
}

impl Period {
    /// What a word means.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "week" => Some(Self::Week),
            "month" => Some(Self::Month),
            _ => None,
        }
    }

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// The first day of the period that holds `day`, and of the next; none at the end of calendars.
    #[must_use]
    pub fn around(self, day: Date) -> Option<(Date, Date)> {
        match self {
            Self::Week => {
                let since_monday = i64::from(day.weekday().to_monday_zero_offset());
                let first = day.checked_sub(since_monday.days()).ok()?;
                Some((first, first.checked_add(7.days()).ok()?))
            }
            Self::Month => {
                let first = day.first_of_month();
                Some((first, first.checked_add(1.month()).ok()?))
            }
        }
    }

    /// The last one that is over at `now`; none at the ends of calendars.
    #[must_use]
    pub fn last_over(self, zone: &TimeZone, now: Timestamp) -> Option<(Date, Date)> {
        let now = jiff::Timestamp::from_millisecond(now.as_millis()).ok()?;
        let (first, _) = self.around(now.to_zoned(zone.clone()).date())?;
        self.around(first.checked_sub(1.day()).ok()?)
    }
}

/// The instant at which a day begins; none where calendars end.
#[must_use]
pub fn midnight(day: Date, zone: &TimeZone) -> Option<Timestamp> {
    let start = day.to_zoned(zone.clone()).ok()?.start_of_day().ok()?;
    Some(Timestamp::from_millis(start.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn weeks_begin_on_monday_and_months_on_the_first() {
        let sunday = date(2026, 11, 22);
        assert_eq!(
            Period::Week.around(sunday),
            Some((date(2026, 11, 16), date(2026, 11, 23)))
        );
        assert_eq!(
            Period::Week.around(date(2026, 11, 16)),
            Some((date(2026, 11, 16), date(2026, 11, 23)))
        );
        assert_eq!(
            Period::Month.around(date(2026, 12, 31)),
            Some((date(2026, 12, 1), date(2027, 1, 1)))
        );
        for period in [Period::Week, Period::Month] {
            assert_eq!(Period::parse(period.as_str()), Some(period));
        }
    }

    #[test]
    fn the_last_period_that_is_over_is_of_the_sites_own_days() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        // Monday, half past midnight in Shanghai; Sunday still in UTC.
        let now = "2026-11-22T16:30:00Z".parse().unwrap();
        assert_eq!(
            Period::Week.last_over(&zone, now),
            Some((date(2026, 11, 16), date(2026, 11, 23)))
        );
        assert_eq!(
            Period::Week.last_over(&TimeZone::UTC, now),
            Some((date(2026, 11, 9), date(2026, 11, 16)))
        );
        assert_eq!(
            Period::Month.last_over(&zone, now),
            Some((date(2026, 10, 1), date(2026, 11, 1)))
        );
        assert_eq!(
            midnight(date(2026, 11, 16), &zone),
            Some("2026-11-15T16:00:00Z".parse().unwrap())
        );
    }

    #[test]
    fn figures_without_anything_to_count_claim_nothing() {
        assert_eq!(RunTotals::default().good_per_mille(), None);
        let some = RunTotals {
            runs: 3,
            ok: 1,
            warning: 1,
            failed: 1,
            ..RunTotals::default()
        };
        assert_eq!((some.good(), some.good_per_mille()), (2, Some(666)));
    }
}
