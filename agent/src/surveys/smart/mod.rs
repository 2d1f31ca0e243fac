//! Disks by their own word: SMART of SATA and SAS disks, the health log of NVMe disks, as `smartctl` reads them; without
//! it `nvme` reads the latter.
//!
//! A disk is asked every half hour, some disks per look, and never woken up for it: of one that sleeps the last word
//! stays. One that could not be read is not well, it is unread; one that has no SMART, as volumes of controllers, is
//! left out.

mod report;
#[cfg(test)]
mod tests;
mod verdict;

use super::{
    Findings, Host, Part, PartStatus, Survey,
    privileged::{Answer, Errand, NVME, Way},
};
use report::Report;
use std::{collections::BTreeMap, time::Duration};
use tocsin_vocabulary::Timestamp;
use verdict::History;

/// Between two questions to one disk.
const PERIOD: Duration = Duration::from_secs(30 * 60);
/// Disks that are asked in one look, each of which takes up to some seconds; 500 disks are read in a quarter of an hour.
const DISKS_PER_LOOK: usize = 16;

const NAME: &str = "smart";
/// Disks whose history is kept, beyond which those are forgotten that are not there now.
const HISTORIES_MAX: usize = 2_000;

/// Asks disks.
pub(crate) struct Smart {
    way: Way,
    disks: BTreeMap<String, Disk>,
    /// Of each disk, by its id; `None` before the first look.
    histories: Option<BTreeMap<String, History>>,
}

/// What is known of a device.
#[derive(Default)]
struct Disk {
    due: Duration,
    known: Option<Known>,
}

impl Disk {
    /// It as it was told last, if it has SMART.
    fn part(&self) -> Option<&Part> {
        match self.known.as_ref()? {
            Known::Read(read) => Some(&read.0),
            Known::Unread(part) => Some(part),
            Known::Nothing => None,
        }
    }
}

/// What was found last.
enum Known {
    /// It has no SMART.
    Nothing,
    Read(Box<(Part, Report)>),
    Unread(Part),
}

impl Smart {
    /// Asks by `way`.
    pub(crate) const fn new(way: Way) -> Self {
        Self {
            way,
            disks: BTreeMap::new(),
            histories: None,
        }
    }

    fn ask(&mut self, host: &Host, device: &str, errand: &(usize, Errand)) -> Answer {
        let answer = self.way.ask(host, errand);
        let report = match &answer {
            Answer::Said(output) if errand.1.tool == NVME => {
                nvme_log(host, device, &output.out).ok_or("`nvme` printed no log of its health")
            }
            Answer::Said(output) => Report::parse(&output.out, output.status.into())
                .ok_or("`smartctl` printed no JSON: it needs version 7.0 or later"),
            Answer::Nothing(why) => Err(why.as_str()),
        };
        let before = self.disks.remove(device).and_then(|disk| disk.known);
        let known = match report {
            Ok(report) if report.asleep => {
                before.unwrap_or_else(|| unread(device, None, "it sleeps and was not read yet"))
            }
            Ok(report) => self.read(device, before, report, host.now),
            Err(why) => unread(device, before, why),
        };
        let due = host.mono + PERIOD;
        self.disks.insert(
            device.to_owned(),
            Disk {
                due,
                known: Some(known),
            },
        );
        answer
    }

    fn remember(&mut self, host: &Host) {
        let Some(histories) = &mut self.histories else { return };
        if histories.len() > HISTORIES_MAX {
            let there = |id: &str| {
                self.disks
                    .values()
                    .any(|disk| disk.part().is_some_and(|part| part.id == id))
            };
            histories.retain(|id, _| there(id));
        }
        host.remember(NAME, histories);
    }

    fn read(&mut self, device: &str, before: Option<Known>, report: Report, now: Timestamp) -> Known {
        if report.is_behind_unknown_bridge() {
            return Known::Nothing;
        }
        if report.is_unread() {
            let why = report
                .messages
                .first()
                .map_or("`smartctl` could not open it", String::as_str);
            return unread(device, before, why);
        }
        if !report.tells_health() {
            // An ATA or NVMe disk that has SMART and does not tell is another matter than a controller's volume.
            let expected = !report.has_none && matches!(report.protocol.as_str(), "ATA" | "NVMe");
            return if expected {
                unread(device, before, "it does not tell its health")
            } else {
                Known::Nothing
            };
        }
        let mut part = describe(device, &report);
        let history = self.histories.get_or_insert_default();
        let history = history.entry(part.id.clone()).or_default();
        verdict::judge(&report, history, now, &mut part);
        Known::Read(Box::new((part, report)))
    }
}

