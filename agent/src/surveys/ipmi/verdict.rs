//! What a sensor's words and thresholds mean for the part that it watches.

use super::sensors::{Sensor, Unit};
use crate::surveys::{Part, PartStatus, limits::Limits};

/// States of a part that does not work (words of `ipmitool` for IPMI 2.0, table 42-3), lower case. Looked for before
/// [`DEGRADED`].
const FAILED: [&str; 21] = [
    "ac lost",
    "drive fault",
    "failure detected",
    "frb1",
    "frb2",
    "frb3",
    "ierr",
    "in failed array",
    "input lost",
    "insufficient resources",
    "lower critical",
    "memory scrub failed",
    "non-recoverable",
    "parity",
    "power supply ac lost",
    "soft-power control failure",
    "thermal trip",
    "transition to critical",
    "uncorrectable ecc",
    "uncorrectable machine check",
    "upper critical",
];

/// States of a part that works, but not as it should.
const DEGRADED: [&str; 15] = [
    "config error",
    "configuration error",
    "in critical array",
    "input out-of-range",
    "limit exceeded",
    "limit reached",
    "non-critical",
    "non-redundant",
    "predictive failure",
    "rebuild aborted",
    "rebuild in progress",
    "rebuild/remap",
    "redundancy degraded",
    "redundancy lost",
    "transition to degraded",
];

/// The verdict of one state in words.
pub(super) fn of_words(words: &str) -> Option<PartStatus> {
    let words = words.to_ascii_lowercase();
    let any = |list: &[&str]| list.iter().any(|known| words.contains(known));
    if any(&FAILED) {
        Some(PartStatus::Failed)
    } else if any(&DEGRADED) {
        Some(PartStatus::Degraded)
    } else {
        None
    }
}

/// The part that a sensor watches; and the verdict of its value alone.
pub(super) fn part(sensor: &Sensor, id: &str, before: PartStatus) -> (Part, PartStatus) {
    let kind = kind(sensor);
    let mut part = Part::new(kind, id);
    for words in &sensor.says {
        if let Some(status) = of_words(words) {
            part.judge(status, words);
        } else if kind == "battery" && (words.eq_ignore_ascii_case("low") || words.eq_ignore_ascii_case("failed")) {
            part.judge(PartStatus::Degraded, words);
        }
    }
    part.detail("source", "ipmi");
    part.detail("number", &*sensor.number);
    let beyond = of_value(sensor, before);
    let status = beyond.as_ref().map_or(PartStatus::Ok, |(status, _)| *status);
    if let Some((status, reason)) = beyond {
        part.judge(status, reason);
    }
    (part, status)
}

/// By its thresholds; by the controller's word only where they are not known. A part that needs little power is well,
/// and units that the firmware does not name have thresholds that mean nothing.
fn of_value(sensor: &Sensor, before: PartStatus) -> Option<(PartStatus, String)> {
    let (value, unit) = sensor.reading?;
    let limits = match (unit, sensor.limits) {
        (Unit::Other | Unit::Percent, _) | (Unit::Watts, None) => return None,
        (Unit::Watts, Some(limits)) => Limits {
            low: None,
            low_critical: None,
            ..limits
        },
        (_, Some(limits)) => limits,
        (_, None) => {
            let status = match sensor.state.as_str() {
                "nc" => PartStatus::Degraded,
                "cr" | "nr" => PartStatus::Failed,
                _ => return None,
            };
            return Some((status, format!("beyond a limit ({})", sensor.state)));
        }
    };
    limits.verdict(value, unit.word(), before)
}

/// The type of part, by unit, entity (IPMI 2.0, table 43-13) and name.
fn kind(sensor: &Sensor) -> &'static str {
    let name = sensor.name.to_ascii_lowercase();
    match sensor.reading {
        Some((_, Unit::Celsius)) => return "temperature",
        Some((_, Unit::Volts)) => return "voltage",
        Some((_, Unit::Rpm)) => return "fan",
        _ => {}
    }
    match sensor.entity {
        _ if sensor.is_fan() => "fan",
        Some(10 | 19 | 20 | 21) => "power_supply",
        Some(4 | 26) => "disk",
        Some(8 | 32) => "memory",
        Some(3 | 65) => "processor",
        Some(40) => "battery",
        _ if name.contains("batt") => "battery",
        _ if name.contains("memory") || name.contains("dimm") => "memory",
        _ if name.contains("power") || name.starts_with("ps") || name.starts_with("pwr") => "power_supply",
        _ if name.contains("drive") || name.contains("disk") => "disk",
        _ if name.contains("cpu") || name.contains("proc") => "processor",
        _ => "sensor",
    }
}
