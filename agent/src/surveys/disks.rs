//! Disks as the kernel sees them: whether it still talks to them, errors, write cache, what they are.

use super::{Findings, Host, Part, PartStatus, Survey};
use crate::sources::fits;
use std::{collections::BTreeMap, time::Duration};

/// Block devices that are no disks, or have surveys of their own.
const OTHERS: [&str; 10] = [
    "dm-*", "drbd*", "fd*", "loop*", "md*", "nbd*", "ram*", "rbd*", "sr*", "zram*",
];

/// States of a SCSI device (`drivers/scsi/scsi_sysfs.c`) and of an NVMe controller (`drivers/nvme/host/sysfs.c`).
const STATES: [(&str, PartStatus); 14] = [
    ("running", PartStatus::Ok),
    ("live", PartStatus::Ok),
    ("created", PartStatus::Degraded),
    ("created-blocked", PartStatus::Degraded),
    ("quiesce", PartStatus::Degraded),
    ("blocked", PartStatus::Degraded),
    ("new", PartStatus::Degraded),
    ("resetting", PartStatus::Degraded),
    ("connecting", PartStatus::Degraded),
    ("offline", PartStatus::Failed),
    ("transport-offline", PartStatus::Failed),
    ("cancel", PartStatus::Failed),
    ("deleted", PartStatus::Failed),
    ("dead", PartStatus::Failed),
];

/// What a disk is does not change: it is read anew after this time, for another may be in its place.
const DESCRIBE_EVERY: Duration = Duration::from_secs(600);

/// Looks at disks.
#[derive(Default)]
pub(crate) struct DiskStates {
    known: BTreeMap<String, Known>,
}

/// What is remembered of a disk.
struct Known {
    /// What it is, without a verdict.
    part: Part,
    address: String,
    described_at: Duration,
    /// Whether its cache wrote back at any time since the agent started.
    wrote_back: bool,
}

impl Survey for DiskStates {
    fn name(&self) -> &'static str {
        "disks"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn look(&mut self, host: &Host, findings: &mut Findings) {
        let mut names = host.entries("sys/block");
        names.retain(|name| {
            // What has no device behind it is made by software.
            !OTHERS.iter().any(|pattern| fits(pattern, name)) && host.path(format!("sys/block/{name}/device")).is_dir()
        });
        self.known.retain(|name, _| names.contains(name));
        for name in &names {
            self.tell(host, name, findings);
        }
        for name in host.entries("sys/class/nvme") {
            tell_controller(host, &name, findings);
        }
    }
}

impl DiskStates {
    fn tell(&mut self, host: &Host, name: &str, findings: &mut Findings) {
        let fresh = |known: &Known| host.mono.saturating_sub(known.described_at) < DESCRIBE_EVERY;
        let before = self.known.remove(name);
        let wrote_back = before.as_ref().is_some_and(|known| known.wrote_back);
        let mut known = before.filter(fresh).unwrap_or_else(|| describe(host, name));
        known.wrote_back |= wrote_back;
        let mut part = known.part.clone();
        let device = format!("sys/block/{name}/device");
        judge_state(&host.text(format!("{device}/state")).unwrap_or_default(), &mut part);
        let scsi = host.text(format!("sys/class/scsi_disk/{}/cache_type", known.address));
        let cache = scsi.or_else(|| host.text(format!("sys/block/{name}/queue/write_cache")));
        let cache = cache.unwrap_or_default();
        part.detail("cache", cache.as_str());
        let back = match cache.as_str() {
            text if text.starts_with("write back") => Some(true),
            text if text.starts_with("write through") => Some(false),
            _ => None,
        };
        let id = [("system.device", name)];
        if let Some(back) = back {
            findings.count("tocsin.disk.write_back", &id, u64::from(back));
            if known.wrote_back && !back {
                part.judge(PartStatus::Degraded, "its write cache was on and is off now");
            }
            known.wrote_back |= back;
        }
        let errors = host
            .text(format!("{device}/ioerr_cnt"))
            .and_then(|text| hexadecimal(&text));
        if let Some(errors) = errors {
            findings.count("tocsin.disk.io_errors", &id, errors);
        }
        findings.part(part);
        self.known.insert(name.to_owned(), known);
    }
}

