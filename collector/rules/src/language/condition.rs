//! What a rule looks at: a metric and its threshold, what is worked out of several, or silence.

use super::{
    HOLD_MAX,
    event::read_event,
    fields::Fields,
    measure::{MEASURE_KEYS, read_measure},
    series::{read_filters, read_metric_name, read_per},
    threshold::{THRESHOLD_KEYS, read_bounds},
};
use crate::rule::{
    AbsentCondition, Condition, DerivedCondition, Formula, Logic, Measure, MetricCondition, Operand, Test,
};
use tocsin_vocabulary::Kind;

/// Comparisons in one rule, and series in one rule: more are more rules.
const TESTS_MAX: usize = 8;
const OPERANDS_MAX: usize = 16;
/// How deep `all`, `any` and `not` may nest.
const NESTED_MAX: usize = 4;

/// Keys that name what is looked at: a rule has one of them.
const SUBJECTS: &[&str] = &["metric", "expression", "all", "any", "not", "event", "no_data"];
/// Keys of one comparison beside its threshold and what it measures.
pub(super) const TEST_KEYS: &[&str] = &["metric", "where", "rate", "per", "expression", "series", "unit"];

pub(super) fn read_condition(fields: &mut Fields<'_>) -> Option<Condition> {
    let given: Vec<&'static str> = SUBJECTS.iter().filter(|key| fields.has(key)).copied().collect();
    match given[..] {
        ["no_data"] => return read_silence(fields),
        ["event"] => return read_event(fields),
        [] => {
            fields.error(
                "",
                "no condition",
                "add `metric` and a threshold, `expression`, `all`, `any`, `not`, `event` or `no_data`",
            );
            return None;
        }
        [_] => {}
        [first, .., last] => {
            let hint = match (first, last) {
                (_, "no_data") => "a rule is about silence or about a metric: delete one of the two".to_owned(),
                _ => "delete one of the two, or write all = [{ … }, { … }]".to_owned(),
            };
            fields.error(first, &format!("`{first}` beside `{last}`"), &hint);
            return None;
        }
    }
    if fields.has("answers") {
        fields.error(
            "answers",
            "`answers` without `no_data`",
            "delete it, or write a rule about silence",
        );
    }
    for key in ["body", "count", "by", "cleared_by", "clear_after"] {
        if fields.has(key) {
            fields.error(
                key,
                &format!("`{key}` without `event`"),
                "delete it, or write a rule about an event",
            );
        }
    }
    if fields.flag("absent") == Some(true) {
        return read_absence(fields);
    }
    if fields.has("expected") {
        fields.error(
            "expected",
            "`expected` without `absent`",
            "delete it, or add absent = true",
        );
    }
    let mut parts = Parts::default();
    let from_healthy = fields.flag("from_healthy").unwrap_or(false);
    let logic = read_logic(fields, &mut parts, 0)?;
    Some(parts.finish(logic, from_healthy))
}

/// What was read of a condition so far.
#[derive(Default)]
struct Parts {
    operands: Vec<Operand>,
    tests: Vec<Test>,
}

impl Parts {
    /// One metric and one threshold are a plain condition, which costs least.
    fn finish(self, logic: Logic, from_healthy: bool) -> Condition {
        let Self { mut operands, tests } = self;
        match (&logic, &tests[..]) {
            (
                Logic::Test(_),
                [
                    Test {
                        measure: Measure::Value { .. },
                        bounds,
                        unit: None,
                    },
                ],
            ) if operands.len() == 1 => {
                let Operand { metric, filters, per } = operands.remove(0);
                Condition::Metric(MetricCondition {
                    metric,
                    filters,
                    per,
                    bounds: *bounds,
                    from_healthy,
                })
            }
            _ => Condition::Derived(DerivedCondition {
                operands,
                tests,
                logic,
                from_healthy,
            }),
        }
    }
}

