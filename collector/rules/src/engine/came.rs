//! What a condition of several parts saw, in words: each comparison with what it came to.

use crate::rule::{Bounds, DerivedCondition, Function, Measure, Test};
use std::fmt::Write as _;
use tocsin_vocabulary::time::format_duration;

/// Comparisons of one condition; the language allows no more.
pub(super) const TESTS_MAX: usize = 8;

/// What each comparison of a condition came to; NaN where that is not known.
pub(super) type Came = [f64; TESTS_MAX];

/// `avg 10m of system.cpu.utilization = 0.93 (above 0.85); …`
pub(super) fn words(condition: &DerivedCondition, came: &Came) -> String {
    let mut words = String::new();
    for (test, value) in condition.tests.iter().zip(came) {
        if !words.is_empty() {
            words.push_str("; ");
        }
        words.push_str(&measure(condition, test));
        // Writing into a text does not fail.
        let _ = if value.is_nan() {
            write!(words, " is not known")
        } else {
            write!(words, " = {value}")
        };
        let _ = match test.bounds {
            Bounds::Above { limit, .. } => write!(words, " (above {limit})"),
            Bounds::Below { limit, .. } => write!(words, " (below {limit})"),
            Bounds::Equals(value) => write!(words, " (equals {value})"),
            Bounds::In(_) => write!(words, " (in a set)"),
            Bounds::NotIn(_) => write!(words, " (not in a set)"),
        };
    }
    words
}

fn measure(condition: &DerivedCondition, test: &Test) -> String {
    let name = |operand: &usize| condition.operands.get(*operand).map_or("", |one| one.metric.name);
    match &test.measure {
        Measure::Value { operand } => name(operand).to_owned(),
        Measure::Window {
            operand,
            function,
            span,
        } => {
            let function = match function {
                Function::Avg => "avg".to_owned(),
                Function::Min => "min".to_owned(),
                Function::Max => "max".to_owned(),
                Function::Quantile(share) => format!("quantile {share}"),
                Function::Delta => "delta".to_owned(),
            };
            format!("{function} {} of {}", format_duration(*span), name(operand))
        }
        Measure::Changed { operand, .. } => format!("change of {}", name(operand)),
        Measure::Age { operand } => format!("seconds since {}", name(operand)),
        Measure::Unchanged { operand } => format!("seconds since {} changed", name(operand)),
        Measure::Expression(_) => {
            let names: Vec<&str> = condition.operands.iter().map(|one| one.metric.name).collect();
            format!("expression of {}", names.join(", "))
        }
        Measure::Forecast { operand, limit, .. } => format!("seconds until {} reaches {limit}", name(operand)),
        Measure::Baseline { operand, .. } => format!("usual deviations of {} from what is usual", name(operand)),
    }
}
