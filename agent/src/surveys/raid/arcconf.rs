//! `arcconf GETCONFIG n AL`: text in sections, headed by lines that name what follows.

use super::{Seen, judge_state, leading_number, pair};
use crate::surveys::{
    Part,
    PartStatus::{self, Degraded, Failed, Ok},
};

const CONTROLLER: [(&str, PartStatus); 3] = [("Optimal", Ok), ("OK", Ok), ("Failed", Failed)];
const BATTERY: [(&str, PartStatus); 6] = [
    ("Optimal", Ok),
    ("ZMM Optimal", Ok),
    ("Ready", Ok),
    ("Charging", Ok),
    ("OK", Ok),
    ("Failed", Failed),
];
const VOLUME: [(&str, PartStatus); 5] = [
    ("Optimal", Ok),
    ("OK", Ok),
    ("Impacted", Degraded),
    ("Failed", Failed),
    ("Offline", Failed),
];
const DRIVE: [(&str, PartStatus); 11] = [
    ("Online", Ok),
    ("Optimal", Ok),
    ("Ready", Ok),
    ("Raw", Ok),
    ("Hot Spare", Ok),
    ("Hot-Spare", Ok),
    ("Global Hot", Ok),
    ("Dedicated Hot", Ok),
    ("Pass Through", Ok),
    ("Failed", Failed),
    ("Offline", Failed),
];

/// What the lines are about.
enum Section {
    Controller,
    Battery,
    Volume(String),
    /// Its number among the devices; it is told when its place is known.
    Drive(Box<Part>, Option<f64>),
    Other,
}

/// The controller's number in an errand's label, if it is this tool's.
pub(super) fn number(label: &str) -> Option<u64> {
    label.strip_prefix("raid arcconf ")?.parse().ok()
}

/// How many controllers there are, as the first line says.
pub(super) fn found(bytes: &[u8]) -> Option<u64> {
    let text = bytes.strip_prefix(b"Controllers found: ")?;
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    std::str::from_utf8(&text[..end]).ok()?.parse().ok()
}

/// Takes the text of controller `number`.
pub(super) fn read(text: &str, number: &str, seen: &mut Seen) {
    let id = format!("c{number}");
    let mut section = Section::Other;
    let mut asked_back = false;
    for line in text.lines().map(str::trim) {
        if let Some(next) = heading(line, &id) {
            end(section, seen);
            section = next;
            asked_back = false;
            continue;
        }
        let Some((key, value)) = pair(line) else {
            if line == "Device is a Hard drive" || line.is_empty() || line.starts_with('-') {
                continue;
            }
            if line.starts_with("Device is ") {
                section = Section::Other; // an enclosure's processor
            }
            continue;
        };
        match &mut section {
            Section::Controller => controller(&id, key, value, seen),
            Section::Battery => {
                let named = matches!(
                    key.to_ascii_lowercase().as_str(),
                    "status" | "overall backup unit status"
                );
                let there = !matches!(value.to_ascii_lowercase().as_str(), "not installed" | "not present");
                if named && there {
                    judge_state(seen.part("battery", &format!("{id}/battery")), "it is", value, &BATTERY);
                }
            }
            Section::Volume(volume_id) => volume(seen.part("logical_drive", volume_id), key, value, &mut asked_back),
            Section::Drive(part, degrees) => drive(&id, part, degrees, key, value),
            Section::Other => {}
        }
    }
    end(section, seen);
}

/// A drive is told when all of it was read.
fn end(section: Section, seen: &mut Seen) {
    if let Section::Drive(part, degrees) = section
        && !part.details.is_empty()
    {
        if let Some(degrees) = degrees {
            seen.value("physical_drive", &part.id, "hw.temperature", degrees);
        }
        let id = part.id.clone();
        *seen.part("physical_drive", &id) = *part;
    }
}