/// `all`, `any`, `not`, or one comparison.
fn read_logic(fields: &mut Fields<'_>, parts: &mut Parts, nested: usize) -> Option<Logic> {
    let given: Vec<&'static str> = ["all", "any", "not", "metric", "expression"]
        .into_iter()
        .filter(|key| fields.has(key))
        .collect();
    if nested > 0 {
        let known: Vec<&str> = [TEST_KEYS, THRESHOLD_KEYS, MEASURE_KEYS, &["all", "any", "not"]].concat();
        fields.refuse_unknown(&known, "condition");
        if given.len() != 1 {
            let message = match given[..] {
                [] => "no condition".to_owned(),
                _ => format!("{} together", given.join(" and ")),
            };
            fields.error(
                "",
                &message,
                "each condition has one of `metric`, `expression`, `all`, `any` and `not`",
            );
            return None;
        }
    }
    let key = *given.first()?;
    if !matches!(key, "all" | "any" | "not") {
        return read_test(fields, parts).map(Logic::Test);
    }
    for other in [TEST_KEYS, THRESHOLD_KEYS, MEASURE_KEYS].concat() {
        if fields.has(other) {
            let hint = format!("write it inside `{key}`, in the condition that it belongs to");
            fields.error(other, &format!("`{other}` beside `{key}`"), &hint);
        }
    }
    if nested >= NESTED_MAX {
        fields.error(key, "conditions are nested too deep", "make two rules of it");
        return None;
    }
    if key == "not" {
        let (table, start) = fields.table("not", "{ metric = \"…\", above = … }")?;
        let inner = read_logic(&mut fields.inner(table, start), parts, nested + 1)?;
        return Some(Logic::Not(Box::new(inner)));
    }
    let tables = fields.tables(key, "[{ metric = \"…\", above = … }, { … }]")?;
    if tables.is_empty() {
        fields.error(
            key,
            &format!("`{key}` is empty"),
            "write conditions into it: { metric = \"…\", above = … }",
        );
        return None;
    }
    // Each is read, so that all mistakes are known.
    let inner: Vec<Option<Logic>> = tables
        .into_iter()
        .map(|(table, start)| read_logic(&mut fields.inner(table, start), parts, nested + 1))
        .collect();
    let inner: Vec<Logic> = inner.into_iter().collect::<Option<_>>()?;
    Some(if key == "all" {
        Logic::All(inner)
    } else {
        Logic::Any(inner)
    })
}

/// One comparison; its index.
fn read_test(fields: &mut Fields<'_>, parts: &mut Parts) -> Option<usize> {
    let unit = read_unit(fields);
    let measure = if fields.has("expression") {
        read_expression(fields, parts)
    } else {
        for key in ["series", "unit"] {
            if fields.has(key) {
                fields.error(key, &format!("`{key}` without `expression`"), "delete it");
            }
        }
        read_measured(fields, parts)
    };
    let bounds = read_bounds(fields, measure.as_ref());
    if parts.tests.len() >= TESTS_MAX || parts.operands.len() > OPERANDS_MAX {
        fields.error("", "too many conditions in one rule", "make two rules of it");
        return None;
    }
    parts.tests.push(Test {
        measure: measure?,
        bounds: bounds?,
        unit,
    });
    Some(parts.tests.len() - 1)
}

fn read_unit(fields: &mut Fields<'_>) -> Option<String> {
    fields.has("unit").then(|| {
        let known = "By, bit/s, s, 1, %";
        fields.word("unit", known, |word| {
            known.split(", ").find(|one| *one == word).map(str::to_owned)
        })
    })?
}

/// A comparison of one metric, whatever is made of it.
fn read_measured(fields: &mut Fields<'_>, parts: &mut Parts) -> Option<Measure> {
    let metric = read_metric_name(fields);
    let filters = read_filters(fields, metric);
    let per = read_per(fields);
    let measure = read_measure(fields, parts.operands.len());
    let metric = metric?;
    let counts = measure.as_ref().is_none_or(Measure::needs_level);
    match (metric.kind, per) {
        (Kind::Counter, None) if counts => fields.error(
            "metric",
            &format!("`{}` is a counter, which only grows", metric.name),
            "add `rate = true` to compare its increase per second, or `per = \"1m\"`",
        ),
        (Kind::Gauge, Some(_)) => fields.error(
            if fields.has("per") { "per" } else { "rate" },
            &format!("`{}` is a gauge and has no rate", metric.name),
            "delete `rate` and `per`",
        ),
        (Kind::Counter, Some(_)) if !counts => fields.error(
            if fields.has("per") { "per" } else { "rate" },
            "a rate of what compares a counter's totals",
            "delete `rate` and `per`",
        ),
        _ => {}
    }
    parts.operands.push(Operand { metric, filters, per });
    measure
}

