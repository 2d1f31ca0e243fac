//! `storcli` and `perccli`, which print JSON: of controllers, of volumes, of drives.

use super::{Seen, judge_state, leading_number};
use crate::surveys::PartStatus::{self, Degraded, Failed, Ok};
use serde_json::{Map, Value};

/// Words of the tables, as their legends explain them.
const VOLUME: [(&str, PartStatus); 6] = [
    ("Optl", Ok),
    ("OfLn", Failed),
    ("Offline", Failed),
    ("Failed", Failed),
    ("Msng", Failed),
    ("-", Ok),
];
const DRIVE: [(&str, PartStatus); 15] = [
    ("Onln", Ok),
    ("GHS", Ok),
    ("DHS", Ok),
    ("UGood", Ok),
    ("UGUnsp", Degraded),
    ("JBOD", Ok),
    ("Ready", Ok),
    ("Cpybck", Ok),
    ("Sntze", Ok),
    ("Conf", Ok),
    ("Offln", Failed),
    ("UBad", Failed),
    ("Failed", Failed),
    ("Msng", Failed),
    ("Missing", Failed),
];
const BATTERY: [(&str, PartStatus); 8] = [
    ("Opt", Ok),
    ("Ready", Ok),
    ("Learn", Ok),
    ("Charg", Ok),
    ("Chrg", Ok),
    ("Failed", Failed),
    ("Missing", Failed),
    ("Not Present", Failed),
];
const CONTROLLER: [(&str, PartStatus); 4] = [("Opt", Ok), ("OK", Ok), ("Failed", Failed), ("Critical", Failed)];

/// Takes one command's JSON.
pub(super) fn read(bytes: &[u8], seen: &mut Seen) {
    let Result::Ok(json) = serde_json::from_slice::<Value>(bytes) else {
        return seen.unread("storcli", "its tool printed no JSON");
    };
    for answer in json["Controllers"].as_array().map_or(&[][..], Vec::as_slice) {
        let number = answer["Command Status"]["Controller"].as_u64();
        let (Some(number), Some(data)) = (number, answer["Response Data"].as_object()) else {
            continue;
        };
        let id = format!("c{number}");
        read_controller(&id, data, seen);
        read_batteries(&id, data, seen);
        read_volumes(&id, data, seen);
        for row in rows(data, "PD LIST") {
            read_drive(&id, row, seen);
        }
        read_drives(&id, data, seen);
        if let Some(drives) = data.get("Physical Device Information").and_then(Value::as_object) {
            read_drives(&id, drives, seen);
        }
    }
}

fn rows<'data>(data: &'data Map<String, Value>, key: &str) -> &'data [Value] {
    data.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'value>(value: &'value Value, key: &str) -> &'value str {
    value[key].as_str().unwrap_or_default().trim()
}

fn read_controller(id: &str, data: &Map<String, Value>, seen: &mut Seen) {
    let (Some(basics), Some(status)) = (data.get("Basics"), data.get("Status")) else {
        return;
    };
    let part = seen.part("controller", id);
    part.detail("model", text(basics, "Model"));
    part.detail("serial", text(basics, "Serial Number"));
    part.detail(
        "firmware",
        data.get("Version")
            .map_or("", |version| text(version, "Firmware Version")),
    );
    judge_state(part, "it is", text(status, "Controller Status"), &CONTROLLER);
    if status["Memory Uncorrectable Errors"]
        .as_u64()
        .is_some_and(|errors| errors > 0)
    {
        part.judge(Degraded, "its memory has uncorrectable errors");
    }
    let Some(hardware) = data.get("HwCfg") else { return };
    let degrees = hardware["ROC temperature(Degree Celsius)"].as_f64();
    if let Some(degrees) = degrees {
        seen.value("controller", id, "hw.temperature", degrees);
    }
}

fn read_batteries(id: &str, data: &Map<String, Value>, seen: &mut Seen) {
    for key in ["BBU_Info", "Cachevault_Info"] {
        for row in rows(data, key) {
            let part = seen.part("battery", &format!("{id}/battery"));
            part.detail("model", text(row, "Model"));
            part.detail("made", text(row, "MfgDate"));
            judge_state(part, "it is", text(row, "State"), &BATTERY);
        }
    }
}

