//! Events that are counted, the alerts that they raise, and what ends those.
//!
//! Events are counted by their own time and each only once, so the order in which they come does not matter. An event
//! that comes late, from a host's backlog, counts too, unless what ends it is known already: it pages, marked late.

mod recall;

use super::{
    Moment, Reason, Transition, TransitionKind,
    flaps::Flaps,
    host::Host,
    life::{Holds, Life, Outcome, Phase, Reading},
    said::Said,
    speak::About,
    timers::{Slot, Timers},
};
use crate::rule::{Condition, Event, EventCondition, RuleSet};
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tocsin_vocabulary::{Kind, Series, Timestamp};

/// Instances of one rule that are counted apart for one host; further ones are counted as one.
const INSTANCES_MAX: usize = 64;
/// Bytes of an event's body that go into words.
const BODY_SHOWN_MAX: usize = 200;

/// The events of one rule and instance.
#[derive(Debug)]
pub(super) struct Occurrence {
    /// Index of the rule.
    pub(super) rule: usize,
    pub(super) instance: String,
    /// The attributes of the instance, and the last body.
    pub(super) series: Option<Arc<Series>>,
    pub(super) life: Life,
    pub(super) flaps: Flaps,
    /// Time and number of the last ones, in the order of time; as many as the rule counts.
    recent: VecDeque<(Timestamp, u64)>,
    /// Since it was raised.
    total: u32,
    /// Time of the last event that ended it: what happened before is over.
    ended: Option<Timestamp>,
    /// When it ends by itself, in our time.
    over: Option<Timestamp>,
    /// When the last event came, in our time.
    heard: Timestamp,
}

impl Occurrence {
    fn new(rule: usize, instance: String, series: Option<Arc<Series>>, now: Timestamp) -> Self {
        Self {
            rule,
            instance,
            series,
            life: Life::default(),
            flaps: Flaps::default(),
            recent: VecDeque::new(),
            total: 0,
            ended: None,
            over: None,
            heard: now,
        }
    }

    /// Counts an event; whether it is a new one.
    fn count(&mut self, condition: &EventCondition, event: &Event<'_>) -> bool {
        let one = (event.time, event.number);
        if self.recent.iter().any(|(_, number)| *number == event.number) {
            return false;
        }
        let at = self.recent.partition_point(|other| *other < one);
        self.recent.insert(at, one);
        if self.recent.len() > condition.count as usize {
            self.recent.pop_front();
        }
        true
    }

    fn is_many(&self, condition: &EventCondition) -> bool {
        match (self.recent.front(), self.recent.back()) {
            (Some((first, _)), Some((last, _))) if self.recent.len() >= condition.count as usize => {
                last.since(*first) <= condition.within
            }
            _ => false,
        }
    }
}

fn condition(rules: &RuleSet, rule: usize) -> Option<&EventCondition> {
    match &rules.at(rule).condition {
        Condition::Event(condition) => Some(condition),
        _ => None,
    }
}

/// `key=value,key=value` of the attributes that make an instance.
fn instance_of(condition: &EventCondition, event: &Event<'_>) -> String {
    let pairs = condition
        .by
        .iter()
        .map(|key| format!("{key}={}", event.attribute(key).unwrap_or("")));
    pairs.collect::<Vec<_>>().join(",")
}

/// What words may be filled with.
fn series_of(condition: &EventCondition, event: &Event<'_>) -> Series {
    let body: String = event.body.chars().take(BODY_SHOWN_MAX).collect();
    let by = condition.by.iter();
    let mut attributes: Vec<_> = by
        .map(|key| (key.as_str().into(), event.attribute(key).unwrap_or("").into()))
        .collect();
    attributes.push(("body".into(), body.as_str().into()));
    Series {
        name: event.name.into(),
        attributes,
        kind: Kind::Gauge,
        unit: "{event}".into(),
        decimals: 0,
    }
}

impl Host {
    /// Takes an event.
    pub(super) fn happened(
        &mut self,
        rules: &RuleSet,
        timers: &mut Timers,
        event: &Event<'_>,
        now: Timestamp,
        late: Option<Duration>,
        out: &mut Said,
    ) {
        for rule in 0..rules.rules().len() {
            let Some(condition) = condition(rules, rule) else {
                continue;
            };
            if self.variant(rule).is_none() {
                continue;
            }
            let ends = condition
                .cleared_by
                .as_ref()
                .is_some_and(|pattern| pattern.matches(event));
            let counts = condition.pattern.matches(event);
            if !ends && !counts {
                continue;
            }
            let at = self.occurrence(rule, condition, event, now);
            if ends {
                self.ended(at, rules, event, now, late.is_some(), out);
            } else {
                self.counted(at, rules, event, now, late, out);
            }
        }
        self.arm_events(rules, timers);
    }

