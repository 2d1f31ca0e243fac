//! What people read of the answers to `tocsin-collector job …`. What tells of all jobs at once is in `reports`.

use super::{command::JobAsk, reports};
use serde_json::Value;
use tocsin_vocabulary::time::format_duration;

/// A field of an answer, as a terminal may show it.
pub(super) fn text(value: &Value, path: &str) -> String {
    match value.pointer(path) {
        Some(Value::String(text)) => text
            .chars()
            .map(|c| if c.is_control() { '\u{FFFD}' } else { c })
            .collect(),
        Some(Value::Null) | None => "-".to_owned(),
        Some(other) => other.to_string(),
    }
}

/// What people read for an answer.
#[must_use]
pub fn render(ask: &JobAsk, value: &Value) -> String {
    let items = || value.get("items").and_then(Value::as_array).into_iter().flatten();
    match ask {
        JobAsk::List { json: true }
        | JobAsk::Runs { json: true, .. }
        | JobAsk::Declare { json: true, .. }
        | JobAsk::Uncovered { json: true }
        | JobAsk::Coverage { json: true }
        | JobAsk::Summary { json: true, .. }
        | JobAsk::Intake { json: true } => format!("{value:#}"),
        JobAsk::Coverage { .. } => reports::coverage_lines(value),
        JobAsk::Summary { .. } => reports::summary_lines(value),
        JobAsk::Intake { .. } => reports::intake_lines(value),
        JobAsk::List { .. } => {
            let mut lines = vec![format!(
                "{:<20}{:<24}{:<24}{:<10}{:<26}{:<26}RPO",
                "HOST", "JOB", "SCHEDULE", "RESULT", "LAST", "EXPECTED"
            )];
            lines.extend(items().map(|job| {
                let age = job.pointer("/stand/rpo_now_ms").and_then(Value::as_u64);
                let age = age.map_or_else(
                    || "-".to_owned(),
                    |age| format_duration(std::time::Duration::from_secs(age / 60_000 * 60)),
                );
                let broken = job.pointer("/stand/rpo_broken").and_then(Value::as_bool) == Some(true);
                format!(
                    "{:<20}{:<24}{:<24}{:<10}{:<26}{:<26}{age}{}",
                    text(job, "/host_name"),
                    text(job, "/name"),
                    text(job, "/schedule"),
                    text(job, "/stand/last_result"),
                    text(job, "/stand/last_at"),
                    text(job, "/stand/expected_at"),
                    if broken { " (older than promised)" } else { "" }
                )
            }));
            lines.join("\n")
        }
        JobAsk::Runs { .. } => {
            let mut lines = vec![format!(
                "{:<26}{:<10}{:<6}{:<14}{:<6}ERROR",
                "STARTED", "RESULT", "EXIT", "BYTES", "LATE"
            )];
            lines.extend(items().map(|run| {
                let error = text(run, "/error");
                format!(
                    "{:<26}{:<10}{:<6}{:<14}{:<6}{}",
                    text(run, "/started_at"),
                    text(run, "/result"),
                    text(run, "/exit_code"),
                    text(run, "/bytes"),
                    if run.get("late") == Some(&Value::Bool(true)) {
                        "yes"
                    } else {
                        "no"
                    },
                    error
                )
            }));
            lines.join("\n")
        }
        JobAsk::Declare { .. } => {
            let mut lines = vec![awaited(value)];
            if value.get("ping_url").is_some() {
                lines.push(format!("ping: {}", text(value, "/ping_url")));
            }
            lines.join("\n")
        }
        JobAsk::Uncovered { .. } => {
            let names: Vec<String> = items().map(|host| text(host, "/name")).collect();
            if names.is_empty() {
                return "every host has a job".to_owned();
            }
            names.join("\n")
        }
        JobAsk::Note { .. } => format!("noted: {}", text(value, "/result")),
        JobAsk::Drill { .. } => format!("a restore was tried at {}", text(value, "/drilled_at")),
        JobAsk::Forget { .. } => "done".to_owned(),
    }
}

/// When the next run of a declared job is awaited, and why then.
fn awaited(job: &Value) -> String {
    let (name, schedule, zone) = (text(job, "/name"), text(job, "/schedule"), text(job, "/schedule_zone"));
    if job.pointer("/paused") == Some(&Value::Bool(true)) {
        return format!("{name}: paused, no run is awaited");
    }
    match job.pointer("/schedule").and_then(Value::as_str) {
        None => format!("{name}: no schedule, so no run is awaited; give --schedule"),
        Some(after) if after.starts_with("after ") => {
            let leader = after.trim_start_matches("after ");
            match job.pointer("/leader_known") {
                Some(Value::Bool(false)) => {
                    format!("{name}: awaited after each good run of `{leader}`; this host has no job of that name yet")
                }
                _ => format!("{name}: awaited after each good run of `{leader}`"),
            }
        }
        Some(_) => format!(
            "{name}: next run awaited {}, by the schedule `{schedule}` in the time zone {zone} (--zone changes it)",
            text(job, "/stand/expected_at")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn whoever_declares_a_job_learns_when_its_run_is_awaited_and_in_which_zone() {
        let job = |more: &Value| {
            let mut job = json!({
                "name": "copy", "schedule": "30 2 * * *", "schedule_zone": "Asia/Shanghai",
                "paused": false, "stand": { "expected_at": "2026-11-22T18:30:00.000Z" },
            });
            for (key, value) in more.as_object().into_iter().flatten() {
                job[key] = value.clone();
            }
            awaited(&job)
        };
        let plain = job(&json!({}));
        assert!(
            plain.contains("18:30") && plain.contains("time zone Asia/Shanghai"),
            "{plain}"
        );
        let after = |known: bool| job(&json!({ "schedule": "after dump", "leader_known": known }));
        assert_eq!(after(true), "copy: awaited after each good run of `dump`");
        assert!(after(false).ends_with("this host has no job of that name yet"));
        assert!(job(&json!({ "schedule": null })).contains("give --schedule"));
        assert!(job(&json!({ "paused": true })).contains("paused"));
    }
}
