//! Files of rules and of tests, found in folders.

use super::Which;
use crate::config::Config;
use std::path::{Path, PathBuf};
use tocsin_console::backend::Failure;
use tocsin_rules::{RuleError, RuleSet, testing};
use tocsin_vocabulary::Code;

/// The folder below a folder of rules where their tests lie.
const TESTS: &str = "tests";

/// A file: what it is called in messages, and its text.
pub(super) type File = (String, String);

/// What lies in a folder.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Files of rules.
    pub(super) rules: Vec<File>,
    /// Files of tests.
    pub(super) tests: Vec<File>,
}

/// Files of rules and of tests at these paths, in the order of their names.
pub(super) fn find(paths: &[PathBuf]) -> Result<Found, Failure> {
    let mut found = Found::default();
    for path in paths {
        let mut files = toml_files(path)?;
        if path.is_dir() {
            let tests = path.join(TESTS);
            if tests.is_dir() {
                files.extend(toml_files(&tests)?);
            }
        }
        for path in files {
            let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
            let name = path.display().to_string();
            if testing::is_tests(&text) {
                found.tests.push((name, text));
            } else {
                found.rules.push((name, text));
            }
        }
    }
    Ok(found)
}

fn toml_files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return match path.exists() {
            true => Ok(vec![path.to_owned()]),
            false => Err(Failure::new(Code::NotFound, format!("there is no {}", path.display()))),
        };
    }
    let entries = std::fs::read_dir(path).map_err(|error| unreadable(path, &error))?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml") && path.is_file())
        .collect();
    paths.sort();
    Ok(paths)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Code::Unavailable, format!("cannot read {}: {error}", path.display()))
}

/// Files of the rules that are asked for: those of `--rules`, of the configuration, or the built-in ones.
pub(super) fn of(config: &Config, which: &Which) -> Result<Vec<File>, Failure> {
    match which.rules.as_ref().or(config.rules_dir.as_ref()) {
        Some(folder) => Ok(find(std::slice::from_ref(folder))?.rules),
        None => Ok(builtin()),
    }
}

/// The built-in ones.
pub(super) fn builtin() -> Vec<File> {
    let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    RuleSet::builtin_files().iter().map(owned).collect()
}

/// Rules of files, or all mistakes, one a line.
pub(super) fn parse(files: &[File]) -> Result<RuleSet, Failure> {
    RuleSet::parse(files).map_err(|errors| Failure::new(Code::InvalidInput, lines(&errors)))
}

/// Mistakes, one a line.
pub(super) fn lines(errors: &[RuleError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
