//! From what a look found to the cells and series of ticks, to events about parts, and to the document of all parts.

use super::findings::{Findings, Part, PartStatus, Value};
use crate::sources::HostEvent;
use std::{collections::BTreeMap, sync::Arc};
use tocsin_vocabulary::{Section, Severity, batch::Cell, catalogue};

/// What was found last, as ticks bear it.
#[derive(Debug)]
pub(crate) struct Taken {
    section: Arc<Section>,
    cells: Vec<Cell>,
    /// Of the parts found last: type and id to the part itself. `None` before the first look.
    parts: Option<BTreeMap<(&'static str, String), Part>>,
}

impl Default for Taken {
    fn default() -> Self {
        Self {
            section: Arc::new(Section::new(Vec::new())),
            cells: Vec::new(),
            parts: None,
        }
    }
}

/// What changed by taking findings.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// The set of series is another one.
    pub(crate) series: bool,
    /// A part came, went, or is otherwise than it was.
    pub(crate) parts: bool,
}

impl Taken {
    /// Takes what a look found; adds what happened to parts to `events`.
    pub(crate) fn take(&mut self, findings: Findings, events: &mut Vec<HostEvent>) -> Change {
        events.extend(findings.events);
        let mut values = findings.values;
        let mut parts = BTreeMap::new();
        for part in findings.parts {
            values.extend(status(&part));
            parts.insert((part.kind, part.id.clone()), part);
        }
        values.sort_by(|a, b| key(a).cmp(&key(b)));
        values.dedup_by(|a, b| key(a) == key(b));
        let mut change = Change {
            series: self.describe(&values),
            parts: self.parts.as_ref() != Some(&parts),
        };
        self.cells = values.into_iter().map(|value| value.cell).collect();
        if let Some(before) = self.parts.replace(parts) {
            let now = self.parts.iter().flatten();
            events.extend(now.filter_map(|(key, part)| became(before.get(key), part)));
            let gone = before
                .iter()
                .filter(|(key, _)| !self.parts.iter().any(|now| now.contains_key(*key)));
            events.extend(gone.map(|(_, part)| went(part)));
        } else {
            change.parts = self.parts.as_ref().is_some_and(|parts| !parts.is_empty());
        }
        change
    }

    /// The series that the cells belong to.
    pub(crate) fn section(&self) -> Arc<Section> {
        Arc::clone(&self.section)
    }

    /// Appends the values found last; absent when they are too `old` to be told as today's.
    pub(crate) fn fill(&self, cells: &mut Vec<Cell>, old: bool) {
        if old {
            cells.resize(cells.len() + self.cells.len(), Cell::Absent);
        } else {
            cells.extend_from_slice(&self.cells);
        }
    }

    /// The parts found last.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().flat_map(BTreeMap::values)
    }

    fn describe(&mut self, values: &[Value]) -> bool {
        let series = self.section.series();
        let same = series.len() == values.len()
            && series.iter().zip(values).all(|(series, value)| {
                series.name.as_str() == value.metric.name
                    && series.attributes.len() == value.attributes.len()
                    && series
                        .attributes
                        .iter()
                        .zip(&value.attributes)
                        .all(|(known, (key, text))| known.0.as_str() == *key && known.1.as_str() == cut(text))
            });
        if !same {
            self.section = Arc::new(Section::new(values.iter().map(series_of).collect()));
        }
        !same
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(tocsin_vocabulary::series::TEXT_BYTES_MAX)]
}

fn series_of(value: &Value) -> tocsin_vocabulary::Series {
    let attributes: Vec<(&str, &str)> = value
        .attributes
        .iter()
        .map(|(key, text)| (*key, text.as_str()))
        .collect();
    value.metric.series(&attributes)
}

