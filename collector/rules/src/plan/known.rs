//! What hosts share: plans of equal dictionaries, layouts of dictionaries that differ by names alone, and choices among the
//! variants of rules.

use super::{Layout, Plan, compile};
use crate::rule::RuleSet;
use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    sync::Arc,
};
use tocsin_vocabulary::Dictionary;

/// So many that nobody uses are kept, beside as many as there are hosts.
const SPARE: usize = 64;

/// Plans, layouts and choices that some host has.
#[derive(Debug, Default)]
pub(crate) struct Plans {
    /// By the beginning of the dictionary's hash. Of two that begin alike the newer one is found; the other is not shared.
    plans: HashMap<u64, Arc<Plan>>,
    layouts: HashSet<Arc<Layout>>,
    choices: HashSet<Arc<[u16]>>,
}

impl Plans {
    /// The plan of a dictionary. When they are more than the `hosts`, those that no host uses are dropped.
    pub(crate) fn of(&mut self, dictionary: &Dictionary, rules: &RuleSet, hosts: usize) -> Arc<Plan> {
        let key = beginning(dictionary);
        let known = self.plans.get(&key);
        let known = known.filter(|plan| plan.dictionary().map(Dictionary::hash) == Some(dictionary.hash()));
        if let Some(plan) = known {
            return plan.clone();
        }
        self.prune(hosts + SPARE);
        let plan = Arc::new(Plan {
            dictionary: Some(dictionary.clone()),
            layout: shared(&mut self.layouts, Arc::new(compile(dictionary, rules))),
        });
        self.plans.insert(key, plan.clone());
        plan
    }

    /// The same choice, in the memory of another host that chose alike.
    pub(crate) fn choice(&mut self, choice: Arc<[u16]>) -> Arc<[u16]> {
        shared(&mut self.choices, choice)
    }

    /// Forgets all, for the rules are others.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    fn prune(&mut self, most: usize) {
        if self.plans.len() > most {
            self.plans.retain(|_, plan| Arc::strong_count(plan) > 1);
        }
        if self.layouts.len() > most {
            self.layouts.retain(|layout| Arc::strong_count(layout) > 1);
        }
        if self.choices.len() > most {
            self.choices.retain(|choice| Arc::strong_count(choice) > 1);
        }
    }
}

/// The one among those that are known, if there is an equal one.
fn shared<T: ?Sized + Eq + Hash>(known: &mut HashSet<Arc<T>>, one: Arc<T>) -> Arc<T> {
    if let Some(known) = known.get(&one) {
        return known.clone();
    }
    known.insert(one.clone());
    one
}

/// The first eight bytes of a dictionary's hash.
fn beginning(dictionary: &Dictionary) -> u64 {
    let hash = dictionary.hash();
    let first = hash.as_bytes().first_chunk();
    first.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::never_met;
    use tocsin_vocabulary::{Section, catalogue::metric};

    fn disks(names: &[&str]) -> Dictionary {
        let series = names
            .iter()
            .filter_map(|name| metric("system.disk.io").map(|metric| metric.series(&[("system.device", name)])));
        Dictionary::new(vec![Arc::new(Section::new(series.collect()))])
    }

    #[test]
    fn equal_hosts_share_a_plan_and_hosts_with_other_names_its_layout() {
        let rules = RuleSet::parse(&[("test.toml", never_met(0..8))]).unwrap();
        let mut plans = Plans::default();
        let mut of = |names: &[&str]| plans.of(&disks(names), &rules, 3);
        let (one, same, renamed, more) = (of(&["sda"]), of(&["sda"]), of(&["sdb"]), of(&["sda", "sdb"]));
        assert!(Arc::ptr_eq(&one, &same));
        assert!(!Arc::ptr_eq(&one, &renamed) && Arc::ptr_eq(&one.layout, &renamed.layout));
        assert!(!Arc::ptr_eq(&one.layout, &more.layout) && more.layout.len() == 2);
        assert_eq!(
            renamed.listed(0).map(|entry| entry.instance()).as_deref(),
            Some("system.device=sdb")
        );
    }
}
