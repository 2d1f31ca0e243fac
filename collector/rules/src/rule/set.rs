//! All rules as they are in force, and what a tick wants to know of them.

use super::{Bounds, Condition, Rule, Who};
use crate::language::{self, RuleError};
use std::{sync::Arc, time::Duration};

/// Rules and what overrides make of them, together: beyond that nobody reads them.
pub(crate) const RULES_MAX: usize = 10_000;

/// Stands for no variant: the rule does not look at the host.
pub(crate) const NONE: u16 = u16::MAX;

/// All rules, sorted by name. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RuleSet {
    /// How many rules there are.
    count: usize,
    /// The rules, and after them what overrides make of them.
    variants: Arc<[Arc<Rule>]>,
    /// By variant.
    checks: Arc<[Check]>,
    /// By rule: its first variant by an override; their order is that of the overrides.
    overridden: Arc<[u16]>,
}

/// What a tick wants to know of a rule that looks at a metric, side by side with those of the other rules.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Check {
    pub(crate) bounds: Bounds,
    /// Seconds that a rate is over; `None` for the value itself.
    pub(crate) per: Option<f64>,
    pub(crate) from_healthy: bool,
}

impl Check {
    fn of(rule: &Rule) -> Self {
        match &rule.condition {
            Condition::Metric(condition) => Self {
                bounds: condition.bounds,
                per: condition.per.map(|per| per.as_secs_f64()),
                from_healthy: condition.from_healthy,
            },
            // No plain entry of a plan has such a rule.
            _ => Self {
                bounds: Bounds::Equals(0.0),
                per: None,
                from_healthy: false,
            },
        }
    }
}

/// The rules that a collector has when nobody wrote any.
const BUILTIN: &[(&str, &str)] = &[
    ("agent.toml", include_str!("../../default/agent.toml")),
    ("backup.toml", include_str!("../../default/backup.toml")),
    ("capacity.toml", include_str!("../../default/capacity.toml")),
    ("channel.toml", include_str!("../../default/channel.toml")),
    ("clock.toml", include_str!("../../default/clock.toml")),
    ("cpu.toml", include_str!("../../default/cpu.toml")),
    ("disk.toml", include_str!("../../default/disk.toml")),
    ("hardware.toml", include_str!("../../default/hardware.toml")),
    ("kernel.toml", include_str!("../../default/kernel.toml")),
    ("memory.toml", include_str!("../../default/memory.toml")),
    ("network.toml", include_str!("../../default/network.toml")),
    ("probe.toml", include_str!("../../default/probe.toml")),
    ("process.toml", include_str!("../../default/process.toml")),
    ("services.toml", include_str!("../../default/services.toml")),
    ("storage.toml", include_str!("../../default/storage.toml")),
    ("switch.toml", include_str!("../../default/switch.toml")),
];

/// Their tests.
const BUILTIN_TESTS: &[(&str, &str)] = &[
    ("tests/agent.toml", include_str!("../../default/tests/agent.toml")),
    ("tests/backup.toml", include_str!("../../default/tests/backup.toml")),
    ("tests/capacity.toml", include_str!("../../default/tests/capacity.toml")),
    ("tests/channel.toml", include_str!("../../default/tests/channel.toml")),
    ("tests/clock.toml", include_str!("../../default/tests/clock.toml")),
    ("tests/cpu.toml", include_str!("../../default/tests/cpu.toml")),
    ("tests/disk.toml", include_str!("../../default/tests/disk.toml")),
    ("tests/hardware.toml", include_str!("../../default/tests/hardware.toml")),
    ("tests/kernel.toml", include_str!("../../default/tests/kernel.toml")),
    ("tests/memory.toml", include_str!("../../default/tests/memory.toml")),
    ("tests/network.toml", include_str!("../../default/tests/network.toml")),
    ("tests/probe.toml", include_str!("../../default/tests/probe.toml")),
    ("tests/process.toml", include_str!("../../default/tests/process.toml")),
    ("tests/services.toml", include_str!("../../default/tests/services.toml")),
    ("tests/storage.toml", include_str!("../../default/tests/storage.toml")),
    ("tests/switch.toml", include_str!("../../default/tests/switch.toml")),
];

impl RuleSet {
    /// Reads files, given as name and text.
    ///
    /// # Errors
    /// All mistakes of all files, in the order of files and lines.
    pub fn parse<N: AsRef<str>, T: AsRef<str>>(files: &[(N, T)]) -> Result<Self, Vec<RuleError>> {
        language::read(files.iter().map(|(name, text)| (name.as_ref(), text.as_ref()))).map(Self::of)
    }

