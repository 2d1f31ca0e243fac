//! `/alerts`, `/faults`, `/tickets` and what can be done to them.

use super::{
    ListOf, Parameters, body, list,
    views::{AlertView, FaultView, TicketDetail, TicketView},
    wrong,
};
use crate::{
    authority::Action,
    backend::Failure,
    guard::{Answer, Visit, nothing},
    published, reporting,
    shell::Shell,
    steps,
};
use axum::{Json, body::Bytes, extract::Path, response::IntoResponse as _};
use http::StatusCode;
use serde::Deserialize;
use std::collections::HashMap;
use tocsin_desk::{
    input::Act,
    life::ActionKind,
    model::{Actor, AlertState, Arrival, Ticket, TicketKind, TicketState, Via},
    record::{AlertFilter, FaultFilter, TicketFilter},
};
use tocsin_vocabulary::{HostId, Severity, Timestamp};
use utoipa::ToSchema;

/// Alerts, newest first.
#[utoipa::path(get, path = "/alerts", params(
    ("state" = Option<String>, Query, description = "raised or cleared"),
    ("host" = Option<String>, Query, description = "of this host"),
    ("arrival" = Option<String>, Query, description = "live, late or retrospective"),
    ("from" = Option<String>, Query, description = "holding at some time from here"),
    ("to" = Option<String>, Query, description = "to here"),
    ("limit" = Option<u32>, Query, description = "rows, 1 to 500"),
    ("after" = Option<String>, Query, description = "`next` of the list before"),
), responses((status = 200, description = "alerts", body = ListOf<AlertView>)))]
pub(crate) async fn alerts(visit: Visit) -> Answer {
    let parameters = Parameters::of(&visit, &["state", "host", "arrival", "from", "to", "limit", "after"])?;
    let state = match parameters.get("state") {
        None => None,
        Some("raised") => Some(AlertState::Raised),
        Some("cleared") => Some(AlertState::Cleared),
        Some(_) => return Err(wrong("parameter `state` must be raised or cleared").into()),
    };
    let arrival = match parameters.get("arrival") {
        None => None,
        Some(word) => match Arrival::parse(word) {
            None => return Err(wrong("parameter `arrival` must be live, late or retrospective").into()),
            known => known,
        },
    };
    let filter = AlertFilter {
        arrival,
        state,
        host: parameters.parse("host")?,
        customer: visit.scope()?,
        from: parameters.parse("from")?,
        to: parameters.parse("to")?,
        slice: parameters.slice()?,
    };
    let alerts = visit.console.backend.alerts(&filter).await?;
    let withheld = visit.console.backend.withheld().await?;
    let items = alerts.items.iter().map(|alert| AlertView::new(alert, &withheld));
    Ok(list(items.collect(), alerts.next))
}

/// Faults, newest first.
#[utoipa::path(get, path = "/faults", params(
    ("open" = Option<bool>, Query, description = "only those that have not cleared"),
    ("limit" = Option<u32>, Query, description = "rows, 1 to 500"),
    ("after" = Option<String>, Query, description = "`next` of the list before"),
), responses((status = 200, description = "faults", body = ListOf<FaultView>)))]
pub(crate) async fn faults(visit: Visit) -> Answer {
    let parameters = Parameters::of(&visit, &["open", "limit", "after"])?;
    let filter = FaultFilter {
        asset: None,
        customer: visit.scope()?,
        open_only: parameters.parse("open")?.unwrap_or(false),
        slice: parameters.slice()?,
    };
    let faults = visit.console.backend.faults(&filter).await?;
    Ok(list(faults.items.iter().map(FaultView::from).collect(), faults.next))
}

/// Tickets, most urgent first.
#[utoipa::path(get, path = "/tickets", params(
    ("state" = Option<String>, Query, description = "states, separated by commas"),
    ("host" = Option<String>, Query, description = "of this host"),
    ("limit" = Option<u32>, Query, description = "rows, 1 to 500"),
    ("after" = Option<String>, Query, description = "`next` of the list before"),
), responses((status = 200, description = "tickets", body = ListOf<TicketView>)))]
pub(crate) async fn tickets(visit: Visit) -> Answer {
    let parameters = Parameters::of(&visit, &["state", "host", "limit", "after"])?;
    let states = parameters.get("state").map_or_else(
        || Ok(Vec::new()),
        |text| {
            text.split(',')
                .map(|word| TicketState::parse(word).ok_or_else(|| wrong("parameter `state` names no ticket state")))
                .collect::<Result<_, Failure>>()
        },
    )?;
    let filter = TicketFilter {
        states,
        host: parameters.parse("host")?,
        customer: visit.scope()?,
        assignee: None,
        slice: parameters.slice()?,
    };
    let mut tickets = visit.console.backend.tickets(&filter).await?;
    if published::is_bound(&visit) {
        let house = Shell::new(&visit, "").t("service-desk");
        for ticket in &mut tickets.items {
            published::hide_people(ticket, &house);
        }
    }
    Ok(list(tickets.items.iter().map(TicketView::from).collect(), tickets.next))
}

/// One ticket with its timeline.
#[utoipa::path(get, path = "/tickets/{number}", params(("number" = u64, Path, description = "the ticket's number")),
    responses((status = 200, description = "the ticket", body = TicketDetail), (status = 404, description = "no such ticket")))]
