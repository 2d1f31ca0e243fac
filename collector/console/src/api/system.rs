//! `/rules`, `/health`, and `/metrics` of the collector itself.

use super::{ListOf, Parameters, list, views::RuleItem};
use crate::{
    authority::Action,
    guard::{Answer, Visit},
};
use axum::{Json, response::IntoResponse as _};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

/// The collector's health.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok` or `failing`.
    status: &'static str,
    /// Its parts; left out for whoever may not read the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<Vec<Part>>,
    /// Version of the collector; left out likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
}

/// One part of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Part {
    name: String,
    healthy: bool,
    detail: String,
}

/// Rules as loaded.
#[utoipa::path(get, path = "/rules", responses((status = 200, description = "rules", body = ListOf<RuleItem>)))]
pub(crate) async fn rules(visit: Visit) -> Answer {
    Parameters::of(&visit, &[])?;
    let rules = visit.console.backend.rules().await?;
    Ok(list(rules.into_iter().map(RuleItem::from).collect(), None))
}

/// Whether the collector does its work. Without a token: one word.
#[utoipa::path(get, path = "/health", responses(
    (status = 200, description = "it does", body = Health),
    (status = 503, description = "some part does not", body = Health)))]
pub(crate) async fn health(visit: Visit) -> Answer {
    Parameters::of(&visit, &[])?;
    let parts = visit.console.backend.health().await;
    let healthy = parts.iter().all(|part| part.healthy);
    let all = visit.may(Action::ReadSystem);
    let parts = parts
        .into_iter()
        .map(|part| Part {
            name: part.name,
            healthy: part.healthy,
            detail: part.detail,
        })
        .collect();
    let health = Health {
        status: if healthy { "ok" } else { "failing" },
        parts: all.then_some(parts),
        version: all.then(|| visit.console.backend.version()),
    };
    let status = if healthy {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    Ok((status, Json(health)).into_response())
}

/// `GET /metrics`: Prometheus text.
pub(crate) async fn metrics(visit: Visit) -> Answer {
    let mut response = visit.console.backend.prometheus().await.into_response();
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}
