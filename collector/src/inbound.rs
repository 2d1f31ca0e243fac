//! What other systems bring: alerts by Alertmanager's webhook (version 4) and by a generic event, which open tickets at our
//! desk; and what gateways call back with, reports of delivery and replies.
//!
//! | | who may | body |
//! |---|---|---|
//! | `POST /api/v1/inbound/alertmanager` | a token whose role may report faults | Alertmanager's webhook |
//! | `POST /api/v1/inbound/events` | the same | [`EventIn`], or a list of them |
//! | `GET`, `POST /in/{channel}/{token}` | whoever knows the address | `id`, `status`; or `from`, `text` |
//! | `GET /health/cycle` | everybody | 200 while a full cycle was proven lately, 503 otherwise |
//!
//! An alert opens one ticket however often it is told; when it is resolved its ticket is restored. Its asset is the one named
//! `host`, `instance`, `node` or `hostname` among its labels, without a port; one that the register lacks is entered.

use crate::{app::Common, channel_watch::ChannelWatch, clock::Clock, engine::EngineHandle};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tocsin_channels::{Built, Incoming, Outbox};
use tocsin_console::{
    ConsoleOptions,
    authority::Action as May,
    backend::{Backend, Failure},
};
use tocsin_desk::{
    input::{Act, Action, Report},
    model::{Actor, TicketState, Via},
    record::Speaker,
};
use tocsin_ledger::{Ledger, OutsideAlert};
use tocsin_vocabulary::{AssetId, Code, IdSource, Severity, Timestamp};

/// Alerts of one request.
const ALERTS_MAX: usize = 1_000;
/// Longest title, in characters: as long as a person's report.
const TITLE_CHARS_MAX: usize = 400;
/// Longest name of an asset and of a source, in characters.
const NAME_CHARS_MAX: usize = 128;
/// An alert that another request is opening is taken over after this: that one was cut off.
const OPENING_MAX: Duration = Duration::from_secs(60);

/// What inbound requests work with.
#[derive(Clone)]
pub(crate) struct Inbound {
    ledger: Arc<Ledger>,
    engine: EngineHandle,
    clock: Clock,
    ids: Arc<Mutex<IdSource>>,
    watch: Arc<ChannelWatch>,
    outbox: Arc<dyn Outbox>,
    link_key: [u8; 32],
    /// Requests that open tickets take turns, so that two of one alert open one.
    turn: Arc<tokio::sync::Mutex<()>>,
}

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
    version: String,
    alerts: Vec<AlertIn>,
}

/// One generic event.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventIn {
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
    #[serde(default)]
    at: Option<Timestamp>,
}

fn firing() -> String {
    "firing".to_owned()
}

#[derive(Deserialize)]
#[serde(untagged)]
enum EventsIn {
    One(EventIn),
    Many(Vec<EventIn>),
}

/// An alert from outside, in our words.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    source: String,
    fingerprint: String,
    asset: String,
    title: String,
    severity: Severity,
    firing: bool,
    at: Option<Timestamp>,
}

/// The routes, of which those that open tickets stand behind the console's gate.
pub(crate) fn routes(
    common: &Common<'_>,
    backend: Arc<dyn Backend>,
    watch: Arc<ChannelWatch>,
    outbox: Arc<dyn Outbox>,
) -> anyhow::Result<Router> {
    let inbound = Inbound {
        ledger: common.stores.ledger.clone(),
        engine: common.engine.clone(),
        clock: common.clock.clone(),
        ids: Arc::new(Mutex::new(crate::clock::ids()?)),
        watch,
        outbox,
        link_key: common.stores.link_key,
        turn: Arc::default(),
    };
    let opening = Router::new()
        .route("/api/v1/inbound/alertmanager", post(alertmanager))
        .route("/api/v1/inbound/events", post(events))
        .with_state(inbound.clone());
    let gated = tocsin_console::guarded(opening, backend, ConsoleOptions::default(), May::ReportFault);
    let open = Router::new()
        .route("/in/{channel}/{token}", get(called).post(called))
        .route("/health/cycle", get(cycle))
        .with_state(inbound);
    Ok(gated.merge(open))
}

/// The last part of the address under which a gateway calls a channel back: SHA-256 over the site's key and the name.
pub(crate) fn callback_token(key: &[u8; 32], channel: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(b"channel-callback");
    hash.update(key);
    hash.update(channel.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash.finalize()[..24])
}

fn problem(code: Code, reason: impl Into<String>) -> Response {
    let status = StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let reason: String = reason.into();
    let body = serde_json::json!({ "title": code.key(), "status": status.as_u16(), "detail": reason });
    let kind = [("content-type", "application/problem+json")];
    (status, kind, body.to_string()).into_response()
}

