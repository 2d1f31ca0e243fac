//! A unit's result as `systemctl show` prints it: `Result`, `ExecMainStatus`, `ExecMainStartTimestamp`,
//! `ExecMainExitTimestamp`, `InvocationID`, `ActiveState` (org.freedesktop.systemd1(5)).

use super::{Output, Reading, text};
use tocsin_vocabulary::{RunResult, Timestamp};

pub(super) fn read(output: &Output<'_>) -> Reading {
    let property = |key: &str| {
        let pairs = output.stdout().lines().filter_map(|line| line.split_once('='));
        pairs
            .filter(|(name, _)| *name == key)
            .map(|(_, value)| value.trim())
            .next()
            .unwrap_or_default()
    };
    let mut reading = Reading::of(RunResult::Ok);
    property("Id").clone_into(&mut reading.job);
    property("InvocationID").clone_into(&mut reading.artefact);
    reading.started_at = stamp(property("ExecMainStartTimestamp"), output);
    reading.ended_at = stamp(property("ExecMainExitTimestamp"), output);
    if let (Some(start), Some(end)) = (reading.started_at, reading.ended_at) {
        reading.duration_ms = u64::try_from(end.since(start).as_millis()).ok();
    }
    let status = property("ExecMainStatus");
    reading.running =
        matches!(property("ActiveState"), "activating" | "reloading") || property("SubState") == "running";
    match property("Result") {
        "success" if reading.started_at.is_none() && !reading.running && status.is_empty() => {
            reading.at_least(RunResult::Failed, "the unit has not run");
        }
        "success" => {}
        "" => reading.at_least(RunResult::Failed, "the unit's `Result` is not there"),
        word => {
            let status = if status.is_empty() {
                String::new()
            } else {
                format!(", status {status}")
            };
            reading.at_least(RunResult::Failed, format!("the unit's result is {word}{status}"));
        }
    }
    reading
}

/// `Sat 2026-11-21 23:08:02 UTC`, `@1795302487` of `--timestamp=unix`, or empty. The names of zones are ambiguous, and are
/// those of the machine but for UTC.
fn stamp(value: &str, output: &Output<'_>) -> Option<Timestamp> {
    if let Some(seconds) = value.strip_prefix('@') {
        return text::epoch(seconds);
    }
    let words: Vec<&str> = value.split_whitespace().collect();
    let (date, time, zone) = match words[..] {
        [_, date, time, zone] => (date, time, zone),
        [_, date, time] | [date, time] => (date, time, ""),
        _ => return None,
    };
    let utc = if matches!(zone, "UTC" | "GMT") { "Z" } else { "" };
    text::time(&format!("{date}T{time}{utc}"), output.zone)
}
