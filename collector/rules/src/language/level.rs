//! `[[rule.level]]`: when an alert is worse than its rule says at first.

use super::{
    HOLD_MAX,
    fields::Fields,
    threshold::{THRESHOLD_KEYS, has_bounds, read_bounds},
};
use crate::rule::{Action, Bounds, Condition, LEVELS_MAX, Level, Logic, Measure};
use std::time::Duration;
use tocsin_vocabulary::Severity;

const EXAMPLE: &str = "[{ severity = \"critical\", above = … }]";

/// Reads the levels of a rule of `severity` whose condition must hold for `hold`; they come out from mild to bad.
pub(super) fn read_levels(
    fields: &mut Fields<'_>,
    condition: Option<&Condition>,
    hold: Duration,
    severity: Option<Severity>,
) -> Vec<Level> {
    let tables = fields.tables("level", EXAMPLE).unwrap_or_default();
    if tables.len() > LEVELS_MAX {
        fields.error("level", "too many levels", "there are five severities");
    }
    let mut levels: Vec<Level> = Vec::new();
    for (table, start) in tables {
        let mut own = fields.inner(table, start);
        let Some(level) = read_level(&mut own, condition, hold) else {
            continue;
        };
        if severity.is_some_and(|rules| is_milder(level.severity, rules) || level.severity == rules) {
            let hint = "a level is worse than the rule: give the rule the mildest severity";
            own.error("severity", "a level that is not worse than its rule", hint);
        }
        if levels.iter().any(|other| other.severity == level.severity) {
            own.error("severity", "two levels of one severity", "delete one of the two");
        }
        levels.push(level);
    }
    levels.sort_by_key(|level| level.severity);
    in_order(fields, condition, &levels);
    levels
}

/// Severities are ordered, the worst last.
fn is_milder(one: Severity, other: Severity) -> bool {
    one < other
}

/// The threshold that a level's stands beside, and what is measured: that of a rule with one comparison.
fn own_bounds(condition: Option<&Condition>) -> Option<(Bounds, Option<&Measure>)> {
    match condition? {
        Condition::Metric(condition) => Some((condition.bounds, None)),
        Condition::Derived(condition) => match (&condition.logic, &condition.tests[..]) {
            (Logic::Test(_), [test]) => Some((test.bounds, Some(&test.measure))),
            _ => None,
        },
        Condition::Absent(_) | Condition::Event(_) | Condition::NoData { .. } => None,
    }
}

fn read_level(fields: &mut Fields<'_>, condition: Option<&Condition>, hold: Duration) -> Option<Level> {
    fields.refuse_unknown(
        &[&["severity", "action", "for", "after"], THRESHOLD_KEYS].concat(),
        "level",
    );
    let severity = fields.word("severity", "critical, major, minor, warning", |word| word.parse().ok());
    let action = fields.has("action").then(|| {
        fields.word("action", "record, notify, ticket", |word| {
            Action::ALL.into_iter().find(|action| action.as_str() == word)
        })
    });
    let after = fields.duration("after", HOLD_MAX);
    let own_hold = fields.duration("for", HOLD_MAX);
    let mut bounds = None;
    if has_bounds(fields) {
        match own_bounds(condition) {
            Some((of_rule, measure)) => {
                bounds = read_bounds(fields, measure);
                if bounds.is_some_and(|bounds| bounds.word() != of_rule.word()) {
                    let hint = format!("write it with `{}`, as the rule does", of_rule.word());
                    fields.error("", "a level that looks the other way than its rule", &hint);
                }
            }
            None if condition.is_some() => fields.error(
                "",
                "a threshold of a level, and none of the rule",
                "say after which time it is worse: after = \"10m\"",
            ),
            None => {}
        }
    } else if !fields.has("after") {
        fields.error("", "a level without a condition", "add a threshold, or after = \"10m\"");
    }
    if fields.has("for") && !has_bounds(fields) {
        fields.error(
            "for",
            "`for` of a level without a threshold",
            "write `after`, counted from when it began",
        );
    }
    Some(Level {
        severity: severity?,
        action: action.flatten(),
        bounds,
        hold: own_hold.unwrap_or(hold),
        after,
    })
}

/// Thresholds and times must get worse from level to level.
fn in_order(fields: &mut Fields<'_>, condition: Option<&Condition>, levels: &[Level]) {
    let mut bounds = own_bounds(condition).map(|(bounds, _)| bounds);
    let mut after = None;
    for level in levels {
        let milder = match (bounds, level.bounds) {
            (Some(Bounds::Above { limit, .. }), Some(Bounds::Above { limit: worse, .. })) => worse <= limit,
            (Some(Bounds::Below { limit, .. }), Some(Bounds::Below { limit: worse, .. })) => worse >= limit,
            _ => false,
        };
        if milder || matches!((after, level.after), (Some(before), Some(after)) if after <= before) {
            let message = format!("level `{}` is reached before a milder one", level.severity);
            fields.error("level", &message, "a worse level has a worse threshold, or comes later");
        }
        bounds = level.bounds.or(bounds);
        after = level.after.or(after);
    }
}
