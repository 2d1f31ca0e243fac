//! The list of alerts.

use super::board::{AlertRow, visible_hosts};
use crate::{
    guard::{Answer, Visit},
    shell::{Shell, page},
};
use askama::Template;
use tocsin_desk::{
    model::{AlertState, Arrival},
    record::{AlertFilter, Slice},
};

/// Rows of one slice.
const ROWS: u32 = 100;

#[derive(Template)]
#[template(path = "alerts.html")]
struct Alerts {
    shell: Shell,
    wanted: String,
    alerts: Vec<AlertRow>,
    next: Option<String>,
}

/// `GET /alerts?state=raised|cleared|retrospective|all&after=`.
pub(crate) async fn list(visit: Visit) -> Answer {
    let shell = Shell::new(&visit, "alerts");
    let wanted = visit.parameter("state").unwrap_or_else(|| "raised".to_owned());
    let state = match wanted.as_str() {
        "cleared" => Some(AlertState::Cleared),
        "all" | "retrospective" => None,
        _ => Some(AlertState::Raised),
    };
    let slice = Slice {
        after: visit.parameter("after"),
        limit: ROWS,
    };
    let filter = AlertFilter {
        state,
        customer: visit.scope()?,
        arrival: (wanted == "retrospective").then_some(Arrival::Retrospective),
        slice,
        ..AlertFilter::default()
    };
    let list = visit.console.backend.alerts(&filter).await?;
    let hosts = visible_hosts(&visit).await?;
    let alerts = list
        .items
        .iter()
        .map(|alert| AlertRow::new(&shell, alert, &hosts))
        .collect();
    let next = list.next.map(|after| {
        format!(
            "/alerts?state={}&after={}",
            crate::markup::percent(&wanted),
            crate::markup::percent(&after)
        )
    });
    page(&Alerts {
        shell,
        wanted,
        alerts,
        next,
    })
}