async fn cycle(State(inbound): State<Inbound>) -> Response {
    let cycle = inbound.watch.cycle().await;
    let (status, word) = if cycle.proven {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "failing")
    };
    // Whoever has no token learns no more than a word and a time.
    (
        status,
        Json(serde_json::json!({ "status": word, "detail": cycle.detail })),
    )
        .into_response()
}

async fn alertmanager(
    State(inbound): State<Inbound>,
    axum::Extension(speaker): axum::Extension<Speaker>,
    body: Bytes,
) -> Response {
    let told: AlertsIn = match serde_json::from_slice(&body) {
        Ok(told) => told,
        Err(error) => {
            return problem(Code::InvalidInput, format!("not Alertmanager's webhook: {error}"));
        }
    };
    if told.version != "4" {
        let reason = format!("version `{}` of the webhook is not known: 4 is", told.version);
        return problem(Code::InvalidInput, reason);
    }
    let alerts = told.alerts.iter().map(of_alertmanager).collect();
    inbound.take(&speaker, alerts).await
}

async fn events(
    State(inbound): State<Inbound>,
    axum::Extension(speaker): axum::Extension<Speaker>,
    body: Bytes,
) -> Response {
    // Read twice for the sake of a clear message: an untagged choice says nothing of what is wrong.
    let told = match serde_json::from_slice::<EventsIn>(&body) {
        Ok(EventsIn::One(event)) => vec![event],
        Ok(EventsIn::Many(events)) => events,
        Err(_) => {
            let error = serde_json::from_slice::<EventIn>(&body)
                .err()
                .map(|error| error.to_string());
            let reason = format!("not an event or a list of events: {}", error.unwrap_or_default());
            return problem(Code::InvalidInput, reason);
        }
    };
    let told: Result<Vec<Told>, String> = told.iter().map(of_event).collect();
    match told {
        Ok(told) => inbound.take(&speaker, told).await,
        Err(reason) => problem(Code::InvalidInput, reason),
    }
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

impl Inbound {
    async fn take(&self, speaker: &Speaker, alerts: Vec<Told>) -> Response {
        if alerts.len() > ALERTS_MAX {
            return problem(
                Code::ResourceExhausted,
                format!("at most {ALERTS_MAX} alerts in one request"),
            );
        }
        if tocsin_console::authority::scope(speaker).is_some() {
            let reason = "a customer's token opens tickets for its own assets only: use /api/v1/tickets";
            return problem(Code::Forbidden, reason);
        }
        let _turn = self.turn.lock().await;
        let mut numbers = Vec::new();
        for told in &alerts {
            match self.one(speaker, told).await {
                Ok(number) => numbers.push(number),
                // Told again by the sender, for 5xx is repeated; what was opened is not opened twice.
                Err(failure) => return problem(failure.code, failure.reason),
            }
        }
        Json(serde_json::json!({ "tickets": numbers })).into_response()
    }

    /// Opens, leaves or restores the ticket of one alert; answers its number where there is one.
    async fn one(&self, speaker: &Speaker, told: &Told) -> Result<Option<u64>, Failure> {
        let failed = |error: tocsin_ledger::LedgerError| Failure::new(error.code(), error.to_string());
        let (source, fingerprint, now) = (told.source.as_str(), told.fingerprint.as_str(), (self.clock)());
        let known = self.ledger.outside_alert(source, fingerprint).await.map_err(failed)?;
        let ticket = match known.and_then(|known| known.ticket) {
            Some(id) => self.ledger.ticket_by_id(id).await.map_err(failed)?,
            None => None,
        };
        if !told.firing {
            let Some(known) = known else { return Ok(None) };
            let over = OutsideAlert {
                firing: false,
                changed_at: now,
                ..known
            };
            if let Some(ticket) = &ticket
                && known.firing
            {
                self.restore(speaker, ticket).await?;
            }
            self.ledger
                .put_outside_alert(source, fingerprint, over)
                .await
                .map_err(failed)?;
            return Ok(ticket.map(|ticket| ticket.number));
        }
        // One that was restored and returns is a new fault: people are paged again.
        let is_worked_on = |state| is_open(state) && state != TicketState::Restored;
        if let Some(ticket) = ticket.as_ref().filter(|ticket| is_worked_on(ticket.state)) {
            return Ok(Some(ticket.number));
        }
        let begun = known
            .filter(|known| known.ticket.is_none())
            .map(|known| known.changed_at);
        if begun.is_some_and(|begun| now.since(begun) < OPENING_MAX) {
            return Err(Failure::new(
                Code::Unavailable,
                "this alert is being opened: tell it again in a minute",
            ));
        }
        let mut alert = OutsideAlert {
            ticket: None,
            firing: true,
            changed_at: now,
        };
        self.ledger
            .put_outside_alert(source, fingerprint, alert)
            .await
            .map_err(failed)?;
        let new = AssetId::next(&mut self.ids.lock().unwrap_or_else(PoisonError::into_inner), now);
        let asset = self.ledger.asset_named(&told.asset, new, now).await.map_err(failed)?;
        // An opening that was cut off may have got as far as the ticket.
        if let Some(begun) = begun {
            let found = self.ledger.ticket_without_alert(asset.asset, &told.title, begun).await;
            if let Some(id) = found.map_err(failed)? {
                alert.ticket = Some(id);
                let kept = self.ledger.put_outside_alert(source, fingerprint, alert).await;
                kept.map_err(failed)?;
                let ticket = self.ledger.ticket_by_id(id).await.map_err(failed)?;
                return Ok(ticket.map(|ticket| ticket.number));
            }
        }
        let report = Report {
            kind: tocsin_desk::model::TicketKind::Fault,
            actor: Actor::Person(speaker.person.id, speaker.person.name.clone()),
            via: Via::Api,
            asset,
            title: told.title.clone(),
            severity: told.severity,
            occurred_at: told.at.filter(|at| *at <= now),
        };
        let opened = self.engine.report(report).await?;
        alert.ticket = Some(opened.id);
        self.ledger
            .put_outside_alert(source, fingerprint, alert)
            .await
            .map_err(failed)?;
        Ok(Some(opened.number))
    }

    /// The ticket is restored, by whoever's token said that the alert is over.
    async fn restore(&self, speaker: &Speaker, ticket: &tocsin_desk::model::Ticket) -> Result<(), Failure> {
        if !is_open(ticket.state) || ticket.state == TicketState::Restored {
            return Ok(());
        }
        let act = Act {
            ticket: ticket.id,
            actor: Actor::Person(speaker.person.id, speaker.person.name.clone()),
            via: Via::Api,
            action: Action::Restore,
            revision: None,
        };
        match self.engine.act(act).await {
            Ok(_) => Ok(()),
            // A person was faster.
            Err(failure) if failure.code == Code::Conflict => Ok(()),
            Err(failure) => Err(failure),
        }
    }
}

/// Whether somebody still works on it.
fn is_open(state: TicketState) -> bool {
    !matches!(
        state,
        TicketState::Resolved | TicketState::Closed | TicketState::Merged | TicketState::Cancelled
    )
}

/// A gateway reports or brings a reply.
async fn called(
    State(inbound): State<Inbound>,
    Path((channel, token)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let known: Option<&Built> = inbound.watch.channels().get(&channel);
    let expected = callback_token(&inbound.link_key, &channel);
    let same = Sha256::digest(&expected) == Sha256::digest(&token);
    let Some(built) = known.filter(|_| same) else {
        return problem(Code::NotFound, "there is no such thing, or it is not yours to see");
    };
    let mut parameters = pairs(query.as_deref().unwrap_or_default());
    let is_json = headers
        .get("content-type")
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.contains("json"));
    if is_json {
        parameters.extend(json_pairs(&body));
    } else {
        parameters.extend(pairs(&String::from_utf8_lossy(&body)));
    }
    let Some(incoming): Option<Incoming> = built.channel.called_back(&parameters) else {
        // On its way, or nothing that concerns us: the gateway need not repeat it.
        return StatusCode::NO_CONTENT.into_response();
    };
    match inbound.outbox.came(&channel, incoming, (inbound.clock)()).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => {
            tracing::warn!(%error, channel, "cannot write down what came back");
            problem(Code::Unavailable, "try again")
        }
    }
}

/// Decoded parameters of a query or a form.
fn pairs(query: &str) -> Vec<(String, String)> {
    let uri = format!("/?{query}").parse::<axum::http::Uri>().unwrap_or_default();
    axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&uri)
        .map(|query| query.0)
        .unwrap_or_default()
}

/// Texts and numbers of a JSON object.
fn json_pairs(body: &[u8]) -> Vec<(String, String)> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).unwrap_or_default();
    object
        .into_iter()
        .filter_map(|(key, value)| match value {
            serde_json::Value::String(text) => Some((key, text)),
            serde_json::Value::Number(number) => Some((key, number.to_string())),
            _ => None,
        })
        .collect()
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
    fn callbacks_are_read_from_queries_forms_and_json() {
        let expected = vec![
            ("from".to_owned(), "+86 1".to_owned()),
            ("text".to_owned(), "接".to_owned()),
        ];
        assert_eq!(pairs("from=%2B86+1&text=%E6%8E%A5"), expected);
        assert_eq!(
            json_pairs(r#"{"from": "+86 1", "text": "接", "x": []}"#.as_bytes()),
            expected
        );
        assert_ne!(callback_token(&[1; 32], "a"), callback_token(&[1; 32], "b"));
    }
}
