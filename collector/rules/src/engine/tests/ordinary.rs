//! The default rules over ordinary hosts: silent while all is well, and each speaks of what it is meant for.

use super::*;

type Line = (&'static str, &'static [(&'static str, &'static str)], f64);

/// A healthy server with a bit of everything.
const WELL: &[Line] = &[
    ("tocsin.part.status", &[("hw.id", "S1"), ("hw.type", "disk")], 0.0),
    (
        "tocsin.part.status",
        &[("hw.id", "sda"), ("hw.type", "block_device")],
        0.0,
    ),
    ("tocsin.part.status", &[("hw.id", "md0"), ("hw.type", "array")], 0.0),
    (
        "tocsin.part.status",
        &[("hw.id", "mpatha"), ("hw.type", "multipath")],
        0.0,
    ),
    ("tocsin.part.status", &[("hw.id", "bond0"), ("hw.type", "bond")], 0.0),
    ("tocsin.part.status", &[("hw.id", "eth0"), ("hw.type", "port")], 0.0),
    ("tocsin.part.status", &[("hw.id", "FAN1"), ("hw.type", "fan")], 0.0),
    (
        "tocsin.part.status",
        &[("hw.id", "PS1"), ("hw.type", "power_supply")],
        0.0,
    ),
    ("tocsin.part.status", &[("hw.id", "new"), ("hw.type", "kind")], 0.0),
    (
        "tocsin.part.status",
        &[("hw.id", "db.service"), ("hw.type", "unit")],
        0.0,
    ),
    ("tocsin.ups.on_battery", &[("hw.id", "ups0")], 0.0),
    ("hw.battery.charge", &[("hw.id", "ups0")], 1.0),
    ("tocsin.pool.utilization", &[("hw.id", "tank")], 0.4),
    ("tocsin.lvm.data.utilization", &[("hw.id", "vg/thin")], 0.4),
    ("tocsin.lvm.metadata.utilization", &[("hw.id", "vg/thin")], 0.1),
    ("tocsin.updates.security", &[], 0.0),
    ("tocsin.clock.synchronized", &[], 1.0),
    ("tocsin.clock.offset", &[], -0.000_2),
    (
        "tocsin.network.gateway.reachable",
        &[
            ("network.interface.name", "eth0"),
            ("tocsin.network.gateway", "10.0.0.1"),
        ],
        1.0,
    ),
    ("tocsin.network.conntrack.utilization", &[], 0.05),
    ("tocsin.network.up", &[("network.interface.name", "eth0")], 1.0),
    ("tocsin.agent.surveys.stuck", &[], 0.0),
    ("system.uptime", &[], 400_000.0),
];

/// What two hours with these values, after one healthy tick, raise.
fn raised(lines: &[Line]) -> Vec<String> {
    let series = |(name, attributes, _): &Line| metric(name).unwrap().series(attributes);
    let dictionary = Dictionary::new(vec![Arc::new(Section::new(lines.iter().map(series).collect()))]);
    let mut engine = Engine::new(RuleSet::builtin());
    let (mut raised, changed) = (Vec::new(), vec![u64::MAX; lines.len().div_ceil(64)]);
    for minute in 0..26 * 60 {
        let value = |line: &Line| {
            let known = WELL.iter().find(|well| (well.0, well.1) == (line.0, line.1));
            if minute == 0 {
                known.map_or(line.2, |well| well.2)
            } else {
                line.2
            }
        };
        let cells = lines.iter().map(|line| {
            let decimals = metric(line.0).unwrap().decimals;
            Cell::from_f64(value(line), decimals)
        });
        let now = at(minute * 60);
        let tick = Tick {
            time: now,
            cells: cells.collect(),
        };
        let transitions = engine.tick(HOST, &dictionary, &tick, &changed, now, false);
        raised.extend(transitions.into_iter().map(|transition| transition.rule));
    }
    raised.sort_unstable();
    raised.dedup();
    raised
}

#[test]
fn a_healthy_host_raises_nothing() {
    assert_eq!(raised(WELL), Vec::<String>::new());
}

#[test]
fn each_default_rule_about_the_machine_speaks_of_its_own() {
    let ill = |metric: &'static str, kind: &str, value: f64| {
        let of_kind = |line: &&Line| line.1.iter().any(|(key, text)| *key == "hw.type" && *text == kind);
        let line = WELL
            .iter()
            .find(|line| line.0 == metric && (kind.is_empty() || of_kind(line)));
        let (name, attributes, _) = *line.unwrap();
        raised(&[(name, attributes, value)])
    };
    for (kind, value, rule) in [
        ("disk", 2.0, "disk-failed"),
        ("block_device", 1.0, "disk-degraded"),
        ("array", 1.0, "array-degraded"),
        ("multipath", 1.0, "array-degraded"),
        ("bond", 1.0, "bond-degraded"),
        ("fan", 2.0, "cooling-failed"),
        ("power_supply", 2.0, "power-failed"),
        ("kind", 2.0, "part-failed"),
        ("unit", 2.0, "unit-failed"),
    ] {
        assert_eq!(ill("tocsin.part.status", kind, value), [rule], "{kind}");
    }
    for (metric, value, rule) in [
        ("tocsin.ups.on_battery", 1.0, "ups-on-battery"),
        ("hw.battery.charge", 0.1, "ups-battery-low"),
        ("tocsin.pool.utilization", 0.95, "pool-full"),
        ("tocsin.updates.security", 3.0, "security-updates"),
        ("tocsin.clock.synchronized", 0.0, "clock-unsynchronized"),
        ("tocsin.clock.offset", 2.0, "clock-ahead"),
        ("tocsin.clock.offset", -2.0, "clock-behind"),
        ("tocsin.network.gateway.reachable", 0.0, "gateway-unreachable"),
        ("tocsin.network.conntrack.utilization", 0.95, "conntrack-full"),
        ("tocsin.agent.surveys.stuck", 1.0, "agent-survey-stuck"),
    ] {
        assert_eq!(ill(metric, "", value), [rule], "{metric}");
    }
}
