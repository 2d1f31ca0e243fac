//! One host: the plan that its dictionary asks for, and where each of its alerts stands.

use super::{
    AlertState, Moment, Phase, Reason, Transition, TransitionKind, kept::Kept, life::Life, silence::Silence,
    speak::About,
};
use crate::{
    plan::Plan,
    rule::{Rule, RuleSet},
};
use std::{sync::Arc, time::Duration};
use tocsin_vocabulary::{Dictionary, HostId, Series, Timestamp};

/// A raised alert whose series the host does not have (now, or not yet after a restart).
#[derive(Debug)]
pub(super) struct Orphan {
    pub(super) rule: String,
    pub(super) instance: String,
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
    pub(super) plan: Arc<Plan>,
    /// By entry of the plan.
    pub(super) kept: Kept,
    /// Time of the last tick that was looked at: counters' totals are of then.
    pub(super) looked_at: Timestamp,
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
            plan: Arc::default(),
            kept: Kept::default(),
            looked_at: Timestamp::default(),
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

    pub(super) fn dictionary(&self) -> Option<&Dictionary> {
        self.plan.dictionary()
    }

    pub(super) fn plan(&self) -> Arc<Plan> {
        self.plan.clone()
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

    /// Where every alert stands.
    pub(super) fn states<'a>(&'a self, rules: &'a RuleSet) -> impl Iterator<Item = AlertState> + 'a {
        let entries = self.plan.list().enumerate();
        let entries = entries
            .filter(|(_, entry)| self.applies[entry.rule])
            .map(move |(at, entry)| self.state(rules.at(entry.rule), &entry.instance(), &self.kept.life(at)));
        entries.chain(self.others(rules, |_| true))
    }

    /// Where those alerts stand that are not clear: nothing is made of the others, which are nearly all.
    pub(super) fn stirred<'a>(&'a self, rules: &'a RuleSet) -> impl Iterator<Item = AlertState> + 'a {
        let entries = self.kept.awake().filter_map(move |(at, life)| {
            let entry = self.plan.listed(at).filter(|entry| self.applies[entry.rule])?;
            Some(self.state(rules.at(entry.rule), &entry.instance(), life))
        });
        entries.chain(self.others(rules, |life| life.phase != Phase::Clear))
    }

    /// Alerts that have no entry in the plan.
    fn others<'a>(&'a self, rules: &'a RuleSet, wanted: fn(&Life) -> bool) -> impl Iterator<Item = AlertState> + 'a {
        let orphans = self.orphans.iter().filter(move |orphan| wanted(&orphan.life));
        let orphans = orphans.filter_map(move |orphan| {
            let rule = rules.get(&orphan.rule)?;
            Some(self.state(rule, &orphan.instance, &orphan.life))
        });
        let silences = self.silences.iter().filter(move |one| wanted(&one.life));
        orphans.chain(silences.map(move |one| self.state(rules.at(one.rule), "", &one.life)))
    }

    fn state(&self, rule: &Rule, instance: &str, life: &Life) -> AlertState {
        AlertState {
            rule: rule.name.clone(),
            host: self.id,
            instance: instance.to_owned(),
            state: life.phase,
            since: (life.phase != Phase::Clear).then_some(life.began),
            value: life.value,
        }
    }

    pub(super) fn is_overdue(&self, now: Timestamp) -> bool {
        self.interval
            .is_some_and(|interval| now.since(self.heard) > interval.saturating_mul(2))
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
