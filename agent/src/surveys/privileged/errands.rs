//! The list of errands.

use super::ERRANDS_MAX;
use crate::surveys::Host;
use std::{fs, time::Duration};

/// A tool with fixed arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Errand {
    /// What it is about: `smart sda`, `raid storcli drives`, …; unique on the host.
    pub(crate) label: String,
    pub(crate) tool: &'static str,
    pub(crate) arguments: Vec<String>,
    pub(crate) deadline: Duration,
}

impl Errand {
    fn new(label: impl Into<String>, tool: &'static str, arguments: &str, deadline_secs: u64) -> Self {
        Self {
            label: label.into(),
            tool,
            arguments: arguments.split_whitespace().map(str::to_owned).collect(),
            deadline: Duration::from_secs(deadline_secs),
        }
    }
}

/// The tool that is asked of disks.
const SMARTCTL: &str = "smartctl";
/// What `smartctl` is asked of a disk; one that sleeps is let sleep. JSON needs smartmontools 7.0.
const SMART: &str = "--json=c --info --health --attributes --log=error --log=selftest --log=ssd --tolerance=verypermissive --nocheck=standby";

/// The tool that is asked of NVMe disks where there is no `smartctl`.
pub(crate) const NVME: &str = "nvme";
const NVME_LOG: &str = "smart-log --output-format=json";

/// What RAID controllers' tools are asked: label, names of the tool of which the first that is installed is used,
/// arguments. Tools of one vendor come in a row and bear the vendor's word first in the label.
const RAID: &[(&str, &[&str], &str)] = &[
    (
        "raid storcli controllers",
        &["storcli64", "storcli"],
        "/call show all J nolog",
    ),
    (
        "raid storcli volumes",
        &["storcli64", "storcli"],
        "/call/vall show all J nolog",
    ),
    (
        "raid storcli drives",
        &["storcli64", "storcli"],
        "/call/eall/sall show all J nolog",
    ),
    (
        "raid perccli controllers",
        &["perccli64", "perccli"],
        "/call show all J nolog",
    ),
    (
        "raid perccli volumes",
        &["perccli64", "perccli"],
        "/call/vall show all J nolog",
    ),
    (
        "raid perccli drives",
        &["perccli64", "perccli"],
        "/call/eall/sall show all J nolog",
    ),
    (
        "raid ssacli",
        &["ssacli", "hpssacli", "hpacucli"],
        "ctrl all show config detail",
    ),
    ("raid arcconf 1", &["arcconf"], "GETCONFIG 1 AL"),
    ("raid arcconf 2", &["arcconf"], "GETCONFIG 2 AL"),
    ("raid arcconf 3", &["arcconf"], "GETCONFIG 3 AL"),
    ("raid arcconf 4", &["arcconf"], "GETCONFIG 4 AL"),
    (
        "raid megacli drives",
        &["MegaCli64", "megacli", "MegaCli"],
        "-LDPDInfo -aALL -NoLog",
    ),
    (
        "raid megacli batteries",
        &["MegaCli64", "megacli", "MegaCli"],
        "-AdpBbuCmd -aALL -NoLog",
    ),
];

/// What `lvs` is asked; it reads without locks, for the helper may write nowhere.
const LVS: &str = "--reportformat json --units b --nosuffix --ignorelockingfailure \
                   -o vg_name,lv_name,lv_size,lv_attr,data_percent,metadata_percent,origin,lv_health_status";

/// Where drivers put a baseboard management controller (`ipmitool`'s open interface looks at the same). A service may
/// not see devices, so the kernel's class tells too.
const IPMI_DEVICES: [&str; 4] = ["sys/class/ipmi/ipmi0", "dev/ipmi0", "dev/ipmi/0", "dev/ipmidev/0"];

/// What `ipmitool` is asked: label, arguments, seconds; controllers are slow. Of the log the newest records: one of
/// thousands takes minutes.
const IPMI: [(&str, &str, u64); 3] = [
    ("ipmi sensors", "sdr elist", 45),
    ("ipmi thresholds", "sensor list", 45),
    ("ipmi log", "sel elist last 64", 30),
];