impl Survey for Smart {
    fn name(&self) -> &'static str {
        NAME
    }

    fn period(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn budget(&self) -> Duration {
        Duration::from_secs(90)
    }

    fn look(&mut self, host: &Host, findings: &mut Findings) {
        if self.histories.is_none() {
            self.histories = host.recall(NAME);
        }
        let due = self.disks.values().any(|disk| disk.due <= host.mono);
        let present = super::privileged::smart_disks(host);
        let fresh = present.iter().any(|device| !self.disks.contains_key(device));
        self.disks.retain(|device, _| present.contains(device));
        if due || fresh {
            let (errands, allowed) = self.way.list(host, "smart");
            let errands = errands.into_iter().filter_map(|errand| {
                let device = errand.1.label.strip_prefix("smart ")?.to_owned();
                Some((device, errand))
            });
            let is_due = |device: &str| self.disks.get(device).is_none_or(|disk| disk.due <= host.mono);
            let errands: Vec<_> = errands.filter(|(device, _)| is_due(device)).collect();
            for (device, errand) in errands.iter().take(DISKS_PER_LOOK) {
                if let Err(why) = &allowed {
                    let disk = self.disks.entry(device.clone()).or_default();
                    disk.known = Some(unread(device, disk.known.take(), why));
                    continue; // due again at once: an administrator may enable the helper
                }
                if let Answer::Nothing(_) = self.ask(host, device, errand) {
                    break; // a controller that hangs would take the time of all its disks in turn
                }
            }
            self.remember(host);
        }
        for disk in self.disks.values() {
            tell(disk, findings);
        }
    }
}

/// What `nvme` printed of a controller, and who that is by the kernel.
fn nvme_log(host: &Host, device: &str, bytes: &[u8]) -> Option<Report> {
    let says = |file: &str| host.text(format!("sys/class/nvme/{device}/{file}")).unwrap_or_default();
    Some(Report {
        model: says("model"),
        serial: says("serial"),
        firmware: says("firmware_rev"),
        ..Report::parse_nvme_log(bytes)?
    })
}

/// A disk that could not be read; it keeps the name by which it was known.
fn unread(device: &str, before: Option<Known>, why: &str) -> Known {
    let mut part = match before {
        Some(Known::Read(read)) => describe(device, &read.1),
        Some(Known::Unread(part)) => Part {
            status: PartStatus::Ok,
            reason: String::new(),
            ..part
        },
        _ => {
            let mut part = Part::new("disk", device);
            part.detail("device", device);
            part
        }
    };
    part.judge(PartStatus::Unread, why);
    Known::Unread(part)
}

fn describe(device: &str, report: &Report) -> Part {
    let mut part = Part::new(
        "disk",
        if report.serial.is_empty() {
            device
        } else {
            &report.serial
        },
    );
    part.detail("device", device);
    part.detail("model", report.model.as_str());
    part.detail("serial", report.serial.as_str());
    part.detail("firmware", report.firmware.as_str());
    part.detail("protocol", report.protocol.as_str());
    part.detail(
        "size",
        report.size_bytes.map_or_else(String::new, |bytes| format!("{bytes} B")),
    );
    part
}

fn tell(disk: &Disk, findings: &mut Findings) {
    let (part, report) = match &disk.known {
        Some(Known::Read(read)) => (&read.0, &read.1),
        Some(Known::Unread(part)) => return findings.part(part.clone()),
        Some(Known::Nothing) | None => return,
    };
    findings.part(part.clone());
    let id = [("hw.id", part.id.as_str())];
    if let Some(degrees) = report.temperature {
        findings.value(
            "hw.temperature",
            &[("hw.id", part.id.as_str()), ("hw.type", "disk")],
            degrees,
        );
    }
    let counts = [
        ("tocsin.disk.command_timeouts", report.timeouts),
        ("tocsin.disk.crc_errors", report.crc_errors),
        ("tocsin.disk.media_errors", report.media_errors),
        ("tocsin.disk.pending", report.pending),
        (
            "tocsin.disk.power_on.time",
            report.power_on_hours.map(|hours| hours.saturating_mul(3_600)),
        ),
        ("tocsin.disk.reallocated", report.reallocated),
        ("tocsin.disk.reported_errors", report.reported),
        ("tocsin.disk.uncorrectable", report.uncorrectable),
    ];
    for (name, count) in counts {
        if let Some(count) = count {
            findings.count(name, &id, count);
        }
    }
    for (name, share) in [
        ("tocsin.disk.endurance.used", report.endurance_used),
        ("tocsin.disk.spare", report.spare),
    ] {
        if let Some(share) = share {
            findings.value(name, &id, share);
        }
    }
}
