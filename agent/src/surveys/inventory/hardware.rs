//! Hardware: what the firmware says of the machine, processors, memory modules, disks, network interfaces.

use super::{Host, said};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

const DMI: &str = "sys/class/dmi/id";
/// Bytes in a sector as `/sys/block/*/size` counts, whatever the disk's own are (kernel, `block/genhd.c`).
const SECTOR_BYTES: u64 = 512;
/// Block devices that are no disks.
const NO_DISKS: [&str; 9] = ["dm-", "drbd", "fd", "loop", "md", "nbd", "ram", "sr", "zram"];
const DMIDECODE_DEADLINE: Duration = Duration::from_secs(10);

#[derive(Debug, Default, Serialize)]
pub(super) struct Machine {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    machine: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    processor: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_bytes: Option<u64>,
}

/// Maker, model, serial numbers, firmware, processors, memory.
pub(super) fn machine(host: &Host) -> Machine {
    const FIELDS: [(&str, &str); 11] = [
        ("manufacturer", "sys_vendor"),
        ("model", "product_name"),
        ("version", "product_version"),
        // Readable by root alone.
        ("serial", "product_serial"),
        ("uuid", "product_uuid"),
        ("board", "board_name"),
        ("board_serial", "board_serial"),
        ("chassis_serial", "chassis_serial"),
        ("asset_tag", "chassis_asset_tag"),
        ("firmware", "bios_version"),
        ("firmware_date", "bios_date"),
    ];
    let mut machine: BTreeMap<&'static str, String> = FIELDS
        .iter()
        .filter_map(|(name, file)| Some((*name, said(host.text(format!("{DMI}/{file}")))?)))
        .collect();
    // Boards without DMI say it by their device tree.
    if machine.is_empty()
        && let Some(model) = said(host.text("proc/device-tree/model"))
    {
        machine.insert("model", model.trim_end_matches('\0').to_owned());
    }
    let memory = host.text("proc/meminfo").and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        kibibytes.checked_mul(1_024)
    });
    Machine {
        machine,
        processor: processor(host),
        memory_bytes: memory,
    }
}

fn processor(host: &Host) -> BTreeMap<&'static str, String> {
    let info = host.text("proc/cpuinfo").unwrap_or_default();
    let mut found = BTreeMap::new();
    let model = crate::facts::parse_cpu_model(info.as_bytes());
    found.extend(model.map(|model| ("model", model)));
    let microcode = info.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == "microcode").then(|| value.trim().to_owned())
    });
    found.extend(microcode.map(|version| ("microcode", version)));
    let (mut sockets, mut cores, mut threads) = (BTreeSet::new(), BTreeSet::new(), 0_u64);
    for cpu in host.entries("sys/devices/system/cpu") {
        let topology = format!("sys/devices/system/cpu/{cpu}/topology");
        let Some(socket) = host.signed(format!("{topology}/physical_package_id")) else {
            continue;
        };
        threads += 1;
        sockets.insert(socket);
        cores.extend(host.signed(format!("{topology}/core_id")).map(|core| (socket, core)));
    }
    if threads > 0 {
        found.insert("sockets", sockets.len().to_string());
        found.insert("cores", cores.len().to_string());
        found.insert("threads", threads.to_string());
    }
    found
}

/// A memory module.
#[derive(Debug, Default, Serialize)]
pub(super) struct Module {
    slot: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    manufacturer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<String>,
}

/// Memory modules: by `dmidecode` where the agent may, else as the kernel's memory controllers know them.
pub(super) fn modules(host: &Host) -> Vec<Module> {
    if rustix::process::geteuid().is_root()
        && let Some(Ok(output)) = host.tool("dmidecode", &["-q", "-t", "17"], DMIDECODE_DEADLINE)
        && output.status == 0
    {
        let found = decoded(&String::from_utf8_lossy(&output.out));
        if !found.is_empty() {
            return found;
        }
    }
    let mut modules = Vec::new();
    for controller in host.entries("sys/devices/system/edac/mc") {
        for dimm in host.entries(format!("sys/devices/system/edac/mc/{controller}")) {
            let folder = format!("sys/devices/system/edac/mc/{controller}/{dimm}");
            if !(dimm.starts_with("dimm") || dimm.starts_with("rank")) {
                continue;
            }
            modules.push(Module {
                slot: said(host.text(format!("{folder}/dimm_label"))).unwrap_or_else(|| format!("{controller}/{dimm}")),
                size: host
                    .number(format!("{folder}/size"))
                    .map(|mebibytes| format!("{mebibytes} MB")),
                r#type: said(host.text(format!("{folder}/dimm_mem_type"))),
                ..Module::default()
            });
        }
    }
    modules
}

