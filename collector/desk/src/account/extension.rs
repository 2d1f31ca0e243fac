//! The end of maintenance moves with the days for which our cause stopped the service (R27): 维保期将按停运天数
//! (按24小时计算)相应延长. What a begun day is worth is the contract's own rounding.

use super::downtime::{Cause, Downtime, merged};
use crate::{calendar::Span, register};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tocsin_vocabulary::Timestamp;

/// A day of R27: 24 hours.
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// How stopped time becomes days of 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// All downtimes together; a begun day counts whole. What is meant where a contract says nothing.
    #[default]
    Up,
    /// All downtimes together; only full days count.
    Down,
    /// All downtimes together; from half a day on it counts.
    Nearest,
    /// Each downtime by itself; a begun day counts whole.
    EachUp,
    /// Each downtime by itself; only full days count.
    EachDown,
}

impl Rounding {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Up, Self::Down, Self::Nearest, Self::EachUp, Self::EachDown];

    /// The word in registers, API and command line, and the text key's last part.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Nearest => "nearest",
            Self::EachUp => "each_up",
            Self::EachDown => "each_down",
        }
    }

    /// The rounding that a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rounding| rounding.as_str() == word)
    }

    /// How many days the service was stopped, for downtimes that do not overlap.
    #[must_use]
    pub fn days(self, downtimes: &[Duration]) -> u32 {
        let total: Duration = downtimes.iter().sum();
        let each = |count: fn(Duration) -> u64| downtimes.iter().map(|downtime| count(*downtime)).sum();
        let days = match self {
            Self::Up => up(total),
            Self::Down => down(total),
            Self::Nearest => down(total + DAY / 2),
            Self::EachUp => each(up),
            Self::EachDown => each(down),
        };
        u32::try_from(days).unwrap_or(u32::MAX)
    }
}

fn down(time: Duration) -> u64 {
    u64::try_from(time.as_millis() / DAY.as_millis()).unwrap_or(u64::MAX)
}

fn up(time: Duration) -> u64 {
    u64::try_from(time.as_millis().div_ceil(DAY.as_millis())).unwrap_or(u64::MAX)
}

/// A day so many days later; none beyond the calendar.
#[must_use]
pub fn later(day: Date, days: u32) -> Option<Date> {
    day.checked_add(jiff::Span::new().try_days(i64::from(days)).ok()?).ok()
}

/// What a contract says of its maintenance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Maintenance {
    /// First day; none: not agreed.
    pub starts_on: Option<Date>,
    /// Last day as it was signed; none: not agreed.
    pub ends_on: Option<Date>,
    /// What a begun day is worth.
    pub rounding: Rounding,
}

impl Maintenance {
    /// As the register of contracts has it.
    #[must_use]
    pub fn of_row(row: &register::Row) -> Self {
        Self {
            starts_on: row.get("starts_on").parse().ok(),
            ends_on: row.get("ends_on").parse().ok(),
            rounding: Rounding::parse(row.get("rounding")).unwrap_or_default(),
        }
    }
}

/// How far the end of maintenance has moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Extension {
    /// How long our cause stopped the service, in milliseconds.
    pub stopped_ms: u64,
    /// How many days that makes.
    pub days: u32,
    /// The last day of maintenance; none where no end was signed.
    pub ends_on: Option<Date>,
}

/// How far the end of a contract's maintenance has moved by downtimes of our cause that the customer agreed to. Those that
/// overlap count once; one that began after the moved end, or ended before the beginning, does not count.
#[must_use]
pub fn of<'a>(maintenance: &Maintenance, downtimes: impl IntoIterator<Item = &'a Downtime>) -> Extension {
    let begins = maintenance
        .starts_on
        .and_then(first_instant)
        .unwrap_or(Timestamp::from_millis(i64::MIN));
    let agreed = downtimes.into_iter().filter_map(Downtime::agreed);
    let spans = agreed.filter(|claim| claim.cause == Cause::Ours).filter_map(|claim| {
        Some(Span {
            from: claim.from.max(begins),
            to: claim.to?,
        })
    });
    let mut counted: Vec<Duration> = Vec::new();
    let end = |counted: &[Duration]| {
        let days = maintenance.rounding.days(counted);
        (days, maintenance.ends_on.and_then(|day| later(day, days)))
    };
    for span in merged(spans) {
        let over = end(&counted).1.and_then(|day| first_instant(later(day, 1)?));
        if over.is_none_or(|over| span.from < over) {
            counted.push(span.length());
        }
    }
    let (days, ends_on) = end(&counted);
    let stopped: Duration = counted.iter().sum();
    Extension {
        stopped_ms: u64::try_from(stopped.as_millis()).unwrap_or(u64::MAX),
        days,
        ends_on,
    }
}

fn first_instant(day: Date) -> Option<Timestamp> {
    register::begins(&day.to_string())
}

