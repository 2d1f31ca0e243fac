//! When a value will reach its limit if it goes on as it did: and silence unless it really does go on.
//!
//! The history is cut into 48 slots, each with the mean of its values. A line is laid through them by the median of the
//! slopes of all pairs (Theil–Sen), which a few odd slots can't turn. Most series that rise for a while are going
//! nowhere, so the line counts only if
//!
//! * **it goes on throughout**: from each sixth of the history to the next the median moves as the line does. A step
//!   stands still before and after; a copy that ran once stands still when it is done, and is seen through if it takes
//!   less than half of the history,
//! * **it is the greater part of what is seen**: what the line does not explain is small beside what it rises by. A
//!   sawtooth with short teeth fails,
//! * **it goes beyond what was seen to turn**: where the value fell from in the last eight days, as logs that are rotated
//!   do, a forecast is made only once that height is passed. A sawtooth with long teeth fails from its second tooth on.
//!
//! Nothing is known until the history was watched as a whole.

use std::{collections::VecDeque, time::Duration};
use tocsin_vocabulary::Timestamp;

/// Slots of a history.
const SLOTS: usize = 48;
/// Parts of which each must go on as the whole does.
const PARTS: usize = 6;
/// Slots that a part must have to count: the others were not observed.
const PART_MIN: usize = 4;
/// From part to part the median moves by so much of what the line says.
const PART_SHARE: std::ops::RangeInclusive<f64> = 0.5..=2.0;
/// What the line leaves unexplained in nine of ten slots, as a share of what it rises by.
const NOISE_MAX: f64 = 0.2;
/// A fall of so much of what the history spans is a turn.
const TURN_SHARE: f64 = 0.25;
/// How long a turn is remembered.
const TURN_KEPT: i64 = 8 * 86_400_000;

/// The history of one series, and what follows from it.
#[derive(Debug)]
pub(super) struct Trend {
    limit: f64,
    /// Milliseconds of the history, and of a slot.
    over: i64,
    step: i64,
    slots: VecDeque<Slot>,
    /// When it was first fed since it was empty, and last; and the last value.
    fed: Option<(i64, i64, f64)>,
    line: Line,
    turn: Option<Turn>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    index: i64,
    sum: f64,
    count: f64,
}

/// What was found when the last slot was complete.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Line {
    /// Not enough was seen.
    Unknown,
    /// It goes nowhere.
    Flat,
    /// It goes to the limit: units a millisecond, and where it was at an instant.
    Rising { slope: f64, level: f64, at: i64 },
}

/// Where the value was when it turned; seen so that the limit lies above.
#[derive(Debug, Clone, Copy)]
struct Turn {
    height: f64,
    depth: f64,
    at: i64,
}

impl Trend {
    pub(super) fn new(limit: f64, over: Duration) -> Self {
        let over = i64::try_from(over.as_millis()).unwrap_or(i64::MAX / 2);
        Self {
            limit,
            over,
            step: (over / SLOTS as i64).max(1),
            slots: VecDeque::new(),
            fed: None,
            line: Line::Unknown,
            turn: None,
        }
    }

    pub(super) fn is_like(&self, other: &Self) -> bool {
        (self.limit, self.over) == (other.limit, other.over)
    }

    /// Bytes that it takes beside its own size.
    pub(super) fn bytes_beyond(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
    }

    pub(super) fn take(&mut self, time: Timestamp, value: f64) {
        let time = time.as_millis();
        if let Some((_, last, _)) = self.fed {
            let apart = time.saturating_sub(last);
            if apart.saturating_abs() > self.over {
                (self.slots, self.fed, self.line) = (VecDeque::new(), None, Line::Unknown);
            } else if apart <= 0 {
                return;
            }
        }
        let first = self.fed.map_or(time, |(first, ..)| first);
        self.fed = Some((first, time, value));
        let index = time.div_euclid(self.step);
        if let Some(slot) = self.slots.back_mut().filter(|slot| slot.index == index) {
            slot.sum += value;
            slot.count += 1.0;
            return;
        }
        // The slot before is complete: nothing changes what it says any more.
        if !self.slots.is_empty() {
            self.conclude(first, value);
        }
        let oldest = index - SLOTS as i64;
        while self.slots.front().is_some_and(|slot| slot.index < oldest) {
            self.slots.pop_front();
        }
        self.slots.push_back(Slot {
            index,
            sum: value,
            count: 1.0,
        });
    }

