//! What is usual at this hour of this weekday, learnt from eight weeks of hourly means.
//!
//! The usual value is the median of the same hour of the week and its two neighbours, over the weeks; the usual deviation
//! their median deviation from it. The mean of the last half hour is compared, for single values scatter more than means
//! of hours do. Hours are those of UTC: the same hour of two weeks is, whatever the zone.

use super::{Hourly, window::Window};
use crate::rule::{Direction, Function};
use std::time::Duration;
use tocsin_vocabulary::Timestamp;

const HOUR: i64 = 3_600_000;
/// Hours of a week.
const WEEK: i64 = 168;
/// Weeks that are remembered.
const WEEKS: i64 = 8;
/// History without which nothing is known, and how much of it must have been observed.
const LEARNT_AFTER: i64 = 14 * 24;
const OBSERVED_MIN: usize = 10 * 24;
/// Values without which a slot says nothing.
const SLOT_MIN: usize = 4;
/// Turns a median deviation into a standard deviation, for a normal distribution.
const MAD_TO_DEVIATION: f64 = 1.4826;
/// Even the steadiest value deviates by so much of itself.
const DEVIATION_MIN: f64 = 0.01;
/// How much of the present is compared.
const PRESENT: Duration = Duration::from_secs(1_800);

/// The past of one series.
#[derive(Debug)]
pub(super) struct Baseline {
    /// Mean of an hour, by its number modulo [`WEEKS`] weeks; NaN where nothing was observed. Empty until needed.
    hours: Vec<f32>,
    /// The first hour that was observed, and the last one that is in `hours`.
    known: Option<(i64, i64)>,
    /// The hour that is going on: number, sum, count.
    current: Option<(i64, f64, f64)>,
    present: Window,
    /// What is usual in an hour: its number, the usual value and deviation.
    usual: Option<(i64, Option<(f64, f64)>)>,
}

impl Baseline {
    pub(super) fn new() -> Self {
        Self {
            hours: Vec::new(),
            known: None,
            current: None,
            present: Window::new(Function::Avg, PRESENT),
            usual: None,
        }
    }

    /// Bytes that it takes beside its own size.
    pub(super) fn bytes_beyond(&self) -> usize {
        size_of_val(&*self.hours) + self.present.bytes_beyond()
    }

    pub(super) fn learn(&mut self, hours: &[Hourly]) {
        for one in hours.iter().filter(|one| one.mean.is_finite()) {
            self.keep(one.hour.as_millis().div_euclid(HOUR), one.mean);
        }
        self.usual = None;
    }

    /// Forgets the hour that is going on and the present: they are about to be told again.
    pub(super) fn forget_present(&mut self) {
        self.current = None;
        self.present = Window::new(Function::Avg, PRESENT);
    }

    pub(super) fn take(&mut self, time: Timestamp, value: f64) {
        self.present.take(time, value, false);
        let hour = time.as_millis().div_euclid(HOUR);
        match &mut self.current {
            Some((current, sum, count)) if *current == hour => {
                *sum += value;
                *count += 1.0;
            }
            current => {
                if let Some((before, sum, count)) = current.replace((hour, value, 1.0)) {
                    self.keep(before, sum / count);
                }
            }
        }
    }

    /// How many usual deviations the present is from what is usual; `None` while that is not known.
    pub(super) fn deviation(&mut self, now: Timestamp, least: f64, direction: Direction) -> Option<f64> {
        let present = self.present.comes_to(now)?;
        let hour = now.as_millis().div_euclid(HOUR);
        let usual = match self.usual {
            Some((of, usual)) if of == hour => usual,
            _ => self.usual.insert((hour, self.work_out(hour))).1,
        };
        let (usual, deviation) = usual?;
        let apart = present - usual;
        let apart = match direction {
            _ if apart.abs() < least => 0.0,
            Direction::Any => apart.abs(),
            Direction::Increase => apart.max(0.0),
            Direction::Decrease => (-apart).max(0.0),
        };
        Some(if apart == 0.0 { 0.0 } else { apart / deviation })
    }

    fn keep(&mut self, hour: i64, mean: f64) {
        let span = WEEK * WEEKS;
        let (first, last) = self.known.unwrap_or((hour, hour));
        if hour <= last - span {
            return;
        }
        if self.hours.is_empty() {
            self.hours = (0..span).map(|_| f32::NAN).collect();
        }
        // What was there eight weeks ago is no longer known, also for the hours in between.
        for passed in (last + 1).max(hour - span)..hour {
            self.hours[place(passed)] = f32::NAN;
        }
        #[allow(clippy::cast_possible_truncation)] // seven digits are enough for what is usual
        let mean = mean as f32;
        self.hours[place(hour)] = mean;
        self.known = Some((first.min(hour).max(last.max(hour) - span), last.max(hour)));
    }

