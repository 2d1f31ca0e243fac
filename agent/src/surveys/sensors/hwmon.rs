//! Chips in `/sys/class/hwmon` (kernel documentation `hwmon/sysfs-interface`).
//!
//! The number of a chip changes from boot to boot, so a chip is called after its device. Old drivers keep their files
//! one folder deeper, in `device`.

use super::{Memory, Reading, Sort, TEMPERATURE};
use crate::surveys::{Findings, Host, PartStatus, limits::Limits};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

const FOLDER: &str = "sys/class/hwmon";

/// Most sensors of one chip.
const SENSORS_MAX: usize = 512;

/// An idle fan turns at its least speed, a little above or below; and its greatest is no fault.
static FAN: Sort = Sort {
    part: Some("fan"),
    metric: "hw.fan.speed",
    limit_metric: Some("hw.fan.speed.limit"),
    unit: "rpm",
    range: 0.0..=60_000.0,
    tolerance: 0.9,
};
static VOLTAGE: Sort = Sort {
    part: Some("voltage"),
    metric: "hw.voltage",
    limit_metric: Some("hw.voltage.limit"),
    unit: "V",
    range: -1_000.0..=1_000.0,
    tolerance: 1.0,
};
static POWER: Sort = Sort {
    part: None,
    metric: "hw.power",
    limit_metric: None,
    unit: "W",
    range: 0.0..=100_000.0,
    tolerance: 1.0,
};
static CURRENT: Sort = Sort {
    part: None,
    metric: "tocsin.sensor.current",
    limit_metric: None,
    unit: "A",
    range: -10_000.0..=10_000.0,
    tolerance: 1.0,
};

/// By the beginning of their files' names; and what one of their units is of the file's.
fn sort_of(prefix: &str) -> Option<(&'static Sort, f64)> {
    match prefix {
        "temp" => Some((&TEMPERATURE, 1e3)),
        "fan" => Some((&FAN, 1.0)),
        "in" => Some((&VOLTAGE, 1e3)),
        "power" => Some((&POWER, 1e6)),
        "curr" => Some((&CURRENT, 1e3)),
        _ => None,
    }
}

/// Splits `temp2_crit_alarm` into `temp`, 2 and `crit_alarm`.
pub(super) fn parse_file_name(name: &str) -> Option<(&str, u32, &str)> {
    let (channel, item) = name.split_once('_')?;
    let digits = channel.find(|c: char| c.is_ascii_digit())?;
    let (prefix, number) = channel.split_at(digits);
    Some((prefix, number.parse().ok()?, item))
}

/// Looks at all chips; gives their names.
pub(super) fn look(host: &Host, memory: &mut Memory, findings: &mut Findings) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut ids = BTreeMap::<String, u32>::new();
    for entry in host.entries(FOLDER) {
        let mut folder = format!("{FOLDER}/{entry}");
        let mut sensors = sensors(host, &folder);
        if sensors.is_empty() {
            folder.push_str("/device");
            sensors = self::sensors(host, &folder);
        }
        let name = host
            .text(format!("{FOLDER}/{entry}/name"))
            .or_else(|| host.text(format!("{folder}/name")))
            .unwrap_or_default();
        let mut chip = chip_id(&name, device(host, &entry).as_deref(), &entry);
        let nth = ids.entry(chip.clone()).or_default();
        *nth += 1;
        if *nth > 1 {
            chip = format!("{chip}#{nth}");
        }
        for ((prefix, number), items) in sensors {
            if let Some((sort, per_unit)) = sort_of(&prefix) {
                let channel = Channel {
                    host,
                    base: format!("{folder}/{prefix}{number}"),
                    items: &items,
                    per_unit,
                };
                let id = format!("{chip}/{prefix}{number}");
                channel.tell(sort, &id, &name, memory, findings);
            }
        }
        names.insert(name);
    }
    names
}

type Items = BTreeSet<String>;

fn sensors(host: &Host, folder: &str) -> BTreeMap<(String, u32), Items> {
    let mut sensors = BTreeMap::<(String, u32), Items>::new();
    for name in host.entries(folder) {
        if let Some((prefix, number, item)) = parse_file_name(&name)
            && sort_of(prefix).is_some()
            && sensors.len() < SENSORS_MAX
        {
            sensors
                .entry((prefix.to_owned(), number))
                .or_default()
                .insert(item.to_owned());
        }
    }
    sensors
}