    /// Seconds until the limit: 0 when it is reached, infinite when it is not in sight.
    pub(super) fn seconds_left(&self, now: Timestamp) -> Option<f64> {
        match self.line {
            Line::Unknown => None,
            Line::Flat => Some(f64::INFINITY),
            Line::Rising { slope, level, at } => {
                let (_, last, value) = self.fed?;
                let now = now.as_millis().min(last.saturating_add(self.step));
                let expected = level + slope * now.saturating_sub(at) as f64;
                // Since the line was laid the value may have left it: somebody made room.
                let up = slope.signum();
                let lower = if (value - expected) * up < 0.0 { value } else { expected };
                let left = (self.limit - lower) / slope;
                Some(left.max(0.0) / 1e3)
            }
        }
    }

    fn conclude(&mut self, first: i64, value: f64) {
        // Seen so that the limit lies above; a value that is there already stays above it.
        let up = if self.limit >= value { 1.0 } else { -1.0 };
        let points: Vec<(f64, f64)> = self
            .slots
            .iter()
            .map(|slot| (slot.index as f64 + 0.5, slot.sum / slot.count * up))
            .collect();
        let Some(last) = self.slots.back().map(|slot| slot.index) else {
            return;
        };
        let now = last.saturating_add(1).saturating_mul(self.step);
        self.remember_turn(&points, now);
        let watched = now.saturating_sub(first) >= self.over.saturating_sub(self.step);
        let turned = self.turn.map(|turn| turn.height + TURN_SHARE * turn.depth);
        self.line = match fit(&points, last as f64 + 1.0) {
            _ if !watched => Line::Unknown,
            Fit::Unknown => Line::Unknown,
            Fit::Rising { level, .. } if turned.is_some_and(|height| level < height) => Line::Flat,
            Fit::Rising { slope, level } => Line::Rising {
                slope: slope * up / self.step as f64,
                level: level * up,
                at: now,
            },
            Fit::Flat => Line::Flat,
        };
    }

    /// Remembers from what height the value fell.
    fn remember_turn(&mut self, points: &[(f64, f64)], now: i64) {
        if self.turn.is_some_and(|turn| now.saturating_sub(turn.at) > TURN_KEPT) {
            self.turn = None;
        }
        let Some((_, last)) = points.last() else { return };
        let height = points.iter().map(|(_, y)| *y).fold(f64::MIN, f64::max);
        let depth = height - points.iter().map(|(_, y)| *y).fold(f64::MAX, f64::min);
        if depth > 0.0 && height - last > TURN_SHARE * depth {
            let higher = self.turn.is_none_or(|turn| height >= turn.height);
            match &mut self.turn {
                Some(turn) if !higher => turn.at = now,
                turn => *turn = Some(Turn { height, depth, at: now }),
            }
        }
    }
}

/// What a line through points is worth.
enum Fit {
    Unknown,
    Flat,
    /// Units a slot, and where it is at the end.
    Rising {
        slope: f64,
        level: f64,
    },
}

