//! `/silences`, `/windows`, `/guards`: what is planned. `/withheld`: what it keeps untold. `/topology`: what assets hang on.

use super::{ListOf, Parameters, body, list, wrong};
use crate::{
    authority::Action,
    backend::{Failure, PlanRequest, Planner},
    guard::{Answer, Visit, nothing},
};
use axum::{Json, body::Bytes, extract::Path, response::IntoResponse as _};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tocsin_desk::{
    planned::{Planned, PlannedKind},
    record::PlannedFilter,
    topology::Place,
    withheld::Withheld,
};
use tocsin_vocabulary::Timestamp;
use utoipa::ToSchema;

/// A silence, maintenance window or guarded period.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlannedView {
    id: String,
    /// `silence`, `window` or `guard`.
    kind: &'static str,
    /// Whom it concerns: lists of ids, tags and patterns.
    #[schema(value_type = Object)]
    scope: serde_json::Value,
    /// On which days it repeats; null: once.
    every: Option<String>,
    /// Whether it counts now.
    active: bool,
    /// When it counts now, or next; of what is over, from when it was planned.
    from: Option<String>,
    /// Until when; of what is over, when it ended.
    until: Option<String>,
    reason: String,
    owner: Option<String>,
    made_by: String,
    made_at: String,
    ended_at: Option<String>,
    /// Login of who ended it early, or `system`.
    ended_by: Option<String>,
}

impl PlannedView {
    fn new(planned: &Planned, now: Timestamp) -> Self {
        let times = planned.times(now);
        Self {
            id: planned.id.to_string(),
            kind: planned.kind.as_str(),
            scope: serde_json::to_value(&planned.scope).unwrap_or_default(),
            every: planned.span.repeats.as_ref().map(|repeat| repeat.every.to_string()),
            active: planned.at(now).is_some(),
            from: times.map(|times| times.from.to_string()),
            until: times.map(|times| times.to.to_string()),
            reason: planned.reason.clone(),
            owner: planned.owner.map(|owner| owner.to_string()),
            made_by: planned.made_by.clone(),
            made_at: planned.made_at.to_string(),
            ended_at: planned.ended_at.map(|at| at.to_string()),
            ended_by: planned.ended_by.clone(),
        }
    }
}

async fn list_of(visit: &Visit, kind: PlannedKind) -> Answer {
    let parameters = Parameters::of(visit, &["open", "limit", "after"])?;
    let filter = PlannedFilter {
        kind: Some(kind),
        open_only: parameters.parse("open")?.unwrap_or(false),
        slice: parameters.slice()?,
    };
    let planned = visit.console.backend.planned(&filter).await?;
    let items = planned
        .items
        .iter()
        .map(|planned| PlannedView::new(planned, visit.now))
        .collect();
    Ok(list(items, planned.next))
}

async fn add(visit: &Visit, kind: PlannedKind, bytes: &Bytes) -> Answer {
    visit.require(Action::PlanWork)?;
    Parameters::of(visit, &[])?;
    let request: PlanRequest = body(bytes)?;
    let planned = visit.console.backend.plan(kind, request, planner(visit)?).await?;
    Ok((
        StatusCode::CREATED,
        Json(PlannedView::new(&planned, visit.console.backend.now())),
    )
        .into_response())
}

async fn end(visit: &Visit, kind: PlannedKind, id: &str, action: &str) -> Answer {
    visit.require(Action::PlanWork)?;
    if action != "end" {
        return Err(nothing().into());
    }
    let id = id.parse().map_err(|_| nothing())?;
    let planned = visit.console.backend.end_plan(kind, id, planner(visit)?).await?;
    Ok(Json(PlannedView::new(&planned, visit.console.backend.now())).into_response())
}

fn planner(visit: &Visit) -> Result<Planner, Failure> {
    Ok(Planner {
        login: visit.person()?.login.clone(),
        via: "api",
    })
}

