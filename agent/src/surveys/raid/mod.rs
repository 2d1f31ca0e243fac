//! Hardware RAID: controllers, their volumes, drives, and what backs their cache up, by the vendors' own tools.
//!
//! | controller | tool |
//! |---|---|
//! | Broadcom/LSI MegaRAID, Lenovo, Huawei, Inspur | `storcli`, else `megacli` |
//! | Dell PERC | `perccli` |
//! | HPE Smart Array | `ssacli`, `hpssacli`, `hpacucli` |
//! | Adaptec/Microchip | `arcconf` |
//!
//! A volume that is configured to write back and writes through is degraded: its host waits for the disks. A controller
//! whose tool is not installed, or not allowed, is unread, not well.

mod arcconf;
mod megacli;
mod ssacli;
mod storcli;
#[cfg(test)]
mod tests;

use super::{
    Findings, Host, Part, PartStatus, Survey,
    privileged::{Answer, Way},
};
use std::{collections::BTreeSet, time::Duration};

/// Drivers of RAID controllers, and the tool that reads them.
const DRIVERS: [(&str, &str); 5] = [
    ("megaraid_sas", "storcli or perccli"),
    ("hpsa", "ssacli"),
    ("smartpqi", "ssacli or arcconf"),
    ("cciss", "hpacucli"),
    ("aacraid", "arcconf"),
];

/// Asks RAID controllers.
pub(crate) struct Raid {
    way: Way,
}

impl Raid {
    /// Asks by `way`.
    pub(crate) const fn new(way: Way) -> Self {
        Self { way }
    }
}

impl Survey for Raid {
    fn name(&self) -> &'static str {
        "raid"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(5 * 60)
    }

    fn budget(&self) -> Duration {
        Duration::from_secs(120)
    }

    fn look(&mut self, host: &Host, findings: &mut Findings) {
        let (errands, allowed) = self.way.list(host, "raid");
        let mut seen = Seen::default();
        let mut mute = BTreeSet::new();
        let mut adapters = u64::MAX;
        for errand in &errands {
            if mute.contains(errand.1.tool) || arcconf::number(&errand.1.label).is_some_and(|n| n > adapters) {
                continue; // it would take its deadline again; there is no such controller
            }
            let answer = match &allowed {
                Ok(()) => self.way.ask(host, errand),
                Err(why) => Answer::Nothing(why.clone()),
            };
            match answer {
                Answer::Said(output) => {
                    adapters = arcconf::found(&output.out).unwrap_or(adapters);
                    read(&errand.1.label, &output.out, &mut seen);
                }
                Answer::Nothing(why) => {
                    mute.insert(errand.1.tool);
                    seen.unread(errand.1.tool, &why);
                }
            }
        }
        if seen.parts.is_empty() && host.is_live() {
            tell_untold(host, errands.is_empty(), &mut seen);
        }
        seen.tell(findings);
    }
}

/// Takes what a tool printed when it was asked `label`.
fn read(label: &str, bytes: &[u8], seen: &mut Seen) {
    let text = String::from_utf8_lossy(bytes);
    let mut words = label.split(' ').skip(1);
    match words.next() {
        Some("storcli" | "perccli") => storcli::read(bytes, seen),
        Some("ssacli") => ssacli::read(&text, seen),
        Some("arcconf") => arcconf::read(&text, words.next().unwrap_or("1"), seen),
        Some("megacli") => megacli::read(&text, seen),
        _ => {}
    }
}

/// Controllers that the kernel drives and no tool tells of.
fn tell_untold(host: &Host, without_tool: bool, seen: &mut Seen) {
    let adapters = host.entries("sys/class/scsi_host");
    let names = adapters
        .iter()
        .filter_map(|adapter| host.text(format!("sys/class/scsi_host/{adapter}/proc_name")));
    let names: BTreeSet<String> = names.collect();
    let why = if without_tool {
        "its tool is not installed"
    } else {
        "its tool tells nothing of it"
    };
    for (driver, tool) in DRIVERS {
        if names.contains(driver) {
            seen.unread(driver, &format!("{why}: {tool}"));
        }
    }
}

/// What was seen so far, by several commands of one tool: a part may be told in pieces.
#[derive(Debug, Default)]
struct Seen {
    parts: Vec<Part>,
    /// Kind, id, metric and value.
    values: Vec<(&'static str, String, &'static str, f64)>,
}

impl Seen {
    /// The part of this kind and id, new or already seen.
    fn part(&mut self, kind: &'static str, id: &str) -> &mut Part {
        let at = self.parts.iter().position(|part| part.kind == kind && part.id == id);
        let at = at.unwrap_or_else(|| {
            self.parts.push(Part::new(kind, id));
            self.parts.len() - 1
        });
        &mut self.parts[at]
    }

    fn value(&mut self, kind: &'static str, id: &str, metric: &'static str, value: f64) {
        let twice = self
            .values
            .iter()
            .any(|known| (known.0, known.1.as_str(), known.2) == (kind, id, metric));
        if !twice {
            self.values.push((kind, id.to_owned(), metric, value));
        }
    }

    fn unread(&mut self, id: &str, why: &str) {
        self.part("controller", id).judge(PartStatus::Unread, why);
    }

    fn tell(self, findings: &mut Findings) {
        for part in self.parts {
            findings.part(part);
        }
        for (kind, id, metric, value) in self.values {
            let typed = [("hw.id", id.as_str()), ("hw.type", kind)];
            let attributes = if metric == "hw.temperature" {
                &typed[..]
            } else {
                &typed[..1]
            };
            findings.value(metric, attributes, value);
        }
    }
}

/// Makes `part` as bad as a state says: the first of `words` that the state begins with, in any case; a state that no
/// word fits is worth a look.
fn judge_state(part: &mut Part, what: &str, state: &str, words: &[(&str, PartStatus)]) {
    let state = state.trim();
    let fits = |word: &str| {
        state
            .get(..word.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(word))
    };
    let status = words
        .iter()
        .find(|(word, _)| fits(word))
        .map_or(PartStatus::Degraded, |(_, status)| *status);
    if status != PartStatus::Ok {
        let space = if what.is_empty() { "" } else { " " };
        part.judge(status, format!("{what}{space}{state}"));
    }
}

/// `key : value` of a line; both trimmed.
fn pair(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once(':')?;
    Some((key.trim(), value.trim()))
}

/// The number at the beginning of a text: 28 of ` 28C (82.40 F)`.
fn leading_number(text: &str) -> Option<f64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}
