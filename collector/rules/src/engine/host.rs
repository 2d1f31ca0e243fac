//! One host: the plan that its dictionary asks for, and where each of its alerts stands.

use super::{
    AlertState, Moment, Phase, Reason, Transition, TransitionKind,
    absence::Absence,
    flaps::Flaps,
    kept::Kept,
    life::{Life, Rare},
    memory::Memory,
    occurrence::Occurrence,
    said::Said,
    silence::Silence,
    speak::About,
    timers::{Slot, Timers},
};
use crate::{
    few::Few,
    plan::{Plan, Plans},
    rule::{Condition, NONE, Rule, RuleSet, Who},
};
use std::{collections::HashMap, sync::Arc, time::Duration};
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

/// What a host is part of.
#[derive(Debug, Default)]
struct Belongs {
    tags: Box<[String]>,
    groups: Box<[String]>,
    customer: Box<str>,
}

#[derive(Debug)]
pub(super) struct Host {
    pub(super) id: HostId,
    pub(super) name: Box<str>,
    /// `None` as long as nothing is known of it.
    belongs: Option<Box<Belongs>>,
    /// By rule: the variant that looks at this host, or [`NONE`].
    pub(super) choice: Arc<[u16]>,
    pub(super) plan: Arc<Plan>,
    /// By entry of the plan.
    pub(super) kept: Kept,
    /// By derived entry of the plan.
    pub(super) memories: Box<[Memory]>,
    /// Time of the last tick that was looked at: counters' totals are of then.
    pub(super) looked_at: Timestamp,
    pub(super) orphans: Few<Orphan>,
    pub(super) silences: Box<[Silence]>,
    /// By rule and instance: when alerts of series that are not known yet were raised before a restart.
    #[allow(clippy::box_collection)] // one word in place of six, for it is nearly never there
    pub(super) flapped: Option<Box<HashMap<(String, String), Flaps>>>,
    pub(super) absences: Few<Absence>,
    pub(super) occurrences: Few<Occurrence>,
    /// When they want to be looked at.
    pub(super) events_armed: Option<Timestamp>,
    /// Between ticks; `None` while the host is not expected.
    pub(super) interval: Option<Duration>,
    /// When it was last heard, by our clock.
    pub(super) heard: Timestamp,
    /// It is not missed before then, by our clock.
    pub(super) grace: Timestamp,
    /// Whether its machine answers while it is silent; none: that was not asked since it was heard.
    pub(super) answers: Option<bool>,
    /// Whether the next tick is looked at as a whole.
    pub(super) fresh: bool,
}

impl Host {
    pub(super) fn new(id: HostId, rules: &RuleSet) -> Self {
        let mut host = Self {
            id,
            name: id.to_string().as_str().into(),
            belongs: None,
            choice: Arc::default(),
            plan: Plan::none(),
            kept: Kept::default(),
            memories: Box::default(),
            looked_at: Timestamp::default(),
            orphans: Few::new(),
            silences: Box::default(),
            flapped: None,
            absences: Few::new(),
            occurrences: Few::new(),
            events_armed: None,
            interval: None,
            heard: Timestamp::default(),
            grace: Timestamp::default(),
            answers: None,
            fresh: true,
        };
        host.apply(rules);
        host.silences = host.silences_of(rules);
        host
    }

    pub(super) fn apply(&mut self, rules: &RuleSet) {
        self.choice = rules.choose(&self.who());
    }

    /// Uses the choice of other hosts, if some chose alike.
    pub(super) fn share(&mut self, plans: &mut Plans) {
        self.choice = plans.choice(self.choice.clone());
    }

