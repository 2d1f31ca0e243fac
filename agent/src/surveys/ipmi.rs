//! What the baseboard management controller knows, through `ipmitool`: sensors, discrete states, its event log.
//!
//! * [`sensors`] reads what `sdr elist` and `sensor list` print,
//! * [`verdict`] says what it means: for discrete sensors the text decides, never the column that says `ok`,
//! * [`log`] follows `sel elist`.
//!
//! The listing with thresholds takes longest, so it is asked once a day, and more often while something is beyond a
//! threshold that is not known.

mod log;
mod sensors;
mod verdict;

use super::{Findings, Host, Part, PartStatus, Survey, tool::ToolError};
use sensors::Sensor;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Where drivers put the controller (`ipmitool`'s open interface looks at the same). A service may not see devices, so
/// the kernel's class tells too.
const DEVICES: [&str; 4] = ["sys/class/ipmi/ipmi0", "dev/ipmi0", "dev/ipmi/0", "dev/ipmidev/0"];
/// What one listing may take; controllers are slow.
const LISTING: Duration = Duration::from_secs(45);
/// The same for the log.
const LOG: Duration = Duration::from_secs(30);
/// Thresholds hardly ever change.
const THRESHOLDS_PERIOD: Duration = Duration::from_secs(86_400);
/// The same while some that matter are not known.
const UNKNOWN_PERIOD: Duration = Duration::from_secs(3_600);
/// Most sensors that are told.
const SENSORS_MAX: usize = 1_000;

/// Asks the controller.
#[derive(Debug, Default)]
pub(crate) struct Ipmi {
    /// Sensors of the last listing with thresholds, by name; and when.
    thresholds: BTreeMap<String, Sensor>,
    asked: Option<Duration>,
    /// Sensors beyond a threshold.
    beyond: BTreeMap<String, PartStatus>,
    log: log::Log,
}

impl Survey for Ipmi {
    fn name(&self) -> &'static str {
        "ipmi"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(180)
    }

    fn budget(&self) -> Duration {
        Duration::from_secs(150)
    }

    fn look(&mut self, host: &Host, findings: &mut Findings) {
        if !DEVICES.iter().any(|device| host.path(device).exists()) {
            return;
        }
        let listing = match listing(host, &["sdr", "elist"], LISTING) {
            None => return,
            Some(Ok(text)) => text,
            Some(Err(reason)) => {
                let mut part = Part::new("controller", "bmc");
                part.judge(PartStatus::Unread, reason);
                findings.part(part);
                return;
            }
        };
        findings.part(Part::new("controller", "bmc"));
        let listed = sensors::parse(&listing);
        self.ask_thresholds(host, &listed);
        let mut ids = BTreeSet::new();
        for sensor in listed.into_iter().take(SENSORS_MAX) {
            let id = unique(&mut ids, &sensor);
            self.tell(sensor, &id, findings);
        }
        if let Some(Ok(text)) = listing_of_log(host) {
            self.log.follow(&text, findings);
        }
    }
}

impl Ipmi {
    fn ask_thresholds(&mut self, host: &Host, listed: &[Sensor]) {
        let unknown = listed
            .iter()
            .any(|sensor| sensor.is_beyond() && !self.thresholds.contains_key(&sensor.name));
        let period = if unknown { UNKNOWN_PERIOD } else { THRESHOLDS_PERIOD };
        let due = self.asked.is_none_or(|asked| host.mono.saturating_sub(asked) >= period);
        if !due {
            return;
        }
        self.asked = Some(host.mono);
        if let Some(Ok(text)) = listing(host, &["sensor", "list"], LISTING) {
            let sensors = sensors::parse(&text).into_iter();
            self.thresholds = sensors.map(|sensor| (sensor.name.clone(), sensor)).collect();
        }
    }

    fn tell(&mut self, mut sensor: Sensor, id: &str, findings: &mut Findings) {
        if let Some(known) = self.thresholds.get(&sensor.name) {
            sensor.limits = sensor.limits.or(known.limits);
        }
        if !sensor.reads() {
            return;
        }
        let attributes = [("hw.id", id)];
        if let Some((metric, limits, value)) = sensor.value() {
            findings.value(metric, &attributes, value);
            if let (Some(metric), Some(set)) = (limits, sensor.limits) {
                set.tell(findings, metric, &attributes);
            }
        }
        let before = self.beyond.remove(id).unwrap_or(PartStatus::Ok);
        let (part, beyond) = verdict::part(&sensor, id, before);
        if beyond != PartStatus::Ok {
            self.beyond.insert(id.to_owned(), beyond);
        }
        findings.part(part);
    }
}

/// The name of a sensor; with its number where names are not unique.
fn unique(ids: &mut BTreeSet<String>, sensor: &Sensor) -> String {
    let mut id = sensor.name.clone();
    if ids.contains(&id) {
        id = format!("{} ({})", sensor.name, sensor.number);
    }
    let mut nth = 2;
    while ids.contains(&id) {
        id = format!("{} #{nth}", sensor.name);
        nth += 1;
    }
    ids.insert(id.clone());
    id
}

fn listing_of_log(host: &Host) -> Option<Result<String, String>> {
    listing(host, &["sel", "elist", "last", log::RECORDS], LOG)
}

/// What the tool prints, or why it told nothing; none when it is not installed.
fn listing(host: &Host, arguments: &[&str], deadline: Duration) -> Option<Result<String, String>> {
    let output = match host.tool("ipmitool", arguments, deadline)? {
        Ok(output) => output,
        Err(error @ ToolError::Io(..)) => {
            let cause = std::error::Error::source(&error).map_or_else(String::new, |cause| format!(": {cause}"));
            return Some(Err(format!("{error}{cause}")));
        }
        Err(error) => return Some(Err(error.to_string())),
    };
    let text = String::from_utf8_lossy(&output.out).into_owned();
    if output.status != 0 && text.trim().is_empty() {
        let said = String::from_utf8_lossy(&output.err);
        let said = said.lines().map(str::trim).find(|line| !line.is_empty());
        return Some(Err(said.unwrap_or("`ipmitool` failed and said nothing").to_owned()));
    }
    Some(Ok(text))
}

#[cfg(test)]
mod tests;
