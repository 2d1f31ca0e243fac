//! `rules list`.

use super::{Done, Out, Which, files, print_json};
use crate::{cli, config::Config};
use serde_json::{Value, json};
use std::fmt::Write as _;
use tocsin_rules::{Condition, Rule, RuleSet};

/// One rule and where it comes from.
struct Item<'a> {
    rule: &'a Rule,
    source: String,
    in_force: bool,
}

pub(super) fn run(config: &Config, which: &Which, out: &Out) -> Done {
    let language = out.language();
    let (loaded, builtin) = (files::parse(&files::of(config, which)?)?, RuleSet::builtin());
    let items = items(config, which, &loaded, &builtin);
    if out.json {
        let items: Vec<Value> = items.iter().map(value).collect();
        return Ok(print_json(&json!({ "items": items, "next": null })));
    }
    let widest = items.iter().map(|item| item.rule.name.len()).max().unwrap_or(0).max(4);
    let mut text = format!(
        "{:<widest$}  {:<9} {:<7} {:<10} WHAT IT SAYS",
        "RULE", "SEVERITY", "ACTION", "FROM"
    );
    for item in &items {
        let rule = item.rule;
        let from = if item.in_force {
            item.source.as_str()
        } else {
            "not loaded"
        };
        let _ = write!(
            text,
            "\n{:<widest$}  {:<9} {:<7} {from:<10} {}",
            rule.name,
            rule.severity.as_str(),
            rule.action.as_str(),
            rule.title.get(language)
        );
    }
    Ok(cli::print(&text))
}

/// Those in force first, then the built-in ones that are not, each by name.
fn items<'a>(config: &Config, which: &Which, loaded: &'a RuleSet, builtin: &'a RuleSet) -> Vec<Item<'a>> {
    let own = which.rules.as_ref().or(config.rules_dir.as_ref());
    let source = own.map_or("built-in", |_| "folder");
    let in_force = loaded.rules().map(|rule| Item {
        rule,
        source: source.to_owned(),
        in_force: true,
    });
    let others = builtin
        .rules()
        .filter(|rule| which.rules.is_none() && loaded.get(&rule.name).is_none())
        .map(|rule| Item {
            rule,
            source: "built-in".to_owned(),
            in_force: false,
        });
    in_force.chain(others).collect()
}

fn value(item: &Item<'_>) -> Value {
    let rule = item.rule;
    json!({
        "name": rule.name,
        "severity": rule.severity,
        "action": rule.action.as_str(),
        "kind": kind(&rule.condition),
        "metric": rule.metric(),
        "threshold": rule.threshold(),
        "title": rule.title,
        "remedy": rule.remedy,
        "source": item.source,
        "in_force": item.in_force,
        "file": rule.file,
        "line": rule.line,
    })
}

/// What a rule looks at, in a word.
fn kind(condition: &Condition) -> &'static str {
    match condition {
        Condition::Metric(_) => "metric",
        Condition::Derived(_) => "derived",
        Condition::Absent(_) => "absent",
        Condition::Event(_) => "event",
        Condition::NoData { .. } => "no_data",
    }
}
