//! What a look at the host tells: values, parts, events, documents.

use crate::sources::HostEvent;
use serde::Serialize;
use std::collections::BTreeMap;
use tocsin_vocabulary::{Severity, batch::Cell, catalogue::Metric};

/// Most values of one look; what follows is left out and counted.
pub(crate) const VALUES_MAX: usize = 8_000;
/// Most parts of one look.
pub(crate) const PARTS_MAX: usize = 2_000;

/// How well a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PartStatus {
    /// It works, as far as it says.
    Ok,
    /// It works, but something is wrong: redundancy lost, failure predicted, slower than it was.
    Degraded,
    /// It does not work.
    Failed,
    /// It is there but could not be read: never the same as well.
    Unread,
}

impl PartStatus {
    /// The value of `tocsin.part.status`; what was not read has none.
    pub(crate) const fn value(self) -> Option<u64> {
        match self {
            Self::Ok => Some(0),
            Self::Degraded => Some(1),
            Self::Failed => Some(2),
            Self::Unread => None,
        }
    }
}

/// A piece of hardware, or of what is built from it, with a verdict: a disk, an array, a fan, a path, a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Part {
    /// What it is: `disk`, `array`, `controller`, `battery`, `fan`, `power_supply`, `temperature`, `path`, `port`, …
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// Unique among the host's parts of its type, and the same at each look: a serial number, a slot, a device.
    pub(crate) id: String,
    /// How well it is.
    pub(crate) status: PartStatus,
    /// Why it is not well, in its own words or ours; empty when it is. One sentence, English.
    pub(crate) reason: String,
    /// What else it says of itself: model, serial, size, slot, state. Shown as it comes.
    pub(crate) details: BTreeMap<&'static str, String>,
}

impl Part {
    /// A part that is well.
    pub(crate) fn new(kind: &'static str, id: impl Into<String>) -> Self {
        Self {
            kind,
            id: id.into(),
            status: PartStatus::Ok,
            reason: String::new(),
            details: BTreeMap::new(),
        }
    }

    /// Makes the verdict worse, never better; the reasons of the worst verdict are kept, joined by semicolons.
    pub(crate) fn judge(&mut self, status: PartStatus, reason: impl AsRef<str>) {
        let rank = |status| match status {
            PartStatus::Ok => 0,
            PartStatus::Unread => 1,
            PartStatus::Degraded => 2,
            PartStatus::Failed => 3,
        };
        if rank(status) > rank(self.status) {
            self.status = status;
            reason.as_ref().clone_into(&mut self.reason);
        } else if status == self.status && status != PartStatus::Ok {
            self.reason.push_str("; ");
            self.reason.push_str(reason.as_ref());
        }
    }

    /// Says something more of it; empty values are left out.
    pub(crate) fn detail(&mut self, key: &'static str, value: impl Into<String>) {
        let value = value.into();
        if !value.is_empty() {
            self.details.insert(key, value);
        }
    }
}

/// A text that travels once, whenever it changed: the inventory, a file, a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What it is: `parts`, `inventory`, `file`, `diagnosis`.
    pub kind: &'static str,
    /// Which one of its kind, such as a file's path; empty when there is only one.
    pub name: String,
    /// `application/json` or `text/plain`.
    pub media: &'static str,
    /// The text itself.
    pub bytes: Vec<u8>,
    /// What is known beside it, such as who changed a file.
    pub attributes: BTreeMap<String, String>,
}

/// One measured value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Value {
    pub(crate) metric: &'static Metric,
    /// Sorted by key.
    pub(crate) attributes: Vec<(&'static str, String)>,
    pub(crate) cell: Cell,
}

/// What one look tells.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) values: Vec<Value>,
    pub(crate) parts: Vec<Part>,
    pub(crate) events: Vec<HostEvent>,
    pub(crate) documents: Vec<Document>,
    /// What could not be told because it was too much.
    pub(crate) left_out: usize,
}

impl Findings {
    /// A value of metric `name` in its unit; rounded to the metric's decimals.
    pub(crate) fn value(&mut self, name: &'static str, attributes: &[(&'static str, &str)], value: f64) {
        let decimals = tocsin_vocabulary::catalogue::metric(name).map_or(0, |metric| metric.decimals);
        let scaled = (value * 10_f64.powi(i32::from(decimals))).round();
        // Every whole number below 2^53 is exact; what is beyond travels as it is.
        #[allow(clippy::cast_possible_truncation)]
        let cell = if scaled.abs() < 9e15 {
            Cell::Scaled(scaled as i64)
        } else {
            Cell::Raw(value)
        };
        self.put(name, attributes, cell);
    }

    /// A whole number of metric `name`, such as a counter.
    pub(crate) fn count(&mut self, name: &'static str, attributes: &[(&'static str, &str)], value: u64) {
        #[allow(clippy::cast_precision_loss)] // that is what Raw is for
        let cell = i64::try_from(value).map_or(Cell::Raw(value as f64), Cell::Scaled);
        self.put(name, attributes, cell);
    }

    /// A value that is there but can't be read now.
    pub(crate) fn absent(&mut self, name: &'static str, attributes: &[(&'static str, &str)]) {
        self.put(name, attributes, Cell::Absent);
    }

    /// A part with its verdict; its status becomes a value of `tocsin.part.status`.
    pub(crate) fn part(&mut self, part: Part) {
        if self.parts.len() < PARTS_MAX {
            self.parts.push(part);
        } else {
            self.left_out += 1;
        }
    }

    /// Something that happened.
    pub(crate) fn event(
        &mut self,
        name: &'static str,
        severity: Severity,
        attributes: Vec<(&'static str, String)>,
        body: String,
    ) {
        self.events.push(HostEvent {
            name,
            severity,
            attributes,
            body,
        });
    }

    fn put(&mut self, name: &'static str, attributes: &[(&'static str, &str)], cell: Cell) {
        let Some(metric) = tocsin_vocabulary::catalogue::metric(name) else {
            debug_assert!(false, "`{name}` is not in the catalogue");
            return;
        };
        if self.values.len() >= VALUES_MAX {
            self.left_out += 1;
            return;
        }
        let mut attributes: Vec<_> = attributes
            .iter()
            .map(|(key, value)| (*key, (*value).to_owned()))
            .collect();
        attributes.sort_unstable();
        self.values.push(Value {
            metric,
            attributes,
            cell,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_verdict_stays_with_all_of_its_reasons() {
        let mut part = Part::new("disk", "sda");
        part.judge(PartStatus::Degraded, "12 sectors reallocated");
        part.judge(PartStatus::Failed, "it says that it fails");
        part.judge(PartStatus::Degraded, "hot");
        part.judge(PartStatus::Failed, "no answer");
        assert_eq!(part.status, PartStatus::Failed);
        assert_eq!(part.reason, "it says that it fails; no answer");
    }

    #[test]
    fn what_was_not_read_is_not_well() {
        let mut part = Part::new("disk", "sda");
        part.judge(PartStatus::Unread, "permission denied");
        part.judge(PartStatus::Ok, "");
        assert_eq!(part.status, PartStatus::Unread);
        assert_eq!(part.status.value(), None);
    }
}
