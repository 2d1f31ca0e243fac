//! Parts of a host as a tick's document tells them: for people, with what is not well in front.

use super::table::harmless;
use crate::sources::Sampled;
use serde_json::Value;
use std::fmt::Write as _;

/// A longer name, such as one of NVMe, does not push the others beyond a terminal's edge.
const WIDTH_MAX: usize = 36;

/// The document of all parts, if the tick has one: a JSON array.
pub(super) fn document(sampled: &Sampled) -> Option<&[u8]> {
    let parts = sampled.documents.iter().find(|document| document.kind == "parts");
    parts.map(|document| document.bytes.as_slice())
}

/// Parts, in the order of their document.
pub(super) struct Parts(Vec<Value>);

impl Parts {
    pub(super) fn of(sampled: &Sampled) -> Self {
        let parts = document(sampled).and_then(|bytes| serde_json::from_slice(bytes).ok());
        Self(parts.unwrap_or_default())
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is not well, the worst first: a line each, with the reason. Nothing when all is well.
    pub(super) fn push_wrong(&self, out: &mut String) {
        let statuses = ["failed", "degraded", "unread"];
        let wrong: Vec<_> = statuses
            .iter()
            .flat_map(|status| self.0.iter().filter(move |part| part["status"] == *status))
            .collect();
        if !wrong.is_empty() {
            push(out, "wrong", &wrong, |part| harmless(text(part, "reason")));
        }
    }

    /// All parts with what they say of themselves.
    pub(super) fn push_all(&self, out: &mut String) {
        let all: Vec<_> = self.0.iter().collect();
        if !all.is_empty() {
            push(out, "parts", &all, details);
        }
    }
}

fn push(out: &mut String, heading: &str, parts: &[&Value], last: impl Fn(&Value) -> String) {
    let width = |key: &str| {
        let widths = parts.iter().map(|part| harmless(text(part, key)).chars().count());
        widths.max().unwrap_or(0).min(WIDTH_MAX)
    };
    let [status, kind, id] = ["status", "type", "id"].map(width);
    let _ = writeln!(out, "\n{heading}");
    for part in parts {
        let line = format!(
            "  {:<status$}  {:<kind$}  {:<id$}  {}",
            text(part, "status"),
            text(part, "type"),
            harmless(text(part, "id")),
            last(part)
        );
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

fn text<'part>(part: &'part Value, key: &str) -> &'part str {
    part[key].as_str().unwrap_or_default()
}

/// `level=raid1 state=active`.
fn details(part: &Value) -> String {
    let details = part["details"].as_object().into_iter().flatten();
    let words = details.map(|(key, value)| format!("{key}={}", harmless(value.as_str().unwrap_or_default())));
    words.collect::<Vec<_>>().join(" ")
}
