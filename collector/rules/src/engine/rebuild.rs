//! A host under another plan, other rules or another name: what was raised stays raised wherever it can.

use super::{
    Moment, Reason, TransitionKind, VANISHED_AFTER,
    host::{Host, Orphan},
    kept::{Kept, State},
    life::Life,
    memory::Memory,
    said::Said,
    speak::About,
    timers::{Slot, Timers},
};
use crate::{
    plan::Plan,
    rule::{Condition, NONE, Rule, RuleSet},
};
use std::{collections::HashMap, sync::Arc};
use tocsin_vocabulary::{Series, Timestamp};

/// What was kept for one rule and instance, on its way to its new place.
struct Moved {
    state: State,
    series: Option<Arc<Series>>,
    due: Option<Timestamp>,
}

impl Host {
    /// Moves every alert from the old rules and plan to the new ones; alerts are the same when the names of their
    /// rules and their instances are.
    pub(super) fn rebuild(
        &mut self,
        old: &RuleSet,
        new: &RuleSet,
        plan: Arc<Plan>,
        timers: &mut Timers,
        now: Timestamp,
        out: &mut Said,
    ) {
        let edited = !std::ptr::eq(old, new);
        let mut moved = self.take_states(old, timers);
        let before = self.choice.clone();
        self.apply(new);
        self.plan = plan;
        self.fresh = true;
        self.settle(new, &mut moved, timers);
        let mut left: Vec<_> = moved
            .into_iter()
            .filter(|(_, kept)| kept.state.life.is_raised())
            .collect();
        left.sort_by(|(a, _), (b, _)| a.cmp(b));
        for ((rule, instance), kept) in left {
            let reason = match new.position(&rule) {
                None => Some(Reason::RuleChanged),
                Some(at) if self.variant(at).is_none() => Some(Reason::NotApplicable),
                // It was in the plan, and the same dictionary under other rules no longer has it there.
                Some(_) if edited && kept.due.is_none() && self.dictionary().is_some() => Some(Reason::RuleChanged),
                Some(_) => None,
            };
            let mut orphan = Orphan {
                rule,
                instance,
                series: kept.series,
                life: kept.state.life,
                due: kept.due,
            };
            if let Some(reason) = reason {
                out.extend(orphan.cleared(old, self.id, &self.name, reason, now));
                continue;
            }
            if orphan.due.is_none() && self.dictionary().is_some() {
                orphan.due = Some(now.plus(VANISHED_AFTER));
            }
            timers.rearm(self.id, Slot::Orphans, None, orphan.due);
            self.orphans.push(orphan);
        }
        self.rebuild_silences(old, new, timers, now, out);
        self.rebuild_absences(old, new, now, out);
        self.rebuild_occurrences(old, new, timers, now, out);
        self.reword(old, new, &before, now, out);
    }

    /// Gives every entry of the plan what was kept for it.
    fn settle(&mut self, rules: &RuleSet, moved: &mut HashMap<(String, String), Moved>, timers: &mut Timers) {
        self.kept = Kept::of(self.plan.layout());
        let mut memories = Vec::with_capacity(self.plan.layout().derived().len());
        for (at, entry) in self.plan.list().enumerate() {
            let rule = rules.at(entry.rule);
            let mut state = if self.variant(entry.rule).is_some() && !moved.is_empty() {
                let found = moved.remove(&(rule.name.clone(), entry.instance()));
                found.map(|moved| moved.state).unwrap_or_default()
            } else {
                State::default()
            };
            if let Some(flapped) = self.flapped.as_mut().filter(|_| state.flaps.is_none()) {
                state.flaps = flapped.remove(&(rule.name.clone(), entry.instance()));
            }
            timers.rearm(self.id, Slot::entry(at), None, state.life.due);
            let rated = rules
                .check(entry.rule)
                .per
                .and_then(|_| self.plan.layout().rated_place(entry.cell));
            self.kept.settle(at, entry.cell, rated, &state);
            if let Condition::Derived(condition) = &rule.condition {
                let memory = state.memory.take().filter(|memory| memory.fits(condition));
                memories.push(memory.unwrap_or_else(|| Memory::of(condition)));
            }
        }
        self.memories = memories.into();
    }

