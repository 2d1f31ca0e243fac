//! The rule language: TOML in, rules or *all* mistakes out, each with file, line and what to do.
//!
//! ```toml
//! [[rule]]
//! name = "file-system-full"                    # unique over all files: letters, digits and dashes
//! metric = "system.filesystem.utilization"     # a name of the catalogue
//! where = { "system.filesystem.mountpoint" = ["/*", "!/mnt/*"] }  # patterns; `!` excludes; "" means: has none
//! above = 0.90                                 # or below = …, or equals = …
//! clear_below = 0.88                           # or clear_above; default: the threshold itself
//! # rate = true                                # counters: increase per second; or per = "1m"
//! # from_healthy = true                        # only what turned wrong, not what always was
//! for = "5m"                                   # default: at once
//! clear_for = "1m"                             # default: at once
//! severity = "critical"                        # critical, major, minor, warning, info
//! action = "ticket"                            # record, notify, ticket
//! hosts = ["db-*"]                             # names of hosts; default: all
//! tags = ["production"]                        # tags of hosts; default: all
//! # drill = true                               # its alerts are a drill, marked so everywhere
//! title.en = "{host}: {system.filesystem.mountpoint} is {value} full"
//! title.zh = "{host}:{system.filesystem.mountpoint} 已使用 {value}"
//! remedy.en = "Delete or move what is not needed, or enlarge the file system."
//! remedy.zh = "清理或迁移不需要的文件,或扩容文件系统。"
//! ```
//!
//! A rule about silence has `no_data = "60s"` in place of `metric` and its threshold; with `answers = true` only of hosts
//! whose machine answers at its address all the same, with `answers = false` only of those whose machine does not.
//!
//! # What a value is compared with, and what is made of it first
//!
//! | lines | the condition holds when |
//! |---|---|
//! | `above = 1`, `below = 1`, `equals = 1` | the value is so |
//! | `in = [1, 2]`, `not_in = [0]` | the state is one of these, or none of these; whole numbers from 0 to 63 |
//! | `avg = "10m"` and a threshold; also `min`, `max` | the mean, the least, the greatest of the last ten minutes is so |
//! | `quantile = 0.95`, `over = "10m"` | the value that 95 % of the last ten minutes do not exceed is so |
//! | `delta = "1h"` | the value now less that of an hour ago is so; also for counters, whose restart is no fall |
//! | `change = "decrease"` (`increase`, `any`) | the value fell, until it is back; `above = 5`: by more than 5; `within = "30m"`: what lasts so long is how things are now |
//! | `age = "value"`, `above = "26h"` | the instant that the value names (seconds since 1970) is so long ago |
//! | `age = "change"`, `above = "1h"` | the value stands still for so long |
//! | `forecast = 1`, `below = "24h"`, `over = "6h"` | the value will reach 1 in less than a day if it goes on as it did for six hours |
//! | `baseline = "above"` (`below`, `both`), `above = 4`, `least = 0.1` | the last half hour is four times the usual deviation above what is usual at this hour of this weekday, and by at least 0.1 |
//! | `absent = true` | a series that was there has no value, or is gone; `expected = true`: also if it never was there |
//!
//! A window says nothing until it was watched as a whole, nor does a forecast before `over`, nor a baseline before two
//! weeks: nothing is raised then, and nothing that is raised is cleared. A forecast is infinite, which is healthy, where
//! there is no trend: after a step, a copy that ran once, a sawtooth.
//!
//! # Several series
//!
//! ```toml
//! expression = "free / (free + used)"          # + - * / ( ) numbers, min(a, b), max(a, b)
//! unit = "%"                                   # how it is shown: By, bit/s, s, 1, %
//! below = 0.1
//! [rule.series]
//! free = { metric = "system.filesystem.usage", where = { "system.filesystem.state" = "free" } }
//! used = { metric = "system.filesystem.usage", where = { "system.filesystem.state" = "used" } }
//! ```
//!
//! The first series leads: each of its series is an instance. Of the others the one is taken whose attributes are the
//! same, as far as both have them; only attributes that both `where` hold to one value may differ. Where there is none,
//! or more than one, or where a division is by zero, there is no value.
//!
//! ```toml
//! all = [                                      # or any = […], or not = { … }, nested as needed
//!     { metric = "system.filesystem.utilization", where = { "system.filesystem.state" = "used" }, above = 0.8 },
//!     { any = [
//!         { metric = "system.filesystem.usage", where = { "system.filesystem.state" = "free" }, below = 10737418240 },
//!         { metric = "system.filesystem.utilization", where = { "system.filesystem.state" = "used" }, forecast = 1, below = "24h" },
//!     ] },
//! ]
//! ```
//!
//! # Worse, other, and elsewhere
//!
//! ```toml
//! [[rule.level]]                               # the same alert, worse: at a value, after a time, or whichever is first
//! severity = "critical"
//! above = 0.95                                 # left only below its own clear_below
//! clear_below = 0.92
//! after = "1h"                                 # since the condition began to hold
//! action = "ticket"                            # default: the rule's
//!
//! [[rule.override]]                            # the first that fits the host counts
//! hosts = ["db-*"]                             # and tags, groups, customers: all that are named must fit
//! above = 0.97                                 # a threshold goes with its clear threshold; also for, clear_for,
//! for = "10m"                                  # no_data, severity, action, level; or off = true
//! ```
//!
//! # Events
//!
//! ```toml
//! event = "log.match"                          # names and patterns
//! where = { unit = "sshd" }
//! body = "Failed password"                     # a regular expression
//! count = 10                                   # default: 1
//! within = "5m"
//! by = ["source"]                              # an alert for each value; also placeholders, as is {body}
//! cleared_by = { event = "log.match", body = "Accepted" }
//! clear_after = "30m"                          # one of the two must be there
//! ```
//!
//! # Manners
//!
//! `flapping = { raises = 5, within = "1h", calm = "15m" }` is what counts without it: the fifth time in an hour an alert
//! stays until it was healthy for a quarter of an hour; `flapping = false` turns that off. `knowledge = "/…"` or
//! `"https://…"` is a link for who takes the ticket. `auto_close = true` lets a ticket close itself when its alert has
//! cleared, and is refused of rules that are worse than minor. `explained_by = ["disk-failing"]` names rules whose alert
//! on the same host and the same part (`sda` of `sda1`) explains this one's: it is recorded then, and told only if it
//! outlives the other.

