//! Ports and bonds in every state.

use super::*;
use crate::fuzzing::any_like;
use crate::surveys::stand::{Stand, assert_values, status, verdict};

/// A port with a link at 10 Gbit/s.
fn port(stand: &Stand, name: &str) {
    stand.link(&format!("{FOLDER}/{name}/device"), "../../../0000:3b:00.0");
    for (file, text) in [
        ("operstate", "up"),
        ("carrier", "1"),
        ("carrier_changes", "2"),
        ("carrier_up_count", "1"),
        ("flags", "0x1003"),
        ("speed", "10000"),
        ("duplex", "full"),
        ("address", "02:00:00:00:00:01"),
    ] {
        stand.write(&format!("{FOLDER}/{name}/{file}"), text);
    }
}

fn set(stand: &Stand, name: &str, files: &[(&str, &str)]) {
    for (file, text) in files {
        stand.write(&format!("{FOLDER}/{name}/{file}"), text);
    }
}

fn links() -> Links {
    Links::new(vec!["veth*".to_owned(), "eth9".to_owned()])
}

#[test]
fn a_port_says_what_it_is_and_is_well_while_its_link_is() {
    let stand = Stand::new(&[]);
    port(&stand, "eth0");
    stand.link(&format!("{FOLDER}/eth0/master"), "../bond0");
    let found = stand.look_at(&mut links(), 0);
    let part = &found.parts[0];
    assert_eq!(
        (part.kind, part.id.as_str(), part.status),
        ("port", "eth0", PartStatus::Ok)
    );
    let details: Vec<_> = part.details.iter().map(|(key, text)| (*key, text.as_str())).collect();
    assert_eq!(
        details,
        [
            ("address", "02:00:00:00:00:01"),
            ("bus", "0000:3b:00.0"),
            ("master", "bond0"),
            ("speed", "10 Gbit/s"),
            ("state", "up"),
        ]
    );
}

#[test]
fn only_physical_ports_that_are_watched_are_told() {
    let stand = Stand::new(&[]);
    for name in ["eth0", "eth9", "eth1v0"] {
        port(&stand, name);
    }
    stand.write("sys/class/0000:3b:00.0/x", "");
    stand.remove(&format!("{FOLDER}/eth1v0/device"));
    stand.link(&format!("{FOLDER}/eth1v0/device"), "../../../0000:3b:02.0");
    stand.write(&format!("{FOLDER}/eth1v0/device/physfn/x"), "");
    set(&stand, "lo", &[("operstate", "unknown"), ("flags", "0x9")]);
    set(
        &stand,
        "tun0",
        &[("operstate", "unknown"), ("carrier", "0"), ("flags", "0x1")],
    );
    stand.write(&format!("{FOLDER}/bonding_masters"), "");
    let found = stand.look_at(&mut links(), 0);
    let names: Vec<_> = found.parts.iter().map(|part| part.id.as_str()).collect();
    assert_eq!(names, ["eth0"]);
}

#[test]
fn a_link_that_was_there_and_is_gone_failed() {
    let down: &[(&str, &str)] = &[
        ("operstate", "down"),
        ("carrier", "0"),
        ("speed", "-1"),
        ("duplex", "unknown"),
    ];
    for (before, files, expected) in [
        ("never had one", &[("carrier_up_count", "0")][..], PartStatus::Ok),
        (
            "had one before this start",
            &[("carrier_up_count", "3")],
            PartStatus::Failed,
        ),
        ("switched off", &[("flags", "0x1002")], PartStatus::Ok),
    ] {
        let stand = Stand::new(&[]);
        port(&stand, "eth0");
        set(&stand, "eth0", down);
        set(&stand, "eth0", files);
        let found = stand.look_at(&mut links(), 0);
        assert_eq!(status(&found, "port", "eth0"), Some(expected), "{before}");
    }
    // Without the kernel's count the agent's own memory serves.
    let stand = Stand::new(&[]);
    port(&stand, "eth0");
    for file in ["carrier_up_count", "carrier_changes"] {
        stand.remove(&format!("{FOLDER}/eth0/{file}"));
    }
    let mut links = links();
    stand.look_at(&mut links, 0);
    set(&stand, "eth0", down);
    let found = stand.look_at(&mut links, 30);
    assert_eq!(
        verdict(&found, "port", "eth0"),
        Some((PartStatus::Failed, "its link is gone".to_owned()))
    );
    set(&stand, "eth0", &[("flags", "0x1002")]);
    assert_eq!(
        status(&stand.look_at(&mut links, 60), "port", "eth0"),
        Some(PartStatus::Ok)
    );
}

