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
fn a_name_that_is_taken_is_told_whatever_else_is_wrong_and_mistakes_come_by_line() {
    let taken = GOOD.replace("above = 2", "above = \"2\"");
    let text = format!("{taken}{GOOD}");
    let errors = RuleSet::parse(&[("a.toml", text.as_str()), ("b.toml", GOOD)]).unwrap_err();
    let found: Vec<(&str, usize, &str)> = errors
        .iter()
        .map(|error| (error.file.as_str(), error.line, error.message.as_str()))
        .collect();
    let above = "rule `disk-errors`: `above` is a text, expected a finite number";
    let twice = "the name `disk-errors` is taken in a.toml:2";
    assert_eq!(
        found,
        [("a.toml", 6, above), ("a.toml", 19, twice), ("b.toml", 3, twice)]
    );

    let two = GOOD.replace("name = \"disk-errors\"\n", "").replace("warning", "mild");
    let lines: Vec<usize> = mistakes(&two).iter().map(|error| error.line).collect();
    assert!(lines.is_sorted(), "{lines:?}");
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

/// A rule about the load with this condition.
fn about(condition: &str) -> String {
    format!(
        r#"
[[rule]]
name = "r"
severity = "warning"
action = "notify"
title = {{ en = "{{host}} {{value}}", zh = "{{host}}" }}
remedy = {{ en = "Look.", zh = "检查。" }}
{condition}
"#
    )
}

const LOAD: &str = "metric = \"system.cpu.load_average.1m\"\n";

#[test]
fn what_is_worked_out_of_values_is_read() {
    for condition in [
        "avg = \"10m\"\nabove = 1",
        "min = \"10m\"\nabove = 1",
        "max = \"10m\"\nbelow = 1",
        "delta = \"10m\"\nbelow = -1",
        "quantile = 0.95\nover = \"10m\"\nabove = 1",
        "change = \"any\"",
        "change = \"increase\"\nabove = 3\nwithin = \"30m\"",
        "age = \"value\"\nabove = \"26h\"\nclear_below = \"25h\"",
        "age = \"change\"\nabove = 60",
        "in = [1, 2]",
        "not_in = [0]",
        "forecast = 1\nover = \"6h\"\nbelow = \"24h\"\nclear_above = \"30h\"",
        "baseline = \"both\"\nleast = 0.5\nabove = 5",
        "above = 1\n[[rule.level]]\nseverity = \"critical\"\nabove = 2\n[[rule.level]]\nseverity = \"major\"\nafter = \"1h\"",
        "above = 1\n[[rule.override]]\nhosts = [\"db-*\"]\nabove = 9\n[[rule.override]]\ntags = \"test\"\noff = true",
    ] {
        let text = about(&format!("{LOAD}{condition}"));
        assert!(
            RuleSet::parse(&[("a.toml", &text)]).is_ok(),
            "{condition}: {:#?}",
            mistakes(&text)
        );
    }
}

#[test]
fn mistakes_of_what_is_worked_out_are_told_with_line_and_hint() {
    for (condition, line, message, hint) in [
        (
            "avg = \"10m\"\nmax = \"10m\"\nabove = 1",
            10,
            "avg and max together",
            "all = [",
        ),
        ("avg = \"10m\"", 8, "no condition", "add `above`"),
        ("avg = \"0s\"\nabove = 1", 9, "`avg` is no span", "10m"),
        ("avg = \"30d\"\nabove = 1", 9, "`avg` is too long", "at most 7d"),
        ("quantile = 0.5\nabove = 1", 9, "`quantile` without `over`", "over ="),
        (
            "quantile = 95\nover = \"5m\"\nabove = 1",
            9,
            "`quantile` is no share",
            "0.95",
        ),
        (
            "over = \"5m\"\nabove = 1",
            9,
            "`over` without `quantile` or `forecast`",
            "delete",
        ),
        ("change = \"up\"", 9, "`up` is not a word for `change`", "increase"),
        (
            "change = \"any\"\nbelow = 1",
            10,
            "`below` does not go with `change`",
            "`above`",
        ),
        (
            "age = \"birth\"\nabove = 1",
            9,
            "`birth` is not a word for `age`",
            "value, change",
        ),
        ("in = [1, 99]", 9, "99 is not a state", "from 0 to 63"),
        ("in = []", 9, "`in` is empty", "[1, 2]"),
        ("in = 1", 9, "`in` is a number", "correct"),
        (
            "in = [1]\nclear_below = 1",
            10,
            "`clear_below` beside `in`",
            "delete it",
        ),
        (
            "forecast = 1\nabove = \"1h\"",
            10,
            "`above` does not go with `forecast`",
            "`below`",
        ),
        (
            "forecast = 1\nover = \"59s\"\nbelow = \"1h\"",
            10,
            "`over` is too short",
            "6h",
        ),
        (
            "baseline = \"both\"\nleast = -1\nabove = 4",
            10,
            "`least` is negative",
            "0 or more",
        ),
        ("unit = \"By\"\nabove = 4", 9, "`unit` without `expression`", "delete"),
        (
            "above = 1\nexpression = \"a\"",
            8,
            "`metric` beside `expression`",
            "delete one",
        ),
        (
            "above = 1\n[[rule.level]]\nseverity = \"info\"\nabove = 2",
            11,
            "not worse than its rule",
            "mildest",
        ),
        (
            "above = 1\n[[rule.level]]\nseverity = \"major\"\nabove = 0.5",
            10,
            "before a milder one",
            "worse threshold",
        ),
        (
            "above = 1\n[[rule.level]]\nseverity = \"major\"\nbelow = 2",
            10,
            "looks the other way",
            "`above`",
        ),
        (
            "above = 1\n[[rule.level]]\nseverity = \"major\"",
            10,
            "a level without a condition",
            "after",
        ),
        (
            "above = 1\n[[rule.override]]\nabove = 2",
            10,
            "nobody in particular",
            "name hosts",
        ),
        (
            "above = 1\n[[rule.override]]\nhosts = \"a\"",
            10,
            "changes nothing",
            "off = true",
        ),
        (
            "above = 1\n[[rule.override]]\nhosts = \"a\"\nabove = \"2\"",
            12,
            "expected a finite number",
            "correct",
        ),
        (
            "above = 1\n[[rule.override]]\nhost = \"a\"\nabove = 2",
            11,
            "unknown key `host`",
            "`hosts`",
        ),
    ] {
        let found = mistakes(&about(&format!("{LOAD}{condition}")));
        let fits =
            |error: &RuleError| error.line == line && error.message.contains(message) && error.hint.contains(hint);
        assert!(found.iter().any(fits), "{condition}\n{found:#?}");
    }
}

#[test]
fn mistakes_inside_compounds_and_expressions_are_told_where_they_are() {
    let used = "{ metric = \"system.memory.usage\" }";
    for (condition, line, message, hint) in [
        ("all = []".to_owned(), 8, "`all` is empty", "write conditions"),
        (
            "all = [\n{ metric = \"system.uptime\" },\n]".to_owned(),
            9,
            "no condition",
            "add `above`",
        ),
        (
            "any = [\n{ metric = \"system.uptime\", abvoe = 1 } ]".to_owned(),
            9,
            "unknown key `abvoe`",
            "`above`",
        ),
        (
            "any = [{ above = 1 }]".to_owned(),
            8,
            "no condition",
            "each condition has one of",
        ),
        (
            "any = [{ not = { metric = \"system.uptme\", above = 1 } }]".to_owned(),
            8,
            "unknown metric",
            "system.uptime",
        ),
        (
            "above = 1\nany = []".to_owned(),
            8,
            "`above` beside `any`",
            "inside `any`",
        ),
        ("not = 3".to_owned(), 8, "`not` is a number", "correct"),
        (
            "expression = \"a / b\"\nbelow = 1".to_owned(),
            8,
            "`series` is missing",
            "series =",
        ),
        (
            format!("expression = \"a / b\"\nbelow = 1\nseries = {{ a = {used} }}"),
            8,
            "`b` is not in `series`",
            "a",
        ),
        (
            format!("expression = \"a\"\nbelow = 1\nseries = {{ a = {used}, b = {used} }}"),
            10,
            "`b` of `series` is not in",
            "use it",
        ),
        (
            format!("expression = \"a\"\nseries = {{ a = {used} }}"),
            7,
            "no condition",
            "add `above`",
        ),
        (
            format!("expression = \"a\"\nbelow = 1\navg = \"5m\"\nseries = {{ a = {used} }}"),
            10,
            "`avg` beside `expression`",
            "series",
        ),
    ] {
        let found = mistakes(&about(&condition));
        let fits = |error: &RuleError| error.message.contains(message) && error.hint.contains(hint);
        let there = |error: &RuleError| fits(error) && (error.line == line || line < 8);
        assert!(found.iter().any(there), "{condition}\n{found:#?}");
    }
}

#[test]
fn the_rule_that_the_handbook_teaches_has_no_mistake() {
    for page in [
        include_str!("../../../console/handbook/en/rules.md"),
        include_str!("../../../console/handbook/zh-CN/rules.md"),
    ] {
        let blocks = page.split("```").skip(1).step_by(2);
        let taught: Vec<&str> = blocks.filter(|block| block.contains("database-disk-filling")).collect();
        assert_eq!(taught.len(), 1);
        let set = RuleSet::parse(&[("handbook.toml", taught[0])]).unwrap_or_else(|errors| panic!("{errors:#?}"));
        assert_eq!(set.get("database-disk-filling").unwrap().levels.len(), 2);
    }
}

#[test]
fn a_name_in_two_files_is_refused_naming_both() {
    let errors = RuleSet::parse(&[("a.toml", GOOD), ("b.toml", GOOD)]).unwrap_err();
    assert_eq!(errors.len(), 1);
    let text = errors[0].to_string();
    assert!(text.starts_with("b.toml:3:") && text.contains("a.toml:2"), "{text}");
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

/// The handbook's page about the workbench, in each language.
const WORKBENCH: [&str; 2] = [
    include_str!("../../../console/handbook/en/rule-workbench.md"),
    include_str!("../../../console/handbook/zh-CN/rule-workbench.md"),
];

#[test]
fn the_handbook_explains_every_word_of_the_language() {
    for text in WORKBENCH {
        let (_, reference) = text.rsplit_once("\n## ").unwrap();
        for key in super::KEYS {
            assert!(reference.contains(&format!("`{key}`")), "{key}");
        }
    }
}

#[test]
fn what_the_workbench_teaches_passes_its_own_test() {
    for text in WORKBENCH {
        let blocks: Vec<&str> = text.split("```").skip(1).step_by(2).collect();
        let rule = blocks.iter().find(|block| block.contains("[[rule]]")).unwrap();
        let test = blocks.iter().find(|block| block.contains("[[test]]")).unwrap();
        let rules = RuleSet::parse(&[("handbook.toml", rule)]).unwrap_or_else(|errors| panic!("{errors:#?}"));
        let tests = crate::testing::read("handbook.toml", test).unwrap_or_else(|errors| panic!("{errors:#?}"));
        let outcome = tests[0].run(&rules);
        assert!(outcome.has_passed(), "{outcome}");
    }
}