mod condition;
mod event;
pub(crate) mod fields;
mod level;
mod manners;
mod measure;
mod overriding;
mod series;
#[cfg(test)]
mod tests;
mod threshold;

use crate::{
    glob::Patterns,
    rule::{Action, Condition, RULES_MAX, Rule},
    template::{Template, Words},
};
use fields::Fields;
use std::{collections::BTreeMap, time::Duration};
use tocsin_vocabulary::{Severity, Text};
use toml::de::{DeTable, DeValue};

/// By name of a rule: its file and line, whether it has other mistakes or not.
type Places = BTreeMap<String, (String, usize)>;

/// A mistake in a rule file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {message}; {hint}")]
pub struct RuleError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// Every key of a rule.
const KEYS: &[&str] = &[
    "name",
    "metric",
    "where",
    "expression",
    "series",
    "unit",
    "all",
    "any",
    "not",
    "above",
    "below",
    "equals",
    "in",
    "not_in",
    "clear_below",
    "clear_above",
    "rate",
    "per",
    "avg",
    "min",
    "max",
    "delta",
    "quantile",
    "over",
    "change",
    "within",
    "age",
    "forecast",
    "baseline",
    "least",
    "from_healthy",
    "absent",
    "expected",
    "event",
    "body",
    "count",
    "by",
    "cleared_by",
    "clear_after",
    "no_data",
    "answers",
    "for",
    "clear_for",
    "severity",
    "action",
    "level",
    "flapping",
    "auto_close",
    "knowledge",
    "explained_by",
    "override",
    "hosts",
    "tags",
    "drill",
    "title",
    "remedy",
];
/// Longest `for`, `clear_for` and `no_data`: what waits longer waits for a mistake.
const HOLD_MAX: Duration = Duration::from_secs(30 * 86_400);
const NAME_BYTES_MAX: usize = 64;

