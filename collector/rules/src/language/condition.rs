//! What a rule looks at: a metric and its threshold, or silence.

use super::{HOLD_MAX, fields::Fields};
use crate::{
    glob::Patterns,
    nearest::nearest,
    rule::{Bounds, Condition, MetricCondition},
};
use std::time::Duration;
use tocsin_vocabulary::{
    Kind,
    catalogue::{self, METRICS, Metric},
};

/// Keys that make no sense beside `no_data`.
const METRIC_KEYS: &[&str] = &[
    "metric",
    "where",
    "above",
    "below",
    "equals",
    "clear_below",
    "clear_above",
    "rate",
    "per",
    "from_healthy",
];
pub(super) fn read_silence(fields: &mut Fields<'_>) -> Option<Condition> {
    for key in METRIC_KEYS.iter().filter(|key| fields.has(key)).collect::<Vec<_>>() {
        let message = format!("`{key}` beside `no_data`");
        fields.error(
            key,
            &message,
            "a rule is about silence or about a metric: delete one of the two",
        );
    }
    let after = fields.duration("no_data", HOLD_MAX)?;
    if after.is_zero() {
        fields.error(
            "no_data",
            "`no_data` is zero",
            "say how long a host may be silent, such as \"60s\"",
        );
        return None;
    }
    if fields.has("for") {
        fields.error("for", "`for` beside `no_data`", "delete it and make `no_data` longer");
    }
    Some(Condition::NoData(after))
}

pub(super) fn read_metric(fields: &mut Fields<'_>) -> Option<Condition> {
    let metric = read_metric_name(fields);
    let filters = read_filters(fields, metric);
    let bounds = read_bounds(fields);
    let per = match (fields.flag("rate"), fields.duration("per", HOLD_MAX)) {
        (_, Some(per)) if per.is_zero() => {
            fields.error("per", "`per` is zero", "such as \"1s\" or \"1m\"");
            None
        }
        (_, Some(per)) => Some(per),
        (Some(true), None) => Some(Duration::from_secs(1)),
        _ => None,
    };
    let from_healthy = fields.flag("from_healthy").unwrap_or(false);
    let metric = metric?;
    match (metric.kind, per) {
        (Kind::Counter, None) => fields.error(
            "metric",
            &format!("`{}` is a counter, which only grows", metric.name),
            "add `rate = true` to compare its increase per second, or `per = \"1m\"`",
        ),
        (Kind::Gauge, Some(_)) => fields.error(
            if fields.has("per") { "per" } else { "rate" },
            &format!("`{}` is a gauge and has no rate", metric.name),
            "delete `rate` and `per`",
        ),
        _ => {}
    }
    Some(Condition::Metric(MetricCondition {
        metric,
        filters,
        per,
        bounds: bounds?,
        from_healthy,
    }))
}

fn read_metric_name(fields: &mut Fields<'_>) -> Option<&'static Metric> {
    let name = fields.required_text("metric")?;
    let found = catalogue::metric(name);
    if found.is_none() {
        let hint = match nearest(name, METRICS.iter().map(|metric| metric.name)) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => "the handbook lists all metrics".to_owned(),
        };
        fields.error("metric", &format!("unknown metric `{}`", name.escape_debug()), &hint);
    }
    found
}

fn read_filters(fields: &mut Fields<'_>, metric: Option<&Metric>) -> Vec<(String, Patterns)> {
    let mut filters = Vec::new();
    for (key, at, patterns) in fields.table_of_texts("where") {
        if let Some(metric) = metric.filter(|metric| !metric.attributes.contains(&key)) {
            let hint = match (metric.attributes, nearest(key, metric.attributes.iter().copied())) {
                ([], _) => "it has none: delete `where`".to_owned(),
                (_, Some(nearest)) => format!("did you mean `{nearest}`?"),
                (all, None) => format!("it has {}", all.join(", ")),
            };
            let message = format!("`{}` has no attribute `{}`", metric.name, key.escape_debug());
            fields.error_at(at, &message, &hint);
        }
        filters.push((key.to_owned(), Patterns::new(patterns)));
    }
    filters
}

fn read_bounds(fields: &mut Fields<'_>) -> Option<Bounds> {
    let given: Vec<&str> = ["above", "below", "equals"]
        .into_iter()
        .filter(|key| fields.has(key))
        .collect();
    let [key] = given[..] else {
        let (message, hint) = match given.as_slice() {
            [] => ("no condition".to_owned(), "add `above`, `below`, `equals` or `no_data`"),
            _ => (
                format!("{} together", given.join(" and ")),
                "keep one; a second condition is a second rule",
            ),
        };
        fields.error(given.last().copied().unwrap_or("metric"), &message, hint);
        return None;
    };
    let (allowed, refused) = match key {
        "above" => ("clear_below", &["clear_above"][..]),
        "below" => ("clear_above", &["clear_below"][..]),
        _ => ("", &["clear_above", "clear_below"][..]),
    };
    for other in refused.iter().filter(|other| fields.has(other)).collect::<Vec<_>>() {
        let hint = match key {
            "equals" => "it clears by itself when the value is another: delete it".to_owned(),
            _ => format!("`{key}` goes with `{allowed}`"),
        };
        fields.error(other, &format!("`{other}` beside `{key}`"), &hint);
    }
    let limit = fields.number(key)?;
    let clear = if allowed.is_empty() {
        None
    } else {
        fields.number(allowed)
    };
    if clear.is_some_and(|clear| if key == "above" { clear > limit } else { clear < limit }) {
        let message = format!("`{allowed}` is on the wrong side of `{key}`");
        fields.error(
            allowed,
            &message,
            "between the two nothing happens, so that an alert doesn't flap",
        );
    }
    Some(match key {
        "above" => Bounds::Above { limit, clear },
        "below" => Bounds::Below { limit, clear },
        _ => Bounds::Equals(limit),
    })
}
