//! Uninterruptible power supplies, as the services that talk to them know them: `apcupsd` through `apcaccess`, Network
//! UPS Tools through `upsc`. A supply that its service lost is unread, not well.

mod apcupsd;
mod nut;

use super::{Findings, Host, Part, PartStatus, Survey};
use std::{collections::BTreeMap, time::Duration};

/// Both tools answer from a service on this host.
const DEADLINE: Duration = Duration::from_secs(5);

/// Looks at UPS.
#[derive(Debug, Default)]
pub(crate) struct Ups {
    /// What a supply said of itself when it last answered.
    details: BTreeMap<String, BTreeMap<&'static str, String>>,
}

/// One supply as a service shows it.
#[derive(Debug, Default, PartialEq)]
struct Supply {
    id: String,
    verdicts: Vec<(PartStatus, &'static str)>,
    /// None when the service does not know.
    on_battery: Option<bool>,
    /// Metric, suffix of the id, figure.
    values: Vec<(&'static str, &'static str, f64)>,
    details: Vec<(&'static str, String)>,
}

impl Survey for Ups {
    fn name(&self) -> &'static str {
        "ups"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn budget(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn look(&mut self, host: &Host, findings: &mut Findings) {
        let mut supplies = Vec::new();
        supplies.extend(apcupsd::look(host));
        nut::look(host, &mut supplies);
        for supply in supplies {
            self.tell(supply, findings);
        }
    }
}

impl Ups {
    fn tell(&mut self, supply: Supply, findings: &mut Findings) {
        let mut part = Part::new("ups", &supply.id);
        for (status, reason) in supply.verdicts {
            part.judge(status, reason);
        }
        let known = self.details.entry(supply.id.clone()).or_default();
        known.extend(supply.details);
        for (key, text) in known {
            part.detail(key, text.as_str());
        }
        if let Some(on_battery) = supply.on_battery {
            findings.count("tocsin.ups.on_battery", &[("hw.id", &supply.id)], u64::from(on_battery));
        }
        for (metric, suffix, value) in supply.values {
            let id = format!("{}{suffix}", supply.id);
            findings.value(metric, &[("hw.id", &id)], value);
        }
        findings.part(part);
    }
}

/// The number that a text begins with, such as `235.3 Volts`.
fn leading_number(text: &str) -> Option<f64> {
    let number = text.split_whitespace().next()?;
    number.parse().ok().filter(|value: &f64| value.is_finite())
}

/// `KEY : value` lines; the first of equal keys counts.
fn fields(text: &str) -> BTreeMap<&str, &str> {
    let mut fields = BTreeMap::new();
    for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
        fields.entry(key.trim()).or_insert_with(|| value.trim());
    }
    fields
}

#[cfg(test)]
mod tests;
