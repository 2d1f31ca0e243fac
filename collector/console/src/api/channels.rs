//! `/channels`.

use super::{ListOf, Parameters, list};
use crate::{
    backend::{ChannelView, Failure},
    guard::{Answer, Visit},
};
use axum::response::IntoResponse as _;
use serde::Serialize;
use tocsin_desk::delivery::DrillReport;
use tocsin_vocabulary::{Code, Timestamp};
use utoipa::ToSchema;

/// A channel and how it did within a day.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChannelItem {
    name: String,
    kind: &'static str,
    goes_to: String,
    per_minute: u32,
    /// Messages that the other side took.
    accepted: u64,
    /// Those of them that are known to have arrived.
    delivered: u64,
    failed: u64,
    /// Of which nobody knows whether they arrived.
    unknown: u64,
    /// Pages that wait now.
    waiting: u64,
    /// Since when the oldest of them waits; null when none does.
    oldest_at: Option<String>,
    /// When it last took one; null when it took none.
    last_accepted_at: Option<String>,
    /// Whether its line is well; null where that can't be told.
    well: Option<bool>,
    /// The modem's signal in percent; null where that can't be told.
    signal_percent: Option<u8>,
    /// What the provider says is left; null where it does not tell.
    balance: Option<f64>,
    /// What is wrong with it; null when nothing is.
    trouble: Option<String>,
}

/// A page of a drill of the channels.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DrillItem {
    /// Whom it went to.
    login: String,
    name: String,
    channel: String,
    /// `pending`, `sending`, `accepted`, `delivered`, `read`, `failed` or `unknown`.
    state: &'static str,
    /// Since when; null before its first try.
    at: Option<String>,
    /// What was said last.
    detail: String,
}

/// A drill of the channels: every channel to each of some people.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Drill {
    /// When it began.
    at: String,
    /// Pages of which the other side took so many, and so many are known to have arrived.
    pages: usize,
    taken: usize,
    arrived: usize,
    /// Logins of those whom no channel reached.
    unreached: Vec<String>,
    items: Vec<DrillItem>,
}

impl From<DrillReport> for Drill {
    fn from(report: DrillReport) -> Self {
        let [arrived, taken, pages] = report.counts();
        Self {
            at: report.at.to_string(),
            pages,
            taken,
            arrived,
            unreached: report.unreached().into_iter().map(str::to_owned).collect(),
            items: report
                .rows
                .into_iter()
                .map(|row| DrillItem {
                    login: row.login,
                    name: row.name,
                    channel: row.channel,
                    state: row.state.as_str(),
                    at: row.at.map(|at| at.to_string()),
                    detail: row.detail,
                })
                .collect(),
        }
    }
}

/// How the last drill of the channels went.
#[utoipa::path(get, path = "/channels/drill", responses(
    (status = 200, description = "the last drill", body = Drill),
    (status = 404, description = "there was none", body = super::problem::Problem),
))]
pub(crate) async fn drill(visit: Visit) -> Answer {
    Parameters::of(&visit, &[])?;
    let report = visit.console.backend.last_drill().await?;
    let none = || Failure::new(Code::NotFound, "there was no drill of the channels yet");
    Ok(axum::Json(Drill::from(report.ok_or_else(none)?)).into_response())
}

impl From<ChannelView> for ChannelItem {
    fn from(channel: ChannelView) -> Self {
        let figures = channel.figures;
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Self {
            name: channel.name,
            kind: channel.kind,
            goes_to: channel.goes_to,
            per_minute: channel.per_minute,
            accepted: figures.accepted,
            delivered: figures.delivered,
            failed: figures.failed,
            unknown: figures.unknown,
            waiting: figures.waiting,
            oldest_at: text(figures.oldest_at),
            last_accepted_at: text(figures.last_accepted_at),
            well: channel.condition.as_ref().map(|line| line.well),
            signal_percent: channel.condition.as_ref().and_then(|line| line.signal_percent),
            balance: channel.condition.as_ref().and_then(|line| line.balance),
            trouble: channel.trouble,
        }
    }
}

/// Channels, and how they did within a day.
#[utoipa::path(get, path = "/channels", responses((status = 200, description = "channels", body = ListOf<ChannelItem>)))]
pub(crate) async fn channels(visit: Visit) -> Answer {
    Parameters::of(&visit, &[])?;
    let channels = visit.console.backend.channels().await?;
    Ok(list(channels.into_iter().map(ChannelItem::from).collect(), None))
}
