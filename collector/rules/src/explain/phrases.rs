//! Small phrases: spans, patterns, thresholds.

use crate::{
    glob::Patterns,
    rule::{Bounds, Condition, DerivedCondition, Measure, Operand, Rule, States, Test},
    template,
};
use std::time::Duration;
use tocsin_vocabulary::{Text, time::format_duration};

/// The same words in both languages.
pub(super) fn plain(words: impl Into<String>) -> Text {
    Text::plain(words)
}

/// A span: `5m`, `5 分钟`.
pub(crate) fn span(duration: Duration) -> Text {
    let en = format_duration(duration);
    let zh = template::chinese(&en);
    Text::new(en, zh)
}

fn seconds(value: f64) -> Text {
    // A sum of milliseconds is a whole number again, and in the language's range.
    Duration::try_from_secs_f64((value * 1_000.0).round() / 1_000.0).map_or_else(
        |_| plain(template::number(value)),
        |duration| {
            span(Duration::from_millis(
                u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
            ))
        },
    )
}

/// Sentences joined by *and*; nothing of nothing.
pub(super) fn and(texts: impl IntoIterator<Item = Text>) -> Option<Text> {
    joined(texts, (" and ", "，且 "))
}

/// Sentences joined by *or*.
pub(super) fn or(texts: impl IntoIterator<Item = Text>) -> Option<Text> {
    joined(texts, (" or ", "，或 "))
}

fn joined(texts: impl IntoIterator<Item = Text>, (en, zh): (&str, &str)) -> Option<Text> {
    texts
        .into_iter()
        .reduce(|one, other| Text::new(one.en + en + &other.en, one.zh + zh + &other.zh))
}

/// Patterns: `like db-* but not db-test`.
pub(super) fn patterns(patterns: &Patterns) -> Text {
    let list = |globs: &[crate::glob::Glob], or: &str| {
        let quoted = |glob: &crate::glob::Glob| format!("`{glob}`");
        globs.iter().map(quoted).collect::<Vec<_>>().join(or)
    };
    let mut text = Text::default();
    if !patterns.included().is_empty() {
        text.en = list(patterns.included(), " or ");
        text.zh = format!("为 {}", list(patterns.included(), " 或 "));
    }
    if !patterns.excluded().is_empty() {
        let gap = if text.en.is_empty() { "" } else { ", " };
        text.en
            .push_str(&format!("{gap}not {}", list(patterns.excluded(), " nor ")));
        let gap = if text.zh.is_empty() { "" } else { "，" };
        text.zh
            .push_str(&format!("{gap}不为 {}", list(patterns.excluded(), "、")));
    }
    text
}

/// How a number of a comparison is shown.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unit<'a> {
    Of(&'a Operand),
    Named(&'a str),
    Seconds,
    Times,
    Number,
}

impl Unit<'_> {
    fn show(self, value: f64) -> Text {
        match self {
            // A metric of seconds is a span; a rate of seconds is a share.
            Unit::Of(operand) if operand.metric.unit == "s" && operand.per.is_none() && value >= 1.0 => seconds(value),
            Unit::Of(operand) => plain(template::figure(value, operand.metric, operand.per)),
            Unit::Named(unit) => plain(template::in_unit(value, unit)),
            Unit::Seconds => seconds(value),
            Unit::Times => Text::new(
                format!("{} usual deviations", template::number(value)),
                format!("{} 倍常规偏差", template::number(value)),
            ),
            Unit::Number => plain(template::number(value)),
        }
    }
}

/// In which unit a test's numbers are shown.
pub(super) fn unit<'a>(condition: &'a DerivedCondition, test: &'a Test) -> Unit<'a> {
    match (&test.measure, &test.unit) {
        (measure, _) if measure.is_time() => Unit::Seconds,
        (Measure::Baseline { .. }, _) => Unit::Times,
        (_, Some(unit)) => Unit::Named(unit),
        (measure, None) => measure
            .operand()
            .and_then(|at| condition.operands.get(at))
            .map_or(Unit::Number, Unit::Of),
    }
}

fn states(states: States) -> String {
    let all: Vec<String> = states.iter().map(|state| state.to_string()).collect();
    all.join(", ")
}

/// `is above 90 %`.
pub(super) fn holds(bounds: Bounds, unit: Unit<'_>) -> Text {
    let of = |en: &str, zh: &str, value: f64| {
        let shown = unit.show(value);
        Text::new(format!("is {en}{}", shown.en), format!("{zh} {}", shown.zh))
    };
    match bounds {
        Bounds::Above { limit, .. } => of("above ", "高于", limit),
        Bounds::Below { limit, .. } => of("below ", "低于", limit),
        Bounds::Equals(limit) => of("", "等于", limit),
        Bounds::In(of) => {
            let list = states(of);
            Text::new(format!("is one of {list}"), format!("为 {list} 之一"))
        }
        Bounds::NotIn(of) => {
            let list = states(of);
            Text::new(format!("is none of {list}"), format!("不为 {list}"))
        }
    }
}

/// `is below 88 %`.
pub(super) fn healthy(bounds: Bounds, unit: Unit<'_>) -> Text {
    let of = |en: &str, zh: &str, value: f64| {
        let shown = unit.show(value);
        Text::new(format!("is {en} {}", shown.en), format!("{zh} {}", shown.zh))
    };
    match bounds {
        Bounds::Above { clear: Some(clear), .. } => of("below", "低于", clear),
        Bounds::Above { limit, .. } => of("at most", "不高于", limit),
        Bounds::Below { clear: Some(clear), .. } => of("above", "高于", clear),
        Bounds::Below { limit, .. } => of("at least", "不低于", limit),
        Bounds::Equals(limit) => of("other than", "不等于", limit),
        Bounds::In(of) => {
            let list = states(of);
            Text::new(format!("is none of {list}"), format!("不为 {list}"))
        }
        Bounds::NotIn(of) => {
            let list = states(of);
            Text::new(format!("is one of {list}"), format!("为 {list} 之一"))
        }
    }
}

/// The threshold of a level of a rule.
pub(super) fn bounds_of(rule: &Rule, bounds: Bounds) -> Text {
    let it = |words: Text| Text::new(format!("it {}", words.en), words.zh);
    match &rule.condition {
        Condition::Metric(condition) => {
            let operand = Operand {
                metric: condition.metric,
                filters: Vec::new(),
                per: condition.per,
            };
            it(holds(bounds, Unit::Of(&operand)))
        }
        Condition::Derived(condition) => {
            let unit = condition
                .tests
                .first()
                .map_or(Unit::Number, |test| unit(condition, test));
            it(holds(bounds, unit))
        }
        _ => it(holds(bounds, Unit::Number)),
    }
}
