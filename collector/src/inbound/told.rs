//! What other systems tell, read and put into our words. A mistake names the field, and in a list which of its events.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::Error as _};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use tocsin_vocabulary::{Severity, Timestamp};

/// Longest title, in characters: as long as a person's report.
const TITLE_CHARS_MAX: usize = 400;
/// Longest name of an asset and of a source, in characters.
const NAME_CHARS_MAX: usize = 128;

/// One alert of Alertmanager's webhook; what we do not use is ignored.
#[derive(Debug, Deserialize)]
struct AlertIn {
    status: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(rename = "startsAt", default)]
    starts_at: String,
    #[serde(default)]
    fingerprint: String,
}

/// Alertmanager's webhook.
#[derive(Debug, Deserialize)]
struct AlertsIn {
    alerts: Vec<AlertIn>,
}

/// One generic event.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventIn {
    /// Which system: `zabbix`.
    source: String,
    /// What makes two events one alert: Zabbix's `{EVENT.ID}`.
    key: String,
    /// The host or device.
    host: String,
    /// In plain words.
    title: String,
    /// `critical`, `major`, `minor`, `warning`, `info`, or words that others use.
    #[serde(default)]
    severity: String,
    /// `firing` or `resolved`.
    #[serde(default = "firing")]
    status: String,
    /// Since when; RFC 3339 or epoch milliseconds.
    #[serde(default, deserialize_with = "moment")]
    at: Option<Timestamp>,
}

fn firing() -> String {
    "firing".to_owned()
}

/// An alert from outside, in our words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// The system that told it.
    pub(super) source: String,
    /// What makes two tellings one alert.
    pub(super) fingerprint: String,
    /// The asset's name.
    pub(super) asset: String,
    /// In plain words.
    pub(super) title: String,
    /// In our word.
    pub(super) severity: Severity,
    /// Whether it holds.
    pub(super) firing: bool,
    /// Since when, where that was told.
    pub(super) at: Option<Timestamp>,
}

/// A time as RFC 3339 or as epoch milliseconds.
fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let wrong = || D::Error::custom("a time is RFC 3339, such as 2026-11-22T03:04:05Z, or epoch milliseconds");
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::String(text) => text.parse().map(Some).map_err(|_| wrong()),
        Value::Number(number) => number
            .as_i64()
            .map(|millis| Some(Timestamp::from_millis(millis)))
            .ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

/// The alerts in Alertmanager's webhook.
///
/// # Errors
/// A sentence that names the field.
pub(super) fn alerts(body: &[u8]) -> Result<Vec<Told>, String> {
    let document = json(body)?;
    let version = document.get("version").unwrap_or(&Value::Null);
    if document.is_object() && version != "4" {
        return Err(format!(
            "`version`: {version} of Alertmanager's webhook is not known, \"4\" is"
        ));
    }
    let told: AlertsIn = read(document, "")?;
    Ok(told.alerts.iter().map(of_alertmanager).collect())
}

/// The events in a body: one, or a list.
///
/// # Errors
/// A sentence that names the field, and in a list the event, counted from 1.
pub(super) fn events(body: &[u8]) -> Result<Vec<Told>, String> {
    match json(body)? {
        Value::Array(events) => {
            let one = |(event, place)| {
                let place = format!("event {place}: ");
                of_event(&read(event, &place)?).map_err(|reason| format!("{place}{reason}"))
            };
            events.into_iter().zip(1..).map(one).collect()
        }
        event => Ok(vec![of_event(&read(event, "")?)?]),
    }
}

fn json(body: &[u8]) -> Result<Value, String> {
    if body.trim_ascii().is_empty() {
        return Err("the body is empty: JSON is expected".to_owned());
    }
    serde_json::from_slice(body).map_err(|error| format!("the body is not JSON: {error}"))
}

/// Reads a document; a mistake begins with `place` and the path of its field.
fn read<T: DeserializeOwned>(document: Value, place: &str) -> Result<T, String> {
    if !document.is_object() {
        return Err(format!("{place}an object with named fields is expected"));
    }
    serde_path_to_error::deserialize(document).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." {
            String::new()
        } else {
            format!("`{path}`: ")
        };
        format!("{place}{field}{}", error.inner())
    })
}