/// The device that bears the chip: its folder in `/sys/devices`.
fn device(host: &Host, entry: &str) -> Option<String> {
    let known = host.link_name(format!("{FOLDER}/{entry}/device"));
    known.or_else(|| {
        let target = fs::read_link(host.path(format!("{FOLDER}/{entry}"))).ok()?;
        let mut above = target.iter().rev().skip(1).filter_map(|name| name.to_str());
        let name = above.next()?;
        let name = if name == "hwmon" { above.next()? } else { name };
        (!matches!(name, "virtual" | "..")).then(|| name.to_owned())
    })
}

fn chip_id(name: &str, device: Option<&str>, entry: &str) -> String {
    match device {
        Some(device) if name.is_empty() || device.starts_with(name) => device.to_owned(),
        Some(device) => format!("{name}-{device}"),
        None if name.is_empty() => entry.to_owned(),
        None => name.to_owned(),
    }
}

/// One sensor of a chip.
struct Channel<'a> {
    host: &'a Host,
    /// Its folder and the beginning of its files' names.
    base: String,
    items: &'a Items,
    per_unit: f64,
}

impl Channel<'_> {
    fn has(&self, item: &str) -> bool {
        self.items.contains(item)
    }

    fn read(&self, item: &str) -> Option<f64> {
        if !self.has(item) {
            return None;
        }
        #[allow(clippy::cast_precision_loss)] // far below 2^53
        let value = self.host.signed(format!("{}_{item}", self.base))? as f64;
        Some(value / self.per_unit)
    }

    fn flag(&self, item: &str) -> bool {
        self.has(item) && self.host.number(format!("{}_{item}", self.base)) == Some(1)
    }

    fn tell(&self, sort: &'static Sort, id: &str, chip: &str, memory: &mut Memory, findings: &mut Findings) {
        let limits = Limits {
            low_critical: self.read("lcrit"),
            low: self.read("min"),
            high: self.read("max"),
            high_critical: self.read("crit").or_else(|| self.read("emergency")),
        };
        let mut sane = limits.sane(&sort.range);
        if sort.part == Some("fan") {
            (sane.high, sane.high_critical) = (None, None);
        }
        let label = self
            .has("label")
            .then(|| self.host.text(format!("{}_label", self.base)));
        let label = label.flatten().unwrap_or_default();
        let mut reading = Reading {
            id,
            name: &label,
            chip,
            value: self.read("input").or_else(|| self.read("average")),
            limits: sane,
            flags: Vec::new(),
        };
        if self.flag("fault") {
            // What a broken diode measures means nothing; a fan's flag is the fan's.
            reading.value = None;
            reading.flags.push(match sort.part {
                Some("temperature") => (PartStatus::Unread, "the sensor is open, shorted or not there"),
                _ => (PartStatus::Failed, "its fault flag is set"),
            });
            if sort.part == Some("temperature") && !memory.spoke.contains(id) {
                return; // never connected
            }
        }
        self.alarms(&limits, &sane, &mut reading.flags);
        if sort.part == Some("fan") {
            let spins = reading.value.is_some_and(|value| value > 0.0);
            if !spins && sane.low.is_none() && reading.flags.is_empty() && !memory.spoke.contains(id) {
                return; // a header without a fan
            }
        }
        memory.tell(sort, &reading, findings);
    }

    /// Alarms count where the limit they compare with is set.
    fn alarms(&self, limits: &Limits, sane: &Limits, flags: &mut Vec<(PartStatus, &'static str)>) {
        let means = |raw: Option<f64>, sane: Option<f64>| raw.is_none() || sane.is_some();
        for (item, means, status, reason) in [
            (
                "crit_alarm",
                means(limits.high_critical, sane.high_critical),
                PartStatus::Failed,
                "its critical alarm is set",
            ),
            (
                "emergency_alarm",
                means(limits.high_critical, sane.high_critical),
                PartStatus::Failed,
                "its emergency alarm is set",
            ),
            (
                "lcrit_alarm",
                means(limits.low_critical, sane.low_critical),
                PartStatus::Failed,
                "its critical alarm is set",
            ),
            (
                "max_alarm",
                means(limits.high, sane.high),
                PartStatus::Degraded,
                "its upper alarm is set",
            ),
            (
                "min_alarm",
                means(limits.low, sane.low),
                PartStatus::Degraded,
                "its lower alarm is set",
            ),
            (
                "alarm",
                limits.is_empty() || !sane.is_empty(),
                PartStatus::Degraded,
                "its alarm is set",
            ),
        ] {
            if means && self.flag(item) {
                flags.push((status, reason));
            }
        }
    }
}
