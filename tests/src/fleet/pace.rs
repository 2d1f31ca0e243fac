//! When a simulated host ticks: tick *n* has one time, known beforehand.

use std::time::Duration;
use tocsin_vocabulary::Timestamp;

/// The ticks of one host, numbered from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    first_ms: i64,
    interval_ms: i64,
}

impl Pace {
    /// Host `number` of `count` that begin within the `interval` after `begin`, each at a phase of its own, evenly spread.
    #[must_use]
    pub fn spread(begin: Timestamp, interval: Duration, number: usize, count: usize) -> Self {
        let millis = |value: u128| i64::try_from(value).unwrap_or(i64::MAX);
        let interval_ms = millis(interval.as_millis()).max(1);
        let phase = millis(interval.as_millis() * number as u128 / count.max(1) as u128);
        Self {
            first_ms: begin.as_millis() + phase,
            interval_ms,
        }
    }

    /// The same phase, but `ticks` earlier.
    #[must_use]
    pub fn after_backlog(self, ticks: u64) -> Self {
        let earlier = i64::try_from(ticks).unwrap_or(0).saturating_mul(self.interval_ms);
        Self {
            first_ms: self.first_ms.saturating_sub(earlier),
            ..self
        }
    }

    /// The time of tick `seq`.
    #[must_use]
    pub fn time(self, seq: u64) -> Timestamp {
        let ticks = i64::try_from(seq.saturating_sub(1)).unwrap_or(i64::MAX);
        Timestamp::from_millis(self.first_ms.saturating_add(ticks.saturating_mul(self.interval_ms)))
    }

    /// How many ticks there are until `now`, it included.
    #[must_use]
    pub fn taken(self, now: Timestamp) -> u64 {
        let since = now.as_millis().saturating_sub(self.first_ms);
        u64::try_from(since.div_euclid(self.interval_ms).saturating_add(1)).unwrap_or(0)
    }

    /// Between ticks.
    #[must_use]
    pub fn interval(self) -> Duration {
        Duration::from_millis(u64::try_from(self.interval_ms).unwrap_or(1))
    }

    /// Ticks that a span has.
    #[must_use]
    pub fn ticks_in(self, span: Duration) -> u64 {
        let ticks = span.as_millis() / self.interval().as_millis().max(1);
        u64::try_from(ticks).unwrap_or(u64::MAX).max(1)
    }
}

/// The time by this machine's clock.
#[must_use]
pub fn now() -> Timestamp {
    crate::wire::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_spread_over_the_interval_and_number_their_ticks_from_one() {
        let begin = Timestamp::from_millis(1_000_000);
        let paces: Vec<Pace> = (0..4)
            .map(|number| Pace::spread(begin, Duration::from_secs(10), number, 4))
            .collect();
        let firsts: Vec<i64> = paces.iter().map(|pace| pace.time(1).as_millis()).collect();
        assert_eq!(firsts, [1_000_000, 1_002_500, 1_005_000, 1_007_500]);
        assert_eq!(paces[1].taken(Timestamp::from_millis(1_002_499)), 0);
        assert_eq!(paces[1].taken(paces[1].time(1)), 1);
        let late = paces[1].after_backlog(6);
        assert_eq!(late.taken(Timestamp::from_millis(1_002_499)), 6);
        assert_eq!(late.time(7), paces[1].time(1));
        assert_eq!(late.ticks_in(Duration::from_secs(3_600)), 360);
    }
}