/// A name as it may stand in the register: one line, not too long.
fn name(text: &str, chars_max: usize) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(chars_max)
        .collect();
    line.trim().to_owned()
}

/// A host's name without its port.
fn host_of(text: &str) -> &str {
    match text.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !host.contains(':') => host,
        _ => text,
    }
}

/// Our severity for the words of others.
fn severity(word: &str) -> Severity {
    match word.to_ascii_lowercase().as_str() {
        "critical" | "disaster" | "emergency" | "fatal" | "page" | "p1" | "5" => Severity::Critical,
        "major" | "high" | "error" | "p2" | "4" => Severity::Major,
        "minor" | "average" | "p3" | "3" => Severity::Minor,
        "info" | "information" | "informational" | "none" | "not classified" | "p5" | "0" | "1" => Severity::Info,
        _ => Severity::Warning,
    }
}

fn of_alertmanager(alert: &AlertIn) -> Told {
    let label = |key: &str| alert.labels.get(key).map_or("", String::as_str);
    let first = |keys: &[&str]| keys.iter().map(|key| label(key)).find(|text| !text.is_empty());
    let asset = first(&["host", "hostname", "node", "instance", "job"]).unwrap_or("alertmanager");
    let annotation = |key: &str| alert.annotations.get(key).filter(|text| !text.is_empty());
    let summary = annotation("summary")
        .or_else(|| annotation("description"))
        .or_else(|| annotation("message"));
    let title = match (label("alertname"), summary) {
        ("", Some(summary)) => summary.clone(),
        (rule, Some(summary)) => format!("{rule}: {summary}"),
        (rule, None) => rule.to_owned(),
    };
    // Alertmanager gives a fingerprint; others that speak its words may not.
    let fingerprint = if alert.fingerprint.is_empty() {
        let labels: Vec<String> = alert
            .labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        URL_SAFE_NO_PAD.encode(&Sha256::digest(labels.join("\n"))[..16])
    } else {
        name(&alert.fingerprint, NAME_CHARS_MAX)
    };
    Told {
        source: "alertmanager".to_owned(),
        fingerprint,
        asset: name(host_of(asset), NAME_CHARS_MAX),
        title: name(&title, TITLE_CHARS_MAX),
        severity: severity(label("severity")),
        firing: alert.status != "resolved",
        at: alert.starts_at.parse().ok(),
    }
}

