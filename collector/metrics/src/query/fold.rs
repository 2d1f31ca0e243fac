//! Folds the samples of one series, oldest first, into points.

mod whole;

pub(super) use whole::Ticks;

use super::{Aggregate, hour::Sample};
use crate::{config::POINTS_MAX, error::QueryError, rollups::bucket::Bucket};
use tocsin_vocabulary::Timestamp;

/// What is known of a step, or of a part of it.
#[derive(Debug, Clone, Copy)]
struct Part {
    count: f64,
    sum: f64,
    min: f64,
    max: f64,
    last: f64,
    increase: f64,
    seconds: f64,
}

impl Part {
    const fn of(value: f64) -> Self {
        Self {
            count: 1.0,
            sum: value,
            min: value,
            max: value,
            last: value,
            increase: 0.0,
            seconds: 0.0,
        }
    }

    /// Of an increase over time.
    const fn rate(increase: f64, seconds: f64) -> Self {
        Self {
            increase,
            seconds,
            ..Self::of(increase / seconds)
        }
    }

    const fn join(&mut self, later: &Self) {
        self.count += later.count;
        self.sum += later.sum;
        self.min = self.min.min(later.min);
        self.max = self.max.max(later.max);
        self.last = later.last;
        self.increase += later.increase;
        self.seconds += later.seconds;
    }

