//! Silence: a host that should be heard and is not.
//!
//! A deadline is armed lazily: it is not moved on every sign of life, but looked at when it comes, and armed again
//! when the host was heard meanwhile. So a sign of life costs nothing but its time.

use super::{
    Moment,
    flaps::Flaps,
    host::Host,
    life::{Holds, Life, Outcome, Phase, Rare, Reading},
    said::Said,
    speak::About,
    timers::{Slot, Timers},
};
use crate::rule::{Condition, NONE, Rule, RuleSet};
use std::time::Duration;
use tocsin_vocabulary::Timestamp;

/// However short a rule's `no_data`, this many ticks must be missing: one that is late is not silence.
const TICKS_MISSING_MIN: u32 = 3;

/// Whether a machine answers may change while its host is silent: where a rule waits for that, it is asked again so often.
const ASKED_AGAIN: Duration = Duration::from_secs(30);

/// One rule about silence.
#[derive(Debug)]
pub(super) struct Silence {
    /// Index of the rule.
    pub(super) rule: usize,
    pub(super) life: Rare,
    pub(super) armed: Option<Timestamp>,
    pub(super) flaps: Flaps,
}

impl Host {
    /// Fresh silences of all rules about silence that look at this host.
    pub(super) fn silences_of(&self, rules: &RuleSet) -> Box<[Silence]> {
        let rules = rules.rules().enumerate();
        let looking = rules
            .filter(|(at, rule)| matches!(rule.condition, Condition::NoData { .. }) && self.variant(*at).is_some())
            .map(|(at, _)| at);
        // Counted first, so that no more is taken than they need.
        let looking: Vec<usize> = looking.collect();
        let silences = looking.iter().map(|rule| Silence {
            rule: *rule,
            life: Rare::default(),
            armed: None,
            flaps: Flaps::default(),
        });
        silences.collect()
    }

    pub(super) const fn expected(&mut self, interval: Duration, now: Timestamp) {
        if self.interval.is_none() {
            self.heard = now;
        }
        self.interval = Some(interval);
    }

    /// When it was last heard before a restart, and when it may be missed at the earliest.
    pub(super) const fn was_heard(&mut self, heard: Timestamp, grace: Timestamp) {
        self.heard = heard;
        self.grace = grace;
    }

    pub(super) fn heard_at(&mut self, now: Timestamp) {
        self.heard = self.heard.max(now);
        self.answers = None;
    }

    /// It was told whether the machine answers: rules that waited for it look once more.
    pub(super) fn answered(
        &mut self,
        answers: bool,
        rules: &RuleSet,
        timers: &mut Timers,
        now: Timestamp,
        out: &mut Said,
    ) {
        self.answers = Some(answers);
        for at in 0..self.silences.len() {
            let rule = rules.at(chosen(&self.choice, self.silences[at].rule));
            if wanted(rule) == Some(answers) {
                timers.rearm(self.id, Slot::silence(at), self.silences[at].armed, None);
                self.silence_due(at, rules, timers, now, out);
            }
        }
    }

    pub(super) fn restore_silence(&mut self, rule: usize, life: Life, timers: &mut Timers) {
        if let Some((at, silence)) = self.silences.iter_mut().enumerate().find(|(_, one)| one.rule == rule) {
            silence.life.put(life);
            timers.rearm(self.id, Slot::silence(at), silence.armed.take(), None);
        } else {
            // It does not apply as far as is known; the next rebuild clears it, or keeps it if it does.
            let mut silence = Silence {
                rule,
                life: Rare::default(),
                armed: None,
                flaps: Flaps::default(),
            };
            silence.life.put(life);
            let others = std::mem::take(&mut self.silences);
            self.silences = others.into_iter().chain([silence]).collect();
        }
    }

    /// Arms every deadline that is not armed as it should be.
    pub(super) fn arm_silences(&mut self, rules: &RuleSet, timers: &mut Timers) {
        let (heard, grace, interval) = (self.heard, self.grace, self.interval);
        for (at, silence) in self.silences.iter_mut().enumerate() {
            let next = silence.next(rules.at(chosen(&self.choice, silence.rule)), (heard, grace), interval);
            timers.rearm(self.id, Slot::silence(at), silence.armed, next);
            silence.armed = next;
        }
    }

