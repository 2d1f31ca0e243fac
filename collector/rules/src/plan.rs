//! A dictionary's cells that rules look at: compiled once per dictionary, shared by equal hosts.
//!
//! An *entry* is one rule on one cell. What an entry is called is made from the dictionary when somebody wants to know,
//! which is when an alert speaks. Where entries lie is a [`Layout`], which knows no names: hosts whose series are named
//! otherwise, and are looked at in the same cells, share it.

mod derived;
mod known;
mod layout;

pub(crate) use derived::DerivedSpot;
pub(crate) use known::Plans;
pub(crate) use layout::{Layout, NO_CELL, Spot};

use crate::{
    glob::Patterns,
    rule::{Condition, MetricCondition, RuleSet},
};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, LazyLock},
};
use tocsin_vocabulary::{Dictionary, Series, catalogue::Metric};

/// All entries of one dictionary, in cell order. (rule, instance) is unique.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// `None` before a host has one.
    dictionary: Option<Dictionary>,
    layout: Arc<Layout>,
}

/// An entry as it is listed.
#[derive(Debug, Clone)]
pub(crate) struct Listed<'a> {
    /// Index of the cell in a tick.
    pub(crate) cell: usize,
    pub(crate) rule: usize,
    pub(crate) series: &'a Series,
}

impl Listed<'_> {
    /// `key=value,key=value`.
    pub(crate) fn instance(&self) -> String {
        instance_of(self.series)
    }
}

impl Plan {
    /// That of a host of which no dictionary is known.
    pub(crate) fn none() -> Arc<Self> {
        static NONE: LazyLock<Arc<Plan>> = LazyLock::new(Arc::default);
        NONE.clone()
    }

    /// Where its entries lie.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// What the cells mean.
    pub(crate) const fn dictionary(&self) -> Option<&Dictionary> {
        self.dictionary.as_ref()
    }

    /// What an entry is called.
    pub(crate) fn listed(&self, entry: usize) -> Option<Listed<'_>> {
        let cell = self.layout.cell(entry);
        let named = match entry.checked_sub(self.layout.plain()) {
            None => cell,
            Some(nth) => self.layout.derived().get(nth)?.lead(),
        };
        let series = self.series(named)?;
        Some(Listed {
            cell,
            rule: self.layout.rule(entry),
            series,
        })
    }

    /// What a cell means.
    pub(crate) fn series(&self, cell: usize) -> Option<&Series> {
        let mut left = cell;
        for section in self.dictionary()?.sections() {
            if let Some(series) = section.series().get(left) {
                return Some(series);
            }
            left -= section.series().len();
        }
        None
    }

    /// What all entries are called, in their order.
    pub(crate) fn list(&self) -> impl Iterator<Item = Listed<'_>> {
        let series = self.dictionary.iter().flat_map(Dictionary::series).enumerate();
        let watched = series.filter(|(cell, _)| self.layout.is_watched(*cell));
        let plain = watched
            .zip(self.layout.plain_rules_by_cell())
            .flat_map(|((cell, series), rules)| {
                rules.iter().map(move |rule| Listed {
                    cell,
                    rule: usize::from(*rule),
                    series,
                })
            });
        plain.chain((self.layout.plain()..self.layout.len()).filter_map(|entry| self.listed(entry)))
    }
}

/// Finds the cells that each rule looks at.
fn compile(dictionary: &Dictionary, rules: &RuleSet) -> Layout {
    let mut by_metric: HashMap<&str, Vec<(u16, &MetricCondition)>> = HashMap::new();
    for (at, rule) in rules.rules().enumerate() {
        if let Condition::Metric(condition) = &rule.condition {
            by_metric
                .entry(condition.metric.name)
                .or_default()
                .push((rule_index(at), condition));
        }
    }
    let mut layout = Layout::new(dictionary.len());
    // Two series of a host may not share an alert, whatever the host says.
    let mut seen: HashSet<(u16, Arc<str>)> = HashSet::new();
    for (cell, series) in dictionary.series().enumerate() {
        let Some(candidates) = by_metric.get(series.name.as_str()) else {
            continue;
        };
        let mut instance: Option<Arc<str>> = None;
        let mut looking = Vec::new();
        for (rule, condition) in candidates {
            if !looks_at(condition.metric, &condition.filters, series) {
                continue;
            }
            let instance = instance.get_or_insert_with(|| instance_of(series).into());
            if seen.insert((*rule, instance.clone())) {
                looking.push((*rule, *condition));
            }
        }
        if !looking.is_empty() {
            layout.push(cell, series.decimals, &looking);
        }
    }
    layout.finish(derived::compile(dictionary, rules));
    layout
}

/// Rules are at most [`RULES_MAX`](crate::rule::RULES_MAX).
fn rule_index(at: usize) -> u16 {
    u16::try_from(at).unwrap_or(u16::MAX)
}

/// Rules are lines of files and entries are fewer than the bytes they were named with: neither comes near 2³².
fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Whether a series is of a metric and fits the patterns.
pub(crate) fn looks_at(metric: &Metric, filters: &[(String, Patterns)], series: &Series) -> bool {
    let fits = |(key, patterns): &(String, Patterns)| patterns.matches(series.attribute(key).unwrap_or(""));
    series.kind == metric.kind && filters.iter().all(fits)
}

/// `key=value,key=value`.
pub(crate) fn instance_of(series: &Series) -> String {
    let mut instance = String::new();
    for (key, value) in &series.attributes {
        if !instance.is_empty() {
            instance.push(',');
        }
        instance.push_str(key);
        instance.push('=');
        instance.push_str(value);
    }
    instance
}

/// The series that an instance was made from, as well as it can be told: for the words of an alert that was restored.
pub(crate) fn series_of(metric: &str, instance: &str) -> Option<Series> {
    let metric = tocsin_vocabulary::catalogue::metric(metric)?;
    let pairs: Vec<(&str, &str)> = instance.split(',').filter_map(|pair| pair.split_once('=')).collect();
    Some(metric.series(&pairs))
}
