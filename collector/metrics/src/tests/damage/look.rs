//! What a store shows of a fleet, metric by metric.

use super::super::crash::{check::points, fleet::Fleet};
use crate::Store;
use std::collections::{BTreeMap, BTreeSet};

/// Ticks shown, by life and metric, and ticks held, by life.
#[derive(Debug, Clone)]
pub(super) struct Look {
    shown: BTreeMap<(usize, &'static str), BTreeSet<u64>>,
    received: Vec<Vec<(u64, u64)>>,
}

impl PartialEq for Look {
    /// What is shown counts.
    fn eq(&self, other: &Self) -> bool {
        self.shown == other.shown
    }
}

impl Look {
    /// Looks at everything. A wrong value, or one at a time when nothing was sampled, is an error.
    pub(super) fn new(store: &Store, fleet: &Fleet) -> Result<Self, String> {
        let mut look = Self {
            shown: BTreeMap::new(),
            received: Vec::new(),
        };
        for (number, life) in fleet.script.lives.iter().enumerate() {
            for metric in ["level", "sent"] {
                let mut points = points(store, life.host, metric)?;
                let mut seqs = BTreeSet::new();
                for seq in 1..=life.last() {
                    let Some(value) = points.remove(&life.sampled(seq).time) else {
                        continue;
                    };
                    let right = if metric == "level" {
                        life.level(seq)
                    } else {
                        life.sent(seq)
                    };
                    if value != right {
                        return Err(format!("{metric} of tick {seq} of {} is {value}", life.spool));
                    }
                    seqs.insert(seq);
                }
                if let Some((time, value)) = points.first_key_value() {
                    return Err(format!(
                        "{metric} of {} is {value} at {time}, which was never sampled",
                        life.spool
                    ));
                }
                look.shown.insert((number, metric), seqs);
            }
            look.received.push(store.holdings(life.host, life.spool).received);
        }
        Ok(look)
    }

    /// Values shown.
    pub(super) fn count(&self) -> usize {
        self.shown.values().map(BTreeSet::len).sum()
    }

    /// What the other lacks of this.
    pub(super) fn missing_in(&self, other: &Self) -> BTreeMap<(usize, &'static str), BTreeSet<u64>> {
        let lacks = |(key, seqs): (&(usize, &'static str), &BTreeSet<u64>)| (*key, seqs - &other.shown[key]);
        self.shown
            .iter()
            .map(lacks)
            .filter(|(_, seqs)| !seqs.is_empty())
            .collect()
    }

    /// Whether any of these ticks is held.
    pub(super) fn held(&self, life: usize, seqs: &BTreeSet<u64>) -> bool {
        let held = |seq: &u64| {
            self.received[life]
                .iter()
                .any(|(first, last)| (first..=last).contains(&seq))
        };
        seqs.iter().any(held)
    }
}
