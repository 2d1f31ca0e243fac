//! What the values of a span come to, in at most sixty slots of it.

use crate::rule::Function;
use std::{collections::VecDeque, time::Duration};
use tocsin_vocabulary::Timestamp;

/// Slots that a span is divided into. A window forgets by slots, so it reaches back for its span to within a sixtieth.
const SLOTS: i64 = 60;

/// A span that moves along with time.
#[derive(Debug)]
pub(super) struct Window {
    function: Function,
    /// Milliseconds of a slot.
    step: i64,
    /// Milliseconds of the span.
    span: i64,
    slots: VecDeque<Slot>,
    /// When it was first fed since it was empty, and last.
    fed: Option<(i64, i64)>,
}

/// What some values come to; which two figures are kept depends on the function.
#[derive(Debug, Clone, Copy)]
struct Slot {
    /// Which slot since 1970.
    index: i64,
    /// Sum, minimum, maximum, or the first value.
    a: f64,
    /// Number of values, or the last value.
    b: f64,
}

impl Window {
    pub(super) fn new(function: Function, span: Duration) -> Self {
        let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX / 2);
        Self {
            function,
            step: (span / SLOTS).max(1),
            span,
            slots: VecDeque::new(),
            fed: None,
        }
    }

    pub(super) fn is_like(&self, other: &Self) -> bool {
        (self.function, self.span) == (other.function, other.span)
    }

    /// Bytes that it takes beside its own size.
    pub(super) fn bytes_beyond(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
    }

    /// Takes a value. `resets` says that a value which fell is a counter that began anew.
    pub(super) fn take(&mut self, time: Timestamp, value: f64, resets: bool) {
        let time = time.as_millis();
        if let Some((_, last)) = self.fed {
            let apart = time.saturating_sub(last);
            if apart.saturating_abs() > self.span {
                self.empty(); // what is in it is of another time
            } else if apart <= 0 {
                return; // the clock was set back a little: what was seen stays
            }
        }
        if resets && self.slots.back().is_some_and(|slot| value < slot.b) {
            self.empty();
        }
        self.fed = Some((self.fed.map_or(time, |(first, _)| first), time));
        let index = time.div_euclid(self.step);
        match self.slots.back_mut().filter(|slot| slot.index == index) {
            Some(slot) => slot.add(self.function, value),
            None => {
                self.forget(index);
                self.slots.push_back(Slot::new(index, self.function, value));
            }
        }
    }

    /// What the span that ends now comes to; `None` while it was not watched as a whole.
    pub(super) fn comes_to(&mut self, now: Timestamp) -> Option<f64> {
        let (first, last) = self.fed?;
        let now = now.as_millis();
        if now.saturating_sub(last) > self.span {
            return None;
        }
        if last.saturating_sub(first) < self.span.saturating_sub(self.step) {
            return None;
        }
        self.forget(last.div_euclid(self.step));
        let each = self.slots.iter();
        match self.function {
            Function::Avg => {
                let (sum, count) = each.fold((0.0, 0.0), |(sum, count), slot| (sum + slot.a, count + slot.b));
                Some(sum / count)
            }
            Function::Min => each.map(|slot| slot.a).reduce(f64::min),
            Function::Max => each.map(|slot| slot.a).reduce(f64::max),
            Function::Delta => Some(self.slots.back()?.b - self.slots.front()?.a),
            Function::Quantile(share) => {
                let mut means: Vec<f64> = each.map(|slot| slot.a / slot.b).collect();
                let at = (share * means.len().saturating_sub(1) as f64).round();
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // an index, and not negative
                let at = (at as usize).min(means.len().checked_sub(1)?);
                Some(*means.select_nth_unstable_by(at, f64::total_cmp).1)
            }
        }
    }

    fn empty(&mut self) {
        self.slots.clear();
        self.fed = None;
    }

    /// Drops the slots that lie before the span which ends in `index`.
    fn forget(&mut self, index: i64) {
        let oldest = index.saturating_sub(self.span / self.step);
        while self.slots.front().is_some_and(|slot| slot.index <= oldest) {
            self.slots.pop_front();
        }
    }
}

