//! The controller's event log: what was added since the last look becomes events.

use super::verdict;
use crate::surveys::{Findings, PartStatus};
use serde::{Deserialize, Serialize};
use tocsin_vocabulary::Severity;

/// So many of the newest records are asked for.
const RECORDS_MAX: usize = 64;
/// Most bytes of one record.
const LINE_BYTES_MAX: usize = 400;

/// Where the log was read to, also by an agent before this one.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Log {
    /// The newest record at the last look, as it was printed; `None` before the first, empty for an empty log.
    position: Option<String>,
}

/// One record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) sensor: &'a str,
    pub(super) body: String,
    pub(super) severity: Severity,
}

impl Log {
    /// Tells the records that came after the last look. The very first look only finds out where the log ends: what is in it
    /// happened long ago. A log without the last record known was cleared or has moved on: then all of it is new.
    pub(super) fn follow(&mut self, text: &str, findings: &mut Findings) {
        let lines: Vec<&str> = text.lines().map(cut).filter(|line| line.contains('|')).collect();
        let newest = lines.last().copied().unwrap_or_default().to_owned();
        let Some(before) = self.position.replace(newest) else {
            return;
        };
        let known = lines.iter().rposition(|line| *line == before);
        let new = &lines[known.map_or(0, |at| at + 1)..];
        for record in new.iter().take(RECORDS_MAX).filter_map(|line| parse(line)) {
            findings.event(
                "hardware.log",
                record.severity,
                vec![("hw.id", record.sensor.to_owned())],
                record.body,
            );
        }
    }
}

/// `id | date | time | sensor | what | Asserted | …`.
pub(super) fn parse(line: &str) -> Option<Record<'_>> {
    let mut columns = line.split('|').map(str::trim).filter(|column| !column.is_empty());
    let _id = columns.next()?;
    let (date, time) = (columns.next()?, columns.next()?);
    let sensor = columns.next()?;
    let rest: Vec<&str> = columns.collect();
    let over = rest.iter().any(|word| word.eq_ignore_ascii_case("deasserted"));
    let verdict = rest.iter().filter_map(|words| verdict::of_words(words)).max();
    let severity = match verdict {
        _ if over => Severity::Info,
        Some(PartStatus::Failed) => Severity::Major,
        Some(_) => Severity::Warning,
        None => Severity::Info,
    };
    let what = if rest.is_empty() {
        String::new()
    } else {
        format!(": {}", rest.join(", "))
    };
    Some(Record {
        sensor,
        body: format!("{sensor}{what} ({date} {time} by the controller's clock)"),
        severity,
    })
}

fn cut(line: &str) -> &str {
    line[..line.floor_char_boundary(LINE_BYTES_MAX)].trim()
}
