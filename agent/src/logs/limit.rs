//! How many events one pattern may make: ten at once, and one a second after that. What is held back is counted.

use std::time::Duration;

/// Events at once after a quiet time.
const BURST: u32 = 10;
/// One more after each of these.
const EVERY: Duration = Duration::from_secs(1);

/// Allows events.
#[derive(Debug)]
pub(super) struct Limit {
    left: u32,
    filled: Duration,
}

impl Limit {
    /// A quiet time has just passed.
    pub(super) const fn new() -> Self {
        Self {
            left: BURST,
            filled: Duration::ZERO,
        }
    }

    /// Whether another event may be made at `mono`.
    pub(super) fn allows(&mut self, mono: Duration) -> bool {
        let gained = mono.saturating_sub(self.filled).as_secs() / EVERY.as_secs();
        if gained > 0 {
            self.left = u32::try_from(gained)
                .unwrap_or(BURST)
                .saturating_add(self.left)
                .min(BURST);
            self.filled += EVERY * u32::try_from(gained).unwrap_or(u32::MAX);
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_at_once_and_one_a_second_after_that() {
        let mut limit = Limit::new();
        let mut count = |millis, tries: u32| {
            (0..tries)
                .filter(|_| limit.allows(Duration::from_millis(millis)))
                .count()
        };
        assert_eq!(count(1_000_000, 1_000), 10);
        assert_eq!(count(1_000_999, 1_000), 0);
        assert_eq!(count(1_001_000, 1_000), 1);
        assert_eq!(count(1_003_500, 1_000), 2);
        assert_eq!(count(1_004_000, 1_000), 1, "half a second is not lost");
        assert_eq!(count(9_000_000, 1_000), 10);
    }
}
