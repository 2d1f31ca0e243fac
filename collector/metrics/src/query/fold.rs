//! Folds the samples of one series, oldest first, into points.

use super::{Aggregate, walk::Sample};
use crate::{config::POINTS_MAX, error::QueryError};
use tocsin_vocabulary::Timestamp;

/// What is known of the step that is being filled.
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    count: u32,
    sum: f64,
    min: f64,
    max: f64,
    last: f64,
    increase: f64,
    seconds: f64,
}

impl Bucket {
    fn add(&mut self, value: f64) {
        self.min = if self.count == 0 { value } else { self.min.min(value) };
        self.max = if self.count == 0 { value } else { self.max.max(value) };
        self.sum += value;
        self.last = value;
        self.count += 1;
    }

    fn value(&self, aggregate: Aggregate) -> f64 {
        match aggregate {
            Aggregate::Last => self.last,
            Aggregate::Avg => self.sum / f64::from(self.count),
            Aggregate::Min => self.min,
            Aggregate::Max => self.max,
            Aggregate::Rate => self.increase / self.seconds,
        }
    }
}

/// Points with least and greatest values.
pub(super) type Folded = (Vec<(Timestamp, Option<f64>)>, Vec<Option<f64>>, Vec<Option<f64>>);

/// One series on its way to points.
#[derive(Debug)]
pub(super) struct Fold {
    aggregate: Aggregate,
    from: i64,
    to: i64,
    step: Option<i64>,
    /// The sample before, for rates.
    last: Option<(i64, f64)>,
    /// Start and content of the step that is being filled.
    bucket: Option<(i64, Bucket)>,
    points: Vec<(Timestamp, Option<f64>)>,
    min: Vec<Option<f64>>,
    max: Vec<Option<f64>>,
}

impl Fold {
    pub(super) const fn new(aggregate: Aggregate, from: Timestamp, to: Timestamp, step: Option<i64>) -> Self {
        Self {
            aggregate,
            from: from.as_millis(),
            to: to.as_millis(),
            step,
            last: None,
            bucket: None,
            points: Vec::new(),
            min: Vec::new(),
            max: Vec::new(),
        }
    }

    /// Points of the whole grid; without steps, those so far.
    pub(super) fn grid(&self) -> usize {
        match self.step {
            Some(step) => {
                usize::try_from(self.to.div_euclid(step) - self.from.div_euclid(step) + 1).unwrap_or(usize::MAX)
            }
            None => self.points.len(),
        }
    }

    /// Takes the next samples; two that are further apart than `longest` milliseconds make no rate.
    pub(super) fn add(&mut self, samples: &[Sample], longest: i64) -> Result<(), QueryError> {
        for &(time, value) in samples {
            if self.aggregate == Aggregate::Rate {
                self.add_rate(time, value, longest)?;
            } else if time >= self.from {
                self.put(time, value, (0.0, 0.0))?;
            }
        }
        Ok(())
    }

    fn add_rate(&mut self, time: i64, value: Option<f64>, longest: i64) -> Result<(), QueryError> {
        let Some(value) = value else { return Ok(()) };
        let before = self.last.replace((time, value));
        let Some((last_time, last_value)) = before.filter(|(last_time, _)| time - last_time <= longest) else {
            return Ok(());
        };
        let increase = if value >= last_value { value - last_value } else { value };
        let seconds = (time - last_time) as f64 / 1_000.0;
        if time >= self.from && seconds > 0.0 {
            self.put(time, Some(increase / seconds), (increase, seconds))?;
        }
        Ok(())
    }

    fn put(&mut self, time: i64, value: Option<f64>, (increase, seconds): (f64, f64)) -> Result<(), QueryError> {
        let Some(step) = self.step else {
            if self.points.len() >= POINTS_MAX {
                return Err(QueryError::Points {
                    found: POINTS_MAX as u64 + 1,
                    max: POINTS_MAX,
                });
            }
            self.points.push((Timestamp::from_millis(time), value));
            return Ok(());
        };
        let Some(value) = value else { return Ok(()) };
        let start = time.div_euclid(step) * step;
        if self.bucket.is_some_and(|(open, _)| open != start) {
            self.flush(step);
        }
        let bucket = &mut self.bucket.get_or_insert((start, Bucket::default())).1;
        bucket.add(value);
        bucket.increase += increase;
        bucket.seconds += seconds;
        Ok(())
    }

    /// Writes the step that was filled, and nothing for the ones before it that were not.
    fn flush(&mut self, step: i64) {
        let Some((start, bucket)) = self.bucket.take() else {
            return;
        };
        self.pad(start, step);
        self.points
            .push((Timestamp::from_millis(start), Some(bucket.value(self.aggregate))));
        self.min.push(Some(bucket.min));
        self.max.push(Some(bucket.max));
    }

