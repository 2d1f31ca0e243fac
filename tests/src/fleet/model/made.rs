//! Made-up hosts: which series, and what each does.

use tocsin_vocabulary::{
    Kind, Series,
    batch::Cell,
    catalogue::{METRICS, metric},
};

const MODES: [&str; 7] = ["user", "nice", "system", "idle", "iowait", "interrupt", "steal"];
const DIRECTIONS: [&str; 2] = ["read", "write"];
const WAYS: [&str; 2] = ["receive", "transmit"];

fn series(name: &str, attributes: &[(&str, &str)]) -> Series {
    metric(name).expect("a metric of the catalogue").series(attributes)
}

/// So many series that every host has; the first is that of [`super::PROBE`].
pub(super) fn common(count: usize) -> Vec<Series> {
    let probe = series(super::PROBE, &[("system.memory.state", "used")]);
    let plain = METRICS
        .iter()
        .filter(|metric| metric.attributes.is_empty())
        .map(|metric| metric.series(&[]));
    let processors = (0..).flat_map(|cpu: u32| {
        let cpu = cpu.to_string();
        ["system.cpu.time", "system.cpu.utilization"]
            .into_iter()
            .flat_map(|name| MODES.map(|mode| series(name, &[("cpu.logical_number", &cpu), ("cpu.mode", mode)])))
            .collect::<Vec<_>>()
    });
    std::iter::once(probe)
        .chain(plain)
        .chain(processors)
        .take(count)
        .collect()
}

/// So many series of disks, mounts and interfaces that only host `number` has.
pub(super) fn own(number: u64, count: usize) -> Vec<Series> {
    (0..).flat_map(|device| devices(number, device)).take(count).collect()
}

fn devices(host: u64, at: u32) -> Vec<Series> {
    let mut all = Vec::new();
    let disk = format!("disk-{host:05}-{at}");
    let disk_name = ("system.device", disk.as_str());
    for direction in DIRECTIONS {
        for name in ["system.disk.io", "system.disk.operations", "system.disk.operation_time"] {
            all.push(series(name, &[disk_name, ("disk.io.direction", direction)]));
        }
    }
    for name in [
        "system.disk.io_time",
        "system.disk.weighted_io_time",
        "system.disk.pending_operations",
    ] {
        all.push(series(name, &[disk_name]));
    }
    let mount = format!("/srv/{host:05}/{at}");
    let place = [
        disk_name,
        ("system.filesystem.mountpoint", mount.as_str()),
        ("system.filesystem.type", "ext4"),
    ];
    for name in [
        "system.filesystem.limit",
        "tocsin.filesystem.read_only",
        "tocsin.filesystem.hung",
    ] {
        all.push(series(name, &place));
    }
    for (name, state) in [
        ("system.filesystem.usage", "used"),
        ("system.filesystem.usage", "free"),
        ("system.filesystem.inodes.usage", "used"),
        ("system.filesystem.inodes.usage", "free"),
        ("system.filesystem.utilization", "used"),
    ] {
        let [device, point, kind] = place;
        all.push(series(name, &[device, point, kind, ("system.filesystem.state", state)]));
    }
    let interface = format!("eth-{host:05}-{at}");
    let nic = ("network.interface.name", interface.as_str());
    for way in WAYS {
        for name in [
            "system.network.io",
            "system.network.packet.count",
            "system.network.errors",
            "system.network.packet.dropped",
        ] {
            all.push(series(name, &[nic, ("network.io.direction", way)]));
        }
    }
    for name in ["tocsin.network.up", "tocsin.network.speed"] {
        all.push(series(name, &[nic]));
    }
    all
}

/// What one series does, on every host alike but for phase and scale.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// Stands still.
    Still(i64),
    /// Stands still, the same on each host: a state or a share.
    State(i64),
    /// Grows by about this each tick.
    Grows(i64),
    /// Swings this far above this.
    Swings(i64, i64),
}

impl Shape {
    /// Of the series at cell `at`: every second one moves.
    pub(super) fn of(at: usize, series: &Series) -> Self {
        let moves = at.is_multiple_of(2);
        let share = series.unit == "1";
        // 3 % of a share, which no rule minds; the smallest share that shows in so many decimals.
        let percent = 10_i64.pow(u32::from(series.decimals)) / 100;
        let troubles =
            series.unit == "{error}" || series.name.ends_with("oom_kills") || series.name.ends_with("dropped");
        match (series.kind, series.unit.as_str()) {
            _ if troubles => Self::State(0),
            _ if series.name == "tocsin.network.up" || series.name == "tocsin.process.group.count" => Self::State(1),
            _ if series.name == "system.uptime" => Self::Grows(10),
            _ if series.name == super::PROBE => Self::Swings(20 * percent, 10 * percent),
            (Kind::Gauge, _) if share && (!moves || percent == 0) => Self::State(percent),
            (Kind::Gauge, _) if share => Self::Swings(percent, 2 * percent),
            (Kind::Counter, "By") if moves => Self::Grows(40_000),
            (Kind::Counter, _) if moves => Self::Grows(25),
            (Kind::Gauge, "By") if moves => Self::Swings(4_000_000_000, 50_000_000),
            (Kind::Gauge, _) if moves => Self::Swings(300, 60),
            _ => Self::Still(12_345 + at as i64),
        }
    }

    fn value(self, host: u64, seq: u64, at: usize) -> i64 {
        let scale = i64::try_from(1 + host % 7).unwrap_or(1);
        // Hosts are not at the same point of anything.
        let position = seq.wrapping_add(host.wrapping_mul(17));
        let noise = |most: i64| {
            let bits = mixed(host << 40 ^ (at as u64) << 24 ^ position) >> 1;
            i64::try_from(bits).unwrap_or(0) % most.max(1)
        };
        let steps = i64::try_from(position).unwrap_or(0);
        match self {
            Self::Still(value) => value * scale,
            Self::State(value) => value,
            Self::Grows(rate) => rate * scale * steps + noise(rate * scale),
            Self::Swings(base, swing) => {
                let period = 60 + i64::try_from(at % 40).unwrap_or(0);
                let slope = (steps % period - period / 2).abs();
                base + swing * slope / period + noise(swing / 8)
            }
        }
    }
}

pub(super) fn cells(shapes: &[Shape], host: u64, seq: u64) -> Vec<Cell> {
    let all = shapes.iter().enumerate();
    all.map(|(at, shape)| Cell::Scaled(shape.value(host, seq, at)))
        .collect()
}

/// Mixes bits well (the finish of SplitMix64: Steele, Lea, Flood 2014).
const fn mixed(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
