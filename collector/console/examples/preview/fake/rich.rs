//! A storage node that has something of everything: what its agent would tell.

use super::*;

/// Its number among the hosts.
pub(crate) const RICH: u8 = 3;

/// Parts of the rich host.
pub(crate) const PARTS: &str = r#"[
    {"type":"block_device","id":"sda","status":"ok","reason":"","details":{"model":"ST4000NM0035","size":"4000787030016 B","media":"rotating"}},
    {"type":"block_device","id":"sdb","status":"ok","reason":"","details":{"model":"ST4000NM0035","size":"4000787030016 B","media":"rotating"}},
    {"type":"block_device","id":"nvme0n1","status":"ok","reason":"","details":{"model":"SAMSUNG MZQL2960","size":"960197124096 B","media":"solid state"}},
    {"type":"disk","id":"ZC1A","status":"ok","reason":"","details":{"device":"sda","model":"ST4000NM0035","serial":"ZC1A"}},
    {"type":"disk","id":"ZC1B","status":"failed","reason":"it predicts its own failure; 24 sectors could not be read","details":{"device":"sdb","model":"ST4000NM0035","serial":"ZC1B"}},
    {"type":"disk","id":"S6X","status":"ok","reason":"","details":{"device":"nvme0","model":"SAMSUNG MZQL2960","serial":"S6X"}},
    {"type":"array","id":"md0","status":"degraded","reason":"1 of 2 members works","details":{"level":"raid1","size":"4000650100736 B"}},
    {"type":"array_member","id":"md0/sda1","status":"ok","reason":"","details":{"role":"member"}},
    {"type":"array_member","id":"md0/sdb1","status":"failed","reason":"the kernel removed it from the array after an error","details":{"role":"member"}},
    {"type":"controller","id":"c0","status":"ok","reason":"","details":{"model":"PERC H730 Mini","firmware":"25.5.9"}},
    {"type":"multipath","id":"3600508b4","status":"degraded","reason":"3 of 4 paths work","details":{"name":"mpatha","product":"HITACHI,OPEN-V","size":"2.0T"}},
    {"type":"port","id":"eno1","status":"ok","reason":"","details":{"state":"up","speed":"10 Gbit/s","master":"bond0"}},
    {"type":"port","id":"eno2","status":"failed","reason":"its link is gone","details":{"state":"down","master":"bond0"}},
    {"type":"bond","id":"bond0","status":"degraded","reason":"eno2 has no link","details":{"mode":"802.3ad","slaves":"eno1 eno2"}},
    {"type":"port","id":"0x10000090fa1b","status":"ok","reason":"","details":{"adapter":"host1","type":"NPort (fabric via point-to-point)"}},
    {"type":"fan","id":"ipmi/30h","status":"ok","reason":"","details":{"name":"Fan1"}},
    {"type":"temperature","id":"hwmon0/temp1","status":"ok","reason":"","details":{"name":"Package id 0"}},
    {"type":"power_supply","id":"ipmi/64h","status":"unread","reason":"no reading","details":{"name":"PS2 Status"}},
    {"type":"ups","id":"ups0","status":"ok","reason":"","details":{"model":"SMT1500"}},
    {"type":"memory","id":"mc0/DIMM_A1","status":"ok","reason":"","details":{"label":"DIMM_A1"}},
    {"type":"clock","id":"clock","status":"ok","reason":"","details":{"service":"chrony","source":"10.0.0.1"}},
    {"type":"unit","id":"backup.service","status":"failed","reason":"it ended with exit code 1","details":{"description":"Nightly backup","state":"failed","substate":"failed"}}]"#;

type Line = (&'static str, &'static [(&'static str, &'static str)], f64);

