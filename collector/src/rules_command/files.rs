//! Files of rules and of tests, found in folders.

use super::Which;
use crate::{
    config::Config,
    rules_files::{lines, read_file, toml_files},
};
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
    /// Files that are neither, for nobody can read them.
    pub(super) mistakes: Vec<RuleError>,
}

impl Found {
    /// The same, unless something could not be read: then that is told with whatever is wrong with the others.
    pub(super) fn readable(mut self) -> Result<Self, Failure> {
        if self.mistakes.is_empty() {
            return Ok(self);
        }
        self.mistakes
            .extend(RuleSet::parse(&self.rules).err().unwrap_or_default());
        Err(Failure::new(Code::InvalidInput, lines(&self.mistakes)))
    }
}

/// Files of rules and of tests at these paths, in the order of their names.
pub(super) fn find(paths: &[PathBuf]) -> Result<Found, Failure> {
    let mut found = Found::default();
    for path in paths {
        let mut files = files_at(path)?;
        if path.is_dir() {
            let tests = path.join(TESTS);
            if tests.is_dir() {
                files.extend(files_at(&tests)?);
            }
        }
        for path in files {
            let name = path.display().to_string();
            match read_file(&path, &name) {
                Ok(text) if testing::is_tests(&text) => found.tests.push((name, text)),
                Ok(text) => found.rules.push((name, text)),
                Err(mistake) => found.mistakes.push(mistake),
            }
        }
    }
    Ok(found)
}

fn files_at(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if path.is_dir() {
        return toml_files(path).map_err(|error| {
            let reason = format!("cannot read {}: {error}", path.display());
            Failure::new(Code::Unavailable, reason)
        });
    }
    match path.symlink_metadata() {
        Ok(_) => Ok(vec![path.to_owned()]),
        Err(_) => Err(Failure::new(Code::NotFound, format!("there is no {}", path.display()))),
    }
}

/// Files of the rules that are asked for: those of `--rules`, of the configuration, or the built-in ones.
pub(super) fn of(config: &Config, which: &Which) -> Result<Vec<File>, Failure> {
    match &which.rules {
        Some(folder) => Ok(find(std::slice::from_ref(folder))?.readable()?.rules),
        None => in_force(config),
    }
}

/// Files of the rules of the configuration, or the built-in ones.
pub(super) fn in_force(config: &Config) -> Result<Vec<File>, Failure> {
    match &config.rules_dir {
        Some(folder) => Ok(find(std::slice::from_ref(folder))?.readable()?.rules),
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
