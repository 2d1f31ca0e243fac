//! Sensors that the kernel reads: chips (`/sys/class/hwmon`), thermal zones (`/sys/class/thermal`), batteries and mains
//! (`/sys/class/power_supply`). Verdicts come from the hardware's own limits, alarms and fault flags alone.

mod hwmon;
mod supply;
mod thermal;

use super::{Findings, Host, Part, PartStatus, Survey, limits::Limits};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    time::Duration,
};

/// Looks at sensors.
#[derive(Debug, Default)]
pub(crate) struct Sensors {
    memory: Memory,
}

/// What earlier looks saw.
#[derive(Debug, Default)]
struct Memory {
    /// Sensors that gave a sensible value once: what falls silent later is unread, what never spoke is absent.
    spoke: BTreeSet<String>,
    /// Sensors beyond a limit.
    beyond: BTreeMap<String, PartStatus>,
}

/// What sensors of one sort measure.
#[derive(Debug)]
struct Sort {
    /// Type of their parts; none for what has no verdict.
    part: Option<&'static str>,
    metric: &'static str,
    limit_metric: Option<&'static str>,
    unit: &'static str,
    /// What is outside comes from a sensor that is not connected.
    range: RangeInclusive<f64>,
    /// Share of a lower limit that is still well.
    tolerance: f64,
}

/// Unconnected diodes show -128, 127 or 127.5; no chip lives that warm.
static TEMPERATURE: Sort = Sort {
    part: Some("temperature"),
    metric: "hw.temperature",
    limit_metric: Some("hw.temperature.limit"),
    unit: "degrees C",
    range: -55.0..=126.0,
    tolerance: 1.0,
};

/// One sensor's answer.
#[derive(Debug)]
struct Reading<'a> {
    /// Which one: stable.
    id: &'a str,
    /// Its label on the board; empty without one.
    name: &'a str,
    /// Of which chip.
    chip: &'a str,
    /// In the unit of its sort.
    value: Option<f64>,
    limits: Limits,
    /// What its alarms and flags say.
    flags: Vec<(PartStatus, &'static str)>,
}

impl Memory {
    /// Tells a reading: value, limits, verdict.
    fn tell(&mut self, sort: &'static Sort, reading: &Reading<'_>, findings: &mut Findings) {
        let Reading { id, name, limits, .. } = reading;
        let value = reading.value.filter(|value| sort.range.contains(value));
        let flagged = !reading.flags.is_empty();
        if value.is_none() && !flagged && !self.spoke.contains(*id) {
            return;
        }
        let mut attributes = vec![("hw.id", *id)];
        if !name.is_empty() {
            attributes.push(("hw.name", name));
        }
        if let Some(value) = value {
            self.spoke.insert((*id).to_owned());
            findings.value(sort.metric, &attributes, value);
        } else {
            findings.absent(sort.metric, &attributes);
        }
        if let Some(metric) = sort.limit_metric {
            limits.tell(findings, metric, &attributes);
        }
        let Some(kind) = sort.part else { return };
        let mut part = Part::new(kind, *id);
        part.detail("name", *name);
        part.detail("chip", reading.chip);
        for (status, reason) in &reading.flags {
            part.judge(*status, reason);
        }
        if let Some(value) = value {
            let before = self.beyond.remove(*id).unwrap_or(PartStatus::Ok);
            if let Some((status, reason)) = limits.verdict(value / sort.tolerance, sort.unit, before) {
                part.judge(status, reason);
                self.beyond.insert((*id).to_owned(), status);
            }
        } else if !flagged {
            part.judge(PartStatus::Unread, "it gives no sensible value any more");
        }
        findings.part(part);
    }
}

impl Survey for Sensors {
    fn name(&self) -> &'static str {
        "sensors"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn look(&mut self, host: &Host, findings: &mut Findings) {
        let chips = hwmon::look(host, &mut self.memory, findings);
        thermal::look(host, &chips, &mut self.memory, findings);
        supply::look(host, findings);
    }
}

#[cfg(test)]
mod tests;
