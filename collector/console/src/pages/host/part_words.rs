//! Words for parts: their types and what they say of themselves, ours where we have them, else as they came.

use crate::{figures::figure, host_view::Health, parts::Part, phrases, shell::Shell};

/// Bytes of one detail that are shown.
const DETAIL_BYTES_MAX: usize = 120;

/// `Disk`, or the type as sent.
pub(crate) fn kind(shell: &Shell, kind: &str) -> String {
    shell.word("part-type", kind)
}

/// `failed`, or the status as sent.
pub(crate) fn status(shell: &Shell, part: &Part) -> String {
    shell.word("part", &part.status)
}

/// Why it is not well.
pub(crate) fn reason(shell: &Shell, reason: &str) -> String {
    phrases::in_language(shell.language, reason)
}

/// What it says of itself, but what stands elsewhere.
pub(crate) fn details(shell: &Shell, part: &Part, but: &[&str]) -> String {
    let told = part.details.iter().filter(|(key, _)| !but.contains(&key.as_str()));
    let told = told.map(|(key, value)| format!("{} {}", shell.word("part-detail", key), said(shell, value)));
    told.collect::<Vec<_>>().join(" · ")
}

/// A value in our words: sizes with their unit, states that we know.
pub(crate) fn said(shell: &Shell, value: &str) -> String {
    if let Some(bytes) = value.strip_suffix(" B").and_then(|number| number.parse::<f64>().ok()) {
        return figure(bytes, "By");
    }
    let key = value.replace(' ', "-");
    let word = shell.word("said", &key);
    if word == key {
        let cut = value.floor_char_boundary(DETAIL_BYTES_MAX);
        let more = if cut < value.len() { "…" } else { "" };
        format!("{}{more}", &value[..cut])
    } else {
        word
    }
}

/// The class that gives a verdict its shape and colour.
pub(crate) fn tone(health: Health) -> &'static str {
    match health.as_str() {
        "" => "unread",
        word => word,
    }
}
