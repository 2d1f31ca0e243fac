//! What the engine may be told of the past, so that windows, forecasts and baselines know it after a restart.

use super::{Engine, Hourly, said::Said};
use crate::{
    plan::DerivedSpot,
    rule::{Condition, Event},
    transition::Transition,
};
use std::time::Duration;
use tocsin_vocabulary::{
    Dictionary, Hash, HostId, Series, Timestamp,
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
    /// Of a counter: the mean is its increase over this much time.
    pub per: Option<Duration>,
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
        for (nth, spot) in host.plan.layout().derived().iter().enumerate() {
            let rule = self.rules.at(spot.rule());
            let Condition::Derived(condition) = &rule.condition else {
                continue;
            };
            let Some(listed) = host.plan.listed(host.plan.layout().plain() + nth) else {
                continue;
            };
            wanted.extend(condition.baselines().filter_map(|operand| {
                let (cell, _) = spot.operand(operand)?;
                Some(Wanted {
                    rule: rule.name.clone(),
                    instance: listed.instance(),
                    series: host.plan.series(cell)?.clone(),
                    per: condition.operands.get(operand)?.per,
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
            let listed = plan.listed(plan.layout().plain() + nth);
            if listed.is_some_and(|listed| listed.rule == rule && listed.instance() == instance) {
                memory.learn(hours);
            }
        }
    }

    /// Shows a tick from before a restart: windows and forecasts fill, what held then is pending since then, what was
    /// healthy is clearing, and nothing is decided. To be called in the order of time, before the host's first live tick
    /// (or between [`Self::forget_past`] and the next one), as far back as
    /// [`RuleSet::remembers`](crate::RuleSet::remembers).
    #[must_use = "a transition that is dropped is a lost page"]
    pub fn recall(&mut self, host: HostId, dictionary: &Dictionary, tick: &Tick, now: Timestamp) -> Vec<Transition> {
        let mut out = Said::new(self.keeps);
        self.host(host);
        let count = self.hosts.len();
        let Some(host) = self.hosts.get_mut(&host) else {
            return Vec::new();
        };
        if host.dictionary().map(Dictionary::hash) != Some(dictionary.hash()) {
            let plan = self.plans.of(dictionary, &self.rules, count);
            host.rebuild(&self.rules, &self.rules, plan, &mut self.timers, now, &mut out);
            host.share(&mut self.plans);
        }
        host.evaluate(&self.rules, &mut self.timers, tick, &[], now, true, &mut out);
        host.miss(&self.rules, tick, now, true, &mut out);
        // The next one is looked at as a whole, be it another past one or the first live one.
        host.fresh = true;
        self.say(out)
    }

    /// Forgets what was read of a host before its alerts were raised, so that its past can be recalled as a whole: its
    /// windows, forecasts and what is pending, not what was learnt of past hours. Answers the time of the tick that was
    /// looked at last: what is recalled must reach to it. `None`: no tick was looked at yet.
    pub fn forget_past(&mut self, host: HostId) -> Option<Timestamp> {
        let host = self.hosts.get_mut(&host)?;
        let looked_at = host.looked_at;
        host.forget_past(&self.rules, &mut self.timers);
        (looked_at != Timestamp::default()).then_some(looked_at)
    }

    /// Time of the tick of a host that was looked at last, and what its cells meant; none before the first one.
    #[must_use]
    pub fn looked_at(&self, host: HostId) -> Option<(Timestamp, Hash)> {
        let host = self.hosts.get(&host)?;
        Some((host.looked_at, host.dictionary()?.hash()))
    }

    /// Says that an alert was raised at this time, by our clock, before a restart, so that one which comes and goes is known
    /// to. In the order of time, after [`Self::restore`] and before anything is recalled, as far back as
    /// [`Flapping::WITHIN_MAX`](crate::Flapping::WITHIN_MAX).
    pub fn raised_before(&mut self, host: HostId, rule: &str, instance: &str, at: Timestamp) {
        let Some(rule) = self.rules.position(rule) else {
            return;
        };
        self.host(host);
        self.with(host, |host, rules, _| host.raised_before(rule, rules, instance, at));
    }

    /// Shows an event from before a restart: it is counted, and nothing is decided. `heard` is when it came, by our clock,
    /// moved on by the time for which nobody watched. In the order in which they came, after [`Self::restore`].
    pub fn recall_event(&mut self, host: HostId, event: &Event<'_>, heard: Timestamp) {
        self.host(host);
        self.with(host, |host, rules, timers| {
            host.recall_event(rules, timers, event, heard);
        });
    }
}

/// An operand's cell in a tick, and its decimals.
pub(super) fn cell_of(spot: &DerivedSpot, operand: usize, tick: &Tick) -> (Cell, u8) {
    match spot.operand(operand) {
        Some((cell, decimals)) => (tick.cells.get(cell).copied().unwrap_or(Cell::Absent), decimals),
        None => (Cell::Absent, 0),
    }
}
