//! `rules explain`.

use super::{Done, Out, Which, files, print_json};
use crate::{cli, config::Config};
use serde_json::{Value, json};
use std::fmt::Write as _;
use tocsin_console::backend::Failure;
use tocsin_rules::{
    Rule, RuleSet,
    explain::{Sentence, explain},
};
use tocsin_vocabulary::{Code, Language};

pub(super) fn run(config: &Config, id: &str, which: &Which, out: &Out) -> Done {
    let (loaded, builtin) = (files::parse(&files::of(config, which)?)?, RuleSet::builtin());
    let found = loaded
        .get(id)
        .or_else(|| builtin.get(id).filter(|_| which.rules.is_none()));
    let Some(rule) = found else {
        let names = loaded.rules().chain(builtin.rules()).map(|rule| rule.name.as_str());
        let hint = tocsin_rules::nearest(id, names).map_or_else(
            || "`rules list` names all".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        return Err(Failure::new(Code::NotFound, format!("there is no rule `{id}`: {hint}")));
    };
    let sentences = explain(rule);
    if out.json {
        let sentences: Vec<Value> = sentences.iter().map(value).collect();
        return Ok(print_json(&json!({
            "name": rule.name,
            "file": rule.file,
            "line": rule.line,
            "severity": rule.severity,
            "action": rule.action.as_str(),
            "in_force": loaded.get(id).is_some(),
            "sentences": sentences,
            "text": rule.text,
        })));
    }
    Ok(cli::print(&told(rule, &sentences, out.language())))
}

fn value(sentence: &Sentence) -> Value {
    json!({
        "topic": sentence.topic,
        "title": sentence.topic.title(),
        "words": sentence.words,
    })
}

/// As people read it: a line for each sentence, its topic before it.
fn told(rule: &Rule, sentences: &[Sentence], language: Language) -> String {
    let mut text = format!("{}  ({}:{})\n", rule.name, rule.file, rule.line);
    let mut last = None;
    for sentence in sentences {
        if last != Some(sentence.topic) {
            let _ = write!(text, "\n{}\n", sentence.topic.title().get(language));
        }
        last = Some(sentence.topic);
        let _ = writeln!(text, "  {}", sentence.words.get(language));
    }
    text.truncate(text.trim_end().len());
    text
}
