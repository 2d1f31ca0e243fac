//! Asking a host for a diagnostic snapshot: what it is, and the button.

use super::documents::url;
use crate::{
    api::fleet::find,
    backend::{Failure, Host, HostState},
    guard::{Answer, Visit, nothing, see_other},
    markup::Html,
    shell::{Shell, page},
};
use askama::Template;
use axum::{Form, extract::Path};
use http::StatusCode;
use serde::Deserialize;
use tocsin_desk::{model::Ticket, record::DiagnosisRecord};
use tocsin_vocabulary::Code;

/// One snapshot in a list.
pub(crate) struct DiagnosisRow {
    pub(crate) at: Html,
    pub(crate) who: String,
    /// Where it is shown; none while it has not come.
    pub(crate) url: Option<String>,
    pub(crate) state: String,
}

impl DiagnosisRow {
    pub(crate) fn new(shell: &Shell, record: &DiagnosisRecord) -> Self {
        let state = match record.document {
            None => "asked",
            Some(_) if record.refused => "refused",
            Some(_) => "here",
        };
        Self {
            at: shell.exact(record.asked_at),
            who: if record.asked_by == "system" {
                shell.t("actor-system")
            } else {
                record.asked_by.clone()
            },
            url: record.document.map(|document| url(record.host, &document)),
            state: shell.word("diagnosis", state),
        }
    }
}

/// Rows, newest first.
pub(crate) fn rows(shell: &Shell, records: &[DiagnosisRecord]) -> Vec<DiagnosisRow> {
    records.iter().map(|record| DiagnosisRow::new(shell, record)).collect()
}

#[derive(Template)]
#[template(path = "diagnose.html")]
struct DiagnosePage {
    shell: Shell,
    host: String,
    host_url: String,
    url: String,
    ticket: Option<u64>,
    connected: bool,
    error: String,
}

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Told {
    /// A ticket's number; empty: for none.
    #[serde(default)]
    ticket: String,
}

/// `GET /hosts/{id}/diagnose?ticket=`.
pub(crate) async fn form(visit: Visit, Path(id): Path<String>) -> Answer {
    let host = find(&visit, &id).await?;
    let number = visit.parameter("ticket").unwrap_or_default();
    let ticket = ticket_of(&visit, &host, &number).await?;
    page(&view(&visit, &host, ticket.as_ref(), String::new()))
}

/// `POST /hosts/{id}/diagnose`.
pub(crate) async fn ask(visit: Visit, Path(id): Path<String>, Form(told): Form<Told>) -> Answer {
    let host = find(&visit, &id).await?;
    let ticket = ticket_of(&visit, &host, &told.ticket).await?;
    let place = match &ticket {
        Some(ticket) => format!("/t/{}#diagnoses", ticket.number),
        None => format!("/hosts/{}#diagnoses", host.record.id),
    };
    let asked = visit
        .console
        .backend
        .ask_diagnosis(
            host.record.id,
            ticket.as_ref().map(|ticket| ticket.id),
            visit.person()?,
            "console",
        )
        .await;
    match asked {
        Ok(_) => Ok(see_other(&place)),
        Err(failure) if failure.code == Code::Internal => Err(failure.into()),
        Err(failure) => {
            let mut response = page(&view(&visit, &host, ticket.as_ref(), failure.reason))?;
            *response.status_mut() =
                StatusCode::from_u16(failure.code.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
            Ok(response)
        }
    }
}

/// The ticket of this number, which must be about this host; none when no number was given.
pub(crate) async fn ticket_of(visit: &Visit, host: &Host, number: &str) -> Result<Option<Ticket>, Failure> {
    if number.is_empty() {
        return Ok(None);
    }
    let number = number.parse().map_err(|_| nothing())?;
    let ticket = visit.console.backend.ticket(number).await?.ok_or_else(nothing)?;
    visit.must_see(ticket.customer)?;
    if ticket.asset == host.record.asset {
        Ok(Some(ticket))
    } else {
        Err(Failure::new(
            Code::InvalidInput,
            "this ticket is about another host: choose one of this host",
        ))
    }
}

fn view(visit: &Visit, host: &Host, ticket: Option<&Ticket>, error: String) -> DiagnosePage {
    let host_url = format!("/hosts/{}", host.record.id);
    DiagnosePage {
        shell: Shell::new(visit, "hosts"),
        host: host.record.name.clone(),
        url: format!("{host_url}/diagnose"),
        host_url,
        ticket: ticket.map(|ticket| ticket.number),
        connected: host.state == HostState::Live,
        error,
    }
}
