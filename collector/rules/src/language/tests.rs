//! The language as an administrator meets it.

use super::RuleError;
use crate::rule::{Bounds, Condition, RuleSet};
use std::time::Duration;

const GOOD: &str = r#"
[[rule]]
name = "disk-errors"
metric = "system.network.errors"
where = { "network.interface.name" = ["eth*", "!eth9"] }
above = 2
clear_below = 1.5
per = "1m"
for = "5m"
clear_for = "1m"
severity = "warning"
action = "notify"
title.en = "{host} {value} {threshold} {for} {network.interface.name}"
title.zh = "{host}"
remedy.en = "Replace the cable."
remedy.zh = "更换网线。"
"#;

fn mistakes(text: &str) -> Vec<RuleError> {
    RuleSet::parse(&[("a.toml", text)]).unwrap_err()
}

/// `GOOD` with one thing replaced; its mistakes as text.
fn spoiled(from: &str, to: &str) -> Vec<String> {
    assert!(GOOD.contains(from), "{from}");
    mistakes(&GOOD.replace(from, to))
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn a_good_rule_is_read_as_it_was_meant() {
    let set = RuleSet::parse(&[("a.toml", GOOD)]).unwrap();
    let rule = set.get("disk-errors").unwrap();
    let Condition::Metric(condition) = &rule.condition else {
        panic!("{rule:?}")
    };
    assert_eq!(
        condition.bounds,
        Bounds::Above {
            limit: 2.0,
            clear: Some(1.5)
        }
    );
    assert_eq!(condition.per, Some(Duration::from_secs(60)));
    assert_eq!(
        (rule.hold, rule.clear_hold),
        (Duration::from_secs(300), Duration::from_secs(60))
    );
    assert!(condition.filters[0].1.matches("eth0") && !condition.filters[0].1.matches("eth9"));
    assert_eq!((rule.file.as_str(), rule.line), ("a.toml", 2));
    assert!(!rule.drill);
}

#[test]
fn each_rule_knows_its_own_text_and_whether_it_is_a_drill() {
    let second = GOOD
        .replace("disk-errors", "second")
        .replace("per =", "drill = true\nper =");
    let text = format!("# A file of two.\n{GOOD}{second}");
    let set = RuleSet::parse(&[("a.toml", &text)]).unwrap();
    let texts: Vec<&str> = set.rules().map(|rule| rule.text.as_str()).collect();
    assert_eq!(texts, [GOOD.trim(), second.trim()]);
    assert_eq!(set.rules().map(|rule| rule.drill).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn the_default_rules_have_no_mistake() {
    let files = RuleSet::builtin_files();
    let set = RuleSet::parse(files).unwrap_or_else(|errors| {
        panic!(
            "{}",
            errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        )
    });
    assert_eq!(set, RuleSet::builtin());
    let count: usize = files.iter().map(|(_, text)| text.matches("[[rule]]").count()).sum();
    assert_eq!(set.rules().len(), count);
}

#[test]
fn all_mistakes_of_all_files_are_reported_at_once_with_file_and_line() {
    let bad = r#"
[[rule]]
name = "Bad Name"
metric = "system.cpu.utilisation"
abvoe = 1
severity = "fatal"
action = "tickt"
title.en = "{hots}"
remedy.en = "x"
remedy.zh = "x"
"#;
    let errors =
        RuleSet::parse(&[("a.toml", bad), ("b.toml", "rule = 3\nother = 1"), ("c.toml", "x = [")]).unwrap_err();
    let found: Vec<(&str, usize, &str)> = errors
        .iter()
        .map(|error| (error.file.as_str(), error.line, error.message.as_str()))
        .collect();
    for expected in [
        ("a.toml", 5, "unknown key `abvoe` of a rule"),
        ("a.toml", 3, "`Bad Name` is not a name for a rule"),
        ("a.toml", 4, "unknown metric `system.cpu.utilisation`"),
        ("a.toml", 4, "no condition"),
        ("a.toml", 6, "`fatal` is not a word for `severity`"),
        ("a.toml", 7, "`tickt` is not a word for `action`"),
        ("a.toml", 2, "`title.zh` is missing"),
        ("b.toml", 2, "unknown key `other` of a file"),
        ("b.toml", 1, "`rule` is not a list"),
    ] {
        assert!(found.contains(&expected), "{expected:?} is not in {found:#?}");
    }
    assert!(
        found
            .iter()
            .any(|(file, line, text)| *file == "c.toml" && *line == 1 && text.contains("TOML"))
    );
    let hints: Vec<&str> = errors.iter().map(|error| error.hint.as_str()).collect();
    for hint in ["did you mean `above`?", "did you mean `system.cpu.utilization`?"] {
        assert!(hints.contains(&hint), "{hints:#?}");
    }
}

#[test]
fn impossible_rules_are_refused_with_a_way_out() {
    for (from, to, expected) in [
        ("per = \"1m\"\n", "", "is a counter"),
        ("per = \"1m\"", "per = \"0s\"", "`per` is zero"),
        ("system.network.errors", "system.uptime", "has no attribute"),
        ("clear_below = 1.5", "clear_below = 3", "wrong side"),
        ("clear_below = 1.5", "clear_above = 1", "goes with `clear_below`"),
        ("clear_below = 1.5", "below = 1", "above and below together"),
        ("above = 2", "above = \"2\"", "expected a finite number"),
        ("above = 2", "above = nan", "expected a finite number"),
        ("for = \"5m\"", "for = \"5\"", "is not a duration"),
        ("for = \"5m\"", "for = \"999d\"", "too long"),
        ("\"network.interface.name\" =", "network.interface.name =", "in quotes"),
        (
            "\"network.interface.name\" =",
            "\"network.interface\" =",
            "did you mean `network.interface.name`",
        ),
        ("[\"eth*\", \"!eth9\"]", "[1]", "a list of texts"),
        ("{for}", "{fro}", "unknown placeholder `{fro}`"),
        ("{for}", "{for", "unknown placeholder"),
        ("title.zh = \"{host}\"", "title.de = \"{host}\"", "known here: en, zh"),
        ("above = 2", "no_data = \"60s\"", "`metric` beside `no_data`"),
    ] {
        let found = spoiled(from, to);
        assert!(found.iter().any(|one| one.contains(expected)), "{to}: {found:#?}");
        assert!(found.iter().all(|one| one.starts_with("a.toml:")), "{found:#?}");
    }
}

#[test]
fn a_name_in_two_files_is_refused_naming_both() {
    let errors = RuleSet::parse(&[("a.toml", GOOD), ("b.toml", GOOD)]).unwrap_err();
    assert_eq!(errors.len(), 1);
    let text = errors[0].to_string();
    assert!(text.starts_with("b.toml:2:") && text.contains("a.toml:2"), "{text}");
}

#[test]
fn any_text_is_rules_or_mistakes() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let spoiled = GOOD.replace("eth9", &text);
        for text in [&*text, &spoiled] {
            if let Err(errors) = RuleSet::parse(&[("a.toml", text)]) {
                assert!(!errors.is_empty());
            }
        }
    });
}
