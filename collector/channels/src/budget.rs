//! What a channel may send: so many messages in any minute, the last of them kept for the worst level. So a storm of lesser
//! pages never uses up what the provider lets through, and no minute, wherever it begins, has more than the provider allows:
//! a bucket that may empty at once and fills meanwhile would send nearly twice as many.

use std::{collections::VecDeque, time::Duration};
use tocsin_vocabulary::{Level, Timestamp};

/// Over what providers count.
const MINUTE: Duration = Duration::from_secs(60);

/// What one channel sent within the last minute.
#[derive(Debug, Clone)]
pub struct Budget {
    per_minute: usize,
    /// Only the worst level may use these.
    reserve: usize,
    sent: VecDeque<Timestamp>,
}

impl Budget {
    /// So many a minute, and how many of them are kept for the worst level; without a wish a fifth.
    #[must_use]
    pub fn new(per_minute: u32, reserve: Option<u32>) -> Self {
        let all = per_minute.max(1);
        let kept = reserve.unwrap_or(all / 5).min(all - 1);
        let size = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        Self {
            per_minute: size(all),
            reserve: size(kept),
            sent: VecDeque::new(),
        }
    }

    fn forget(&mut self, now: Timestamp) {
        while self.sent.front().is_some_and(|at| now.since(*at) >= MINUTE) {
            self.sent.pop_front();
        }
    }

    fn limit(&self, level: Level) -> usize {
        if level == Level::WORST {
            self.per_minute
        } else {
            self.per_minute - self.reserve
        }
    }

    /// How many messages of this level may go now.
    pub fn room(&mut self, level: Level, now: Timestamp) -> usize {
        self.forget(now);
        self.limit(level).saturating_sub(self.sent.len())
    }

    /// One was sent.
    pub fn take(&mut self, now: Timestamp) {
        self.sent.push_back(now);
    }

    /// How long until a message of this level may go.
    pub fn wait(&mut self, level: Level, now: Timestamp) -> Duration {
        self.forget(now);
        let limit = self.limit(level);
        if self.sent.len() < limit {
            return Duration::ZERO;
        }
        // So many must be over before there is room for one.
        let over = self.sent.len() - limit;
        self.sent
            .get(over)
            .map_or(Duration::ZERO, |at| at.plus(MINUTE).since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_worst_level_has_room_when_the_others_have_none() {
        let mut budget = Budget::new(20, Some(5));
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
        let ordinary = Level::new(3);
        assert_eq!(
            (budget.room(ordinary, at(0)), budget.room(Level::WORST, at(0))),
            (15, 20)
        );
        for second in 0..15 {
            budget.take(at(second));
        }
        assert_eq!(
            (budget.room(ordinary, at(15)), budget.room(Level::WORST, at(15))),
            (0, 5)
        );
        assert_eq!(budget.wait(ordinary, at(15)), Duration::from_secs(45));
        assert_eq!(budget.wait(Level::WORST, at(15)), Duration::ZERO);
        assert_eq!(budget.room(ordinary, at(60)), 1);
    }

    proptest! {
        #[test]
        fn no_minute_has_more_than_the_provider_allows(
            per_minute in 1u32..40, steps in prop::collection::vec((0u64..5_000, any::<bool>()), 1..300)
        ) {
            let mut budget = Budget::new(per_minute, None);
            let mut now = Timestamp::from_millis(0);
            let mut sent: Vec<Timestamp> = Vec::new();
            for (step, worst) in steps {
                now = now.plus(Duration::from_millis(step));
                let level = if worst { Level::WORST } else { Level::new(4) };
                let wait = budget.wait(level, now);
                prop_assert_eq!(wait.is_zero(), budget.room(level, now) > 0);
                if wait.is_zero() {
                    budget.take(now);
                    sent.push(now);
                }
            }
            for (i, first) in sent.iter().enumerate() {
                let within = sent[i..].iter().filter(|at| at.since(*first) < MINUTE).count();
                prop_assert!(within <= per_minute as usize);
            }
        }
    }
}
