//! The list of tickets, and a ticket's row wherever one is listed.

use super::board::{LIVE, by_urgency};
use crate::{
    backend::Failure,
    clocks::ClockView,
    guard::{Answer, Refusal, Visit, nothing, see_other},
    markup::Html,
    shell::{Shell, page},
    upload,
};
use askama::Template;
use axum::{extract::Path, response::Response};
use std::collections::HashMap;
use tocsin_desk::{
    account::ticket_sheet,
    model::{Ticket, TicketKind, TicketState},
    record::{Slice, TicketFilter},
    register::Book,
};
use tocsin_sheets::Form;
use tocsin_vocabulary::CustomerId;

/// Rows of one slice.
const ROWS: u32 = 100;

/// A ticket as lists show it.
pub(crate) struct Row {
    pub(crate) number: u64,
    pub(crate) title: String,
    pub(crate) level: Html,
    pub(crate) rank: u8,
    pub(crate) state: String,
    pub(crate) asset: String,
    pub(crate) customer: String,
    pub(crate) assignee: Option<String>,
    pub(crate) clock: Option<ClockView>,
    pub(crate) last: Option<String>,
    pub(crate) opened: Html,
    pub(crate) drill: bool,
}

/// What customers are called.
pub(crate) type Customers = HashMap<CustomerId, String>;

/// What all customers are called.
pub(crate) async fn customers(visit: &Visit) -> Result<Customers, Failure> {
    Ok(visit.console.backend.customers().await?.into_iter().collect())
}

/// Rows of these tickets, in the same order.
pub(crate) fn rows(shell: &Shell, tickets: &[Ticket], customers: &Customers) -> Vec<Row> {
    tickets
        .iter()
        .map(|ticket| Row {
            number: ticket.number,
            title: shell.text(&ticket.title).to_owned(),
            level: shell.level_of(ticket),
            rank: ticket.level.rank().min(4),
            state: shell.word("state", ticket.state.as_str()),
            asset: ticket.asset_name.clone(),
            customer: customers.get(&ticket.customer).cloned().unwrap_or_default(),
            assignee: shell.assignee(ticket),
            clock: ticket
                .next_due()
                .filter(|_| ticket.state.is_live())
                .map(|clock| shell.clock(clock)),
            last: None,
            opened: shell.ago(ticket.opened_at),
            drill: ticket.kind == TicketKind::Drill,
        })
        .collect()
}

struct Choice {
    url: String,
    name: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "tickets.html")]
struct Tickets {
    shell: Shell,
    choices: Vec<Choice>,
    tickets: Vec<Row>,
    next: Option<String>,
}

/// Tickets of one sheet, at most.
const SHEET_ROWS_MAX: usize = 20_000;

/// `GET /tickets/export.csv` and `.xlsx`: every ticket that this visit may see, newest first. A number leads to its ticket.
pub(crate) async fn export(visit: Visit, Path(file): Path<String>) -> Result<Response, Refusal> {
    if let Some(number) = super::ticket::number(&file) {
        return Ok(see_other(&format!("/t/{number}")));
    }
    let form = file.strip_prefix("export.").and_then(Form::parse).ok_or_else(nothing)?;
    let mut filter = TicketFilter {
        customer: visit.scope()?,
        slice: Slice {
            after: None,
            limit: 500,
        },
        ..TicketFilter::default()
    };
    let mut tickets = Vec::new();
    loop {
        let list = visit.console.backend.tickets(&filter).await?;
        tickets.extend(list.items);
        filter.slice.after = list.next;
        if filter.slice.after.is_none() || tickets.len() >= SHEET_ROWS_MAX {
            break;
        }
    }
    tickets.sort_by_key(|ticket| std::cmp::Reverse(ticket.number));
    let customers = visit.console.backend.register(Book::Customers).await?;
    let (columns, rows) = ticket_sheet::cells(&tickets, &customers);
    upload::download(&visit, form, "tickets", &columns, rows)
}

/// `GET /tickets?state=&after=`. State: `live` (default), `all`, or one state.
pub(crate) async fn list(visit: Visit) -> Answer {
    let shell = Shell::new(&visit, "tickets");
    let wanted = visit.parameter("state").unwrap_or_else(|| "live".to_owned());
    let states = match (wanted.as_str(), TicketState::parse(&wanted)) {
        ("all", _) => Vec::new(),
        (_, Some(state)) => vec![state],
        _ => LIVE.to_vec(),
    };
    let filter = TicketFilter {
        states,
        customer: visit.scope()?,
        slice: Slice {
            after: visit.parameter("after"),
            limit: ROWS,
        },
        ..TicketFilter::default()
    };
    let list = visit.console.backend.tickets(&filter).await?;
    let mut tickets = list.items;
    if wanted == "live" {
        by_urgency(&mut tickets);
    }
    let choice = |value: &str, name: String| Choice {
        url: format!("/tickets?state={value}"),
        name,
        chosen: wanted == value,
    };
    let mut choices = vec![
        choice("live", shell.t("tickets-live")),
        choice("all", shell.t("tickets-all")),
    ];
    choices.extend(TicketState::ALL.map(|state| choice(state.as_str(), shell.word("state", state.as_str()))));
    let next = list.next.map(|after| {
        format!(
            "/tickets?state={}&after={}",
            crate::markup::percent(&wanted),
            crate::markup::percent(&after)
        )
    });
    let tickets = rows(&shell, &tickets, &customers(&visit).await?);
    page(&Tickets {
        shell,
        choices,
        tickets,
        next,
    })
}