/// Arithmetic of several series, each with a name.
fn read_expression(fields: &mut Fields<'_>, parts: &mut Parts) -> Option<Measure> {
    for key in ["metric", "where", "rate", "per"].iter().chain(MEASURE_KEYS) {
        if fields.has(key) {
            let hint = "series = { free = { metric = \"…\" }, … } says what the expression is made of";
            fields.error(key, &format!("`{key}` beside `expression`"), hint);
        }
    }
    let text = fields.required_text("expression");
    let first = parts.operands.len();
    let mut names: Vec<String> = Vec::new();
    let Some((table, _)) = fields.table("series", "{ free = { metric = \"…\" }, … }") else {
        if !fields.has("series") {
            fields.error(
                "expression",
                "`series` is missing",
                "series = { free = { metric = \"…\" }, … }",
            );
        }
        return None;
    };
    for (name, table, start) in fields.named_tables(table, "{ metric = \"…\" }") {
        names.push(name.to_owned());
        let mut own = fields.inner(table, start);
        own.refuse_unknown(&["metric", "where", "rate", "per"], "series");
        let metric = read_metric_name(&mut own);
        let filters = read_filters(&mut own, metric);
        let per = read_per(&mut own);
        let Some(metric) = metric else { continue };
        if metric.kind == Kind::Gauge && per.is_some() {
            own.error(
                "metric",
                &format!("`{}` is a gauge and has no rate", metric.name),
                "delete `rate` and `per`",
            );
        }
        if metric.kind == Kind::Counter && per.is_none() {
            own.error(
                "metric",
                &format!("`{}` is a counter, which only grows", metric.name),
                "add `rate = true`",
            );
        }
        parts.operands.push(Operand { metric, filters, per });
    }
    // A series that was not understood would shift the others.
    let complete = parts.operands.len() == first + names.len();
    // Names before them in a compound have no name here.
    let hidden = vec![""; first];
    let known: Vec<&str> = hidden.into_iter().chain(names.iter().map(String::as_str)).collect();
    let formula = match Formula::read(text?, &known) {
        Ok(formula) => formula,
        Err((message, hint)) => {
            fields.error("expression", &message, &hint);
            return None;
        }
    };
    for (at, name) in names.iter().enumerate() {
        if complete && !formula.uses(first + at) {
            let message = format!("`{name}` of `series` is not in the expression");
            fields.error("series", &message, "delete it, or use it");
        }
    }
    complete.then_some(Measure::Expression(formula))
}

/// A series that is missed.
fn read_absence(fields: &mut Fields<'_>) -> Option<Condition> {
    let others = [
        "expression",
        "series",
        "unit",
        "rate",
        "per",
        "all",
        "any",
        "not",
        "from_healthy",
    ];
    for key in [&others, THRESHOLD_KEYS, MEASURE_KEYS].concat() {
        if fields.has(key) {
            let hint = "a series that is not there has no value: delete it, or make two rules";
            fields.error(key, &format!("`{key}` beside `absent`"), hint);
        }
    }
    let metric = read_metric_name(fields);
    let filters = read_filters(fields, metric);
    let expected = fields.flag("expected").unwrap_or(false);
    Some(Condition::Absent(AbsentCondition {
        metric: metric?,
        filters,
        expected,
    }))
}

/// Keys that make no sense beside `no_data`.
fn read_silence(fields: &mut Fields<'_>) -> Option<Condition> {
    for key in [
        TEST_KEYS,
        THRESHOLD_KEYS,
        MEASURE_KEYS,
        &["from_healthy", "absent", "expected"],
    ]
    .concat()
    {
        if fields.has(key) {
            let hint = "a rule is about silence or about a metric: delete one of the two";
            fields.error(key, &format!("`{key}` beside `no_data`"), hint);
        }
    }
    let after = fields.duration("no_data", HOLD_MAX)?;
    if after.is_zero() {
        let hint = "say how long a host may be silent, such as \"60s\"";
        fields.error("no_data", "`no_data` is zero", hint);
        return None;
    }
    if fields.has("for") {
        fields.error("for", "`for` beside `no_data`", "delete it and make `no_data` longer");
    }
    let answers = fields.flag("answers");
    Some(Condition::NoData { after, answers })
}