fn key(value: &Value) -> (&str, &[(&'static str, String)]) {
    (value.metric.name, &value.attributes)
}

fn status(part: &Part) -> Option<Value> {
    let cell = part
        .status
        .value()
        .map_or(Cell::Absent, |value| Cell::Scaled(i64::try_from(value).unwrap_or(2)));
    Some(Value {
        metric: catalogue::metric("tocsin.part.status")?,
        attributes: vec![("hw.id", part.id.clone()), ("hw.type", part.kind.to_owned())],
        cell,
    })
}

/// The event of a part whose verdict changed.
fn became(before: Option<&Part>, part: &Part) -> Option<HostEvent> {
    let before = before.map(|before| before.status);
    if before == Some(part.status) || (before.is_none() && part.status == PartStatus::Ok) {
        return None;
    }
    let (name, severity, word) = match part.status {
        PartStatus::Ok => ("part.recovered", Severity::Info, "is well again"),
        PartStatus::Degraded => ("part.degraded", Severity::Minor, "is degraded"),
        PartStatus::Failed => ("part.failed", Severity::Major, "failed"),
        PartStatus::Unread => ("part.unread", Severity::Warning, "can't be read"),
    };
    Some(event(name, severity, word, part))
}

fn went(part: &Part) -> HostEvent {
    event("part.gone", Severity::Warning, "is gone", part)
}

fn event(name: &'static str, severity: Severity, word: &str, part: &Part) -> HostEvent {
    let colon = if part.reason.is_empty() { "" } else { ": " };
    HostEvent {
        name,
        severity,
        attributes: vec![("hw.id", part.id.clone()), ("hw.type", part.kind.to_owned())],
        body: format!("{} {} {word}{colon}{}", part.kind, part.id, part.reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(status: PartStatus) -> Findings {
        let mut findings = Findings::default();
        findings.value("system.cpu.load_average.1m", &[], 1.25);
        let mut part = Part::new("fan", "FAN1");
        part.judge(status, "it stands still");
        findings.part(part);
        findings
    }

    #[test]
    fn the_same_series_are_the_same_section() {
        let (mut taken, mut events) = (Taken::default(), Vec::new());
        assert!(taken.take(found(PartStatus::Ok), &mut events).series);
        let section = taken.section();
        assert_eq!(
            taken.take(found(PartStatus::Failed), &mut events),
            Change {
                series: false,
                parts: true
            }
        );
        assert_eq!(section.hash(), taken.section().hash());
        let mut cells = Vec::new();
        taken.fill(&mut cells, false);
        assert_eq!(cells, [Cell::Scaled(125), Cell::Scaled(2)]);
        taken.fill(&mut cells, true);
        assert_eq!(cells[2..], [Cell::Absent, Cell::Absent]);
    }

    #[test]
    fn what_happens_to_a_part_is_told_once() {
        let (mut taken, mut events) = (Taken::default(), Vec::new());
        taken.take(found(PartStatus::Failed), &mut events);
        assert_eq!(events, [], "what was so at the first look did not happen now");
        for (status, name) in [
            (PartStatus::Failed, None),
            (PartStatus::Unread, Some("part.unread")),
            (PartStatus::Ok, Some("part.recovered")),
            (PartStatus::Degraded, Some("part.degraded")),
        ] {
            events.clear();
            taken.take(found(status), &mut events);
            assert_eq!(events.first().map(|event| event.name), name);
        }
        assert_eq!(events[0].body, "fan FAN1 is degraded: it stands still");
        events.clear();
        taken.take(Findings::default(), &mut events);
        assert_eq!(events[0].name, "part.gone");
    }

    #[test]
    fn one_series_is_told_once_however_often_it_was_found() {
        let (mut taken, mut findings) = (Taken::default(), Findings::default());
        findings.value("system.cpu.load_average.1m", &[], 1.0);
        findings.value("system.cpu.load_average.1m", &[], 2.0);
        taken.take(findings, &mut Vec::new());
        assert_eq!(taken.section().series().len(), 1);
    }
}
