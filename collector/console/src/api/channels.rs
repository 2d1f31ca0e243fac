//! `/channels`.

use super::{ListOf, Parameters, list};
use crate::{
    backend::ChannelView,
    guard::{Answer, Visit},
};
use serde::Serialize;
use tocsin_vocabulary::Timestamp;
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
            well: channel.condition.map(|(well, _)| well),
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