#[test]
fn a_slower_link_than_before_and_half_duplex_are_degraded() {
    let stand = Stand::new(&[]);
    port(&stand, "eth0");
    let mut links = links();
    stand.look_at(&mut links, 0);
    set(&stand, "eth0", &[("speed", "100")]);
    assert_eq!(
        verdict(&stand.look_at(&mut links, 30), "port", "eth0"),
        Some((
            PartStatus::Degraded,
            "it runs at 100 Mbit/s and ran at 10 Gbit/s before".to_owned()
        ))
    );
    set(&stand, "eth0", &[("speed", "4294967295")]);
    assert_eq!(
        status(&stand.look_at(&mut links, 60), "port", "eth0"),
        Some(PartStatus::Ok)
    );
    set(&stand, "eth0", &[("speed", "10000"), ("duplex", "half")]);
    assert_eq!(
        verdict(&stand.look_at(&mut links, 90), "port", "eth0"),
        Some((PartStatus::Degraded, "it runs in half duplex".to_owned()))
    );
    assert_eq!(speed_text(2_500), "2.5 Gbit/s");
}

#[test]
fn a_link_that_goes_up_and_down_is_degraded_for_an_hour() {
    let stand = Stand::new(&[]);
    port(&stand, "eth0");
    let mut links = links();
    let mut at = |second: u64, changes: &str| {
        set(&stand, "eth0", &[("carrier_changes", changes)]);
        status(&stand.look_at(&mut links, second), "port", "eth0")
    };
    assert_eq!(at(0, "40"), Some(PartStatus::Ok), "long ago");
    assert_eq!(at(30, "42"), Some(PartStatus::Ok), "a cable that was moved");
    assert_eq!(at(60, "46"), Some(PartStatus::Degraded));
    assert_eq!(at(3_629, "46"), Some(PartStatus::Degraded));
    assert_eq!(at(3_630, "46"), Some(PartStatus::Ok));
}

const LACP: &str = "\
Ethernet Channel Bonding Driver: v5.15.0

Bonding Mode: IEEE 802.3ad Dynamic link aggregation
Transmit Hash Policy: layer3+4 (1)
MII Status: up
MII Polling Interval (ms): 100

802.3ad info
LACP active: on
LACP rate: fast
Active Aggregator Info:
	Aggregator ID: 1
	Number of ports: 2
	Partner Mac Address: 02:00:00:00:00:aa

Slave Interface: eth0
MII Status: up
Speed: 10000 Mbps
Link Failure Count: 0
Permanent HW addr: 02:00:00:00:00:01
Aggregator ID: 1
details actor lacp pdu:
    system mac address: 02:00:00:00:00:01

Slave Interface: eth1
MII Status: up
Speed: 10000 Mbps
Link Failure Count: 2
Permanent HW addr: 02:00:00:00:00:02
Aggregator ID: 1
";

/// A host with bond0 as this text shows it.
fn bond(text: &str) -> Stand {
    let stand = Stand::new(&[]);
    set(&stand, "bond0", &[("flags", "0x1403")]);
    stand.write("proc/net/bonding/bond0", text);
    stand
}

