//! Folds a series that has a whole number at each tick of an hour: step by step in whole numbers, and only what a step
//! comes to is divided by its decimals.

use super::{Fold, Part};
use crate::{error::QueryError, head::HOUR_MS, query::Aggregate};
use std::ops::Range;
use tocsin_vocabulary::batch::Cell;

/// The ticks of an hour and the steps that they lie in: the same for all series of the hour.
#[derive(Debug)]
pub(in crate::query) struct Ticks<'a> {
    times: &'a [i64],
    /// Where each step begins, and its ticks, those before the query's begin left out.
    steps: Vec<(i64, Range<usize>)>,
    step: i64,
    /// No step has ticks of two hours.
    within_hours: bool,
    /// Two ticks further apart make no rate, milliseconds.
    longest: i64,
}

impl<'a> Ticks<'a> {
    /// Of these times, sorted and each once.
    pub(in crate::query) fn new(times: &'a [i64], from: i64, step: i64, longest: i64) -> Self {
        let mut steps = Vec::new();
        let mut at = times.partition_point(|time| *time < from);
        while let Some(time) = times.get(at) {
            let start = time.div_euclid(step) * step;
            let rest = times.get(at..).unwrap_or_default();
            let own = rest.iter().take_while(|time| **time < start + step).count();
            steps.push((start, at..at + own));
            at += own;
        }
        Self {
            times,
            steps,
            step,
            within_hours: HOUR_MS % step == 0,
            longest,
        }
    }
}

/// Wide, so that no sum of an hour and no difference overflows.
type Wide = i128;

/// The increases of a step.
#[derive(Default)]
struct Increases {
    sum: Wide,
    millis: i64,
    slow: Option<(Wide, i64)>,
    fast: Option<(Wide, i64)>,
}

impl Increases {
    fn add(&mut self, increase: Wide, millis: i64) {
        self.sum += increase;
        self.millis += millis;
        let pair = (increase, millis);
        if self.slow.is_none_or(|slow| is_slower(pair, slow)) {
            self.slow = Some(pair);
        }
        if self.fast.is_none_or(|fast| is_slower(fast, pair)) {
            self.fast = Some(pair);
        }
    }

    fn part(&self, decimals: u8) -> Option<Part> {
        let rate = |(increase, millis): (Wide, i64)| scaled(increase, decimals) / (millis as f64 / 1_000.0);
        let (slow, fast) = self.slow.zip(self.fast)?;
        Some(Part {
            min: rate(slow),
            max: rate(fast),
            ..Part::rate(scaled(self.sum, decimals), self.millis as f64 / 1_000.0)
        })
    }
}

/// The value of a number that is counted in the series' decimals.
fn scaled(number: Wide, decimals: u8) -> f64 {
    let value = |number: i64| Cell::Scaled(number).to_f64(decimals).unwrap_or(0.0);
    i64::try_from(number).map_or_else(|_| number as f64 * value(1), value)
}

fn is_slower(one: (Wide, i64), two: (Wide, i64)) -> bool {
    if one.1 == two.1 {
        one.0 < two.0
    } else {
        one.0 * Wide::from(two.1) < two.0 * Wide::from(one.1)
    }
}

fn increase(before: i64, after: i64) -> Wide {
    if after >= before {
        Wide::from(after) - Wide::from(before)
    } else {
        Wide::from(after)
    }
}

impl Fold {
    /// Takes the number that each tick of the next hour has. Needs steps.
    pub(in crate::query) fn add_whole(
        &mut self,
        ticks: &Ticks<'_>,
        number: impl Fn(usize) -> i64,
        decimals: u8,
    ) -> Result<(), QueryError> {
        let value = |number: i64| scaled(Wide::from(number), decimals);
        if self.aggregate == Aggregate::Rate {
            return self.add_whole_rates(ticks, number, decimals);
        }
        for (start, step) in &ticks.steps {
            let (mut min, mut max, mut sum) = (i64::MAX, i64::MIN, 0);
            for at in step.clone() {
                let number = number(at);
                min = min.min(number);
                max = max.max(number);
                sum += Wide::from(number);
            }
            let Some(time) = ticks.times.get(step.start) else {
                continue;
            };
            let (min, max, count) = (value(min), value(max), step.len() as f64);
            if ticks.within_hours {
                let value = match self.aggregate {
                    Aggregate::Avg => scaled(sum, decimals) / count,
                    Aggregate::Min => min,
                    Aggregate::Max => max,
                    Aggregate::Last | Aggregate::Rate => value(number(step.end - 1)),
                };
                self.put_step(*start, ticks.step, value, (min, max));
                continue;
            }
            let part = Part {
                count,
                sum: scaled(sum, decimals),
                min,
                max,
                last: value(number(step.end - 1)),
                increase: 0.0,
                seconds: 0.0,
            };
            self.put(*time, Some(part))?;
        }
        Ok(())
    }

    fn add_whole_rates(
        &mut self,
        ticks: &Ticks<'_>,
        number: impl Fn(usize) -> i64,
        decimals: u8,
    ) -> Result<(), QueryError> {
        let times = ticks.times;
        let Some((&first, &last)) = times.first().zip(times.last()) else {
            return Ok(());
        };
        let across = self.pair(first, scaled(Wide::from(number(0)), decimals), ticks.longest);
        if let Some(across) = across {
            self.put(first, Some(across))?;
        }
        for (_, step) in &ticks.steps {
            let mut increases = Increases::default();
            for at in step.start.max(1)..step.end {
                let millis = times[at] - times[at - 1];
                if millis <= ticks.longest {
                    increases.add(increase(number(at - 1), number(at)), millis);
                }
            }
            if let Some(part) = increases.part(decimals) {
                self.put(times[step.start], Some(part))?;
            }
        }
        self.last = Some((last, scaled(Wide::from(number(times.len() - 1)), decimals)));
        Ok(())
    }
}
