//! Two channels: one that works, one that does not.

use super::Fake;
use async_trait::async_trait;
use std::time::Duration;
use tocsin_console::backend::{ChannelView, Channels, Failure, LineView, PreviewView, System as _};
use tocsin_desk::delivery::{ChannelFigures, DeliveryState, DrillReport, DrillRow};
use tocsin_vocabulary::Language;

#[async_trait]
impl Channels for Fake {
    async fn channels(&self) -> Result<Vec<ChannelView>, Failure> {
        let ago = |seconds| Some(self.now().minus(Duration::from_secs(seconds)));
        let modem = ChannelView {
            name: "modem".to_owned(),
            kind: "gammu",
            goes_to: "/var/spool/gammu/outbox".to_owned(),
            per_minute: 12,
            tells_arrival: true,
            figures: ChannelFigures {
                channel: "modem".to_owned(),
                accepted: 41,
                delivered: 40,
                last_accepted_at: ago(70),
                ..ChannelFigures::default()
            },
            condition: Some(LineView {
                well: true,
                detail: "0 messages wait in the spool".to_owned(),
                signal_percent: Some(67),
                ..LineView::default()
            }),
            trouble: None,
            previews: vec![PreviewView {
                language: Language::Chinese,
                secrecy: "full",
                text: "#1042 一级 db1: 磁盘 /data 已满 11:04起 剩58分 回1042 07接单".to_owned(),
                sms: Some((43, 1)),
            }],
        };
        let sms = ChannelView {
            name: "sms".to_owned(),
            kind: "smpp",
            goes_to: "smsc.example.org:2775".to_owned(),
            per_minute: 3_000,
            tells_arrival: true,
            figures: ChannelFigures {
                channel: "sms".to_owned(),
                failed: 2,
                unknown: 1,
                waiting: 3,
                oldest_at: ago(400),
                ..ChannelFigures::default()
            },
            condition: Some(LineView {
                detail: "not connected to smsc.example.org:2775".to_owned(),
                ..LineView::default()
            }),
            trouble: Some("not connected to smsc.example.org:2775".to_owned()),
            previews: Vec::new(),
        };
        Ok(vec![modem, sms])
    }

    async fn last_drill(&self) -> Result<Option<DrillReport>, Failure> {
        let row = |channel: &str, state, detail: &str| DrillRow {
            login: "wang".to_owned(),
            name: "王芳".to_owned(),
            channel: channel.to_owned(),
            state,
            at: Some(self.now().minus(Duration::from_secs(3_000))),
            detail: detail.to_owned(),
        };
        Ok(Some(DrillReport {
            at: self.now().minus(Duration::from_secs(3_600)),
            rows: vec![
                row("modem", DeliveryState::Delivered, "gammu-smsd says DeliveryOK"),
                row("sms", DeliveryState::Failed, "not connected to smsc.example.org:2775"),
            ],
        }))
    }
}
