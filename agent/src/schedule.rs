//! When the next tick is due: arithmetic on the monotonic clock, which the caller reads.
//!
//! Ticks are due at `phase + k × interval`. The phase is fixed per host, so that many hosts spread over the interval
//! and one host keeps an even pace. A tick that begins late is counted late; ticks whose time passed meanwhile are
//! skipped and counted, never made up for: nothing comes bunched.

use std::time::Duration;

/// Shortest interval that is kept.
pub const INTERVAL_MIN: Duration = Duration::from_millis(1);

/// A tick counts as late from this share of the interval on.
const LATE_DIVISOR: u32 = 10;

/// The instants at which ticks are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    interval: Duration,
    phase: Duration,
    last: Option<u128>,
}

/// The next tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// When, by the monotonic clock.
    pub at: Duration,
    /// How many ticks before it are left out because their time passed.
    pub skipped: u64,
}

impl Schedule {
    /// Ticks every `interval`, offset by `phase` (taken modulo the interval).
    #[must_use]
    pub fn new(interval: Duration, phase: Duration) -> Self {
        let interval = interval.max(INTERVAL_MIN);
        let phase = nanos(phase.as_nanos() % interval.as_nanos());
        Self {
            interval,
            phase,
            last: None,
        }
    }

    /// The phase of a host: `seed` (an identity's bytes) spread evenly over the interval.
    #[must_use]
    pub fn phase_of(seed: &[u8], interval: Duration) -> Duration {
        let hash = tocsin_vocabulary::Hash::of(seed);
        let mut number = [0_u8; 8];
        number.copy_from_slice(&hash.as_bytes()[..8]);
        nanos((u128::from(u64::from_be_bytes(number)) * interval.as_nanos()) >> 64)
    }

    /// Time between ticks.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        self.interval
    }

    /// The first instant after `now` at which a tick is due, later than all that were given before.
    pub fn next(&mut self, now: Duration) -> Due {
        let interval = self.interval.as_nanos();
        let from_phase = now.as_nanos().checked_sub(self.phase.as_nanos());
        let ahead = from_phase.map_or(0, |passed| passed / interval + 1);
        let slot = self.last.map_or(ahead, |last| ahead.max(last + 1));
        let skipped = self.last.map_or(0, |last| slot - last - 1);
        self.last = Some(slot);
        Due {
            at: nanos(self.phase.as_nanos().saturating_add(slot.saturating_mul(interval))),
            skipped: u64::try_from(skipped).unwrap_or(u64::MAX),
        }
    }

    /// Whether a tick that was due at `due` and begins at `now` is late.
    #[must_use]
    pub fn is_late(&self, due: Duration, now: Duration) -> bool {
        now.saturating_sub(due) > self.interval / LATE_DIVISOR
    }
}

fn nanos(nanos: u128) -> Duration {
    const PER_SECOND: u128 = 1_000_000_000;
    let seconds = u64::try_from(nanos / PER_SECOND).unwrap_or(u64::MAX);
    Duration::new(seconds, u32::try_from(nanos % PER_SECOND).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn ticks_come_at_an_even_pace_whatever_sampling_takes() {
        let mut schedule = Schedule::new(seconds(10), seconds(13));
        assert_eq!(
            schedule.next(seconds(100)),
            Due {
                at: seconds(103),
                skipped: 0
            }
        );
        assert_eq!(
            schedule.next(seconds(104)),
            Due {
                at: seconds(113),
                skipped: 0
            }
        );
        assert_eq!(
            schedule.next(seconds(113)),
            Due {
                at: seconds(123),
                skipped: 0
            }
        );
    }

    #[test]
    fn a_host_that_slept_skips_what_passed() {
        let mut schedule = Schedule::new(seconds(10), seconds(3));
        schedule.next(seconds(0));
        assert_eq!(
            schedule.next(seconds(34)),
            Due {
                at: seconds(43),
                skipped: 3
            }
        );
        assert_eq!(
            schedule.next(seconds(43)),
            Due {
                at: seconds(53),
                skipped: 0
            }
        );
    }

    #[test]
    fn a_clock_that_stands_still_gives_no_tick_twice() {
        let mut schedule = Schedule::new(seconds(10), seconds(0));
        assert_eq!(schedule.next(seconds(5)).at, seconds(10));
        assert_eq!(schedule.next(seconds(5)).at, seconds(20));
    }

    #[test]
    fn late_is_more_than_a_tenth() {
        let schedule = Schedule::new(seconds(10), seconds(0));
        assert!(!schedule.is_late(seconds(10), seconds(11)));
        assert!(schedule.is_late(seconds(10), seconds(12)));
        assert!(!schedule.is_late(seconds(10), seconds(9)));
    }

    proptest! {
        #[test]
        fn slots_are_never_bunched_and_always_accounted(
            interval in 1..120_000_u64, phase in 0..240_000_u64, steps in prop::collection::vec(0..500_000_u64, 1..50)
        ) {
            let interval = Duration::from_millis(interval);
            let mut schedule = Schedule::new(interval, Duration::from_millis(phase));
            let (mut now, mut last) = (Duration::ZERO, None);
            for step in steps {
                now += Duration::from_millis(step);
                let due = schedule.next(now);
                prop_assert!(due.at > now || last.is_some_and(|last| due.at == last + interval));
                if let Some(last) = last {
                    let slots = u32::try_from(due.skipped + 1).unwrap();
                    prop_assert_eq!(due.at - last, interval * slots);
                }
                last = Some(due.at);
                now = now.max(due.at);
            }
        }

        #[test]
        fn phases_are_below_the_interval_and_stable(seed: [u8; 16], interval in 1..60_000_u64) {
            let interval = Duration::from_millis(interval);
            let phase = Schedule::phase_of(&seed, interval);
            prop_assert!(phase < interval);
            prop_assert_eq!(phase, Schedule::phase_of(&seed, interval));
        }
    }
}
