//! `rules test`.

use super::{Done, Out, Which, counted, files, print_json};
use crate::{cli, config::Config, rules_files::lines};
use serde_json::{Value, json};
use std::{fmt::Write as _, path::PathBuf, process::ExitCode};
use tocsin_console::backend::Failure;
use tocsin_rules::{
    RuleError, RuleSet,
    testing::{self, Outcome, RuleTest, offset},
};
use tocsin_vocabulary::Code;

/// Exit status when a test has failed.
const FAILED: u8 = 1;

/// Tests and the rules that they run against.
struct Batch {
    rules: RuleSet,
    tests: Vec<RuleTest>,
}

pub(super) fn run(config: &Config, paths: &[PathBuf], which: &Which, out: &Out) -> Done {
    let mut results: Vec<(RuleTest, Outcome)> = Vec::new();
    for batch in batches(config, paths, which)? {
        results.extend(batch.tests.into_iter().map(|test| {
            let outcome = test.run(&batch.rules);
            (test, outcome)
        }));
    }
    if results.is_empty() {
        return Err(Failure::new(
            Code::NotFound,
            "there are no tests: a file of tests has [[test]] tables, beside the rules in a folder `tests`",
        ));
    }
    let failed = results.iter().filter(|(_, outcome)| !outcome.has_passed()).count();
    let status = if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    };
    if out.json {
        let tests: Vec<Value> = results.iter().map(|(test, outcome)| value(test, outcome)).collect();
        print_json(&json!({ "passed": results.len() - failed, "failed": failed, "tests": tests }));
        return Ok(status);
    }
    let mut text = String::new();
    for (test, outcome) in results.iter().filter(|(_, outcome)| !outcome.has_passed()) {
        let _ = writeln!(
            text,
            "FAILED {}:{}: {}: {}\n{outcome}",
            test.file, test.line, test.rule, test.name
        );
    }
    let passed = counted(results.len() - failed, "test");
    let _ = write!(text, "{passed} passed, {failed} failed");
    cli::print(&text);
    Ok(status)
}

fn batches(config: &Config, paths: &[PathBuf], which: &Which) -> Result<Vec<Batch>, Failure> {
    if paths.is_empty() {
        let mut batches = Vec::new();
        let own = which.rules.as_ref().or(config.rules_dir.as_ref());
        if let Some(folder) = own {
            let found = files::find(std::slice::from_ref(folder))?;
            batches.push(batch(&found.rules, &found.tests, found.mistakes)?);
        }
        if which.rules.is_none() {
            let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
            let tests: Vec<_> = RuleSet::builtin_tests().iter().map(owned).collect();
            batches.push(batch(&files::builtin(), &tests, Vec::new())?);
        }
        return Ok(batches);
    }
    let found = files::find(paths)?;
    let rules = if which.rules.is_some() || found.rules.is_empty() {
        files::of(config, which)?
    } else {
        found.rules
    };
    Ok(vec![batch(&rules, &found.tests, found.mistakes)?])
}

/// What runs together; or every mistake of its rules, its tests and what could not be read.
fn batch(rules: &[files::File], tests: &[files::File], mut mistakes: Vec<RuleError>) -> Result<Batch, Failure> {
    let rules = RuleSet::parse(rules).unwrap_or_else(|more| {
        mistakes.extend(more);
        RuleSet::default()
    });
    let mut read = Vec::new();
    for (name, text) in tests {
        match testing::read(name, text) {
            Ok(tests) => read.extend(tests),
            Err(more) => mistakes.extend(more),
        }
    }
    if mistakes.is_empty() {
        Ok(Batch { rules, tests: read })
    } else {
        Err(Failure::new(Code::InvalidInput, lines(&mistakes)))
    }
}

fn value(test: &RuleTest, outcome: &Outcome) -> Value {
    let misses: Vec<Value> = outcome
        .misses
        .iter()
        .map(|miss| json!({ "expected": miss.expected, "found": miss.found }))
        .collect();
    let said: Vec<Value> = outcome
        .said
        .iter()
        .map(|said| {
            json!({
                "at": offset(said.at),
                "what": said.word(),
                "instance": said.instance,
                "severity": said.severity,
                "title": said.title,
            })
        })
        .collect();
    json!({
        "name": test.name,
        "rule": test.rule,
        "file": test.file,
        "line": test.line,
        "passed": outcome.has_passed(),
        "misses": misses,
        "said": said,
    })
}
