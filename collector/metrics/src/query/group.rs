//! Groups of series made one, and the greatest or least of many.

use super::{Across, Query, Rank, SeriesData, Top};
use crate::{config::QUERY_SERIES_MAX, error::QueryError};
use std::collections::BTreeMap;
use tocsin_vocabulary::{Kind, Label, Timestamp};

/// Most values kept for quantiles: 128 MiB.
const VALUES_MAX: usize = 16 << 20;
/// The attribute by which series are grouped by host.
const HOST: &str = "host";

/// What becomes of one step of a group.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    count: u32,
    sum: f64,
    min: f64,
    max: f64,
}

#[derive(Debug)]
struct Group {
    kind: Kind,
    unit: Label,
    times: Vec<Timestamp>,
    steps: Vec<Sums>,
    /// For quantiles.
    values: Vec<Vec<f64>>,
}

/// The groups so far, by metric, unit and the values of what they are grouped by.
#[derive(Debug)]
pub(super) struct Groups<'a> {
    by: &'a [String],
    across: Across,
    groups: BTreeMap<(Label, Label, Vec<String>), Group>,
    values: usize,
}

impl<'a> Groups<'a> {
    pub(super) const fn new(by: &'a [String], across: Across) -> Self {
        Self {
            by,
            across,
            groups: BTreeMap::new(),
            values: 0,
        }
    }

    pub(super) fn add(&mut self, series: &SeriesData) -> Result<(), QueryError> {
        let key = (series.name.clone(), series.unit.clone(), self.key(series));
        let (quantile, max) = (matches!(self.across, Across::Quantile(_)), QUERY_SERIES_MAX);
        if self.groups.len() >= max && !self.groups.contains_key(&key) {
            return Err(QueryError::Series { max });
        }
        let group = self.groups.entry(key).or_insert_with(|| Group {
            kind: series.kind,
            unit: series.unit.clone(),
            times: series.points.iter().map(|(time, _)| *time).collect(),
            steps: vec![Sums::default(); series.points.len()],
            values: vec![Vec::new(); if quantile { series.points.len() } else { 0 }],
        });
        for (at, (_, value)) in series.points.iter().enumerate() {
            let (Some(value), Some(sums)) = (value, group.steps.get_mut(at)) else {
                continue;
            };
            sums.min = if sums.count == 0 { *value } else { sums.min.min(*value) };
            sums.max = if sums.count == 0 { *value } else { sums.max.max(*value) };
            sums.sum += value;
            sums.count += 1;
            if let Some(values) = group.values.get_mut(at) {
                values.push(*value);
                self.values += 1;
            }
        }
        if self.values > VALUES_MAX {
            return Err(QueryError::Samples { max: VALUES_MAX as u64 });
        }
        Ok(())
    }

    fn key(&self, series: &SeriesData) -> Vec<String> {
        let value = |key: &String| {
            if key == HOST {
                return series.host.map(|host| host.to_string()).unwrap_or_default();
            }
            let found = series.attributes.iter().find(|(known, _)| known == key);
            found.map(|(_, value)| value.to_string()).unwrap_or_default()
        };
        self.by.iter().map(value).collect()
    }

    /// One series for each group.
    pub(super) fn finish(self) -> impl Iterator<Item = SeriesData> {
        let (by, across) = (self.by.to_vec(), self.across);
        self.groups.into_iter().map(move |((name, _, values), mut group)| {
            let named = by.iter().zip(values).filter(|(_, value)| !value.is_empty());
            let mut attributes: Vec<(Label, Label)> = named.map(|(key, value)| (key.into(), value.into())).collect();
            attributes.sort_unstable();
            let steps = std::mem::take(&mut group.steps);
            let mut values = std::mem::take(&mut group.values).into_iter();
            let points = group.times.iter().zip(&steps).map(|(time, sums)| {
                let values = values.next().unwrap_or_default();
                (*time, (sums.count > 0).then(|| value(across, sums, values)))
            });
            let edge = |of: fn(&Sums) -> f64| steps.iter().map(|sums| (sums.count > 0).then(|| of(sums))).collect();
            SeriesData {
                host: None,
                name,
                attributes,
                unit: if across == Across::Count {
                    "1".into()
                } else {
                    group.unit
                },
                kind: group.kind,
                points: points.collect(),
                min: edge(|sums| sums.min),
                max: edge(|sums| sums.max),
            }
        })
    }
}

fn value(across: Across, sums: &Sums, values: Vec<f64>) -> f64 {
    match across {
        Across::Sum => sums.sum,
        Across::Avg => sums.sum / f64::from(sums.count),
        Across::Min => sums.min,
        Across::Max => sums.max,
        Across::Count => f64::from(sums.count),
        Across::Quantile(q) => quantile(values, q),
    }
}

/// The value below which a share `q` of the values lies, by linear interpolation between neighbours.
fn quantile(mut values: Vec<f64>, q: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = q.clamp(0.0, 1.0) * last as f64;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // within the length of a vector
    let below = (place.floor() as usize).min(last);
    let (low, high) = (values[below], values[(below + 1).min(last)]);
    (high - low).mul_add(place - below as f64, low)
}

/// The series with the greatest or least values so far.
#[derive(Debug)]
pub(super) struct Best {
    top: Top,
    /// The best first.
    kept: Vec<(f64, SeriesData)>,
}

