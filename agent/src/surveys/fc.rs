//! Fibre Channel and InfiniBand: state, speed and counters of each port of this host's adapters
//! (`/sys/class/fc_host`, `/sys/class/infiniband`).
//!
//! The best speed ever seen is remembered, over restarts too: a link that came back slower is degraded. Counters of Fibre
//! Channel are hexadecimal, those of data count words of four bytes, and all bits set mean that the adapter has none.

use super::{Findings, Host, Part, PartStatus, Survey, memory::Bests};
use std::time::Duration;

/// What a Fibre Channel adapter counts as errors, and what we call it.
const FC_ERRORS: [(&str, &str); 9] = [
    ("dumped_frames", "dumped_frame"),
    ("error_frames", "error_frame"),
    ("fcp_packet_aborts", "packet_abort"),
    ("invalid_crc_count", "crc"),
    ("invalid_tx_word_count", "invalid_word"),
    ("link_failure_count", "link_failure"),
    ("loss_of_signal_count", "loss_of_signal"),
    ("loss_of_sync_count", "loss_of_sync"),
    ("nos_count", "not_operational"),
];

/// The same of InfiniBand.
const INFINIBAND_ERRORS: [(&str, &str); 5] = [
    ("link_downed", "link_failure"),
    ("link_error_recovery", "loss_of_sync"),
    ("local_link_integrity_errors", "link_integrity"),
    ("port_rcv_errors", "error_frame"),
    ("symbol_error", "invalid_word"),
];

/// A word of Fibre Channel, and a unit of InfiniBand's data counters.
const WORD_BYTES: u64 = 4;

const NAME: &str = "fc";

/// Looks at ports.
#[derive(Default)]
pub(crate) struct Fc {
    /// Of each port the best speed ever seen, in bit/s; `None` before the first look.
    best: Option<Bests>,
}

impl Survey for Fc {
    fn name(&self) -> &'static str {
        NAME
    }

    fn period(&self) -> Duration {
        Duration::from_secs(15)
    }

    fn look(&mut self, host: &Host, findings: &mut Findings) {
        let mut best = self.best.take().or_else(|| host.recall(NAME)).unwrap_or_default();
        for adapter in host.entries("sys/class/fc_host") {
            fc_port(host, &adapter, &mut best, findings);
        }
        for adapter in host.entries("sys/class/infiniband") {
            for port in host.entries(format!("sys/class/infiniband/{adapter}/ports")) {
                infiniband_port(host, &adapter, &port, &mut best, findings);
            }
        }
        host.remember(NAME, &best);
        self.best = Some(best);
    }
}

fn fc_port(host: &Host, adapter: &str, best: &mut Bests, findings: &mut Findings) {
    let folder = format!("sys/class/fc_host/{adapter}");
    let text = |file: &str| host.text(format!("{folder}/{file}")).unwrap_or_default();
    let Some(state) = host.text(format!("{folder}/port_state")) else {
        return;
    };
    // The adapter's number changes from boot to boot, the port's name does not.
    let name = text("port_name");
    let id = if name.is_empty() { adapter.to_owned() } else { name };
    let mut part = Part::new("port", id.as_str());
    let online = state.eq_ignore_ascii_case("online");
    match state.to_ascii_lowercase().as_str() {
        "online" => {}
        "unknown" | "" => part.judge(PartStatus::Unread, "its state is unknown"),
        _ => part.judge(PartStatus::Failed, format!("it is {state}")),
    }
    let speed = gigabits(&text("speed"));
    if online {
        judge_speed(best, speed, host, &mut part);
    }
    for (key, file) in [
        ("fabric", "fabric_name"),
        ("node", "node_name"),
        ("speeds", "supported_speeds"),
        ("type", "port_type"),
        ("driver", "symbolic_name"),
    ] {
        part.detail(key, text(file));
    }
    part.detail("adapter", adapter);
    findings.part(part);
    if let Some(speed) = speed {
        findings.count("tocsin.port.speed", &[("hw.id", &id)], speed);
    }
    let count = |file: &str| counter(&host.text(format!("{folder}/statistics/{file}"))?);
    tell_traffic(&id, count("rx_words"), count("tx_words"), findings);
    tell_errors(&id, &FC_ERRORS, count, findings);
}

