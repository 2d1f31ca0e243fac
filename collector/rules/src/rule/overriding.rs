//! Other thresholds for some hosts.

use super::Rule;
use crate::glob::Patterns;
use std::sync::Arc;

/// Whom a rule looks at.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Who<'a> {
    pub(crate) name: &'a str,
    pub(crate) tags: &'a [String],
    pub(crate) groups: &'a [String],
    pub(crate) customer: &'a str,
}

/// What counts for some hosts in place of the rule's own thresholds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Override {
    /// Names of hosts; all when empty.
    pub hosts: Patterns,
    /// Tags; all when empty.
    pub tags: Patterns,
    /// Groups; all when empty.
    pub groups: Patterns,
    /// Customers; all when empty.
    pub customers: Patterns,
    /// The rule as it is there; `None` where it is off.
    pub rule: Option<Arc<Rule>>,
}

impl Override {
    /// Whether it counts for this host: everything that it names must fit.
    pub(crate) fn fits(&self, who: &Who<'_>) -> bool {
        let all = |texts: &[String], patterns: &Patterns| patterns.matches_any(texts.iter().map(String::as_str));
        self.hosts.matches(who.name)
            && all(who.tags, &self.tags)
            && all(who.groups, &self.groups)
            && self.customers.matches(who.customer)
    }
}
