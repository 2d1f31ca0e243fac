//! duplicity: its exit status, the statistics for people, and the stanzas of `--log-fd`.
//!
//! A stanza of the log is a line `KEYWORD CODE …` and lines that begin with `. ` (duplicity(1), "--log-fd"); of errors the
//! codes are those of its `log.py`: 30 an exception, 50–53 a back end that gave up, 53 no space, 51 denied.

use super::{Output, Reading, text};
use tocsin_vocabulary::RunResult;

pub(super) fn read(output: &Output<'_>) -> Reading {
    let mut reading = Reading::of(if output.exited_badly() {
        RunResult::Failed
    } else {
        RunResult::Ok
    });
    let mut stanzas: Vec<String> = Vec::new();
    let mut in_error = false;
    for line in output.lines() {
        if let Some(rest) = line.strip_prefix("ERROR ") {
            in_error = true;
            stanzas.push(format!("error {}", rest.trim()));
        } else if let Some(words) = line.strip_prefix(". ") {
            if let Some(stanza) = stanzas.last_mut().filter(|_| in_error) {
                stanza.push_str(": ");
                stanza.push_str(words);
                in_error = false;
            }
        } else {
            in_error = false;
            figure(&mut reading, line);
        }
    }
    if !stanzas.is_empty() {
        reading.result = RunResult::Failed;
        reading.error = text::joined(stanzas.iter().map(String::as_str));
    }
    if let (Some(start), Some(end)) = (reading.started_at, reading.ended_at) {
        reading.duration_ms = u64::try_from(end.since(start).as_millis()).ok();
    }
    if let Some(code) = output.exit_code.filter(|code| *code != 0 && reading.error.is_empty()) {
        reading.error = text::error_of(output, code);
    }
    reading
}

/// `StartTime 1795302487.35 (Sat Nov 21 …)`, `SourceFileSize 4100502 (3.91 MB)`, `Errors 0`; in the log behind `. `.
fn figure(reading: &mut Reading, line: &str) {
    let mut words = line.split_whitespace();
    let (Some(key), Some(value)) = (words.next(), words.next()) else {
        return;
    };
    match key {
        "StartTime" => reading.started_at = text::epoch(value),
        "EndTime" => reading.ended_at = text::epoch(value),
        "SourceFiles" => reading.files = text::number(value),
        "SourceFileSize" => reading.bytes = text::number(value),
        "TotalDestinationSizeChange" => reading.bytes_added = text::number(value),
        "Errors" if value != "0" && text::number(value).is_some() => {
            reading.at_least(RunResult::Warning, format!("{value} files could not be read"));
        }
        _ => {}
    }
}
