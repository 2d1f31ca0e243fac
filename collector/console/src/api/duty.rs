//! `/duty`, `/handovers` and `/registers`.

use super::{ListOf, Parameters, list, wrong};
use crate::{
    authority::Action,
    guard::{Answer, Visit, nothing},
};
use axum::extract::Path;
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};
use tocsin_desk::{
    register::Book,
    roster::{self, Post},
};
use utoipa::ToSchema;

/// Most days ahead.
const DAYS_MAX: u64 = 400;
/// Handovers of one answer.
const HANDOVERS: u32 = 200;

/// A shift with its people, named by login.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Shift {
    roster: String,
    shift: String,
    /// RFC 3339.
    from: String,
    /// RFC 3339.
    to: String,
    /// Logins by post: `main`, `deputy`, `standby`, `leader`.
    people: BTreeMap<&'static str, Vec<String>>,
    /// Staffed apart from the rotation.
    special: bool,
    /// Changed by an override or a swap.
    changed: bool,
    /// It runs at this moment.
    now: bool,
}

/// Who is on duty, by time.
#[utoipa::path(get, path = "/duty", params(
    ("days" = Option<u64>, Query, description = "so many days ahead; 0, which is meant without it: now"),
    ("roster" = Option<String>, Query, description = "only this roster"),
), responses((status = 200, description = "shifts", body = ListOf<Shift>)))]
pub(crate) async fn duty(visit: Visit) -> Answer {
    let parameters = Parameters::of(&visit, &["days", "roster"])?;
    let days = parameters.parse::<u64>("days")?.unwrap_or(0);
    if days > DAYS_MAX {
        return Err(wrong(format!("parameter `days` must be 0 to {DAYS_MAX}")).into());
    }
    let backend = &visit.console.backend;
    let now = visit.now;
    let to = now.plus(Duration::from_secs(days * 86_400).max(Duration::from_millis(1)));
    let exchanges = backend.exchanges(now).await?;
    let mut shifts = Vec::new();
    for plan in backend.rosters().await? {
        if parameters.get("roster").is_some_and(|name| name != plan.name) {
            continue;
        }
        let spans = roster::duties(&plan, &exchanges, now, to);
        shifts.extend(spans.into_iter().map(|span| {
            Shift {
                people: Post::ALL
                    .iter()
                    .map(|post| (post.as_str(), span.staff.of(*post).to_vec()))
                    .collect(),
                now: span.from <= now && now < span.to,
                roster: span.roster,
                shift: span.shift,
                from: span.from.to_string(),
                to: span.to.to_string(),
                special: span.special,
                changed: span.changed,
            }
        }));
    }
    Ok(list(shifts, None))
}

/// A handover, without what is handed over.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HandoverView {
    id: u64,
    roster: String,
    /// RFC 3339.
    at: String,
    leaving: Vec<String>,
    coming: Vec<String>,
    /// Login of who signed for the leaving shift.
    left_by: Option<String>,
    /// Login of who signed for the coming shift.
    came_by: Option<String>,
    /// Both have signed.
    closed: bool,
}

/// Handovers, newest first.
#[utoipa::path(get, path = "/handovers", responses((status = 200, description = "handovers", body = ListOf<HandoverView>)))]
pub(crate) async fn handovers(visit: Visit) -> Answer {
    Parameters::of(&visit, &[])?;
    let all = visit.console.backend.handovers(HANDOVERS).await?;
    let views = all.into_iter().map(|one| HandoverView {
        closed: one.is_closed(),
        id: one.id,
        roster: one.roster,
        at: one.at.to_string(),
        leaving: one.leaving,
        coming: one.coming,
        left_by: one.left.map(|signature| signature.by),
        came_by: one.came.map(|signature| signature.by),
    });
    Ok(list(views.collect(), None))
}

/// A row of a register: values by column.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RowView {
    id: String,
    values: BTreeMap<String, String>,
}

/// Rows of a register: customers, sites, contracts, assets, spares or knowledge.
#[utoipa::path(get, path = "/registers/{book}", params(("book" = String, Path, description = "which register")),
    responses((status = 200, description = "rows", body = ListOf<RowView>), (status = 404, description = "no such register")))]
pub(crate) async fn register(visit: Visit, Path(book): Path<String>) -> Answer {
    Parameters::of(&visit, &[])?;
    visit.require(Action::ReadRegisters)?;
    let book = Book::parse(&book).ok_or_else(nothing)?;
    let rows = visit.console.backend.register(book).await?;
    let views = rows.into_iter().map(|row| RowView {
        id: row.id,
        values: row.values,
    });
    Ok(list(views.collect(), None))
}
