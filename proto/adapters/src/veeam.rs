//! Veeam Backup & Replication over syslog.
//!
//! Messages carry `instanceId`: 190 a backup job, 490 a copy job, 790 an agent's job ended; 150 one task of a job did.
//! `JobResult` is 0 success, 1 warning, 2 failed. A job that will be retried has not failed yet. A task's `Status` is
//! numbered otherwise, and is not read.

use super::{Output, RUNS_MAX, Reading, text};
use std::collections::BTreeMap;
use tocsin_vocabulary::{RunResult, Timestamp};

/// A line and what it says.
type Message<'a> = (&'a str, BTreeMap<String, &'a str>);

/// The newest end of a job.
pub(super) fn read(output: &Output<'_>) -> Reading {
    let newest = runs(output).pop();
    newest.unwrap_or_else(|| Reading::failed("no job has ended".to_owned()))
}

/// Every end of a job.
pub(super) fn runs(output: &Output<'_>) -> Vec<Reading> {
    let messages: Vec<Message<'_>> = output
        .lines()
        .map(|line| (line, fields(line)))
        .filter(|(_, fields)| fields.contains_key("instanceid"))
        .collect();
    let ends = messages
        .iter()
        .filter(|(_, fields)| matches!(fields["instanceid"], "190" | "490" | "790"));
    ends.take(RUNS_MAX).map(|end| run(end, &messages, output)).collect()
}

fn run((line, end): &Message<'_>, messages: &[Message<'_>], output: &Output<'_>) -> Reading {
    let field = |key: &str| end.get(key).copied().unwrap_or_default();
    let mut reading = Reading::of(match field("jobresult").to_lowercase().as_str() {
        "0" | "success" => RunResult::Ok,
        "1" | "warning" => RunResult::Warning,
        _ => RunResult::Failed,
    });
    field("jobname").clone_into(&mut reading.job);
    let session = field("jobsessionid");
    session.clone_into(&mut reading.artefact);
    reading.running = field("willberetried").eq_ignore_ascii_case("true");
    reading.ended_at = stamp(line, output);
    let tasks = messages.iter().filter(|(_, fields)| {
        fields["instanceid"] == "150" && fields.get("jobsessionid").copied().unwrap_or_default() == session
    });
    let gigabytes = tasks
        .filter_map(|(_, fields)| text::size(&format!("{}G", fields.get("transferredgb")?.replace(',', ".")), false));
    let bytes: Vec<u64> = gigabytes.collect();
    reading.bytes_added =
        (!bytes.is_empty()).then(|| bytes.iter().fold(0, |sum: u64, bytes| sum.saturating_add(*bytes)));
    if reading.result > RunResult::Ok {
        let told = ["reason", "description", "jobresultdescription"]
            .iter()
            .map(|key| field(key));
        let told = told.into_iter().find(|words| !words.is_empty()).map(str::to_owned);
        reading.error = told.unwrap_or_else(|| line.rsplit(']').next().unwrap_or_default().trim().to_owned());
        if reading.error.is_empty() {
            reading.error = format!("JobResult {}", field("jobresult"));
        }
    }
    reading
}

/// `key=value` and `key="value with blanks"` of a line, keys in lower case.
fn fields(line: &str) -> BTreeMap<String, &str> {
    let mut found = BTreeMap::new();
    let mut rest = line;
    while let Some(at) = rest.find('=') {
        let key: &str = rest[..at]
            .rsplit(|c: char| !c.is_ascii_alphanumeric())
            .next()
            .unwrap_or_default();
        let value = &rest[at + 1..];
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => {
                let end = value.find([' ', ']', ',', ';']).unwrap_or(value.len());
                value.split_at(end)
            }
        };
        if !key.is_empty() {
            found.insert(key.to_lowercase(), value);
        }
        rest = after;
    }
    found
}

/// The time of a message of RFC 5424.
fn stamp(line: &str, output: &Output<'_>) -> Option<Timestamp> {
    line.split_whitespace()
        .take(3)
        .find_map(|word| text::time(word, output.zone))
}
