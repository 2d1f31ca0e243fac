//! Finds the time for which nothing is known.

use crate::rollups::clock::{Clock, LONGEST_DEFAULT_MS};
use tocsin_vocabulary::Timestamp;

/// The gaps of one host, hour by hour.
#[derive(Debug)]
pub(super) struct Observed {
    from: i64,
    to: i64,
    last: Option<i64>,
    /// Longest time between two ticks that is not a gap.
    longest: i64,
    spans: Vec<(Timestamp, Timestamp)>,
}

impl Observed {
    pub(super) const fn new(from: Timestamp, to: Timestamp) -> Self {
        let (from, to) = (from.as_millis(), to.as_millis());
        Self {
            from,
            to,
            last: None,
            longest: LONGEST_DEFAULT_MS,
            spans: Vec::new(),
        }
    }

    /// Takes the ticks of the next hour; returns the longest interval that is not a gap there.
    pub(super) fn add(&mut self, clock: &Clock) -> i64 {
        let before = self.longest;
        self.longest = clock.longest.unwrap_or(before);
        // Where the interval was changed, the slower of both counts for the time between.
        let across = if self.last.is_some() {
            before.max(self.longest)
        } else {
            self.longest
        };
        self.gap(self.last.unwrap_or(self.from), clock.first, across);
        for &(after, before) in &clock.gaps {
            self.gap(after, before, 0);
        }
        self.last = Some(clock.last);
        self.longest
    }

    fn gap(&mut self, after: i64, before: i64, longest: i64) {
        let (start, end) = (after.max(self.from), before.min(self.to));
        if before.saturating_sub(after) > longest && start < end {
            self.spans
                .push((Timestamp::from_millis(start), Timestamp::from_millis(end)));
        }
    }

    pub(super) fn finish(mut self, recorded: &[(Timestamp, Timestamp)]) -> Vec<(Timestamp, Timestamp)> {
        match self.last {
            Some(last) => self.gap(last, self.to, self.longest),
            None => self.gap(self.from, self.to, 0),
        }
        for (from, to) in recorded {
            self.gap(from.as_millis(), to.as_millis(), 0);
        }
        self.spans
    }
}

pub(super) fn merged(mut spans: Vec<(Timestamp, Timestamp)>) -> Vec<(Timestamp, Timestamp)> {
    spans.sort_unstable();
    let mut merged: Vec<(Timestamp, Timestamp)> = Vec::with_capacity(spans.len());
    for (from, to) in spans {
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(times: &[i64], from: i64, to: i64) -> Vec<(i64, i64)> {
        let mut observed = Observed::new(Timestamp::from_millis(from), Timestamp::from_millis(to));
        if let Some(clock) = Clock::of(times) {
            observed.add(&clock);
        }
        observed
            .finish(&[])
            .into_iter()
            .map(|(a, b)| (a.as_millis(), b.as_millis()))
            .collect()
    }

    #[test]
    fn silence_longer_than_two_and_a_half_intervals_is_not_observed() {
        assert_eq!(spans(&[0, 10, 20, 30, 40], 0, 50), []);
        assert_eq!(spans(&[0, 10, 20, 30, 60, 70], 0, 70), [(30, 60)]);
        assert_eq!(spans(&[0, 10, 20], 0, 100), [(20, 100)]);
        assert_eq!(spans(&[50, 60, 70], 0, 70), [(0, 50)]);
        assert_eq!(spans(&[], 5, 9), [(5, 9)]);
    }

    #[test]
    fn two_ticks_far_apart_do_not_vouch_for_the_time_between() {
        assert_eq!(spans(&[0, 1_200_000], 0, 1_200_000), [(0, 1_200_000)]);
    }

    #[test]
    fn spans_of_several_hosts_are_joined() {
        let at = Timestamp::from_millis;
        assert_eq!(
            merged(vec![(at(5), at(9)), (at(1), at(6)), (at(20), at(21))]),
            [(at(1), at(9)), (at(20), at(21))]
        );
    }
}