/// Silences, newest first.
#[utoipa::path(get, path = "/silences", params(
    ("open" = Option<bool>, Query, description = "only those that are not over"),
    ("limit" = Option<u32>, Query, description = "rows, 1 to 500"),
    ("after" = Option<String>, Query, description = "`next` of the list before"),
), responses((status = 200, description = "silences", body = ListOf<PlannedView>)))]
pub(crate) async fn silences(visit: Visit) -> Answer {
    list_of(&visit, PlannedKind::Silence).await
}

/// Withholds pages of what is named, until an end.
#[utoipa::path(post, path = "/silences", request_body = PlanRequest,
    responses((status = 201, description = "the silence", body = PlannedView),
        (status = 400, description = "the body is wrong", body = super::problem::Problem)))]
pub(crate) async fn silence(visit: Visit, bytes: Bytes) -> Answer {
    add(&visit, PlannedKind::Silence, &bytes).await
}

/// Ends a silence: what still holds pages at once.
#[utoipa::path(post, path = "/silences/{id}/{action}", params(
    ("id" = String, Path, description = "the silence"), ("action" = String, Path, description = "end"),
), responses((status = 200, description = "the silence afterwards", body = PlannedView),
    (status = 404, description = "no such silence, or it is over", body = super::problem::Problem)))]
pub(crate) async fn end_silence(visit: Visit, Path((id, action)): Path<(String, String)>) -> Answer {
    end(&visit, PlannedKind::Silence, &id, &action).await
}

/// Maintenance windows, newest first.
#[utoipa::path(get, path = "/windows", params(
    ("open" = Option<bool>, Query, description = "only those that are not over"),
    ("limit" = Option<u32>, Query, description = "rows, 1 to 500"),
    ("after" = Option<String>, Query, description = "`next` of the list before"),
), responses((status = 200, description = "maintenance windows", body = ListOf<PlannedView>)))]
pub(crate) async fn windows(visit: Visit) -> Answer {
    list_of(&visit, PlannedKind::Window).await
}

/// Plans work, once or again and again.
#[utoipa::path(post, path = "/windows", request_body = PlanRequest,
    responses((status = 201, description = "the window", body = PlannedView),
        (status = 400, description = "the body is wrong", body = super::problem::Problem)))]
pub(crate) async fn window(visit: Visit, bytes: Bytes) -> Answer {
    add(&visit, PlannedKind::Window, &bytes).await
}

/// Ends a maintenance window for good: what still holds pages at once.
#[utoipa::path(post, path = "/windows/{id}/{action}", params(
    ("id" = String, Path, description = "the window"), ("action" = String, Path, description = "end"),
), responses((status = 200, description = "the window afterwards", body = PlannedView),
    (status = 404, description = "no such window, or it is over", body = super::problem::Problem)))]
pub(crate) async fn end_window(visit: Visit, Path((id, action)): Path<(String, String)>) -> Answer {
    end(&visit, PlannedKind::Window, &id, &action).await
}

/// Guarded periods, newest first.
#[utoipa::path(get, path = "/guards", params(
    ("open" = Option<bool>, Query, description = "only those that are not over"),
    ("limit" = Option<u32>, Query, description = "rows, 1 to 500"),
    ("after" = Option<String>, Query, description = "`next` of the list before"),
), responses((status = 200, description = "guarded periods", body = ListOf<PlannedView>)))]
pub(crate) async fn guards(visit: Visit) -> Answer {
    list_of(&visit, PlannedKind::Guard).await
}

/// Books a guarded period.
#[utoipa::path(post, path = "/guards", request_body = PlanRequest,
    responses((status = 201, description = "the guarded period", body = PlannedView),
        (status = 400, description = "the body is wrong", body = super::problem::Problem)))]
pub(crate) async fn guard(visit: Visit, bytes: Bytes) -> Answer {
    add(&visit, PlannedKind::Guard, &bytes).await
}

/// Ends a guarded period.
#[utoipa::path(post, path = "/guards/{id}/{action}", params(
    ("id" = String, Path, description = "the guarded period"), ("action" = String, Path, description = "end"),
), responses((status = 200, description = "the guarded period afterwards", body = PlannedView),
    (status = 404, description = "no such guarded period, or it is over", body = super::problem::Problem)))]
