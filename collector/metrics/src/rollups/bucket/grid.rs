//! Which ticks of an hour lie in which bucket, and what their times alone say. The same for all series that have a value
//! at each of them, so that it is found once.

use super::super::Tier;
use std::ops::Range;

/// The ticks of five minutes.
#[derive(Debug, Clone, Default)]
pub(super) struct Span {
    /// Their places among the hour's ticks.
    pub(super) ticks: Range<usize>,
    /// Milliseconds between them that are no gaps.
    pub(super) millis: i64,
    /// The first interval that is no gap; 0 when there is none.
    pub(super) interval: i64,
    /// All intervals are that one.
    pub(super) even: bool,
}

/// The ticks of an hour.
#[derive(Debug)]
pub(in crate::rollups) struct Grid<'a> {
    pub(super) hour: i64,
    pub(super) times: &'a [i64],
    /// Two ticks further apart than this make no increase, milliseconds.
    pub(super) longest: i64,
    pub(super) spans: [Span; Tier::Minutes.per_hour()],
}

impl<'a> Grid<'a> {
    /// Of these times, sorted and each once. Those outside of the hour are left out.
    pub(in crate::rollups) fn new(hour: i64, times: &'a [i64], longest: i64) -> Self {
        let mut spans: [Span; Tier::Minutes.per_hour()] = Default::default();
        let mut from = times.partition_point(|time| *time < hour);
        let mut end = hour;
        for span in &mut spans {
            end += Tier::Minutes.millis();
            let inside = times.get(from..).unwrap_or_default();
            let own = inside.iter().take_while(|time| **time < end).count();
            *span = Span {
                ticks: from..from + own,
                even: true,
                ..Span::default()
            };
            for pair in inside.get(..own).unwrap_or_default().windows(2) {
                let millis = pair[1] - pair[0];
                if millis > longest {
                    span.even = false;
                    continue;
                }
                if span.interval == 0 {
                    span.interval = millis;
                }
                span.even &= millis == span.interval;
                span.millis += millis;
            }
            from += own;
        }
        Self {
            hour,
            times,
            longest,
            spans,
        }
    }

    /// Start of the hour, epoch milliseconds.
    pub(in crate::rollups) const fn hour(&self) -> i64 {
        self.hour
    }
}
