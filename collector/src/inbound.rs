//! What other systems bring: alerts by Alertmanager's webhook (version 4) and by a generic event, which open tickets at our
//! desk; and what gateways call back with, reports of delivery and replies.
//!
//! | | who may | body |
//! |---|---|---|
//! | `POST /api/v1/inbound/alertmanager` | a token whose role may report faults | Alertmanager's webhook |
//! | `POST /api/v1/inbound/events` | the same | an event, or a list of them: see `told` |
//! | `GET`, `POST /in/{channel}/{token}` | whoever knows the address | `id`, `status`; or `from`, `text` |
//! | `GET /health/cycle` | everybody | 200 while a full cycle was proven lately, 503 otherwise |
//!
//! An alert opens one ticket however often it is told; when it is resolved its ticket is restored. Its asset is the one named
//! `host`, `instance`, `node` or `hostname` among its labels, without a port; one that the register lacks is entered.

mod told;

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
use sha2::{Digest as _, Sha256};
use std::{
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
use tocsin_vocabulary::{AssetId, Code, IdSource};
use told::Told;

/// Alerts of one request.
const ALERTS_MAX: usize = 1_000;
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
    tocsin_console::problem(&Failure::new(code, reason))
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
    match told::alerts(&body) {
        Ok(told) => inbound.take(&speaker, told).await,
        Err(reason) => problem(Code::InvalidInput, reason),
    }
}

async fn events(
    State(inbound): State<Inbound>,
    axum::Extension(speaker): axum::Extension<Speaker>,
    body: Bytes,
) -> Response {
    match told::events(&body) {
        Ok(told) => inbound.take(&speaker, told).await,
        Err(reason) => problem(Code::InvalidInput, reason),
    }
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
    ///
    /// Terms that ask for an approval before a person may call a fault restored do not hold here: the other system
    /// measured that it is over, as our rules do when every alert has cleared. The time of that counts for the contract's
    /// clocks, and a signature that comes later must not move it. What people owe, the cause, the solution and the
    /// customer's word, is asked for when the ticket is resolved and confirmed.
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
