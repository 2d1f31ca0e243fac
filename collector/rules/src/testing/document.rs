//! Files of tests: TOML in, tests or *all* mistakes out.

use super::{Expectation, Expected, MadeEvent, MadeSeries, RuleTest, notation};
use crate::{
    language::{RuleError, fields::Fields, is_toml},
    nearest::nearest,
};
use std::time::Duration;
use tocsin_vocabulary::{
    Timestamp,
    catalogue::{self, METRICS},
    time::parse_duration,
};
use toml::de::DeTable;

/// 2026-01-05T00:00:00Z, a Monday: when a test begins that says nothing else.
const START: Timestamp = Timestamp::from_millis(1_767_571_200_000);
/// Between ticks, where a test says nothing else.
const INTERVAL: Duration = Duration::from_secs(10);
/// Longest test, and the greatest offset in it.
const LENGTH_MAX: Duration = Duration::from_secs(100 * 86_400);
const KEYS: &[&str] = &[
    "name", "rule", "host", "tags", "groups", "customer", "interval", "start", "series", "event", "silent", "answers",
    "expect", "raises",
];

/// Whether a text is a file of tests: something in it begins with `[[test]]`.
#[must_use]
pub fn is_tests(text: &str) -> bool {
    let (document, _) = DeTable::parse_recoverable(text);
    document.get_ref().contains_key("test")
}

/// Reads the tests of a file.
///
/// # Errors
/// All mistakes, in the order of lines.
pub fn read(file: &str, text: &str) -> Result<Vec<RuleTest>, Vec<RuleError>> {
    let mut errors = Vec::new();
    let (document, broken) = DeTable::parse_recoverable(text);
    if !is_toml(file, text, &broken, &mut errors) {
        return Err(errors);
    }
    let top = document.get_ref();
    let mut fields = Fields::new(file, text, top, 0, &mut errors);
    fields.refuse_unknown(&["test"], "file of tests");
    let tables = fields.tables("test", "[[test]]").unwrap_or_default();
    let mut tests = Vec::new();
    for (table, start) in tables {
        tests.extend(read_test(fields.inner(table, start)));
    }
    errors.sort_by_key(|error| error.line);
    if errors.is_empty() { Ok(tests) } else { Err(errors) }
}

/// Reads one test. Every key is looked at even after a mistake.
fn read_test(mut fields: Fields<'_>) -> Option<RuleTest> {
    fields.refuse_unknown(KEYS, "test");
    let before = fields.mistakes();
    let rule = fields.required_text("rule");
    let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect();
    let interval = fields.duration("interval", LENGTH_MAX).unwrap_or(INTERVAL);
    if interval.is_zero() {
        fields.error("interval", "`interval` is zero", "such as \"10s\"");
    }
    let start = match fields.has("start").then(|| fields.required_text("start")).flatten() {
        None => START,
        Some(text) => text.parse().unwrap_or_else(|error| {
            fields.error("start", &format!("`start`: {error}"), "correct it");
            START
        }),
    };
    let silent = read_silent(&mut fields);
    let series = read_series(&mut fields, interval);
    let events = read_events(&mut fields);
    let expect = read_expectations(&mut fields);
    if expect.is_empty() && !fields.has("raises") {
        let hint = "add [[test.expect]] with at and alert";
        fields.error("", "a test that expects nothing", hint);
    }
    let raises = read_count(&mut fields);
    let name = fields.has("name").then(|| fields.required_text("name")).flatten();
    let mut text = |key: &str, default: &str| {
        let given = fields.has(key).then(|| fields.required_text(key)).flatten();
        given.unwrap_or(default).to_owned()
    };
    let (host, customer) = (text("host", "host"), text("customer", ""));
    let test = RuleTest {
        file: fields.file().to_owned(),
        line: fields.first_line(),
        name: name.or(rule).unwrap_or_default().to_owned(),
        rule: rule?.to_owned(),
        host,
        tags: owned(fields.texts("tags")),
        groups: owned(fields.texts("groups")),
        customer,
        interval,
        start,
        series,
        events,
        silent,
        answers: fields.flag("answers").unwrap_or(false),
        expect,
        raises,
    };
    (fields.mistakes() == before).then_some(test)
}

