//! Channels: what there are, how they do, and what they would say.

use super::Failure;
use async_trait::async_trait;
use serde::Serialize;
use std::time::Duration;
use tocsin_desk::delivery::{ChannelFigures, DrillReport};
use tocsin_vocabulary::Language;

/// What a channel would say of a made-up page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PreviewView {
    /// To a person who reads this.
    pub language: Language,
    /// Of a customer with this secrecy: `full` or `code-only`.
    pub secrecy: &'static str,
    /// The text.
    pub text: String,
    /// For SMS: characters in all, and parts.
    pub sms: Option<(usize, usize)>,
}

/// How a channel's line is, as the modem or the provider tells.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct LineView {
    /// Whether it works.
    pub well: bool,
    /// In words.
    pub detail: String,
    /// The modem's signal, in percent.
    pub signal_percent: Option<u8>,
    /// How long the oldest message has waited with the modem's daemon.
    pub oldest: Option<Duration>,
    /// What the provider says is left.
    pub balance: Option<f64>,
}

/// One channel.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChannelView {
    /// What destinations call it.
    pub name: String,
    /// `webhook`, `mail`, `gammu`, …
    pub kind: &'static str,
    /// Where it goes, without secrets.
    pub goes_to: String,
    /// Messages per minute that it may send.
    pub per_minute: u32,
    /// Whether it can learn what arrived.
    pub tells_arrival: bool,
    /// How it did within a day.
    pub figures: ChannelFigures,
    /// How its line is, where that can be told.
    pub condition: Option<LineView>,
    /// What is wrong with it: a bound that does not hold, a heartbeat that did not come.
    pub trouble: Option<String>,
    /// What it would say.
    pub previews: Vec<PreviewView>,
}

/// Reads about channels.
#[async_trait]
pub trait Channels: Send + Sync {
    /// All of them, by name.
    async fn channels(&self) -> Result<Vec<ChannelView>, Failure>;

    /// The newest drill of the channels; none: there was none.
    async fn last_drill(&self) -> Result<Option<DrillReport>, Failure>;
}
