//! `[[rule.override]]`: other thresholds for some hosts.
//!
//! An override is the rule read once more with some of its keys replaced, so whatever is wrong with a rule is told of
//! an override too. A threshold and where it clears are replaced together.

use super::{fields::Fields, read_rule, threshold::THRESHOLD_KEYS};
use crate::{glob::Patterns, rule::Override};
use std::sync::Arc;

/// Overrides of one rule.
const OVERRIDES_MAX: usize = 64;
/// Whom it is for.
const FOR_WHOM: [&str; 4] = ["hosts", "tags", "groups", "customers"];
/// What it may replace beside the threshold.
const REPLACED: [&str; 7] = ["for", "clear_for", "severity", "action", "no_data", "answers", "level"];

/// Reads the overrides of a rule; `before` is how many mistakes there were before it.
pub(super) fn read_overrides(fields: &mut Fields<'_>, before: usize) -> Vec<Override> {
    if !fields.has("override") {
        return Vec::new();
    }
    let example = "[{ hosts = [\"db-*\"], above = … }]";
    let tables = fields.tables("override", example).unwrap_or_default();
    if tables.len() > OVERRIDES_MAX {
        let hint = format!("at most {OVERRIDES_MAX}: give the hosts a tag or a group, and name that");
        fields.error("override", "too many overrides", &hint);
    }
    let base = fields.own_table();
    let sound = fields.mistakes() == before;
    let mut overrides = Vec::new();
    for (table, start) in tables {
        let mut own = fields.inner(table, start);
        let known = [&FOR_WHOM[..], THRESHOLD_KEYS, &REPLACED, &["off"]].concat();
        own.refuse_unknown(&known, "override");
        let mut patterns = |key: &str| Patterns::new(own.texts(key));
        let [hosts, tags, groups, customers] = FOR_WHOM.map(&mut patterns);
        if [&hosts, &tags, &groups, &customers].iter().all(|one| one.is_empty()) {
            let hint = "name hosts, tags, groups or customers; for everybody change the rule itself";
            own.error("", "an override for nobody in particular", hint);
        }
        let replaced = |key: &str| THRESHOLD_KEYS.contains(&key) || REPLACED.contains(&key);
        let replaces = table.iter().any(|(key, _)| replaced(key.get_ref()));
        let off = own.flag("off").unwrap_or(false);
        if off == replaces {
            let hint = "write what is other there, such as above = …, or off = true";
            own.error("", "an override that changes nothing, or too much", hint);
        }
        let mut rule = None;
        // Mistakes of the rule itself would only be told again.
        if !off && sound {
            let mut merged = base.clone();
            merged.remove("override");
            if THRESHOLD_KEYS.iter().any(|key| table.contains_key(*key)) {
                THRESHOLD_KEYS.iter().for_each(|key| {
                    merged.remove(*key);
                });
            }
            for (key, value) in table.iter().filter(|(key, _)| replaced(key.get_ref())) {
                merged.insert(key.clone(), value.clone());
            }
            rule = read_rule(fields.inner(&merged, start)).map(Arc::new);
        }
        if off || rule.is_some() {
            overrides.push(Override {
                hosts,
                tags,
                groups,
                customers,
                rule,
            });
        }
    }
    overrides
}
