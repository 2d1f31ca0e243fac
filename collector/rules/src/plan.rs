//! A dictionary's cells that rules look at, as a flat list: compiled once per dictionary, shared by equal hosts.

use crate::rule::{Condition, MetricCondition, RuleSet};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};
use tocsin_vocabulary::{Dictionary, Series};

/// One rule on one cell.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Index of the cell in a tick.
    pub(crate) cell: usize,
    /// Index of the rule in its set.
    pub(crate) rule: usize,
    /// `key=value,key=value`.
    pub(crate) instance: Arc<str>,
    /// What the cell means.
    pub(crate) series: Arc<Series>,
}

/// All entries of one dictionary, in cell order. (rule, instance) is unique.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) entries: Vec<Entry>,
}

/// Finds the cells that each rule looks at.
pub(crate) fn compile(dictionary: &Dictionary, rules: &RuleSet) -> Plan {
    let mut by_metric: HashMap<&str, Vec<(usize, &MetricCondition)>> = HashMap::new();
    for (at, rule) in rules.rules().enumerate() {
        if let Condition::Metric(condition) = &rule.condition {
            by_metric
                .entry(condition.metric.name)
                .or_default()
                .push((at, condition));
        }
    }
    let mut entries = Vec::new();
    // Two series of a host may not share an alert, whatever the host says.
    let mut seen: HashSet<(usize, Arc<str>)> = HashSet::new();
    for (cell, series) in dictionary.series().enumerate() {
        let Some(candidates) = by_metric.get(series.name.as_str()) else {
            continue;
        };
        let mut shared: Option<(Arc<str>, Arc<Series>)> = None;
        for (rule, condition) in candidates {
            if !looks_at(condition, series) {
                continue;
            }
            let (instance, series) =
                shared.get_or_insert_with(|| (instance_of(series).into(), Arc::new(series.clone())));
            if seen.insert((*rule, instance.clone())) {
                entries.push(Entry {
                    cell,
                    rule: *rule,
                    instance: instance.clone(),
                    series: series.clone(),
                });
            }
        }
    }
    Plan { entries }
}

fn looks_at(condition: &MetricCondition, series: &Series) -> bool {
    series.kind == condition.metric.kind
        && condition
            .filters
            .iter()
            .all(|(key, patterns)| patterns.matches(series.attribute(key).unwrap_or("")))
}

fn instance_of(series: &Series) -> String {
    let pairs: Vec<String> = series
        .attributes
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    pairs.join(",")
}

/// The series that an instance was made from, as well as it can be told: for the words of an alert that was restored.
pub(crate) fn series_of(metric: &str, instance: &str) -> Option<Series> {
    let metric = tocsin_vocabulary::catalogue::metric(metric)?;
    let pairs: Vec<(&str, &str)> = instance.split(',').filter_map(|pair| pair.split_once('=')).collect();
    Some(metric.series(&pairs))
}
