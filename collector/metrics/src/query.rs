//! Questions: which series, which time, which step, which aggregate.
//!
//! A query walks each host hour by hour, oldest first, through blocks and head, and folds what it finds, so that its
//! memory is an hour of the matching series and its answer. Blocks are read without any lock.

mod fold;
mod walk;

use crate::{
    config::{POINTS_MAX, QUERY_SERIES_MAX},
    error::QueryError,
    head::END_OF_TIME_MS,
    host::Host,
    store::Store,
};
use fold::Fold;
use std::{sync::Arc, time::Duration};
use tocsin_vocabulary::{HostId, Kind, Series, Timestamp};

/// Most points of all series of one answer together.
const POINTS_TOTAL_MAX: usize = 2_000_000;
/// How far before `from` a query looks for the sample that a rate and a gap begin with.
const LOOKBACK: Duration = Duration::from_secs(600);

/// How the samples of a step become one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregate {
    /// The last one.
    Last,
    /// Their mean.
    Avg,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// Increase per second, across resets: a fall means that the counter began again at zero.
    Rate,
}

/// A question.
#[derive(Debug, Clone)]
pub struct Query {
    /// Of these hosts; empty means all.
    pub hosts: Vec<HostId>,
    /// Metric name.
    pub metric: String,
    /// Attributes that a series must have; others don't matter.
    pub attributes: Vec<(String, String)>,
    /// First instant.
    pub from: Timestamp,
    /// Last instant, inclusive. What lies after *now* counts as not observed: ask no further.
    pub to: Timestamp,
    /// Width of a step. A point at *t* stands for `t ≤ sample < t + step`, *t* a multiple of the step. Without it:
    /// every tick as it is.
    pub step: Option<Duration>,
    /// `None`: rate for counters; for gauges the mean of a step, or the value without steps.
    pub aggregate: Option<Aggregate>,
}

/// One series of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesData {
    /// Whose.
    pub host: HostId,
    /// Metric name.
    pub name: String,
    /// Attribute pairs sorted by key.
    pub attributes: Vec<(String, String)>,
    /// Unit; that of a rate ends in `/s`.
    pub unit: String,
    /// Gauge or counter, as declared.
    pub kind: Kind,
    /// Time and value; `None` where a step has no data or the value is not finite.
    pub points: Vec<(Timestamp, Option<f64>)>,
    /// With steps: the least value of each point. Otherwise empty.
    pub min: Vec<Option<f64>>,
    /// With steps: the greatest value of each point. Otherwise empty.
    pub max: Vec<Option<f64>>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct QueryResult {
    /// Series sorted by host, then in order of their dictionary.
    pub series: Vec<SeriesData>,
    /// Spans within `from..=to` in which some of the hosts sent no tick for longer than 2.5 of its usual intervals,
    /// sorted and disjoint.
    pub not_observed: Vec<(Timestamp, Timestamp)>,
}

impl Query {
    fn matches(&self, series: &Series) -> bool {
        series.name == self.metric
            && self
                .attributes
                .iter()
                .all(|(key, value)| series.attribute(key) == Some(value.as_str()))
    }

    fn aggregate_for(&self, kind: Kind) -> Aggregate {
        self.aggregate.unwrap_or(match kind {
            Kind::Counter => Aggregate::Rate,
            Kind::Gauge => Aggregate::Avg,
        })
    }

    /// The step in milliseconds, its grid counted.
    fn check(&self) -> Result<Option<i64>, QueryError> {
        if self.to < self.from {
            return Err(QueryError::Invalid("the query ends before it begins"));
        }
        let Some(step) = self.step else {
            return Ok(None);
        };
        let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
        if step == 0 {
            return Err(QueryError::Invalid("the step is zero"));
        }
        let steps = self
            .to
            .as_millis()
            .div_euclid(step)
            .saturating_sub(self.from.as_millis().div_euclid(step));
        let found = u64::try_from(steps).unwrap_or(0).saturating_add(1);
        if found > POINTS_MAX as u64 {
            Err(QueryError::Points { found, max: POINTS_MAX })
        } else {
            Ok(Some(step))
        }
    }
}

impl Store {
    /// Answers a question.
    ///
    /// # Errors
    /// When the question is not one, its answer would exceed a limit, or a block can't be read.
    pub fn query(&self, query: &Query) -> Result<QueryResult, QueryError> {
        let inside = |time: Timestamp| Timestamp::from_millis(time.as_millis().clamp(0, END_OF_TIME_MS));
        let query = &Query {
            from: inside(query.from),
            to: inside(query.to),
            ..query.clone()
        };
        let step = query.check()?;
        let mut result = QueryResult::default();
        let hosts = self.asked(query);
        if hosts.len() < query.hosts.len() {
            result.not_observed.push((query.from, query.to));
        }
        for host in hosts {
            self.query_host(query, &host, step, &mut result)?;
        }
        result.not_observed = merged(std::mem::take(&mut result.not_observed));
        Ok(result)
    }

