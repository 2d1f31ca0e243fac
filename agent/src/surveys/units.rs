//! Units of systemd: which failed, which are started again and again, and how the watched ones are.
//!
//! One list of all units each time; only what is not well, was not well, or is watched is asked for more. Names come
//! from systemd itself or from the configuration, and are arguments behind `--`.

use super::{Findings, Host, Part, PartStatus, Survey, tool::Output};
use crate::sources::fits;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

/// Most units that are asked for more at one look.
const ASKED_MAX: usize = 100;
/// Starts by systemd within [`FLAPPING_WITHIN`] that make a unit degraded.
const FLAPPING: u64 = 3;
const FLAPPING_WITHIN: Duration = Duration::from_secs(900);
/// What systemd may take for an answer.
const DEADLINE: Duration = Duration::from_secs(8);
const PROPERTIES: &str = "--property=Id,Names,Description,LoadState,ActiveState,SubState,Result,Type,NRestarts,\
    ExecMainStartTimestampMonotonic,ExecMainStatus,UnitFileState";

/// What one unit says of itself.
type Properties = BTreeMap<String, String>;

/// What is remembered of a unit between looks.
#[derive(Debug, Default)]
struct Course {
    /// How often it was started again, by our own count where systemd has none.
    restarts: u64,
    started: String,
    /// When its restarts were seen, and how many by then.
    history: VecDeque<(Duration, u64)>,
    seen: bool,
}

/// The survey.
#[derive(Debug)]
pub(crate) struct Units {
    watch: Vec<String>,
    /// Units that were not well once, and the watched ones.
    known: BTreeMap<String, Course>,
}

impl Units {
    /// Units that fit `watch` are told also while they are well.
    pub(crate) const fn new(watch: Vec<String>) -> Self {
        Self {
            watch,
            known: BTreeMap::new(),
        }
    }

    fn is_watched(&self, unit: &str) -> bool {
        self.watch.iter().any(|pattern| fits(pattern, unit))
    }
}

impl Survey for Units {
    fn name(&self) -> &'static str {
        "units"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn budget(&self) -> Duration {
        Duration::from_secs(20)
    }

    fn look(&mut self, host: &Host, findings: &mut Findings) {
        if host.is_live() && !host.path("run/systemd/system").is_dir() {
            return; // another init
        }
        let arguments = ["list-units", "--all", "--full", "--plain", "--no-legend", "--no-pager"];
        let Some(answer) = host.tool("systemctl", &arguments, DEADLINE) else {
            return;
        };
        let out = match answer {
            Ok(Output { status: 0, out, .. }) => out,
            Ok(output) => {
                let why = String::from_utf8_lossy(&output.err).trim().to_owned();
                return tracing::debug!(status = output.status, why, "systemd does not answer");
            }
            Err(error) => {
                let mut part = Part::new("unit", "systemd");
                part.judge(PartStatus::Unread, error.to_string());
                return findings.part(part);
            }
        };
        let list = parse_list(&out);
        let failed = list.iter().filter(|unit| unit.is_failed()).count();
        findings.count("tocsin.units.failed", &[], u64::try_from(failed).unwrap_or(0));
        let asked = self.asked(&list);
        self.known.retain(|unit, _| asked.contains(unit));
        if asked.is_empty() {
            return;
        }
        let mut arguments = vec!["show", PROPERTIES, "--"];
        arguments.extend(asked.iter().map(String::as_str));
        match host.tool("systemctl", &arguments, DEADLINE) {
            Some(Ok(output)) => {
                for properties in parse_show(&output.out) {
                    self.tell(&properties, host.mono, findings);
                }
            }
            Some(Err(error)) => tracing::debug!(%error, "systemd does not tell more of its units"),
            _ => {}
        }
    }
}