    /// The place of what counts an event.
    fn occurrence(&mut self, rule: usize, condition: &EventCondition, event: &Event<'_>, now: Timestamp) -> usize {
        let mut instance = instance_of(condition, event);
        let mut series = Some(Arc::new(series_of(condition, event)));
        let find = |all: &[Occurrence], instance: &str| {
            all.iter().position(|one| one.rule == rule && one.instance == instance)
        };
        let mut found = find(&self.occurrences, &instance);
        if found.is_none() && self.occurrences.iter().filter(|one| one.rule == rule).count() >= INSTANCES_MAX {
            let calm = self.occurrences.iter().enumerate();
            let calm = calm.filter(|(_, one)| one.rule == rule && !one.life.is_raised());
            match calm.min_by_key(|(_, one)| one.heard).map(|(at, _)| at) {
                Some(oldest) => {
                    self.occurrences.swap_remove(oldest);
                }
                None => {
                    (instance, series) = (String::new(), None);
                    found = find(&self.occurrences, "");
                }
            }
        }
        found.unwrap_or_else(|| {
            self.occurrences.push(Occurrence::new(rule, instance, series, now));
            self.occurrences.len() - 1
        })
    }

    fn counted(
        &mut self,
        at: usize,
        rules: &RuleSet,
        event: &Event<'_>,
        now: Timestamp,
        late: Option<Duration>,
        out: &mut Said,
    ) {
        let one = &mut self.occurrences[at];
        let Some(condition) = condition(rules, one.rule) else {
            return;
        };
        let is_over = one.ended.is_some_and(|ended| event.time <= ended)
            || late.is_some_and(|age| condition.clear_after.is_some_and(|after| age >= after));
        if is_over {
            return;
        }
        one.begin_anew(condition, now);
        if !one.count(condition, event) {
            return;
        }
        one.heard = now;
        one.over = condition.clear_after.map(|after| now.plus(after));
        if one.series.is_some() {
            one.series = Some(Arc::new(series_of(condition, event)));
        }
        let raised = one.life.is_raised();
        if !raised && !one.is_many(condition) {
            return;
        }
        one.total = if raised {
            one.total.saturating_add(1)
        } else {
            condition.count
        };
        let began = one.recent.front().map_or(event.time, |(first, _)| *first);
        let reading = Reading::Holds(f64::from(one.total));
        self.told(
            at,
            rules,
            reading,
            Moment { tick: began, now },
            event.time,
            late.is_some(),
            out,
        );
    }

    fn ended(&mut self, at: usize, rules: &RuleSet, event: &Event<'_>, now: Timestamp, late: bool, out: &mut Said) {
        let one = &mut self.occurrences[at];
        // What came before its end is over; what came after it is not.
        if one.recent.back().is_some_and(|(last, _)| *last > event.time) && one.life.is_raised() {
            return;
        }
        one.ended = Some(one.ended.map_or(event.time, |ended| ended.max(event.time)));
        one.recent.retain(|(time, _)| *time > event.time);
        one.heard = now;
        if one.life.is_raised() {
            let reading = Reading::Healthy(f64::from(one.total));
            let moment = Moment { tick: event.time, now };
            self.told(at, rules, reading, moment, event.time, late, out);
        }
    }

    /// An alert about events takes a reading.
    #[allow(clippy::too_many_arguments)] // what is read, and when
    fn told(
        &mut self,
        at: usize,
        rules: &RuleSet,
        reading: Reading,
        moment: Moment,
        observed: Timestamp,
        late: bool,
        out: &mut Said,
    ) {
        let Some(variant) = self.variant(self.occurrences[at].rule) else {
            return;
        };
        let rule = rules.at(variant);
        let one = &mut self.occurrences[at];
        let holds = Holds {
            raise: Duration::ZERO,
            clear: Duration::ZERO,
            ..Holds::of(rule)
        };
        let from = one.life.phase;
        let outcome = one.life.read(reading, moment, holds, f64::max);
        if outcome == Outcome::Raised {
            one.life.flapping = one.flaps.raised(moment.now, rule.flapping);
        }
        if outcome == Outcome::Cleared {
            (one.over, one.total) = (None, 0);
            one.recent.clear();
        }
        let moment = Moment {
            tick: observed,
            now: moment.now,
        };
        let before = out.transitions.len();
        let about = self.about(rules.at(variant), at);
        out.turned(about, from, outcome, &self.occurrences[at].life, moment);
        for said in out.transitions.iter_mut().skip(before) {
            said.evidence.late = late;
        }
    }

    fn about<'a>(&'a self, rule: &'a crate::rule::Rule, at: usize) -> About<'a> {
        About {
            rule,
            host: self.id,
            name: &self.name,
            instance: &self.occurrences[at].instance,
            series: self.occurrences[at].series.as_deref(),
        }
    }

