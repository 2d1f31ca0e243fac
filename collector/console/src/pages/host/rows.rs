//! Rows of a host's page that need no putting together: events, processes, latest values.

use super::part_words;
use crate::{
    backend::{LatestTick, Process},
    figures::figure,
    graph,
    markup::Html,
    shell::Shell,
};
use tocsin_desk::record::EventRecord;

/// Bytes of an event's own sentence that are shown.
const BODY_BYTES_MAX: usize = 240;
/// Latest values that are shown; the API has the rest.
pub(super) const LATEST_SHOWN: usize = 300;

pub(super) struct ProcessRow {
    pub(super) pid: u32,
    pub(super) name: String,
    pub(super) user: String,
    pub(super) cpu: String,
    pub(super) memory: String,
    pub(super) state: String,
    pub(super) command: String,
    pub(super) zombies: u32,
}

impl ProcessRow {
    pub(super) fn new(process: Process) -> Self {
        Self {
            pid: process.pid,
            name: process.name,
            user: process.user,
            cpu: figure(process.cpu_ratio, "1"),
            // Beyond 2^53 bytes the last digits no longer matter.
            memory: figure(process.memory_bytes as f64, "By"),
            state: process.state,
            command: process.command,
            zombies: process.zombies,
        }
    }
}

pub(super) struct LatestRow {
    pub(super) name: String,
    pub(super) meaning: String,
    pub(super) attributes: String,
    pub(super) value: String,
}

pub(super) fn latest(shell: &Shell, tick: LatestTick) -> Vec<LatestRow> {
    let shown = tick.values.into_iter().take(LATEST_SHOWN);
    shown
        .map(|latest| {
            let pairs: Vec<String> = latest
                .series
                .attributes
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            LatestRow {
                meaning: graph::meaning(shell, &latest.series.name),
                attributes: pairs.join(" "),
                value: latest
                    .value
                    .map_or_else(|| "–".to_owned(), |value| figure(value, &latest.series.unit)),
                name: latest.series.name.into(),
            }
        })
        .collect()
}

pub(super) struct EventRow {
    pub(super) at: Html,
    /// What happened: our words for names that we know, else the name as sent.
    pub(super) what: String,
    /// What it concerns.
    pub(super) about: String,
    pub(super) severity: String,
    pub(super) severity_key: &'static str,
    /// The agent's own sentence, cut.
    pub(super) body: String,
}

impl EventRow {
    pub(super) fn new(shell: &Shell, event: &EventRecord) -> Self {
        let about = event.attributes.iter().map(|(key, value)| match key.as_str() {
            "hw.type" => part_words::kind(shell, value),
            _ => value.clone(),
        });
        Self {
            at: shell.exact(event.at),
            what: shell.event(&event.name),
            about: about.collect::<Vec<_>>().join(" "),
            severity: shell.severity(event.severity),
            severity_key: event.severity.as_str(),
            body: event.body[..event.body.floor_char_boundary(BODY_BYTES_MAX)].to_owned(),
        }
    }
}
