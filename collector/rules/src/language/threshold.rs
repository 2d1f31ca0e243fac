//! Thresholds: where a condition begins to hold, and where it lets go.

use super::{HOLD_MAX, fields::Fields};
use crate::rule::{Bounds, Measure, States};

pub(super) const THRESHOLD_KEYS: &[&str] = &["above", "below", "equals", "in", "not_in", "clear_below", "clear_above"];
const RAISING: [&str; 5] = ["above", "below", "equals", "in", "not_in"];

/// The threshold of what is measured. A change needs none: any counts.
pub(super) fn read_bounds(fields: &mut Fields<'_>, measure: Option<&Measure>) -> Option<Bounds> {
    let given: Vec<&str> = RAISING.into_iter().filter(|key| fields.has(key)).collect();
    let key = match given[..] {
        [key] => key,
        [] if matches!(measure, Some(Measure::Changed { .. })) => {
            refuse(
                fields,
                "change",
                &["clear_above", "clear_below"],
                "it clears when the value is back: delete it",
            );
            return Some(Bounds::Above {
                limit: 0.0,
                clear: None,
            });
        }
        _ => {
            let (message, hint) = match given.as_slice() {
                [] => (
                    "no condition".to_owned(),
                    "add `above`, `below`, `equals`, `in`, `not_in` or `no_data`",
                ),
                _ => (
                    format!("{} together", given.join(" and ")),
                    "keep one; a second condition is a second rule, or one of all = [{ … }, { … }]",
                ),
            };
            fields.error(given.last().copied().unwrap_or("metric"), &message, hint);
            return None;
        }
    };
    if let Some(measure) = measure {
        suits(fields, key, measure);
    }
    read(fields, key, measure.is_some_and(Measure::is_time))
}

/// Whether there is any threshold.
pub(super) fn has_bounds(fields: &Fields<'_>) -> bool {
    THRESHOLD_KEYS.iter().any(|key| fields.has(key))
}

fn suits(fields: &mut Fields<'_>, key: &str, measure: &Measure) {
    let (word, fitting) = match measure {
        Measure::Changed { .. } => ("change", "above"),
        Measure::Forecast { .. } => ("forecast", "below"),
        _ => return,
    };
    if key != fitting {
        let message = format!("`{key}` does not go with `{word}`");
        fields.error(key, &message, &format!("`{word}` goes with `{fitting}`"));
    }
}

fn refuse(fields: &mut Fields<'_>, key: &str, others: &[&str], hint: &str) {
    for other in others {
        if fields.has(other) {
            fields.error(other, &format!("`{other}` beside `{key}`"), hint);
        }
    }
}

fn read(fields: &mut Fields<'_>, key: &str, is_time: bool) -> Option<Bounds> {
    let allowed = match key {
        "above" => "clear_below",
        "below" => "clear_above",
        _ => "",
    };
    match key {
        "above" => refuse(fields, key, &["clear_above"], "`above` goes with `clear_below`"),
        "below" => refuse(fields, key, &["clear_below"], "`below` goes with `clear_above`"),
        _ => {
            let hint = "it clears by itself when the value is another: delete it";
            refuse(fields, key, &["clear_above", "clear_below"], hint);
        }
    }
    if matches!(key, "in" | "not_in") {
        let states = read_states(fields, key)?;
        return Some(if key == "in" {
            Bounds::In(states)
        } else {
            Bounds::NotIn(states)
        });
    }
    let mut number = |key: &str| {
        if is_time {
            fields.seconds(key, HOLD_MAX)
        } else {
            fields.number(key)
        }
    };
    let limit = number(key)?;
    let clear = if allowed.is_empty() { None } else { number(allowed) };
    if clear.is_some_and(|clear| if key == "above" { clear > limit } else { clear < limit }) {
        let hint = "between the two nothing happens, so that an alert doesn't flap";
        fields.error(allowed, &format!("`{allowed}` is on the wrong side of `{key}`"), hint);
    }
    Some(match key {
        "above" => Bounds::Above { limit, clear },
        "below" => Bounds::Below { limit, clear },
        _ => Bounds::Equals(limit),
    })
}

fn read_states(fields: &mut Fields<'_>, key: &str) -> Option<States> {
    let numbers = fields.numbers(key)?;
    let mut states = States::default();
    let mut good = true;
    for number in &numbers {
        if !states.add(*number) {
            good = false;
            let hint = format!("states are whole numbers from 0 to {}", States::MAX);
            fields.error(key, &format!("`{key}`: {number} is not a state"), &hint);
        }
    }
    if numbers.is_empty() {
        fields.error(key, &format!("`{key}` is empty"), "such as [1, 2]");
    }
    (good && !numbers.is_empty()).then_some(states)
}