#[test]
fn a_bond_is_judged_by_its_slaves() {
    let backup = LACP.replace(
        "IEEE 802.3ad Dynamic link aggregation",
        "fault-tolerance (active-backup)",
    );
    let second_down = |text: &str| {
        let (head, tail) = text.split_once("Slave Interface: eth1").unwrap();
        format!(
            "{head}Slave Interface: eth1{}",
            tail.replace("MII Status: up", "MII Status: down")
        )
    };
    for (text, expected, reason) in [
        (LACP.to_owned(), PartStatus::Ok, ""),
        (second_down(&backup), PartStatus::Degraded, "down: eth1"),
        (
            LACP.replace("MII Status: up", "MII Status: down"),
            PartStatus::Failed,
            "none of its slaves works",
        ),
        (
            LACP.replace(
                "Partner Mac Address: 02:00:00:00:00:aa",
                "Partner Mac Address: 00:00:00:00:00:00",
            ),
            PartStatus::Degraded,
            "no LACP partner answers",
        ),
        (
            LACP.replacen("02\nAggregator ID: 1", "02\nAggregator ID: 2", 1),
            PartStatus::Degraded,
            "outside the active aggregator: eth1",
        ),
        (
            backup.replacen("02\nAggregator ID: 1", "02\nAggregator ID: 2", 1),
            PartStatus::Ok,
            "",
        ),
    ] {
        let found = bond(&text).look_at(&mut links(), 0);
        assert_eq!(verdict(&found, "bond", "bond0"), Some((expected, reason.to_owned())));
    }
}

#[test]
fn slaves_and_their_failures_are_counted() {
    let stand = bond(LACP);
    let mut links = links();
    let found = stand.look_at(&mut links, 0);
    assert_values(
        &found,
        &[
            ("tocsin.network.bond.slaves{network.interface.name=bond0}", 2.0),
            ("tocsin.network.bond.slaves.up{network.interface.name=bond0}", 2.0),
            ("tocsin.network.bond.link_failures{network.interface.name=eth1}", 2.0),
        ],
    );
    assert_eq!(found.parts[0].details["slaves"], "eth0 eth1");
    stand.write(
        "proc/net/bonding/bond0",
        &LACP.replace("Failure Count: 2", "Failure Count: 3"),
    );
    assert_eq!(
        verdict(&stand.look_at(&mut links, 30), "bond", "bond0"),
        Some((PartStatus::Degraded, "failed within the last hour: eth1".to_owned()))
    );
}

#[test]
fn a_bond_with_fewer_slaves_than_before_is_degraded() {
    let stand = bond(LACP);
    let mut links = links();
    stand.look_at(&mut links, 0);
    let one = LACP.split("Slave Interface: eth1").next().unwrap();
    stand.write("proc/net/bonding/bond0", one);
    assert_eq!(
        verdict(&stand.look_at(&mut links, 30), "bond", "bond0"),
        Some((PartStatus::Degraded, "it has 1 of 2 slaves".to_owned()))
    );
    stand.write("proc/net/bonding/bond0", one.split("Slave Interface").next().unwrap());
    assert_eq!(
        status(&stand.look_at(&mut links, 60), "bond", "bond0"),
        Some(PartStatus::Failed)
    );
    set(&stand, "bond0", &[("flags", "0x1402")]);
    assert_eq!(
        status(&stand.look_at(&mut links, 90), "bond", "bond0"),
        Some(PartStatus::Ok)
    );
}

#[test]
fn without_proc_a_bond_is_read_from_sys() {
    let stand = Stand::new(&[]);
    set(
        &stand,
        "bond1",
        &[
            ("flags", "0x1403"),
            ("bonding/slaves", "eth2 eth3"),
            ("bonding/mode", "802.3ad 4"),
            ("bonding/mii_status", "up"),
            ("bonding/ad_partner_mac", "00:00:00:00:00:00"),
            ("lower_eth2/bonding_slave/mii_status", "up"),
        ],
    );
    set(
        &stand,
        "eth3",
        &[
            ("bonding_slave/mii_status", "down"),
            ("bonding_slave/link_failure_count", "5"),
        ],
    );
    let found = stand.look_at(&mut links(), 0);
    assert_eq!(
        verdict(&found, "bond", "bond1"),
        Some((PartStatus::Degraded, "down: eth3; no LACP partner answers".to_owned()))
    );
    assert_values(
        &found,
        &[
            ("tocsin.network.bond.slaves.up{network.interface.name=bond1}", 1.0),
            ("tocsin.network.bond.link_failures{network.interface.name=eth3}", 5.0),
        ],
    );
}