    /// Tells of raised alerts whose rule says something else than `before`, the choice among the old rules.
    fn reword(&self, old: &RuleSet, new: &RuleSet, before: &[u16], now: Timestamp, out: &mut Said) {
        if std::ptr::eq(old, new) && before == &*self.choice {
            return;
        }
        let moment = Moment { tick: now, now };
        let reworded = |rule: usize, life: &Life| {
            let after = new.at(self.variant(rule)?);
            let was = usize::from(*before.get(old.position(&after.name)?).filter(|was| **was != NONE)?);
            (!same_words(old.at(was), after, life.level)).then_some(after)
        };
        let entries = self.kept.awake().filter_map(|(at, life)| {
            let entry = self.plan.listed(at)?;
            Some((entry.rule, entry.instance(), Some(entry.series), *life))
        });
        let silences = self.silences.iter();
        let silences = silences.map(|one| (one.rule, String::new(), None, one.life.get()));
        let absences = self.absences.iter();
        let absences = absences.map(|one| (one.rule, one.instance.clone(), one.series.as_deref(), one.life.get()));
        let occurrences = self.occurrences.iter();
        let occurrences = occurrences.map(|one| (one.rule, one.instance.clone(), one.series.as_deref(), one.life));
        for (rule, instance, series, life) in entries.chain(silences).chain(absences).chain(occurrences) {
            let Some(rule) = reworded(rule, &life).filter(|_| life.is_raised()) else {
                continue;
            };
            let about = About {
                rule,
                host: self.id,
                name: &self.name,
                instance: &instance,
                series,
            };
            out.push(about.say(TransitionKind::Updated, Reason::RuleChanged, &life, moment));
        }
    }

    /// Clears everything and disarms every deadline.
    pub(super) fn dismiss(&mut self, rules: &RuleSet, timers: &mut Timers, now: Timestamp, out: &mut Said) {
        let mut left: Vec<_> = self.take_states(rules, timers).into_iter().collect();
        left.sort_by(|(a, _), (b, _)| a.cmp(b));
        for ((rule, instance), kept) in left {
            let life = kept.state.life;
            if life.is_raised() {
                let orphan = Orphan {
                    rule,
                    instance,
                    series: kept.series,
                    life,
                    due: None,
                };
                out.extend(orphan.cleared(rules, self.id, &self.name, Reason::Forgotten, now));
            }
        }
        self.dismiss_absences(rules, now, out);
        self.dismiss_occurrences(rules, timers, now, out);
        let moment = Moment { tick: now, now };
        for (at, silence) in self.silences.iter().enumerate() {
            timers.rearm(self.id, Slot::silence(at), silence.armed, None);
            if silence.life.is_raised() {
                let rule = rules.at(silence.rule);
                let about = About {
                    rule,
                    host: self.id,
                    name: &self.name,
                    instance: "",
                    series: None,
                };
                out.push(about.say(TransitionKind::Cleared, Reason::Forgotten, &silence.life.get(), moment));
            }
        }
    }

    /// Everything that is worth keeping, by rule and instance, its deadlines disarmed.
    fn take_states(&mut self, rules: &RuleSet, timers: &mut Timers) -> HashMap<(String, String), Moved> {
        let mut moved = HashMap::new();
        let kept = std::mem::take(&mut self.kept);
        let mut memories = std::mem::take(&mut self.memories);
        for (at, entry) in self.plan.list().enumerate().take(kept.len()) {
            let place = rules
                .check(entry.rule)
                .per
                .and_then(|_| self.plan.layout().rated_place(entry.cell));
            let mut state = kept.state(at, place);
            state.memory = at
                .checked_sub(self.plan.layout().plain())
                .and_then(|nth| memories.get_mut(nth))
                .map(std::mem::take);
            timers.rearm(self.id, Slot::entry(at), state.life.due, None);
            let series = state.life.is_raised().then(|| Arc::new(entry.series.clone()));
            let due = None;
            moved.insert(
                (rules.at(entry.rule).name.clone(), entry.instance()),
                Moved { state, series, due },
            );
        }
        for orphan in std::mem::take(&mut self.orphans) {
            timers.rearm(self.id, Slot::Orphans, orphan.due, None);
            let Orphan { series, due, .. } = orphan;
            let state = State::raised(orphan.life);
            moved.insert((orphan.rule, orphan.instance), Moved { state, series, due });
        }
        moved
    }

    fn rebuild_silences(&mut self, old: &RuleSet, new: &RuleSet, timers: &mut Timers, now: Timestamp, out: &mut Said) {
        let mut silences = self.silences_of(new);
        for (at, before) in std::mem::take(&mut self.silences).into_iter().enumerate() {
            timers.rearm(self.id, Slot::silence(at), before.armed, None);
            let rule = old.at(before.rule);
            let place = new.position(&rule.name);
            if let Some(silence) = silences.iter_mut().find(|silence| Some(silence.rule) == place) {
                (silence.life, silence.flaps) = (before.life, before.flaps);
            } else if before.life.is_raised() {
                let reason = if place.is_none() {
                    Reason::RuleChanged
                } else {
                    Reason::NotApplicable
                };
                let about = About {
                    rule,
                    host: self.id,
                    name: &self.name,
                    instance: "",
                    series: None,
                };
                out.push(about.say(
                    TransitionKind::Cleared,
                    reason,
                    &before.life.get(),
                    Moment { tick: now, now },
                ));
            }
        }
        self.silences = silences;
        self.arm_silences(new, timers);
    }
}

fn same_words(a: &Rule, b: &Rule, level: u8) -> bool {
    (a.severity_at(level), a.action_at(level), a.drill) == (b.severity_at(level), b.action_at(level), b.drill)
        && (&a.title, &a.remedy) == (&b.title, &b.remedy)
}
