//! What `apcaccess status` prints (apcupsd manual, "Status report fields").

use super::{DEADLINE, Supply, fields, leading_number};
use crate::surveys::{Host, PartStatus};

/// It asks the one service of this host, whatever the supply is called there.
const ID: &str = "apcupsd";

/// None without the tool, or when its service does not run.
pub(super) fn look(host: &Host) -> Option<Supply> {
    let output = host.tool("apcaccess", &["status"], DEADLINE)?.ok()?;
    parse(&String::from_utf8_lossy(&output.out))
}

pub(super) fn parse(text: &str) -> Option<Supply> {
    let fields = fields(text);
    let status = fields.get("STATUS")?;
    let words: Vec<&str> = status.split_whitespace().collect();
    let has = |word: &str| words.contains(&word);
    let lost = has("COMMLOST");
    let mut supply = Supply {
        id: ID.to_owned(),
        on_battery: (!lost).then(|| has("ONBATT")),
        ..Supply::default()
    };
    let mut judge = |holds: bool, status, reason| {
        if holds {
            supply.verdicts.push((status, reason));
        }
    };
    judge(lost, PartStatus::Unread, "its service has lost it");
    judge(
        has("ONBATT") && !has("CAL"),
        PartStatus::Degraded,
        "it runs on its battery",
    );
    let low = if has("ONBATT") {
        PartStatus::Failed
    } else {
        PartStatus::Degraded
    };
    judge(has("LOWBATT"), low, "its battery is nearly empty");
    judge(has("SHUTTING"), PartStatus::Failed, "it is being shut down");
    judge(has("REPLACEBATT"), PartStatus::Degraded, "its battery must be replaced");
    judge(has("NOBATT"), PartStatus::Degraded, "it has no battery");
    judge(has("OVERLOAD"), PartStatus::Degraded, "it is overloaded");
    if lost {
        return Some(supply); // figures are those of before
    }
    for (key, metric, suffix, factor) in [
        ("BCHARGE", "hw.battery.charge", "", 0.01),
        ("TIMELEFT", "hw.battery.time_left", "", 60.0),
        ("LOADPCT", "hw.power_supply.utilization", "", 0.01),
        ("LINEV", "hw.voltage", "/input", 1.0),
        ("OUTPUTV", "hw.voltage", "/output", 1.0),
        ("BATTV", "hw.voltage", "/battery", 1.0),
        ("ITEMP", "hw.temperature", "", 1.0),
    ] {
        if let Some(value) = fields.get(key).and_then(|text| leading_number(text)) {
            supply.values.push((metric, suffix, value * factor));
        }
    }
    for (key, detail) in [
        ("UPSNAME", "name"),
        ("MODEL", "model"),
        ("SERIALNO", "serial"),
        ("FIRMWARE", "firmware"),
        ("BATTDATE", "battery_date"),
    ] {
        if let Some(text) = fields.get(key) {
            supply.details.push((detail, (*text).to_owned()));
        }
    }
    Some(supply)
}
