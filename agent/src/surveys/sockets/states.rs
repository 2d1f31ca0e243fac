//! TCP connections by state, counted in `/proc/net/tcp` and `tcp6` line by line without keeping them.

use crate::surveys::{Findings, Host};

/// Most bytes of each table: about 400 000 connections. A longer one is not counted.
const TABLE_BYTES_MAX: u64 = 64 << 20;

/// States in the kernel's order (`include/net/tcp_states.h`), from 1; as OpenTelemetry calls them.
const NAMES: [&str; 11] = [
    "established",
    "syn_sent",
    "syn_received",
    "fin_wait_1",
    "fin_wait_2",
    "time_wait",
    "closed",
    "close_wait",
    "last_ack",
    "listen",
    "closing",
];
/// `TCP_NEW_SYN_RECV`, another name for the same to those outside.
const NEW_SYN_RECEIVED: usize = 12;
const SYN_RECEIVED: usize = 3;

/// How many connections are in each state.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct States([u64; NAMES.len()]);

impl States {
    /// None without the tables, or when they are too long.
    pub(super) fn count(host: &Host) -> Option<Self> {
        let mut states = Self::default();
        let mut any = false;
        for path in ["proc/net/tcp", "proc/net/tcp6"] {
            if !host.path(path).exists() {
                continue;
            }
            host.each_line(path, TABLE_BYTES_MAX, |line| states.add(line))?;
            any = true;
        }
        any.then_some(states)
    }

    /// Counts the connection in a line; the heading is none.
    pub(super) fn add(&mut self, line: &[u8]) {
        if let Some(state) = state_of(line) {
            self.0[state] += 1;
        }
    }

    /// All connections.
    pub(super) fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    pub(super) fn tell(&self, findings: &mut Findings) {
        for (name, count) in NAMES.iter().zip(self.0) {
            let attributes = [("network.connection.state", *name), ("network.transport", "tcp")];
            findings.count("system.network.connection.count", &attributes, count);
        }
    }
}

/// The state in a line `sl local remote st …`, as an index of [`NAMES`]; none for the heading.
fn state_of(line: &[u8]) -> Option<usize> {
    let field = crate::sources::fields(line).nth(3)?;
    let state = usize::from_str_radix(std::str::from_utf8(field).ok()?, 16).ok()?;
    let state = if state == NEW_SYN_RECEIVED { SYN_RECEIVED } else { state };
    state.checked_sub(1).filter(|state| *state < NAMES.len())
}
