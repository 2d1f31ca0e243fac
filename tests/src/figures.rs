//! Durations gathered and summed up for people.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Durations of one kind.
#[derive(Debug, Default)]
pub struct Figures(Vec<Duration>);

impl Figures {
    /// The head of a table whose lines are figures.
    pub const HEAD: &'static str = "     p50      p99      max";

    /// One more.
    pub fn add(&mut self, duration: Duration) {
        self.0.push(duration);
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The smallest that at least `percent` of all do not exceed; zero when there is none.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or_default()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for percent in [50, 99, 100] {
            let millis = self.percentile(percent).as_secs_f64() * 1_000.0;
            write!(f, "{millis:>8.1} ")?;
        }
        Ok(())
    }
}

/// Xorshift: random enough for phases, and the same for the same seed.
pub const fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Milliseconds since 1970.
#[must_use]
pub fn millis_of(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let mut figures = Figures::default();
        assert_eq!(figures.percentile(99), Duration::ZERO);
        for millis in (1..=200).rev() {
            figures.add(Duration::from_millis(millis));
        }
        assert_eq!(figures.percentile(50), Duration::from_millis(100));
        assert_eq!(figures.percentile(99), Duration::from_millis(198));
        assert_eq!(figures.percentile(100), Duration::from_millis(200));
    }
}
