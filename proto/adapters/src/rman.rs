//! Oracle RMAN: its log, or rows of `V$RMAN_BACKUP_JOB_DETAILS`.
//!
//! RMAN may exit with 0 after errors of a script, so `RMAN-nnnnn:` and `ORA-nnnnn:` in the log count. `RMAN-00569` to
//! `RMAN-00571` are the frame around an error stack. A whole log ends with `Recovery Manager complete.`

use super::{Output, Reading, text};
use tocsin_vocabulary::{RunResult, Timestamp};

/// Statuses of the view, the longest first.
const STATUSES: [(&str, RunResult, bool); 7] = [
    ("COMPLETED WITH WARNINGS", RunResult::Warning, false),
    ("COMPLETED WITH ERRORS", RunResult::Failed, false),
    ("RUNNING WITH WARNINGS", RunResult::Warning, true),
    ("RUNNING WITH ERRORS", RunResult::Failed, true),
    ("COMPLETED", RunResult::Ok, false),
    ("RUNNING", RunResult::Ok, true),
    ("FAILED", RunResult::Failed, false),
];

pub(super) fn read(output: &Output<'_>) -> Reading {
    let is_log = output
        .lines()
        .any(|line| line.starts_with("Recovery Manager") || line.starts_with("RMAN"));
    match output.stdout().lines().filter_map(|line| row(line, output)).next_back() {
        Some(reading) if !is_log => reading,
        _ => log(output),
    }
}

fn log(output: &Output<'_>) -> Reading {
    let mut reading = Reading::of(if output.exited_badly() {
        RunResult::Failed
    } else {
        RunResult::Ok
    });
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    let mut complete = false;
    for line in output.lines().map(str::trim) {
        complete |= line.starts_with("Recovery Manager complete");
        if let Some(rest) = line.strip_prefix("Starting backup at ") {
            reading.started_at = reading.started_at.or_else(|| dated(rest, output));
        } else if let Some(rest) = line.strip_prefix("Finished backup at ") {
            reading.ended_at = dated(rest, output);
        } else if let Some(rest) = line.strip_prefix("piece handle=") {
            rest.split_whitespace()
                .next()
                .unwrap_or_default()
                .clone_into(&mut reading.artefact);
        } else if is_frame(line) {
        } else if line.starts_with("RMAN-") || line.starts_with("ORA-") {
            if line.contains("WARNING") {
                warnings.push(line);
            } else {
                errors.push(line);
            }
        }
    }
    if !errors.is_empty() {
        reading.result = RunResult::Failed;
    } else if !warnings.is_empty() {
        reading.result = reading.result.max(RunResult::Warning);
    }
    reading.error = text::joined(errors.into_iter().chain(warnings));
    if !complete && output.stdout.is_some() {
        reading.at_least(
            RunResult::Failed,
            "the log does not end with `Recovery Manager complete.`",
        );
    }
    if let Some(code) = output.exit_code.filter(|code| *code != 0 && reading.error.is_empty()) {
        reading.error = text::error_of(output, code);
    }
    reading
}

fn is_frame(line: &str) -> bool {
    ["RMAN-00569", "RMAN-00570", "RMAN-00571"]
        .iter()
        .any(|code| line.starts_with(code))
}

/// A row of the view: a status, up to two times, then bytes read and written, in any place.
fn row(line: &str, output: &Output<'_>) -> Option<Reading> {
    let (status, result, running) = STATUSES.into_iter().find(|(status, ..)| line.contains(status))?;
    let mut reading = Reading::of(result);
    reading.running = running;
    if result > RunResult::Ok {
        reading.error = format!("status {status}");
    }
    let before: Vec<&str> = line[..line.find(status)?]
        .split([' ', '|', ',', '\t'])
        .filter(|word| !word.is_empty())
        .collect();
    reading.job = before.last().copied().unwrap_or_default().to_owned();
    let rest = line[line.find(status)? + status.len()..].replace(['|', ',', '\t'], " ");
    let words: Vec<&str> = rest.split_whitespace().collect();
    let times: Vec<Timestamp> = words
        .windows(2)
        .filter_map(|pair| text::time(&pair.join(" "), output.zone))
        .collect();
    reading.started_at = times.first().copied();
    reading.ended_at = times.get(1).copied();
    let numbers: Vec<u64> = words.iter().filter_map(|word| word.parse().ok()).collect();
    reading.bytes = numbers.first().copied();
    reading.bytes_added = numbers.get(1).copied();
    Some(reading)
}

/// `21-NOV-26`, or what `NLS_DATE_FORMAT` usually is set to.
fn dated(value: &str, output: &Output<'_>) -> Option<Timestamp> {
    text::time(value, output.zone)
        .or_else(|| text::time_as("%d-%b-%y %H:%M:%S", value, output.zone))
        .or_else(|| text::time_as("%d-%b-%y %H:%M:%S", &format!("{value} 00:00:00"), output.zone))
}
