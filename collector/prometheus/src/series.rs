//! Series as Prometheus sees them: the labels of each cell of a dictionary.

use crate::wire::Label;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tocsin_vocabulary::{
    Dictionary, Hash, Series,
    prometheus::{NAME_LABEL, labels, metric_name},
};

/// Most series whose labels are kept at once, about 60 MB; beyond it they are made anew.
const KEPT_SERIES_MAX: usize = 200_000;
/// What Prometheus itself takes for *not a number*; other bit patterns have meanings of their own there.
const NAN_BITS: u64 = 0x7FF8_0000_0000_0001;

/// One series of a dictionary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Labels with the metric's name, without those of the host, sorted by name.
    pub(crate) labels: Vec<(String, String)>,
    /// Digits after the point.
    pub(crate) decimals: u8,
}

impl Shape {
    pub(crate) fn of(series: &Series) -> Self {
        let mut labels = labels(series);
        labels.push((NAME_LABEL.to_owned(), metric_name(series)));
        labels.sort_unstable();
        Self {
            labels,
            decimals: series.decimals,
        }
    }
}

/// Labels of a series with those of its host and further ones, sorted by name, each name once: its own win.
pub(crate) fn merged(own: &[(String, String)], others: &[(String, String)]) -> Vec<Label> {
    let is_own = |name: &str| own.iter().any(|(own, _)| own == name);
    let foreign = others.iter().filter(|(name, _)| !is_own(name));
    let mut labels: Vec<Label> = own
        .iter()
        .chain(foreign)
        .map(|(name, value)| Label {
            name: name.clone(),
            value: value.clone(),
        })
        .collect();
    labels.sort_unstable();
    labels
}

/// A value as it is sent.
pub(crate) fn plain(value: f64) -> f64 {
    if value.is_nan() {
        f64::from_bits(NAN_BITS)
    } else {
        value
    }
}

/// The shapes of dictionaries, cell by cell; none for what is not passed on.
pub(crate) type Shapes = Arc<[Option<Shape>]>;

/// Shapes of dictionaries that were met. Equal hosts share them.
#[derive(Debug, Default)]
pub(crate) struct ShapeCache {
    known: HashMap<Hash, Shapes>,
    series: usize,
}

impl ShapeCache {
    /// Those of a dictionary; `wanted` tells by metric name what is passed on. Of series that would have the same labels
    /// only the first is.
    pub(crate) fn get(&mut self, dictionary: &Dictionary, wanted: impl Fn(&str) -> bool) -> Shapes {
        if let Some(shapes) = self.known.get(&dictionary.hash()) {
            return shapes.clone();
        }
        if self.series + dictionary.len() > KEPT_SERIES_MAX {
            self.known.clear();
            self.series = 0;
        }
        let mut met = HashSet::new();
        let shape = |series: &Series| {
            let shape = wanted(&series.name).then(|| Shape::of(series))?;
            met.insert(shape.labels.clone()).then_some(shape)
        };
        let shapes: Shapes = dictionary.series().map(shape).collect();
        self.known.insert(dictionary.hash(), shapes.clone());
        self.series += dictionary.len();
        shapes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tocsin_vocabulary::{Section, catalogue::metric};

    #[test]
    fn labels_are_sorted_and_the_series_own_win() {
        let own = vec![
            ("__name__".to_owned(), "up".to_owned()),
            ("device".to_owned(), "sda".to_owned()),
        ];
        let others = vec![
            ("host".to_owned(), "db1".to_owned()),
            ("device".to_owned(), "x".to_owned()),
            ("Zone".to_owned(), "z".to_owned()),
        ];
        let found = merged(&own, &others);
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|label| (label.name.as_str(), label.value.as_str()))
            .collect();
        assert_eq!(
            found,
            [("Zone", "z"), ("__name__", "up"), ("device", "sda"), ("host", "db1")]
        );
    }

    #[test]
    fn series_that_would_meet_are_sent_once() {
        let mut twin = metric("system.uptime").unwrap().series(&[]);
        twin.name = "system_uptime".into();
        let section = Section::new(vec![
            metric("system.uptime").unwrap().series(&[]),
            twin,
            metric("system.cpu.time").unwrap().series(&[]),
        ]);
        let dictionary = Dictionary::new(vec![Arc::new(section)]);
        let shapes = ShapeCache::default().get(&dictionary, |name| !name.starts_with("system.cpu."));
        assert_eq!(
            shapes.iter().map(Option::is_some).collect::<Vec<_>>(),
            [true, false, false]
        );
    }
}
