//! How a series of ours is called in Prometheus, the one place that knows: `tocsin-agent sample`, export, remote-read and
//! federation all name by it.
//!
//! | of ours | there |
//! |---|---|
//! | metric name `system.cpu.time` | every character that is neither a letter nor a digit of ASCII becomes `_` |
//! | unit `By`, `s`, `bit/s` | suffix `_bytes`, `_seconds`, `_bits_per_second` |
//! | unit `1`, a gauge with decimals | suffix `_ratio` |
//! | counter | suffix `_total`, after the unit |
//! | attribute `disk.io.direction` | label of that name with `_` likewise |
//! | host | labels of [`HOST_LABELS`], which no attribute may take |
//!
//! So `system.cpu.time` with `cpu.mode=user` is `system_cpu_time_seconds_total{cpu_mode="user"}`, as the OpenTelemetry rules
//! for Prometheus have it. Several names of ours may become one name there; [`Names`] answers all of them.

use crate::{
    catalogue::METRICS,
    series::{Kind, Series},
};
use std::collections::{BTreeMap, BTreeSet};

/// The label that holds the metric's name.
pub const NAME_LABEL: &str = "__name__";
/// Labels that say whose a series is: the host's name, its id, its customer's name, its site's name. They are put beside
/// those of the series; an attribute that would be called the same bears [`ATTRIBUTE_PREFIX`].
pub const HOST_LABELS: [&str; 4] = ["customer", "host", "host_id", "site"];
/// Before the name of an attribute that would be taken for a label of the host, or that Prometheus keeps for itself.
pub const ATTRIBUTE_PREFIX: &str = "attribute_";

/// The metric name of a series: `system_cpu_time_seconds_total`.
#[must_use]
pub fn metric_name(series: &Series) -> String {
    name_of(&series.name, &series.unit, series.kind, series.decimals)
}

fn name_of(name: &str, unit: &str, kind: Kind, decimals: u8) -> String {
    let mut name = word(name);
    let unit = match (unit, kind) {
        ("By", _) => "_bytes",
        ("s", _) => "_seconds",
        ("bit/s", _) => "_bits_per_second",
        ("1", Kind::Gauge) if decimals > 0 => "_ratio",
        _ => "",
    };
    name.push_str(unit);
    if kind == Kind::Counter {
        name.push_str("_total");
    }
    name
}

/// The label of an attribute: `cpu.mode` is `cpu_mode`.
#[must_use]
pub fn label_name(attribute: &str) -> String {
    let name = word(attribute);
    if name.starts_with("__") || HOST_LABELS.contains(&name.as_str()) {
        format!("{ATTRIBUTE_PREFIX}{name}")
    } else {
        name
    }
}

/// The labels of a series without those of its host and without [`NAME_LABEL`], sorted by name, each name once: the values
/// of attributes that would bear one name are joined by `;` in the order of their keys. Empty values are left out, for to
/// Prometheus an empty label is none.
#[must_use]
pub fn labels(series: &Series) -> Vec<(String, String)> {
    let mut labels: BTreeMap<String, String> = BTreeMap::new();
    for (key, value) in series.attributes.iter().filter(|(_, value)| !value.is_empty()) {
        labels
            .entry(label_name(key))
            .and_modify(|held| {
                held.push(';');
                held.push_str(value);
            })
            .or_insert_with(|| value.to_string());
    }
    labels.into_iter().collect()
}

/// A word of letters, digits and `_` that does not begin with a digit and is not empty.
fn word(name: &str) -> String {
    let mut word = String::with_capacity(name.len() + 1);
    if !name.starts_with(|c: char| !c.is_ascii_digit()) {
        word.push('_');
    }
    word.extend(name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }));
    word
}

/// The way back: from a name there to the metrics of ours that bear it. Begins with the catalogue; whoever holds series of
/// other metrics adds them.
#[derive(Debug, Clone)]
pub struct Names {
    by_name: BTreeMap<String, BTreeSet<String>>,
    /// Name there, by (name, unit, counter or not) of ours: the first that was added, the catalogue before all.
    by_metric: BTreeMap<(String, String, bool), String>,
}

impl Default for Names {
    fn default() -> Self {
        Self::new()
    }
}

impl Names {
    /// Those of the catalogue.
    #[must_use]
    pub fn new() -> Self {
        let mut names = Self {
            by_name: BTreeMap::new(),
            by_metric: BTreeMap::new(),
        };
        for metric in METRICS {
            names.put(metric.name, metric.unit, metric.kind, metric.decimals);
        }
        names
    }

