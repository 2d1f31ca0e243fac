//! Outcomes as transitions: the words filled in, the evidence attached.

use super::{
    Restored,
    life::{Life, Moment, Outcome},
};
use crate::{
    rule::{Action, Condition, Rule},
    template::{self, Facts},
    transition::{Evidence, Reason, Transition, TransitionKind},
};
use std::time::Duration;
use tocsin_vocabulary::{HostId, Series, Severity, Text, Timestamp, time::format_duration};

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
        let threshold = match &rule.condition {
            Condition::Metric(condition) => condition.bounds.threshold(),
            Condition::NoData(after) => after.as_secs_f64(),
        };
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
            severity: rule.severity,
            action: rule.action,
            title: rule.title_template.fill(facts),
            remedy: rule.remedy_template.fill(facts),
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
            },
        }
    }
}

fn shown(rule: &Rule, value: f64) -> String {
    match &rule.condition {
        Condition::Metric(condition) => template::figure(value, condition.metric, condition.per),
        // Whole seconds: nobody counts a silence in milliseconds.
        Condition::NoData(_) => Duration::try_from_secs_f64(value.round())
            .map(format_duration)
            .unwrap_or_default(),
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
        },
    }
}
