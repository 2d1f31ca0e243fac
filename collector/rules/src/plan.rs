//! A dictionary's cells that rules look at: compiled once per dictionary, shared by equal hosts.
//!
//! An *entry* is one rule on one cell. Entries lie in cell order as a few flat arrays, some four bytes each, and a tick
//! finds those of the cells that changed by their bits. What an entry is called is made from the dictionary when
//! somebody wants to know, which is when an alert speaks.
//!
//! Entries that look at several cells, or at what cells were before, are *derived* and lie after the others.

mod derived;

pub(crate) use derived::DerivedSpot;

use crate::{
    glob::Patterns,
    rule::{Condition, MetricCondition, RuleSet},
};
use std::{
    collections::{HashMap, HashSet},
    ops::Range,
    sync::Arc,
};
use tocsin_vocabulary::{Dictionary, Series, catalogue::Metric};

/// Cells in one word of a bitmap.
const WORD: usize = 64;

/// The cell of an entry that is not found by a cell.
pub(crate) const NO_CELL: usize = usize::MAX;

/// All entries of one dictionary, in cell order. (rule, instance) is unique.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// `None` before a host has one.
    dictionary: Option<Dictionary>,
    /// For every 64 cells.
    words: Vec<Word>,
    /// By watched cell: its first entry; and the number of entries.
    firsts: Vec<u32>,
    /// By watched cell: the decimals of its series.
    decimals: Vec<u8>,
    /// By entry: index of the rule in its set.
    rules: Vec<u16>,
    /// How many cells have an entry that compares a rate.
    rated: usize,
    /// The entries after those.
    derived: Vec<DerivedSpot>,
}

/// 64 cells, by bits.
#[derive(Debug, Clone, Copy, Default)]
struct Word {
    /// Cells that have an entry.
    watched: u64,
    /// Cells that have an entry which compares a rate: that changes while the counter does not.
    rated: u64,
    /// Watched cells before this word.
    before: u32,
    /// Of those, cells that have an entry which compares a rate.
    rated_before: u32,
}

/// A cell that is looked at, and its entries.
#[derive(Debug, Clone)]
pub(crate) struct Spot {
    /// Index of the cell in a tick.
    pub(crate) cell: usize,
    pub(crate) decimals: u8,
    /// Its place among the cells that have an entry which compares a rate.
    pub(crate) rated: Option<usize>,
    pub(crate) entries: Range<usize>,
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
    /// What the cells mean.
    pub(crate) const fn dictionary(&self) -> Option<&Dictionary> {
        self.dictionary.as_ref()
    }

    /// Number of entries.
    pub(crate) const fn len(&self) -> usize {
        self.rules.len() + self.derived.len()
    }

    /// Number of entries that are found by their cell: the first ones.
    pub(crate) const fn plain(&self) -> usize {
        self.rules.len()
    }

    /// The entries after those.
    pub(crate) fn derived(&self) -> &[DerivedSpot] {
        &self.derived
    }

    /// How many cells have an entry that compares a rate.
    pub(crate) const fn rated(&self) -> usize {
        self.rated
    }

    /// Number of words that [`Self::due`] knows.
    pub(crate) const fn words(&self) -> usize {
        self.words.len()
    }

    /// Index of an entry's rule.
    pub(crate) fn rule(&self, entry: usize) -> usize {
        match self.rules.get(entry) {
            Some(rule) => usize::from(*rule),
            None => self.derived[entry - self.rules.len()].rule(),
        }
    }

    /// Indices of the rules of some plain entries.
    pub(crate) fn plain_rules(&self, entries: Range<usize>) -> &[u16] {
        &self.rules[entries]
    }

    /// Which of 64 cells are looked at, when these have changed or wait, and these counters stood still.
    pub(crate) fn due(&self, word: usize, changed: u64, waiting: u64, still: u64) -> u64 {
        let Word { watched, rated, .. } = self.words[word];
        watched & (changed | waiting | (rated & !still))
    }

    /// The place of a cell among those that have an entry which compares a rate.
    pub(crate) fn rated_place(&self, cell: usize) -> Option<usize> {
        let word = self.words.get(cell / WORD)?;
        let bit = cell % WORD;
        let below = word.rated & !(u64::MAX << bit);
        (word.rated >> bit & 1 == 1).then_some(word.rated_before as usize + below.count_ones() as usize)
    }