impl Slot {
    const fn new(index: i64, function: Function, value: f64) -> Self {
        let b = match function {
            Function::Avg | Function::Quantile(_) => 1.0,
            _ => value,
        };
        Self { index, a: value, b }
    }

    fn add(&mut self, function: Function, value: f64) {
        match function {
            Function::Avg | Function::Quantile(_) => {
                self.a += value;
                self.b += 1.0;
            }
            Function::Min => self.a = self.a.min(value),
            Function::Max => self.a = self.a.max(value),
            Function::Delta => self.b = value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000_000 + seconds * 1_000)
    }

    fn fed(function: Function, span: u64, values: &[f64]) -> Option<f64> {
        let mut window = Window::new(function, Duration::from_secs(span));
        let mut last = None;
        for (tick, value) in values.iter().enumerate() {
            let time = at(tick as i64 * 10);
            window.take(time, *value, false);
            last = window.comes_to(time);
        }
        last
    }

    #[test]
    fn a_window_knows_nothing_until_it_was_watched_as_a_whole() {
        assert_eq!(fed(Function::Avg, 60, &[1.0; 6]), None);
        assert_eq!(fed(Function::Avg, 60, &[1.0; 7]), Some(1.0));
    }

    #[test]
    fn each_function_is_that_of_the_last_span_alone() {
        let values = [100.0, 100.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        assert_eq!(fed(Function::Avg, 60, &values), Some(3.5));
        assert_eq!(fed(Function::Min, 60, &values), Some(1.0));
        assert_eq!(fed(Function::Max, 60, &values), Some(6.0));
        assert_eq!(fed(Function::Delta, 60, &values), Some(5.0));
        assert_eq!(fed(Function::Quantile(0.5), 50, &values), Some(4.0));
        assert_eq!(fed(Function::Quantile(1.0), 50, &values), Some(6.0));
    }

    #[test]
    fn after_a_gap_longer_than_the_span_it_begins_anew() {
        let mut window = Window::new(Function::Max, Duration::from_secs(60));
        for tick in 0..10 {
            window.take(at(tick * 10), 9.0, false);
        }
        window.take(at(200), 1.0, false);
        assert_eq!(window.comes_to(at(200)), None);
        for tick in 21..=26 {
            window.take(at(tick * 10), 1.0, false);
        }
        assert_eq!(window.comes_to(at(260)), Some(1.0));
    }

    #[test]
    fn a_counter_that_began_anew_gives_no_delta_until_the_span_is_over() {
        let mut window = Window::new(Function::Delta, Duration::from_secs(60));
        for tick in 0..8 {
            window.take(at(tick * 10), 1_000.0 + tick as f64, true);
        }
        assert_eq!(window.comes_to(at(70)), Some(5.0));
        window.take(at(80), 0.0, true);
        assert_eq!(window.comes_to(at(80)), None);
    }

    proptest! {
        #[test]
        fn it_comes_to_what_the_plain_arithmetic_of_the_last_span_does(values in prop::collection::vec(-1e6_f64..1e6, 70..200)) {
            // Ticks of a second and a span of a minute: each slot is one value.
            for function in [Function::Avg, Function::Min, Function::Max, Function::Delta] {
                let mut window = Window::new(function, Duration::from_secs(60));
                for (tick, value) in values.iter().enumerate() {
                    window.take(at(tick as i64), *value, false);
                    window.take(at(tick as i64), *value, false);
                }
                let last = &values[values.len() - 60..];
                let expected = match function {
                    Function::Avg => last.iter().sum::<f64>() / 60.0,
                    Function::Min => last.iter().copied().reduce(f64::min).unwrap(),
                    Function::Max => last.iter().copied().reduce(f64::max).unwrap(),
                    _ => last[59] - last[0],
                };
                let found = window.comes_to(at(values.len() as i64 - 1)).unwrap();
                prop_assert!((found - expected).abs() < 1e-6, "{found} {expected}");
                prop_assert!(window.slots.len() <= 60);
            }
        }
    }
}
