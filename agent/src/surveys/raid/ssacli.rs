//! `ssacli ctrl all show config detail`: text in sections, indented.

use super::{Seen, judge_state, pair};
use crate::surveys::{
    Part,
    PartStatus::{self, Degraded, Failed, Ok},
};

const CONTROLLER: [(&str, PartStatus); 2] = [("OK", Ok), ("Failed", Failed)];
const CACHE: [(&str, PartStatus); 3] = [("OK", Ok), ("Not Configured", Ok), ("Not Supported", Ok)];
const BATTERY: [(&str, PartStatus); 5] = [
    ("OK", Ok),
    ("Recharging", Ok),
    ("Charging", Ok),
    ("Failed", Failed),
    ("Not Present", Failed),
];
const VOLUME: [(&str, PartStatus); 5] = [
    ("OK", Ok),
    ("Initializing", Ok),
    ("Queued for", Ok),
    ("Expanding", Ok),
    ("Failed", Failed),
];
const DRIVE: [(&str, PartStatus); 3] = [("OK", Ok), ("Failed", Failed), ("Offline", Failed)];
const ENCLOSURE: [(&str, PartStatus); 2] = [("OK", Ok), ("Failed", Failed)];

/// What the lines are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Controller,
    Volume,
    Drive,
    Other,
}

/// Takes the whole text.
pub(super) fn read(text: &str, seen: &mut Seen) {
    let (mut controller, mut section, mut id) = (String::new(), Section::Other, String::new());
    let mut blank = true;
    for line in text.lines() {
        let inner = line.trim();
        if inner.is_empty() {
            blank = true;
            continue;
        }
        if !line.starts_with(' ') {
            section = Section::Other;
            if let Some(slot) = slot(inner) {
                (controller, section) = (format!("slot{slot}"), Section::Controller);
                id.clone_from(&controller);
                let model = inner.split(" in Slot ").next().unwrap_or_default();
                seen.part("controller", &id).detail("model", model);
            }
        } else if !controller.is_empty() {
            if let Some((next, next_id)) = heading(inner, &controller, blank, seen) {
                (section, id) = (next, next_id);
            } else if let Some((key, value)) = pair(inner) {
                property(section, &id, key, value, seen);
            }
        }
        blank = false;
    }
}

/// `Smart Array P212 in Slot 5 (Embedded)`
fn slot(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once(" in Slot ")?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
    rest.get(..end).filter(|slot| !slot.is_empty())
}

/// The section that begins with this line.
fn heading(line: &str, controller: &str, after_blank: bool, seen: &mut Seen) -> Option<(Section, String)> {
    if let Some(number) = line
        .strip_prefix("Logical Drive:")
        .or_else(|| line.strip_prefix("logicaldrive "))
    {
        let number = number.trim();
        if number.contains(' ') {
            return None; // a line of a list
        }
        return Some((Section::Volume, format!("{controller}/ld{number}")));
    }
    if let Some(place) = line.strip_prefix("physicaldrive ") {
        if place.contains(' ') {
            return None;
        }
        return Some((Section::Drive, format!("{controller}/{place}")));
    }
    if let Some((name, rest)) = line.split_once(" at Port ") {
        let mut words = rest.splitn(3, ", ");
        if let (Some(port), Some(place), Some(state)) = (words.next(), words.next(), words.next()) {
            let id = format!("{controller}/{port}/{}", place.to_lowercase().replace(' ', ""));
            let part = seen.part("enclosure", &id);
            part.detail("model", name);
            judge_state(part, "it is", state, &ENCLOSURE);
        }
        return Some((Section::Other, String::new()));
    }
    let others = [
        "Array:",
        "Port Name:",
        "Expander ",
        "Enclosure SEP",
        "SEP (",
        "Unassigned",
        "Physical Drives",
        "Sensor ID:",
    ];
    let begins = others.iter().any(|other| line.starts_with(other));
    (begins && (after_blank || line.starts_with("Sensor ID"))).then(|| (Section::Other, String::new()))
}

fn property(section: Section, id: &str, key: &str, value: &str, seen: &mut Seen) {
    match section {
        Section::Controller => controller(id, key, value, seen),
        Section::Volume => volume(seen.part("logical_drive", id), key, value),
        Section::Drive => drive(id, key, value, seen),
        Section::Other => {}
    }
}

fn controller(id: &str, key: &str, value: &str, seen: &mut Seen) {
    match key {
        "Battery/Capacitor Status" => {
            let battery = seen.part("battery", &format!("{id}/battery"));
            return judge_state(battery, "it is", value, &BATTERY);
        }
        "Controller Temperature (C)" => {
            if let Some(degrees) = super::leading_number(value) {
                seen.value("controller", id, "hw.temperature", degrees);
            }
            return;
        }
        _ => {}
    }
    let part = seen.part("controller", id);
    match key {
        "Serial Number" => part.detail("serial", value),
        "Firmware Version" => part.detail("firmware", value),
        "Controller Status" => judge_state(part, "it is", value, &CONTROLLER),
        "Cache Status" => judge_state(part, "its cache is", value, &CACHE),
        "Cache Status Details" if part.status != Ok => part.judge(part.status, value.trim_end_matches('.')),
        _ => {}
    }
}

fn volume(part: &mut Part, key: &str, value: &str) {
    match key {
        "Size" => part.detail("size", value),
        "Fault Tolerance" => part.detail("level", format!("RAID {value}")),
        "Disk Name" => part.detail("device", value),
        // What follows a comma is progress.
        "Status" => judge_state(part, "it is", value.split(',').next().unwrap_or(value), &VOLUME),
        "Caching" => {
            part.detail("caching", value);
            if ["Temporarily", "Permanently"]
                .iter()
                .any(|word| value.starts_with(word))
            {
                part.judge(Degraded, format!("its cache is {value}"));
            }
        }
        "Unrecoverable Media Errors" if !matches!(value, "None" | "") => {
            part.judge(Degraded, "it has unrecoverable media errors");
        }
        _ => {}
    }
}

fn drive(id: &str, key: &str, value: &str, seen: &mut Seen) {
    if key == "Current Temperature (C)" {
        if let Some(degrees) = super::leading_number(value) {
            seen.value("physical_drive", id, "hw.temperature", degrees);
        }
        return;
    }
    let part = seen.part("physical_drive", id);
    match key {
        "Status" => judge_state(part, "it is", value.split(',').next().unwrap_or(value), &DRIVE),
        "Size" => part.detail("size", value),
        "Model" => part.detail("model", value),
        "Serial Number" => part.detail("serial", value),
        "Drive Type" => part.detail("role", value),
        "SSD Smart Trip Wearout" if value == "True" => part.judge(Degraded, "it is nearly worn out"),
        _ => {}
    }
}
