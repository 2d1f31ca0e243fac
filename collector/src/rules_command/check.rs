//! `rules check`.

use super::{Done, Out, counted, files, print_json};
use crate::{cli, config::Config, rules_files::lines};
use serde_json::{Value, json};
use std::{io::Write as _, path::PathBuf, process::ExitCode};
use tocsin_console::backend::Failure;
use tocsin_rules::{
    RuleError, RuleSet, nearest,
    testing::{self, RuleTest},
};
use tocsin_vocabulary::Code;

pub(super) fn run(config: &Config, paths: &[PathBuf], out: &Out) -> Done {
    let own: Vec<PathBuf> = config.rules_dir.iter().cloned().collect();
    let paths = if paths.is_empty() { &own } else { paths };
    let found = if paths.is_empty() {
        files::Found {
            rules: files::builtin(),
            ..files::Found::default()
        }
    } else {
        files::find(paths)?
    };
    if found.rules.is_empty() && found.tests.is_empty() && found.mistakes.is_empty() {
        return Err(Failure::new(
            Code::NotFound,
            "there is no file of rules: name a folder with *.toml files, or a file",
        ));
    }
    let (rules, mut mistakes) = match RuleSet::parse(&found.rules) {
        Ok(rules) => (Some(rules), Vec::new()),
        Err(mistakes) => (None, mistakes),
    };
    // Tests by themselves are about the rules in force.
    let tested = if found.rules.is_empty() {
        in_force(config)
    } else {
        rules.clone()
    };
    let files = found.rules.len() + found.tests.len() + found.mistakes.len();
    mistakes.extend(found.mistakes);
    let mut tests = 0;
    for (name, text) in &found.tests {
        match testing::read(name, text) {
            Ok(read) => {
                tests += read.len();
                mistakes.extend(tested.iter().flat_map(|rules| of_no_rule(&read, rules)));
            }
            Err(more) => mistakes.extend(more),
        }
    }
    let rules = rules.map_or(0, |rules| rules.rules().count());
    mistakes.sort_by(|one, other| (&one.file, one.line).cmp(&(&other.file, other.line)));
    let status = if mistakes.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(Code::InvalidInput.exit_status())
    };
    if out.json {
        let mistakes: Vec<Value> = mistakes.iter().map(value).collect();
        print_json(&json!({ "files": files, "rules": rules, "tests": tests, "mistakes": mistakes }));
        return Ok(status);
    }
    if mistakes.is_empty() {
        return Ok(cli::print(&format!(
            "good: {}, {}, {}",
            counted(files, "file"),
            counted(rules, "rule"),
            counted(tests, "test")
        )));
    }
    let _ = writeln!(
        std::io::stderr(),
        "{}\n{} in {}",
        lines(&mistakes),
        counted(mistakes.len(), "mistake"),
        counted(files, "file")
    );
    Ok(status)
}

/// The rules in force, if they can be read.
fn in_force(config: &Config) -> Option<RuleSet> {
    RuleSet::parse(&files::in_force(config).ok()?).ok()
}

/// Tests of rules that there are not.
fn of_no_rule(tests: &[RuleTest], rules: &RuleSet) -> Vec<RuleError> {
    let lost = tests.iter().filter(|test| rules.get(&test.rule).is_none());
    let mistake = |test: &RuleTest| RuleError {
        file: test.file.clone(),
        line: test.line,
        message: format!("a test of `{}`, which is no rule here", test.rule),
        hint: match nearest(&test.rule, rules.rules().map(|rule| rule.name.as_str())) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "name one of the rules beside it".to_owned(),
        },
    };
    lost.map(mistake).collect()
}

fn value(mistake: &RuleError) -> Value {
    json!({
        "file": mistake.file,
        "line": mistake.line,
        "message": mistake.message,
        "hint": mistake.hint,
    })
}
