//! Disks, what is built from them, and file systems.

use super::{Health, Known, Standing, worst_first};
use crate::parts::Part;

/// A disk as the kernel knows it, with what SMART and the arrays say of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Disk {
    /// `sda`, `nvme0n1`.
    pub(crate) device: String,
    /// Of the device and of SMART together.
    pub(crate) standing: Standing,
    /// SMART's verdict alone; none when nobody asked.
    pub(crate) smart: Option<Health>,
    pub(crate) model: String,
    pub(crate) serial: String,
    /// Bytes.
    pub(crate) size: Option<f64>,
    /// Degrees Celsius.
    pub(crate) temperature: Option<f64>,
    /// Seconds that a request took on average over some minutes; none without requests.
    pub(crate) latency: Option<f64>,
    /// Share of the time with a request in flight, 0 to 1.
    pub(crate) utilization: Option<f64>,
    /// Arrays, pools and multipath volumes that it belongs to.
    pub(crate) member_of: Vec<String>,
}

/// Every disk.
pub(crate) fn disks(known: &Known<'_>) -> Vec<Disk> {
    let mut devices: Vec<&str> = known.parts("block_device").map(|part| part.id.as_str()).collect();
    let smart: Vec<&Part> = known
        .parts("disk")
        .filter(|part| part.details.contains_key("device"))
        .collect();
    for counted in known.names(&["system.disk.io_time"], "system.device") {
        // What is mapped onto disks stands among the arrays.
        let mapped = ["dm-", "md", "loop", "zram", "sr"];
        if !mapped.iter().any(|prefix| counted.starts_with(prefix)) {
            devices.push(counted);
        }
    }
    for part in &smart {
        let device = device_of(part);
        if !devices.iter().any(|known| is_on(known, device)) {
            devices.push(device);
        }
    }
    devices.sort_unstable();
    devices.dedup();
    let mut disks: Vec<Disk> = devices.into_iter().map(|device| disk(known, device, &smart)).collect();
    worst_first(&mut disks, |disk| disk.standing.health);
    disks
}

fn disk(known: &Known<'_>, device: &str, smart: &[&Part]) -> Disk {
    let block = known.part("block_device", device);
    let own: Vec<&Part> = smart
        .iter()
        .copied()
        .filter(|part| is_on(device, device_of(part)))
        .collect();
    let detail = |key: &str| {
        let told = own.iter().copied().chain(block).find_map(|part| part.details.get(key));
        told.cloned().unwrap_or_default()
    };
    let on = [("system.device", device)];
    let share = |metric: &str| known.rate(metric, &on);
    let directions = ["read", "write"];
    let sum = |metric: &str| {
        let rates = directions.map(|way| known.rate(metric, &[("system.device", device), ("disk.io.direction", way)]));
        rates.into_iter().flatten().reduce(|a, b| a + b)
    };
    let latency = match (sum("system.disk.operation_time"), sum("system.disk.operations")) {
        (Some(time), Some(requests)) if requests > 0.0 => Some(time / requests),
        _ => None,
    };
    let temperature = |part: &&Part| known.value("hw.temperature", &[("hw.id", &part.id), ("hw.type", "disk")]);
    Disk {
        device: device.to_owned(),
        standing: Standing::of(block.into_iter().chain(own.iter().copied())),
        smart: own.iter().map(|part| part.health()).min(),
        model: detail("model"),
        serial: detail("serial"),
        size: bytes(&detail("size")),
        temperature: own.iter().find_map(temperature),
        latency,
        utilization: share("system.disk.io_time").map(|share| share.clamp(0.0, 1.0)),
        member_of: member_of(known, device),
    }
}

fn device_of(part: &Part) -> &str {
    let device = part.details.get("device").map_or("", String::as_str);
    device.strip_prefix("/dev/").unwrap_or(device)
}

