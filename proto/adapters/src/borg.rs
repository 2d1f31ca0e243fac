//! borg: `--json` and `--log-json`, or what it writes for people.
//!
//! Exit codes (borg's manual, "Return codes"): 0, 1 warning, 2 error, 128 + signal; with modern codes 3–99 are errors and
//! 100–127 warnings. After an error there is no JSON on standard output. `check` of a damaged repository exits with 1
//! like a warning, so lines of level ERROR count more than the code. Times have no zone: they are of the machine's own.

use super::{Output, Reading, text};
use serde::Deserialize;
use tocsin_vocabulary::RunResult;

#[derive(Debug, Deserialize)]
struct Created {
    archive: Archive,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Archive {
    name: String,
    start: String,
    end: String,
    duration: Option<f64>,
    stats: Stats,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Stats {
    original_size: Option<u64>,
    deduplicated_size: Option<u64>,
    nfiles: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Logged {
    message: String,
    levelname: String,
    msgid: String,
}

pub(super) fn read(output: &Output<'_>) -> Reading {
    let mut reading = Reading::of(match output.exit_code {
        Some(0) | None => RunResult::Ok,
        Some(1 | 100..=127) => RunResult::Warning,
        Some(_) => RunResult::Failed,
    });
    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    for line in output.stderr.lines() {
        let Ok(logged) = serde_json::from_str::<Logged>(line) else {
            if is_damage(line) {
                errors.push(line.to_owned());
            }
            continue;
        };
        let id = Some(logged.msgid.as_str()).filter(|id| !id.is_empty());
        let words = id.map_or_else(|| logged.message.clone(), |id| format!("{}: {id}", logged.message));
        match logged.levelname.as_str() {
            "ERROR" | "CRITICAL" => errors.push(words),
            "WARNING" => warnings.push(words),
            _ => {}
        }
    }
    let json = output.stdout().find('{').map(|from| &output.stdout()[from..]);
    match json.and_then(|json| serde_json::from_str::<Created>(json).ok()) {
        Some(created) => archive(&mut reading, created.archive, output),
        None => plain(&mut reading, output),
    }
    if output.exit_code.is_none() && reading.artefact.is_empty() && output.stdout.is_some() {
        reading.at_least(RunResult::Failed, "no archive was made");
    }
    if !errors.is_empty() {
        reading.result = RunResult::Failed;
    } else if !warnings.is_empty() {
        reading.result = reading.result.max(RunResult::Warning);
    }
    if reading.result > RunResult::Ok {
        let told = text::joined(errors.iter().chain(&warnings).map(String::as_str));
        reading.error = match (told.is_empty(), output.exit_code) {
            (false, _) => told,
            (true, Some(code)) => text::error_of(output, code),
            (true, None) => reading.error,
        };
    }
    reading
}

/// What `check` says of damage without `--log-json`.
fn is_damage(line: &str) -> bool {
    line.starts_with("Data integrity error")
        || line.ends_with(" check, errors found.")
        || line.ends_with(", problems found.")
}

fn archive(reading: &mut Reading, archive: Archive, output: &Output<'_>) {
    reading.artefact = archive.name;
    reading.started_at = text::time(&archive.start, output.zone);
    reading.ended_at = text::time(&archive.end, output.zone);
    let duration = archive.duration.and_then(text::seconds);
    reading.duration_ms = duration.and_then(|millis| u64::try_from(millis).ok());
    reading.bytes = archive.stats.original_size;
    reading.bytes_added = archive.stats.deduplicated_size;
    reading.files = archive.stats.nfiles;
}

/// `--stats` without `--json`; it goes to standard error.
fn plain(reading: &mut Reading, output: &Output<'_>) {
    for line in output.lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        match key.trim() {
            "Archive name" => reading.artefact = value.to_owned(),
            "Number of files" => reading.files = text::number(value),
            "Time (start)" => reading.started_at = dated(value, output),
            "Time (end)" => reading.ended_at = dated(value, output),
            "This archive" => {
                // original, compressed, deduplicated: 4.10 MB 4.11 MB 4.11 MB
                let words: Vec<&str> = value.split_whitespace().collect();
                let size = |at: usize| text::size(&words.get(at..at + 2)?.concat(), true);
                reading.bytes = size(0);
                reading.bytes_added = size(4);
            }
            _ => {}
        }
    }
}

/// `Sat, 2026-11-21 23:08:02`, in newer versions with an offset.
fn dated(value: &str, output: &Output<'_>) -> Option<tocsin_vocabulary::Timestamp> {
    let (_, date) = value.split_once(", ")?;
    match date.rsplit_once(' ') {
        Some((date, offset)) if offset.starts_with(['+', '-']) => {
            text::time_as("%Y-%m-%d %H:%M:%S %z", &format!("{date} {offset}"), output.zone)
        }
        _ => text::time(date, output.zone),
    }
}
