//! What the engine may be told of the past, so that windows, forecasts and baselines know it after a restart.

use super::{Engine, Hourly, plan_of, prune};
use crate::{plan::DerivedSpot, rule::Condition, transition::Transition};
use tocsin_vocabulary::{
    Dictionary, HostId, Series, Timestamp,
    batch::{Cell, Tick},
};

/// A series of which a rule wants to know what was usual.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Name of the rule.
    pub rule: String,
    /// As in the transitions of its alerts.
    pub instance: String,
    /// Whose hourly means are wanted, of up to eight weeks.
    pub series: Series,
}

impl Engine {
    /// The series of a host whose past hours [`Self::learn`] should be told; known once its dictionary is, that is after
    /// its first tick.
    #[must_use]
    pub fn wanted(&self, host: HostId) -> Vec<Wanted> {
        let Some(host) = self.hosts.get(&host) else {
            return Vec::new();
        };
        let mut wanted = Vec::new();
        for (nth, spot) in host.plan.derived().iter().enumerate() {
            let rule = self.rules.at(spot.rule());
            let Condition::Derived(condition) = &rule.condition else {
                continue;
            };
            let Some(listed) = host.plan.listed(host.plan.plain() + nth) else {
                continue;
            };
            let compared = condition.baselines().filter_map(|operand| spot.operand(operand));
            wanted.extend(compared.filter_map(|(cell, _)| {
                Some(Wanted {
                    rule: rule.name.clone(),
                    instance: listed.instance(),
                    series: host.plan.series(cell)?.clone(),
                })
            }));
        }
        wanted
    }

    /// Tells the mean of past hours of what [`Self::wanted`] names, in the order of time.
    pub fn learn(&mut self, host: HostId, rule: &str, instance: &str, hours: &[Hourly]) {
        let (Some(host), Some(rule)) = (self.hosts.get_mut(&host), self.rules.position(rule)) else {
            return;
        };
        let plan = host.plan();
        for (nth, memory) in host.memories.iter_mut().enumerate() {
            let listed = plan.listed(plan.plain() + nth);
            if listed.is_some_and(|listed| listed.rule == rule && listed.instance() == instance) {
                memory.learn(hours);
            }
        }
    }

    /// Shows a tick from before a restart: windows and forecasts fill, and nothing is judged. To be called in the order
    /// of time, before the host's first live tick, as far back as [`RuleSet::looks_back`](crate::RuleSet::looks_back).
    #[must_use = "a transition that is dropped is a lost page"]
    pub fn recall(&mut self, host: HostId, dictionary: &Dictionary, tick: &Tick, now: Timestamp) -> Vec<Transition> {
        let mut out = Vec::new();
        self.host(host);
        let count = self.hosts.len();
        let Some(host) = self.hosts.get_mut(&host) else {
            return out;
        };
        if host.dictionary().map(Dictionary::hash) != Some(dictionary.hash()) {
            prune(&mut self.plans, count);
            let plan = plan_of(&mut self.plans, &self.rules, dictionary);
            host.rebuild(&self.rules, &self.rules, plan, &mut self.timers, now, &mut out);
        }
        host.remember(tick, now);
        for (spot, memory) in host.plan.derived().iter().zip(&mut host.memories) {
            if let Condition::Derived(condition) = &self.rules.at(spot.rule()).condition {
                let _ = memory.look(condition, |operand| cell_of(spot, operand, tick), tick.time);
            }
        }
        out
    }
}

/// An operand's cell in a tick, and its decimals.
pub(super) fn cell_of(spot: &DerivedSpot, operand: usize, tick: &Tick) -> (Cell, u8) {
    match spot.operand(operand) {
        Some((cell, decimals)) => (tick.cells.get(cell).copied().unwrap_or(Cell::Absent), decimals),
        None => (Cell::Absent, 0),
    }
}
