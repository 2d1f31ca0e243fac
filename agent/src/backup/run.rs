//! One run of a backup job, as it is kept on the host and told to the collector.

use crate::spool::StoredEvent;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tocsin_vocabulary::{
    RunId, RunResult, Severity, Timestamp,
    backup::{RUN_ENDED, RUN_STARTED},
};

/// What a run is told to have failed of when nobody saw its end.
const UNSEEN_END: &str =
    "the wrapper ended without telling how the command did: it was killed, or the machine went down";
/// The end of standard error that is kept of a run, in bytes.
pub const STDERR_KEPT_BYTES: usize = 64 * 1024;
/// Longest error text, in characters.
pub const ERROR_CHARS_MAX: usize = 2_000;
/// Of what travels in an attribute of an event, in characters: the collector keeps no more.
const ATTRIBUTE_CHARS_MAX: usize = 256;
/// Of what travels as an event's body, in characters: the collector keeps no more.
const BODY_CHARS_MAX: usize = 4_096;

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its identity: the same run told twice is one run.
    pub id: RunId,
    /// Of which job.
    pub job: String,
    /// The host's own name for itself.
    pub host: String,
    /// The program that ran, without its arguments: those may hold passwords.
    pub command: String,
    /// A number that whoever started it gave it, or empty.
    #[serde(default)]
    pub rid: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; none while it runs.
    pub ended_at: Option<Timestamp>,
    /// How long it took, by a clock that never steps.
    pub duration_ms: u64,
    /// What became of it; none while it runs.
    pub result: Option<RunResult>,
    /// What the wrapper exited with, as a shell counts: 126, 127, 128 + signal.
    pub exit_code: Option<i32>,
    /// The signal that ended the command.
    pub signal: Option<i32>,
    /// Bytes of the source, as the tool told.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// Bytes that this run added to the target, as the tool told.
    #[serde(default)]
    pub bytes_added: Option<u64>,
    /// Files, as the tool told.
    #[serde(default)]
    pub files: Option<u64>,
    /// What was made: a snapshot, an archive, a file. Empty when it is not known.
    #[serde(default)]
    pub artefact: String,
    /// Which rules judged it: an adapter's name, or `exit`.
    #[serde(default)]
    pub judged_by: String,
    /// What went wrong, in the tool's words. Empty when nothing did.
    #[serde(default)]
    pub error: String,
    /// The end of what it wrote to standard error; what is not UTF-8 is replaced.
    #[serde(default)]
    pub stderr_tail: String,
    /// How much it wrote there.
    #[serde(default)]
    pub stderr_bytes: u64,
    /// The process that wraps it, while it runs.
    #[serde(default)]
    pub pid: u32,
    /// When that process began, in ticks since the machine booted (`proc(5)`): a number comes again.
    #[serde(default)]
    pub pid_started: u64,
}

impl Run {
    /// As people and programs read it: times as RFC 3339, and whether the agent has `sent` it on.
    #[must_use]
    pub fn shown(&self, sent: bool) -> serde_json::Value {
        let mut shown = serde_json::to_value(self).unwrap_or_default();
        if let Some(fields) = shown.as_object_mut() {
            fields.remove("pid");
            fields.remove("pid_started");
        }
        shown["started_at"] = self.started_at.to_string().into();
        shown["ended_at"] = self.ended_at.map(|at| at.to_string()).into();
        shown["result"] = self.result.map_or("running", RunResult::as_str).into();
        shown["sent"] = sent.into();
        shown
    }

    /// The run as one whose end nobody saw.
    #[must_use]
    pub(super) fn unseen(self) -> Self {
        Self {
            result: Some(RunResult::Failed),
            error: UNSEEN_END.to_owned(),
            ..self
        }
    }

