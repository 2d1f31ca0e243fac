//! What rules said and the ledger does not have yet.
//!
//! Kept while the ledger can't be written, however long that takes, so it must not grow with time: a newer value of
//! what is kept already takes its place, and an alert that flaps keeps its first turns and its last.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};
use tocsin_desk::{
    input::{AlertChange, Turn},
    model::Ruling,
};
use tocsin_vocabulary::HostId;

/// Turns of one alert that are kept; further ones are folded into the last.
const TURNS_MAX: usize = 16;

/// What makes two changes ones of the same alert.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    host: HostId,
    rule: String,
    instance: String,
    drill: bool,
}

impl Key {
    fn of(change: &AlertChange) -> Self {
        Self {
            host: change.host,
            rule: change.rule.clone(),
            instance: change.instance.clone(),
            drill: change.drill,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.host, self.rule, self.instance)
    }
}

/// Changes in the order in which they were said.
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    changes: BTreeMap<u64, AlertChange>,
    /// Where the changes of each alert stand.
    of: HashMap<Key, Vec<u64>>,
    next: u64,
}

impl Unwritten {
    pub(super) fn push(&mut self, change: AlertChange) {
        let places = self.of.entry(Key::of(&change)).or_default();
        if let Some(last) = places.last().and_then(|at| self.changes.get_mut(at)) {
            match (last.turn, change.turn) {
                // It holds, with a newer value: since when it holds stays.
                (Turn::Raised | Turn::Updated, Turn::Raised | Turn::Updated) => {
                    *last = AlertChange {
                        turn: last.turn,
                        occurred_at: last.occurred_at,
                        ruling: Ruling {
                            arrival: last.ruling.arrival,
                            silence: change.ruling.silence.or(last.ruling.silence),
                            ..change.ruling
                        },
                        ..change
                    };
                    return;
                }
                // It cleared and holds again, once too often: as if it had not cleared.
                (Turn::Cleared, Turn::Raised) if places.len() >= TURNS_MAX => {
                    if let Some(at) = places.pop() {
                        self.changes.remove(&at);
                    }
                    return;
                }
                _ => {}
            }
        }
        places.push(self.next);
        self.changes.insert(self.next, change);
        self.next += 1;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }

    /// Everything, in order.
    pub(super) fn all(&self) -> Vec<AlertChange> {
        self.changes.values().cloned().collect()
    }

    /// The alerts that have something to write.
    pub(super) fn keys(&self) -> Vec<Key> {
        let mut keys: Vec<(u64, Key)> = self
            .of
            .iter()
            .filter_map(|(key, places)| Some((*places.first()?, key.clone())))
            .collect();
        keys.sort_unstable_by_key(|(first, _)| *first);
        keys.into_iter().map(|(_, key)| key).collect()
    }

    /// What one alert has to write, in order.
    pub(super) fn of(&self, key: &Key) -> Vec<AlertChange> {
        let places = self.of.get(key).map(Vec::as_slice).unwrap_or_default();
        places.iter().filter_map(|at| self.changes.get(at)).cloned().collect()
    }

    /// Forgets one alert's changes: they are written, or can't be.
    pub(super) fn forget(&mut self, key: &Key) {
        for at in self.of.remove(key).unwrap_or_default() {
            self.changes.remove(&at);
        }
    }

    pub(super) fn clear(&mut self) {
        self.changes.clear();
        self.of.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::change;

    #[test]
    fn values_of_an_hour_without_a_ledger_cost_one_place() {
        let mut unwritten = Unwritten::default();
        unwritten.push(change("cpu", Turn::Raised, 1));
        for value in 2..1_000 {
            unwritten.push(change("cpu", Turn::Updated, value));
        }
        let all = unwritten.all();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].turn, Turn::Raised);
        assert_eq!(all[0].occurred_at.as_millis(), 1);
        assert_eq!(all[0].value, Some(999.0));
    }

    #[test]
    fn an_alert_that_flaps_for_hours_keeps_its_first_turns_and_where_it_stands() {
        let mut unwritten = Unwritten::default();
        for round in 0..1_000 {
            unwritten.push(change("link", Turn::Raised, 2 * round));
            unwritten.push(change("link", Turn::Cleared, 2 * round + 1));
        }
        assert_eq!(unwritten.len(), TURNS_MAX);
        assert_eq!(unwritten.all().last().unwrap().turn, Turn::Cleared);
        unwritten.push(change("link", Turn::Raised, 5_000));
        assert_eq!(unwritten.all().last().unwrap().turn, Turn::Raised);
        unwritten.push(change("disk", Turn::Raised, 5_001));
        assert_eq!(unwritten.keys().len(), 2);
        let first = unwritten.keys().swap_remove(0);
        unwritten.forget(&first);
        assert_eq!(unwritten.all(), [change("disk", Turn::Raised, 5_001)]);
    }
}