    const fn value(&self, aggregate: Aggregate) -> f64 {
        match aggregate {
            Aggregate::Last => self.last,
            Aggregate::Avg => self.sum / self.count,
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
    open: Option<(i64, Part)>,
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
            open: None,
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

    /// Takes the next samples, sorted by time; of those with one time the first counts. Two that are further apart than
    /// `longest` milliseconds make no rate.
    pub(super) fn add(&mut self, samples: impl IntoIterator<Item = Sample>, longest: i64) -> Result<(), QueryError> {
        let mut before = i64::MIN;
        for (time, value) in samples {
            if time <= before {
                continue;
            }
            before = time;
            if self.aggregate != Aggregate::Rate {
                if time >= self.from {
                    self.put(time, value.map(Part::of))?;
                }
            } else if let Some(value) = value
                && let Some(part) = self.pair(time, value, longest)
            {
                self.put(time, Some(part))?;
            }
        }
        Ok(())
    }

    /// The increase from the sample before to this one, if both make one within the range.
    fn pair(&mut self, time: i64, value: f64, longest: i64) -> Option<Part> {
        let (last_time, last_value) = self
            .last
            .replace((time, value))
            .filter(|(last_time, _)| time - last_time <= longest)?;
        let increase = if value >= last_value { value - last_value } else { value };
        let seconds = (time - last_time) as f64 / 1_000.0;
        (time >= self.from && seconds > 0.0).then(|| Part::rate(increase, seconds))
    }

    /// Takes the next bucket of a rollup, which begins at `start`. When it is the only one of its time it tells its width,
    /// milliseconds.
    #[inline]
    pub(super) fn add_bucket(
        &mut self,
        (start, width): (i64, Option<i64>),
        bucket: &Bucket,
        longest: i64,
    ) -> Result<(), QueryError> {
        let at = start.max(self.from);
        if let Some(width) = width
            && self.step == Some(width)
        {
            let value = match self.aggregate {
                Aggregate::Avg => Some(bucket.sum / bucket.count),
                Aggregate::Min => Some(bucket.min),
                Aggregate::Max => Some(bucket.max),
                Aggregate::Last => Some(bucket.last),
                Aggregate::Rate => None,
            };
            if let Some(value) = value {
                self.put_step(start, width, value, (bucket.min, bucket.max));
                return Ok(());
            }
        }
        self.join_bucket(at, bucket, longest)
    }

    fn join_bucket(&mut self, at: i64, bucket: &Bucket, longest: i64) -> Result<(), QueryError> {
        if self.aggregate != Aggregate::Rate {
            let part = Part {
                count: bucket.count,
                sum: bucket.sum,
                min: bucket.min,
                max: bucket.max,
                last: bucket.last,
                increase: 0.0,
                seconds: 0.0,
            };
            return self.put(at, Some(part));
        }
        let mut part = self.pair(bucket.first_at, bucket.first, longest);
        if bucket.millis > 0 {
            let inside = Part {
                min: bucket.slowest,
                max: bucket.fastest,
                ..Part::rate(bucket.increase, bucket.millis as f64 / 1_000.0)
            };
            match &mut part {
                Some(part) => part.join(&inside),
                None => part = Some(inside),
            }
        }
        self.last = Some((bucket.last_at, bucket.last));
        match part {
            Some(mut part) => {
                part.last = part.value(Aggregate::Rate);
                self.put(at, Some(part))
            }
            None => Ok(()),
        }
    }

    /// Notes the last sample before the range, for a rate to begin with.
    pub(super) const fn seed(&mut self, time: i64, value: f64) {
        self.last = Some((time, value));
    }

    fn put(&mut self, time: i64, part: Option<Part>) -> Result<(), QueryError> {
        let Some(step) = self.step else {
            if self.points.len() >= POINTS_MAX {
                return Err(QueryError::Points {
                    found: POINTS_MAX as u64 + 1,
                    max: POINTS_MAX,
                });
            }
            let value = part.map(|part| part.value(self.aggregate));
            self.points.push((Timestamp::from_millis(time), value));
            return Ok(());
        };
        let Some(part) = part else { return Ok(()) };
        let mut start = None;
        if let Some((open_start, open)) = &mut self.open {
            let next = *open_start + step;
            if (*open_start..next).contains(&time) {
                open.join(&part);
                return Ok(());
            }
            // Steps mostly follow each other, and dividing takes longer than all of the rest here.
            start = Some(next).filter(|next| (*next..*next + step).contains(&time));
        }
        self.flush(step);
        self.open = Some((start.unwrap_or_else(|| time.div_euclid(step) * step), part));
        Ok(())
    }

    /// Writes a whole step, of which nothing else is to come.
    #[inline]
    fn put_step(&mut self, start: i64, step: i64, value: f64, edges: (f64, f64)) {
        self.flush(step);
        self.write(start, step, value, edges);
    }

    /// Writes the step that was filled.
    #[inline]
    fn flush(&mut self, step: i64) {
        if let Some((start, part)) = self.open.take() {
            self.write(start, step, part.value(self.aggregate), (part.min, part.max));
        }
    }

    /// Writes a step, and nothing for the ones before it that were not filled.
    #[inline]
    fn write(&mut self, start: i64, step: i64, value: f64, (min, max): (f64, f64)) {
        if self.points.is_empty() {
            let grid = self.grid();
            self.points.reserve(grid);
            self.min.reserve(grid);
            self.max.reserve(grid);
        }
        self.pad(start, step);
        self.points.push((Timestamp::from_millis(start), Some(value)));
        self.min.push(Some(min));
        self.max.push(Some(max));
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
        fold.add(samples.iter().copied(), FAR).unwrap();
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
    fn a_bucket_as_wide_as_a_step_is_its_point() {
        let bucket = |sum: f64| Bucket {
            count: 4.0,
            min: 1.0,
            max: sum,
            sum,
            last: 2.0,
            ..Bucket::default()
        };
        for aggregate in [Aggregate::Avg, Aggregate::Min, Aggregate::Max, Aggregate::Last] {
            let folded = |width: Option<i64>| {
                let at = Timestamp::from_millis;
                let mut fold = Fold::new(aggregate, at(1_500), at(7_999), Some(1_000));
                fold.add([(1_600, Some(3.0))], FAR).unwrap();
                for start in [3_000, 4_000, 6_000] {
                    fold.add_bucket((start, width), &bucket(start as f64), FAR).unwrap();
                }
                fold.finish()
            };
            let (points, min, max) = folded(Some(1_000));
            assert_eq!(
                (&points, &min, &max),
                (&folded(None).0, &folded(None).1, &folded(None).2)
            );
            assert_eq!((points.len(), min[2], max[3]), (7, Some(1.0), Some(4_000.0)));
        }
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
            [
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
        let error = fold.add(samples, FAR).unwrap_err().to_string();
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
            fold.add(inside[..split].iter().copied(), FAR).unwrap();
            fold.add(inside[split..].iter().copied(), FAR).unwrap();
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