pub(crate) async fn end_guard(visit: Visit, Path((id, action)): Path<(String, String)>) -> Answer {
    end(&visit, PlannedKind::Guard, &id, &action).await
}

/// An alert of which people are not told for now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WithheldView {
    alert: String,
    asset: String,
    asset_name: String,
    /// `silence`, `window`, `parent`, `part` or `storm`.
    cause: &'static str,
    /// The silence or window, the alert that explains it, the asset it hangs on, or the rule.
    by: String,
    /// The fault that explains it.
    fault: Option<String>,
    since: String,
    /// When it is looked at again; null: when what explains it clears.
    until: Option<String>,
}

impl From<&Withheld> for WithheldView {
    fn from(withheld: &Withheld) -> Self {
        Self {
            alert: withheld.alert.to_string(),
            asset: withheld.asset.asset.to_string(),
            asset_name: withheld.asset.name.clone(),
            cause: withheld.cause.as_str(),
            by: withheld.by.clone(),
            fault: withheld.fault.map(|fault| fault.to_string()),
            since: withheld.since.to_string(),
            until: withheld.until.map(|until| until.to_string()),
        }
    }
}

/// Alerts of which people are not told for now, oldest first; at most 500.
#[utoipa::path(get, path = "/withheld", params(
    ("ticket" = Option<u64>, Query, description = "only those that this ticket's fault explains"),
), responses((status = 200, description = "withheld alerts", body = ListOf<WithheldView>)))]
pub(crate) async fn withheld(visit: Visit) -> Answer {
    let parameters = Parameters::of(&visit, &["ticket"])?;
    let backend = &visit.console.backend;
    let rows = match parameters.parse::<u64>("ticket")? {
        Some(number) => {
            let ticket = backend.ticket(number).await?.ok_or_else(nothing)?;
            backend.withheld_under(ticket.id).await?
        }
        None => backend.withheld().await?,
    };
    Ok(list(rows.iter().map(WithheldView::from).collect(), None))
}

/// An asset and what it hangs on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlaceView {
    asset: String,
    /// Null: without an agent, or shut out.
    host: Option<String>,
    name: String,
    site_name: String,
    tags: Vec<String>,
    /// The asset that it hangs on.
    parent: Option<String>,
}

impl From<&Place> for PlaceView {
    fn from(place: &Place) -> Self {
        Self {
            asset: place.asset.to_string(),
            host: place.host.map(|host| host.to_string()),
            name: place.name.clone(),
            site_name: place.site_name.clone(),
            tags: place.tags.clone(),
            parent: place.parent.map(|parent| parent.to_string()),
        }
    }
}

/// All assets with what they hang on, by name.
#[utoipa::path(get, path = "/topology",
    responses((status = 200, description = "assets", body = ListOf<PlaceView>)))]
pub(crate) async fn topology(visit: Visit) -> Answer {
    Parameters::of(&visit, &[])?;
    let places = visit.console.backend.places().await?;
    Ok(list(places.iter().map(PlaceView::from).collect(), None))
}

/// What one asset hangs on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hanging {
    /// The asset, by name or id.
    asset: String,
    /// What it hangs on, by name or id; null: on nothing.
    parent: Option<String>,
}

/// Says what assets hang on; all or nothing.
#[utoipa::path(post, path = "/topology", request_body = Vec<Hanging>,
    responses((status = 200, description = "all assets", body = ListOf<PlaceView>),
        (status = 400, description = "one would hang on itself", body = super::problem::Problem)))]
pub(crate) async fn hang(visit: Visit, bytes: Bytes) -> Answer {
    visit.require(Action::PlanWork)?;
    Parameters::of(&visit, &[])?;
    let hanging: Vec<Hanging> = body(&bytes)?;
    if hanging.is_empty() {
        return Err(wrong("the list is empty: name at least one asset").into());
    }
    let parents = hanging.into_iter().map(|one| (one.asset, one.parent)).collect();
    visit.console.backend.set_parents(parents, planner(&visit)?).await?;
    let places = visit.console.backend.places().await?;
    Ok(list(places.iter().map(PlaceView::from).collect(), None))
}