fn infiniband_port(host: &Host, adapter: &str, port: &str, best: &mut Bests, findings: &mut Findings) {
    let folder = format!("sys/class/infiniband/{adapter}/ports/{port}");
    let text = |file: &str| host.text(format!("{folder}/{file}")).unwrap_or_default();
    let (state, physical) = (text("state"), text("phys_state"));
    // Over Ethernet the network interface tells the same; a port that is disabled is meant to be.
    if state.is_empty() || text("link_layer") == "Ethernet" || physical.contains("Disabled") {
        return;
    }
    let id = format!("{adapter}/{port}");
    let mut part = Part::new("port", id.as_str());
    let word = state
        .split_once(':')
        .map_or(state.as_str(), |(_, word)| word)
        .trim()
        .to_owned();
    match word.as_str() {
        "ACTIVE" => {}
        "INIT" | "ARMED" | "ACTIVE_DEFER" => part.judge(PartStatus::Degraded, format!("it is {word}")),
        _ => part.judge(PartStatus::Failed, format!("it is {word}")),
    }
    let speed = gigabits(&text("rate"));
    if word == "ACTIVE" {
        judge_speed(best, speed, host, &mut part);
    }
    let parent = |file: &str| {
        host.text(format!("sys/class/infiniband/{adapter}/{file}"))
            .unwrap_or_default()
    };
    part.detail("model", parent("hca_type"));
    part.detail("firmware", parent("fw_ver"));
    part.detail("adapter", adapter);
    findings.part(part);
    if let Some(speed) = speed {
        findings.count("tocsin.port.speed", &[("hw.id", &id)], speed);
    }
    let count = |file: &str| host.number(format!("{folder}/counters/{file}"));
    tell_traffic(&id, count("port_rcv_data"), count("port_xmit_data"), findings);
    tell_errors(&id, &INFINIBAND_ERRORS, count, findings);
}

/// The verdict on the speed of a port that is online, in bit/s.
fn judge_speed(best: &mut Bests, speed: Option<u64>, host: &Host, part: &mut Part) {
    let Some(speed) = speed else {
        return part.judge(PartStatus::Degraded, "it is online at an unknown speed");
    };
    let best = best.note(&part.id, speed, host.now);
    if speed < best {
        let (now, was) = (in_gigabits(speed), in_gigabits(best));
        part.judge(
            PartStatus::Degraded,
            format!("it runs at {now} Gbit/s and ran at {was} Gbit/s"),
        );
    }
}

/// For people; exact below 2^53 bit/s.
#[allow(clippy::cast_precision_loss)]
fn in_gigabits(speed: u64) -> f64 {
    speed as f64 / 1e9
}

fn tell_traffic(id: &str, received: Option<u64>, sent: Option<u64>, findings: &mut Findings) {
    for (direction, words) in [("receive", received), ("transmit", sent)] {
        if let Some(bytes) = words.and_then(|words| words.checked_mul(WORD_BYTES)) {
            let attributes = [("hw.id", id), ("network.io.direction", direction)];
            findings.count("hw.network.io", &attributes, bytes);
        }
    }
}

fn tell_errors(id: &str, names: &[(&str, &str)], count: impl Fn(&str) -> Option<u64>, findings: &mut Findings) {
    for (file, kind) in names {
        if let Some(errors) = count(file) {
            let attributes = [("error.type", *kind), ("hw.id", id), ("hw.type", "port")];
            findings.count("hw.errors", &attributes, errors);
        }
    }
}

/// `16 Gbit`, `40 Gb/sec (4X QDR)`, `2.5 Gb/sec (1X SDR)`; `None` for `unknown`. In bit/s.
fn gigabits(text: &str) -> Option<u64> {
    let (number, unit) = text.trim().split_once(' ')?;
    let number: f64 = number.parse().ok()?;
    // In range, and a millionth of a bit does not matter.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    (unit.starts_with("Gb") && number > 0.0 && number < 1e6).then_some((number * 1e9).round() as u64)
}