    fn of(rules: Vec<Rule>) -> Self {
        let count = rules.len();
        let mut variants: Vec<Arc<Rule>> = rules.into_iter().map(Arc::new).collect();
        let mut overridden = Vec::with_capacity(count);
        for at in 0..count {
            overridden.push(u16::try_from(variants.len()).unwrap_or(NONE));
            let further: Vec<_> = variants[at]
                .overrides
                .iter()
                .filter_map(|one| one.rule.clone())
                .collect();
            variants.extend(further);
        }
        Self {
            count,
            checks: variants.iter().map(|rule| Check::of(rule)).collect(),
            variants: variants.into(),
            overridden: overridden.into(),
        }
    }

    /// The default rules.
    #[must_use]
    pub fn builtin() -> Self {
        // A test proves that they have no mistake; without it the set would be empty, not a panic.
        Self::parse(BUILTIN).unwrap_or_default()
    }

    /// The files that [`Self::builtin`] reads, as name and text, for an administrator to start from.
    #[must_use]
    pub const fn builtin_files() -> &'static [(&'static str, &'static str)] {
        BUILTIN
    }

    /// The files of tests of the built-in rules, as name and text.
    #[must_use]
    pub const fn builtin_tests() -> &'static [(&'static str, &'static str)] {
        BUILTIN_TESTS
    }

    /// Only those of these names.
    #[must_use]
    pub fn only(&self, names: &[String]) -> Self {
        let chosen = self.rules().filter(|rule| names.contains(&rule.name));
        Self::of(chosen.cloned().collect())
    }

    /// The rules, sorted by name.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = &Rule> {
        self.variants[..self.count].iter().map(|rule| &**rule)
    }

    /// How far back the rules look in windows and forecasts.
    #[must_use]
    pub fn looks_back(&self) -> Duration {
        let spans = self.rules().map(|rule| match &rule.condition {
            Condition::Derived(condition) => condition.looks_back(),
            _ => Duration::ZERO,
        });
        spans.max().unwrap_or_default()
    }

    /// How much of the past a restart must be told for its history to go on: windows and forecasts, and what holds or is
    /// healthy, not long enough.
    #[must_use]
    pub fn remembers(&self) -> Duration {
        let waits = self.variants.iter().map(|rule| rule.hold.max(rule.clear_hold));
        self.looks_back().max(waits.max().unwrap_or_default())
    }

    /// The metrics that rules look at, sorted, each once: what the past must be read of.
    #[must_use]
    pub fn metrics(&self) -> Vec<&'static str> {
        let mut names: Vec<&'static str> = Vec::new();
        for rule in self.rules() {
            match &rule.condition {
                Condition::Metric(condition) => names.push(condition.metric.name),
                Condition::Derived(condition) => names.extend(condition.operands.iter().map(|one| one.metric.name)),
                Condition::Absent(condition) => names.push(condition.metric.name),
                Condition::Event(_) | Condition::NoData { .. } => {}
            }
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    /// How far back rules about events look: what they count, and what ends by itself.
    #[must_use]
    pub fn remembers_events(&self) -> Duration {
        let spans = self.rules().map(|rule| match &rule.condition {
            Condition::Event(condition) => condition.within.max(condition.clear_after.unwrap_or_default()),
            _ => Duration::ZERO,
        });
        spans.max().unwrap_or_default()
    }

    /// By rule: the variant that looks at a host, [`NONE`] if none does.
    pub(crate) fn choose(&self, who: &Who<'_>) -> Arc<[u16]> {
        let chosen = self.rules().enumerate().map(|(at, rule)| {
            if !rule.applies(who.name, who.tags) {
                return NONE;
            }
            let mut next = self.overridden[at];
            for one in &rule.overrides {
                if one.fits(who) {
                    return if one.rule.is_some() { next } else { NONE };
                }
                next = next.saturating_add(u16::from(one.rule.is_some()));
            }
            u16::try_from(at).unwrap_or(NONE)
        });
        chosen.collect()
    }

    /// The rule at a position of [`Self::rules`], or a variant.
    pub(crate) fn at(&self, variant: usize) -> &Rule {
        &self.variants[variant]
    }

    /// What a tick wants to know of a variant.
    pub(crate) fn check(&self, variant: usize) -> &Check {
        &self.checks[variant]
    }

    /// The rule of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Rule> {
        self.position(name).map(|at| self.at(at))
    }

    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        let names = &self.variants[..self.count];
        names.binary_search_by(|rule| rule.name.as_str().cmp(name)).ok()
    }
}
