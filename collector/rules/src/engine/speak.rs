//! Outcomes as transitions: the words filled in, the evidence attached.

use super::{
    Restored,
    life::{Life, Moment, Outcome},
};
use crate::{
    rule::{Action, Bounds, Condition, DerivedCondition, Measure, Rule, Test},
    template::{self, Facts},
    transition::{Evidence, Reason, Transition, TransitionKind},
};
use tocsin_vocabulary::{HostId, Series, Severity, Text, Timestamp};

/// Whom and what a transition is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) rule: &'a Rule,
    pub(super) host: HostId,
    pub(super) name: &'a str,
    pub(super) instance: &'a str,
    pub(super) series: Option<&'a Series>,
}

impl About<'_> {
    /// The transition that an outcome of reading or waiting makes, if any.
    pub(super) fn outcome(self, outcome: Outcome, life: &Life, moment: Moment) -> Option<Transition> {
        match outcome {
            Outcome::Nothing => None,
            Outcome::Raised => Some(self.say(TransitionKind::Raised, Reason::Holds, life, moment)),
            Outcome::Updated => Some(self.say(TransitionKind::Updated, Reason::Holds, life, moment)),
            Outcome::Graded { worse } => {
                let reason = if worse { Reason::Worsened } else { Reason::Eased };
                Some(self.say(TransitionKind::Updated, reason, life, moment))
            }
            Outcome::Cleared => Some(self.say(TransitionKind::Cleared, Reason::Recovered, life, moment)),
        }
    }

    pub(super) fn say(self, kind: TransitionKind, reason: Reason, life: &Life, moment: Moment) -> Transition {
        let Self {
            rule,
            host,
            name,
            instance,
            series,
        } = self;
        let threshold = threshold(rule, life.level);
        let value = life.last();
        let shown_value = value.map_or_else(|| "?".to_owned(), |value| shown(rule, value));
        let shown_threshold = shown(rule, threshold);
        let facts = Facts {
            host: name,
            series,
            value: &shown_value,
            threshold: &shown_threshold,
            hold: rule.hold,
        };
        Transition {
            kind,
            rule: rule.name.clone(),
            host,
            instance: instance.to_owned(),
            severity: rule.severity_at(life.level),
            action: rule.action_at(life.level),
            title: rule.title_template.fill(facts),
            remedy: rule.remedy_template.fill(facts),
            knowledge: rule.knowledge.clone(),
            auto_close: rule.auto_close && rule.severity_at(life.worst_level) <= Severity::Minor,
            metric: rule.metric().to_owned(),
            value,
            threshold,
            at: match (kind, reason) {
                (TransitionKind::Raised, _) => life.began,
                (TransitionKind::Cleared, Reason::Recovered) => life.ended,
                _ => moment.tick,
            },
            drill: rule.drill,
            evidence: Evidence {
                reason,
                since: life.began,
                observed: moment.tick,
                decided: moment.now,
                worst: life.worst,
                ticks: life.ticks,
                flapping: life.flapping,
                late: false,
            },
        }
    }
}

/// The threshold that an alert of a level has passed.
pub(super) fn threshold(rule: &Rule, level: u8) -> f64 {
    let of_level = rule.level(level).and_then(|level| level.bounds);
    match (&rule.condition, of_level.or_else(|| rule.bounds())) {
        (Condition::NoData { after, .. }, _) => after.as_secs_f64(),
        (Condition::Event(condition), _) => f64::from(condition.count),
        (Condition::Absent(_), _) => rule.hold.as_secs_f64(),
        (_, bounds) => bounds.map_or(0.0, Bounds::threshold),
    }
}

fn shown(rule: &Rule, value: f64) -> String {
    match &rule.condition {
        Condition::Metric(condition) => template::figure(value, condition.metric, condition.per),
        Condition::Derived(condition) => shown_of(condition, value),
        // Whole seconds: nobody counts a silence in milliseconds.
        Condition::NoData { .. } | Condition::Absent(_) => template::span(value),
        Condition::Event(_) => template::number(value),
    }
}

/// The first comparison's value as people read it.
fn shown_of(condition: &DerivedCondition, value: f64) -> String {
    let Some(Test { measure, unit, .. }) = condition.tests.first() else {
        return String::new();
    };
    match measure {
        _ if measure.is_time() => template::span(value),
        Measure::Baseline { .. } => format!("{}×", template::number(value)),
        _ => match (unit, measure.operand().and_then(|at| condition.operands.get(at))) {
            (Some(unit), _) => template::in_unit(value, unit),
            (None, Some(operand)) => template::figure(value, operand.metric, operand.per),
            (None, None) => template::number(value),
        },
    }
}

/// An alert whose rule was removed while the collector was down: nothing is left of its words but the rule's name.
pub(super) fn orphaned(alert: &Restored, now: Timestamp) -> Transition {
    Transition {
        kind: TransitionKind::Cleared,
        rule: alert.rule.clone(),
        host: alert.host,
        instance: alert.instance.clone(),
        severity: Severity::Info,
        action: Action::Record,
        title: Text::new(
            format!("Rule {} was removed", alert.rule),
            format!("规则 {} 已删除", alert.rule),
        ),
        remedy: Text::default(),
        knowledge: None,
        auto_close: false,
        metric: String::new(),
        value: alert.value,
        threshold: 0.0,
        at: now,
        drill: false,
        evidence: Evidence {
            reason: Reason::RuleChanged,
            since: alert.raised_at,
            observed: now,
            decided: now,
            worst: alert.value,
            ticks: 0,
            flapping: false,
            late: false,
        },
    }
}
