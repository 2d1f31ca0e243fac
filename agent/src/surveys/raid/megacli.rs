//! `megacli -LDPDInfo -aALL` and `-AdpBbuCmd -aALL`: the tool before `storcli`.

use super::{Seen, judge_state, leading_number, pair};
use crate::surveys::{
    Part,
    PartStatus::{self, Degraded, Failed, Ok},
};

const VOLUME: [(&str, PartStatus); 2] = [("Optimal", Ok), ("Offline", Failed)];
const DRIVE: [(&str, PartStatus); 8] = [
    ("Online", Ok),
    ("Hotspare", Ok),
    ("Unconfigured(good)", Ok),
    ("JBOD", Ok),
    ("Copyback", Ok),
    ("Unconfigured(bad)", Failed),
    ("Failed", Failed),
    ("Offline", Failed),
];
const BATTERY: [(&str, PartStatus); 6] = [
    ("Optimal", Ok),
    ("Operational", Ok),
    ("Learning", Ok),
    ("Charging", Ok),
    ("Failed", Failed),
    ("Missing", Failed),
];

/// What the lines are about.
enum Section {
    None,
    Volume(String),
    /// Its enclosure; it is told when its slot is known.
    Drive(Option<String>, Option<String>),
    Battery,
}

/// Takes the text of either command.
pub(super) fn read(text: &str, seen: &mut Seen) {
    let (mut controller, mut section) = (String::from("c0"), Section::None);
    let mut asked_back = false;
    for line in text.lines().map(str::trim) {
        if let Some(number) = line.strip_prefix("Adapter #") {
            (controller, section) = (format!("c{}", number.trim()), Section::None);
            continue;
        }
        let Some((key, value)) = pair(line) else { continue };
        match key {
            "BBU status for Adapter" => {
                (controller, section) = (format!("c{value}"), Section::Battery);
                seen.part("battery", &format!("{controller}/battery"));
            }
            "Virtual Drive" | "CacheCade Virtual Drive" => {
                let number = value.split(' ').next().unwrap_or(value);
                section = Section::Volume(format!("{controller}/v{number}"));
            }
            "Enclosure Device ID" => section = Section::Drive(Some(value.to_owned()), None),
            "Slot Number" => {
                let enclosure = match &section {
                    Section::Drive(Some(enclosure), _) if enclosure != "N/A" => format!("/e{enclosure}"),
                    _ => String::new(),
                };
                section = Section::Drive(None, Some(format!("{controller}{enclosure}/s{value}")));
            }
            _ => match &section {
                Section::Volume(id) => volume(seen.part("logical_drive", id), key, value, &mut asked_back),
                Section::Drive(_, Some(id)) => drive(id, key, value, seen),
                Section::Battery => battery(seen.part("battery", &format!("{controller}/battery")), key, value),
                _ => {}
            },
        }
    }
}

fn volume(part: &mut Part, key: &str, value: &str, asked_back: &mut bool) {
    match key {
        "Name" => part.detail("name", value),
        "RAID Level" => part.detail("level", value),
        "Size" => part.detail("size", value),
        "State" => judge_state(part, "it is", value, &VOLUME),
        "Default Cache Policy" => *asked_back = value.starts_with("WriteBack"),
        "Current Cache Policy" => {
            let through = value.starts_with("WriteThrough");
            part.detail("write_cache", if through { "write through" } else { "write back" });
            if through && *asked_back {
                part.judge(Degraded, "it writes through instead of back");
            }
        }
        "Bad Blocks Exist" if value == "Yes" => part.judge(Degraded, "it has bad blocks"),
        _ => {}
    }
}

fn drive(id: &str, key: &str, value: &str, seen: &mut Seen) {
    match key {
        "Media Error Count" => {
            if let Some(errors) = leading_number(value) {
                seen.value("physical_drive", id, "tocsin.disk.media_errors", errors);
            }
            return;
        }
        "Drive Temperature" => {
            if let Some(degrees) = leading_number(value) {
                seen.value("physical_drive", id, "hw.temperature", degrees);
            }
            return;
        }
        _ => {}
    }
    let part = seen.part("physical_drive", id);
    let predicts = "it predicts its own failure";
    match key {
        "Firmware state" => judge_state(part, "it is", value, &DRIVE),
        "Inquiry Data" => part.detail("model", value.split_whitespace().collect::<Vec<_>>().join(" ")),
        "Raw Size" => part.detail("size", value.split(" [").next().unwrap_or(value)),
        "Media Type" => part.detail("media", value),
        "Predictive Failure Count" if leading_number(value).is_some_and(|count| count > 0.0) => {
            part.judge(Degraded, predicts);
        }
        "Drive has flagged a S.M.A.R.T alert" if value == "Yes" && !part.reason.contains(predicts) => {
            part.judge(Degraded, predicts);
        }
        "Foreign State" if value == "Foreign" => part.judge(Degraded, "it bears a foreign configuration"),
        _ => {}
    }
}

fn battery(part: &mut Part, key: &str, value: &str) {
    match key {
        "BatteryType" => part.detail("model", value),
        "Battery State" => judge_state(part, "it is", value, &BATTERY),
        "Battery Replacement required" if value == "Yes" => part.judge(Degraded, "it must be replaced"),
        "Battery Pack Missing" if value == "Yes" => part.judge(Failed, "it is missing"),
        "Pack is about to fail & should be replaced" if value == "Yes" => part.judge(Degraded, "it is about to fail"),
        _ => {}
    }
}
