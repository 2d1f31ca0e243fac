//! How the channels do and what they would say, for the console.

use super::Wired;
use crate::channel_command;
use async_trait::async_trait;
use tocsin_console::backend::{ChannelView, Channels, Failure, LineView};
use tocsin_desk::delivery::{ChannelFigures, DrillReport};

#[async_trait]
impl Channels for Wired {
    async fn channels(&self) -> Result<Vec<ChannelView>, Failure> {
        let figures = self.channels.figures().await.map_err(super::failed)?;
        let mut views = Vec::new();
        for (name, built) in self.channels.channels() {
            let of = figures.iter().find(|figures| figures.channel == *name).cloned();
            let previews = channel_command::samples(built, (self.clock)());
            views.push(ChannelView {
                name: name.clone(),
                kind: built.config.kind.as_str(),
                goes_to: built.config.kind.goes_to(),
                per_minute: built.config.per_minute(),
                tells_arrival: built.config.kind.tells_arrival(),
                figures: of.unwrap_or_else(|| ChannelFigures {
                    channel: name.clone(),
                    ..ChannelFigures::default()
                }),
                condition: built.channel.condition().map(|line| LineView {
                    well: line.well,
                    detail: line.detail,
                    signal_percent: line.signal_percent,
                    oldest: line.oldest,
                    balance: line.balance,
                }),
                trouble: self.channels.trouble(name),
                previews,
            });
        }
        views.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(views)
    }

    async fn last_drill(&self) -> Result<Option<DrillReport>, Failure> {
        self.ledger.last_drill().await.map_err(super::failed)
    }
}