    /// Clears what was raised about silence.
    pub(super) fn seen(&mut self, rules: &RuleSet, timers: &mut Timers, now: Timestamp, out: &mut Said) {
        if !self.silences.iter().any(|silence| silence.life.is_raised()) {
            return;
        }
        let moment = Moment { tick: now, now };
        for silence in &mut self.silences {
            let rule = rules.at(chosen(&self.choice, silence.rule));
            let holds = Holds::of(rule);
            let mut life = silence.life.get();
            let from = life.phase;
            let outcome = life.read(Reading::Healthy(0.0), moment, holds, f64::max);
            silence.life.put(life);
            let about = About {
                rule,
                host: self.id,
                name: &self.name,
                instance: "",
                series: None,
            };
            out.turned(about, from, outcome, &life, moment);
        }
        self.arm_silences(rules, timers);
    }

    /// A deadline has come: the host is silent, or it was heard meanwhile.
    pub(super) fn silence_due(
        &mut self,
        at: usize,
        rules: &RuleSet,
        timers: &mut Timers,
        now: Timestamp,
        out: &mut Said,
    ) {
        let (heard, grace, interval) = (self.heard, self.grace, self.interval);
        let Some(silence) = self.silences.get_mut(at) else {
            return;
        };
        silence.armed = None;
        let rule = rules.at(chosen(&self.choice, silence.rule));
        let silent = deadline(rule, (heard, grace), interval).is_some_and(|deadline| deadline <= now);
        let mut life = silence.life.get();
        let from = life.phase;
        if silent && from != Phase::Raised && wanted(rule).is_some_and(|wanted| self.answers != Some(wanted)) {
            self.answers = None;
            out.asks.push(self.id);
            silence.armed = Some(now.plus(ASKED_AGAIN));
            timers.rearm(self.id, Slot::silence(at), None, silence.armed);
            return;
        }
        let (outcome, moment) = if silent && from != Phase::Raised {
            // What we know ends with the last sign of life.
            let moment = Moment { tick: heard, now };
            let holds = Holds::of(rule);
            let reading = Reading::Holds(now.since(heard).as_secs_f64());
            (life.read(reading, moment, holds, f64::max), Moment { tick: now, now })
        } else {
            (life.elapse(now, &rule.levels), Moment { tick: now, now })
        };
        if outcome == Outcome::Raised {
            life.flapping = silence.flaps.raised(now, rule.flapping);
        }
        silence.life.put(life);
        let about = About {
            rule,
            host: self.id,
            name: &self.name,
            instance: "",
            series: None,
        };
        out.turned(about, from, outcome, &life, moment);
        silence.armed = silence.next(rule, (heard, grace), interval);
        timers.rearm(self.id, Slot::silence(at), None, silence.armed);
    }
}

impl Silence {
    fn next(&self, rule: &Rule, heard: (Timestamp, Timestamp), interval: Option<Duration>) -> Option<Timestamp> {
        let deadline = deadline(rule, heard, interval)?;
        let life = self.life.get();
        match life.phase {
            Phase::Clear | Phase::Pending => Some(deadline),
            Phase::Raised => life.next_level(&rule.levels),
            Phase::Clearing => Some(life.due.map_or(deadline, |due| due.min(deadline))),
        }
    }
}

/// The variant of a rule that counts for a host; the rule itself if none does and an alert is left of it.
fn chosen(choice: &[u16], rule: usize) -> usize {
    let variant = choice.get(rule).filter(|variant| **variant != NONE);
    variant.map_or(rule, |variant| usize::from(*variant))
}

/// What the rule wants to know of the machine of a silent host.
const fn wanted(rule: &Rule) -> Option<bool> {
    match rule.condition {
        Condition::NoData { answers, .. } => answers,
        _ => None,
    }
}

/// When a host is missed that was last heard then, and not before `grace`.
fn deadline(rule: &Rule, (heard, grace): (Timestamp, Timestamp), interval: Option<Duration>) -> Option<Timestamp> {
    let Condition::NoData { after, .. } = rule.condition else {
        return None;
    };
    Some(
        heard
            .plus(after.max(interval?.saturating_mul(TICKS_MISSING_MIN)))
            .max(grace),
    )
}