#[test]
fn the_best_speed_is_known_after_a_restart() {
    let stand = Stand::new(&[]).remembering();
    port(&stand, "eth0");
    set(&stand, "eth0", &[("speed", "10000")]);
    stand.look_at(&mut links(), 0);
    set(&stand, "eth0", &[("speed", "1000")]);
    assert_eq!(
        verdict(&stand.look_at(&mut links(), 30), "port", "eth0"),
        Some((
            PartStatus::Degraded,
            "it runs at 1 Gbit/s and ran at 10 Gbit/s before".to_owned()
        ))
    );
}

#[test]
fn any_text_is_a_bond() {
    any_like(&[LACP], |bytes: &[u8]| {
        let bond = bonds::Bond::parse(&String::from_utf8_lossy(bytes));
        assert!(bond.slaves.len() <= 64);
    });
}

#[test]
fn a_team_is_judged_by_the_links_of_its_ports() {
    let stand = Stand::new(&[("run/teamd/team0.pid", "812")]);
    for name in ["eth0", "eth1", "team0", "ovs-system", "eth2"] {
        port(&stand, name);
        set(&stand, name, &[("carrier_down_count", "3")]);
    }
    for (name, master) in [("eth0", "team0"), ("eth1", "team0"), ("eth2", "ovs-system")] {
        stand.link(&format!("{FOLDER}/{name}/master"), &format!("../{master}"));
    }
    let mut links = links();
    let found = stand.look_at(&mut links, 0);
    assert_eq!(status(&found, "bond", "team0"), Some(PartStatus::Ok));
    assert_eq!(status(&found, "bond", "ovs-system"), None, "another master");
    assert_values(
        &found,
        &[
            ("tocsin.network.bond.slaves{network.interface.name=team0}", 2.0),
            ("tocsin.network.bond.slaves.up{network.interface.name=team0}", 2.0),
            ("tocsin.network.bond.link_failures{network.interface.name=eth1}", 3.0),
        ],
    );
    set(&stand, "eth1", &[("operstate", "down"), ("carrier", "0")]);
    let found = stand.look_at(&mut links, 30);
    let down = Some((PartStatus::Degraded, "down: eth1".to_owned()));
    assert_eq!(verdict(&found, "bond", "team0"), down);
    set(&stand, "eth0", &[("operstate", "down"), ("carrier", "0")]);
    let found = stand.look_at(&mut links, 60);
    assert_eq!(status(&found, "bond", "team0"), Some(PartStatus::Failed));
}

#[test]
fn recorded_bonds_have_their_verdicts() {
    let Some(stand) = Stand::recorded() else { return };
    let found = stand.look_at(&mut links(), 0);
    assert_eq!(status(&found, "bond", "dmz"), Some(PartStatus::Ok));
    assert_eq!(
        verdict(&found, "bond", "int"),
        Some((PartStatus::Degraded, "down: eth1".to_owned()))
    );
    assert_eq!(status(&found, "bond", "bond0"), Some(PartStatus::Ok), "nobody uses it");
    assert_values(
        &found,
        &[
            ("tocsin.network.bond.slaves{network.interface.name=int}", 2.0),
            ("tocsin.network.bond.slaves.up{network.interface.name=int}", 1.0),
            ("tocsin.network.bond.slaves{network.interface.name=bond0}", 0.0),
        ],
    );
}
