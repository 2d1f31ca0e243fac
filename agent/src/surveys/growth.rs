//! How much a counter of the kernel grew lately: what is counted since boot says nothing, what grows does.

use std::{collections::VecDeque, time::Duration};

/// Most steps that are remembered; more are added to the newest, so that a step is forgotten later, never earlier.
const STEPS_MAX: usize = 64;

/// One counter and its latest steps.
#[derive(Debug, Default, Clone)]
pub(crate) struct Growth {
    last: Option<u64>,
    steps: VecDeque<(Duration, u64)>,
}

impl Growth {
    /// Takes the counter as it is at `mono`; gives by how much it grew within `window`. The first value is where
    /// counting begins, and a counter that fell began anew.
    pub(crate) fn note(&mut self, value: u64, mono: Duration, window: Duration) -> u64 {
        let step = self.last.map_or(0, |last| value.saturating_sub(last));
        self.last = Some(value);
        while self.steps.front().is_some_and(|(at, _)| *at + window <= mono) {
            self.steps.pop_front();
        }
        if step > 0 {
            let full = self.steps.len() >= STEPS_MAX;
            let newest = if full { self.steps.pop_back() } else { None };
            let before = newest.map_or(0, |(_, step)| step);
            self.steps.push_back((mono, before.saturating_add(step)));
        }
        self.steps.iter().fold(0, |sum, (_, step)| sum.saturating_add(*step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn growth_counts_until_it_is_old() {
        let mut growth = Growth::default();
        let mut at = |second: u64, value: u64| growth.note(value, Duration::from_secs(second), HOUR);
        assert_eq!(at(0, 7), 0, "what was there before");
        assert_eq!(at(60, 9), 2);
        assert_eq!(at(120, 10), 3);
        assert_eq!(at(3_660, 10), 1);
        assert_eq!(at(3_720, 10), 0);
        assert_eq!(at(3_780, 3), 0, "it began anew");
        assert_eq!(at(3_840, 4), 1);
    }

    #[test]
    fn a_counter_that_always_grows_costs_bounded_room() {
        let mut growth = Growth::default();
        for second in 0..1_000 {
            growth.note(second, Duration::from_secs(second), HOUR);
        }
        assert_eq!(growth.steps.len(), STEPS_MAX);
        assert_eq!(growth.note(1_000, Duration::from_secs(1_000), HOUR), 1_000);
    }
}
