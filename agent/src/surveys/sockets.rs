//! Sockets and connections: how many of each state, what the protocols count, how full connection tracking is.
//! From `/proc/net/{sockstat,sockstat6,snmp,snmp6,netstat,tcp,tcp6}` and `nf_conntrack`'s files (`proc(5)`).
//!
//! Counting states reads a line per connection, and the kernel takes locks meanwhile; so they are counted when the number of
//! connections moved, the more there are the less often, and in between the last counts stand.

mod counters;
mod states;

use super::{Findings, Host, Survey};
use counters::{Pairs, Stat};
use states::States;
use std::time::Duration;

/// What a counted connection costs at most; counting may take this share of the time.
const COST_PER_LINE: Duration = Duration::from_micros(5);
const COST_SHARE: u32 = 1_000;
/// Shortest time between two counts: the kernel goes through the whole room for connections, which takes milliseconds on a
/// machine with much memory, however few there are.
const COUNT_PERIOD_MIN: Duration = Duration::from_secs(120);
/// Longest time between two counts.
const COUNT_PERIOD_MAX: Duration = Duration::from_secs(600);
/// Of so few connections nobody cares which came and went.
const MOVED_MIN: u64 = 50;

/// Whether the number of connections became another: by a quarter, for the rest is coming and going.
fn moved(before: u64, now: u64) -> bool {
    before.abs_diff(now) >= (before / 4).max(MOVED_MIN)
}

/// Looks at sockets.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    counted: Option<States>,
    /// Connections of all states when they were counted, if the kernel says it at once.
    connections: Option<u64>,
    /// Not before this, and not after that.
    count_due: Duration,
    count_late: Duration,
}

impl Survey for Sockets {
    fn name(&self) -> &'static str {
        "sockets"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn look(&mut self, host: &Host, findings: &mut Findings) {
        let connections = tell_sockstat(host, findings);
        tell_protocols(host, findings);
        tell_conntrack(host, findings);
        let moved = self
            .connections
            .zip(connections)
            .is_none_or(|(before, now)| moved(before, now));
        if host.mono >= self.count_late || (moved && host.mono >= self.count_due) {
            self.counted = States::count(host);
            self.connections = connections;
            let lines = self.counted.as_ref().map_or(0, States::total);
            let lines = u32::try_from(lines).unwrap_or(u32::MAX);
            let pause = COST_PER_LINE.saturating_mul(lines).saturating_mul(COST_SHARE);
            self.count_due = host.mono + pause.clamp(COUNT_PERIOD_MIN, COUNT_PERIOD_MAX);
            self.count_late = host.mono + COUNT_PERIOD_MAX;
        }
        if let Some(states) = &self.counted {
            states.tell(findings);
        }
    }
}

/// Tells what is in use; gives the number of TCP connections of all states.
fn tell_sockstat(host: &Host, findings: &mut Findings) -> Option<u64> {
    let read = |path| host.text(path).map(|text| Stat::parse(&text));
    let (v4, v6) = (read("proc/net/sockstat"), read("proc/net/sockstat6"));
    let of = |stat: &Option<Stat>, protocol: &str, name: &str| stat.as_ref()?.get(protocol, name);
    for (transport, old, new) in [("tcp", "TCP", "TCP6"), ("udp", "UDP", "UDP6"), ("raw", "RAW", "RAW6")] {
        let counts = [of(&v4, old, "inuse"), of(&v6, new, "inuse")];
        if counts.iter().any(Option::is_some) {
            let sum = counts.into_iter().flatten().fold(0, u64::saturating_add);
            findings.count("tocsin.network.sockets", &[("network.transport", transport)], sum);
        }
    }
    if let Some(orphans) = of(&v4, "TCP", "orphan") {
        findings.count("tocsin.network.tcp.orphans", &[], orphans);
    }
    if let Some(pages) = of(&v4, "TCP", "mem") {
        let page = crate::sources::page_bytes();
        findings.count("tocsin.network.tcp.memory", &[], pages.saturating_mul(page));
    }
    let others = [of(&v6, "TCP6", "inuse"), of(&v4, "TCP", "tw")];
    let in_use = of(&v4, "TCP", "inuse")?;
    Some(others.into_iter().flatten().fold(in_use, u64::saturating_add))
}

fn tell_protocols(host: &Host, findings: &mut Findings) {
    let read = |path| host.text(path).map(|text| Pairs::parse(&text)).unwrap_or_default();
    let (snmp, netstat) = (read("proc/net/snmp"), read("proc/net/netstat"));
    let snmp6 = host.text("proc/net/snmp6").unwrap_or_default();
    for (metric, value) in [
        ("tocsin.network.tcp.segments.sent", snmp.get("Tcp", "OutSegs")),
        ("tocsin.network.tcp.retransmits", snmp.get("Tcp", "RetransSegs")),
        ("tocsin.network.tcp.errors", snmp.get("Tcp", "InErrs")),
        ("tocsin.network.tcp.attempts.failed", snmp.get("Tcp", "AttemptFails")),
        ("tocsin.network.tcp.connections.reset", snmp.get("Tcp", "EstabResets")),
        ("tocsin.network.tcp.resets.sent", snmp.get("Tcp", "OutRsts")),
        (
            "tocsin.network.tcp.listen.overflows",
            netstat.get("TcpExt", "ListenOverflows"),
        ),
        ("tocsin.network.tcp.listen.drops", netstat.get("TcpExt", "ListenDrops")),
    ] {
        if let Some(value) = value {
            findings.count(metric, &[], value);
        }
    }
    let both = |name: &str| {
        let counts = [snmp.get("Udp", name), counters::snmp6(&snmp6, &format!("Udp6{name}"))];
        let any = counts.iter().any(Option::is_some);
        any.then(|| counts.into_iter().flatten().fold(0, u64::saturating_add))
    };
    if let Some(errors) = both("InErrors") {
        findings.count("tocsin.network.udp.errors", &[], errors);
    }
    for (direction, name) in [("receive", "RcvbufErrors"), ("transmit", "SndbufErrors")] {
        if let Some(errors) = both(name) {
            let attributes = [("network.io.direction", direction)];
            findings.count("tocsin.network.udp.buffer_errors", &attributes, errors);
        }
    }
}

fn tell_conntrack(host: &Host, findings: &mut Findings) {
    let number = |name: &str| host.number(format!("proc/sys/net/netfilter/nf_conntrack_{name}"));
    let Some(count) = number("count") else { return };
    findings.count("system.network.conntrack.count", &[], count);
    if let Some(max) = number("max").filter(|max| *max > 0) {
        findings.count("system.network.conntrack.max", &[], max);
        #[allow(clippy::cast_precision_loss)] // far below 2^53
        let share = count as f64 / max as f64;
        findings.value("tocsin.network.conntrack.utilization", &[], share);
    }
    if let Some(text) = host.text("proc/net/stat/nf_conntrack")
        && let Some(dropped) = counters::sum_hex(&text, &["insert_failed", "drop", "early_drop"])
    {
        findings.count("tocsin.network.conntrack.dropped", &[], dropped);
    }
}

#[cfg(test)]
mod tests;
