//! Questions: which series, which time, which step, which aggregate, and perhaps which groups or which few of many.
//!
//! A query walks its hosts in batches, each batch day by day and hour by hour, oldest first, through rollups, blocks and
//! head, and folds what it finds, so that its memory is a day of the matching series of some hosts and their answer.
//! Blocks are read without any lock.
//!
//! A step of whole hours is answered from hourly rollups, one of five minutes times anything from the others, and the
//! answer is the one that the samples themselves would give. Where rollups don't reach, at the edges, and for what they
//! don't hold (the mean of a counter, the rate of a gauge) the blocks are read. Where these are gone, rollups answer
//! whatever the step, a point for each bucket; a step at the edge is then that of its whole bucket.
//!
//! Large questions enter by a gate, few at a time, and run on threads of low priority.

mod batch;
mod budget;
mod fold;
pub(crate) mod gate;
mod group;
mod hour;
mod latest;
mod observed;
mod run;
mod wanted;

pub use budget::QueryBudget;
pub use latest::{LatestSelector, LatestValue};

use crate::{
    config::{POINTS_MAX, QUERY_SERIES_MAX},
    error::QueryError,
};
use std::time::Duration;
use tocsin_vocabulary::{HostId, Kind, Label, Timestamp};

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

/// How the values that several series have at one step become one.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Across {
    /// Their sum.
    #[default]
    Sum,
    /// Their mean.
    Avg,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// How many there are.
    Count,
    /// The value below which this share of them lies, 0 to 1, interpolated between neighbours.
    Quantile(f64),
}

/// What series are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// Their greatest point.
    Max,
    /// Their least point.
    Min,
    /// The mean of their points.
    Avg,
    /// Their last point.
    Last,
}

/// A choice of few series among many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Top {
    /// How many.
    pub k: usize,
    /// By what.
    pub by: Rank,
    /// The least instead of the greatest.
    pub lowest: bool,
}

/// A question. [`Query::new`] asks for all series of a metric.
#[derive(Debug, Clone)]
pub struct Query {
    /// Of these hosts; empty means all.
    pub hosts: Vec<HostId>,
    /// Metric names; a `*` in one stands for any characters.
    pub metrics: Vec<String>,
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
    /// One series for each metric and each set of values of these attributes (`host` is the host's id) in place of its
    /// members; an empty list makes one of all. Needs steps.
    pub group_by: Option<Vec<String>>,
    /// How the members of a group become one. Rates are made before.
    pub across: Across,
    /// Only the greatest or least series, or groups.
    pub top: Option<Top>,
    /// What the query may cost.
    pub budget: QueryBudget,
}

/// One series of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesData {
    /// Whose; `None` for a group.
    pub host: Option<HostId>,
    /// Metric name.
    pub name: Label,
    /// Attribute pairs sorted by key; of a group those that it was made by.
    pub attributes: Vec<(Label, Label)>,
    /// Unit; that of a rate ends in `/s`.
    pub unit: Label,
    /// Gauge or counter, as declared.
    pub kind: Kind,
    /// Time and value; `None` where a step has no data or the value is not finite.
    pub points: Vec<(Timestamp, Option<f64>)>,
    /// With steps: the least value of each point; of a group, the least of its members' points. Otherwise empty.
    pub min: Vec<Option<f64>>,
    /// With steps: the greatest value of each point, as above. Otherwise empty.
    pub max: Vec<Option<f64>>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct QueryResult {
    /// Series sorted by host, then in order of their dictionary; groups by metric and attributes; a choice by rank.
    pub series: Vec<SeriesData>,
    /// Spans within `from..=to` in which some of the hosts sent no tick for longer than 2.5 of its usual intervals,
    /// sorted and disjoint.
    pub not_observed: Vec<(Timestamp, Timestamp)>,
}

impl Query {
    /// All series of `metric` of all hosts, every tick as it is.
    #[must_use]
    pub fn new(metric: impl Into<String>, from: Timestamp, to: Timestamp) -> Self {
        Self {
            hosts: Vec::new(),
            metrics: vec![metric.into()],
            attributes: Vec::new(),
            from,
            to,
            step: None,
            aggregate: None,
            group_by: None,
            across: Across::default(),
            top: None,
            budget: QueryBudget::default(),
        }
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
        if matches!(self.across, Across::Quantile(q) if !(0.0..=1.0).contains(&q)) {
            return Err(QueryError::Invalid("the quantile is not between 0 and 1"));
        }
        let Some(step) = self.step else {
            if self.group_by.is_some() {
                return Err(QueryError::Invalid("groups need a step"));
            }
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
