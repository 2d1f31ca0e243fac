//! A tick for people: grouped by topic, values with units.

use super::{digits, parts::Parts};
use crate::sources::{ProcessTable, Sampled};
use std::fmt::Write as _;
use tocsin_vocabulary::{Series, batch::Cell, time::format_duration};

/// Rows of the process table that are shown.
const PROCESS_ROWS: usize = 10;
/// The status of a part as a number.
const PART_STATUS: &str = "tocsin.part.status";

/// What is wrong; then one line per value under a heading per topic, all parts, events and the busiest processes. Absent
/// values are left out.
/// Characters that a terminal would obey are shown escaped.
#[must_use]
pub fn table(sampled: &Sampled) -> String {
    let parts = Parts::of(sampled);
    let mut rows: Vec<(&str, [String; 3])> = Vec::new();
    for (series, cell) in sampled.dictionary.series().zip(&sampled.tick.cells) {
        if series.name == *PART_STATUS && !parts.is_empty() {
            continue; // shown in words
        }
        if let Some(value) = value(series, *cell) {
            rows.push((topic(&series.name), [harmless(&series.name), attributes(series), value]));
        }
    }
    // Each topic by itself: a long name in one does not push the others beyond a terminal's edge.
    let width = |topic: &str, column: usize| {
        let of_topic = rows.iter().filter(|(of, _)| *of == topic);
        of_topic.map(|(_, row)| row[column].chars().count()).max().unwrap_or(0)
    };
    let mut topics: Vec<&str> = Vec::new();
    for (topic, _) in &rows {
        if !topics.contains(topic) {
            topics.push(topic);
        }
    }
    let mut out = format!("{}\n", sampled.tick.time);
    parts.push_wrong(&mut out);
    for topic in topics {
        let (names, values) = (width(topic, 0), width(topic, 2));
        let _ = writeln!(out, "\n{topic}");
        for (_, [name, attributes, value]) in rows.iter().filter(|(of, _)| *of == topic) {
            let line = format!("  {name:<names$}  {value:>values$}  {attributes}");
            let _ = writeln!(out, "{}", line.trim_end());
        }
    }
    parts.push_all(&mut out);
    for event in &sampled.events {
        let _ = writeln!(
            out,
            "\nevent {} ({}): {}",
            event.name,
            event.severity,
            harmless(&event.body)
        );
    }
    if let Some(table) = &sampled.processes {
        push_processes(&mut out, table);
    }
    out.push('\n');
    out
}

/// The second word of a metric's name.
fn topic(name: &str) -> &str {
    name.split('.').nth(1).unwrap_or(name)
}

/// `device=sda direction=read`: keys without what the metric's name says already.
fn attributes(series: &Series) -> String {
    let mut out = String::new();
    for (key, value) in &series.attributes {
        let key = key.rsplit('.').next().unwrap_or(key);
        let _ = write!(
            out,
            "{}{key}={}",
            if out.is_empty() { "" } else { " " },
            harmless(value)
        );
    }
    out
}

fn value(series: &Series, cell: Cell) -> Option<String> {
    let value = match cell {
        Cell::Absent => return None,
        Cell::Raw(value) => return Some(value.to_string()),
        Cell::Scaled(value) => value,
    };
    Some(match series.unit.as_str() {
        "By" if series.decimals == 0 => bytes(value),
        "bit/s" if series.decimals == 0 => stepped(value, 1_000, &["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"]),
        "1" if series.decimals >= 4 => format!("{} %", digits(value, series.decimals - 2)),
        "s" if series.decimals == 0 => format_age(value),
        "s" => format!("{} s", digits(value, series.decimals)),
        _ => digits(value, series.decimals),
    })
}