pub(crate) async fn ticket(visit: Visit, Path(number): Path<String>) -> Answer {
    Parameters::of(&visit, &[])?;
    let mut ticket = find(&visit, &number).await?;
    let mut entries = visit.console.backend.entries(ticket.id).await?;
    let sheet = visit.console.backend.ticket_sheet(ticket.id).await?;
    published::cut(&visit, &mut ticket, &mut entries, &sheet).await?;
    let alerts = visit.console.backend.alerts_of_ticket(ticket.id).await?;
    Ok(Json(TicketDetail::new(&ticket, &entries, &alerts)).into_response())
}

/// A person's report of a fault.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTicket {
    /// The host concerned.
    host: String,
    /// What is wrong.
    title: String,
    /// critical, major, minor, warning or info.
    severity: String,
    /// fault (which is meant without it), request, consultation, defect, complaint or planning.
    #[serde(default)]
    kind: Option<String>,
    /// When it began, RFC 3339, if known.
    #[serde(default)]
    occurred_at: Option<String>,
}

/// Reports a fault: opens a ticket.
#[utoipa::path(post, path = "/tickets", request_body = NewTicket,
    responses((status = 201, description = "the new ticket", body = TicketView),
        (status = 400, description = "the body is wrong", body = super::problem::Problem)))]
pub(crate) async fn report(visit: Visit, bytes: Bytes) -> Answer {
    visit.require(Action::ReportFault)?;
    Parameters::of(&visit, &[])?;
    let new: NewTicket = body(&bytes)?;
    let severity: Severity = new
        .severity
        .parse()
        .map_err(|error| wrong(format!("field `severity`: {error}")))?;
    let occurred_at = new.occurred_at.as_deref().map(str::parse::<Timestamp>).transpose();
    let occurred_at = occurred_at.map_err(|error| wrong(format!("field `occurred_at`: {error}")))?;
    let host: HostId = new
        .host
        .parse()
        .map_err(|error| wrong(format!("field `host`: {error}")))?;
    let host = super::fleet::find(&visit, &host.to_string()).await?;
    let mut report = reporting::report(&visit, Via::Api, host, &new.title, severity, occurred_at)?;
    if let Some(word) = &new.kind {
        report.kind = TicketKind::parse(word)
            .filter(|kind| TicketKind::REPORTED.contains(kind))
            .ok_or_else(|| {
                wrong("field `kind` is none of fault, request, consultation, defect, complaint, planning")
            })?;
    }
    let ticket = visit.console.backend.report(report).await?;
    Ok((StatusCode::CREATED, Json(TicketView::from(&ticket))).into_response())
}

/// The particulars of an action; each action needs its own fields.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActionBody {
    /// The revision that you saw; refused as a conflict when the ticket has moved on.
    #[serde(default)]
    revision: Option<u64>,
    /// For `assign`: id or login.
    #[serde(default)]
    person: Option<String>,
    /// For `wait`, `reopen`, `cancel`.
    #[serde(default)]
    reason: Option<String>,
    /// For `wait`: RFC 3339, or a duration such as `4h`.
    #[serde(default)]
    until: Option<String>,
    /// For `resolve`.
    #[serde(default)]
    cause: Option<String>,
    /// For `resolve`.
    #[serde(default)]
    solution: Option<String>,
    /// For `note`.
    #[serde(default)]
    text: Option<String>,
    /// For `merge`: the number of the ticket that goes on with it.
    #[serde(default)]
    into: Option<u64>,
}

/// Acts on a ticket.
#[utoipa::path(post, path = "/tickets/{number}/{action}", request_body = ActionBody, params(
    ("number" = u64, Path, description = "the ticket's number"),
    ("action" = String, Path, description = "accept, assign, arrive, wait, resume, restore, resolve, confirm, reopen, cancel, merge or note"),
), responses((status = 200, description = "the ticket afterwards", body = TicketView),
    (status = 409, description = "the ticket moved on, or its state does not allow this", body = super::problem::Problem)))]
pub(crate) async fn act(visit: Visit, Path((number, word)): Path<(String, String)>, bytes: Bytes) -> Answer {
    let kind = ActionKind::parse(&word).ok_or_else(nothing)?;
    visit.require(steps::needs(kind))?;
    Parameters::of(&visit, &[])?;
    let given: ActionBody = if bytes.is_empty() {
        ActionBody::default()
    } else {
        body(&bytes)?
    };
    let ticket = find(&visit, &number).await?;
    let fields: HashMap<String, String> = [
        ("person", given.person),
        ("reason", given.reason),
        ("until", given.until),
        ("cause", given.cause),
        ("solution", given.solution),
        ("text", given.text),
        ("into", given.into.map(|number| number.to_string())),
    ]
    .into_iter()
    .filter_map(|(name, value)| value.map(|value| (name.to_owned(), value)))
    .collect();
    let people = if kind == ActionKind::Assign {
        visit.console.backend.people().await?
    } else {
        Vec::new()
    };
    let action = steps::action(kind, &fields, &people, visit.now)?;
    let act = Act {
        ticket: ticket.id,
        actor: actor(&visit)?,
        via: Via::Api,
        action,
        revision: given.revision,
    };
    let ticket = visit.console.backend.act(act).await?;
    Ok(Json(TicketView::from(&ticket)).into_response())
}

fn actor(visit: &Visit) -> Result<Actor, Failure> {
    visit
        .person()
        .map(|person| Actor::Person(person.id, person.name.clone()))
}

pub(super) async fn find(visit: &Visit, number: &str) -> Result<Ticket, Failure> {
    let number = number.parse().map_err(|_| nothing())?;
    let ticket = visit.console.backend.ticket(number).await?.ok_or_else(nothing)?;
    visit.must_see(ticket.customer)?;
    Ok(ticket)
}
