//! One host: the plan that its dictionary asks for, and where each of its alerts stands.

use super::{
    AlertState, Moment, Phase, Reason, Transition, TransitionKind,
    life::{Holds, Life, Reading},
    silence::Silence,
    speak::About,
    timers::{Slot, Timers},
};
use crate::{
    plan::Plan,
    rule::{Condition, MetricCondition, Rule, RuleSet},
};
use std::{sync::Arc, time::Duration};
use tocsin_vocabulary::{
    Dictionary, Hash, HostId, Series, Timestamp,
    batch::{Cell, Tick},
};

/// What is kept for one entry of the plan.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct State {
    pub(super) life: Life,
    /// A counter's last value and when.
    previous: Option<(i64, Timestamp)>,
    /// Whether it was ever seen healthy.
    healthy_seen: bool,
}

/// A raised alert whose series the host does not have (now, or not yet after a restart).
#[derive(Debug)]
pub(super) struct Orphan {
    pub(super) rule: String,
    pub(super) instance: Arc<str>,
    pub(super) series: Option<Arc<Series>>,
    pub(super) life: Life,
    /// When it counts as vanished; `None` while the host was not heard at all.
    pub(super) due: Option<Timestamp>,
}

#[derive(Debug)]
pub(super) struct Host {
    pub(super) id: HostId,
    pub(super) name: String,
    pub(super) tags: Vec<String>,
    /// By rule: whether it looks at this host.
    pub(super) applies: Vec<bool>,
    dictionary: Option<Dictionary>,
    pub(super) plan: Arc<Plan>,
    /// By entry of the plan.
    pub(super) states: Vec<State>,
    pub(super) orphans: Vec<Orphan>,
    pub(super) silences: Vec<Silence>,
    /// Between ticks; `None` while the host is not expected.
    pub(super) interval: Option<Duration>,
    /// When it was last heard, by our clock.
    pub(super) heard: Timestamp,
    /// Whether the next tick is looked at as a whole.
    pub(super) fresh: bool,
}

impl Host {
    pub(super) fn new(id: HostId, rules: &RuleSet) -> Self {
        let mut host = Self {
            id,
            name: id.to_string(),
            tags: Vec::new(),
            applies: Vec::new(),
            dictionary: None,
            plan: Arc::default(),
            states: Vec::new(),
            orphans: Vec::new(),
            silences: Vec::new(),
            interval: None,
            heard: Timestamp::default(),
            fresh: true,
        };
        host.apply(rules);
        host.silences = host.silences_of(rules);
        host
    }

    pub(super) fn apply(&mut self, rules: &RuleSet) {
        self.applies = rules.rules().map(|rule| rule.applies(&self.name, &self.tags)).collect();
    }

    pub(super) const fn dictionary(&self) -> Option<&Dictionary> {
        self.dictionary.as_ref()
    }

    pub(super) fn dictionary_hash(&self) -> Option<Hash> {
        self.dictionary.as_ref().map(Dictionary::hash)
    }

    pub(super) fn plan(&self) -> Arc<Plan> {
        self.plan.clone()
    }

    pub(super) fn bind(&mut self, dictionary: Dictionary) {
        self.dictionary = Some(dictionary);
    }

    pub(super) fn adopt(&mut self, orphan: Orphan) {
        self.orphans.push(orphan);
    }

    /// Whether anything changed.
    pub(super) fn rename(&mut self, name: &str, tags: &[String]) -> bool {
        let other = self.name != name || self.tags != tags;
        if other {
            name.clone_into(&mut self.name);
            self.tags = tags.to_vec();
        }
        other
    }

    /// Looks at the cells that changed and at the alerts that wait.
    pub(super) fn evaluate(
        &mut self,
        rules: &RuleSet,
        timers: &mut Timers,
        tick: &Tick,
        changed: &[u64],
        now: Timestamp,
        out: &mut Vec<Transition>,
    ) {
        let moment = Moment { tick: tick.time, now };
        let fresh = std::mem::take(&mut self.fresh);
        for (at, (entry, state)) in self.plan.entries.iter().zip(&mut self.states).enumerate() {
            let rule = rules.at(entry.rule);
            let Condition::Metric(condition) = &rule.condition else {
                continue;
            };
            let quiet = state.life.phase == Phase::Clear && condition.per.is_none();
            if !self.applies[entry.rule] || quiet && !fresh && !is_set(changed, entry.cell) {
                continue;
            }
            let cell = tick.cells.get(entry.cell).copied().unwrap_or(Cell::Absent);
            let value = state.value(cell, entry.series.decimals, condition.per, tick.time);
            let reading = state.judge(value, condition);
            let due = state.life.due;
            let outcome = state
                .life
                .read(reading, moment, holds(rule), |a, b| condition.bounds.worse(a, b));
            timers.rearm(self.id, Slot::Entry(at), due, state.life.due);
            let about = About {
                rule,
                host: self.id,
                name: &self.name,
                instance: &entry.instance,
                series: Some(&entry.series),
            };
            out.extend(about.outcome(outcome, &state.life, moment));
        }
    }