fn fit(points: &[(f64, f64)], end: f64) -> Fit {
    let begin = end - SLOTS as f64;
    let part_of = |x: f64| {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a small number that is not negative
        let part = ((x - begin) / (SLOTS / PARTS) as f64).max(0.0) as usize;
        part.min(PARTS - 1)
    };
    let mut parts: [Vec<f64>; PARTS] = Default::default();
    for (x, y) in points.iter().filter(|(x, _)| *x >= begin) {
        parts[part_of(*x)].push(*y);
    }
    if parts.iter().any(|part| part.len() < PART_MIN) {
        return Fit::Unknown;
    }
    let mut slopes = Vec::with_capacity(SLOTS * (SLOTS - 1) / 2);
    for (at, (x, y)) in points.iter().enumerate() {
        slopes.extend(points[at + 1..].iter().map(|(later, there)| (there - y) / (later - x)));
    }
    let slope = median(&mut slopes);
    if slope <= 0.0 || !slope.is_finite() {
        return Fit::Flat;
    }
    let medians = parts.map(|mut part| median(&mut part));
    let expected = slope * (SLOTS / PARTS) as f64;
    let goes_on = medians
        .windows(2)
        .all(|pair| PART_SHARE.contains(&((pair[1] - pair[0]) / expected)));
    let mut rests: Vec<f64> = points.iter().map(|(x, y)| y - slope * (x - end)).collect();
    let level = median(&mut rests);
    for rest in &mut rests {
        *rest = (*rest - level).abs();
    }
    rests.sort_by(f64::total_cmp);
    let noise = rests.get(rests.len() * 9 / 10).copied().unwrap_or(f64::INFINITY);
    if goes_on && noise <= NOISE_MAX * slope * SLOTS as f64 {
        Fit::Rising { slope, level }
    } else {
        Fit::Flat
    }
}