/// First words of all labels, in the order of the list.
const SUBJECTS: [&str; 6] = ["smart", "raid", "multipath", "lvs", "zpool", "ipmi"];

/// Every errand of this host, in a stable order.
pub(crate) fn errands(host: &Host) -> Vec<Errand> {
    let errands = SUBJECTS.iter().flat_map(|about| errands_about(host, about));
    errands.take(ERRANDS_MAX).collect()
}

/// The errands of this host whose label begins with the word `about`. Nothing is looked for that only others need.
pub(crate) fn errands_about(host: &Host, about: &str) -> Vec<Errand> {
    let one = |wanted: bool, errand: fn() -> Errand| if wanted { vec![errand()] } else { Vec::new() };
    match about {
        "smart" => smart(host),
        "raid" => raid(host),
        "multipath" => one(has_mapped(host, "mpath-") && host.has_tool("multipath"), || {
            Errand::new("multipath", "multipath", "-ll", 20)
        }),
        "lvs" => one(has_mapped(host, "LVM-") && host.has_tool("lvs"), || {
            Errand::new("lvs", "lvs", LVS, 20)
        }),
        "zpool" if host.path("proc/spl/kstat/zfs").is_dir() && host.has_tool("zpool") => vec![
            Errand::new("zpool list", "zpool", "list -p -v", 20),
            Errand::new("zpool status", "zpool", "status", 20),
        ],
        "ipmi" if IPMI_DEVICES.iter().any(|device| host.path(device).exists()) && host.has_tool("ipmitool") => IPMI
            .into_iter()
            .map(|(label, arguments, deadline)| Errand::new(label, "ipmitool", arguments, deadline))
            .collect(),
        _ => Vec::new(),
    }
}

fn smart(host: &Host) -> Vec<Errand> {
    let (tool, arguments) = match host.has_tool(SMARTCTL) {
        true => (SMARTCTL, SMART),
        false => (NVME, NVME_LOG),
    };
    let ask = |disk: String| Errand::new(format!("smart {disk}"), tool, &format!("{arguments} /dev/{disk}"), 30);
    smart_disks(host).into_iter().map(ask).collect()
}

fn raid(host: &Host) -> Vec<Errand> {
    let installed = RAID.iter().filter_map(|(label, names, arguments)| {
        let tool = names.iter().find(|name| host.has_tool(name))?;
        Some(Errand::new(*label, tool, arguments, 60))
    });
    installed.collect()
}

/// Whether the kernel maps a device whose id begins so.
fn has_mapped(host: &Host, kind: &str) -> bool {
    let names = host.entries("sys/block");
    let mut mapped = names.iter().filter(|name| name.starts_with("dm-"));
    mapped.any(|name| {
        let id = host.text(format!("sys/block/{name}/dm/uuid"));
        id.is_some_and(|id| id.starts_with(kind))
    })
}

/// Disks whose health a tool of this host can read, as named below `/dev`.
pub(crate) fn smart_disks(host: &Host) -> Vec<String> {
    let mut disks = physical_disks(host);
    if !host.has_tool(SMARTCTL) {
        let nvme = host.has_tool(NVME);
        disks.retain(|disk| nvme && disk.starts_with(NVME));
    }
    disks
}

/// Disks that may have SMART, as named below `/dev`: SCSI and SATA disks, and NVMe controllers on the bus. Disks of
/// hypervisors and remote ones have none.
fn physical_disks(host: &Host) -> Vec<String> {
    let letters = |name: &str, prefix: &str| {
        name.strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_lowercase()))
    };
    let digits = |name: &str, prefix: &str| {
        name.strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    let mut disks = host.entries("sys/block");
    disks.retain(|name| (letters(name, "sd") || letters(name, "hd")) && !is_virtual(host, name));
    let mut controllers = host.entries("sys/class/nvme");
    controllers.retain(|name| {
        let transport = host.text(format!("sys/class/nvme/{name}/transport"));
        digits(name, "nvme") && transport.is_none_or(|transport| transport == "pcie")
    });
    disks.append(&mut controllers);
    disks
}