    fn asked(&self, query: &Query) -> Vec<Arc<Host>> {
        let hosts = &self.shared().hosts;
        if query.hosts.is_empty() {
            return hosts.all();
        }
        query.hosts.iter().filter_map(|id| hosts.find(*id)).collect()
    }

    fn query_host(
        &self,
        query: &Query,
        host: &Host,
        step: Option<i64>,
        result: &mut QueryResult,
    ) -> Result<(), QueryError> {
        let begin = query.from.minus(LOOKBACK);
        let mut walk = walk::Walk::new(self.shared(), host, query, begin)?;
        let mut folds: Vec<Fold> = Vec::new();
        let mut observed = Observed::new(query.from, query.to);
        while let Some(hour) = walk.next_hour()? {
            let longest = observed.add(&hour.times);
            for series in &walk.series[folds.len()..] {
                folds.push(Fold::new(query.aggregate_for(series.kind), query.from, query.to, step));
            }
            limit_series(result.series.len() + folds.len(), folds.first().map_or(0, Fold::grid))?;
            for (fold, samples) in folds.iter_mut().zip(hour.samples) {
                fold.add(&samples, longest)?;
            }
        }
        for (series, fold) in std::mem::take(&mut walk.series).into_iter().zip(folds) {
            let rate = query.aggregate_for(series.kind) == Aggregate::Rate;
            let Series {
                name,
                attributes,
                kind,
                unit,
                ..
            } = series;
            let unit = if rate { format!("{unit}/s") } else { unit };
            let (points, min, max) = fold.finish();
            result.series.push(SeriesData {
                host: host.id,
                name,
                attributes,
                unit,
                kind,
                points,
                min,
                max,
            });
        }
        result.not_observed.extend(observed.finish(&host.lock().gaps));
        Ok(())
    }
}

fn limit_series(series: usize, grid: usize) -> Result<(), QueryError> {
    if series > QUERY_SERIES_MAX {
        return Err(QueryError::Series { max: QUERY_SERIES_MAX });
    }
    if series.saturating_mul(grid) > POINTS_TOTAL_MAX {
        let max = POINTS_TOTAL_MAX / series.max(1);
        return Err(QueryError::Points {
            found: grid as u64,
            max,
        });
    }
    Ok(())
}

/// Finds the time for which nothing is known.
#[derive(Debug)]
struct Observed {
    from: i64,
    to: i64,
    last: Option<i64>,
    /// Longest time between two ticks that is not a gap.
    longest: i64,
    spans: Vec<(Timestamp, Timestamp)>,
}

impl Observed {
    /// Before anything is known of a host: two and a half minutes, the slowest sampling.
    const LONGEST_DEFAULT_MS: i64 = 150_000;

    const fn new(from: Timestamp, to: Timestamp) -> Self {
        let (from, to) = (from.as_millis(), to.as_millis());
        Self {
            from,
            to,
            last: None,
            longest: Self::LONGEST_DEFAULT_MS,
            spans: Vec::new(),
        }
    }

    /// Takes the tick times of the next hour; returns the longest interval that is not a gap there.
    fn add(&mut self, times: &[i64]) -> i64 {
        let mut intervals: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let before = self.longest;
        if !intervals.is_empty() {
            let middle = intervals.len() / 2;
            let usual = *intervals.select_nth_unstable(middle).1;
            // Few ticks with a gap among them would pass it off as their interval.
            self.longest = (usual.saturating_mul(5) / 2).min(Self::LONGEST_DEFAULT_MS);
        }
        // Where the interval was changed, the slower of both counts for the time between.
        let across = if self.last.is_some() {
            before.max(self.longest)
        } else {
            self.longest
        };
        for (index, &time) in times.iter().enumerate() {
            let longest = if index == 0 { across } else { self.longest };
            self.gap(self.last.unwrap_or(self.from), time, longest);
            self.last = Some(time);
        }
        self.longest
    }

    fn gap(&mut self, after: i64, before: i64, longest: i64) {
        let (start, end) = (after.max(self.from), before.min(self.to));
        if before.saturating_sub(after) > longest && start < end {
            self.spans
                .push((Timestamp::from_millis(start), Timestamp::from_millis(end)));
        }
    }

    fn finish(mut self, recorded: &[(Timestamp, Timestamp)]) -> Vec<(Timestamp, Timestamp)> {
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

fn merged(mut spans: Vec<(Timestamp, Timestamp)>) -> Vec<(Timestamp, Timestamp)> {
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
        observed.add(times);
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