/// The end of a contract's maintenance moved. Never changed, never erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// 1, 2, 3 … within the contract.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Name of whoever caused it.
    pub by: String,
    /// The downtime that caused it; none: the contract's own days or rounding changed.
    pub downtime: Option<u64>,
    /// The rounding that held.
    pub rounding: Rounding,
    /// What held before.
    pub before: Extension,
    /// What holds since.
    pub after: Extension,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::downtime::{Claim, How, Line, Turn};
    use proptest::prelude::*;
    use tocsin_vocabulary::{AssetId, ContractId, CustomerId};

    const HOUR: Duration = Duration::from_secs(3_600);

    /// Hours of downtimes; days by up, down, nearest, each up, each down.
    const TABLE: &[(&[u32], [u32; 5])] = &[
        (&[], [0, 0, 0, 0, 0]),
        (&[1], [1, 0, 0, 1, 0]),
        (&[12], [1, 0, 1, 1, 0]),
        (&[23], [1, 0, 1, 1, 0]),
        (&[24], [1, 1, 1, 1, 1]),
        (&[25], [2, 1, 1, 2, 1]),
        (&[36], [2, 1, 2, 2, 1]),
        (&[48], [2, 2, 2, 2, 2]),
        (&[1, 1], [1, 0, 0, 2, 0]),
        (&[12, 12], [1, 1, 1, 2, 0]),
        (&[20, 20, 20], [3, 2, 3, 3, 0]),
        (&[30, 30], [3, 2, 3, 4, 2]),
    ];

    #[test]
    fn days_are_of_24_hours_and_rounded_as_the_contract_says() {
        for (hours, expected) in TABLE {
            let downtimes: Vec<Duration> = hours.iter().map(|hours| *hours * HOUR).collect();
            let days = Rounding::ALL.map(|rounding| rounding.days(&downtimes));
            assert_eq!(&days, expected, "{hours:?}");
        }
        assert_eq!(Rounding::Up.days(&[Duration::from_millis(1)]), 1);
        assert_eq!(Rounding::Up.days(&[DAY, Duration::from_millis(1)]), 2);
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn downtime(id: u64, from: &str, to: &str, cause: Cause, agreed: bool) -> Downtime {
        let claim = Claim {
            from: at(from),
            to: Some(at(to)),
            cause,
            words: "down".to_owned(),
        };
        let word = Turn::Agree {
            who: "Li".to_owned(),
            how: How::Paper,
            words: String::new(),
        };
        let turns = [Turn::Claim(claim), word];
        let lines = (1..).zip(turns).take(1 + usize::from(agreed)).map(|(seq, turn)| Line {
            seq,
            at: at(to),
            by: "wang".to_owned(),
            turn,
        });
        Downtime {
            id,
            ticket: None,
            customer: CustomerId::from_bytes([1; 16]),
            contract: ContractId::from_bytes([1; 16]),
            contract_name: "main".to_owned(),
            asset: AssetId::from_bytes([u8::try_from(id).unwrap(); 16]),
            asset_name: format!("web-{id}"),
            lines: lines.collect(),
        }
    }

    fn maintenance(rounding: Rounding) -> Maintenance {
        Maintenance {
            starts_on: "2026-01-01".parse().ok(),
            ends_on: "2026-12-31".parse().ok(),
            rounding,
        }
    }

    #[test]
    fn only_what_is_ours_and_agreed_moves_the_end_and_what_overlaps_counts_once() {
        let all = [
            downtime(
                1,
                "2026-03-01T00:00:00+08:00",
                "2026-03-02T00:00:00+08:00",
                Cause::Ours,
                true,
            ),
            // The same outage, seen on a second asset of the contract.
            downtime(
                2,
                "2026-03-01T12:00:00+08:00",
                "2026-03-02T12:00:00+08:00",
                Cause::Ours,
                true,
            ),
            downtime(
                3,
                "2026-04-01T00:00:00+08:00",
                "2026-04-09T00:00:00+08:00",
                Cause::Customer,
                true,
            ),
            downtime(
                4,
                "2026-05-01T00:00:00+08:00",
                "2026-05-09T00:00:00+08:00",
                Cause::Ours,
                false,
            ),
        ];
        let found = of(&maintenance(Rounding::Up), &all);
        assert_eq!(found.stopped_ms, 36 * 3_600_000);
        assert_eq!(found.days, 2);
        assert_eq!(found.ends_on, "2027-01-02".parse().ok());
        assert_eq!(
            of(&maintenance(Rounding::Down), &all).ends_on,
            "2027-01-01".parse().ok()
        );
        assert_eq!(of(&maintenance(Rounding::Up), &[]).ends_on, "2026-12-31".parse().ok());
        let unsigned = Maintenance {
            ends_on: None,
            ..maintenance(Rounding::Up)
        };
        assert_eq!((of(&unsigned, &all).days, of(&unsigned, &all).ends_on), (2, None));
    }

    #[test]
    fn what_lies_outside_the_maintenance_does_not_count_but_the_moved_end_does() {
        let before = downtime(
            1,
            "2025-12-30T00:00:00+08:00",
            "2026-01-02T00:00:00+08:00",
            Cause::Ours,
            true,
        );
        let on_the_moved_day = downtime(
            2,
            "2027-01-01T10:00:00+08:00",
            "2027-01-01T11:00:00+08:00",
            Cause::Ours,
            true,
        );
        let too_late = downtime(
            3,
            "2027-02-01T10:00:00+08:00",
            "2027-02-03T11:00:00+08:00",
            Cause::Ours,
            true,
        );
        let found = of(&maintenance(Rounding::EachUp), [&too_late, &before, &on_the_moved_day]);
        assert_eq!((found.days, found.ends_on), (2, "2027-01-02".parse().ok()));
        let alone = of(&maintenance(Rounding::EachUp), [&on_the_moved_day]);
        assert_eq!(alone.days, 0, "without the first the maintenance was over by then");
    }

    proptest! {
        #[test]
        fn roundings_keep_their_order(hours in prop::collection::vec(0u32..100, 0..6)) {
            let downtimes: Vec<Duration> = hours.iter().map(|hours| *hours * HOUR).collect();
            let [up, down, nearest, each_up, each_down] = Rounding::ALL.map(|rounding| rounding.days(&downtimes));
            prop_assert!(each_down <= down && down <= nearest && nearest <= up && up <= each_up);
            prop_assert!(up - down <= 1);
        }
    }
}