    /// Adds the metric of a series.
    pub fn add(&mut self, series: &Series) {
        self.put(&series.name, &series.unit, series.kind, series.decimals);
    }

    fn put(&mut self, name: &str, unit: &str, kind: Kind, decimals: u8) {
        let key = (name.to_owned(), unit.to_owned(), kind == Kind::Counter);
        let there = name_of(name, unit, kind, decimals);
        self.by_name.entry(there.clone()).or_default().insert(name.to_owned());
        self.by_metric.entry(key).or_insert(there);
    }

    /// All pairs of a name there and a metric of ours, sorted.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_name
            .iter()
            .flat_map(|(there, ours)| ours.iter().map(move |metric| (there.as_str(), metric.as_str())))
    }

    /// The name there of a metric of ours with this unit and kind, as first added; none for one that never was.
    #[must_use]
    pub fn name(&self, metric: &str, unit: &str, kind: Kind) -> Option<&str> {
        let key = (metric.to_owned(), unit.to_owned(), kind == Kind::Counter);
        self.by_metric.get(&key).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{ATTRIBUTES, metric};
    use proptest::prelude::*;

    fn is_label(name: &str) -> bool {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    }

    #[test]
    fn names_bear_unit_and_kind() {
        for (ours, there) in [
            ("system.cpu.time", "system_cpu_time_seconds_total"),
            ("system.cpu.utilization", "system_cpu_utilization_ratio"),
            ("system.disk.io", "system_disk_io_bytes_total"),
            ("system.disk.operations", "system_disk_operations_total"),
            ("tocsin.network.speed", "tocsin_network_speed_bits_per_second"),
            ("tocsin.network.up", "tocsin_network_up"),
            ("system.cpu.load_average.1m", "system_cpu_load_average_1m"),
        ] {
            assert_eq!(metric_name(&metric(ours).unwrap().series(&[])), there);
        }
    }

    #[test]
    fn the_catalogue_reads_back_and_no_two_of_its_metrics_or_attributes_meet() {
        let names = Names::new();
        for metric in METRICS {
            let there = metric_name(&metric.series(&[]));
            let ours: Vec<&str> = names
                .pairs()
                .filter(|(name, _)| *name == there)
                .map(|(_, ours)| ours)
                .collect();
            assert_eq!(ours, [metric.name]);
            assert_eq!(names.name(metric.name, metric.unit, metric.kind), Some(there.as_str()));
        }
        let labels: BTreeSet<String> = ATTRIBUTES.iter().map(|attribute| label_name(attribute.name)).collect();
        assert_eq!(labels.len(), ATTRIBUTES.len());
        assert!(!labels.iter().any(|label| label.starts_with(ATTRIBUTE_PREFIX)));
    }

    #[test]
    fn attributes_of_a_hostile_host_stay_labels_of_their_own() {
        let mut series = metric("system.uptime").unwrap().series(&[]);
        let pairs = [
            ("", "x"),
            ("__name__", "up"),
            ("a.b", "1"),
            ("a_b", "2"),
            ("host", "other"),
            ("site.", ""),
            ("9", "y"),
        ];
        series.attributes = pairs.map(|(key, value)| (key.into(), value.into())).to_vec();
        let found = labels(&series);
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                ("_", "x"),
                ("_9", "y"),
                ("a_b", "1;2"),
                ("attribute___name__", "up"),
                ("attribute_host", "other")
            ]
        );
    }

    proptest! {
        #[test]
        fn whatever_a_series_is_called_its_names_there_are_valid_and_read_back(
            name in ".{0,20}", keys in prop::collection::vec(".{0,8}", 0..5), counter: bool, unit in "By|s|1|bit/s|.{0,3}", decimals in 0..4_u8,
        ) {
            let series = Series {
                name: name.as_str().into(),
                attributes: keys.into_iter().map(|key| (key.into(), "v".into())).collect(),
                kind: if counter { Kind::Counter } else { Kind::Gauge },
                unit: unit.into(),
                decimals,
            };
            let there = metric_name(&series);
            prop_assert!(is_label(&there), "{there}");
            let labels = labels(&series);
            prop_assert!(labels.is_sorted_by(|a, b| a.0 < b.0));
            for (label, _) in &labels {
                prop_assert!(is_label(label) && !label.starts_with("__") && !HOST_LABELS.contains(&label.as_str()), "{label}");
            }
            let mut names = Names::new();
            names.add(&series);
            prop_assert!(names.pairs().any(|pair| pair == (there.as_str(), name.as_str())));
        }
    }
}
