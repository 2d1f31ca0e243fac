//! Bacula and Bareos: the report of a job, or its row of the catalogue.
//!
//! The report ends with `Termination:`. In the catalogue (`llist jobs`, or key and value of the table Job) one letter tells:
//! T well, W with warnings; e non-fatal and E, f fatal errors, A cancelled, I incomplete, D differences; all others go on
//! (Bacula's "Catalog Services", JobStatus).

use super::{Output, Reading, text};
use tocsin_vocabulary::{RunResult, Timestamp};

pub(super) fn read(output: &Output<'_>) -> Reading {
    let mut reading = Reading::of(RunResult::Failed);
    let mut told = false;
    let mut errors = Vec::new();
    for line in output.lines() {
        let lower = line.to_lowercase();
        if lower.contains("fatal error:") || lower.contains(" error: ") {
            errors.push(line.trim());
        }
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        match key.trim().to_lowercase().as_str() {
            "termination" => {
                told = true;
                termination(&mut reading, value);
            }
            "jobstatus" => {
                told = true;
                status(&mut reading, value);
            }
            "job" if reading.job.is_empty() => value.clone_into(&mut reading.job),
            "name" => value.clone_into(&mut reading.job),
            "jobid" => value.clone_into(&mut reading.artefact),
            "start time" | "starttime" => reading.started_at = dated(value, output),
            "end time" | "endtime" => reading.ended_at = dated(value, output),
            "sd bytes written" | "jobbytes" => reading.bytes = text::number(value),
            "fd files written" | "jobfiles" => reading.files = text::number(value),
            "joberrors" | "non-fatal fd errors" | "sd errors" if text::number(value).is_some_and(|n| n > 0) => {
                if reading.result == RunResult::Ok {
                    reading.result = RunResult::Warning;
                }
                errors.push(line.trim());
            }
            _ => {}
        }
    }
    if !told {
        reading.error = "neither `Termination:` nor `JobStatus:` is there".to_owned();
    } else if reading.result > RunResult::Ok && !errors.is_empty() {
        reading.error = text::joined(errors);
    }
    reading
}

fn termination(reading: &mut Reading, value: &str) {
    let lower = value.to_lowercase();
    reading.result = if lower.contains("error") || lower.contains("cancel") || !lower.contains("ok") {
        RunResult::Failed
    } else if lower.contains("warning") {
        RunResult::Warning
    } else {
        RunResult::Ok
    };
    if reading.result > RunResult::Ok {
        value.trim_matches(['*', ' ']).clone_into(&mut reading.error);
    }
}

fn status(reading: &mut Reading, letter: &str) {
    let (result, words) = match letter {
        "T" => (RunResult::Ok, ""),
        "W" => (RunResult::Warning, "it ended with warnings"),
        "e" => (RunResult::Warning, "it ended with non-fatal errors"),
        "D" => (RunResult::Warning, "verification found differences"),
        "E" => (RunResult::Failed, "it ended with errors"),
        "f" => (RunResult::Failed, "it ended with a fatal error"),
        "A" => (RunResult::Failed, "it was cancelled"),
        "I" => (RunResult::Failed, "it is incomplete"),
        _ => {
            reading.running = true;
            (RunResult::Ok, "")
        }
    };
    reading.result = result;
    words.clone_into(&mut reading.error);
}

/// `21-Nov-2026 23:08:02` in reports, `2026-11-21 23:08:02` in the catalogue.
fn dated(value: &str, output: &Output<'_>) -> Option<Timestamp> {
    text::time(value, output.zone).or_else(|| text::time_as("%d-%b-%Y %H:%M:%S", value, output.zone))
}
