//! The form that replays a past period through changed rules: their mistakes, or what would have fired beside what did.

use crate::{
    backend::{Failure, ReplayAlert, ReplayAnswer, ReplayQuestion, ReplayTally},
    guard::{Answer, Visit, nothing},
    markup::Html,
    shell::{Shell, page},
};
use askama::Template;
use axum::Form;
use http::StatusCode;
use jiff::{civil, tz::TimeZone};
use serde::Deserialize;
use std::time::Duration;
use tocsin_vocabulary::{Code, Timestamp};

/// What is offered as a period at first.
const DAY: Duration = Duration::from_secs(86_400);

struct Row {
    which: String,
    tone: &'static str,
    at: Html,
    held: String,
    severity: String,
    severity_key: &'static str,
    rule: String,
    host: String,
    host_url: String,
    title: String,
}

struct Tally {
    rule: String,
    would: usize,
    did: usize,
    both: usize,
    hosts: usize,
    held: String,
}

/// What came of it.
struct Outcome {
    summary: String,
    tallies: Vec<Tally>,
    rows: Vec<Row>,
    further: usize,
    remarks: Vec<String>,
}

#[derive(Template)]
#[template(path = "replay.html")]
struct ReplayPage {
    shell: Shell,
    text: String,
    from: String,
    to: String,
    hosts: String,
    error: String,
    mistakes: Vec<String>,
    result: Option<Outcome>,
}

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Told {
    /// Rules, as in a file.
    #[serde(default)]
    text: String,
    /// `2026-11-22T14:05` in the site's zone.
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    /// Patterns of names, parted by blanks or commas; empty for all.
    #[serde(default)]
    hosts: String,
}

/// `GET /replay?rule=`.
pub(crate) async fn form(visit: Visit) -> Answer {
    let text = match visit.parameter("rule") {
        Some(name) => visit.console.backend.rule(&name).await?.ok_or_else(nothing)?.view.text,
        None => String::new(),
    };
    let zone = &visit.console.options.zone;
    let told = Told {
        text,
        from: local(visit.now.minus(DAY), zone),
        to: local(visit.now, zone),
        hosts: String::new(),
    };
    page(&view(&visit, told))
}

/// `POST /replay`.
pub(crate) async fn send(visit: Visit, Form(told): Form<Told>) -> Answer {
    let answered = match understand(&visit, &told) {
        Ok(question) => visit.console.backend.replay_rules(question).await,
        Err(failure) => Err(failure),
    };
    let mut shown = view(&visit, told);
    let mut status = StatusCode::OK;
    match answered {
        Ok(ReplayAnswer::Mistakes(mistakes)) => {
            shown.mistakes = mistakes;
            status = StatusCode::BAD_REQUEST;
        }
        Ok(ReplayAnswer::Done {
            hosts,
            ticks,
            tallies,
            alerts,
            further,
            remarks,
        }) => {
            let summary = shown
                .shell
                .tell("replay-summary", &[("hosts", hosts.into()), ("ticks", ticks.into())]);
            shown.result = Some(Outcome {
                summary,
                tallies: tallies.into_iter().map(|one| tally(&shown.shell, one)).collect(),
                rows: alerts.into_iter().map(|alert| row(&shown.shell, alert)).collect(),
                further,
                remarks,
            });
        }
        Err(failure) if failure.code == Code::Internal => return Err(failure.into()),
        Err(failure) => {
            shown.error = failure.reason;
            status = StatusCode::from_u16(failure.code.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
        }
    }
    let mut response = page(&shown)?;
    *response.status_mut() = status;
    Ok(response)
}

fn understand(visit: &Visit, told: &Told) -> Result<ReplayQuestion, Failure> {
    let instant = |field: &str, text: &str| {
        instant(text, &visit.console.options.zone).ok_or_else(|| {
            let reason = format!("field `{field}` is no time such as 2026-11-22T14:05");
            Failure::new(Code::InvalidInput, reason)
        })
    };
    let parts = told.hosts.split([' ', ',', '\n', '\r', '\t']);
    Ok(ReplayQuestion {
        from: instant("from", &told.from)?,
        to: instant("to", &told.to)?,
        text: told.text.replace("\r\n", "\n"),
        hosts: parts.filter(|part| !part.is_empty()).map(str::to_owned).collect(),
    })
}

/// A local time of the site as an instant.
fn instant(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let local: civil::DateTime = text.trim().parse().ok()?;
    let zoned = local.to_zoned(zone.clone()).ok()?;
    Some(Timestamp::from_millis(zoned.timestamp().as_millisecond()))
}

/// An instant as the form has it.
fn local(at: Timestamp, zone: &TimeZone) -> String {
    jiff::Timestamp::from_millisecond(at.as_millis())
        .map(|instant| instant.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M").to_string())
        .unwrap_or_default()
}

fn view(visit: &Visit, told: Told) -> ReplayPage {
    ReplayPage {
        shell: Shell::new(visit, "rules"),
        text: told.text,
        from: told.from,
        to: told.to,
        hosts: told.hosts,
        error: String::new(),
        mistakes: Vec::new(),
        result: None,
    }
}

fn tally(shell: &Shell, tally: ReplayTally) -> Tally {
    Tally {
        rule: tally.rule,
        would: tally.would,
        did: tally.did,
        both: tally.both,
        hosts: tally.hosts,
        held: shell.span(Duration::from_millis(tally.held_ms)),
    }
}

fn row(shell: &Shell, alert: ReplayAlert) -> Row {
    let which = match (alert.would, alert.did) {
        (true, true) => "both",
        (true, false) => "would",
        _ => "did",
    };
    Row {
        which: shell.word("replay", which),
        tone: if which == "both" { "" } else { "bad" },
        at: shell.exact(alert.raised_at),
        held: alert.cleared_at.map_or_else(
            || shell.t("replay-held-on"),
            |cleared| shell.span(cleared.since(alert.raised_at)),
        ),
        severity: shell.severity(alert.severity),
        severity_key: alert.severity.as_str(),
        rule: alert.rule,
        host: alert.host_name,
        host_url: format!("/hosts/{}", alert.host),
        title: shell.text(&alert.title).to_owned(),
    }
}