/// Reads all files; rules come out sorted by name.
pub(crate) fn read<'a>(files: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Vec<Rule>, Vec<RuleError>> {
    let mut errors = Vec::new();
    let mut rules: BTreeMap<String, Rule> = BTreeMap::new();
    let mut places = Places::new();
    for (file, text) in files {
        let before = errors.len();
        for rule in read_file(file, text, &mut places, &mut errors) {
            rules.entry(rule.name.clone()).or_insert(rule);
        }
        errors[before..].sort_by_key(|error| error.line);
    }
    let count: usize = rules.values().map(|rule| 1 + rule.overrides.len()).sum();
    if let Some(last) = rules.values().last().filter(|_| count > RULES_MAX) {
        errors.push(RuleError {
            file: last.file.clone(),
            line: last.line,
            message: format!("{count} rules and overrides"),
            hint: format!("at most {RULES_MAX}: let one rule look at many hosts, and override by tags or groups"),
        });
    }
    if errors.is_empty() {
        Ok(rules.into_values().collect())
    } else {
        Err(errors)
    }
}

/// Tells the mistakes of syntax. What follows one is guesswork: the syntax alone is reported.
pub(crate) fn is_toml(file: &str, text: &str, broken: &[toml::de::Error], errors: &mut Vec<RuleError>) -> bool {
    errors.extend(broken.iter().map(|error| RuleError {
        file: file.to_owned(),
        line: fields::line(text, error.span().map_or(0, |span| span.start)),
        message: format!("not valid TOML: {}", error.message()),
        hint: "see https://toml.io for the syntax".to_owned(),
    }));
    broken.is_empty()
}

fn read_file(file: &str, text: &str, places: &mut Places, errors: &mut Vec<RuleError>) -> Vec<Rule> {
    let (document, broken) = DeTable::parse_recoverable(text);
    if !is_toml(file, text, &broken, errors) {
        return Vec::new();
    }
    let top = document.get_ref();
    Fields::new(file, text, top, 0, errors).refuse_unknown(&["rule"], "file");
    let Some(value) = top.get("rule") else {
        return Vec::new();
    };
    let hint = "begin each rule with [[rule]]";
    let Some(entries) = value.get_ref().as_array() else {
        Fields::new(file, text, top, 0, errors).error("rule", "`rule` is not a list", hint);
        return Vec::new();
    };
    let mut rules = Vec::new();
    let starts: Vec<usize> = entries.iter().map(|entry| entry.span().start).collect();
    for entry in entries {
        let start = entry.span().start;
        let DeValue::Table(table) = entry.get_ref() else {
            Fields::new(file, text, top, 0, errors).error_at(start, "a rule is not a table", hint);
            continue;
        };
        let end = starts
            .iter()
            .copied()
            .filter(|other| *other > start)
            .min()
            .unwrap_or(text.len());
        let own = text.get(start..end).unwrap_or_default().trim_end();
        claim_name(&mut Fields::new(file, text, table, start, errors), places);
        if let Some(mut rule) = read_rule(Fields::new(file, text, table, start, errors)) {
            own.clone_into(&mut rule.text);
            rules.push(rule);
        }
    }
    rules
}

/// Tells when another rule has the same name, whatever else is wrong with either.
fn claim_name(fields: &mut Fields<'_>, places: &mut Places) {
    let Some(name) = fields.own_table().get("name").and_then(|name| name.get_ref().as_str()) else {
        return;
    };
    match places.get(name) {
        None => {
            places.insert(name.to_owned(), (fields.file().to_owned(), fields.first_line()));
        }
        Some((file, line)) => {
            let message = format!("the name `{}` is taken in {file}:{line}", name.escape_debug());
            fields.error("name", &message, "give it another name, or delete one of the two");
        }
    }
}