    /// The watched cell at a bit of a word.
    pub(crate) fn spot(&self, word: usize, bit: u32) -> Spot {
        let Word { watched, before, .. } = self.words[word];
        let rank = before as usize + (watched & !(u64::MAX << bit)).count_ones() as usize;
        let cell = word * WORD + bit as usize;
        Spot {
            cell,
            rated: self.rated_place(cell),
            decimals: self.decimals[rank],
            entries: self.firsts[rank] as usize..self.firsts[rank + 1] as usize,
        }
    }

    /// The cell that an entry is found by.
    pub(crate) fn cell(&self, entry: usize) -> usize {
        if entry >= self.plain() {
            return NO_CELL;
        }
        let rank = self
            .firsts
            .partition_point(|first| *first as usize <= entry)
            .saturating_sub(1);
        let word = self
            .words
            .partition_point(|word| word.before as usize <= rank)
            .saturating_sub(1);
        let Word {
            mut watched, before, ..
        } = self.words[word];
        for _ in before as usize..rank {
            watched &= watched.wrapping_sub(1);
        }
        word * WORD + watched.trailing_zeros() as usize
    }

    /// What an entry is called.
    pub(crate) fn listed(&self, entry: usize) -> Option<Listed<'_>> {
        let cell = self.cell(entry);
        let named = match entry.checked_sub(self.plain()) {
            None => cell,
            Some(nth) => self.derived[nth].lead(),
        };
        let series = self.series(named)?;
        Some(Listed {
            cell,
            rule: self.rule(entry),
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
        let watched = series.filter(|(cell, _)| self.words[cell / WORD].watched >> (cell % WORD) & 1 == 1);
        let plain = watched.zip(self.firsts.windows(2)).flat_map(|((cell, series), ends)| {
            self.rules[ends[0] as usize..ends[1] as usize]
                .iter()
                .map(move |rule| Listed {
                    cell,
                    rule: usize::from(*rule),
                    series,
                })
        });
        plain.chain((self.plain()..self.len()).filter_map(|entry| self.listed(entry)))
    }

    fn new(dictionary: &Dictionary) -> Self {
        Self {
            dictionary: Some(dictionary.clone()),
            words: vec![Word::default(); dictionary.len().div_ceil(WORD)],
            firsts: vec![0],
            ..Self::default()
        }
    }

    /// Adds the next cell that some rules look at.
    fn push(&mut self, cell: usize, decimals: u8, rules: &[(u16, &MetricCondition)]) {
        let word = &mut self.words[cell / WORD];
        word.watched |= 1 << (cell % WORD);
        if rules.iter().any(|(_, condition)| condition.per.is_some()) {
            word.rated |= 1 << (cell % WORD);
            self.rated += 1;
        }
        self.decimals.push(decimals);
        self.rules.extend(rules.iter().map(|(rule, _)| rule));
        self.firsts.push(index(self.rules.len()));
    }

    /// Counts what lies before each word, and lets go of spare memory.
    fn finish(&mut self) {
        let (mut before, mut rated_before) = (0, 0);
        for word in &mut self.words {
            (word.before, word.rated_before) = (before, rated_before);
            before += word.watched.count_ones();
            rated_before += word.rated.count_ones();
        }
        self.firsts.shrink_to_fit();
        self.decimals.shrink_to_fit();
        self.rules.shrink_to_fit();
    }
}

/// Finds the cells that each rule looks at.
pub(crate) fn compile(dictionary: &Dictionary, rules: &RuleSet) -> Plan {
    let mut by_metric: HashMap<&str, Vec<(u16, &MetricCondition)>> = HashMap::new();
    for (at, rule) in rules.rules().enumerate() {
        if let Condition::Metric(condition) = &rule.condition {
            by_metric
                .entry(condition.metric.name)
                .or_default()
                .push((rule_index(at), condition));
        }
    }
    let mut plan = Plan::new(dictionary);
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
            plan.push(cell, series.decimals, &looking);
        }
    }
    plan.derived = derived::compile(dictionary, rules);
    plan.finish();
    plan
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
