//! Batteries, UPS and mains that the kernel knows itself: `/sys/class/power_supply` (kernel documentation
//! `ABI/testing/sysfs-class-power`). What feeds a mouse or a port is left out.

use crate::surveys::{Findings, Host, Part, PartStatus};

const FOLDER: &str = "sys/class/power_supply";

/// Of files in micro-units.
const MICRO: f64 = 1e6;

/// A longer time to empty is what a battery says that is not used.
const HOURS_MAX: f64 = 240.0;

pub(super) fn look(host: &Host, findings: &mut Findings) {
    for entry in host.entries(FOLDER) {
        let supply = Supply {
            host,
            folder: format!("{FOLDER}/{entry}"),
        };
        if supply.text("scope") == "Device" {
            continue;
        }
        match supply.text("type").as_str() {
            "Mains" => supply.mains(&entry, findings),
            "Battery" | "UPS" => supply.battery(&entry, findings),
            _ => {}
        }
    }
}

struct Supply<'a> {
    host: &'a Host,
    folder: String,
}

impl Supply<'_> {
    fn text(&self, file: &str) -> String {
        self.host.text(format!("{}/{file}", self.folder)).unwrap_or_default()
    }

    fn number(&self, file: &str) -> Option<f64> {
        #[allow(clippy::cast_precision_loss)] // far below 2^53
        self.host
            .signed(format!("{}/{file}", self.folder))
            .map(|value| value as f64)
    }

    fn mains(&self, id: &str, findings: &mut Findings) {
        let Some(online) = self.number("online") else { return };
        let mut part = Part::new("power_supply", id);
        if online == 0.0 {
            part.judge(PartStatus::Degraded, "no mains");
        }
        findings.part(part);
    }

    fn battery(&self, id: &str, findings: &mut Findings) {
        if self.number("present") == Some(0.0) {
            return;
        }
        let attributes = [("hw.id", id)];
        let value = |file: &str| self.number(file).map(|value| value / MICRO);
        if let Some(charge) = self.charge() {
            findings.value("hw.battery.charge", &attributes, charge);
        }
        if let Some(left) = self.seconds_left() {
            findings.value("hw.battery.time_left", &attributes, left);
        }
        if let Some(volts) = value("voltage_now") {
            findings.value("hw.voltage", &attributes, volts);
        }
        if let Some(watts) = value("power_now") {
            findings.value("hw.power", &attributes, watts.abs());
        }
        let mut part = Part::new("battery", id);
        let health = self.text("health");
        match health.as_str() {
            "" | "Good" | "Unknown" => {}
            "Dead" | "Unspecified failure" => part.judge(PartStatus::Failed, &health),
            _ => part.judge(PartStatus::Degraded, &health),
        }
        if self.text("capacity_level") == "Critical" {
            part.judge(PartStatus::Degraded, "its charge is critical");
        }
        part.detail("model", self.text("model_name"));
        part.detail("manufacturer", self.text("manufacturer"));
        part.detail("serial", self.text("serial_number"));
        part.detail("technology", self.text("technology"));
        findings.part(part);
    }

    /// 0 to 1.
    fn charge(&self) -> Option<f64> {
        let whole = |now: &str, full: &str| {
            let (now, full) = (self.number(now)?, self.number(full)?);
            (full > 0.0).then(|| now / full)
        };
        let capacity = self.number("capacity").map(|percent| percent / 100.0);
        capacity
            .or_else(|| whole("energy_now", "energy_full"))
            .or_else(|| whole("charge_now", "charge_full"))
            .filter(|charge| (0.0..=1.05).contains(charge))
    }

    /// While it is being emptied.
    fn seconds_left(&self) -> Option<f64> {
        if self.text("status") != "Discharging" {
            return None;
        }
        let empty = |now: &str, rate: &str| {
            let (now, rate) = (self.number(now)?, self.number(rate)?.abs());
            (rate > 0.0).then(|| now / rate * 3_600.0)
        };
        self.number("time_to_empty_now")
            .or_else(|| empty("energy_now", "power_now"))
            .or_else(|| empty("charge_now", "current_now"))
            .filter(|left| (0.0..HOURS_MAX * 3_600.0).contains(left))
    }
}
