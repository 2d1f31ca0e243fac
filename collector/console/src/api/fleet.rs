//! `/hosts`, `/hosts/{id}`, `/hosts/{id}/series`.

use super::{ListOf, Parameters, list, views::HostView};
use crate::{
    backend::{Failure, Host},
    guard::{Answer, Visit, nothing},
};
use axum::{Json, extract::Path, response::IntoResponse as _};
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};
use tocsin_vocabulary::{HostId, Kind};
use utoipa::ToSchema;

/// How far back events are listed when nobody says.
const EVENTS_SPAN: Duration = Duration::from_hours(24);

/// A series with its newest value.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SeriesItem {
    /// Metric name.
    name: String,
    /// Attributes of the series.
    attributes: BTreeMap<String, String>,
    /// `gauge` or `counter`.
    kind: &'static str,
    /// UCUM.
    unit: String,
    /// When it was sampled, by the host's clock.
    time: String,
    /// Null when absent.
    value: Option<f64>,
}

/// Hosts with their live state.
#[utoipa::path(get, path = "/hosts", params(("name" = Option<String>, Query, description = "only the host of this name")),
    responses((status = 200, description = "all hosts that you may see", body = ListOf<HostView>)))]
pub(crate) async fn hosts(visit: Visit) -> Answer {
    let parameters = Parameters::of(&visit, &["name"])?;
    let scope = visit.scope()?;
    let hosts = visit.console.backend.hosts().await?;
    let items = hosts
        .iter()
        .filter(|host| scope.is_none_or(|only| host.record.customer == only))
        .filter(|host| parameters.get("name").is_none_or(|name| host.record.name == name))
        .map(HostView::from)
        .collect();
    Ok(list(items, None))
}

/// One host.
#[utoipa::path(get, path = "/hosts/{id}", params(("id" = String, Path, description = "the host's id")),
    responses((status = 200, description = "the host", body = HostView), (status = 404, description = "no such host")))]
pub(crate) async fn host(visit: Visit, Path(id): Path<String>) -> Answer {
    Parameters::of(&visit, &[])?;
    let host = find(&visit, &id).await?;
    Ok(Json(HostView::from(&host)).into_response())
}

/// The newest value of each series of a host.
#[utoipa::path(get, path = "/hosts/{id}/series", params(("id" = String, Path, description = "the host's id")),
    responses((status = 200, description = "series in the order of the host's dictionary", body = ListOf<SeriesItem>)))]
pub(crate) async fn series(visit: Visit, Path(id): Path<String>) -> Answer {
    Parameters::of(&visit, &[])?;
    let host = find(&visit, &id).await?;
    let items = match visit.console.backend.latest(host.record.id).await? {
        None => Vec::new(),
        Some(tick) => tick
            .values
            .into_iter()
            .map(|latest| SeriesItem {
                name: latest.series.name.into(),
                attributes: super::texts(latest.series.attributes),
                kind: if latest.series.kind == Kind::Gauge {
                    "gauge"
                } else {
                    "counter"
                },
                unit: latest.series.unit.into(),
                time: tick.time.to_string(),
                value: latest.value.filter(|value| value.is_finite()),
            })
            .collect(),
    };
    Ok(list(items, None))
}

/// Something that happened on a host. Its words come from the host: data, never markup.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventItem {
    /// When, by the host's clock.
    at: String,
    /// When it arrived at the collector.
    received_at: String,
    /// Such as `process.group.gone`.
    name: String,
    /// critical, major, minor, warning or info.
    severity: String,
    /// What it concerns.
    attributes: BTreeMap<String, String>,
    /// One sentence, English.
    body: String,
}

/// What happened on a host, newest first; the last 24 hours unless `from` says otherwise. At most 500.
#[utoipa::path(get, path = "/hosts/{id}/events", params(
    ("id" = String, Path, description = "the host's id"),
    ("from" = Option<String>, Query, description = "since when: RFC 3339 or epoch milliseconds"),
), responses((status = 200, description = "events", body = ListOf<EventItem>),
    (status = 404, description = "no such host")))]
pub(crate) async fn events(visit: Visit, Path(id): Path<String>) -> Answer {
    let parameters = Parameters::of(&visit, &["from"])?;
    let from = parameters.parse("from")?.unwrap_or(visit.now.minus(EVENTS_SPAN));
    let host = find(&visit, &id).await?;
    let events = visit.console.backend.events(host.record.id, from).await?;
    let items = events
        .into_iter()
        .map(|event| EventItem {
            at: event.at.to_string(),
            received_at: event.received_at.to_string(),
            name: event.name,
            severity: event.severity.to_string(),
            attributes: event.attributes,
            body: event.body,
        })
        .collect();
    Ok(list(items, None))
}

/// A host that whoever asks may see.
pub(crate) async fn find(visit: &Visit, id: &str) -> Result<Host, Failure> {
    let id: HostId = id.parse().map_err(|_| nothing())?;
    let host = visit.console.backend.host(id).await?.ok_or_else(nothing)?;
    visit.must_see(host.record.customer)?;
    Ok(host)
}