impl Units {
    /// Which units are worth more than their line in the list.
    fn asked(&self, list: &[Listed<'_>]) -> BTreeSet<String> {
        let exact = self.watch.iter().filter(|pattern| !pattern.contains('*')).cloned();
        let mut asked: BTreeSet<String> = exact.collect();
        let watched = list.iter().filter(|unit| self.is_watched(unit.name));
        let unwell = list
            .iter()
            .filter(|unit| unit.is_failed() || unit.sub == "auto-restart" || self.known.contains_key(unit.name));
        for unit in watched.chain(unwell) {
            if asked.len() >= ASKED_MAX {
                break;
            }
            asked.insert(unit.name.to_owned());
        }
        asked
    }

    fn tell(&mut self, properties: &Properties, now: Duration, findings: &mut Findings) {
        let of = |key: &str| properties.get(key).map_or("", String::as_str);
        let name = of("Id");
        if name.is_empty() {
            return;
        }
        // One may be watched by another of its names.
        let watched = self.is_watched(name) || of("Names").split(' ').any(|name| self.is_watched(name));
        let course = self.known.entry(name.to_owned()).or_default();
        let restarts = course.restarts(properties);
        let recently = course.recently(restarts, now);
        let mut part = Part::new("unit", name);
        judge(&mut part, properties, watched);
        if recently >= FLAPPING {
            let minutes = FLAPPING_WITHIN.as_secs() / 60;
            let reason = format!("started again {recently} times within {minutes} min");
            part.judge(PartStatus::Degraded, reason);
        }
        for (key, property) in [
            ("description", "Description"),
            ("state", "ActiveState"),
            ("substate", "SubState"),
            ("enabled", "UnitFileState"),
        ] {
            part.detail(key, of(property));
        }
        if restarts > 0 {
            part.detail("restarts", restarts.to_string());
        }
        if watched {
            let unit = &[("tocsin.unit", name)];
            let active = matches!(of("ActiveState"), "active" | "reloading");
            findings.count("tocsin.unit.active", unit, u64::from(active));
            findings.count("tocsin.unit.restarts", unit, restarts);
        }
        findings.part(part);
    }
}

fn judge(part: &mut Part, properties: &Properties, watched: bool) {
    let of = |key: &str| properties.get(key).map_or("", String::as_str);
    let (active, sub, result) = (of("ActiveState"), of("SubState"), of("Result"));
    if of("LoadState") == "not-found" && active != "failed" {
        part.judge(PartStatus::Unread, "there is no such unit");
    } else if active == "failed" {
        let status = match of("ExecMainStatus") {
            "" | "0" => String::new(),
            status => format!(", status {status}"),
        };
        part.judge(PartStatus::Failed, format!("failed: {result}{status}"));
    } else if sub == "auto-restart" {
        part.judge(PartStatus::Degraded, "waits to be started again");
    } else if watched && matches!(active, "inactive" | "deactivating") {
        // What runs once and ends well has done its work.
        let done = of("Type") == "oneshot" && result == "success";
        if !done {
            part.judge(PartStatus::Failed, "is not running");
        }
    }
}

impl Course {
    /// systemd counts restarts since version 235; for older ones each new start that we see is one.
    fn restarts(&mut self, properties: &Properties) -> u64 {
        let started = properties.get("ExecMainStartTimestampMonotonic");
        let counted = properties.get("NRestarts").and_then(|count| count.parse().ok());
        if let Some(counted) = counted {
            self.restarts = counted;
        } else if let Some(started) = started.filter(|started| *started != "0") {
            self.restarts += u64::from(self.seen && !self.started.is_empty() && *started != self.started);
            started.clone_into(&mut self.started);
        }
        self.seen = true;
        self.restarts
    }

    /// How many of them were lately.
    fn recently(&mut self, restarts: u64, now: Duration) -> u64 {
        if self.history.back().is_some_and(|(_, last)| *last > restarts) {
            self.history.clear(); // its count began anew
        }
        self.history.push_back((now, restarts));
        while self
            .history
            .front()
            .is_some_and(|(at, _)| now.saturating_sub(*at) > FLAPPING_WITHIN)
        {
            self.history.pop_front();
        }
        let first = self.history.front().map_or(restarts, |(_, first)| *first);
        restarts.saturating_sub(first)
    }
}

/// A line of the list.
#[derive(Debug, PartialEq, Eq)]
struct Listed<'a> {
    name: &'a str,
    active: &'a str,
    sub: &'a str,
}

impl Listed<'_> {
    fn is_failed(&self) -> bool {
        self.active == "failed"
    }
}

/// `NAME LOAD ACTIVE SUB DESCRIPTION`; old versions put a mark before what is not well.
fn parse_list(bytes: &[u8]) -> Vec<Listed<'_>> {
    let lines = bytes.split(|byte| *byte == b'\n');
    let lines = lines.filter_map(|line| std::str::from_utf8(line).ok());
    lines
        .filter_map(|line| {
            let mut columns = line.split_ascii_whitespace().skip_while(|column| !is_unit(column));
            let (name, _, active, sub) = (columns.next()?, columns.next()?, columns.next()?, columns.next()?);
            Some(Listed { name, active, sub })
        })
        .collect()
}

/// Whether it is a name of a unit, and so may be an argument.
fn is_unit(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    text.contains('.') && text.len() < 256 && text.bytes().all(allowed)
}

/// Blocks of `KEY=value`, an empty line between units.
fn parse_show(bytes: &[u8]) -> Vec<Properties> {
    let text = String::from_utf8_lossy(bytes);
    let mut units = vec![Properties::new()];
    for line in text.lines() {
        if line.is_empty() {
            units.push(Properties::new());
        } else if let (Some((key, value)), Some(unit)) = (line.split_once('='), units.last_mut()) {
            unit.insert(key.to_owned(), value.to_owned());
        }
    }
    units.retain(|unit| !unit.is_empty());
    units
}

#[cfg(test)]
mod tests;