/// Whether a disk is a hypervisor's or comes over a network: over Fibre Channel its way through `/sys` goes by a remote
/// port, over iSCSI by a session.
fn is_virtual(host: &Host, disk: &str) -> bool {
    const MAKERS: [&str; 7] = ["QEMU", "VMware", "VBOX", "Msft", "Xen", "LIO-ORG", "IET"];
    let way = fs::read_link(host.path(format!("sys/block/{disk}"))).unwrap_or_default();
    let way = way.to_string_lossy();
    let vendor = host.text(format!("sys/block/{disk}/device/vendor")).unwrap_or_default();
    way.contains("/rport-") || way.contains("/session") || MAKERS.iter().any(|maker| vendor.starts_with(maker))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surveys::stand::Stand;

    #[test]
    fn without_smartctl_nvme_is_asked_of_its_own_disks_alone() {
        let stand = Stand::new(&[("sys/block/sda/size", "1"), ("sys/class/nvme/nvme0/transport", "pcie")]);
        assert!(errands(&stand.host()).is_empty());
        stand.says("nvme", "");
        let lines = |stand: &Stand| -> Vec<String> {
            let errands = errands(&stand.host()).into_iter();
            errands
                .map(|errand| format!("{}: {} {}", errand.label, errand.tool, errand.arguments.join(" ")))
                .collect()
        };
        assert_eq!(
            lines(&stand),
            ["smart nvme0: nvme smart-log --output-format=json /dev/nvme0"]
        );
        stand.says("smartctl", "");
        assert_eq!(lines(&stand).len(), 2);
        assert!(lines(&stand)[1].starts_with("smart nvme0: smartctl "));
    }

    #[test]
    fn only_what_is_there_is_asked() {
        let stand = Stand::new(&[
            ("sys/block/sda/device/vendor", "ATA"),
            ("sys/block/sdb/device/vendor", "QEMU"),
            ("sys/block/sdaa/device/vendor", "SEAGATE"),
            ("sys/block/sr0/size", "1"),
            ("sys/block/vda/size", "1"),
            ("sys/block/sd x;reboot/size", "1"),
            ("sys/block/dm-0/dm/uuid", "mpath-3600"),
            ("sys/block/dm-1/dm/uuid", "LVM-abc"),
            ("sys/class/nvme/nvme0/transport", "pcie"),
            ("sys/class/nvme/nvme1/transport", "fc"),
            ("sys/class/ipmi/ipmi0/dev", "240:0"),
        ]);
        for (disk, way) in [
            ("sdc", "pci/host1/rport-1:0-0/target1:0:0/1:0:0:1"),
            ("sdd", "platform/host2/session1/2:0:0:0"),
        ] {
            stand.write(&format!("sys/devices/{way}/block/{disk}/size"), "1");
            let link = stand.host().path(format!("sys/block/{disk}"));
            std::os::unix::fs::symlink(format!("../devices/{way}/block/{disk}"), link).unwrap();
        }
        assert!(errands(&stand.host()).is_empty(), "nothing is installed");
        for tool in [
            "smartctl",
            "perccli",
            "hpssacli",
            "multipath",
            "lvs",
            "zpool",
            "ipmitool",
        ] {
            stand.prints(tool, 0, "");
        }
        let errands = errands(&stand.host());
        let labels: Vec<&str> = errands.iter().map(|errand| errand.label.as_str()).collect();
        assert_eq!(
            labels,
            [
                "smart sda",
                "smart sdaa",
                "smart nvme0",
                "raid perccli controllers",
                "raid perccli volumes",
                "raid perccli drives",
                "raid ssacli",
                "multipath",
                "lvs",
                "ipmi sensors",
                "ipmi thresholds",
                "ipmi log",
            ]
        );
        assert_eq!(errands[11].arguments, ["sel", "elist", "last", "64"]);
        assert_eq!(errands[0].arguments.last().map(String::as_str), Some("/dev/sda"));
        assert_eq!(errands[6].tool, "hpssacli");
    }
}
