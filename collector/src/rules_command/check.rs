//! `rules check`.

use super::{Done, Out, files, print_json};
use crate::{cli, config::Config, rules_files::lines};
use serde_json::{Value, json};
use std::{io::Write as _, path::PathBuf, process::ExitCode};
use tocsin_console::backend::Failure;
use tocsin_rules::{RuleError, RuleSet, testing};
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
        Ok(rules) => (rules.rules().count(), Vec::new()),
        Err(mistakes) => (0, mistakes),
    };
    let files = found.rules.len() + found.tests.len() + found.mistakes.len();
    mistakes.extend(found.mistakes);
    let mut tests = 0;
    for (name, text) in &found.tests {
        match testing::read(name, text) {
            Ok(read) => tests += read.len(),
            Err(more) => mistakes.extend(more),
        }
    }
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
            "{files} files are good: {rules} rules, {tests} tests"
        )));
    }
    let _ = writeln!(
        std::io::stderr(),
        "{}\n{} mistakes in {files} files",
        lines(&mistakes),
        mistakes.len()
    );
    Ok(status)
}

fn value(mistake: &RuleError) -> Value {
    json!({
        "file": mistake.file,
        "line": mistake.line,
        "message": mistake.message,
        "hint": mistake.hint,
    })
}
