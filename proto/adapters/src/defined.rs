//! Adapters that an administrator writes: patterns for what appliances mail, log, or export as CSV.
//!
//! ```toml
//! name = "anybackup"
//! # A line that is a run; `\\d`, `[^,]*` and so on as the crate `regex` has it. Names of groups: job, result, started, ended, bytes, files, artefact, error.
//! record = '^(?<job>[^,]*),(?<started>[^,]*),(?<ended>[^,]*),(?<result>[^,]*),(?<bytes>[^,]*)'
//! time = "%Y-%m-%d %H:%M:%S"
//! # What words in `result` mean. A word that is in none of the lists is a failure.
//! ok = ["成功"]
//! warning = ["部分成功"]
//! running = ["执行中"]
//! # A line that must be there.
//! trailer = '导出完成'
//! # Lines that make it bad, whatever else is said.
//! failed_line = ['ERROR', '失败']
//! warning_line = ['WARN']
//! ```
//!
//! With `record` each such line is a run, and where one verdict is asked for, the last counts. Without, lines count: none of
//! `failed_line`, and the trailer if there is one. `spans_lines = true` holds `record` against the whole text, for mails that
//! say each thing on a line of its own; `.` then stands for line feeds too. `job` names the job where no group does.
//!
//! `examples` has some for common appliances, under names.

use super::{Output, RUNS_MAX, Reading, text};
use regex::{Captures, Regex, RegexBuilder};
use serde::Deserialize;
use tocsin_vocabulary::RunResult;

/// The longest program that a pattern may become, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Patterns of one list.
const PATTERNS_MAX: usize = 32;

/// A definition that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    /// It is no TOML, or has a key that is not known.
    #[error("the definition is not right: {0}")]
    Toml(String),
    /// A pattern is no regular expression.
    #[error("`{key}` is not a regular expression: {reason}")]
    Pattern {
        /// Under which key.
        key: &'static str,
        /// Why.
        reason: String,
    },
    /// Nothing in it judges.
    #[error("the definition judges nothing: give `record`, `trailer` or `failed_line`")]
    Empty,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Written {
    name: String,
    job: String,
    record: Option<String>,
    spans_lines: bool,
    time: String,
    ok: Vec<String>,
    warning: Vec<String>,
    failed: Vec<String>,
    running: Vec<String>,
    trailer: Option<String>,
    failed_line: Vec<String>,
    warning_line: Vec<String>,
}

/// Patterns and what they mean.
#[derive(Debug)]
pub struct Definition {
    /// What people call it.
    pub name: String,
    job: String,
    record: Option<Regex>,
    spans_lines: bool,
    time: String,
    words: Vec<(String, Option<RunResult>)>,
    trailer: Option<Regex>,
    failed_line: Vec<Regex>,
    warning_line: Vec<Regex>,
}

impl Definition {
    /// Reads one.
    ///
    /// # Errors
    /// When it is no TOML, has unknown keys, a pattern is wrong, or nothing in it judges.
    pub fn parse(toml: &str) -> Result<Self, DefinitionError> {
        let written: Written = toml::from_str(toml).map_err(|error| DefinitionError::Toml(error.to_string()))?;
        if written.record.is_none() && written.trailer.is_none() && written.failed_line.is_empty() {
            return Err(DefinitionError::Empty);
        }
        let one = |key, text: Option<&String>| text.map(|text| pattern(key, text, false)).transpose();
        let many = |key, texts: &[String]| -> Result<Vec<Regex>, DefinitionError> {
            texts
                .iter()
                .take(PATTERNS_MAX)
                .map(|text| pattern(key, text, false))
                .collect()
        };
        let lists = [
            (written.ok, Some(RunResult::Ok)),
            (written.warning, Some(RunResult::Warning)),
            (written.failed, Some(RunResult::Failed)),
            (written.running, None),
        ];
        let words = lists
            .into_iter()
            .flat_map(|(words, result)| words.into_iter().map(move |word| (word, result)));
        Ok(Self {
            record: written
                .record
                .map(|text| pattern("record", &text, written.spans_lines))
                .transpose()?,
            spans_lines: written.spans_lines,
            job: written.job,
            trailer: one("trailer", written.trailer.as_ref())?,
            failed_line: many("failed_line", &written.failed_line)?,
            warning_line: many("warning_line", &written.warning_line)?,
            words: words.collect(),
            time: if written.time.is_empty() {
                "%Y-%m-%d %H:%M:%S".to_owned()
            } else {
                written.time
            },
            name: if written.name.is_empty() {
                "defined".to_owned()
            } else {
                written.name
            },
        })
    }