fn bytes(value: i64) -> String {
    stepped(value, 1_024, &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"])
}

/// `value` in the largest unit that leaves a whole number, with one digit after the point.
fn stepped(value: i64, step: u64, units: &[&str]) -> String {
    let (mut scale, mut at) = (1_u64, 0);
    let size = value.unsigned_abs();
    while size / scale >= step && at + 1 < units.len() {
        (scale, at) = (scale * step, at + 1);
    }
    let sign = if value < 0 { "-" } else { "" };
    let tenths = (u128::from(size % scale) * 10 / u128::from(scale)).to_string();
    if at == 0 || tenths == "0" {
        format!("{sign}{} {}", size / scale, units[at])
    } else {
        format!("{sign}{}.{tenths} {}", size / scale, units[at])
    }
}

/// `2d 3h`, `5h 7m`, `42s`: the two largest parts.
fn format_age(seconds: i64) -> String {
    let Ok(seconds) = u64::try_from(seconds) else {
        return format!("{seconds} s");
    };
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format_duration(std::time::Duration::from_secs(seconds)),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, ..) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

fn push_processes(out: &mut String, table: &ProcessTable) {
    let _ = writeln!(out, "\nbusiest of {} processes", table.total);
    let _ = writeln!(
        out,
        "  {:>8} {:<12} {:>7} {:>10} {:>4} S  COMMAND",
        "PID", "USER", "CPU %", "MEMORY", "THR"
    );
    for row in table.processes.iter().take(PROCESS_ROWS) {
        let memory = bytes(i64::try_from(row.memory_bytes).unwrap_or(i64::MAX));
        let command = if row.command.is_empty() {
            format!("[{}]", row.name)
        } else {
            row.command.clone()
        };
        let (user, command, cpu) = (harmless(&row.user), harmless(&command), row.cpu_ratio * 100.0);
        let (pid, threads, state) = (row.pid, row.threads, row.state);
        let _ = writeln!(
            out,
            "  {pid:>8} {user:<12} {cpu:>7.1} {memory:>10} {threads:>4} {state}  {command}"
        );
    }
}

/// Without characters that a terminal would obey.
pub(super) fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() {
                c.escape_default().to_string()
            } else {
                c.to_string()
            }
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        sources::{HostEvent, ProcessRow},
        surveys::Document,
    };
    use std::{collections::BTreeMap, sync::Arc};
    use tocsin_vocabulary::{Dictionary, Section, Severity, Timestamp, batch::Tick, catalogue::metric};

    /// One value of each sort.
    pub(in super::super) fn sampled() -> Sampled {
        let series = |name: &str, attributes: &[(&str, &str)]| metric(name).unwrap().series(attributes);
        let section = Section::new(vec![
            series("system.cpu.utilization", &[]),
            series("system.cpu.time", &[("cpu.mode", "user")]),
            series("system.uptime", &[]),
            series("tocsin.network.speed", &[("network.interface.name", "eth0")]),
            series(
                "system.filesystem.limit",
                &[("system.filesystem.mountpoint", "/a \"b\"\n\u{1b}[31m\\")],
            ),
            series(
                "system.disk.io",
                &[("system.device", "sda"), ("disk.io.direction", "read")],
            ),
            series("system.memory.limit", &[]),
        ]);
        let scaled = [1_234, 1_250, 93_784, 1_000_000_000, 1_610_612_736].map(Cell::Scaled);
        let cells = scaled.into_iter().chain([Cell::Raw(f64::NAN), Cell::Absent]).collect();
        let event = HostEvent {
            name: "process.group.gone",
            severity: Severity::Major,
            attributes: vec![("tocsin.process.group", "db".to_owned())],
            body: "process group db has no process left; it had 1".to_owned(),
        };
        let row = ProcessRow {
            pid: 42,
            name: "evil\u{7}".to_owned(),
            user: "root".to_owned(),
            cpu_ratio: 0.125,
            memory_bytes: 3 << 20,
            threads: 4,
            started: Timestamp::from_millis(0),
            state: 'S',
            command: String::new(),
            zombies: 0,
        };
        let time = Timestamp::from_millis(1_700_000_000_000);
        Sampled {
            dictionary: Dictionary::new(vec![Arc::new(section)]),
            tick: Tick { time, cells },
            events: vec![event],
            processes: Some(ProcessTable {
                time,
                total: 7,
                processes: vec![row],
            }),
            documents: vec![Document {
                kind: "parts",
                name: String::new(),
                media: "application/json",
                bytes: br#"[{"type":"port","id":"host0","status":"ok","details":{"state":"Online","x":"\u001b"}},{"type":"array","id":"md4","status":"failed","reason":"inactive"}]"#
                    .to_vec(),
                attributes: BTreeMap::new(),
            }],
        }
    }

    #[test]
    fn people_see_topics_units_and_no_escape_sequences() {
        let text = table(&sampled());
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text}");
        for part in [
            "\ncpu\n",
            "12.34 %",
            "12.5 s",
            "1d 2h",
            "1 Gbit/s",
            "1.5 GiB",
            "device=sda",
            "event process.group.gone (major)",
            "[evil\\u{7}]",
            "3 MiB",
            "\nwrong\n  failed  array  md4  inactive\n\ncpu\n",
            "  ok      port   host0  state=Online",
            "12.5",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(!text.contains("system.memory.limit"));
    }

    #[test]
    fn ages_show_their_two_largest_parts() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (61, "1m 1s"),
            (7_260, "2h 1m"),
            (200_000, "2d 7h"),
        ] {
            assert_eq!(format_age(seconds), text);
        }
    }
}
