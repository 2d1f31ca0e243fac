//! Chance for jitter: where in a window an attempt falls. Not for secrets.

use std::time::Duration;

/// A small generator (SplitMix64: Steele, Lea, Flood 2014), seeded once by the shell.
#[derive(Debug, Clone)]
pub struct Chance {
    state: u64,
}

impl Chance {
    /// Everything follows from `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Seeded by the operating system; by a constant if it has no randomness yet.
    #[must_use]
    pub fn from_system() -> Self {
        let mut seed = [0; 8];
        let _ = getrandom::fill(&mut seed);
        Self::new(u64::from_le_bytes(seed))
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 (included) to 1 (excluded).
    #[allow(clippy::cast_precision_loss, reason = "32 bits fit a double exactly")]
    pub fn share(&mut self) -> f64 {
        (self.next() >> 32) as f64 / 4_294_967_296.0
    }

    /// One of `0..count`; 0 when `count` is 0.
    pub fn below(&mut self, count: usize) -> usize {
        let count = (count as u64).max(1);
        usize::try_from(self.next() % count).unwrap_or(0)
    }
}

/// Full-jitter exponential backoff: the *n*-th delay lies anywhere between nothing and `first` · 2ⁿ, at most `most`.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
}

impl Backoff {
    /// Windows from `first` to `most`.
    #[must_use]
    pub const fn new(first: Duration, most: Duration) -> Self {
        Self {
            first,
            most,
            failures: 0,
        }
    }

    /// The delay after one more failure.
    pub fn next(&mut self, chance: &mut Chance) -> Duration {
        let window = self.first.saturating_mul(1 << self.failures.min(16)).min(self.most);
        self.failures = self.failures.saturating_add(1);
        window.mul_f64(chance.share())
    }

    /// It went well.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_stay_bounded_and_begin_anew_after_success() {
        let mut chance = Chance::new(1);
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        let delays: Vec<Duration> = (0..200).map(|_| backoff.next(&mut chance)).collect();
        assert!(delays[0] < Duration::from_secs(1));
        assert!(delays.iter().all(|delay| *delay < Duration::from_secs(30)));
        assert!(delays[10..].iter().any(|delay| *delay > Duration::from_secs(20)));
        backoff.reset();
        assert!(backoff.next(&mut chance) < Duration::from_secs(1));
    }
}