/// Newest values and rates of the rich host.
pub(crate) const LINES: &[Line] = &[
    ("hw.temperature", &[("hw.id", "ZC1A"), ("hw.type", "disk")], 38.0),
    ("hw.temperature", &[("hw.id", "ZC1B"), ("hw.type", "disk")], 47.0),
    ("hw.temperature", &[("hw.id", "S6X"), ("hw.type", "disk")], 41.0),
    (
        "hw.temperature",
        &[("hw.id", "hwmon0/temp1"), ("hw.name", "Package id 0")],
        61.0,
    ),
    (
        "hw.temperature.limit",
        &[("hw.id", "hwmon0/temp1"), ("hw.limit_type", "high.critical")],
        95.0,
    ),
    ("hw.fan.speed", &[("hw.id", "ipmi/30h"), ("hw.name", "Fan1")], 5_880.0),
    ("hw.voltage", &[("hw.id", "hwmon1/in0"), ("hw.name", "VCORE")], 1.016),
    ("hw.battery.charge", &[("hw.id", "ups0")], 0.97),
    ("hw.battery.time_left", &[("hw.id", "ups0")], 2_640.0),
    ("tocsin.ups.on_battery", &[("hw.id", "ups0")], 0.0),
    (
        "system.disk.operations",
        &[("disk.io.direction", "read"), ("system.device", "sda")],
        40.0,
    ),
    (
        "system.disk.operation_time",
        &[("disk.io.direction", "read"), ("system.device", "sda")],
        0.31,
    ),
    (
        "system.disk.operations",
        &[("disk.io.direction", "read"), ("system.device", "nvme0n1")],
        900.0,
    ),
    (
        "system.disk.operation_time",
        &[("disk.io.direction", "read"), ("system.device", "nvme0n1")],
        0.2,
    ),
    ("tocsin.array.members.present", &[("hw.id", "md0")], 1.0),
    ("tocsin.array.members.wanted", &[("hw.id", "md0")], 2.0),
    ("tocsin.array.progress", &[("hw.id", "md0")], 0.343),
    ("tocsin.multipath.paths.working", &[("hw.id", "3600508b4")], 3.0),
    ("tocsin.multipath.paths.known", &[("hw.id", "3600508b4")], 4.0),
    (
        "system.filesystem.limit",
        &[
            ("system.device", "/dev/md0"),
            ("system.filesystem.mountpoint", "/"),
            ("system.filesystem.type", "xfs"),
        ],
        4e12,
    ),
    (
        "tocsin.filesystem.hung",
        &[
            ("system.device", "nas:/share"),
            ("system.filesystem.mountpoint", "/mnt/nas"),
            ("system.filesystem.type", "nfs4"),
        ],
        1.0,
    ),
    ("tocsin.network.up", &[("network.interface.name", "bond0")], 1.0),
    ("tocsin.network.up", &[("network.interface.name", "eno1")], 1.0),
    ("tocsin.network.up", &[("network.interface.name", "eno2")], 0.0),
    ("tocsin.network.speed", &[("network.interface.name", "eno1")], 1e10),
    ("tocsin.network.full_duplex", &[("network.interface.name", "eno1")], 1.0),
    (
        "tocsin.network.bond.slaves",
        &[("network.interface.name", "bond0")],
        2.0,
    ),
    (
        "tocsin.network.bond.slaves.up",
        &[("network.interface.name", "bond0")],
        1.0,
    ),
    (
        "system.network.errors",
        &[("network.interface.name", "eno1"), ("network.io.direction", "receive")],
        0.001,
    ),
    ("tocsin.network.routes.default", &[("network.type", "ipv4")], 1.0),
    (
        "tocsin.network.gateway.reachable",
        &[
            ("network.interface.name", "bond0"),
            ("tocsin.network.gateway", "10.20.0.254"),
        ],
        1.0,
    ),
    (
        "tocsin.network.gateway.round_trip",
        &[
            ("network.interface.name", "bond0"),
            ("tocsin.network.gateway", "10.20.0.254"),
        ],
        0.000_31,
    ),
    ("tocsin.network.conntrack.utilization", &[], 0.08),
    (
        "system.network.connection.count",
        &[
            ("network.connection.state", "established"),
            ("network.transport", "tcp"),
        ],
        312.0,
    ),
    (
        "system.network.connection.count",
        &[("network.connection.state", "time_wait"), ("network.transport", "tcp")],
        44.0,
    ),
    ("tocsin.port.speed", &[("hw.id", "0x10000090fa1b")], 1.6e10),
    (
        "hw.network.io",
        &[("hw.id", "0x10000090fa1b"), ("network.io.direction", "receive")],
        7.3e7,
    ),
    ("tocsin.units.failed", &[], 1.0),
    (
        "tocsin.process.group.count",
        &[("tocsin.process.group", "postgres")],
        14.0,
    ),
    ("tocsin.process.group.count", &[("tocsin.process.group", "nfsd")], 8.0),
    (
        "tocsin.process.group.memory.usage",
        &[("tocsin.process.group", "postgres")],
        9.1e9,
    ),
    (
        "tocsin.process.group.oldest",
        &[("tocsin.process.group", "postgres")],
        3_542_400.0,
    ),
    ("tocsin.clock.offset", &[], -0.000_12),
    ("tocsin.clock.synchronized", &[], 1.0),
    ("tocsin.agent.memory.usage", &[], 7.1e6),
    ("tocsin.agent.cpu.time", &[], 0.002),
    ("tocsin.agent.surveys.stuck", &[], 1.0),
];

/// Whether this is the rich host.
pub(crate) fn is(host: HostId) -> bool {
    host == HostId::from_bytes([RICH; 16])
}
