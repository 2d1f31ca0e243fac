//! Channels: does each way to people work, and what does it say?

use crate::{
    backend::ChannelView,
    guard::{Answer, Visit},
    markup::Html,
    phrases,
    shell::{Shell, page},
};
use askama::Template;
use tocsin_desk::delivery::ChannelFigures;

struct Preview {
    label: String,
    language: &'static str,
    text: String,
    count: String,
}

struct Row {
    name: String,
    kind: &'static str,
    goes_to: String,
    per_minute: u32,
    accepted: u64,
    delivered: u64,
    failed: u64,
    unknown: u64,
    waiting: u64,
    oldest: Option<Html>,
    last: Option<Html>,
    well: bool,
    /// The modem's signal, the provider's balance, the age of the modem's queue: empty where not told.
    signal: String,
    balance: String,
    queue: String,
    rate: String,
    trouble: String,
    condition: String,
    previews: Vec<Preview>,
}

#[derive(Template)]
#[template(path = "channels.html")]
struct Channels {
    shell: Shell,
    channels: Vec<Row>,
}

/// `GET /channels`.
pub(crate) async fn list(visit: Visit) -> Answer {
    let shell = Shell::new(&visit, "system");
    let channels = visit.console.backend.channels().await?;
    let channels = channels.into_iter().map(|channel| row(&shell, channel)).collect();
    page(&Channels { shell, channels })
}

fn row(shell: &Shell, channel: ChannelView) -> Row {
    let (figures, line) = (channel.figures, channel.condition);
    let previews = channel.previews.into_iter().map(|preview| Preview {
        label: format!(
            "{} · {}",
            preview.language.tag(),
            shell.word("secrecy", preview.secrecy)
        ),
        language: preview.language.tag(),
        count: preview.sms.map_or_else(String::new, |(units, parts)| {
            let (units, parts) = (units.to_string(), parts.to_string());
            shell.tell("channels-sms", &[("units", units.into()), ("parts", parts.into())])
        }),
        text: preview.text,
    });
    Row {
        previews: previews.collect(),
        name: channel.name,
        kind: channel.kind,
        goes_to: channel.goes_to,
        per_minute: channel.per_minute,
        accepted: figures.accepted,
        delivered: figures.delivered,
        failed: figures.failed,
        unknown: figures.unknown,
        waiting: figures.waiting,
        oldest: figures.oldest_at.map(|at| shell.ago(at)),
        last: figures.last_accepted_at.map(|at| shell.ago(at)),
        well: channel.trouble.is_none() && line.as_ref().is_none_or(|line| line.well),
        signal: line
            .as_ref()
            .and_then(|line| line.signal_percent)
            .map_or_else(String::new, |percent| format!("{percent} %")),
        balance: line
            .as_ref()
            .and_then(|line| line.balance)
            .map_or_else(String::new, |left| left.to_string()),
        queue: line
            .as_ref()
            .and_then(|line| line.oldest)
            .map_or_else(String::new, |age| shell.span(age)),
        rate: rate(&figures, channel.tells_arrival),
        trouble: channel
            .trouble
            .map(|detail| phrases::in_language(shell.language, &detail))
            .unwrap_or_default(),
        condition: line
            .map(|line| phrases::in_language(shell.language, &line.detail))
            .unwrap_or_default(),
    }
}

/// How many percent of what was taken within a day are known to have arrived; empty when nothing was taken, or where
/// nobody tells.
fn rate(figures: &ChannelFigures, is_told: bool) -> String {
    (figures.delivered * 100)
        .checked_div(figures.accepted)
        .filter(|_| is_told)
        .map_or_else(String::new, |percent| format!("{percent} %"))
}
