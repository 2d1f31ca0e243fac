//! The form with which a person reports a fault that no rule has seen.

use super::board::visible_hosts;
use crate::{
    backend::{Failure, Host},
    guard::{Answer, Visit, see_other},
    reporting,
    shell::{Shell, page},
};
use askama::Template;
use axum::Form;
use http::StatusCode;
use jiff::civil;
use serde::Deserialize;
use tocsin_desk::{input::Report, model::Via};
use tocsin_vocabulary::{Code, Severity, Timestamp};

/// One choice of a list: what is sent, what is shown, whether it is chosen.
struct Choice {
    value: String,
    name: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "report.html")]
struct ReportPage {
    shell: Shell,
    hosts: Vec<Choice>,
    severities: Vec<Choice>,
    title: String,
    began: String,
    error: String,
}

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Told {
    #[serde(default)]
    host: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    severity: String,
    /// `2026-11-22T14:05` in the site's zone; empty when nobody knows.
    #[serde(default)]
    began: String,
}

/// `GET /report?host=`.
pub(crate) async fn form(visit: Visit) -> Answer {
    let told = Told {
        host: visit.parameter("host").unwrap_or_default(),
        severity: Severity::Major.as_str().to_owned(),
        ..Told::default()
    };
    page(&view(&visit, &visible_hosts(&visit).await?, told, String::new()))
}

/// `POST /report`.
pub(crate) async fn send(visit: Visit, Form(told): Form<Told>) -> Answer {
    let hosts = visible_hosts(&visit).await?;
    let failure = match understand(&visit, &hosts, &told) {
        Ok(report) => {
            let ticket = visit.console.backend.report(report).await?;
            return Ok(see_other(&format!("/t/{}", ticket.number)));
        }
        Err(failure) => failure,
    };
    let mut response = page(&view(&visit, &hosts, told, failure.reason))?;
    *response.status_mut() = StatusCode::BAD_REQUEST;
    Ok(response)
}

/// A host that whoever reports may not see is refused as one that does not exist.
fn understand(visit: &Visit, hosts: &[Host], told: &Told) -> Result<Report, Failure> {
    let wrong = |reason: &str| Failure::new(Code::InvalidInput, reason);
    let host = hosts
        .iter()
        .find(|host| host.record.id.to_string() == told.host)
        .ok_or_else(|| wrong("field `host` names no host: choose one"))?;
    let severity = told
        .severity
        .parse()
        .map_err(|_| wrong("field `severity` is none of critical, major, minor, warning, info"))?;
    let began = match told.began.trim() {
        "" => None,
        text => Some(instant(visit, text).ok_or_else(|| wrong("field `began` is no time such as 2026-11-22T14:05"))?),
    };
    reporting::report(visit, Via::Console, host.clone(), &told.title, severity, began)
}

/// A local time of the site as an instant.
fn instant(visit: &Visit, text: &str) -> Option<Timestamp> {
    let local: civil::DateTime = text.parse().ok()?;
    let zoned = local.to_zoned(visit.console.options.zone.clone()).ok()?;
    Some(Timestamp::from_millis(zoned.timestamp().as_millisecond()))
}

fn view(visit: &Visit, hosts: &[Host], told: Told, error: String) -> ReportPage {
    let shell = Shell::new(visit, "tickets");
    let mut hosts: Vec<Choice> = hosts
        .iter()
        .map(|host| Choice {
            value: host.record.id.to_string(),
            name: format!("{} · {}", host.record.name, host.record.customer_name),
            chosen: host.record.id.to_string() == told.host,
        })
        .collect();
    hosts.sort_by(|a, b| a.name.cmp(&b.name));
    let severities = Severity::ALL.iter().map(|severity| Choice {
        value: severity.as_str().to_owned(),
        name: shell.severity(*severity),
        chosen: severity.as_str() == told.severity,
    });
    ReportPage {
        hosts,
        severities: severities.collect(),
        title: told.title,
        began: told.began,
        error,
        shell,
    }
}