fn read_volumes(id: &str, data: &Map<String, Value>, seen: &mut Seen) {
    let backed = seen
        .parts
        .iter()
        .any(|part| part.kind == "battery" && part.id.starts_with(&format!("{id}/")));
    let tables = data
        .iter()
        .filter(|(key, _)| *key == "VD LIST" || key.starts_with(&format!("/{id}/v")));
    for row in tables.flat_map(|(_, rows)| rows.as_array().map_or(&[][..], Vec::as_slice)) {
        let Some((_, number)) = row["DG/VD"].as_str().and_then(|place| place.split_once('/')) else {
            continue;
        };
        let number = number.trim();
        let properties = data.get(&format!("VD{number} Properties"));
        let asked = properties.map(|properties| text(properties, "Write Cache(initial setting)"));
        let part = seen.part("logical_drive", &format!("{id}/v{number}"));
        let told = !part.details.is_empty();
        part.detail("level", text(row, "TYPE"));
        part.detail("size", text(row, "Size"));
        part.detail("name", text(row, "Name"));
        if !told {
            judge_state(part, "it is", text(row, "State"), &VOLUME);
        }
        // Such as RWBD: read-ahead, write-back, direct.
        let through = text(row, "Cache").contains("WT");
        part.detail("write_cache", if through { "write through" } else { "write back" });
        let wanted_back = asked.map_or(backed && !told, |asked| asked.contains("Back") || asked == "WB");
        let reason = "it writes through instead of back";
        if through && wanted_back && !part.reason.contains(reason) {
            part.judge(Degraded, reason);
        }
    }
}

/// `252:0` of controller 0 is `c0/e252/s0`, as the tool itself names it.
fn drive_id(id: &str, place: &str) -> Option<String> {
    let (enclosure, slot) = place.split_once(':')?;
    let (enclosure, slot) = (enclosure.trim(), slot.trim());
    Some(if enclosure.is_empty() {
        format!("{id}/s{slot}")
    } else {
        format!("{id}/e{enclosure}/s{slot}")
    })
}

fn read_drive(id: &str, row: &Value, seen: &mut Seen) {
    let Some(drive) = row["EID:Slt"].as_str().and_then(|place| drive_id(id, place)) else {
        return;
    };
    let part = seen.part("physical_drive", &drive);
    if !part.details.is_empty() {
        return; // another command told it already
    }
    part.detail("model", text(row, "Model"));
    part.detail("size", text(row, "Size"));
    part.detail("media", text(row, "Med"));
    part.detail("state", text(row, "State"));
    judge_state(part, "it is", text(row, "State"), &DRIVE);
    if row["DG"] == "F" {
        part.judge(Degraded, "it bears a foreign configuration");
    }
}

/// `Drive /c0/e252/s0` and `Drive /c0/e252/s0 - Detailed Information`
fn read_drives(id: &str, data: &Map<String, Value>, seen: &mut Seen) {
    for (key, value) in data {
        let Some(place) = key.strip_prefix("Drive /") else {
            continue;
        };
        match place.strip_suffix(" - Detailed Information") {
            None => {
                for row in value.as_array().map_or(&[][..], Vec::as_slice) {
                    read_drive(id, row, seen);
                }
            }
            Some(place) => {
                let place = place.to_owned();
                if let Some(detail) = value.as_object() {
                    read_detail(&place, detail, seen);
                }
            }
        }
    }
}

fn read_detail(drive: &str, detail: &Map<String, Value>, seen: &mut Seen) {
    let Some(state) = detail.get(&format!("Drive /{drive} State")) else {
        return;
    };
    if let Some(degrees) = state["Drive Temperature"].as_str().and_then(leading_number) {
        seen.value("physical_drive", drive, "hw.temperature", degrees);
    }
    if let Some(errors) = state["Media Error Count"].as_f64() {
        seen.value("physical_drive", drive, "tocsin.disk.media_errors", errors);
    }
    let part = seen.part("physical_drive", drive);
    if let Some(attributes) = detail.get(&format!("Drive /{drive} Device attributes")) {
        part.detail("serial", text(attributes, "SN"));
        part.detail("firmware", text(attributes, "Firmware Revision"));
    }
    let predicted = state["Predictive Failure Count"]
        .as_u64()
        .is_some_and(|count| count > 0);
    if predicted || text(state, "S.M.A.R.T alert flagged by drive") == "Yes" {
        part.judge(Degraded, "it predicts its own failure");
    }
}
