//! A tick as one line of JSON.

use super::{digits, parts::document};
use crate::sources::Sampled;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use tocsin_vocabulary::{Series, batch::Cell};

/// One line, newline included: `{"time": RFC 3339, "series": [{"name", "attributes", "unit", "value"}], "parts": [{"type",
/// "id", "status", "reason", "details"}], "events": […]}`.
/// Values are exact; absent ones are left out with their series, and what is not finite is `null`.
#[must_use]
pub fn json_line(sampled: &Sampled) -> String {
    let mut out = String::with_capacity(sampled.tick.cells.len() * 120);
    let _ = write!(out, "{{\"time\":\"{}\",\"series\":[", sampled.tick.time);
    let mut first = true;
    for (series, cell) in sampled.dictionary.series().zip(&sampled.tick.cells) {
        let Some(value) = value(cell, series.decimals) else {
            continue;
        };
        if !std::mem::take(&mut first) {
            out.push(',');
        }
        push_series(&mut out, series, &value);
    }
    let events: Vec<Value> = sampled
        .events
        .iter()
        .map(|event| {
            let attributes: Map<_, _> = event
                .attributes
                .iter()
                .map(|(key, value)| ((*key).to_owned(), Value::from(value.as_str())))
                .collect();
            json!({"name": event.name, "severity": event.severity, "attributes": attributes, "body": event.body})
        })
        .collect();
    let parts = document(sampled).map_or("[]".into(), String::from_utf8_lossy);
    let _ = writeln!(out, "],\"parts\":{parts},\"events\":{}}}", Value::from(events));
    out
}

fn push_series(out: &mut String, series: &Series, value: &str) {
    let _ = write!(
        out,
        "{{\"name\":{},\"attributes\":{{",
        Value::from(series.name.as_str())
    );
    for (at, (key, text)) in series.attributes.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(
            out,
            "{comma}{}:{}",
            Value::from(key.as_str()),
            Value::from(text.as_str())
        );
    }
    let _ = write!(
        out,
        "}},\"unit\":{},\"value\":{value}}}",
        Value::from(series.unit.as_str())
    );
}

fn value(cell: &Cell, decimals: u8) -> Option<String> {
    match *cell {
        Cell::Absent => None,
        Cell::Scaled(value) => Some(digits(value, decimals)),
        Cell::Raw(value) => Some(Value::from(value).to_string()), // serde_json makes null of what is not finite
    }
}

#[cfg(test)]
mod tests {
    use super::{super::table::tests::sampled, *};

    #[test]
    fn values_are_exact_and_absent_ones_are_left_out() {
        let line = json_line(&sampled());
        assert!(line.ends_with('\n') && line.lines().count() == 1);
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["time"], "2023-11-14T22:13:20.000Z");
        let series = read["series"].as_array().unwrap();
        assert_eq!(series.len(), 6);
        assert_eq!(
            series[0],
            json!({"name": "system.cpu.utilization", "attributes": {}, "unit": "1", "value": 0.1234})
        );
        assert_eq!(
            series[4]["attributes"]["system.filesystem.mountpoint"],
            "/a \"b\"\n\u{1b}[31m\\"
        );
        assert_eq!(series[5]["value"], Value::Null);
        assert_eq!(read["parts"][1]["status"], "failed");
        assert_eq!(read["events"][0]["severity"], "major");
        assert_eq!(read["events"][0]["attributes"]["tocsin.process.group"], "db");
    }
}
