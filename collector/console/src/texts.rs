//! Texts of hosts: read for people, compared, and JSON turned into tables. All of it is data from a monitored host.

use similar::{ChangeTag, TextDiff};
use std::time::Duration;
use tocsin_desk::record::DocumentRecord;

/// Lines around a change that are shown.
const CONTEXT: usize = 3;
/// A comparison that takes longer gives a coarser answer.
const DIFF_PATIENCE: Duration = Duration::from_millis(500);
/// Most lines of a difference that a page shows.
pub(crate) const DIFF_LINES_MAX: usize = 3_000;
/// Most rows of a table.
const ROWS_MAX: usize = 5_000;
/// Most columns of a table.
const COLUMNS_MAX: usize = 12;

/// A document as text for people: JSON is spread over lines, so that a difference shows what changed.
pub(crate) fn readable(record: &DocumentRecord, content: &[u8]) -> String {
    if record.media == "application/json"
        && let Ok(value) = serde_json::from_slice::<serde_json::Value>(content)
        && let Ok(mut text) = serde_json::to_string_pretty(&value)
    {
        text.push('\n');
        return text;
    }
    String::from_utf8_lossy(content).into_owned()
}

/// The difference of two texts in the unified format; empty when there is none.
pub(crate) fn unified(before: (&str, &str), after: (&str, &str)) -> String {
    let diff = TextDiff::configure()
        .timeout(DIFF_PATIENCE)
        .diff_lines(before.1, after.1);
    let mut unified = diff.unified_diff();
    unified.context_radius(CONTEXT).header(before.0, after.0).to_string()
}

/// What a line of a difference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Where the following lines stand.
    Place,
    /// In both.
    Same,
    /// In the newer only.
    Added,
    /// In the older only.
    Removed,
}

/// One line of a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DiffLine {
    pub(crate) tone: Tone,
    pub(crate) text: String,
}

impl DiffLine {
    pub(crate) fn is_added(&self) -> bool {
        self.tone == Tone::Added
    }

    pub(crate) fn is_removed(&self) -> bool {
        self.tone == Tone::Removed
    }

    pub(crate) fn is_place(&self) -> bool {
        self.tone == Tone::Place
    }
}

/// The difference of two texts, line by line, at most [`DIFF_LINES_MAX`].
pub(crate) fn difference(before: &str, after: &str) -> Vec<DiffLine> {
    let diff = TextDiff::configure().timeout(DIFF_PATIENCE).diff_lines(before, after);
    let mut lines = Vec::new();
    for group in diff.grouped_ops(CONTEXT) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else {
            continue;
        };
        let old = first.old_range().start..last.old_range().end;
        let new = first.new_range().start..last.new_range().end;
        lines.push(DiffLine {
            tone: Tone::Place,
            text: format!(
                "@@ -{},{} +{},{} @@",
                old.start + 1,
                old.len(),
                new.start + 1,
                new.len()
            ),
        });
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            if lines.len() >= DIFF_LINES_MAX {
                return lines;
            }
            let tone = match change.tag() {
                ChangeTag::Equal => Tone::Same,
                ChangeTag::Insert => Tone::Added,
                ChangeTag::Delete => Tone::Removed,
            };
            let text = change.value().trim_end_matches(['\n', '\r']).to_owned();
            lines.push(DiffLine { tone, text });
        }
    }
    lines
}

/// Rows under the names of their columns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Table {
    /// Of the part that it shows; empty for the whole.
    pub(crate) title: String,
    /// Empty for pairs of name and value.
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// JSON as tables: a list of objects becomes rows, what an object has becomes pairs, and lists within it tables.
pub(crate) fn tables(content: &[u8]) -> Option<Vec<Table>> {
    let value: serde_json::Value = serde_json::from_slice(content).ok()?;
    let mut out = Vec::new();
    tabulate(String::new(), &value, 3, &mut out);
    Some(out)
}

