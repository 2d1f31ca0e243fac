//! What is made of a metric's values before they are compared.

use super::fields::Fields;
use crate::rule::{Direction, Function, Measure};
use std::time::Duration;

/// Keys that say what is measured: at most one of the first group; the others go with one of them.
pub(super) const MEASURE_KEYS: &[&str] = &[
    "avg", "min", "max", "delta", "quantile", "change", "age", "forecast", "baseline", "over", "within", "least",
];
const KINDS: usize = 9;

/// Longest span of a window: what is longer is a report.
const SPAN_MAX: Duration = Duration::from_secs(7 * 86_400);
/// A forecast looks back at least so far, and no farther. So short a span serves what fills within minutes, on a host
/// that is sampled every second or two.
const HISTORY: std::ops::RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(14 * 86_400);
const HISTORY_DEFAULT: Duration = Duration::from_secs(6 * 3_600);

/// What is measured of the series `operand`; the value itself when no key says otherwise.
pub(super) fn read_measure(fields: &mut Fields<'_>, operand: usize) -> Option<Measure> {
    let given: Vec<&'static str> = MEASURE_KEYS[..KINDS]
        .iter()
        .filter(|key| fields.has(key))
        .copied()
        .collect();
    let key = match given[..] {
        [] => "",
        [key] => key,
        [first, second, ..] => {
            let hint = "keep one; a second is a second condition: all = [{ … }, { … }]";
            fields.error(second, &format!("{first} and {second} together"), hint);
            return None;
        }
    };
    for (other, owners) in [
        ("over", &["quantile", "forecast"][..]),
        ("within", &["change"]),
        ("least", &["baseline"]),
    ] {
        if fields.has(other) && !owners.contains(&key) {
            let message = format!("`{other}` without `{}`", owners.join("` or `"));
            fields.error(other, &message, "delete it");
        }
    }
    match key {
        "" => Some(Measure::Value { operand }),
        "quantile" => read_quantile(fields, operand),
        "change" => {
            let direction = read_direction(fields, "change", "any, increase, decrease");
            let within = fields.duration("within", SPAN_MAX);
            Some(Measure::Changed {
                operand,
                direction: direction?,
                within,
            })
        }
        "age" => fields.word("age", "value, change", |word| match word {
            "value" => Some(Measure::Age { operand }),
            "change" => Some(Measure::Unchanged { operand }),
            _ => None,
        }),
        "forecast" => read_forecast(fields, operand),
        "baseline" => {
            let direction = read_direction(fields, "baseline", "both, above, below");
            let least = fields.number("least").unwrap_or(0.0);
            if least < 0.0 {
                fields.error(
                    "least",
                    "`least` is negative",
                    "a deviation of less than this is none: 0 or more",
                );
            }
            Some(Measure::Baseline {
                operand,
                least,
                direction: direction?,
            })
        }
        window => {
            let span = read_span(fields, window)?;
            Some(Measure::Window {
                operand,
                function: function_of(window),
                span,
            })
        }
    }
}

fn function_of(key: &str) -> Function {
    match key {
        "avg" => Function::Avg,
        "min" => Function::Min,
        "max" => Function::Max,
        _ => Function::Delta,
    }
}

fn read_direction(fields: &mut Fields<'_>, key: &str, known: &str) -> Option<Direction> {
    fields.word(key, known, |word| {
        let known = known.split(", ").any(|one| one == word);
        known.then_some(match word {
            "increase" | "above" => Direction::Increase,
            "decrease" | "below" => Direction::Decrease,
            _ => Direction::Any,
        })
    })
}

fn read_span(fields: &mut Fields<'_>, key: &str) -> Option<Duration> {
    let span = fields.duration(key, SPAN_MAX)?;
    if span < Duration::from_secs(1) {
        fields.error(key, &format!("`{key}` is no span"), "write it like \"10m\"");
        return None;
    }
    Some(span)
}

fn read_quantile(fields: &mut Fields<'_>, operand: usize) -> Option<Measure> {
    let share = fields.number("quantile");
    if !fields.has("over") {
        fields.error(
            "quantile",
            "`quantile` without `over`",
            "say of which span: over = \"10m\"",
        );
    }
    let span = read_span(fields, "over");
    let share = share?;
    if !(0.0..=1.0).contains(&share) {
        fields.error("quantile", "`quantile` is no share", "from 0 to 1, such as 0.95");
        return None;
    }
    Some(Measure::Window {
        operand,
        function: Function::Quantile(share),
        span: span?,
    })
}

fn read_forecast(fields: &mut Fields<'_>, operand: usize) -> Option<Measure> {
    let limit = fields.number("forecast");
    let over = fields.duration("over", *HISTORY.end());
    let over = if fields.has("over") { over? } else { HISTORY_DEFAULT };
    if over < *HISTORY.start() {
        fields.error(
            "over",
            "`over` is too short to see a trend",
            "at least \"1m\", better \"6h\"",
        );
        return None;
    }
    Some(Measure::Forecast {
        operand,
        limit: limit?,
        over,
    })
}