fn heading(line: &str, id: &str) -> Option<Section> {
    let lower = line.to_ascii_lowercase();
    if let Some(number) = lower.strip_prefix("logical device number ") {
        return Some(Section::Volume(format!("{id}/ld{}", number.trim())));
    }
    if let Some(number) = line.strip_prefix("Device #") {
        return Some(Section::Drive(
            Box::new(Part::new("physical_drive", format!("{id}/d{}", number.trim()))),
            None,
        ));
    }
    match lower.as_str() {
        "controller information" => Some(Section::Controller),
        "controller battery information"
        | "controller cache backup unit information"
        | "cache backup unit information" => Some(Section::Battery),
        "physical device information"
        | "logical device information"
        | "device phy information"
        | "logical device segment information"
        | "controller version information"
        | "raid properties" => {
            // Segments say what the volume's own state says; versions and links say nothing of health.
            (lower != "logical device segment information" && lower != "device phy information")
                .then_some(Section::Other)
        }
        _ => None,
    }
}

fn controller(id: &str, key: &str, value: &str, seen: &mut Seen) {
    if key == "Temperature"
        && let Some(degrees) = leading_number(value)
    {
        seen.value("controller", id, "hw.temperature", degrees);
    }
    let part = seen.part("controller", id);
    match key {
        "Controller Status" => judge_state(part, "it is", value, &CONTROLLER),
        "Controller Model" => part.detail("model", value),
        "Controller Serial Number" => part.detail("serial", value),
        "Defunct disk drive count" if leading_number(value).is_some_and(|count| count > 0.0) => {
            part.judge(Degraded, "it has defunct drives");
        }
        _ => {}
    }
}

fn volume(part: &mut Part, key: &str, value: &str, asked_back: &mut bool) {
    match key.to_ascii_lowercase().as_str() {
        "logical device name" => part.detail("name", value),
        "raid level" => part.detail("level", format!("RAID {value}")),
        "size" => part.detail("size", value),
        "status of logical device" => judge_state(part, "it is", value, &VOLUME),
        "failed stripes" if value == "Yes" => part.judge(Degraded, "it has failed stripes"),
        "write-cache setting" => *asked_back = value.starts_with("Enabled") || value.starts_with("On"),
        "write-cache status" | "write-cache mode" => {
            let through =
                value.starts_with("Off") || value.contains("write-through") || value.contains("Write-through");
            part.detail("write_cache", if through { "write through" } else { "write back" });
            if through && *asked_back {
                part.judge(Degraded, "it writes through instead of back");
            }
        }
        _ => {
            if key.starts_with("Group ") || key.starts_with("Segment ") {
                let state = value.split([' ', '(']).next().unwrap_or_default();
                if !matches!(state, "Present" | "") {
                    part.judge(Degraded, format!("{key} is {state}"));
                }
            }
        }
    }
}

fn drive(id: &str, part: &mut Part, degrees: &mut Option<f64>, key: &str, value: &str) {
    match key {
        "State" => judge_state(part, "it is", value, &DRIVE),
        "Reported Channel,Device(T" => {
            // `Reported Channel,Device(T:L) : 0,1(1:0)`: the key itself holds a colon.
            let place = value.rsplit(": ").next().unwrap_or(value);
            part.id = format!("{id}/{}", place.split('(').next().unwrap_or(place).trim());
        }
        "Reported Location" => part.detail("slot", value),
        "Vendor" => part.detail("vendor", value),
        "Model" => part.detail("model", value),
        "Serial number" => part.detail("serial", value),
        "Total Size" => part.detail("size", value),
        "S.M.A.R.T." if value == "Yes" => part.judge(Degraded, "it predicts its own failure"),
        "S.M.A.R.T. warnings" if leading_number(value).is_some_and(|count| count > 0.0) => {
            part.judge(Degraded, "it warns of its own failure");
        }
        "Temperature" | "Current Temperature" => *degrees = leading_number(value).filter(|degrees| *degrees > 0.0),
        _ => {}
    }
}
