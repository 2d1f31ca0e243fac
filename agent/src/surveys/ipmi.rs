//! What the baseboard management controller knows, through `ipmitool`: sensors, discrete states, its event log.
//!
//! * [`sensors`] reads what `sdr elist` and `sensor list` print,
//! * [`verdict`] says what it means: for discrete sensors the text decides, never the column that says `ok`,
//! * [`log`] follows `sel elist`.
//!
//! Only root may ask the controller, so an agent without privilege has it asked by its helper.
//!
//! The listing with thresholds takes longest, so it is asked once a day, and more often while something is beyond a
//! threshold that is not known.

mod log;
mod sensors;
mod verdict;

use super::{
    Findings, Host, Part, PartStatus, Survey,
    privileged::{Answer, Errand, Way},
};
use sensors::Sensor;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

const NAME: &str = "ipmi";
/// Thresholds hardly ever change.
const THRESHOLDS_PERIOD: Duration = Duration::from_secs(86_400);
/// The same while some that matter are not known.
const UNKNOWN_PERIOD: Duration = Duration::from_secs(3_600);
/// Most sensors that are told.
const SENSORS_MAX: usize = 1_000;

/// Asks the controller.
#[derive(Debug)]
pub(crate) struct Ipmi {
    way: Way,
    /// Sensors of the last listing with thresholds, by name; and when.
    thresholds: BTreeMap<String, Sensor>,
    asked: Option<Duration>,
    /// Sensors beyond a threshold.
    beyond: BTreeMap<String, PartStatus>,
    /// `None` before the first look.
    log: Option<log::Log>,
}

impl Survey for Ipmi {
    fn name(&self) -> &'static str {
        NAME
    }

    fn period(&self) -> Duration {
        Duration::from_secs(180)
    }

    fn budget(&self) -> Duration {
        Duration::from_secs(150)
    }

    fn look(&mut self, host: &Host, findings: &mut Findings) {
        let (errands, allowed) = self.way.list(host, "ipmi");
        let listing = match (self.ask(host, &errands, "ipmi sensors"), allowed) {
            (None, Ok(())) => return,
            (_, Err(why)) | (Some(Err(why)), _) => {
                let mut part = Part::new("controller", "bmc");
                part.judge(PartStatus::Unread, why);
                findings.part(part);
                return;
            }
            (Some(Ok(text)), Ok(())) => text,
        };
        findings.part(Part::new("controller", "bmc"));
        let listed = sensors::parse(&listing);
        self.ask_thresholds(host, &errands, &listed);
        let mut ids = BTreeSet::new();
        for sensor in listed.into_iter().take(SENSORS_MAX) {
            let id = unique(&mut ids, &sensor);
            self.tell(sensor, &id, findings);
        }
        if let Some(Ok(text)) = self.ask(host, &errands, "ipmi log") {
            self.follow_log(&text, host, findings);
        }
    }
}

impl Ipmi {
    /// Asks by `way`.
    pub(crate) const fn new(way: Way) -> Self {
        Self {
            way,
            thresholds: BTreeMap::new(),
            asked: None,
            beyond: BTreeMap::new(),
            log: None,
        }
    }

    /// What the tool prints, or why it told nothing; none when there is no controller or no tool.
    fn ask(&self, host: &Host, errands: &[(usize, Errand)], label: &str) -> Option<Result<String, String>> {
        let errand = errands.iter().find(|(_, errand)| errand.label == label)?;
        let output = match self.way.ask(host, errand) {
            Answer::Said(output) => output,
            Answer::Nothing(why) => return Some(Err(why)),
        };
        let text = String::from_utf8_lossy(&output.out).into_owned();
        if output.status != 0 && text.trim().is_empty() {
            let said = String::from_utf8_lossy(&output.err);
            let said = said.lines().map(str::trim).find(|line| !line.is_empty());
            return Some(Err(said.unwrap_or("`ipmitool` failed and said nothing").to_owned()));
        }
        Some(Ok(text))
    }

    fn follow_log(&mut self, text: &str, host: &Host, findings: &mut Findings) {
        let mut log = self.log.take().or_else(|| host.recall(NAME)).unwrap_or_default();
        log.follow(text, findings);
        host.remember(NAME, &log);
        self.log = Some(log);
    }

    fn ask_thresholds(&mut self, host: &Host, errands: &[(usize, Errand)], listed: &[Sensor]) {
        let unknown = listed
            .iter()
            .any(|sensor| sensor.is_beyond() && !self.thresholds.contains_key(&sensor.name));
        let period = if unknown { UNKNOWN_PERIOD } else { THRESHOLDS_PERIOD };
        let due = self.asked.is_none_or(|asked| host.mono.saturating_sub(asked) >= period);
        if !due {
            return;
        }
        self.asked = Some(host.mono);
        if let Some(Ok(text)) = self.ask(host, errands, "ipmi thresholds") {
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

#[cfg(test)]
mod tests;