/// Reads what a disk is.
fn describe(host: &Host, name: &str) -> Known {
    let device = format!("sys/block/{name}/device");
    let mut part = Part::new("block_device", name);
    for key in ["vendor", "model", "wwid"] {
        part.detail(key, host.text(format!("{device}/{key}")).unwrap_or_default());
    }
    part.detail("serial", serial(host, name));
    match host.text(format!("sys/block/{name}/queue/rotational")).as_deref() {
        Some("1") => part.detail("media", "rotating"),
        Some("0") => part.detail("media", "solid state"),
        _ => {}
    }
    if let Some(sectors) = host.number(format!("sys/block/{name}/size")) {
        part.detail("size", format!("{} B", sectors.saturating_mul(512)));
    }
    let address = host.link_name(&device).unwrap_or_default();
    part.detail("address", address.as_str());
    Known {
        part,
        address,
        described_at: host.mono,
        wrote_back: false,
    }
}

fn judge_state(state: &str, part: &mut Part) {
    let known = STATES
        .iter()
        .find(|(word, _)| *word == state)
        .map(|(_, status)| *status);
    match known {
        Some(PartStatus::Ok) => {}
        Some(status) => part.judge(status, format!("its state is {state}")),
        None if state.is_empty() => {}
        None if state.starts_with("deleting") => part.judge(PartStatus::Failed, format!("its state is {state}")),
        None => part.judge(PartStatus::Degraded, format!("its state is {state}")),
    }
}

/// A disk's serial number: as NVMe and virtual disks tell it, or from the page 80h of SCSI's vital product data (SPC-4).
fn serial(host: &Host, name: &str) -> String {
    let files = ["device/serial", "serial"];
    let told = files
        .iter()
        .find_map(|file| host.text(format!("sys/block/{name}/{file}")));
    told.filter(|serial| !serial.is_empty()).unwrap_or_else(|| {
        let page = host
            .bytes(format!("sys/block/{name}/device/vpd_pg80"))
            .unwrap_or_default();
        page80(&page)
    })
}

/// Four bytes of head, the last two of which are the length; then ASCII.
fn page80(page: &[u8]) -> String {
    let [_, 0x80, high, low, text @ ..] = page else {
        return String::new();
    };
    let length = usize::from(u16::from_be_bytes([*high, *low])).min(text.len());
    let text = text[..length]
        .iter()
        .filter(|byte| byte.is_ascii_graphic() || **byte == b' ');
    text.map(|byte| char::from(*byte)).collect::<String>().trim().to_owned()
}

/// `0x1f`
fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

