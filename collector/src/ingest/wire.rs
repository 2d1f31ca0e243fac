//! From messages to our own types, with a limit on everything: what an agent says of its host is data from outside.

use std::collections::{BTreeMap, HashMap};
use tocsin_console::backend::{Process, Processes};
use tocsin_desk::record::{EventRecord, HostFacts};
use tocsin_proto::v1;
use tocsin_vocabulary::{Code, Severity, Timestamp};
use tonic::Status;

/// Longest text of a fact or a process, in characters.
const TEXT_CHARS_MAX: usize = 256;
/// Most addresses of a host.
const ADDRESSES_MAX: usize = 32;
/// Most processes of a snapshot.
const PROCESSES_MAX: usize = 64;
/// Most attributes of an event, and the longest body in characters.
const ATTRIBUTES_MAX: usize = 32;
const BODY_CHARS_MAX: usize = 4_096;

/// An error of ours as a gRPC status.
#[must_use]
pub fn status(code: Code, reason: impl Into<String>) -> Status {
    Status::new(tonic::Code::from_i32(code.grpc_status()), reason)
}

/// At most so many characters, and no control characters: a name must not move a terminal's cursor or split a line.
pub(super) fn clipped(text: String) -> String {
    if text.len() <= TEXT_CHARS_MAX && !text.contains(char::is_control) {
        return text;
    }
    let plain = |c: char| if c.is_control() { '\u{FFFD}' } else { c };
    text.chars().take(TEXT_CHARS_MAX).map(plain).collect()
}

/// What a host says of itself.
#[must_use]
pub fn facts_of(facts: v1::HostFacts) -> HostFacts {
    HostFacts {
        hostname: clipped(facts.hostname),
        os: clipped(facts.os),
        kernel: clipped(facts.kernel),
        architecture: clipped(facts.architecture),
        cpu_model: clipped(facts.cpu_model),
        cpu_count: facts.cpu_count,
        memory_bytes: facts.memory_bytes,
        machine_id: clipped(facts.machine_id),
        boot_time: Timestamp::from_millis(facts.boot_time_ms),
        agent_version: clipped(facts.agent_version),
        addresses: facts.addresses.into_iter().take(ADDRESSES_MAX).map(clipped).collect(),
    }
}

/// A process snapshot.
pub(super) fn processes_of(snapshot: v1::ProcessSnapshot) -> Processes {
    let processes = snapshot
        .processes
        .into_iter()
        .take(PROCESSES_MAX)
        .map(|process| Process {
            pid: process.pid,
            name: clipped(process.name),
            user: clipped(process.user),
            cpu_ratio: process.cpu_ratio,
            memory_bytes: process.memory_bytes,
            state: clipped(process.state),
            command: clipped(process.command),
            zombies: process.zombies,
        });
    Processes {
        time: Timestamp::from_millis(snapshot.time_ms),
        total: snapshot.total,
        processes: processes.collect(),
    }
}

/// What is known beside an event or a document.
pub(super) fn attributes_of(attributes: HashMap<String, String>) -> BTreeMap<String, String> {
    attributes
        .into_iter()
        .take(ATTRIBUTES_MAX)
        .map(|(key, value)| (clipped(key), clipped(value)))
        .collect()
}

/// An event, received `now`.
pub(super) fn event_of(event: v1::Event, now: Timestamp) -> EventRecord {
    EventRecord {
        seq: event.seq,
        at: Timestamp::from_millis(event.time_ms),
        received_at: now,
        name: clipped(event.name),
        severity: event.severity.parse().unwrap_or(Severity::Info),
        attributes: attributes_of(event.attributes),
        body: event.body.chars().take(BODY_CHARS_MAX).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_host_says_of_itself_is_clipped() {
        let facts = facts_of(v1::HostFacts {
            hostname: "长".repeat(10_000),
            addresses: vec!["a".to_owned(); 1_000],
            ..Default::default()
        });
        assert_eq!(facts.hostname.chars().count(), TEXT_CHARS_MAX);
        assert_eq!(facts.addresses.len(), ADDRESSES_MAX);
        assert_eq!(clipped("db1\x1b[2J\n\0".to_owned()), "db1\u{FFFD}[2J\u{FFFD}\u{FFFD}");
    }
}