    /// Ends what nothing was heard of, and makes worse what lasts.
    pub(super) fn events_due(&mut self, rules: &RuleSet, timers: &mut Timers, now: Timestamp, out: &mut Said) {
        self.events_armed = None;
        for at in 0..self.occurrences.len() {
            let one = &mut self.occurrences[at];
            if !one.life.is_raised() {
                continue;
            }
            if one.over.is_some_and(|over| over <= now) {
                one.over = None;
                let reading = Reading::Healthy(f64::from(one.total));
                self.told(at, rules, reading, Moment { tick: now, now }, now, false, out);
                continue;
            }
            let Some(variant) = self.variant(self.occurrences[at].rule) else {
                continue;
            };
            let from = self.occurrences[at].life.phase;
            let outcome = self.occurrences[at].life.elapse(now, &rules.at(variant).levels);
            if outcome == Outcome::Cleared {
                (self.occurrences[at].over, self.occurrences[at].total) = (None, 0);
                self.occurrences[at].recent.clear();
            }
            let about = self.about(rules.at(variant), at);
            out.turned(
                about,
                from,
                outcome,
                &self.occurrences[at].life,
                Moment { tick: now, now },
            );
        }
        self.arm_events(rules, timers);
    }

    fn arm_events(&mut self, rules: &RuleSet, timers: &mut Timers) {
        let dues = self.occurrences.iter().filter(|one| one.life.is_raised());
        let dues = dues.flat_map(|one| {
            let variant = self.variant(one.rule).filter(|_| one.life.phase == Phase::Raised);
            let level = variant.and_then(|variant| one.life.next_level(&rules.at(variant).levels));
            [one.over, level, one.life.due]
        });
        let next = dues.flatten().min();
        timers.rearm(self.id, Slot::Events, self.events_armed, next);
        self.events_armed = next;
    }

    /// An alert that was raised before a restart: it ends by itself as if its last event were now.
    pub(super) fn restore_occurrence(
        &mut self,
        rule: usize,
        instance: String,
        life: Life,
        rules: &RuleSet,
        now: Timestamp,
    ) {
        let pairs = instance.split(',').filter_map(|pair| pair.split_once('='));
        let series = Series {
            name: "".into(),
            attributes: pairs.map(|(key, value)| (key.into(), value.into())).collect(),
            kind: Kind::Gauge,
            unit: "{event}".into(),
            decimals: 0,
        };
        let mut one = Occurrence::new(rule, instance, Some(Arc::new(series)), now);
        let after = condition(rules, rule).and_then(|condition| condition.clear_after);
        one.over = after.map(|after| now.plus(after));
        one.total = 1;
        one.life = life;
        self.occurrences.push(one);
    }

    /// Keeps what other rules still count, and lets go of the rest.
    pub(super) fn rebuild_occurrences(
        &mut self,
        old: &RuleSet,
        new: &RuleSet,
        timers: &mut Timers,
        now: Timestamp,
        out: &mut Said,
    ) {
        if self.occurrences.is_empty() {
            return;
        }
        let before = std::mem::take(&mut self.occurrences);
        for mut one in before {
            let place = new
                .position(&old.at(one.rule).name)
                .filter(|at| condition(new, *at).is_some());
            match place {
                Some(at) if self.variant(at).is_some() => {
                    one.rule = at;
                    let after = condition(new, at).and_then(|condition| condition.clear_after);
                    one.over = after.map(|after| one.heard.plus(after));
                    self.occurrences.push(one);
                }
                _ if one.life.is_raised() => {
                    let reason = place.map_or(Reason::RuleChanged, |_| Reason::NotApplicable);
                    out.push(self.let_go(old, &one, reason, now));
                }
                _ => {}
            }
        }
        self.arm_events(new, timers);
    }

    fn let_go(&self, rules: &RuleSet, one: &Occurrence, reason: Reason, now: Timestamp) -> Transition {
        let about = About {
            rule: rules.at(one.rule),
            host: self.id,
            name: &self.name,
            instance: &one.instance,
            series: one.series.as_deref(),
        };
        about.say(TransitionKind::Cleared, reason, &one.life, Moment { tick: now, now })
    }

    /// Clears all that was raised, for the host is no longer watched.
    pub(super) fn dismiss_occurrences(&mut self, rules: &RuleSet, timers: &mut Timers, now: Timestamp, out: &mut Said) {
        timers.rearm(self.id, Slot::Events, self.events_armed.take(), None);
        let raised = self.occurrences.iter().filter(|one| one.life.is_raised());
        out.extend(raised.map(|one| self.let_go(rules, one, Reason::Forgotten, now)));
    }
}