    fn pad(&mut self, until: i64, step: i64) {
        let next = self
            .points
            .last()
            .map_or(self.from.div_euclid(step) * step, |(time, _)| time.as_millis() + step);
        let mut at = next;
        while at < until {
            self.points.push((Timestamp::from_millis(at), None));
            self.min.push(None);
            self.max.push(None);
            at += step;
        }
    }

    pub(super) fn finish(mut self) -> Folded {
        if let Some(step) = self.step {
            self.flush(step);
            self.pad((self.to.div_euclid(step) + 1) * step, step);
        }
        (self.points, self.min, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FAR: i64 = i64::MAX / 4;

    fn fold(aggregate: Aggregate, range: (i64, i64), step: Option<i64>, samples: &[Sample]) -> Folded {
        let mut fold = Fold::new(
            aggregate,
            Timestamp::from_millis(range.0),
            Timestamp::from_millis(range.1),
            step,
        );
        fold.add(samples, FAR).unwrap();
        fold.finish()
    }

    #[test]
    fn steps_are_aligned_and_empty_ones_are_null() {
        let samples = [(1_000, Some(1.0)), (1_500, Some(3.0)), (3_200, Some(5.0))];
        let (points, min, max) = fold(Aggregate::Avg, (1_000, 4_000), Some(1_000), &samples);
        let at = Timestamp::from_millis;
        assert_eq!(
            points,
            [
                (at(1_000), Some(2.0)),
                (at(2_000), None),
                (at(3_000), Some(5.0)),
                (at(4_000), None)
            ]
        );
        assert_eq!((min[0], max[0], min[1]), (Some(1.0), Some(3.0), None));
    }

    #[test]
    fn a_rate_does_not_bridge_a_gap() {
        let mut fold = Fold::new(
            Aggregate::Rate,
            Timestamp::from_millis(0),
            Timestamp::from_millis(99_000),
            None,
        );
        fold.add(
            &[
                (0, Some(0.0)),
                (1_000, Some(5.0)),
                (60_000, Some(500.0)),
                (61_000, Some(501.0)),
            ],
            2_500,
        )
        .unwrap();
        let values: Vec<_> = fold.finish().0.into_iter().map(|(_, value)| value.unwrap()).collect();
        assert_eq!(values, [5.0, 1.0]);
    }

    #[test]
    fn too_many_points_are_refused() {
        let samples: Vec<Sample> = (0..=11_000).map(|time| (time, Some(0.0))).collect();
        let mut fold = Fold::new(
            Aggregate::Last,
            Timestamp::from_millis(0),
            Timestamp::from_millis(99_000),
            None,
        );
        let error = fold.add(&samples, FAR).unwrap_err().to_string();
        assert!(error.contains("11000"), "{error}");
    }

    /// The increase in each step, counted the slow way.
    fn oracle(samples: &[Sample], from: i64, to: i64, step: i64) -> Vec<Option<f64>> {
        let steps = from.div_euclid(step)..=to.div_euclid(step);
        let one = |index: i64| {
            let (mut increase, mut seconds) = (0.0, 0.0);
            for pair in samples.windows(2) {
                let ((before, old), (time, new)) = ((pair[0].0, pair[0].1.unwrap()), (pair[1].0, pair[1].1.unwrap()));
                if time.div_euclid(step) == index && time >= from {
                    increase += if new < old { new } else { new - old };
                    seconds += (time - before) as f64 / 1_000.0;
                }
            }
            (seconds > 0.0).then_some(increase / seconds)
        };
        steps.map(one).collect()
    }

    proptest! {
        #[test]
        fn rates_across_resets_agree_with_counting(
            deltas in prop::collection::vec((1_i64..4_000, 0_u32..1_000), 0..80),
            from in 0_i64..50_000, length in 0_i64..80_000, step in 500_i64..20_000, split in any::<prop::sample::Index>(),
        ) {
            let mut time = 0;
            let samples: Vec<Sample> = deltas.iter().map(|(pause, value)| { time += pause; (time, Some(f64::from(*value))) }).collect();
            let to = from + length;
            let inside: Vec<Sample> = samples.iter().copied().filter(|(time, _)| *time <= to).collect();
            let mut fold = Fold::new(Aggregate::Rate, Timestamp::from_millis(from), Timestamp::from_millis(to), Some(step));
            let split = split.index(inside.len() + 1);
            fold.add(&inside[..split], FAR).unwrap();
            fold.add(&inside[split..], FAR).unwrap();
            let expected = oracle(&inside, from, to, step);
            prop_assert_eq!(fold.grid(), expected.len());
            let found: Vec<_> = fold.finish().0.into_iter().map(|(_, value)| value).collect();
            prop_assert_eq!(found.len(), expected.len());
            for (found, expected) in found.into_iter().zip(expected) {
                match (found, expected) {
                    (Some(found), Some(expected)) => prop_assert!((found - expected).abs() <= expected.abs() * 1e-9),
                    (found, expected) => prop_assert_eq!(found, expected),
                }
            }
        }
    }
}
