//! Rules about events.

use super::{HOLD_MAX, condition::TEST_KEYS, fields::Fields, measure::MEASURE_KEYS, threshold::THRESHOLD_KEYS};
use crate::{
    glob::Patterns,
    rule::{Body, Condition, EventCondition, EventPattern},
};
use std::time::Duration;

/// Events that one rule may count: more are a rate, and a metric.
const COUNT_MAX: f64 = 1_000.0;
/// Attributes that may make an instance.
const BY_MAX: usize = 4;

pub(super) fn read_event(fields: &mut Fields<'_>) -> Option<Condition> {
    let shared = ["where", "within"];
    for key in [
        TEST_KEYS,
        THRESHOLD_KEYS,
        MEASURE_KEYS,
        &["from_healthy", "absent", "expected", "for", "clear_for"],
    ]
    .concat()
    {
        if fields.has(key) && !shared.contains(&key) {
            let hint = "events have `count`, `within`, `by`, `cleared_by` and `clear_after`";
            fields.error(key, &format!("`{key}` beside `event`"), hint);
        }
    }
    let pattern = read_pattern(fields);
    let count = fields.number("count").unwrap_or(1.0);
    if !(1.0..=COUNT_MAX).contains(&count) || count.fract() != 0.0 {
        let hint = format!("a whole number from 1 to {COUNT_MAX}");
        fields.error("count", &format!("`count` can't be {count}"), &hint);
    }
    let within = fields.duration("within", HOLD_MAX);
    if count > 1.0 && !fields.has("within") {
        fields.error(
            "count",
            "`count` without `within`",
            "say in which time: within = \"10m\"",
        );
    }
    let by = fields.texts("by");
    if by.len() > BY_MAX {
        fields.error(
            "by",
            "too many attributes in `by`",
            "each makes more alerts: at most four",
        );
    }
    let cleared_by = fields.table("cleared_by", "{ event = \"…\" }").map(|(table, start)| {
        let mut inner = fields.inner(table, start);
        inner.refuse_unknown(&["event", "where", "body"], "event");
        read_pattern(&mut inner)
    });
    let clear_after = fields.duration("clear_after", HOLD_MAX);
    if !fields.has("cleared_by") && !fields.has("clear_after") {
        let hint = "add clear_after = \"30m\", or cleared_by = { event = \"…\" }";
        fields.error("event", "an alert that nothing ends", hint);
    }
    if clear_after.is_some_and(|after| after.is_zero()) {
        fields.error("clear_after", "`clear_after` is zero", "such as \"30m\"");
    }
    let cleared_by = match cleared_by {
        Some(pattern) => Some(pattern?),
        None => None,
    };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // up to a thousand, or there is a mistake
    let count = count.clamp(1.0, COUNT_MAX) as u32;
    Some(Condition::Event(EventCondition {
        pattern: pattern?,
        count,
        within: within.unwrap_or(Duration::ZERO),
        by: by.into_iter().map(str::to_owned).collect(),
        cleared_by,
        clear_after,
    }))
}

fn read_pattern(fields: &mut Fields<'_>) -> Option<EventPattern> {
    if !fields.has("event") {
        fields.error(
            "event",
            "`event` is missing",
            "the name of an event, such as \"process.exited\"",
        );
    }
    let names = fields.texts("event");
    let filters = fields.table_of_texts("where");
    let body = match fields.has("body").then(|| fields.required_text("body")).flatten() {
        None => None,
        Some(text) => match Body::new(text) {
            Ok(body) => Some(body),
            Err(error) => {
                let why = error.to_string();
                let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
                let message = format!("`body` is not a regular expression: {}", why.escape_debug());
                fields.error(
                    "body",
                    &message,
                    "special characters are \\ . + * ? ( ) | [ ] { } ^ $; a \\ before one takes it literally",
                );
                return None;
            }
        },
    };
    if names.is_empty() {
        return None;
    }
    Some(EventPattern {
        names: Patterns::new(names),
        filters: filters
            .into_iter()
            .map(|(key, _, patterns)| (key.to_owned(), Patterns::new(patterns)))
            .collect(),
        body,
    })
}