    pub(super) fn who(&self) -> Who<'_> {
        let belongs = self.belongs.as_deref();
        Who {
            name: &self.name,
            tags: belongs.map_or(&[], |belongs| &belongs.tags),
            groups: belongs.map_or(&[], |belongs| &belongs.groups),
            customer: belongs.map_or("", |belongs| &belongs.customer),
        }
    }

    /// The variant of a rule that looks at this host.
    pub(super) fn variant(&self, rule: usize) -> Option<usize> {
        self.choice
            .get(rule)
            .filter(|variant| **variant != NONE)
            .map(|variant| usize::from(*variant))
    }

    /// Whether anything changed.
    pub(super) fn assign(&mut self, groups: &[String], customer: &str) -> bool {
        let who = self.who();
        let other = who.groups != groups || who.customer != customer;
        if other {
            let belongs = self.belongs.get_or_insert_default();
            belongs.groups = groups.into();
            belongs.customer = customer.into();
        }
        other
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
        let other = *self.name != *name || self.who().tags != tags;
        if other {
            self.name = name.into();
        }
        if self.who().tags != tags {
            self.belongs.get_or_insert_default().tags = tags.into();
        }
        other
    }

    /// Forgets what was read, except what people know of and what was learnt of past hours.
    pub(super) fn forget_past(&mut self, rules: &RuleSet, timers: &mut Timers) {
        for (entry, due) in self.kept.drop_pending() {
            timers.rearm(self.id, Slot::entry(entry), due, None);
        }
        for (spot, memory) in self.plan.layout().derived().iter().zip(&mut self.memories) {
            if let Condition::Derived(condition) = &rules.at(spot.rule()).condition {
                memory.forget(condition);
            }
        }
        for absence in self.absences.iter_mut().filter(|one| !one.life.is_raised()) {
            absence.life = Rare::default();
        }
        self.looked_at = Timestamp::default();
        self.fresh = true;
    }

    /// An alert was raised then, in our time, before a restart.
    pub(super) fn raised_before(&mut self, rule: usize, rules: &RuleSet, instance: &str, at: Timestamp) {
        let of = rules.at(rule);
        let (flaps, life) = match &of.condition {
            Condition::NoData { .. } => {
                let silence = self.silences.iter_mut().find(|one| one.rule == rule);
                let Some(silence) = silence else { return };
                (&mut silence.flaps, silence.life.get_mut())
            }
            Condition::Absent(_) => {
                let mut absences = self.absences.iter_mut();
                let Some(absence) = absences.find(|one| one.rule == rule && one.instance == instance) else {
                    return;
                };
                (&mut absence.flaps, absence.life.get_mut())
            }
            Condition::Event(_) => {
                let mut occurrences = self.occurrences.iter_mut();
                let Some(one) = occurrences.find(|one| one.rule == rule && one.instance == instance) else {
                    return;
                };
                (&mut one.flaps, Some(&mut one.life))
            }
            Condition::Metric(_) | Condition::Derived(_) => {
                let mut orphans = self.orphans.iter_mut();
                let orphan = orphans.find(|one| one.rule == of.name && one.instance == instance);
                let key = (of.name.clone(), instance.to_owned());
                (
                    self.flapped.get_or_insert_default().entry(key).or_default(),
                    orphan.map(|one| &mut one.life),
                )
            }
        };
        let flapping = flaps.raised(at, of.flapping);
        if let Some(life) = life.filter(|life| life.is_raised()) {
            life.flapping = flapping;
        }
    }

    /// Clears the alerts whose series did not come back.
    pub(super) fn orphans_due(&mut self, rules: &RuleSet, now: Timestamp, out: &mut Said) {
        let (id, name) = (self.id, &self.name);
        self.orphans.retain_mut(|orphan| {
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
            .filter(|(_, entry)| self.variant(entry.rule).is_some())
            .map(move |(at, entry)| self.state(rules.at(entry.rule), &entry.instance(), &self.kept.life(at)));
        entries.chain(self.others(rules, |_| true))
    }

    /// Where those alerts stand that are not clear: nothing is made of the others, which are nearly all.
    pub(super) fn stirred<'a>(&'a self, rules: &'a RuleSet) -> impl Iterator<Item = AlertState> + 'a {
        let entries = self.kept.awake().filter_map(move |(at, life)| {
            let entry = self
                .plan
                .listed(at)
                .filter(|entry| self.variant(entry.rule).is_some())?;
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
        let silences = self.silences.iter().filter(move |one| wanted(&one.life.get()));
        let silences = silences.map(move |one| self.state(rules.at(one.rule), "", &one.life.get()));
        let absences = self.absences.iter().filter(move |one| wanted(&one.life.get()));
        let absences = absences.map(move |one| self.state(rules.at(one.rule), &one.instance, &one.life.get()));
        let occurrences = self.occurrences.iter().filter(move |one| wanted(&one.life));
        let occurrences = occurrences.map(move |one| self.state(rules.at(one.rule), &one.instance, &one.life));
        orphans.chain(silences).chain(absences).chain(occurrences)
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
        // The rule's own words: an override changes none of them.
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
