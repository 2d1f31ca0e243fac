//! The duty board: what must I do now?

use super::tickets::{Row, rows};
use crate::{
    backend::{Failure, Host, HostState},
    guard::{Answer, Visit},
    markup::Html,
    shell::{Shell, page},
};
use askama::Template;
use tocsin_desk::{
    model::{Actor, Alert, AlertState, Ticket, TicketState},
    record::{AlertFilter, Slice, TicketFilter},
};

/// Tickets on the board. More than this at once is a disaster with its own picture: the list says how many.
const TICKETS_MAX: u32 = 100;
/// Alerts without a ticket on the board.
const ALERTS_MAX: u32 = 50;

#[derive(Template)]
#[template(path = "board.html")]
struct Board {
    shell: Shell,
    tickets: Vec<Row>,
    more: bool,
    alerts: Vec<AlertRow>,
    silent: Vec<SilentHost>,
    hosts: usize,
    live: usize,
    calm: Option<Html>,
    /// What is read aloud when the board changes.
    said: String,
    on_duty: Vec<String>,
}

/// An alert as lists show it.
pub(crate) struct AlertRow {
    pub(crate) title: String,
    pub(crate) severity: String,
    pub(crate) severity_key: &'static str,
    pub(crate) host: String,
    pub(crate) host_url: String,
    pub(crate) rule: String,
    pub(crate) value: String,
    pub(crate) threshold: String,
    pub(crate) since: Html,
    pub(crate) cleared: Option<Html>,
}

struct SilentHost {
    url: String,
    name: String,
    customer: String,
    seen: Option<Html>,
}

impl AlertRow {
    pub(crate) fn new(shell: &Shell, alert: &Alert, hosts: &[Host]) -> Self {
        let host = hosts.iter().find(|host| host.record.id == alert.host);
        let unit = tocsin_vocabulary::catalogue::metric(&alert.metric).map_or("", |metric| metric.unit);
        let figure = |value: Option<f64>| {
            value
                .map(|value| crate::figures::figure(value, unit))
                .unwrap_or_default()
        };
        Self {
            title: shell.text(&alert.title).to_owned(),
            severity: shell.severity(alert.severity),
            severity_key: alert.severity.as_str(),
            host: host.map_or_else(|| alert.host.to_string(), |host| host.record.name.clone()),
            host_url: format!("/hosts/{}", alert.host),
            rule: alert.rule.clone(),
            value: figure(alert.value),
            threshold: figure(alert.threshold),
            since: shell.ago(alert.raised_at),
            cleared: alert.cleared_at.map(|at| shell.ago(at)),
        }
    }
}

/// States of tickets that want something from the duty engineer.
pub(crate) const LIVE: [TicketState; 6] = [
    TicketState::Open,
    TicketState::Accepted,
    TicketState::OnSite,
    TicketState::Waiting,
    TicketState::Restored,
    TicketState::Resolved,
];

/// Worst level first; within a level those that nobody owns, then the least time left.
pub(crate) fn by_urgency(tickets: &mut [Ticket]) {
    tickets.sort_by_key(|ticket| {
        let due = ticket.next_due().map_or(i64::MAX, |clock| clock.due_at.as_millis());
        let quiet = matches!(ticket.state, TicketState::Restored | TicketState::Resolved);
        (quiet, ticket.level, ticket.assignee.is_some(), due, ticket.number)
    });
}