fn tell_controller(host: &Host, name: &str, findings: &mut Findings) {
    let text = |file: &str| host.text(format!("sys/class/nvme/{name}/{file}")).unwrap_or_default();
    let state = text("state");
    if state.is_empty() {
        return; // kernels before 4.16 do not tell
    }
    let mut part = Part::new("nvme_controller", name);
    judge_state(&state, &mut part);
    for (key, file) in [
        ("model", "model"),
        ("serial", "serial"),
        ("firmware", "firmware_rev"),
        ("transport", "transport"),
        ("address", "address"),
    ] {
        part.detail(key, text(file));
    }
    findings.part(part);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::timed;
    use crate::surveys::stand::Stand;
    use PartStatus::{Degraded, Failed, Ok};
    use std::os::unix::fs::symlink;

    #[test]
    fn a_disk_is_as_well_as_the_kernel_finds_it() {
        for (state, status) in [
            ("running", Ok),
            ("live", Ok),
            ("", Ok),
            ("offline", Failed),
            ("transport-offline", Failed),
            ("blocked", Degraded),
            ("dead", Failed),
            ("deleting (no IO)", Failed),
            ("connecting", Degraded),
            ("some new word", Degraded),
        ] {
            let stand = Stand::new(&[("sys/block/sda/device/state", state)]);
            let seen = stand.look(&mut DiskStates::default());
            assert_eq!(seen.verdict("block_device", "sda").0, status, "{state}");
        }
    }

    #[test]
    fn what_a_disk_is_and_its_errors_are_told() {
        let stand = Stand::new(&[
            ("sys/block/sda/size", "2000"),
            ("sys/block/sda/queue/rotational", "1"),
            ("sys/devices/pci/1:0:2:0/state", "running"),
            ("sys/devices/pci/1:0:2:0/model", "DISK 2000  "),
            ("sys/devices/pci/1:0:2:0/ioerr_cnt", "0x1f"),
            (
                "sys/devices/pci/1:0:2:0/vpd_pg80",
                "\u{0}\u{7f}\u{0}\u{8}  ABC123 and more",
            ),
            ("sys/class/scsi_disk/1:0:2:0/cache_type", "write back\n"),
            ("sys/block/loop0/device/state", "running"),
            ("sys/block/zd0/size", "1"),
            ("sys/class/nvme/nvme0/state", "dead"),
            ("sys/class/nvme/nvme0/serial", "N1"),
            ("sys/class/nvme/nvme1/serial", "N2"),
        ]);
        let host = stand.host();
        std::fs::write(
            host.path("sys/devices/pci/1:0:2:0/vpd_pg80"),
            b"\x00\x80\x00\x08  ABC123 and more",
        )
        .unwrap();
        symlink("../../devices/pci/1:0:2:0", host.path("sys/block/sda/device")).unwrap();
        let mut survey = DiskStates::default();
        let seen = stand.look(&mut survey);
        let part = &seen.parts[&("block_device", "sda".to_owned())];
        let details: Vec<_> = part.details.iter().map(|(key, value)| (*key, value.as_str())).collect();
        assert_eq!(
            details,
            [
                ("address", "1:0:2:0"),
                ("cache", "write back"),
                ("media", "rotating"),
                ("model", "DISK 2000"),
                ("serial", "ABC123"),
                ("size", "1024000 B"),
            ]
        );
        assert_eq!(seen.values["tocsin.disk.io_errors{system.device=sda}"], 31.0);
        assert_eq!(seen.values["tocsin.disk.write_back{system.device=sda}"], 1.0);
        assert_eq!(seen.verdict("nvme_controller", "nvme0"), (Failed, "its state is dead"));
        assert_eq!(seen.parts.len(), 2);
        stand.write("sys/class/scsi_disk/1:0:2:0/cache_type", "write through\n");
        let reason = "its write cache was on and is off now";
        assert_eq!(
            stand.look(&mut survey).verdict("block_device", "sda"),
            (Degraded, reason)
        );
        let since_ever = stand.look(&mut DiskStates::default());
        assert_eq!(since_ever.verdict("block_device", "sda"), (Ok, ""));
    }

    #[test]
    fn any_page_is_survived() {
        bolero::check!().for_each(timed(|bytes: &[u8]| {
            let serial = page80(bytes);
            assert!(serial.is_ascii() && serial.len() <= bytes.len());
            hexadecimal(&String::from_utf8_lossy(bytes));
        }));
    }

    #[test]
    fn recorded_disks_are_read() {
        let Some(stand) = Stand::recorded() else { return };
        let seen = stand.look(&mut DiskStates::default());
        assert_eq!(seen.verdict("nvme_controller", "nvme0"), (Ok, ""));
        let nvme = &seen.parts[&("nvme_controller", "nvme0".to_owned())].details;
        assert_eq!(nvme["model"], "Samsung SSD 970 PRO 512GB");
        assert_eq!(seen.verdict("block_device", "sdl"), (Failed, "its state is offline"));
        assert_eq!(seen.ill("block_device"), ["sdl"]);
    }
}
