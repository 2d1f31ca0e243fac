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
//! A rule about silence has `no_data = "60s"` in place of `metric` and its threshold.

mod condition;
mod fields;
#[cfg(test)]
mod tests;

use crate::{
    glob::Patterns,
    rule::{Action, Condition, Rule},
    template::{Template, Words},
};
use fields::Fields;
use std::{collections::BTreeMap, time::Duration};
use tocsin_vocabulary::Text;
use toml::de::{DeTable, DeValue};

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
    "above",
    "below",
    "equals",
    "clear_below",
    "clear_above",
    "rate",
    "per",
    "from_healthy",
    "no_data",
    "for",
    "clear_for",
    "severity",
    "action",
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
    for (file, text) in files {
        for rule in read_file(file, text, &mut errors) {
            if let Some(first) = rules.get(&rule.name) {
                errors.push(RuleError {
                    file: rule.file,
                    line: rule.line,
                    message: format!("rule `{}` is already in {}:{}", rule.name, first.file, first.line),
                    hint: "give it another name, or delete one of the two".to_owned(),
                });
            } else {
                rules.insert(rule.name.clone(), rule);
            }
        }
    }
    if errors.is_empty() {
        Ok(rules.into_values().collect())
    } else {
        Err(errors)
    }
}

fn read_file(file: &str, text: &str, errors: &mut Vec<RuleError>) -> Vec<Rule> {
    let (document, broken) = DeTable::parse_recoverable(text);
    if !broken.is_empty() {
        // What follows a syntax error is guesswork: report the syntax alone.
        errors.extend(broken.iter().map(|error| RuleError {
            file: file.to_owned(),
            line: fields::line(text, error.span().map_or(0, |span| span.start)),
            message: format!("not valid TOML: {}", error.message()),
            hint: "see https://toml.io for the syntax".to_owned(),
        }));
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
        if let Some(mut rule) = read_rule(Fields::new(file, text, table, start, errors)) {
            own.clone_into(&mut rule.text);
            rules.push(rule);
        }
    }
    rules
}

/// Reads one rule. Every key is looked at even after a mistake, so that all mistakes are known at once.
fn read_rule(mut fields: Fields<'_>) -> Option<Rule> {
    fields.refuse_unknown(KEYS, "rule");
    let before = fields.mistakes();
    let name = read_name(&mut fields);
    let condition = if fields.has("no_data") {
        condition::read_silence(&mut fields)
    } else {
        condition::read_metric(&mut fields)
    };
    let attributes = match &condition {
        Some(Condition::Metric(condition)) => condition.metric.attributes,
        _ => &[],
    };
    let hold = fields.duration("for", HOLD_MAX).unwrap_or_default();
    let clear_hold = fields.duration("clear_for", HOLD_MAX).unwrap_or_default();
    let severity = fields.word("severity", "critical, major, minor, warning, info", |word| {
        word.parse().ok()
    });
    let action = fields.word("action", "record, notify, ticket", |word| {
        Action::ALL.into_iter().find(|action| action.as_str() == word)
    });
    let hosts = Patterns::new(fields.texts("hosts"));
    let tags = Patterns::new(fields.texts("tags"));
    let drill = fields.flag("drill").unwrap_or(false);
    let (title, title_template) = read_words(&mut fields, "title", attributes, condition.is_some());
    let (remedy, remedy_template) = read_words(&mut fields, "remedy", attributes, condition.is_some());
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