/// `GET /`.
pub(crate) async fn show(visit: Visit) -> Answer {
    let shell = Shell::new(&visit, "board").with_ticks("");
    let backend = &visit.console.backend;
    let scope = visit.scope()?;
    let slice = Slice {
        after: None,
        limit: TICKETS_MAX,
    };
    let filter = TicketFilter {
        states: LIVE.to_vec(),
        customer: scope,
        slice,
        ..TicketFilter::default()
    };
    let list = backend.tickets(&filter).await?;
    let hosts = visible_hosts(&visit).await?;
    let mut tickets = list.items;
    by_urgency(&mut tickets);
    let mut rows = rows(&shell, &tickets, &hosts);
    for (row, ticket) in rows.iter_mut().zip(&tickets) {
        row.last = last_human(&visit, &shell, ticket).await?;
    }
    let filter = AlertFilter {
        state: Some(AlertState::Raised),
        customer: scope,
        slice: Slice {
            after: None,
            limit: ALERTS_MAX,
        },
        ..AlertFilter::default()
    };
    let alerts: Vec<_> = backend.alerts(&filter).await?.items;
    let faulty: Vec<_> = tickets.iter().filter_map(|ticket| ticket.fault).collect();
    let alerts = alerts
        .iter()
        .filter(|alert| alert.fault.is_none_or(|fault| !faulty.contains(&fault)))
        .map(|alert| AlertRow::new(&shell, alert, &hosts))
        .collect::<Vec<_>>();
    let silent: Vec<_> = hosts
        .iter()
        .filter(|host| host.state == HostState::Silent)
        .map(|host| silent(&shell, host))
        .collect();
    let live = hosts.iter().filter(|host| host.state == HostState::Live).count();
    let all_calm = rows.is_empty() && alerts.is_empty() && silent.is_empty();
    let calm = if all_calm {
        Some(calm_since(&visit, &shell).await?)
    } else {
        None
    };
    let on_duty = on_duty(&visit).await?;
    let said = match rows.first() {
        Some(row) => format!(
            "{} {} · #{} {} · {}",
            rows.len(),
            shell.t("board-open"),
            row.number,
            row.title,
            row.state
        ),
        None if hosts.is_empty() => shell.t("first-title"),
        None => shell.t("board-calm"),
    };
    page(&Board {
        shell,
        tickets: rows,
        more: list.next.is_some(),
        alerts,
        silent,
        hosts: hosts.iter().filter(|host| host.state != HostState::Revoked).count(),
        live,
        calm,
        said,
        on_duty,
    })
}

/// The hosts that whoever asks may see.
pub(crate) async fn visible_hosts(visit: &Visit) -> Result<Vec<Host>, Failure> {
    let scope = visit.scope()?;
    let mut hosts = visit.console.backend.hosts().await?;
    hosts.retain(|host| scope.is_none_or(|only| host.record.customer == only));
    Ok(hosts)
}

fn silent(shell: &Shell, host: &Host) -> SilentHost {
    SilentHost {
        url: format!("/hosts/{}", host.record.id),
        name: host.record.name.clone(),
        customer: host.record.customer_name.clone(),
        seen: host.last_seen_at.or(host.record.last_seen_at).map(|at| shell.ago(at)),
    }
}

/// The last thing that a person did about a ticket.
async fn last_human(visit: &Visit, shell: &Shell, ticket: &Ticket) -> Result<Option<String>, Failure> {
    let entries = visit.console.backend.entries(ticket.id).await?;
    Ok(entries.iter().rev().find_map(|entry| match &entry.actor {
        Actor::Person(id, name) => {
            // The owner's name stands above already.
            let name = if ticket.assignee == Some(*id) {
                String::new()
            } else {
                format!("{name} · ")
            };
            Some(format!(
                "{name}{} · {}",
                shell.word("did", &entry.action),
                shell.ago_words(entry.at)
            ))
        }
        Actor::System => None,
    }))
}

/// Since when all is calm: when the newest alert cleared.
async fn calm_since(visit: &Visit, shell: &Shell) -> Result<Html, Failure> {
    let filter = AlertFilter {
        state: Some(AlertState::Cleared),
        customer: visit.scope()?,
        slice: Slice {
            after: None,
            limit: ALERTS_MAX,
        },
        ..AlertFilter::default()
    };
    let cleared = visit.console.backend.alerts(&filter).await?.items;
    Ok(match cleared.iter().filter_map(|alert| alert.cleared_at).max() {
        Some(at) => {
            let text = shell.tell("board-calm-since", &[("span", shell.since(at).into())]);
            crate::moments::element(at, &text, shell.zone())
        }
        None => Html(crate::markup::escape(&shell.t("board-calm"))),
    })
}

async fn on_duty(visit: &Visit) -> Result<Vec<String>, Failure> {
    if visit.scope()?.is_some() {
        return Ok(Vec::new());
    }
    let people = visit.console.backend.people().await?;
    Ok(people
        .into_iter()
        .filter(|person| person.on_duty)
        .map(|person| person.name)
        .collect())
}