impl Best {
    pub(super) const fn new(top: Top) -> Self {
        Self { top, kept: Vec::new() }
    }

    /// Takes a series; one without any value is never among the best.
    pub(super) fn add(&mut self, series: SeriesData) {
        let Some(rank) = rank(self.top.by, &series) else {
            return;
        };
        let lowest = self.top.lowest;
        let better = |known: f64| if lowest { known <= rank } else { known >= rank };
        let at = self.kept.partition_point(|(known, _)| better(*known));
        if at < self.top.k {
            self.kept.insert(at, (rank, series));
            self.kept.truncate(self.top.k);
        }
    }

    pub(super) fn finish(self) -> impl Iterator<Item = SeriesData> {
        self.kept.into_iter().map(|(_, series)| series)
    }
}

fn rank(by: Rank, series: &SeriesData) -> Option<f64> {
    let mut values = series
        .points
        .iter()
        .filter_map(|(_, value)| *value)
        .filter(|value| value.is_finite());
    match by {
        Rank::Max => values.reduce(f64::max),
        Rank::Min => values.reduce(f64::min),
        Rank::Last => values.next_back(),
        Rank::Avg => {
            let (count, sum) = values.fold((0_u32, 0.0), |(count, sum), value| (count + 1, sum + value));
            (count > 0).then(|| sum / f64::from(count))
        }
    }
}

/// Where the series of a query go on their way to the caller.
#[derive(Debug)]
pub(super) enum Sink<'a> {
    /// Straight there.
    Each,
    /// Into groups, and the groups perhaps through a choice.
    Groups(Groups<'a>),
    /// Through a choice.
    Best(Best),
}

impl<'a> Sink<'a> {
    pub(super) fn new(query: &'a Query) -> Self {
        match (&query.group_by, query.top) {
            (Some(by), _) => Self::Groups(Groups::new(by, query.across)),
            (None, Some(top)) => Self::Best(Best::new(top)),
            (None, None) => Self::Each,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tocsin_vocabulary::HostId;

    fn series(host: u8, zone: &str, values: &[Option<f64>]) -> SeriesData {
        let points = (0..).zip(values);
        SeriesData {
            host: Some(HostId::from_bytes([host; 16])),
            name: "load".into(),
            attributes: vec![("zone".into(), zone.into())],
            unit: "1".into(),
            kind: Kind::Gauge,
            points: points
                .map(|(at, value)| (Timestamp::from_millis(at * 1_000), *value))
                .collect(),
            min: Vec::new(),
            max: Vec::new(),
        }
    }

    fn fleet() -> Vec<SeriesData> {
        vec![
            series(1, "a", &[Some(1.0), None, Some(3.0)]),
            series(2, "a", &[Some(5.0), None, None]),
            series(3, "b", &[Some(2.0), Some(9.0), Some(4.0)]),
        ]
    }

    fn grouped(by: &[&str], across: Across) -> Vec<(String, Vec<Option<f64>>)> {
        let by: Vec<String> = by.iter().map(|key| (*key).to_owned()).collect();
        let mut groups = Groups::new(&by, across);
        fleet().iter().for_each(|series| groups.add(series).unwrap());
        let one = |series: SeriesData| {
            let key = series.attributes.first().map(|(_, value)| value.to_string());
            let values = series.points.iter().map(|(_, value)| *value).collect();
            (key.unwrap_or_default(), values)
        };
        groups.finish().map(one).collect()
    }

    #[test]
    fn groups_are_made_step_by_step_and_silence_stays_silence() {
        let zones = grouped(&["zone"], Across::Sum);
        assert_eq!(zones[0], ("a".into(), vec![Some(6.0), None, Some(3.0)]));
        assert_eq!(zones[1], ("b".into(), vec![Some(2.0), Some(9.0), Some(4.0)]));
        let one = |across| grouped(&[], across).remove(0).1;
        assert_eq!(one(Across::Avg), [Some(8.0 / 3.0), Some(9.0), Some(3.5)]);
        assert_eq!(one(Across::Min)[0], Some(1.0));
        assert_eq!(one(Across::Max)[2], Some(4.0));
        assert_eq!(one(Across::Count), [Some(3.0), Some(1.0), Some(2.0)]);
        assert_eq!(one(Across::Quantile(0.5)), [Some(2.0), Some(9.0), Some(3.5)]);
        assert_eq!(one(Across::Quantile(0.75))[0], Some(3.5));
        assert_eq!(grouped(&["host"], Across::Sum).len(), 3);
    }

    #[test]
    fn the_best_are_found_by_what_is_asked_for() {
        let hosts = |by, lowest, k| -> Vec<u8> {
            let mut best = Best::new(Top { k, by, lowest });
            fleet().into_iter().for_each(|series| best.add(series));
            best.finish().map(|series| series.host.unwrap().as_bytes()[0]).collect()
        };
        assert_eq!(hosts(Rank::Max, false, 2), [3, 2]);
        assert_eq!(hosts(Rank::Max, true, 2), [1, 2]);
        assert_eq!(hosts(Rank::Last, false, 3), [2, 3, 1]);
        assert_eq!(hosts(Rank::Avg, true, 1), [1]);
    }
}