fn of_event(event: &EventIn) -> Result<Told, String> {
    let firing = match event.status.as_str() {
        "firing" | "problem" | "PROBLEM" => true,
        "resolved" | "ok" | "OK" => false,
        other => return Err(format!("`status` is firing or resolved, not `{}`", name(other, 40))),
    };
    let told = Told {
        source: name(&event.source, NAME_CHARS_MAX),
        fingerprint: name(&event.key, NAME_CHARS_MAX),
        asset: name(&event.host, NAME_CHARS_MAX),
        title: name(&event.title, TITLE_CHARS_MAX),
        severity: severity(&event.severity),
        firing,
        at: event.at,
    };
    for (key, text) in [
        ("source", &told.source),
        ("key", &told.fingerprint),
        ("host", &told.asset),
        ("title", &told.title),
    ] {
        if text.is_empty() {
            return Err(format!("`{key}` is empty"));
        }
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(json: &str) -> Told {
        of_alertmanager(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn an_alert_of_alertmanager_is_told_in_our_words() {
        let told = alert(
            r#"{"status": "firing", "labels": {"alertname": "DiskFull", "instance": "db1:9100", "severity": "critical"},
                "annotations": {"summary": "disk\nfull"}, "startsAt": "2026-11-22T03:04:05Z", "fingerprint": "abc",
                "generatorURL": "http://x"}"#,
        );
        let expected = Told {
            source: "alertmanager".to_owned(),
            fingerprint: "abc".to_owned(),
            asset: "db1".to_owned(),
            title: "DiskFull: disk full".to_owned(),
            severity: Severity::Critical,
            firing: true,
            at: "2026-11-22T03:04:05Z".parse().ok(),
        };
        assert_eq!(told, expected);
        // Without a fingerprint the labels are one.
        let (one, other) = (
            alert(r#"{"status": "firing", "labels": {"alertname": "A"}}"#),
            alert(r#"{"status": "resolved", "labels": {"alertname": "A"}}"#),
        );
        assert_eq!(one.fingerprint, other.fingerprint);
        assert!(!other.firing);
    }

    #[test]
    fn hosts_lose_their_port_and_addresses_stay() {
        assert_eq!(host_of("db1:9100"), "db1");
        assert_eq!(host_of("db1"), "db1");
        assert_eq!(host_of("fe80::1"), "fe80::1");
        assert_eq!(host_of("db1:x"), "db1:x");
    }

    #[test]
    fn an_event_without_what_it_needs_is_refused() {
        let event = |title: &str, status: &str| {
            of_event(&EventIn {
                source: "zabbix".to_owned(),
                key: "17".to_owned(),
                host: "sw1".to_owned(),
                title: title.to_owned(),
                severity: "Disaster".to_owned(),
                status: status.to_owned(),
                at: None,
            })
        };
        assert_eq!(event("port down", "PROBLEM").unwrap().severity, Severity::Critical);
        assert!(!event("port down", "resolved").unwrap().firing);
        assert!(event(" \n", "firing").unwrap_err().contains("title"));
        assert!(event("x", "maybe").unwrap_err().contains("status"));
    }

    #[test]
    fn a_mistake_names_its_field_and_its_place_in_a_list() {
        let whole = r#"{"source": "z", "key": "1", "host": "h", "title": "t"}"#;
        for (body, wanted) in [
            ("garbage", "not JSON"),
            ("", "empty"),
            ("5", "an object"),
            (r#"{"source": "z"}"#, "missing field `key`"),
            (r#"{"source": "z", "key": 5, "host": "h", "title": "t"}"#, "`key`: "),
            (
                r#"{"source": "z", "key": "1", "host": "h", "title": "t", "at": "yesterday"}"#,
                "`at`: a time is RFC 3339",
            ),
            (
                r#"{"source": "z", "key": "1", "host": "h", "title": "t", "colour": 1}"#,
                "unknown field `colour`",
            ),
            (
                &format!(r#"[{whole}, {{"source": "z"}}]"#),
                "event 2: missing field `key`",
            ),
            (&format!(r#"[{whole}, 7]"#), "event 2: an object"),
            (
                r#"[{"source": "z", "key": "1", "host": " ", "title": "t"}]"#,
                "event 1: `host` is empty",
            ),
        ] {
            let reason = events(body.as_bytes()).unwrap_err();
            assert!(reason.contains(wanted), "{body}: {reason}");
        }
        for (body, wanted) in [
            (r#"{"version": "3", "alerts": []}"#, "`version`"),
            (r#"{"version": "4"}"#, "missing field `alerts`"),
            (
                r#"{"version": "4", "alerts": [{"status": "firing", "labels": {"alertname": 5}}]}"#,
                "`alerts[0].labels.alertname`",
            ),
        ] {
            let reason = alerts(body.as_bytes()).unwrap_err();
            assert!(reason.contains(wanted), "{body}: {reason}");
        }
    }

    #[test]
    fn a_time_is_told_in_words_or_in_milliseconds() {
        let at = |at: &str| {
            let body = format!(r#"{{"source": "z", "key": "1", "host": "h", "title": "t", "at": {at}}}"#);
            events(body.as_bytes()).unwrap()[0].at
        };
        assert_eq!(at(r#""2026-11-22T03:04:05Z""#), at("1795316645000"));
        assert_eq!(at("null"), None);
    }

    #[test]
    fn any_body_is_read_or_refused() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let _ = (alerts(bytes), events(bytes));
        });
    }
}
