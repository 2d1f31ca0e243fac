//! Series that were there and are not any more, or that should be there and never were.
//!
//! What a host had is remembered by instance, at most [`INSTANCES_MAX`] for each rule: a host with more has series that
//! come and go, and nobody misses one of those. A series that is gone for [`FORGOTTEN_AFTER`] is no longer missed.

use super::{
    Moment, Reason, Transition, TransitionKind,
    flaps::Flaps,
    host::Host,
    life::{Holds, Life, Outcome, Rare, Reading},
    said::Said,
    speak::About,
};
use crate::{
    few::Few,
    plan::{instance_of, looks_at},
    rule::{AbsentCondition, Condition, RuleSet},
};
use std::{sync::Arc, time::Duration};
use tocsin_vocabulary::{
    Series, Timestamp,
    batch::{Cell, Tick},
};

/// Instances of one rule that are remembered for one host.
const INSTANCES_MAX: usize = 256;
const FORGOTTEN_AFTER: Duration = Duration::from_secs(7 * 86_400);

/// One series that a rule would miss.
#[derive(Debug)]
pub(super) struct Absence {
    /// Index of the rule.
    pub(super) rule: usize,
    /// Empty for a rule that expects a series and never saw one.
    pub(super) instance: String,
    pub(super) series: Option<Arc<Series>>,
    /// Where it is now, if the dictionary has it.
    cell: Option<usize>,
    pub(super) life: Rare,
    pub(super) flaps: Flaps,
    /// Whether it was ever there, or is expected.
    missed: bool,
    /// When it was last there: by the agent's clock, and by ours.
    seen: Option<(Timestamp, Timestamp)>,
}

impl Absence {
    fn new(rule: usize, instance: String, series: Option<Arc<Series>>, missed: bool) -> Self {
        Self {
            rule,
            instance,
            series,
            cell: None,
            life: Rare::default(),
            flaps: Flaps::default(),
            missed,
            seen: None,
        }
    }
}

impl Absence {
    fn is_there(&self, tick: &Tick) -> bool {
        let cell = self.cell.and_then(|cell| tick.cells.get(cell));
        cell.is_some_and(|cell| *cell != Cell::Absent)
    }
}

fn condition(rules: &RuleSet, rule: usize) -> Option<&AbsentCondition> {
    match &rules.at(rule).condition {
        Condition::Absent(condition) => Some(condition),
        _ => None,
    }
}

impl Host {
    /// An alert that was raised before a restart.
    pub(super) fn restore_absence(&mut self, rule: usize, instance: String, series: Option<Arc<Series>>, life: Life) {
        let mut absence = Absence::new(rule, instance, series, true);
        absence.seen = Some((life.began, life.began));
        absence.life.put(life);
        self.absences.push(absence);
    }

    /// Finds what rules would miss in the dictionary, and lets go of what they no longer would.
    pub(super) fn rebuild_absences(&mut self, old: &RuleSet, new: &RuleSet, now: Timestamp, out: &mut Said) {
        let mut kept = Few::new();
        for mut absence in std::mem::take(&mut self.absences) {
            let name = &old.at(absence.rule).name;
            let place = new.position(name).filter(|at| condition(new, *at).is_some());
            match place {
                Some(at) if self.variant(at).is_some() => {
                    absence.rule = at;
                    absence.cell = None;
                    kept.push(absence);
                }
                _ if absence.life.is_raised() => {
                    let reason = place.map_or(Reason::RuleChanged, |_| Reason::NotApplicable);
                    out.push(self.gone(old, &absence, reason, now));
                }
                _ => {}
            }
        }
        self.absences = kept;
        for rule in 0..new.rules().len() {
            if let Some(condition) = condition(new, rule).filter(|_| self.variant(rule).is_some()) {
                self.find_absences(rule, condition);
            }
        }
    }

