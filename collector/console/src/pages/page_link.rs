//! The link of a page: GET shows the ticket and one large button, POST accepts. The signed token is the only key, so a
//! person in a corridor need not sign in; previews of links fetch, and fetching changes nothing. A link is a key that lies
//! in a phone, so it is good for [`LIFE`] and shows nothing afterwards.

use crate::{
    authority,
    backend::Failure,
    clocks::ClockView,
    guard::{Answer, Visit, nothing, see_other},
    link,
    markup::Html,
    shell::{Shell, page},
};
use askama::Template;
use axum::{extract::Path, response::IntoResponse as _};
use http::StatusCode;
use std::time::Duration;
use tocsin_desk::{
    input::{Act, Action},
    model::{Actor, Page, PageReason, Person, Role, Ticket, TicketKind, TicketState, Via},
};
use tocsin_vocabulary::Code;

/// How long a link is good: by then somebody has accepted, or a newer page has brought a newer link.
const LIFE: Duration = Duration::from_secs(7 * 86_400);

/// Says that a link's time is over, and nothing of its ticket.
#[derive(Template)]
#[template(path = "page_link_over.html")]
struct Over {
    shell: Shell,
}

/// The page of a link whose time is over; none while it is good.
fn over(visit: &Visit, behind: &Behind) -> Option<Answer> {
    let shell = Shell::new(visit, "link");
    (shell.now.since(behind.page.created_at) > LIFE).then(|| {
        let mut response = page(&Over { shell })?;
        *response.status_mut() = StatusCode::GONE;
        Ok(response.into_response())
    })
}

#[derive(Template)]
#[template(path = "page_link.html")]
struct PageLink {
    shell: Shell,
    title: String,
    body: String,
    reason: String,
    level: Html,
    drill: bool,
    person: String,
    sent: Html,
    ticket: Option<Summary>,
    action: String,
    error: String,
}

struct Summary {
    number: u64,
    url: String,
    state: String,
    asset: String,
    opened: Html,
    remedy: String,
    clocks: Vec<ClockView>,
    sentence: String,
    acceptable: bool,
    mine: bool,
}

/// What stands behind a token.
struct Behind {
    page: Page,
    person: Person,
    ticket: Option<Ticket>,
}

/// `GET /p/{token}`.
pub(crate) async fn show(visit: Visit, Path(token): Path<String>) -> Answer {
    let behind = behind(&visit, &token).await?;
    if let Some(over) = over(&visit, &behind) {
        return over;
    }
    page(&view(&visit, &token, &behind, String::new()))
}

/// `POST /p/{token}`.
pub(crate) async fn accept(visit: Visit, Path(token): Path<String>) -> Answer {
    let behind = behind(&visit, &token).await?;
    if let Some(over) = over(&visit, &behind) {
        return over;
    }
    let ticket = behind.ticket.as_ref().ok_or_else(nothing)?;
    if !authority::allows(behind.person.role, authority::Action::WorkTicket) {
        return Err(Failure::new(Code::Forbidden, "whoever was paged may not accept tickets").into());
    }
    // Pressed twice, or shown again by the browser: it is theirs already.
    if ticket.assignee == Some(behind.person.id) && ticket.state != TicketState::Open {
        return Ok(see_other(&format!("/p/{token}")));
    }
    let act = Act {
        ticket: ticket.id,
        actor: Actor::Person(behind.person.id, behind.person.name.clone()),
        via: Via::Link,
        action: Action::Accept,
        revision: None,
    };
    match visit.console.backend.act(act).await {
        Ok(_) => Ok(see_other(&format!("/p/{token}"))),
        Err(failure) if failure.code == Code::Conflict => {
            // Somebody was faster, or it is over: the page as it is now says so.
            let now = Behind {
                ticket: visit.console.backend.ticket(ticket.number).await?,
                ..behind
            };
            let mut response = page(&view(&visit, &token, &now, failure.reason))?;
            *response.status_mut() = StatusCode::CONFLICT;
            Ok(response.into_response())
        }
        Err(failure) => Err(failure.into()),
    }
}

/// Everything that is wrong with a token has one answer.
async fn behind(visit: &Visit, token: &str) -> Result<Behind, Failure> {
    let backend = &visit.console.backend;
    let id = link::open(&backend.link_key(), token).ok_or_else(nothing)?;
    let page = backend.page(id).await?.ok_or_else(nothing)?.page;
    let person = backend
        .people()
        .await?
        .into_iter()
        .find(|person| person.id == page.person)
        .ok_or_else(nothing)?;
    let ticket = match page.ticket {
        Some(ticket) => backend.ticket_by_id(ticket).await?,
        None => None,
    };
    Ok(Behind { page, person, ticket })
}

fn view(visit: &Visit, token: &str, behind: &Behind, error: String) -> PageLink {
    let shell = Shell::new(visit, "link");
    let Behind { page, person, ticket } = behind;
    PageLink {
        title: shell
            .text(ticket.as_ref().map_or(&page.title, |ticket| &ticket.title))
            .to_owned(),
        body: shell.text(&page.body).to_owned(),
        reason: shell.word("reason", page.reason.as_str()),
        level: ticket
            .as_ref()
            .map_or_else(|| shell.level(page.level, ""), |ticket| shell.level_of(ticket)),
        drill: page.drill || ticket.as_ref().is_some_and(|ticket| ticket.kind == TicketKind::Drill),
        person: person.name.clone(),
        sent: shell.ago(page.created_at),
        ticket: ticket.as_ref().map(|ticket| summary(&shell, page, ticket, person)),
        action: format!("/p/{token}"),
        error,
        shell,
    }
}

fn summary(shell: &Shell, page: &Page, ticket: &Ticket, person: &Person) -> Summary {
    let mine = ticket.assignee == Some(person.id);
    let name = ticket.assignee_name.clone().unwrap_or_default();
    let sentence = match ticket.state {
        TicketState::Open => String::new(),
        TicketState::Restored => shell.t("link-restored"),
        TicketState::Resolved | TicketState::Closed => shell.t("link-done"),
        TicketState::Merged | TicketState::Cancelled => shell.t("link-void"),
        TicketState::Accepted | TicketState::OnSite | TicketState::Waiting if mine => shell.t("link-mine"),
        TicketState::Accepted | TicketState::OnSite | TicketState::Waiting => {
            shell.tell("link-taken", &[("name", name.into())])
        }
    };
    Summary {
        number: ticket.number,
        url: if page.reason == PageReason::Approval {
            format!("/t/{}/paper", ticket.number)
        } else {
            format!("/t/{}", ticket.number)
        },
        state: shell.word("state", ticket.state.as_str()),
        asset: ticket.asset_name.clone(),
        opened: shell.ago(ticket.opened_at),
        // What to do about it is for those who do it.
        remedy: if person.role == Role::Customer {
            String::new()
        } else {
            shell.text(&ticket.remedy).to_owned()
        },
        clocks: ticket
            .clocks
            .iter()
            .filter(|_| ticket.state.is_live())
            .map(|clock| shell.clock(clock))
            .collect(),
        sentence,
        acceptable: ticket.state == TicketState::Open,
        mine,
    }
}