/// A hexadecimal counter; `None` when the adapter has none.
fn counter(text: &str) -> Option<u64> {
    let value = u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()?;
    (value != u64::MAX).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::timed;
    use crate::surveys::stand::Stand;
    use PartStatus::{Degraded, Failed, Ok, Unread};

    const WWPN: &str = "0x10000000c9000001";

    fn stand(state: &str, speed: &str) -> Stand {
        Stand::new(&[
            ("sys/class/fc_host/host3/port_state", state),
            ("sys/class/fc_host/host3/port_name", "0x10000000c9000001\n"),
            ("sys/class/fc_host/host3/speed", speed),
            ("sys/class/fc_host/host3/statistics/rx_words", "0x10"),
            ("sys/class/fc_host/host3/statistics/tx_words", "0xffffffffffffffff"),
            ("sys/class/fc_host/host3/statistics/invalid_crc_count", "0x2"),
            ("sys/class/fc_host/host3/statistics/error_frames", "0xffffffffffffffff"),
        ])
    }

    #[test]
    fn a_port_is_as_well_as_its_link() {
        for (state, speed, verdict) in [
            ("Online", "16 Gbit", (Ok, "")),
            ("Online", "unknown", (Degraded, "it is online at an unknown speed")),
            ("Linkdown", "unknown", (Failed, "it is Linkdown")),
            ("Offline", "16 Gbit", (Failed, "it is Offline")),
            ("Unknown", "unknown", (Unread, "its state is unknown")),
        ] {
            let seen = stand(state, speed).look(&mut Fc::default());
            assert_eq!(seen.verdict("port", WWPN), verdict, "{state} {speed}");
        }
    }

    #[test]
    fn a_link_that_came_back_slower_is_degraded() {
        let (stand, mut survey) = (stand("Online", "16 Gbit"), Fc::default());
        stand.look(&mut survey);
        stand.write("sys/class/fc_host/host3/speed", "8 Gbit");
        let reason = "it runs at 8 Gbit/s and ran at 16 Gbit/s";
        assert_eq!(stand.look(&mut survey).verdict("port", WWPN), (Degraded, reason));
        stand.write("sys/class/fc_host/host3/speed", "32 Gbit");
        assert_eq!(stand.look(&mut survey).verdict("port", WWPN), (Ok, ""));
    }

    #[test]
    fn the_best_speed_is_known_after_a_restart() {
        let stand = stand("Online", "16 Gbit").remembering();
        stand.look(&mut Fc::default());
        stand.write("sys/class/fc_host/host3/speed", "8 Gbit");
        let reason = "it runs at 8 Gbit/s and ran at 16 Gbit/s";
        let after = stand.look(&mut Fc::default());
        assert_eq!(after.verdict("port", WWPN), (Degraded, reason));
    }

    #[test]
    fn counters_that_an_adapter_does_not_have_are_absent() {
        let seen = stand("Online", "16 Gbit").look(&mut Fc::default());
        let told: Vec<_> = seen
            .values
            .iter()
            .map(|(name, value)| (name.as_str(), *value))
            .collect();
        assert_eq!(
            told,
            [
                ("hw.errors{error.type=crc,hw.id=0x10000000c9000001,hw.type=port}", 2.0),
                (
                    "hw.network.io{hw.id=0x10000000c9000001,network.io.direction=receive}",
                    64.0
                ),
                ("tocsin.port.speed{hw.id=0x10000000c9000001}", 16e9),
            ]
        );
    }

    #[test]
    fn infiniband_ports_are_judged_where_they_are_meant_to_work() {
        let stand = Stand::new(&[
            ("sys/class/infiniband/mlx5_0/ports/1/state", "4: ACTIVE"),
            ("sys/class/infiniband/mlx5_0/ports/1/rate", "100 Gb/sec (4X EDR)"),
            ("sys/class/infiniband/mlx5_0/ports/1/counters/port_xmit_data", "10"),
            (
                "sys/class/infiniband/mlx5_0/ports/1/counters/symbol_error",
                "N/A (no PMA)",
            ),
            ("sys/class/infiniband/mlx5_0/ports/2/state", "1: DOWN"),
            ("sys/class/infiniband/mlx5_0/ports/2/phys_state", "2: Polling"),
            ("sys/class/infiniband/mlx5_0/ports/3/state", "1: DOWN"),
            ("sys/class/infiniband/mlx5_0/ports/3/phys_state", "3: Disabled"),
            ("sys/class/infiniband/mlx5_1/ports/1/state", "1: DOWN"),
            ("sys/class/infiniband/mlx5_1/ports/1/link_layer", "Ethernet"),
        ]);
        let seen = stand.look(&mut Fc::default());
        assert_eq!(seen.verdict("port", "mlx5_0/1"), (Ok, ""));
        assert_eq!(seen.verdict("port", "mlx5_0/2"), (Failed, "it is DOWN"));
        assert_eq!(seen.parts.len(), 2);
        assert_eq!(
            seen.values["hw.network.io{hw.id=mlx5_0/1,network.io.direction=transmit}"],
            40.0
        );
        assert_eq!(seen.values["tocsin.port.speed{hw.id=mlx5_0/1}"], 1e11);
        assert_eq!(seen.values.len(), 2);
    }

    #[test]
    fn any_text_is_survived() {
        bolero::check!().for_each(timed(|bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            assert_ne!(counter(&text), Some(u64::MAX));
            assert!(gigabits(&text).is_none_or(|speed| speed <= 1_000_000_000_000_000));
        }));
    }

    #[test]
    fn recorded_adapters_have_state_speed_and_counters() {
        let Some(stand) = Stand::recorded() else { return };
        let seen = stand.look(&mut Fc::default());
        let first = "0x1000e0071bce95f2";
        assert_eq!(seen.verdict("port", first), (Ok, ""));
        assert_eq!(seen.verdict("port", "host1"), (Ok, ""));
        assert_eq!(seen.verdict("port", "mlx4_0/1"), (Ok, ""));
        for (name, value) in [
            (format!("tocsin.port.speed{{hw.id={first}}}"), 16e9),
            ("tocsin.port.speed{hw.id=host1}".to_owned(), 8e9),
            (
                format!("hw.network.io{{hw.id={first},network.io.direction=receive}}"),
                16.0,
            ),
            (
                format!("hw.errors{{error.type=link_failure,hw.id={first},hw.type=port}}"),
                9.0,
            ),
            ("tocsin.port.speed{hw.id=mlx4_0/1}".to_owned(), 4e10),
        ] {
            assert_eq!(seen.values.get(&name), Some(&value), "{name}");
        }
        assert!(
            !seen
                .values
                .keys()
                .any(|name| name.contains("dumped_frame,hw.id=0x1000"))
        );
    }
}
