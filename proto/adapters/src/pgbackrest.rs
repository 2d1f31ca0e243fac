//! pgBackRest: its log on standard output, or `info --output=json`.
//!
//! `info` exits with 0 even where there is no stanza: its `status.code` counts (0 ok, 1 no stanza path, 2 no backups,
//! 3–6 and 99 trouble). A run that failed leaves no entry there, so whoever watches `info` watches the age of the newest
//! backup. A log is good when `backup command end: completed successfully` stands in it. `verify` exits with 0 whatever it
//! finds, and tells of files that are not as they were written as if that were no news (seen of 2.45).

use super::{Output, Reading, text};
use serde::Deserialize;
use tocsin_vocabulary::{RunResult, Timestamp};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Stanza {
    name: String,
    backup: Vec<Backup>,
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    code: i64,
    message: String,
    lock: Locks,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Locks {
    backup: Lock,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Lock {
    held: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Backup {
    label: String,
    error: bool,
    timestamp: Span,
    info: Info,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Span {
    start: i64,
    stop: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Info {
    size: Option<u64>,
    repository: Repository,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Repository {
    delta: Option<u64>,
}

pub(super) fn read(output: &Output<'_>) -> Reading {
    let stdout = output.stdout().trim_start();
    if stdout.starts_with('[')
        && let Ok(stanzas) = serde_json::from_str::<Vec<Stanza>>(stdout)
    {
        return info(&stanzas);
    }
    log(output)
}

/// Of several stanzas the worst; of one its newest backup.
fn info(stanzas: &[Stanza]) -> Reading {
    let readings = stanzas.iter().map(stanza);
    readings
        .max_by_key(|reading| reading.result)
        .unwrap_or_else(|| Reading::failed("there is no stanza".to_owned()))
}

fn stanza(stanza: &Stanza) -> Reading {
    let mut reading = Reading::of(RunResult::Ok);
    reading.job.clone_from(&stanza.name);
    reading.running = stanza.status.lock.backup.held;
    if stanza.status.code != 0 {
        reading.at_least(
            RunResult::Failed,
            format!(
                "stanza {}: {} (status {})",
                stanza.name, stanza.status.message, stanza.status.code
            ),
        );
    }
    let Some(newest) = stanza.backup.iter().max_by_key(|backup| backup.timestamp.stop) else {
        reading.at_least(RunResult::Failed, format!("stanza {} has no backup", stanza.name));
        return reading;
    };
    let at = |seconds: i64| Timestamp::from_millis(seconds.saturating_mul(1_000));
    reading.artefact.clone_from(&newest.label);
    reading.started_at = Some(at(newest.timestamp.start));
    reading.ended_at = Some(at(newest.timestamp.stop));
    reading.duration_ms = u64::try_from(newest.timestamp.stop.saturating_sub(newest.timestamp.start))
        .ok()
        .map(|seconds| seconds.saturating_mul(1_000));
    reading.bytes = newest.info.size;
    reading.bytes_added = newest.info.repository.delta;
    if newest.error {
        reading.at_least(
            RunResult::Warning,
            format!("backup {} has pages with wrong checksums", newest.label),
        );
    }
    reading
}

fn log(output: &Output<'_>) -> Reading {
    let mut reading = Reading::of(if output.exited_badly() {
        RunResult::Failed
    } else {
        RunResult::Ok
    });
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    let (mut begun, mut completed) = (false, false);
    let mut damaged = Vec::new();
    let mut in_error = false;
    for line in output.lines() {
        let (level, words) = message(line);
        match level {
            "ERROR" => errors.push(words),
            // The cause, and a hint.
            "" if in_error && line.starts_with(' ') => errors.push(words),
            "WARN" => warnings.push(words),
            _ => {}
        }
        in_error = level == "ERROR" || (in_error && line.starts_with(' '));
        if is_damage(words) {
            damaged.push(words);
        } else if words.starts_with("backup command begin") {
            begun = true;
            completed = false;
            reading.started_at = stamp(line, output);
            reading.job = words.split_once("--stanza=").map_or_else(String::new, |(_, rest)| {
                rest.split_whitespace().next().unwrap_or_default().to_owned()
            });
        } else if let Some(how) = words.strip_prefix("backup command end: ") {
            reading.ended_at = stamp(line, output);
            completed = how.starts_with("completed successfully");
            let took = how.split_once('(').and_then(|(_, took)| took.split_once("ms"));
            reading.duration_ms = took.and_then(|(took, _)| text::number(took));
        } else if let Some(label) = words.strip_prefix("new backup label = ") {
            label.clone_into(&mut reading.artefact);
        } else if let Some((_, rest)) = words.split_once(" backup size = ") {
            let (bytes, files) = rest.split_once(", file total = ").unwrap_or((rest, ""));
            reading.bytes = text::size(bytes, false);
            reading.files = text::number(files);
        }
    }
    if begun && !completed {
        reading.result = RunResult::Failed;
    }
    if !errors.is_empty() || !damaged.is_empty() {
        reading.result = RunResult::Failed;
    }
    let torn = warnings.iter().any(|words| words.contains("invalid page checksum"));
    if torn {
        reading.result = reading.result.max(RunResult::Warning);
    }
    if reading.result > RunResult::Ok {
        reading.error = text::joined(errors.into_iter().chain(damaged).chain(warnings));
        if reading.error.is_empty() {
            reading.error = match output.exit_code {
                Some(code) if code != 0 => text::error_of(output, code),
                _ => "the log does not say that the backup was completed".to_owned(),
            };
        }
    }
    reading
}

/// What `verify` says of a file or a backup that is not as it was written.
fn is_damage(words: &str) -> bool {
    ["invalid checksum '", "invalid size '", "file missing '"]
        .iter()
        .any(|start| words.starts_with(start))
        || words.contains(", status: invalid,")
}

/// Level and words of a line, with or without time and process: `2026-… P00   INFO: words`, `ERROR: [050]: words`.
fn message(line: &str) -> (&str, &str) {
    for level in ["ERROR", "WARN", "INFO"] {
        let Some((before, words)) = line
            .split_once(level)
            .and_then(|(before, rest)| Some((before, rest.strip_prefix(':')?)))
        else {
            continue;
        };
        if before.trim().is_empty() || before.trim_end().ends_with(|c: char| c.is_ascii_digit()) {
            return (level, words.trim());
        }
    }
    ("", line.trim())
}

/// The time at the head of a line, without a zone.
fn stamp(line: &str, output: &Output<'_>) -> Option<Timestamp> {
    text::time(line.get(..23)?, output.zone)
}
