//! Sensors, fans, power, memory modules: what the machine says of itself.

use super::{Known, Standing, worst_first};

/// A sensor, or a part of the machine that has no figure.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sensor {
    /// `temperature`, `fan`, `ups`, `memory`, …
    pub(crate) kind: String,
    pub(crate) id: String,
    /// What the board calls it; empty without a label.
    pub(crate) name: String,
    pub(crate) standing: Standing,
    /// Figures with their units.
    pub(crate) readings: Vec<(f64, &'static str)>,
    /// `high.critical` and so on, in the unit of the first reading.
    pub(crate) limits: Vec<(String, f64)>,
    /// It runs on its battery.
    pub(crate) on_battery: bool,
    /// Errors that it counted within the last hour.
    pub(crate) errors: Option<f64>,
}

/// Metrics of sensors with the type of their part and the metric of their limits.
const SENSORS: [(&str, &str, &str, &str); 5] = [
    ("hw.temperature", "temperature", "Cel", "hw.temperature.limit"),
    ("hw.fan.speed", "fan", "rpm", "hw.fan.speed.limit"),
    ("hw.voltage", "voltage", "V", "hw.voltage.limit"),
    ("hw.power", "power", "W", ""),
    ("tocsin.sensor.current", "current", "A", ""),
];

/// Types of parts of the machine, those that matter most first; the last two are as many as dull.
const KINDS: [&str; 11] = [
    "power_supply",
    "ups",
    "battery",
    "fan",
    "memory",
    "processor",
    "sensor",
    "temperature",
    "voltage",
    "power",
    "current",
];

/// Every sensor and every part of the machine itself.
pub(crate) fn sensors(known: &Known<'_>) -> Vec<Sensor> {
    let mut sensors: Vec<Sensor> = Vec::new();
    for (metric, kind, unit, limit) in SENSORS {
        for (series, value) in known.all(metric) {
            let Some(id) = series.attribute("hw.id") else { continue };
            // A disk's temperature stands beside the disk.
            if series
                .attribute("hw.type")
                .is_some_and(|of| of == "disk" || of == "physical_drive")
            {
                continue;
            }
            let mut sensor = sensor(known, kind, id);
            sensor.name = series.attribute("hw.name").unwrap_or_default().to_owned();
            sensor.readings.insert(0, (*value, unit));
            let limits = known.all(limit).iter();
            let own = limits.filter(|(series, _)| series.attribute("hw.id") == Some(id));
            sensor.limits = own
                .filter_map(|(series, value)| Some((series.attribute("hw.limit_type")?.to_owned(), *value)))
                .collect();
            sensors.push(sensor);
        }
    }
    for kind in KINDS {
        for part in known.parts_of(&[kind]) {
            if !sensors.iter().any(|sensor| sensor.kind == kind && sensor.id == part.id) {
                let mut sensor = sensor(known, kind, &part.id);
                let name = part.details.get("name").or_else(|| part.details.get("label"));
                sensor.name = name.or_else(|| part.details.get("model")).cloned().unwrap_or_default();
                sensors.push(sensor);
            }
        }
    }
    let place = |sensor: &Sensor| KINDS.iter().position(|kind| *kind == sensor.kind);
    sensors.sort_by(|a, b| (place(a), &a.id).cmp(&(place(b), &b.id)));
    worst_first(&mut sensors, |sensor| sensor.standing.health);
    sensors
}

fn sensor(known: &Known<'_>, kind: &'static str, id: &str) -> Sensor {
    let on = [("hw.id", id)];
    let mut readings = Vec::new();
    if matches!(kind, "ups" | "battery" | "power_supply") {
        let figures = [
            ("hw.battery.charge", "1"),
            ("hw.battery.time_left", "s"),
            ("hw.power_supply.utilization", "1"),
        ];
        let of = |metric| known.value(metric, &on);
        readings.extend(
            figures
                .into_iter()
                .filter_map(|(metric, unit)| Some((of(metric)?, unit))),
        );
    }
    Sensor {
        kind: kind.to_owned(),
        id: id.to_owned(),
        name: String::new(),
        standing: Standing::of(known.part(kind, id)),
        readings,
        limits: Vec::new(),
        on_battery: kind == "ups" && known.value("tocsin.ups.on_battery", &on) == Some(1.0),
        errors: known
            .grown("hw.errors", &[on[0], ("hw.type", kind)])
            .filter(|errors| *errors > 0.0),
    }
}