/// Reads one rule. Every key is looked at even after a mistake, so that all mistakes are known at once.
fn read_rule(mut fields: Fields<'_>) -> Option<Rule> {
    fields.refuse_unknown(KEYS, "rule");
    let before = fields.mistakes();
    let name = read_name(&mut fields);
    let condition = condition::read_condition(&mut fields);
    let of_events: Vec<&str>;
    let attributes = match &condition {
        Some(Condition::Metric(condition)) => condition.metric.attributes,
        Some(Condition::Derived(condition)) => condition.operands[0].metric.attributes,
        Some(Condition::Absent(condition)) => condition.metric.attributes,
        Some(Condition::Event(condition)) => {
            of_events = condition.by.iter().map(String::as_str).chain(["body"]).collect();
            &of_events
        }
        Some(Condition::NoData { .. }) | None => &[],
    };
    let hold = fields.duration("for", HOLD_MAX).unwrap_or_default();
    let clear_hold = fields.duration("clear_for", HOLD_MAX).unwrap_or_default();
    let severity = fields.word("severity", "critical, major, minor, warning, info", |word| {
        word.parse().ok()
    });
    let action = fields.word("action", "record, notify, ticket", |word| {
        Action::ALL.into_iter().find(|action| action.as_str() == word)
    });
    let levels = level::read_levels(&mut fields, condition.as_ref(), hold, severity);
    let flapping = manners::read_flapping(&mut fields);
    let knowledge = manners::read_knowledge(&mut fields);
    let auto_close = fields.flag("auto_close").unwrap_or(false);
    if auto_close && severity.is_some_and(|severity| severity > Severity::Minor) {
        let hint = "only what is minor or milder may close its own ticket: a person closes the others";
        fields.error("auto_close", "`auto_close` of a severe rule", hint);
    }
    let explained_by = manners::read_explained_by(&mut fields);
    let hosts = Patterns::new(fields.texts("hosts"));
    let tags = Patterns::new(fields.texts("tags"));
    let drill = fields.flag("drill").unwrap_or(false);
    let (title, title_template) = read_words(&mut fields, "title", attributes, condition.is_some());
    let (remedy, remedy_template) = read_words(&mut fields, "remedy", attributes, condition.is_some());
    let overrides = overriding::read_overrides(&mut fields, before);
    let rule = Rule {
        name: name?,
        file: fields.file().to_owned(),
        line: fields.first_line(),
        text: String::new(),
        condition: condition?,
        hold,
        clear_hold,
        severity: severity?,
        action: action?,
        levels,
        overrides,
        flapping,
        auto_close,
        knowledge,
        explained_by,
        hosts,
        tags,
        drill,
        title,
        remedy,
        title_template,
        remedy_template,
    };
    (fields.mistakes() == before).then_some(rule)
}

fn read_name(fields: &mut Fields<'_>) -> Option<String> {
    let name = fields.required_text("name")?;
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(fits) {
        fields.error(
            "name",
            &format!("`{}` is not a name for a rule", name.escape_debug()),
            "use up to 64 small letters, digits and dashes",
        );
        return None;
    }
    fields.call(name);
    Some(name.to_owned())
}

/// Words in both languages, as written and ready to be filled. `known` says whether the attributes are: without the
/// metric any placeholder might be right.
fn read_words(fields: &mut Fields<'_>, key: &str, attributes: &[&str], known: bool) -> (Text, Template) {
    let mut read = |language: &str| {
        let Some((at, text)) = fields.required_text_in(key, language) else {
            return (String::new(), Words::default());
        };
        let words = Template::read(text, attributes).unwrap_or_else(|mistake| {
            if known {
                fields.error_at(at, &format!("`{key}.{language}`: {mistake}"), "correct it");
            }
            Words::default()
        });
        (text.to_owned(), words)
    };
    let ((en, en_words), (zh, zh_words)) = (read("en"), read("zh"));
    (Text { en, zh }, Template::new(en_words, zh_words))
}
