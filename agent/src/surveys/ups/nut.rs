//! What `upsc` of Network UPS Tools prints (NUT developer guide, "Variables").

use super::{DEADLINE, Supply, fields, leading_number};
use crate::surveys::{Host, PartStatus};

/// Most supplies of one host that are asked.
const SUPPLIES_MAX: usize = 8;
/// Most bytes of a supply's name.
const NAME_BYTES_MAX: usize = 64;

pub(super) fn look(host: &Host, supplies: &mut Vec<Supply>) {
    let Some(Ok(output)) = host.tool("upsc", &["-l"], DEADLINE) else {
        return;
    };
    let listed = String::from_utf8_lossy(&output.out);
    for name in listed
        .lines()
        .map(str::trim)
        .filter(|name| is_name(name))
        .take(SUPPLIES_MAX)
    {
        let Some(Ok(output)) = host.tool("upsc", &[name], DEADLINE) else {
            continue;
        };
        supplies.push(parse(name, &String::from_utf8_lossy(&output.out)));
    }
}

/// Names become arguments, so they are letters, digits and what can't be taken for an option.
pub(super) fn is_name(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
}

/// The supply `name`; one that its service can't read (`Data stale`) prints nothing here.
pub(super) fn parse(name: &str, text: &str) -> Supply {
    let fields = fields(text);
    let status = fields.get("ups.status").copied().unwrap_or_default();
    let words: Vec<&str> = status.split_whitespace().collect();
    let has = |word: &str| words.contains(&word);
    let mut supply = Supply {
        id: name.to_owned(),
        on_battery: (!words.is_empty()).then(|| has("OB")),
        ..Supply::default()
    };
    let mut judge = |holds: bool, status, reason| {
        if holds {
            supply.verdicts.push((status, reason));
        }
    };
    judge(words.is_empty(), PartStatus::Unread, "its service can't read it");
    judge(has("OB") && !has("CAL"), PartStatus::Degraded, "it runs on its battery");
    let low = if has("OB") {
        PartStatus::Failed
    } else {
        PartStatus::Degraded
    };
    judge(has("LB"), low, "its battery is nearly empty");
    judge(has("FSD"), PartStatus::Failed, "it is being shut down");
    judge(has("OFF"), PartStatus::Failed, "it is off");
    judge(has("RB"), PartStatus::Degraded, "its battery must be replaced");
    judge(has("OVER"), PartStatus::Degraded, "it is overloaded");
    judge(
        has("BYPASS"),
        PartStatus::Degraded,
        "it is bypassed and protects nothing",
    );
    judge(has("ALARM"), PartStatus::Degraded, "its alarm is set");
    for (key, metric, suffix, factor) in [
        ("battery.charge", "hw.battery.charge", "", 0.01),
        ("battery.runtime", "hw.battery.time_left", "", 1.0),
        ("ups.load", "hw.power_supply.utilization", "", 0.01),
        ("input.voltage", "hw.voltage", "/input", 1.0),
        ("output.voltage", "hw.voltage", "/output", 1.0),
        ("battery.voltage", "hw.voltage", "/battery", 1.0),
        ("ups.temperature", "hw.temperature", "", 1.0),
        ("ups.realpower", "hw.power", "", 1.0),
    ] {
        if let Some(value) = fields.get(key).and_then(|text| leading_number(text)) {
            supply.values.push((metric, suffix, value * factor));
        }
    }
    for (key, detail) in [
        ("device.mfr", "manufacturer"),
        ("device.model", "model"),
        ("device.serial", "serial"),
        ("ups.firmware", "firmware"),
        ("battery.date", "battery_date"),
    ] {
        if let Some(text) = fields.get(key) {
            supply.details.push((detail, (*text).to_owned()));
        }
    }
    supply
}