/// Whether `name` is this device, a partition of it, or the controller that it is a namespace of.
fn is_on(device: &str, name: &str) -> bool {
    let partition = name.strip_prefix(device).is_some_and(|rest| {
        let number = rest.strip_prefix('p').unwrap_or(rest);
        rest.is_empty() || (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    });
    let namespace = name.starts_with("nvme")
        && device.strip_prefix(name).is_some_and(|rest| {
            let number = rest.strip_prefix('n').unwrap_or_default();
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        });
    partition || namespace
}

fn member_of(known: &Known<'_>, device: &str) -> Vec<String> {
    let members = known.parts_of(&["array_member", "pool_device"]).filter_map(|part| {
        let (whole, member) = part.id.split_once('/')?;
        let member = member.rsplit('/').next().unwrap_or(member);
        is_on(device, member).then(|| whole.to_owned())
    });
    let paths = known.parts("path").filter_map(|part| {
        let (volume, _) = part.id.split_once('/')?;
        let name = known
            .part("multipath", volume)
            .and_then(|part| part.details.get("name"));
        is_on(device, device_of(part)).then(|| name.map_or(volume, String::as_str).to_owned())
    });
    let mut names: Vec<String> = members.chain(paths).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// `4000787030016 B` as a number.
pub(super) fn bytes(text: &str) -> Option<f64> {
    text.strip_suffix(" B")?.parse().ok()
}

/// An array, a pool, a volume, or what carries it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Volume<'a> {
    pub(crate) part: &'a Part,
    /// Members or paths that work, and how many there should be.
    pub(crate) members: Option<(f64, f64)>,
    /// How far a rebuild or a check is, 0 to 1.
    pub(crate) progress: Option<f64>,
    /// Share that is used, 0 to 1.
    pub(crate) utilization: Option<f64>,
    /// Bytes.
    pub(crate) size: Option<f64>,
}

/// Types of parts that are built from disks, or carry them, in the order they are shown.
const VOLUMES: [&str; 10] = [
    "array",
    "logical_drive",
    "multipath",
    "pool",
    "logical_volume",
    "cached_disk",
    "controller",
    "nvme_controller",
    "physical_drive",
    "enclosure",
];

/// Arrays, pools, volumes, and controllers with what hangs on them.
pub(crate) fn volumes<'a>(known: &Known<'a>) -> Vec<Volume<'a>> {
    let parts = VOLUMES
        .iter()
        .flat_map(|kind| known.parts_of(&[kind]).collect::<Vec<_>>());
    let mut volumes: Vec<Volume<'_>> = parts.map(|part| volume(known, part)).collect();
    worst_first(&mut volumes, |volume| volume.part.health());
    volumes
}

fn volume<'a>(known: &Known<'a>, part: &'a Part) -> Volume<'a> {
    let of = |metric: &str| known.value(metric, &[("hw.id", &part.id)]);
    let (present, wanted, used) = match part.kind.as_str() {
        "array" | "logical_drive" => ("tocsin.array.members.present", "tocsin.array.members.wanted", ""),
        "multipath" => ("tocsin.multipath.paths.working", "tocsin.multipath.paths.known", ""),
        "pool" => ("", "", "tocsin.pool.utilization"),
        "logical_volume" => ("", "", "tocsin.lvm.data.utilization"),
        _ => ("", "", ""),
    };
    Volume {
        part,
        members: of(present).zip(of(wanted)),
        progress: (!present.is_empty()).then(|| of("tocsin.array.progress")).flatten(),
        utilization: of(used),
        size: part.details.get("size").and_then(|size| bytes(size)),
    }
}

/// A mounted file system.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FileSystem {
    pub(crate) mount: String,
    pub(crate) device: String,
    pub(crate) kind: String,
    /// Bytes.
    pub(crate) size: Option<f64>,
    /// Share of its space that is used, 0 to 1.
    pub(crate) utilization: Option<f64>,
    /// Share of its inodes that is used, 0 to 1.
    pub(crate) inodes: Option<f64>,
    pub(crate) read_only: bool,
    /// It does not answer.
    pub(crate) hung: bool,
}

/// Every file system: those that do not answer first, then the fullest.
pub(crate) fn file_systems(known: &Known<'_>) -> Vec<FileSystem> {
    let metrics = [
        "system.filesystem.utilization",
        "tocsin.filesystem.hung",
        "system.filesystem.limit",
    ];
    let mounts = known.names(&metrics, "system.filesystem.mountpoint");
    let mut systems: Vec<FileSystem> = mounts.into_iter().map(|mount| file_system(known, mount)).collect();
    let full = |system: &FileSystem| system.utilization.unwrap_or(0.0).max(system.inodes.unwrap_or(0.0));
    systems.sort_by(|a, b| b.hung.cmp(&a.hung).then(full(b).total_cmp(&full(a))));
    systems
}

fn file_system(known: &Known<'_>, mount: &str) -> FileSystem {
    let on = [("system.filesystem.mountpoint", mount)];
    let of = |metric: &str| known.value(metric, &on);
    let flag = |metric: &str| of(metric) == Some(1.0);
    let metrics = [
        "system.filesystem.utilization",
        "tocsin.filesystem.hung",
        "system.filesystem.limit",
    ];
    let attribute = |key: &str| {
        let mut series = metrics
            .iter()
            .flat_map(|metric| known.all(metric))
            .map(|(series, _)| series);
        let own = series.find(|series| series.attribute("system.filesystem.mountpoint") == Some(mount));
        own.and_then(|series| series.attribute(key))
            .unwrap_or_default()
            .to_owned()
    };
    let used = [
        ("system.filesystem.mountpoint", mount),
        ("system.filesystem.state", "used"),
    ];
    FileSystem {
        mount: mount.to_owned(),
        device: attribute("system.device"),
        kind: attribute("system.filesystem.type"),
        size: of("system.filesystem.limit"),
        utilization: known.value("system.filesystem.utilization", &used),
        inodes: of("tocsin.filesystem.inodes.utilization"),
        read_only: flag("tocsin.filesystem.read_only"),
        hung: flag("tocsin.filesystem.hung"),
    }
}