/// The slots that hold a module, from `dmidecode -q -t 17`.
fn decoded(text: &str) -> Vec<Module> {
    let mut modules = Vec::new();
    for block in text.split("Memory Device").skip(1) {
        let value = |key: &str| {
            let found = block
                .lines()
                .find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(':'));
            said(found.map(|value| value.trim().to_owned()))
        };
        let Some(size) = value("Size").filter(|size| size != "No Module Installed") else {
            continue;
        };
        modules.push(Module {
            slot: value("Locator").unwrap_or_default(),
            size: Some(size),
            r#type: value("Type"),
            speed: value("Speed"),
            manufacturer: value("Manufacturer"),
            part: value("Part Number"),
            serial: value("Serial Number"),
        });
    }
    modules
}

/// A disk.
#[derive(Debug, Serialize)]
pub(super) struct Disk {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    vendor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wwid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    firmware: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotating: Option<bool>,
}

/// Disks, in the order of their names.
pub(super) fn disks(host: &Host) -> Vec<Disk> {
    let names = host.entries("sys/block");
    let names = names
        .into_iter()
        .filter(|name| !NO_DISKS.iter().any(|other| name.starts_with(other)));
    names
        .map(|name| {
            let text = |file: &str| said(host.text(format!("sys/block/{name}/{file}")));
            Disk {
                vendor: text("device/vendor").filter(|vendor| !vendor.starts_with("0x")),
                model: text("device/model"),
                serial: text("device/serial").or_else(|| page_80(host, &name)),
                wwid: text("device/wwid").or_else(|| text("wwid")),
                firmware: text("device/firmware_rev").or_else(|| text("device/rev")),
                size_bytes: host
                    .number(format!("sys/block/{name}/size"))
                    .and_then(|sectors| sectors.checked_mul(SECTOR_BYTES)),
                rotating: host
                    .number(format!("sys/block/{name}/queue/rotational"))
                    .map(|flag| flag == 1),
                name,
            }
        })
        .collect()
}

/// The unit serial number of a SCSI disk: vital product data, page 80h, four bytes of header first (SPC-5, 7.7.18).
fn page_80(host: &Host, name: &str) -> Option<String> {
    let page = host.bytes(format!("sys/block/{name}/device/vpd_pg80"))?;
    let text = String::from_utf8_lossy(page.get(4..)?);
    let plain: String = text.chars().filter(|c| !c.is_control()).collect();
    said(Some(plain.trim().to_owned()))
}

/// A network interface that is hardware, or made of such.
#[derive(Debug, Serialize)]
pub(super) struct Interface {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mac: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    driver: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speed_mbit: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtu: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bonded: Option<String>,
}

/// Network interfaces, in the order of their names.
pub(super) fn interfaces(host: &Host) -> Vec<Interface> {
    let mut found = Vec::new();
    for name in host.entries("sys/class/net") {
        let folder = format!("sys/class/net/{name}");
        let device = host.link_name(format!("{folder}/device"));
        let bonded = host.text(format!("{folder}/bonding/slaves"));
        if device.is_none() && bonded.is_none() {
            continue;
        }
        found.push(Interface {
            mac: said(host.text(format!("{folder}/address"))),
            driver: host.link_name(format!("{folder}/device/driver")),
            device,
            // -1: no link.
            speed_mbit: host.signed(format!("{folder}/speed")).filter(|speed| *speed > 0),
            mtu: host.number(format!("{folder}/mtu")),
            bonded,
            name,
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::timed;

    #[test]
    fn slots_with_a_module_are_told_and_empty_ones_are_not() {
        let text = "Memory Device\n\tSize: 16 GB\n\tLocator: DIMM_A1\n\tType: DDR4\n\tSpeed: 2666 MT/s\n\
                    \tManufacturer: Samsung\n\tSerial Number: 0001\n\tPart Number: M393\n\n\
                    Memory Device\n\tSize: No Module Installed\n\tLocator: DIMM_A2\n\tType: Unknown\n";
        let modules = decoded(text);
        assert_eq!(modules.len(), 1);
        assert_eq!(
            (modules[0].slot.as_str(), modules[0].serial.as_deref()),
            ("DIMM_A1", Some("0001"))
        );
    }

    #[test]
    fn any_output_is_survived() {
        bolero::check!().with_type::<String>().for_each(timed(|text: &String| {
            let _ = decoded(text);
            let _ = decoded(&format!("Memory Device\n{text}"));
        }));
    }
}
