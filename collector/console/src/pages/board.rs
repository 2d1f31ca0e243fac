//! The duty board: what must I do now?

use super::tickets::{Row, customers, rows};
use crate::{
    authority::Action,
    backend::{Failure, Host, HostState},
    guard::{Answer, Visit},
    markup::Html,
    shell::{Shell, page},
};
use askama::Template;
use tocsin_desk::{
    model::{Actor, Alert, AlertState, Arrival, Entry, Ticket, TicketState},
    record::{AlertFilter, Slice, TicketFilter},
    roster::{self, Post},
};

/// Tickets on the board. More than this at once is a disaster with its own picture: the list says how many.
const TICKETS_MAX: u32 = 100;
/// Alerts without a ticket on the board.
const ALERTS_MAX: u32 = 50;
/// Handovers among which one may wait for a signature.
const HANDOVERS: u32 = 20;

#[derive(Template)]
#[template(path = "board.html")]
struct Board {
    shell: Shell,
    tickets: Vec<Row>,
    more: bool,
    alerts: Vec<AlertRow>,
    silent: Vec<SilentHost>,
    /// Silences, windows and guarded periods that count now.
    planned: Vec<super::planned::PlannedRow>,
    hosts: usize,
    live: usize,
    calm: Option<Html>,
    /// What is read aloud when the board changes.
    said: String,
    on_duty: Vec<String>,
    /// Who comes next, and when.
    next_duty: String,
    /// A handover that not both have signed.
    handover: Option<u64>,
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
    pub(crate) url: String,
    /// That it came late, or was over when it was found; empty for what came when it happened.
    pub(crate) arrival: String,
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
        let figure = |value| crate::figures::measured(shell, &alert.metric, value);
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
            url: format!("/alerts/{}", alert.id),
            arrival: if alert.ruling.arrival == Arrival::Live {
                String::new()
            } else {
                shell.word("arrival", alert.ruling.arrival.as_str())
            },
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
    let mut rows = rows(&shell, &tickets, &customers(&visit).await?);
    let ids: Vec<_> = tickets.iter().map(|ticket| ticket.id).collect();
    // Who did what is a matter of the house.
    let acts = if scope.is_none() {
        backend.last_acts(&ids).await?
    } else {
        Vec::new()
    };
    for (row, ticket) in rows.iter_mut().zip(&tickets) {
        let act = acts.iter().find(|act| act.ticket == ticket.id);
        row.last = act.and_then(|act| last_human(&shell, ticket, act));
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
    let planned = super::planned::now(&visit, &shell).await?;
    let (on_duty, next_duty) = on_duty(&visit, &shell).await?;
    let handover = unsigned(&visit).await?;
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
        planned,
        hosts: hosts.iter().filter(|host| host.state != HostState::Revoked).count(),
        live,
        calm,
        said,
        on_duty,
        next_duty,
        handover,
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

/// The last thing that a person did about a ticket, in words.
fn last_human(shell: &Shell, ticket: &Ticket, act: &Entry) -> Option<String> {
    let Actor::Person(id, name) = &act.actor else {
        return None;
    };
    // The owner's name stands above already.
    let name = if ticket.assignee == Some(*id) {
        String::new()
    } else {
        format!("{name} · ")
    };
    let (did, ago) = (shell.word("did", &act.action), shell.ago_words(act.at));
    Some(format!("{name}{did} · {ago}"))
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

/// A handover that not both have signed; a customer has nothing to do with it.
async fn unsigned(visit: &Visit) -> Result<Option<u64>, Failure> {
    if !visit.may(Action::ReadDuty) {
        return Ok(None);
    }
    let newest = visit.console.backend.handovers(HANDOVERS).await?;
    Ok(newest.iter().find(|one| !one.is_closed()).map(|one| one.id))
}

/// Who is on duty and who comes next: of the rosters where there are any, with the post behind those who do not have the
/// main one.
async fn on_duty(visit: &Visit, shell: &Shell) -> Result<(Vec<String>, String), Failure> {
    if visit.scope()?.is_some() {
        return Ok((Vec::new(), String::new()));
    }
    let backend = &visit.console.backend;
    let people = backend.people().await?;
    let rosters = backend.rosters().await?;
    if rosters.is_empty() {
        let on_duty = people.into_iter().filter(|person| person.on_duty);
        return Ok((on_duty.map(|person| person.name).collect(), String::new()));
    }
    let exchanges = backend.exchanges(visit.now).await?;
    let mut names = Vec::new();
    for span in rosters
        .iter()
        .flat_map(|roster| roster::now(roster, &exchanges, visit.now))
    {
        for post in Post::ALL {
            for login in span.staff.of(post) {
                let name = crate::duty::name_of(&people, login);
                names.push(match post {
                    Post::Main => name,
                    _ => format!("{name} ({})", shell.word("post", post.as_str())),
                });
            }
        }
    }
    names.dedup();
    let coming = rosters.iter().find(|roster| roster.customer.is_none());
    let next = coming.and_then(|roster| {
        let at = roster::next_change(roster, &exchanges, visit.now)?;
        let spans = roster::now(roster, &exchanges, at);
        let main: Vec<String> = spans.iter().flat_map(|span| span.staff.main.clone()).collect();
        Some(format!("{} {}", shell.short(at), crate::duty::names_of(&people, &main)))
    });
    Ok((names, next.unwrap_or_default()))
}
