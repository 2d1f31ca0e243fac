//! restic: JSON lines of `--json`, or what it writes for people.
//!
//! Exit codes (restic's manual, "Exit codes"): 0, 1 failed, 3 some source could not be read, 10 no repository, 11 locked,
//! 12 wrong password, 130 interrupted. Up to 0.16 all failures but 3 are 1, and errors are plain text even with `--json`.

use super::{Output, Reading, text};
use serde::Deserialize;
use tocsin_vocabulary::RunResult;

/// A line of `--json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Line {
    message_type: String,
    // summary
    snapshot_id: String,
    total_bytes_processed: Option<u64>,
    total_files_processed: Option<u64>,
    data_added: Option<u64>,
    total_duration: Option<f64>,
    backup_start: String,
    backup_end: String,
    // error
    error: Option<serde_json::Value>,
    item: String,
    during: String,
    // exit_error
    message: String,
}

pub(super) fn read(output: &Output<'_>) -> Reading {
    let mut reading = Reading::of(match output.exit_code {
        Some(0) | None => RunResult::Ok,
        Some(3) => RunResult::Warning,
        Some(_) => RunResult::Failed,
    });
    let mut errors: Vec<String> = Vec::new();
    let mut made = false;
    let both = output.stdout().lines().map(|line| (line, false));
    let both = both.chain(output.stderr.lines().map(|line| (line, true)));
    for (line, on_stderr) in both {
        if let Some(line) = json(line) {
            match line.message_type.as_str() {
                "summary" => {
                    made = true;
                    summary(&mut reading, &line, output);
                }
                "error" => errors.push(words_of(&line)),
                "exit_error" => errors.push(line.message),
                _ => {}
            }
        } else {
            made |= plain(&mut reading, line);
            if on_stderr && !line.trim().is_empty() {
                errors.push(line.trim().to_owned());
            }
        }
    }
    let told = text::joined(errors.iter().map(String::as_str));
    if reading.result == RunResult::Ok && errors.iter().any(|error| error.starts_with("Fatal:")) {
        reading.result = RunResult::Failed;
    } else if reading.result == RunResult::Ok && !errors.is_empty() && output.stdout.is_some() && made {
        // The snapshot is there, and something was said about it.
        let only_warned = errors.iter().all(|error| error.to_lowercase().starts_with("warning: "));
        reading.result = if only_warned { RunResult::Ok } else { RunResult::Warning };
    }
    if output.exit_code.is_none() && !made && output.stdout.is_some() {
        reading.at_least(RunResult::Failed, "no snapshot was made");
    }
    if reading.result > RunResult::Ok {
        reading.error = match (told.is_empty(), output.exit_code) {
            (false, _) => told,
            (true, Some(code)) => format!("exit code {code}{}", meaning(code)),
            (true, None) => reading.error,
        };
    }
    reading
}

const fn meaning(code: i32) -> &'static str {
    match code {
        3 => ": some source could not be read",
        10 => ": there is no repository",
        11 => ": the repository is locked",
        12 => ": wrong password",
        130 => ": interrupted",
        _ => "",
    }
}

fn json(line: &str) -> Option<Line> {
    let line: Line = serde_json::from_str(line.trim()).ok()?;
    (!line.message_type.is_empty()).then_some(line)
}

fn summary(reading: &mut Reading, line: &Line, output: &Output<'_>) {
    reading.artefact.clone_from(&line.snapshot_id);
    reading.bytes = line.total_bytes_processed;
    reading.bytes_added = line.data_added;
    reading.files = line.total_files_processed;
    reading.started_at = text::time(&line.backup_start, output.zone);
    reading.ended_at = text::time(&line.backup_end, output.zone);
    let duration = line.total_duration.and_then(text::seconds);
    reading.duration_ms = duration.and_then(|millis| u64::try_from(millis).ok());
}

/// An error's own words and what they are about.
fn words_of(line: &Line) -> String {
    let error = line.error.as_ref();
    let field = |name: &str| {
        error
            .and_then(|error| error.get(name))
            .and_then(serde_json::Value::as_str)
    };
    let words = match (field("message"), field("Op")) {
        (Some(message), _) => message.to_owned(),
        (None, Some(operation)) => {
            let number = error
                .and_then(|error| error.get("Err"))
                .and_then(serde_json::Value::as_i64);
            let number = number.and_then(|number| i32::try_from(number).ok());
            let reason = number.map_or_else(String::new, |number| {
                format!(": {}", std::io::Error::from_raw_os_error(number))
            });
            format!("cannot {operation}{reason}")
        }
        (None, None) => format!("error during {}", line.during),
    };
    if line.item.is_empty() {
        words
    } else {
        format!("{}: {words}", line.item)
    }
}

/// What it writes without `--json`; whether it says that a snapshot was saved.
fn plain(reading: &mut Reading, line: &str) -> bool {
    if let Some(rest) = line.strip_prefix("processed ") {
        // processed 200 files, 3.815 MiB in 0:00
        let (files, rest) = rest.split_once(" files, ").unwrap_or_default();
        reading.files = text::number(files);
        reading.bytes = rest.split_once(" in ").and_then(|(bytes, _)| text::size(bytes, true));
    } else if let Some(rest) = line.strip_prefix("Added to the repo") {
        let added = rest.split_once(": ").map_or("", |(_, added)| added);
        reading.bytes_added = text::size(added, true);
    } else if let Some(id) = line
        .strip_prefix("snapshot ")
        .and_then(|rest| rest.strip_suffix(" saved"))
    {
        reading.artefact = id.to_owned();
        return true;
    }
    false
}