fn read_count(fields: &mut Fields<'_>) -> Option<usize> {
    let count = fields.number("raises")?;
    if !(0.0..=1e6).contains(&count) || count.fract() != 0.0 {
        fields.error("raises", "`raises` is no count", "a whole number such as 1");
        return None;
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // whole, and in range
    Some(count as usize)
}

/// `silent = ["2m..10m"]`.
fn read_silent(fields: &mut Fields<'_>) -> Vec<(Duration, Duration)> {
    let mut spans = Vec::new();
    for text in fields.texts("silent") {
        let span = text.split_once("..").and_then(|(from, to)| {
            let span = (parse_duration(from).ok()?, parse_duration(to).ok()?);
            (span.0 < span.1).then_some(span)
        });
        match span {
            Some(span) => spans.push(span),
            None => {
                let message = format!("`{}` is no span", text.escape_debug());
                fields.error("silent", &message, "write it like \"2m..10m\"");
            }
        }
    }
    spans
}

fn read_series(fields: &mut Fields<'_>, interval: Duration) -> Vec<MadeSeries> {
    let mut all = Vec::new();
    let tables = fields.tables("series", "[[test.series]]").unwrap_or_default();
    for (table, start) in tables {
        let mut own = fields.inner(table, start);
        own.refuse_unknown(&["metric", "attributes", "values"], "series of a test");
        let attributes = read_attributes(&mut own);
        let values = own.required_text("values").map(|text| notation::read(text, interval));
        let Some(name) = own.required_text("metric") else {
            continue;
        };
        let Some(metric) = catalogue::metric(name) else {
            let hint = nearest(name, METRICS.iter().map(|metric| metric.name)).map_or_else(
                || "the handbook lists all metrics".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            own.error("metric", &format!("unknown metric `{}`", name.escape_debug()), &hint);
            continue;
        };
        for (key, _) in attributes
            .iter()
            .filter(|(key, _)| !metric.attributes.contains(&key.as_str()))
        {
            let message = format!("`{name}` has no attribute `{}`", key.escape_debug());
            own.error(
                "attributes",
                &message,
                &format!("it has {}", metric.attributes.join(", ")),
            );
        }
        match values {
            Some(Ok(values)) => {
                let attributes: Vec<(&str, &str)> = attributes
                    .iter()
                    .map(|(key, value)| (key.as_str(), value.as_str()))
                    .collect();
                let series = metric.series(&attributes);
                if all.iter().any(|other: &MadeSeries| other.series == series) {
                    own.error("metric", "a series twice", "give the two other attributes");
                }
                all.push(MadeSeries { series, values });
            }
            Some(Err((message, hint))) => own.error("values", &message, &hint),
            None => {}
        }
    }
    all
}

/// `attributes = { key = "value" }`.
fn read_attributes(fields: &mut Fields<'_>) -> Vec<(String, String)> {
    let mut attributes = Vec::new();
    for (key, at, values) in fields.table_of_texts("attributes") {
        match values[..] {
            [value] => attributes.push((key.to_owned(), value.to_owned())),
            _ => fields.error_at(at, &format!("`{key}` has not one value"), "write one text"),
        }
    }
    attributes
}

fn read_events(fields: &mut Fields<'_>) -> Vec<MadeEvent> {
    let mut events = Vec::new();
    let tables = fields.tables("event", "[[test.event]]").unwrap_or_default();
    for (table, start) in tables {
        let mut own = fields.inner(table, start);
        own.refuse_unknown(&["at", "event", "attributes", "body", "late"], "event of a test");
        let attributes = read_attributes(&mut own);
        let body = own.has("body").then(|| own.required_text("body")).flatten();
        let late = own.flag("late").unwrap_or(false);
        let name = own.required_text("event");
        let at = own.required_text("at").and_then(|_| own.duration("at", LENGTH_MAX));
        if let (Some(at), Some(name)) = (at, name) {
            events.push(MadeEvent {
                at,
                name: name.to_owned(),
                attributes,
                body: body.unwrap_or_default().to_owned(),
                late,
            });
        }
    }
    events
}

fn read_expectations(fields: &mut Fields<'_>) -> Vec<Expectation> {
    let mut expect = Vec::new();
    let tables = fields.tables("expect", "[[test.expect]]").unwrap_or_default();
    for (table, start) in tables {
        let mut own = fields.inner(table, start);
        own.refuse_unknown(&["at", "alert", "severity", "instance"], "expectation");
        let at = own.required_text("at").and_then(|_| own.duration("at", LENGTH_MAX));
        let alert = own.word("alert", "none, pending, raised, cleared", |word| {
            Expected::ALL.into_iter().find(|one| one.as_str() == word)
        });
        let severity = own.has("severity").then(|| {
            own.word("severity", "critical, major, minor, warning, info", |word| {
                word.parse().ok()
            })
        });
        let instance = own.has("instance").then(|| own.required_text("instance")).flatten();
        if let (Some(at), Some(alert)) = (at, alert) {
            expect.push(Expectation {
                at,
                alert,
                severity: severity.flatten(),
                instance: instance.map(str::to_owned),
            });
        }
    }
    expect.sort_by_key(|one| one.at);
    expect
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_mistakes_are_told_with_their_lines() {
        let text = r#"
[[test]]
rule = "a"
intreval = "1s"
[[test.series]]
metric = "system.cpu.utilisation"
values = "1"
[[test.series]]
metric = "system.cpu.utilization"
attributes = { cpu = "1" }
values = "1xy"
[[test.expect]]
at = "soon"
alert = "rised"
"#;
        let errors = read("t.toml", text).unwrap_err();
        let found: Vec<(usize, &str)> = errors
            .iter()
            .map(|error| (error.line, error.message.as_str()))
            .collect();
        for (line, part) in [
            (4, "unknown key `intreval`"),
            (6, "unknown metric `system.cpu.utilisation`"),
            (10, "has no attribute `cpu`"),
            (11, "`1xy` is no sample"),
            (13, "`at`"),
            (14, "`rised` is not a word"),
        ] {
            let told = found.iter().any(|(at, message)| *at == line && message.contains(part));
            assert!(told, "{line} {part}: {found:#?}");
        }
    }

    #[test]
    fn a_test_that_expects_nothing_is_a_mistake() {
        let errors = read("t.toml", "[[test]]\nrule = \"a\"\n").unwrap_err();
        assert!(errors[0].message.contains("expects nothing"), "{errors:?}");
    }

    #[test]
    fn files_of_tests_are_told_from_files_of_rules() {
        assert!(is_tests("[[test]]\nrule = \"a\""));
        assert!(!is_tests("[[rule]]\nname = \"a\""));
        assert!(!is_tests("= broken"));
    }

    #[test]
    fn whatever_bytes_come_they_are_tests_or_mistakes() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let _ = read("any", &String::from_utf8_lossy(bytes));
        });
    }
}
