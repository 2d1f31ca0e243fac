//! Entries of derived rules: which series of a host belong together.

use super::{index, instance_of, looks_at};
use crate::rule::{Condition, DerivedCondition, Operand, RuleSet};
use std::collections::{HashMap, HashSet};
use tocsin_vocabulary::{Dictionary, Series};

/// Stands for no cell.
const ABSENT: u32 = u32::MAX;

/// An entry that looks at several cells, or at what they were.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct DerivedSpot {
    rule: u32,
    /// By operand: its cell and decimals.
    cells: Box<[(u32, u8)]>,
    /// Whether it is looked at on every tick.
    pub(crate) restless: bool,
}

impl DerivedSpot {
    pub(crate) const fn rule(&self) -> usize {
        self.rule as usize
    }

    /// The cell that it is named after.
    pub(crate) fn lead(&self) -> usize {
        self.cells.first().map_or(ABSENT, |(cell, _)| *cell) as usize
    }

    /// An operand's cell, if the host has it, and its decimals.
    pub(crate) fn operand(&self, at: usize) -> Option<(usize, u8)> {
        let (cell, decimals) = self.cells.get(at).filter(|(cell, _)| *cell != ABSENT)?;
        Some((*cell as usize, *decimals))
    }

    /// The cells that it looks at.
    pub(crate) fn cells(&self) -> impl Iterator<Item = usize> {
        let known = self.cells.iter().filter(|(cell, _)| *cell != ABSENT);
        known.map(|(cell, _)| *cell as usize)
    }
}

pub(super) fn compile(dictionary: &Dictionary, rules: &RuleSet) -> Vec<DerivedSpot> {
    let derived = rules
        .rules()
        .enumerate()
        .filter_map(|(at, rule)| match &rule.condition {
            Condition::Derived(condition) => Some((index(at), condition)),
            _ => None,
        });
    let derived: Vec<(u32, &DerivedCondition)> = derived.collect();
    if derived.is_empty() {
        return Vec::new();
    }
    let operands = derived.iter().flat_map(|(_, condition)| &condition.operands);
    let wanted: HashSet<&str> = operands.map(|operand| operand.metric.name).collect();
    let mut by_metric: HashMap<&str, Vec<(u32, &Series)>> = HashMap::new();
    for (cell, series) in dictionary.series().enumerate() {
        if wanted.contains(series.name.as_str()) {
            by_metric
                .entry(series.name.as_str())
                .or_default()
                .push((index(cell), series));
        }
    }
    let of = |operand: &Operand| {
        let all = by_metric.get(operand.metric.name).map_or(&[][..], Vec::as_slice);
        let fits = all
            .iter()
            .filter(|(_, series)| looks_at(operand.metric, &operand.filters, series));
        fits.copied().collect::<Vec<_>>()
    };
    let mut spots = Vec::new();
    for (rule, condition) in derived {
        let [lead, others @ ..] = &condition.operands[..] else {
            continue;
        };
        let others: Vec<_> = others.iter().map(|operand| (operand, of(operand))).collect();
        // Two series of a host may not share an alert, whatever the host says.
        let mut seen = HashSet::new();
        for (cell, series) in of(lead) {
            if !seen.insert(instance_of(series)) {
                continue;
            }
            let beside = others.iter().map(|(operand, all)| {
                let mut joined = all
                    .iter()
                    .filter(|(_, other)| belong_together(lead, series, operand, other));
                match (joined.next(), joined.next()) {
                    (Some((cell, other)), None) => (*cell, other.decimals),
                    // Nobody can say which of several is meant.
                    _ => (ABSENT, 0),
                }
            });
            spots.push(DerivedSpot {
                rule,
                cells: std::iter::once((cell, series.decimals)).chain(beside).collect(),
                restless: condition.is_restless(),
            });
        }
    }
    spots
}

/// Whether all attributes that both have are the same; except those that both rules hold to one value.
fn belong_together(lead: &Operand, series: &Series, operand: &Operand, other: &Series) -> bool {
    let held = |operand: &Operand, key: &str| {
        let filters = operand.filters.iter();
        filters
            .filter(|(name, _)| name == key)
            .any(|(_, patterns)| patterns.is_single())
    };
    series.attributes.iter().all(|(key, value)| {
        let key = key.as_str();
        let there = other.attribute(key);
        there.is_none_or(|there| there == value.as_str()) || (held(lead, key) && held(operand, key))
    })
}
