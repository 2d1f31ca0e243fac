//! What a host's page says about made-up hosts.

use super::{network::Traffic, *};
use tocsin_vocabulary::{Timestamp, catalogue};

fn latest(metric: &str, attributes: &[(&str, &str)], value: f64) -> LatestValue {
    LatestValue {
        series: catalogue::metric(metric).unwrap().series(attributes),
        value: Some(value),
    }
}

fn rate(metric: &str, attributes: &[(&str, &str)], value: f64) -> AnswerSeries {
    AnswerSeries {
        series: catalogue::metric(metric).unwrap().series(attributes),
        unit: String::new(),
        points: vec![
            (Timestamp::from_millis(0), Some(value)),
            (Timestamp::from_millis(1), None),
        ],
    }
}

fn part(kind: &str, id: &str, status: &str, reason: &str, details: &[(&str, &str)]) -> Part {
    Part {
        kind: kind.to_owned(),
        id: id.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        details: details
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

#[test]
fn a_host_that_tells_nothing_has_no_rows() {
    let known = Known::default();
    assert!(disks(&known).is_empty() && volumes(&known).is_empty() && file_systems(&known).is_empty());
    assert!(interfaces(&known).is_empty() && adapters(&known).is_empty() && gateways(&known).is_empty());
    assert!(sensors(&known).is_empty() && units(&known).is_empty() && groups(&known).is_empty());
    assert!(clock(&known).is_none() && agent(&known).is_empty());
    assert_eq!(traffic(&known), Traffic::default());
}

#[test]
fn a_disk_is_put_together_from_kernel_smart_array_and_counters() {
    let parts = [
        part(
            "block_device",
            "sda",
            "ok",
            "",
            &[("size", "4000787030016 B"), ("model", "ST4")],
        ),
        part("block_device", "sdb", "ok", "", &[]),
        part("disk", "S1", "ok", "", &[("device", "sda"), ("serial", "S1")]),
        part(
            "disk",
            "S2",
            "failed",
            "it predicts its own failure",
            &[("device", "/dev/sdb")],
        ),
        part("array_member", "md0/sda1", "ok", "", &[]),
        part("array_member", "md127/sdaa1", "ok", "", &[]),
        part("multipath", "3600", "ok", "", &[("name", "mpatha")]),
        part("path", "3600/1:0:0:1", "ok", "", &[("device", "sda")]),
    ];
    let values = [
        latest("hw.temperature", &[("hw.id", "S1"), ("hw.type", "disk")], 38.0),
        latest("system.disk.io_time", &[("system.device", "dm-0")], 5.0),
        latest("system.disk.io_time", &[("system.device", "sda")], 5.0),
    ];
    let way = |way| [("disk.io.direction", way), ("system.device", "sda")];
    let rates = [
        rate("system.disk.io_time", &[("system.device", "sda")], 1.2),
        rate("system.disk.operation_time", &way("read"), 0.1),
        rate("system.disk.operation_time", &way("write"), 0.3),
        rate("system.disk.operations", &way("read"), 10.0),
        rate("system.disk.operations", &way("write"), 30.0),
    ];
    let disks = disks(&Known::new(&values, &rates, &[], &parts));
    let names: Vec<&str> = disks.iter().map(|disk| disk.device.as_str()).collect();
    assert_eq!(
        names,
        ["sdb", "sda"],
        "the one that fails first, and what is mapped not at all"
    );
    assert_eq!(
        (disks[0].smart, disks[0].standing.reason.as_str()),
        (Some(Health::Failed), "it predicts its own failure")
    );
    let well = &disks[1];
    assert_eq!((well.smart, well.standing.health), (Some(Health::Well), Health::Well));
    assert_eq!((well.temperature, well.utilization), (Some(38.0), Some(1.0)));
    assert_eq!(well.latency, Some(0.01));
    assert_eq!(well.member_of, ["md0", "mpatha"]);
    assert_eq!((well.size, well.serial.as_str()), (Some(4_000_787_030_016.0), "S1"));
    assert_eq!(
        (disks[0].temperature, disks[0].latency),
        (None, None),
        "unknown is not zero"
    );
}

#[test]
fn a_controller_and_its_namespace_are_one_disk() {
    let parts = [
        part("block_device", "nvme0n1", "ok", "", &[]),
        part("disk", "N1", "unread", "permission denied", &[("device", "nvme0")]),
    ];
    let disks = disks(&Known::new(&[], &[], &[], &parts));
    assert_eq!(disks.len(), 1);
    assert_eq!(
        disks[0].standing.health,
        Health::Unread,
        "what can't be read is not well"
    );
}

#[test]
fn arrays_tell_their_members_and_pools_how_full_they_are() {
    let parts = [
        part("pool", "tank", "ok", "", &[]),
        part("array", "md0", "degraded", "1 of 2 members", &[("level", "raid1")]),
    ];
    let values = [
        latest("tocsin.array.members.present", &[("hw.id", "md0")], 1.0),
        latest("tocsin.array.members.wanted", &[("hw.id", "md0")], 2.0),
        latest("tocsin.array.progress", &[("hw.id", "md0")], 0.25),
        latest("tocsin.pool.utilization", &[("hw.id", "tank")], 0.5),
    ];
    let known = Known::new(&values, &[], &[], &parts);
    let volumes = volumes(&known);
    assert_eq!(volumes[0].members, Some((1.0, 2.0)));
    assert_eq!((volumes[0].progress, volumes[1].utilization), (Some(0.25), Some(0.5)));
}

#[test]
fn a_file_system_that_does_not_answer_comes_before_a_full_one() {
    let on = |mount| {
        [
            ("system.device", "x"),
            ("system.filesystem.mountpoint", mount),
            ("system.filesystem.type", "nfs4"),
        ]
    };
    let used = |mount| {
        [
            ("system.filesystem.mountpoint", mount),
            ("system.filesystem.state", "used"),
        ]
    };
    let values = [
        latest("system.filesystem.utilization", &used("/"), 0.2),
        latest("system.filesystem.utilization", &used("/var"), 0.97),
        latest("tocsin.filesystem.hung", &on("/mnt"), 1.0),
    ];
    let systems = file_systems(&Known::new(&values, &[], &[], &[]));
    let mounts: Vec<&str> = systems.iter().map(|system| system.mount.as_str()).collect();
    assert_eq!(mounts, ["/mnt", "/var", "/"]);
    assert_eq!(
        (systems[0].hung, systems[0].kind.as_str(), systems[0].utilization),
        (true, "nfs4", None)
    );
}

#[test]
fn interfaces_and_adapters_are_told_apart() {
    let parts = [
        part(
            "port",
            "eth0",
            "degraded",
            "it runs in half duplex",
            &[("master", "bond0")],
        ),
        part("bond", "bond0", "ok", "", &[("mode", "802.3ad")]),
        part("port", "0x1000", "failed", "it is Linkdown", &[("adapter", "host1")]),
    ];
    let on = |name| [("network.interface.name", name)];
    let values = [
        latest("tocsin.network.up", &on("bond0"), 1.0),
        latest("tocsin.network.up", &on("eth0"), 1.0),
        latest("tocsin.network.up", &on("lo"), 1.0),
        latest("tocsin.network.full_duplex", &on("eth0"), 0.0),
        latest("tocsin.network.bond.slaves", &on("bond0"), 2.0),
        latest("tocsin.network.bond.slaves.up", &on("bond0"), 1.0),
    ];
    let way = |way| [("network.interface.name", "eth0"), ("network.io.direction", way)];
    let hourly = [
        rate("system.network.errors", &way("receive"), 0.01),
        rate("system.network.errors", &way("transmit"), 0.0),
    ];
    let known = Known::new(&values, &[], &hourly, &parts);
    let interfaces = interfaces(&known);
    assert_eq!(interfaces.len(), 2);
    assert_eq!(
        (interfaces[0].name.as_str(), interfaces[0].errors),
        ("eth0", Some(36.0))
    );
    assert_eq!(
        (interfaces[0].full_duplex, interfaces[0].master.as_str()),
        (Some(false), "bond0")
    );
    assert_eq!(
        (interfaces[1].slaves, interfaces[1].mode.as_str()),
        (Some((1.0, 2.0)), "802.3ad")
    );
    assert_eq!(adapters(&known)[0].part.id, "0x1000");
}

#[test]
fn sensors_have_their_limits_and_verdicts_and_disks_are_not_among_them() {
    let parts = [
        part("temperature", "coretemp/1", "ok", "", &[]),
        part("fan", "FAN1", "failed", "it stands still", &[]),
        part("ups", "ups0", "ok", "", &[]),
    ];
    let values = [
        latest("hw.temperature", &[("hw.id", "S1"), ("hw.type", "disk")], 38.0),
        latest(
            "hw.temperature",
            &[("hw.id", "coretemp/1"), ("hw.name", "Package")],
            61.0,
        ),
        latest(
            "hw.temperature.limit",
            &[("hw.id", "coretemp/1"), ("hw.limit_type", "high.critical")],
            100.0,
        ),
        latest("hw.battery.charge", &[("hw.id", "ups0")], 0.87),
        latest("tocsin.ups.on_battery", &[("hw.id", "ups0")], 1.0),
    ];
    let sensors = sensors(&Known::new(&values, &[], &[], &parts));
    let kinds: Vec<&str> = sensors.iter().map(|sensor| sensor.kind.as_str()).collect();
    assert_eq!(kinds, ["fan", "ups", "temperature"]);
    assert!(sensors[1].on_battery);
    assert_eq!(sensors[1].readings, [(0.87, "1")]);
    assert_eq!(sensors[2].limits, [("high.critical".to_owned(), 100.0)]);
    assert_eq!(sensors[2].name, "Package");
}

#[test]
fn a_gateway_a_group_and_a_clock_tell_what_they_are_asked() {
    let way = [
        ("network.interface.name", "eth0"),
        ("tocsin.network.gateway", "10.0.0.1"),
    ];
    let values = [
        latest("tocsin.network.gateway.reachable", &way, 0.0),
        latest("tocsin.process.group.count", &[("tocsin.process.group", "db")], 2.0),
        latest("tocsin.process.group.count", &[("tocsin.process.group", "web")], 0.0),
        latest("tocsin.clock.synchronized", &[], 0.0),
        latest("tocsin.agent.surveys.stuck", &[], 1.0),
        latest("tocsin.agent.surveys.off", &[], 0.0),
    ];
    let known = Known::new(&values, &[], &[], &[]);
    assert_eq!(gateways(&known)[0].reachable, Some(false));
    assert_eq!(groups(&known)[0].name, "web", "what does not run comes first");
    assert_eq!(clock(&known).unwrap().synchronized, Some(false));
    assert_eq!(agent(&known), [("stuck", 1.0, "")]);
}

#[test]
fn a_word_that_is_new_to_us_is_not_taken_for_well() {
    assert_eq!(part("fan", "1", "perhaps", "", &[]).health(), Health::Unread);
    let parts = [part("fan", "1", "ok", "", &[]), part("fan", "2", "failed", "dead", &[])];
    let standing = Standing::of(&parts);
    assert_eq!((standing.health, standing.reason.as_str()), (Health::Failed, "dead"));
}