    /// A pending or clearing alert has waited long enough without a tick.
    pub(super) fn entry_due(
        &mut self,
        at: usize,
        rules: &RuleSet,
        timers: &mut Timers,
        now: Timestamp,
        out: &mut Vec<Transition>,
    ) {
        let overdue = self.is_overdue(now);
        let (Some(entry), Some(state)) = (self.plan.entries.get(at), self.states.get_mut(at)) else {
            return;
        };
        let due = state.life.due;
        if overdue {
            // Of a silent host nothing is known: the next tick decides.
            state.life.due = None;
        }
        let outcome = state.life.elapse(now);
        timers.rearm(self.id, Slot::Entry(at), due, state.life.due);
        let about = About {
            rule: rules.at(entry.rule),
            host: self.id,
            name: &self.name,
            instance: &entry.instance,
            series: Some(&entry.series),
        };
        out.extend(about.outcome(outcome, &state.life, Moment { tick: now, now }));
    }

    /// Clears the alerts whose series did not come back.
    pub(super) fn orphans_due(&mut self, rules: &RuleSet, now: Timestamp, out: &mut Vec<Transition>) {
        let (id, name) = (self.id, &self.name);
        self.orphans.retain(|orphan| {
            if orphan.due.is_none_or(|due| due > now) {
                return true;
            }
            out.extend(orphan.cleared(rules, id, name, Reason::Vanished, now));
            false
        });
    }

    pub(super) fn states<'a>(&'a self, rules: &'a RuleSet) -> impl Iterator<Item = AlertState> + 'a {
        let state = |rule: &Rule, instance: &str, life: &Life| AlertState {
            rule: rule.name.clone(),
            host: self.id,
            instance: instance.to_owned(),
            state: life.phase,
            since: (life.phase != Phase::Clear).then_some(life.began),
            value: life.value,
        };
        let entries = self.plan.entries.iter().zip(&self.states);
        let entries = entries
            .filter(|(entry, _)| self.applies[entry.rule])
            .map(move |(entry, one)| state(rules.at(entry.rule), &entry.instance, &one.life));
        let orphans = self.orphans.iter().filter_map(move |orphan| {
            rules
                .get(&orphan.rule)
                .map(|rule| state(rule, &orphan.instance, &orphan.life))
        });
        let silences = self
            .silences
            .iter()
            .map(move |one| state(rules.at(one.rule), "", &one.life));
        entries.chain(orphans).chain(silences)
    }

    fn is_overdue(&self, now: Timestamp) -> bool {
        self.interval
            .is_some_and(|interval| now.since(self.heard) > interval.saturating_mul(2))
    }
}

impl State {
    /// Of an alert that comes back to its series: it was healthy once, or it would not have been raised.
    pub(super) const fn raised(life: Life) -> Self {
        Self {
            life,
            previous: None,
            healthy_seen: true,
        }
    }

    /// What the rule compares: the value itself, or a counter's increase over `per`.
    fn value(&mut self, cell: Cell, decimals: u8, per: Option<Duration>, time: Timestamp) -> Option<f64> {
        let Some(per) = per else {
            return cell.to_f64(decimals).filter(|value| !value.is_nan());
        };
        let Cell::Scaled(total) = cell else {
            self.previous = None;
            return None;
        };
        let (before, then) = self.previous.replace((total, time))?;
        // A counter that fell was reset, and a clock that stood still gives no rate: nothing is known.
        let increase = total.checked_sub(before).filter(|increase| *increase >= 0)?;
        let elapsed = time.since(then).as_secs_f64();
        let increase = Cell::Scaled(increase).to_f64(decimals)?;
        (elapsed > 0.0).then(|| increase / elapsed * per.as_secs_f64())
    }

    fn judge(&mut self, value: Option<f64>, condition: &MetricCondition) -> Reading {
        let Some(value) = value else {
            return Reading::Unknown;
        };
        if condition.bounds.healthy(value) {
            self.healthy_seen = true;
            return Reading::Healthy(value);
        }
        let was_always_so = condition.from_healthy && !self.healthy_seen && !self.life.is_raised();
        if condition.bounds.holds(value) && !was_always_so {
            return Reading::Holds(value);
        }
        Reading::Between(value)
    }
}

impl Orphan {
    pub(super) fn cleared(
        &self,
        rules: &RuleSet,
        host: HostId,
        name: &str,
        reason: Reason,
        now: Timestamp,
    ) -> Option<Transition> {
        let about = About {
            rule: rules.get(&self.rule)?,
            host,
            name,
            instance: &self.instance,
            series: self.series.as_deref(),
        };
        Some(about.say(TransitionKind::Cleared, reason, &self.life, Moment { tick: now, now }))
    }
}

const fn holds(rule: &Rule) -> Holds {
    Holds {
        raise: rule.hold,
        clear: rule.clear_hold,
    }
}

fn is_set(words: &[u64], at: usize) -> bool {
    words.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
}
