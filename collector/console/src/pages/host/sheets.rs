//! The sections of a host's page, from what is known of it.

use super::{
    part_words,
    sheet::{Cell, Fact, Sheet},
};
use crate::{
    figures::figure,
    host_view::{self as view, Health, Known, Standing},
    shell::Shell,
};
use std::time::Duration;

/// Sections on what stores, connects, cools and serves, in the order of the page.
pub(crate) fn main(shell: &Shell, known: &Known<'_>) -> Vec<Sheet> {
    [
        disks(shell, known),
        volumes(shell, known),
        file_systems(shell, known),
        network(shell, known),
        adapters(shell, known),
        sensors(shell, known),
        units(shell, known),
        groups(shell, known),
        probes(shell, known),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Sections that few need: the clock and the agent itself.
pub(crate) fn closing(shell: &Shell, known: &Known<'_>, offset_ms: Option<i64>) -> Vec<Sheet> {
    [clock(shell, known, offset_ms), agent(shell, known)]
        .into_iter()
        .flatten()
        .collect()
}

fn disks(shell: &Shell, known: &Known<'_>) -> Option<Sheet> {
    let rows = view::disks(known).into_iter().map(|disk| {
        let smart = disk.smart.map(|health| Standing {
            health,
            reason: String::new(),
        });
        let cells = vec![
            Cell::standing(shell, &disk.standing),
            Cell::name(&disk.device, &[disk.model, disk.serial].join(" ")),
            smart.map(|smart| Cell::standing(shell, &smart)).unwrap_or_default(),
            Cell::figure(disk.temperature, "Cel"),
            Cell::figure(disk.latency, "s"),
            Cell::share(disk.utilization),
            Cell::figure(disk.size, "By"),
            Cell::text(&disk.member_of.join(" ")),
        ];
        (disk.standing.health.is_ill(), cells)
    });
    let columns = [
        ("state", false),
        ("device", false),
        ("smart", false),
        ("temperature", true),
        ("latency", true),
        ("busy", true),
        ("size", true),
        ("member", false),
    ];
    Sheet::new(shell, "disks", &columns, rows.collect(), Vec::new())
}

fn volumes(shell: &Shell, known: &Known<'_>) -> Option<Sheet> {
    let rows = view::volumes(known).into_iter().map(|volume| {
        let part = volume.part;
        let name = format!("{} {}", part_words::kind(shell, &part.kind), part.id);
        let members = volume.members.map(|(works, all)| format!("{works} / {all}"));
        let size = match (volume.size, part.details.get("size")) {
            (None, Some(told)) => Cell::text(told),
            (size, _) => Cell::figure(size, "By"),
        };
        let cells = vec![
            Cell::standing(shell, &Standing::of([part])),
            Cell::name(&name, &part_words::details(shell, part, &["size", "uuid", "wwid"])),
            Cell::text(&members.unwrap_or_default()),
            Cell::share(volume.progress),
            Cell::share(volume.utilization),
            size,
        ];
        (part.health().is_ill(), cells)
    });
    let columns = [
        ("state", false),
        ("part", false),
        ("members", true),
        ("progress", true),
        ("used", true),
        ("size", true),
    ];
    Sheet::new(shell, "volumes", &columns, rows.collect(), Vec::new())
}

fn file_systems(shell: &Shell, known: &Known<'_>) -> Option<Sheet> {
    let rows = view::file_systems(known).into_iter().map(|system| {
        let state = if system.hung {
            let standing = Standing {
                health: Health::Failed,
                reason: shell.t("filesystem-hung"),
            };
            Cell::standing(shell, &standing)
        } else if system.read_only {
            Cell::text(&shell.t("filesystem-read-only"))
        } else {
            Cell::default()
        };
        let cells = vec![
            state,
            Cell::name(&system.mount, ""),
            Cell::share(system.utilization),
            Cell::figure(system.size, "By"),
            Cell::share(system.inodes),
            Cell::text(&system.kind),
            Cell::text(&system.device),
        ];
        (system.hung, cells)
    });
    let columns = [
        ("state", false),
        ("mount", false),
        ("used", true),
        ("size", true),
        ("inodes", true),
        ("type", false),
        ("device", false),
    ];
    Sheet::new(shell, "filesystems", &columns, rows.collect(), Vec::new())
}

fn network(shell: &Shell, known: &Known<'_>) -> Option<Sheet> {
    let rows = view::interfaces(known).into_iter().map(|interface| {
        let link = match interface.up {
            Some(true) => shell.t("link-up"),
            Some(false) => shell.t("link-down"),
            None => String::new(),
        };
        let duplex = match interface.full_duplex {
            Some(true) => shell.t("duplex-full"),
            Some(false) => shell.t("duplex-half"),
            None => String::new(),
        };
        let slaves = interface.slaves.map(|(up, all)| format!("{up} / {all}"));
        let cells = vec![
            Cell::standing(shell, &interface.standing),
            Cell::name(&interface.name, &interface.mode),
            Cell::text(&link),
            Cell::speed(interface.speed),
            Cell::text(&duplex),
            Cell::figure(interface.received, "By/s"),
            Cell::figure(interface.sent, "By/s"),
            Cell::figure(interface.errors, "{error}"),
            Cell::text(&slaves.unwrap_or_default()),
            Cell::text(&interface.master),
        ];
        (interface.standing.health.is_ill(), cells)
    });
    let columns = [
        ("state", false),
        ("interface", false),
        ("link", false),
        ("speed", true),
        ("duplex", false),
        ("received", true),
        ("sent", true),
        ("errors", true),
        ("slaves", true),
        ("member", false),
    ];
    Sheet::new(shell, "network", &columns, rows.collect(), connections(shell, known))
}

/// Routes, gateways and connections, which belong to no one interface.
fn connections(shell: &Shell, known: &Known<'_>) -> Vec<Fact> {
    let fact = |key: &str, value: String| Fact::new(shell.word("fact", key), value);
    let traffic = view::traffic(known);
    let routes = traffic.default_routes.iter();
    let mut facts: Vec<Fact> = routes
        .map(|(family, count)| Fact {
            tone: if *count > 0.0 { "" } else { "failed" },
            ..fact("default-routes", format!("{family} {count}"))
        })
        .collect();
    for gateway in view::gateways(known) {
        let (tone, answer) = match (gateway.reachable, gateway.round_trip) {
            (Some(false), _) => ("failed", shell.t("gateway-gone")),
            (_, Some(took)) => ("ok", figure(took, "s")),
            (Some(true), None) => ("ok", shell.t("gateway-there")),
            (None, None) => continue,
        };
        let value = format!("{} ({}) {answer}", gateway.address, gateway.interface);
        facts.push(Fact {
            tone,
            ..fact("gateway", value)
        });
    }
    if let Some(share) = traffic.conntrack {
        facts.push(fact("conntrack", figure(share, "1")));
    }
    if !traffic.connections.is_empty() {
        let states = traffic.connections.iter().take(4);
        let states = states.map(|(state, count)| format!("{state} {count}"));
        facts.push(fact("connections", states.collect::<Vec<_>>().join(" · ")));
    }
    if let Some(share) = traffic.retransmits {
        facts.push(fact("retransmits", figure(share, "1")));
    }
    if let Some(drops) = traffic.listen_drops.filter(|drops| *drops > 0.0) {
        facts.push(fact("listen-drops", figure(drops, "{connection}")));
    }
    facts
}

fn adapters(shell: &Shell, known: &Known<'_>) -> Option<Sheet> {
    let rows = view::adapters(known).into_iter().map(|adapter| {
        let part = adapter.part;
        let cells = vec![
            Cell::standing(shell, &Standing::of([part])),
            Cell::name(&part.id, &part_words::details(shell, part, &["speed", "speeds"])),
            Cell::speed(adapter.speed),
            Cell::figure(adapter.received, "By/s"),
            Cell::figure(adapter.sent, "By/s"),
            Cell::figure(adapter.errors, "{error}"),
        ];
        (part.health().is_ill(), cells)
    });
    let columns = [
        ("state", false),
        ("port", false),
        ("speed", true),
        ("received", true),
        ("sent", true),
        ("errors", true),
    ];
    Sheet::new(shell, "adapters", &columns, rows.collect(), Vec::new())
}

fn sensors(shell: &Shell, known: &Known<'_>) -> Option<Sheet> {
    let rows = view::sensors(known).into_iter().map(|sensor| {
        let unit = sensor.readings.first().map_or("", |(_, unit)| *unit);
        let reading = |(value, unit): &(f64, &str)| match *unit {
            "s" => shell.span(Duration::try_from_secs_f64(*value).unwrap_or_default()),
            unit => figure(*value, unit),
        };
        let mut readings: Vec<String> = sensor.readings.iter().map(reading).collect();
        if sensor.on_battery {
            readings.push(shell.t("on-battery"));
        }
        let limits = sensor.limits.iter();
        let limits = limits.map(|(kind, value)| {
            format!(
                "{} {}",
                shell.word("limit", &kind.replace('.', "-")),
                figure(*value, unit)
            )
        });
        let name = if sensor.name.is_empty() {
            &sensor.id
        } else {
            &sensor.name
        };
        let more = if sensor.name.is_empty() { "" } else { &sensor.id };
        let cells = vec![
            Cell::standing(shell, &sensor.standing),
            Cell::name(&format!("{} {name}", part_words::kind(shell, &sensor.kind)), more),
            Cell::text(&readings.join(" · ")),
            Cell::text(&limits.collect::<Vec<_>>().join(" · ")),
            Cell::figure(sensor.errors, "{error}"),
        ];
        (sensor.standing.health.is_ill() || sensor.on_battery, cells)
    });
    let columns = [
        ("state", false),
        ("part", false),
        ("reading", true),
        ("limits", false),
        ("errors", true),
    ];
    Sheet::new(shell, "hardware", &columns, rows.collect(), Vec::new())
}

fn units(shell: &Shell, known: &Known<'_>) -> Option<Sheet> {
    let rows = view::units(known).into_iter().map(|unit| {
        let part = unit.part;
        let detail = |key: &str| part.details.get(key).cloned().unwrap_or_default();
        let (state, substate) = (detail("state"), detail("substate"));
        let state = if state == substate {
            state
        } else {
            [state, substate].join(" ")
        };
        let cells = vec![
            Cell::standing(shell, &Standing::of([part])),
            Cell::name(&part.id, &detail("description")),
            Cell::text(&state),
            Cell::figure(unit.restarts, "{restart}"),
        ];
        (part.health().is_ill(), cells)
    });
    let columns = [
        ("state", false),
        ("unit", false),
        ("systemd", false),
        ("restarts", true),
    ];
    let failed = known.value("tocsin.units.failed", &[]);
    let fact = failed.map(|failed| Fact {
        tone: if failed > 0.0 { "failed" } else { "ok" },
        ..Fact::new(shell.word("fact", "units-failed"), format!("{failed}"))
    });
    Sheet::new(shell, "units", &columns, rows.collect(), fact.into_iter().collect())
}

fn groups(shell: &Shell, known: &Known<'_>) -> Option<Sheet> {
    let rows = view::groups(known).into_iter().map(|group| {
        let gone = group.count <= 0.0;
        let standing = Standing {
            health: if gone { Health::Failed } else { Health::Well },
            reason: if gone { shell.t("group-gone") } else { String::new() },
        };
        let age = group
            .oldest
            .filter(|_| !gone)
            .and_then(|age| Duration::try_from_secs_f64(age).ok());
        let cells = vec![
            Cell::standing(shell, &standing),
            Cell::name(&group.name, ""),
            Cell::text(&format!("{}", group.count)),
            Cell::figure(group.cpu, "1"),
            Cell::figure(group.memory, "By"),
            Cell::figure(group.threads, "{thread}"),
            Cell::figure(group.files, "{fd}"),
            Cell::figure(group.restarts, "{process}"),
            Cell::text(&age.map(|age| shell.span(age)).unwrap_or_default()),
        ];
        (gone, cells)
    });
    let columns = [
        ("state", false),
        ("group", false),
        ("processes", true),
        ("cpu", true),
        ("memory", true),
        ("threads", true),
        ("files", true),
        ("restarts", true),
        ("age", true),
    ];
    Sheet::new(shell, "groups", &columns, rows.collect(), Vec::new())
}

fn probes(shell: &Shell, known: &Known<'_>) -> Option<Sheet> {
    const DAY_SECONDS: f64 = 86_400.0;
    let rows = view::probes(known).into_iter().map(|probe| {
        let cells = vec![
            Cell::standing(shell, &Standing::of([probe.part])),
            Cell::name(&probe.part.id, probe.target),
            Cell::text(probe.kind),
            Cell::figure(probe.took, "s"),
            Cell::share(probe.loss),
            Cell::figure(probe.time_left.map(|left| (left / DAY_SECONDS).floor()), "d"),
        ];
        (probe.part.health().is_ill(), cells)
    });
    let columns = [
        ("state", false),
        ("probe", false),
        ("probe-kind", false),
        ("took", true),
        ("loss", true),
        ("certificate", true),
    ];
    Sheet::new(shell, "probes", &columns, rows.collect(), Vec::new())
}

fn clock(shell: &Shell, known: &Known<'_>, offset_ms: Option<i64>) -> Option<Sheet> {
    let fact = |key: &str, value: String| Fact::new(shell.word("fact", key), value);
    let mut facts = Vec::new();
    if let Some(clock) = view::clock(known) {
        let (tone, word) = match clock.synchronized {
            Some(true) => ("ok", shell.t("clock-synchronized")),
            Some(false) => ("degraded", shell.t("clock-unsynchronized")),
            None => ("", String::new()),
        };
        let reason = part_words::reason(shell, &clock.standing.reason);
        let word = [word, reason].into_iter().filter(|word| !word.is_empty());
        facts.push(Fact {
            tone,
            ..fact("synchronized", word.collect::<Vec<_>>().join(" · "))
        });
        if let Some(offset) = clock.offset {
            facts.push(fact("source-offset", figure(offset, "s")));
        }
        facts.push(fact(
            "time-service",
            [clock.service, clock.source].join(" ").trim().to_owned(),
        ));
    }
    facts.extend(offset_ms.map(|offset| fact("offset", format!("{offset} ms"))));
    facts.retain(|fact| !fact.value.is_empty());
    Sheet::new(shell, "clock", &[], Vec::new(), facts)
}

fn agent(shell: &Shell, known: &Known<'_>) -> Option<Sheet> {
    let facts = view::agent(known).into_iter().map(|(key, value, unit)| Fact {
        tone: if matches!(key, "stuck" | "off") { "degraded" } else { "" },
        ..Fact::new(
            shell.word("agent", key),
            if unit.is_empty() {
                format!("{value}")
            } else {
                figure(value, unit)
            },
        )
    });
    Sheet::new(shell, "agent", &[], Vec::new(), facts.collect())
}
