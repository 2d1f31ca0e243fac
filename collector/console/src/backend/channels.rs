//! Channels: what there are, how they do, and what they would say.

use super::Failure;
use async_trait::async_trait;
use serde::Serialize;
use tocsin_desk::delivery::ChannelFigures;
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

/// One channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelView {
    /// What destinations call it.
    pub name: String,
    /// `webhook`, `mail`, `gammu`, …
    pub kind: &'static str,
    /// Where it goes, without secrets.
    pub goes_to: String,
    /// Messages per minute that it may send.
    pub per_minute: u32,
    /// How it did within a day.
    pub figures: ChannelFigures,
    /// How its line is, where that can be told.
    pub condition: Option<(bool, String)>,
    /// What it would say.
    pub previews: Vec<PreviewView>,
}

/// Reads about channels.
#[async_trait]
pub trait Channels: Send + Sync {
    /// All of them, by name.
    async fn channels(&self) -> Result<Vec<ChannelView>, Failure>;
}