fn tabulate(title: String, value: &serde_json::Value, depth: usize, out: &mut Vec<Table>) {
    use serde_json::Value;
    match value {
        Value::Array(items) if items.iter().any(Value::is_object) => out.push(list(title, items)),
        Value::Array(items) => out.push(Table {
            title,
            columns: Vec::new(),
            rows: items.iter().take(ROWS_MAX).map(|item| vec![plain(item)]).collect(),
        }),
        Value::Object(fields) => {
            let nested = |value: &Value| depth > 0 && (value.is_object() || value.is_array());
            let pairs = fields.iter().filter(|(_, value)| !nested(value) && !value.is_null());
            let rows: Vec<Vec<String>> = pairs.map(|(name, value)| vec![words(name), plain(value)]).collect();
            if !rows.is_empty() {
                let columns = Vec::new();
                out.push(Table { title, columns, rows });
            }
            for (name, value) in fields.iter().filter(|(_, value)| nested(value)) {
                tabulate(words(name), value, depth - 1, out);
            }
        }
        other => out.push(Table {
            title,
            columns: Vec::new(),
            rows: vec![vec![plain(other)]],
        }),
    }
}

fn list(title: String, items: &[serde_json::Value]) -> Table {
    let objects = items.iter().filter_map(serde_json::Value::as_object).take(ROWS_MAX);
    let mut keys: Vec<&String> = Vec::new();
    for key in objects.clone().flat_map(serde_json::Map::keys) {
        if keys.len() < COLUMNS_MAX && !keys.contains(&key) {
            keys.push(key);
        }
    }
    let cell = |object: &serde_json::Map<String, serde_json::Value>, key: &String| {
        object.get(key).map(plain).unwrap_or_default()
    };
    Table {
        title,
        rows: objects
            .map(|object| keys.iter().map(|key| cell(object, key)).collect())
            .collect(),
        columns: keys.into_iter().map(|key| words(key)).collect(),
    }
}

/// `memory_bytes` as `memory bytes`.
fn words(key: &str) -> String {
    key.replace('_', " ")
}

fn plain(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| format!("{}: {}", words(key), plain(value)))
            .collect::<Vec<_>>()
            .join(" · "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_what_changed_with_what_stands_around_it() {
        let (before, after) = ("a\nb\nc\nd\ne\nf\ng\n", "a\nb\nc\nX\ne\nf\ng\n");
        let lines = difference(before, after);
        let shown: Vec<(Tone, &str)> = lines.iter().map(|line| (line.tone, line.text.as_str())).collect();
        assert_eq!(shown[0], (Tone::Place, "@@ -1,7 +1,7 @@"));
        assert_eq!((shown[4], shown[5]), ((Tone::Removed, "d"), (Tone::Added, "X")));
        assert!(difference(before, before).is_empty());
        assert!(unified(("one", before), ("two", after)).starts_with("--- one\n+++ two\n@@ -1,7 +1,7 @@\n"));
        assert_eq!(unified(("one", before), ("two", before)), "");
    }

    #[test]
    fn json_becomes_tables() {
        let json = br#"{"bios":{"vendor":"X"},"cores":4,"disks":[{"name":"sda","size":1},{"name":"sdb","serial":"S"}],"names":["a","b"],"none":null}"#;
        let tables = tables(json).unwrap();
        let told: Vec<(&str, usize)> = tables
            .iter()
            .map(|table| (table.title.as_str(), table.rows.len()))
            .collect();
        assert_eq!(told, [("", 1), ("bios", 1), ("disks", 2), ("names", 2)]);
        assert_eq!(tables[2].columns, ["name", "size", "serial"]);
        assert_eq!(tables[2].rows[1], ["sdb", "", "S"]);
        assert!(super::tables(b"{").is_none());
    }

    #[test]
    fn no_content_is_too_much() {
        bolero::check!()
            .with_type::<(Vec<u8>, Vec<u8>)>()
            .for_each(|(one, other)| {
                let _ = tables(one);
                let (one, other) = (String::from_utf8_lossy(one), String::from_utf8_lossy(other));
                let _ = difference(&one, &other);
                let _ = unified(("", &one), ("", &other));
            });
    }
}
