//! rsync: its exit status, and the figures of `--stats`.
//!
//! Exit codes (rsync(1)): 0; 24 some source files vanished, which is a warning; 23 some files were not copied, also where
//! the whole source is missing; 30 and 35 timeouts; all others are failures.

use super::{Output, Reading, text};
use tocsin_vocabulary::RunResult;

pub(super) fn read(output: &Output<'_>) -> Reading {
    let mut reading = Reading::of(match output.exit_code {
        Some(0) | None => RunResult::Ok,
        Some(24) => RunResult::Warning,
        Some(_) => RunResult::Failed,
    });
    for line in output.lines() {
        let Some((key, value)) = line.split_once(": ") else {
            continue;
        };
        match key.trim() {
            "Number of files" => {
                let regular = value.split_once("reg: ").map_or(value, |(_, regular)| regular);
                reading.files = text::number(regular);
            }
            "Total file size" => reading.bytes = text::size(value, true),
            "Total transferred file size" => reading.bytes_added = text::size(value, true),
            _ => {}
        }
    }
    let errors: Vec<&str> = output
        .lines()
        .filter(|line| {
            let ours =
                line.starts_with("rsync: ") || line.starts_with("rsync error: ") || line.starts_with("rsync warning: ");
            ours || line.starts_with("file has vanished: ") || line.starts_with("@ERROR: ")
        })
        .collect();
    if output.exit_code.is_none() && errors.iter().any(|line| line.starts_with("rsync error: ")) {
        reading.result = RunResult::Failed;
    }
    if let Some(code) = output.exit_code.filter(|code| *code != 0) {
        reading.error = if errors.is_empty() {
            format!("{}{}", text::error_of(output, code), meaning(code))
        } else {
            text::joined(errors)
        };
    } else if reading.result > RunResult::Ok {
        reading.error = text::joined(errors);
    }
    reading
}

const fn meaning(code: i32) -> &'static str {
    match code {
        23 => " (not everything was copied)",
        24 => " (files vanished while it ran)",
        30 | 35 => " (timeout)",
        _ => "",
    }
}