    /// What the collector is told.
    #[must_use]
    pub fn event(&self) -> StoredEvent {
        let mut attributes = BTreeMap::new();
        let mut tell = |key: &str, value: String| {
            if !value.is_empty() {
                attributes.insert(key.to_owned(), clipped(&value, ATTRIBUTE_CHARS_MAX));
            }
        };
        tell("run", self.id.to_string());
        tell("job", self.job.clone());
        tell("command", self.command.clone());
        tell("rid", self.rid.clone());
        tell("started_ms", self.started_at.as_millis().to_string());
        if let (Some(ended), Some(result)) = (self.ended_at, self.result) {
            tell("ended_ms", ended.as_millis().to_string());
            tell("result", result.to_string());
            tell("duration_ms", self.duration_ms.to_string());
        }
        let numbers = [
            ("exit_code", self.exit_code.map(i128::from)),
            ("signal", self.signal.map(i128::from)),
            ("bytes", self.bytes.map(i128::from)),
            ("bytes_added", self.bytes_added.map(i128::from)),
            ("files", self.files.map(i128::from)),
        ];
        for (key, number) in numbers {
            tell(key, number.map_or_else(String::new, |number| number.to_string()));
        }
        tell("artefact", self.artefact.clone());
        tell("judged_by", self.judged_by.clone());
        tell("error", self.error.clone());
        StoredEvent {
            seq: 0,
            time: self.ended_at.unwrap_or(self.started_at),
            name: if self.ended_at.is_some() {
                RUN_ENDED
            } else {
                RUN_STARTED
            }
            .to_owned(),
            severity: match self.result {
                None | Some(RunResult::Ok) => Severity::Info,
                Some(RunResult::Warning | RunResult::Overran) => Severity::Warning,
                Some(_) => Severity::Major,
            },
            attributes,
            body: self.body(),
        }
    }

    /// The error, then as much of the end of standard error as travels.
    fn body(&self) -> String {
        if self.result.is_none_or(|result| result == RunResult::Ok) {
            return String::new();
        }
        let tail = self.stderr_tail.trim();
        if tail.is_empty() {
            return self.error.clone();
        }
        let from = tail
            .char_indices()
            .rev()
            .nth(BODY_CHARS_MAX - 1)
            .map_or(0, |(at, _)| at);
        tail[from..].to_owned()
    }
}

/// At most so many characters.
pub(super) fn clipped(text: &str, chars_max: usize) -> String {
    text.chars().take(chars_max).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use tocsin_vocabulary::IdSource;

    /// A run that went wrong.
    pub(crate) fn failed(seed: u64) -> Run {
        let at = Timestamp::from_millis(1_795_302_487_000 + i64::try_from(seed).unwrap());
        Run {
            id: RunId::next(&mut IdSource::new(seed), at),
            job: "nightly".to_owned(),
            host: "db1".to_owned(),
            command: "restic".to_owned(),
            rid: String::new(),
            started_at: at,
            ended_at: Some(at),
            duration_ms: 10,
            result: Some(RunResult::Failed),
            exit_code: Some(1),
            signal: None,
            bytes: None,
            bytes_added: None,
            files: None,
            artefact: String::new(),
            judged_by: "exit".to_owned(),
            error: "exit code 1".to_owned(),
            stderr_tail: String::new(),
            stderr_bytes: 0,
            pid: 0,
            pid_started: 0,
        }
    }

    #[test]
    fn an_event_tells_what_a_page_needs() {
        let mut run = failed(1);
        run.stderr_tail = format!("{}错误: disk full\n", "x".repeat(10_000));
        let event = run.event();
        assert_eq!((event.name.as_str(), event.severity), (RUN_ENDED, Severity::Major));
        assert_eq!(event.attributes["job"], "nightly");
        assert_eq!(event.attributes["exit_code"], "1");
        assert!(event.body.ends_with("错误: disk full"), "the end counts");
        assert_eq!(event.body.chars().count(), BODY_CHARS_MAX);
        assert!(!event.attributes.contains_key("signal"));
    }

    #[test]
    fn a_run_that_goes_on_has_no_result_yet() {
        let run = Run {
            ended_at: None,
            result: None,
            ..failed(1)
        };
        assert_eq!(run.event().name, RUN_STARTED);
        let shown = run.shown(false);
        assert_eq!(shown["result"], "running");
        assert_eq!(shown["started_at"], "2026-11-21T23:08:07.001Z");
    }
}