    /// What its patterns say the output means.
    #[must_use]
    pub fn read(&self, output: &Output<'_>) -> Reading {
        let mut reading = match &self.record {
            Some(_) => {
                let newest = self.runs(output).pop();
                newest.unwrap_or_else(|| Reading::failed("no line is a run".to_owned()))
            }
            None => Reading {
                job: self.job.clone(),
                ..Reading::of(RunResult::Ok)
            },
        };
        if output.exited_badly() {
            let why = text::error_of(output, output.exit_code.unwrap_or_default());
            reading.at_least(RunResult::Failed, why);
        }
        for (patterns, result) in [
            (&self.failed_line, RunResult::Failed),
            (&self.warning_line, RunResult::Warning),
        ] {
            let lines = output
                .lines()
                .filter(|line| patterns.iter().any(|pattern| pattern.is_match(line)));
            let lines = text::joined(lines.map(str::trim));
            if !lines.is_empty() {
                reading.at_least(result, lines);
            }
        }
        if let Some(trailer) = &self.trailer
            && !output.lines().any(|line| trailer.is_match(line))
        {
            reading.at_least(RunResult::Failed, format!("no line is like `{trailer}`"));
        }
        reading
    }

    /// Whether it has a pattern for a run.
    pub(crate) const fn finds_runs(&self) -> bool {
        self.record.is_some()
    }

    /// Every run that its `record` finds.
    pub(crate) fn runs(&self, output: &Output<'_>) -> Vec<Reading> {
        let Some(record) = &self.record else {
            return Vec::new();
        };
        if self.spans_lines {
            let texts = [output.stdout(), output.stderr];
            let found = texts.iter().flat_map(|text| record.captures_iter(text));
            return found.take(RUNS_MAX).map(|found| self.run(&found, output)).collect();
        }
        let found = output.lines().filter_map(|line| record.captures(line));
        found.take(RUNS_MAX).map(|found| self.run(&found, output)).collect()
    }

    fn run(&self, found: &Captures<'_>, output: &Output<'_>) -> Reading {
        let group = |name: &str| {
            found
                .name(name)
                .map_or("", |found| found.as_str().trim().trim_matches('"'))
        };
        let mut reading = Reading::of(RunResult::Ok);
        let said = group("result");
        match self.words.iter().find(|(word, _)| word.eq_ignore_ascii_case(said)) {
            Some((_, Some(result))) => reading.result = *result,
            Some((_, None)) => reading.running = true,
            None if self.words.is_empty() && said.is_empty() => {}
            None => reading.result = RunResult::Failed,
        }
        let job = group("job");
        reading.job = if job.is_empty() {
            self.job.clone()
        } else {
            job.to_owned()
        };
        group("artefact").clone_into(&mut reading.artefact);
        let time = |name: &str| {
            let text = group(name);
            text::time_as(&self.time, text, output.zone).or_else(|| text::time(text, output.zone))
        };
        reading.started_at = time("started");
        reading.ended_at = time("ended");
        reading.bytes = text::size(group("bytes"), false);
        reading.files = text::number(group("files"));
        if reading.result > RunResult::Ok {
            let error = group("error");
            reading.error = if error.is_empty() {
                said.to_owned()
            } else {
                error.to_owned()
            };
        }
        reading
    }
}

fn pattern(key: &'static str, text: &str, spans_lines: bool) -> Result<Regex, DefinitionError> {
    let built = RegexBuilder::new(text)
        .size_limit(PATTERN_BYTES_MAX)
        .dot_matches_new_line(spans_lines)
        .multi_line(spans_lines)
        .build();
    built.map_err(|error| DefinitionError::Pattern {
        key,
        reason: error.to_string().lines().last().unwrap_or_default().trim().to_owned(),
    })
}