/// The middle one; NaN of none.
fn median(values: &mut [f64]) -> f64 {
    let at = values.len() / 2;
    if values.is_empty() {
        return f64::NAN;
    }
    *values.select_nth_unstable_by(at, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: f64 = 86_400.0;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_763_769_600_000 + seconds * 1_000)
    }

    /// Every forecast, in seconds, of a value watched each minute; six hours of history, limit 1.
    fn forecasts(minutes: i64, value: impl Fn(f64) -> f64) -> Vec<Option<f64>> {
        let mut trend = Trend::new(1.0, Duration::from_secs(6 * 3_600));
        (0..minutes)
            .map(|minute| {
                trend.take(at(minute * 60), value(minute as f64 * 60.0));
                trend.seconds_left(at(minute * 60))
            })
            .collect()
    }

    fn is_silent(forecasts: &[Option<f64>]) -> bool {
        forecasts.iter().flatten().all(|left| *left == f64::INFINITY)
    }

    /// Noise that is the same in each run, from -1 to 1.
    fn noise(seconds: f64) -> f64 {
        ((seconds * 12.9898).sin() * 43_758.547).fract()
    }

    #[test]
    fn a_steady_rise_is_foretold_after_the_history_and_not_before() {
        // From a half to full in one day.
        let found = forecasts(12 * 60, |seconds| 0.5 + 0.5 * seconds / DAY + 0.002 * noise(seconds));
        assert!(found[..350].iter().all(Option::is_none));
        for (minute, left) in found.iter().enumerate().skip(380) {
            let expected = DAY - minute as f64 * 60.0;
            let left = left.unwrap();
            assert!((left - expected).abs() < 0.1 * expected, "{minute} {left} {expected}");
        }
    }

    #[test]
    fn a_steady_fall_towards_a_limit_below_is_foretold_too() {
        let mut trend = Trend::new(0.0, Duration::from_secs(6 * 3_600));
        for minute in 0..600 {
            trend.take(at(minute * 60), 100.0 - minute as f64 / 10.0);
        }
        let left = trend.seconds_left(at(599 * 60)).unwrap();
        assert!((left - 401.0 * 60.0).abs() < 600.0, "{left}");
    }

    #[test]
    fn a_history_of_a_minute_serves_one_value_a_second_and_is_silent_for_one_in_ten() {
        let fed = |every: i64| {
            let mut trend = Trend::new(1.0, Duration::from_secs(60));
            for second in (0..100).step_by(usize::try_from(every).unwrap()) {
                trend.take(at(second), second as f64 / 200.0);
            }
            trend.seconds_left(at(99))
        };
        let left = fed(1).unwrap();
        assert!((left - 101.0).abs() < 5.0, "{left}");
        assert_eq!(fed(10), None);
    }

    #[test]
    fn when_room_is_made_the_forecast_goes_away() {
        let found = forecasts(24 * 60, |seconds| {
            let rising = 0.5 + 0.5 * seconds / DAY;
            if seconds > 12.0 * 3_600.0 { rising - 0.4 } else { rising }
        });
        assert!(found[700].unwrap() < DAY);
        assert!(is_silent(&found[740..]), "{:?}", &found[740..760]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn a_step_is_no_trend(when in 0.0..12.0_f64, from in 0.1..0.6_f64, by in 0.05..0.35_f64, rough in 0.0..0.01_f64) {
            let found = forecasts(24 * 60, |seconds| {
                from + if seconds > when * 3_600.0 { by } else { 0.0 } + rough * noise(seconds)
            });
            prop_assert!(is_silent(&found));
        }

        #[test]
        fn a_copy_that_runs_once_is_no_trend(
            when in 0.0..12.0_f64, hours in 0.1..3.0_f64, by in 0.05..0.35_f64, rough in 0.0..0.01_f64,
        ) {
            let found = forecasts(24 * 60, |seconds| {
                0.4 + by * ((seconds / 3_600.0 - when) / hours).clamp(0.0, 1.0) + rough * noise(seconds)
            });
            prop_assert!(is_silent(&found));
        }

        #[test]
        fn a_sawtooth_with_short_teeth_is_no_trend(period in 0.1..5.0_f64, by in 0.05..0.35_f64, rough in 0.0..0.01_f64) {
            let found = forecasts(36 * 60, |seconds| {
                0.4 + by * (seconds / 3_600.0 / period).fract() + rough * noise(seconds)
            });
            prop_assert!(is_silent(&found));
        }

        #[test]
        fn a_sawtooth_with_long_teeth_is_no_trend_once_a_tooth_was_seen(
            hours in 6_u16..48, by in 0.05..0.35_f64, rough in 0.0..0.002_f64,
        ) {
            let period = f64::from(hours);
            let found = forecasts(150 * 60, |seconds| {
                0.4 + by * (seconds / 3_600.0 / period).fract() + rough * noise(seconds)
            });
            // Shortly after the first tooth ended.
            prop_assert!(is_silent(&found[usize::from(hours) * 60 + 20..]));
        }

        #[test]
        fn any_rise_that_is_clear_is_foretold(hours in 8.0..48.0_f64, from in 0.2..0.7_f64, rough in 0.0..0.003_f64) {
            let found = forecasts(7 * 60, |seconds| {
                from + (1.0 - from) * seconds / 3_600.0 / hours + rough * noise(seconds)
            });
            let expected = (hours - 7.0) * 3_600.0;
            let left = found.last().unwrap().unwrap();
            prop_assert!((left - expected).abs() < 0.25 * expected.max(3_600.0), "{left} {expected}");
        }

        #[test]
        fn memory_is_bounded_and_nothing_breaks(values in prop::collection::vec((any::<f64>(), -1_000_000_i64..4_000_000), 0..300)) {
            let mut trend = Trend::new(1.0, Duration::from_secs(1_800));
            let mut time = 0;
            for (value, apart) in values.into_iter().filter(|(value, _)| value.is_finite()) {
                time += apart / 20;
                trend.take(Timestamp::from_millis(time), value);
                let left = trend.seconds_left(Timestamp::from_millis(time));
                prop_assert!(left.is_none_or(|left| left >= 0.0 || left.is_nan()));
                prop_assert!(trend.slots.len() <= SLOTS + 1);
            }
        }
    }
}
