//! Events of before a restart: they are counted, and nothing is decided.

use super::{Occurrence, condition};
use crate::{
    engine::{host::Host, timers::Timers},
    rule::{Event, EventCondition, RuleSet},
};
use tocsin_vocabulary::Timestamp;

impl Occurrence {
    /// Counts an event of before a restart, or ends what it ended.
    fn recall(&mut self, condition: &EventCondition, event: &Event<'_>, ends: bool, heard: Timestamp) {
        self.begin_anew(condition, heard);
        if ends {
            self.ended = Some(self.ended.map_or(event.time, |ended| ended.max(event.time)));
            self.recent.retain(|(time, _)| *time > event.time);
        } else if self.ended.is_none_or(|ended| event.time > ended) && self.count(condition, event) {
            self.over = condition.clear_after.map(|after| heard.plus(after));
        }
        self.heard = heard;
    }

    /// What was raised before a restart and ended by itself since is counted anew.
    pub(super) fn begin_anew(&mut self, condition: &EventCondition, now: Timestamp) {
        if !self.life.is_raised() && self.is_many(condition) && self.over.is_some_and(|over| over <= now) {
            self.recent.clear();
        }
    }
}

impl Host {
    /// Takes an event of before a restart: it counts, and nothing is decided. `heard` is when it came, in our time.
    pub(in crate::engine) fn recall_event(
        &mut self,
        rules: &RuleSet,
        timers: &mut Timers,
        event: &Event<'_>,
        heard: Timestamp,
    ) {
        for rule in 0..rules.rules().len() {
            let Some(condition) = condition(rules, rule).filter(|_| self.variant(rule).is_some()) else {
                continue;
            };
            let ends = condition
                .cleared_by
                .as_ref()
                .is_some_and(|pattern| pattern.matches(event));
            if !ends && !condition.pattern.matches(event) {
                continue;
            }
            let at = self.occurrence(rule, condition, event, heard);
            self.occurrences[at].recall(condition, event, ends, heard);
        }
        self.arm_events(rules, timers);
    }
}
