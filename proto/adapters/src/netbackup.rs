//! Veritas NetBackup: `bpdbjobs -report -most_columns`, or `bperror -U -backstat`.
//!
//! Columns of bpdbjobs (NetBackup Commands Reference): job id, type, state, status, policy, schedule, client, server,
//! started, elapsed, ended, storage unit, attempt, operation, kilobytes, files, … State 3 is done. Status 0 is good, 1
//! means that some files were left out. The last backup counts.

use super::{Output, Reading, text};
use tocsin_vocabulary::{RunResult, Timestamp};

/// The state of a job that has ended.
const DONE: &str = "3";

pub(super) fn read(output: &Output<'_>) -> Reading {
    let rows = output.stdout().lines().filter_map(job);
    if let Some(newest) = rows.max_by_key(|reading| (reading.ended_at, reading.started_at)) {
        return newest;
    }
    errors(output).unwrap_or_else(|| Reading::failed("there is no job".to_owned()))
}

fn job(line: &str) -> Option<Reading> {
    let columns: Vec<&str> = line.split(',').map(str::trim).collect();
    let [
        id,
        _kind,
        state,
        status,
        policy,
        schedule,
        client,
        _server,
        started,
        elapsed,
        ended,
        ..,
    ] = columns[..]
    else {
        return None;
    };
    let _: u64 = id.parse().ok()?;
    let mut reading = Reading::of(RunResult::Ok);
    reading.running = state != DONE;
    reading.job = format!("{policy}/{schedule}/{client}");
    id.clone_into(&mut reading.artefact);
    let at = |text: &str| text::epoch(text).filter(|at| *at > Timestamp::default());
    reading.started_at = at(started);
    reading.ended_at = at(ended);
    reading.duration_ms = text::number(elapsed).map(|seconds| seconds.saturating_mul(1_000));
    reading.bytes = columns
        .get(14)
        .and_then(|column| text::number(column))
        .map(|kilobytes| kilobytes.saturating_mul(1_024));
    reading.files = columns.get(15).and_then(|column| text::number(column));
    if !reading.running {
        judge(&mut reading, status.parse().ok()?);
    }
    Some(reading)
}

fn judge(reading: &mut Reading, status: u32) {
    match status {
        0 => {}
        1 => reading.at_least(RunResult::Warning, "status 1: some files were left out"),
        150 => reading.at_least(RunResult::Failed, "status 150: cancelled by an administrator"),
        status => reading.at_least(RunResult::Failed, format!("status {status}")),
    }
}

/// Rows `STATUS CLIENT POLICY SCHED SERVER TIME`, each with a line in brackets that says what the status means.
fn errors(output: &Output<'_>) -> Option<Reading> {
    let mut last: Option<Reading> = None;
    for line in output.stdout().lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [status, client, policy, schedule, _server, rest @ ..] = &words[..]
            && let Ok(status) = status.parse()
            && rest.len() >= 2
        {
            let mut reading = Reading::of(RunResult::Ok);
            reading.job = format!("{policy}/{schedule}/{client}");
            reading.ended_at = text::time_as("%m/%d/%Y %H:%M:%S", &rest[..2].join(" "), output.zone);
            judge(&mut reading, status);
            last = Some(reading);
        } else if let Some(meaning) = line.trim().strip_prefix('(').and_then(|rest| rest.strip_suffix(')'))
            && let Some(reading) = last.as_mut().filter(|reading| reading.result > RunResult::Ok)
        {
            reading.error = format!("{}: {meaning}", reading.error);
        }
    }
    last
}