    fn find_absences(&mut self, rule: usize, condition: &AbsentCondition) {
        let plan = self.plan();
        let mut found = false;
        let mut count = self.absences.iter().filter(|one| one.rule == rule).count();
        for (cell, series) in plan.dictionary().iter().flat_map(|one| one.series()).enumerate() {
            if series.name.as_str() != condition.metric.name || !looks_at(condition.metric, &condition.filters, series)
            {
                continue;
            }
            found = true;
            let instance = instance_of(series);
            let mut known = self.absences.iter_mut().filter(|one| one.rule == rule);
            if let Some(absence) = known.find(|one| one.instance == instance) {
                absence.cell = absence.cell.or(Some(cell));
            } else if count < INSTANCES_MAX {
                count += 1;
                let series = Some(Arc::new(series.clone()));
                let mut absence = Absence::new(rule, instance, series, condition.expected);
                absence.cell = Some(cell);
                self.absences.push(absence);
            }
            let mut none = self.absences.iter_mut().filter(|one| one.rule == rule);
            if let Some(none) = none.find(|one| one.instance.is_empty() && one.series.is_none()) {
                none.cell = none.cell.or(Some(cell));
            }
        }
        let known = self.absences.iter().any(|one| one.rule == rule);
        if condition.expected && !found && !known && plan.dictionary().is_some() {
            self.absences.push(Absence::new(rule, String::new(), None, true));
        }
    }

    /// Looks whether everything is there on a tick.
    /// With `recalls` it is a tick of before a restart, by which nothing is decided.
    pub(super) fn miss(&mut self, rules: &RuleSet, tick: &Tick, now: Timestamp, recalls: bool, out: &mut Said) {
        if self.absences.is_empty() {
            return;
        }
        let moment = Moment { tick: tick.time, now };
        let mut absences = std::mem::take(&mut self.absences);
        absences.retain_mut(|absence| {
            let there = absence.is_there(tick);
            if there {
                (absence.missed, absence.seen) = (true, Some((tick.time, now)));
            }
            if !absence.missed {
                return true;
            }
            if absence.seen.is_some_and(|(_, here)| now.since(here) >= FORGOTTEN_AFTER) {
                if absence.life.is_raised() {
                    out.push(self.gone(rules, absence, Reason::Vanished, now));
                }
                return false;
            }
            let Some(variant) = self.variant(absence.rule) else {
                return true;
            };
            let since = absence.seen.map_or(tick.time, |(seen, _)| seen);
            let reading = if there {
                Reading::Healthy(0.0)
            } else {
                Reading::Holds(tick.time.since(since).as_secs_f64())
            };
            let rule = rules.at(variant);
            let mut life = absence.life.get();
            let from = life.phase;
            if recalls {
                life.recall(reading, moment, f64::max);
                absence.life.put(life);
                return true;
            }
            let outcome = life.read(reading, moment, Holds::of(rule), f64::max);
            if outcome == Outcome::Raised {
                life.flapping = absence.flaps.raised(now, rule.flapping);
            }
            absence.life.put(life);
            let about = About {
                rule,
                host: self.id,
                name: &self.name,
                instance: &absence.instance,
                series: absence.series.as_deref(),
            };
            out.turned(about, from, outcome, &life, moment);
            // Nothing was ever seen of it, and now there is something: it has a name of its own.
            let was_nothing = absence.instance.is_empty() && absence.series.is_none();
            !(was_nothing && there && !absence.life.is_raised())
        });
        self.absences = absences;
    }

    fn gone(&self, rules: &RuleSet, absence: &Absence, reason: Reason, now: Timestamp) -> Transition {
        let about = About {
            rule: rules.at(absence.rule),
            host: self.id,
            name: &self.name,
            instance: &absence.instance,
            series: absence.series.as_deref(),
        };
        about.say(
            TransitionKind::Cleared,
            reason,
            &absence.life.get(),
            Moment { tick: now, now },
        )
    }

    /// Clears all that was raised, for the host is no longer watched.
    pub(super) fn dismiss_absences(&self, rules: &RuleSet, now: Timestamp, out: &mut Said) {
        let raised = self.absences.iter().filter(|one| one.life.is_raised());
        out.extend(raised.map(|one| self.gone(rules, one, Reason::Forgotten, now)));
    }
}
