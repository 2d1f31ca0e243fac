//! Dumps of MySQL and MariaDB: what stands at their end.
//!
//! A dump behind a pipe exits with the pipe's last command, and a dump that broke off looks like a smaller one. Its
//! trailer tells.

use super::{Output, Reading, text};
use tocsin_vocabulary::RunResult;

/// mysqldump writes it as the last line, unless it was told not to write comments.
const DUMP_TRAILER: &str = "-- Dump completed";
/// xtrabackup and mariabackup write it as the last line of standard error.
const BACKUP_TRAILER: &str = "completed OK!";

pub(super) fn mysqldump(output: &Output<'_>) -> Reading {
    let mut reading = Reading::of(if output.exited_badly() {
        RunResult::Failed
    } else {
        RunResult::Ok
    });
    let errors: Vec<&str> = output.stderr.lines().filter(|line| is_error(line)).collect();
    if !errors.is_empty() {
        reading.at_least(RunResult::Failed, text::joined(errors));
    }
    if let Some(stdout) = output.stdout {
        let last = stdout.lines().rev().map(str::trim).find(|line| !line.is_empty());
        match last.and_then(|last| last.strip_prefix(DUMP_TRAILER)) {
            Some(rest) => {
                let date = rest.trim().strip_prefix("on ").unwrap_or_default();
                // The hour has a blank for a leading zero: `2026-11-21  3:08:02`.
                let date = date.split_whitespace().collect::<Vec<_>>();
                if let [day, hour] = date[..] {
                    reading.ended_at = text::time(&format!("{day} {hour:0>8}"), output.zone);
                }
            }
            None => reading.at_least(
                RunResult::Failed,
                format!("the dump does not end with `{DUMP_TRAILER}`: it broke off"),
            ),
        }
    }
    if let Some(code) = output
        .exit_code
        .filter(|_| reading.result > RunResult::Ok && reading.error.is_empty())
    {
        reading.error = text::error_of(output, code);
    }
    reading
}

/// `mysqldump: Got error: 1045: …`, `mysqldump: Error 2013: …`; a warning about passwords is none.
fn is_error(line: &str) -> bool {
    let words = ["mysqldump: ", "mariadb-dump: "]
        .iter()
        .find_map(|name| line.strip_prefix(name));
    words.is_some_and(|words| !words.starts_with("[Warning]") && words.to_lowercase().contains("error"))
}

pub(super) fn xtrabackup(output: &Output<'_>) -> Reading {
    let mut reading = Reading::of(if output.exited_badly() {
        RunResult::Failed
    } else {
        RunResult::Ok
    });
    let last = output
        .stderr
        .lines()
        .chain(output.stdout().lines().filter(|line| line.contains(BACKUP_TRAILER)));
    let last = last.map(str::trim).rfind(|line| !line.is_empty());
    if !last.is_some_and(|last| last.ends_with(BACKUP_TRAILER)) {
        let errors: Vec<&str> = output
            .stderr
            .lines()
            .filter(|line| line.to_lowercase().contains("error"))
            .collect();
        let why = if errors.is_empty() {
            format!("it does not end with `{BACKUP_TRAILER}`")
        } else {
            text::joined(errors)
        };
        reading.at_least(RunResult::Failed, why);
    }
    // As in the file xtrabackup_info.
    let field = |key: &str| {
        let lines = output.lines().filter_map(|line| line.split_once(" = "));
        lines
            .filter(|(name, _)| name.trim() == key)
            .last()
            .map(|(_, value)| value)
    };
    reading.started_at = field("start_time").and_then(|value| text::time(value, output.zone));
    reading.ended_at = field("end_time").and_then(|value| text::time(value, output.zone));
    if let Some(code) = output
        .exit_code
        .filter(|_| reading.result > RunResult::Ok && reading.error.is_empty())
    {
        reading.error = text::error_of(output, code);
    }
    reading
}