    fn work_out(&self, hour: i64) -> Option<(f64, f64)> {
        let (first, last) = self.known?;
        let observed = self.hours.iter().filter(|mean| !mean.is_nan()).count();
        if hour - first < LEARNT_AFTER || observed < OBSERVED_MIN || hour - last > WEEK {
            return None;
        }
        let mut values: Vec<f64> = Vec::new();
        for week in 0..WEEKS {
            for near in -1..=1 {
                let past = hour - week * WEEK + near;
                if past >= hour || past > last || past <= last - WEEK * WEEKS {
                    continue;
                }
                let mean = self.hours[place(past)];
                values.extend((!mean.is_nan()).then_some(f64::from(mean)));
            }
        }
        if values.len() < SLOT_MIN {
            return None;
        }
        let usual = median(&mut values);
        for value in &mut values {
            *value = (*value - usual).abs();
        }
        let deviation = median(&mut values) * MAD_TO_DEVIATION;
        Some((usual, deviation.max(DEVIATION_MIN * usual.abs()).max(f64::MIN_POSITIVE)))
    }
}

/// Where an hour is kept.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a remainder of 1 344
const fn place(hour: i64) -> usize {
    hour.rem_euclid(WEEK * WEEKS) as usize
}

/// The middle one, of at least one.
fn median(values: &mut [f64]) -> f64 {
    let at = values.len() / 2;
    *values.select_nth_unstable_by(at, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Monday, 2025-11-17T00:00:00Z.
    const MONDAY: i64 = 1_763_337_600_000;

    /// Busy on working days from 8 to 18.
    fn usual(hour: i64) -> f64 {
        let working = hour.rem_euclid(168) < 120 && (8..18).contains(&hour.rem_euclid(24));
        let scatter = (hour * 7_919 % 13) as f64 / 13.0;
        if working {
            100.0 + 10.0 * scatter
        } else {
            10.0 + scatter
        }
    }

    fn learnt(hours: i64) -> Baseline {
        let mut baseline = Baseline::new();
        let past: Vec<Hourly> = (-hours..0)
            .map(|hour| Hourly {
                hour: Timestamp::from_millis(MONDAY + hour * HOUR),
                mean: usual(hour),
            })
            .collect();
        baseline.learn(&past);
        baseline
    }

    /// The deviation after an hour of `value` from an hour of the week on.
    fn deviation(baseline: &mut Baseline, hour: i64, value: f64) -> Option<f64> {
        let mut found = None;
        for minute in 0..60 {
            let now = Timestamp::from_millis(MONDAY + hour * HOUR + minute * 60_000);
            baseline.take(now, value);
            found = baseline.deviation(now, 0.0, Direction::Any);
        }
        found
    }

    #[test]
    fn what_is_usual_by_day_is_not_at_night() {
        let mut baseline = learnt(4 * 168);
        assert!(deviation(&mut baseline, 3, 10.5).unwrap() < 5.0);
        assert!(deviation(&mut baseline, 4, 105.0).unwrap() > 20.0);
        assert!(deviation(&mut baseline, 12, 105.0).unwrap() < 3.0);
        assert!(deviation(&mut baseline, 14, 10.5).unwrap() > 5.0);
    }

    #[test]
    fn before_two_weeks_nothing_is_unusual() {
        assert_eq!(deviation(&mut learnt(13 * 24), 4, 1e9), None);
        assert!(deviation(&mut learnt(15 * 24), 4, 1e9).is_some());
        assert_eq!(deviation(&mut Baseline::new(), 4, 1e9), None);
    }

    #[test]
    fn ticks_teach_as_hours_do_and_old_weeks_are_forgotten() {
        let mut fed = Baseline::new();
        for minute in -15 * 24 * 6..0 {
            let now = Timestamp::from_millis(MONDAY + minute * 600_000);
            fed.take(now, usual(minute.div_euclid(6)));
        }
        let taught = deviation(&mut learnt(15 * 24), 4, 30.0).unwrap();
        let fed = deviation(&mut fed, 4, 30.0).unwrap();
        assert!((fed - taught).abs() < 0.05 * taught, "{fed} {taught}");
        let mut baseline = learnt(20 * 168);
        assert!(baseline.known.unwrap().0 >= MONDAY / HOUR - 8 * 168 - 1);
        assert!(deviation(&mut baseline, 3, 10.5).unwrap() < 5.0);
    }

    #[test]
    fn least_and_direction_keep_small_and_welcome_deviations_quiet() {
        let mut baseline = learnt(4 * 168);
        deviation(&mut baseline, 4, 30.0);
        let now = Timestamp::from_millis(MONDAY + 5 * HOUR - 60_000);
        assert_eq!(baseline.deviation(now, 25.0, Direction::Any), Some(0.0));
        assert_eq!(baseline.deviation(now, 0.0, Direction::Decrease), Some(0.0));
        assert!(baseline.deviation(now, 0.0, Direction::Increase).unwrap() > 5.0);
    }
}
