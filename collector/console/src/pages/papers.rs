//! The papers of a ticket: approvals, files, the customer's confirmation, call-backs.

mod files;
mod views;

pub(crate) use files::{download, upload};
pub(crate) use views::{Brief, brief};

use super::ticket::find;
use crate::{
    backend::Failure,
    duty::{field, moment, number},
    guard::{Answer, Visit, nothing, see_other},
    phrases::in_language,
    shell::{Shell, page},
};
use askama::Template;
use axum::{Form, extract::Path, response::Response};
use http::StatusCode;
use std::collections::HashMap;
use tocsin_desk::{
    model::{Person, Ticket},
    paper::{
        act::{PaperAct, PaperDone},
        approval::{Approver, Request},
        attachment::Media,
    },
};
use tocsin_vocabulary::Code;
use views::{ApprovalRow, CallRow, ConfirmationRow, FileRow};

#[derive(Template)]
#[template(path = "papers.html")]
struct PapersPage {
    shell: Shell,
    number: u64,
    title: String,
    url: String,
    state: String,
    files: Vec<FileRow>,
    approvals: Vec<ApprovalRow>,
    confirmations: Vec<ConfirmationRow>,
    calls: Vec<CallRow>,
    /// Files that may be a signed paper: number and name.
    scans: Vec<(u64, String)>,
    accept: &'static str,
    may_work: bool,
    may_send: bool,
    may_write: bool,
    /// The state lets it be confirmed.
    confirmable: bool,
    /// Login of whoever looks.
    now_local: String,
    /// A link to sign behind that was made just now.
    link: String,
    error: Vec<String>,
}

/// What was tried, to be told in place.
#[derive(Default)]
struct Told {
    link: String,
    error: Vec<String>,
}

/// `GET /t/{number}/paper`.
pub(crate) async fn show(visit: Visit, Path(id): Path<String>) -> Answer {
    let ticket = find(&visit, &id).await?;
    page(&view(&visit, &ticket, Told::default()).await?)
}

/// `POST /t/{number}/paper/{what}`: ask, answer, phone, sign, withdraw, show, offer, on-paper, call.
pub(crate) async fn act(
    visit: Visit,
    Path((id, what)): Path<(String, String)>,
    Form(fields): Form<HashMap<String, String>>,
) -> Answer {
    let ticket = find(&visit, &id).await?;
    let done = match read(&visit, &ticket, &what, &fields) {
        Ok(wanted) => send(&visit, wanted).await,
        Err(failure) => Err(failure),
    };
    answer(&visit, &ticket, done).await
}

/// Does one thing, if whoever asks may.
async fn send(visit: &Visit, act: PaperAct) -> Result<PaperDone, Failure> {
    visit.require(crate::authority::needs_for_paper(&act))?;
    visit.console.backend.paper_act(visit.person()?, "console", act).await
}

/// Back to the papers, or the papers with what is wrong.
async fn answer(
    visit: &Visit,
    ticket: &Ticket,
    done: Result<PaperDone, Failure>,
) -> Result<Response, crate::guard::Refusal> {
    let back = format!("/t/{}/paper", ticket.number);
    match done {
        Ok(PaperDone { link: Some(link), .. }) => {
            let told = Told {
                link,
                ..Told::default()
            };
            page(&view(visit, ticket, told).await?)
        }
        Ok(_) => Ok(see_other(&back)),
        Err(failure) if matches!(failure.code, Code::Internal | Code::NotFound) => Err(failure.into()),
        Err(failure) => {
            let told = Told {
                error: failure
                    .reason
                    .lines()
                    .map(|line| in_language(visit.language, line))
                    .collect(),
                ..Told::default()
            };
            let mut response = page(&view(visit, ticket, told).await?)?;
            *response.status_mut() =
                StatusCode::from_u16(failure.code.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
            Ok(response)
        }
    }
}

fn read(visit: &Visit, ticket: &Ticket, what: &str, fields: &HashMap<String, String>) -> Result<PaperAct, Failure> {
    let text = |name: &str| field(fields, name).to_owned();
    let ticket = ticket.number;
    let wrong = |reason: &str| Failure::new(Code::InvalidInput, reason);
    let granted = || match field(fields, "granted") {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(wrong("field `granted` is neither yes nor no")),
    };
    Ok(match what {
        "ask" => PaperAct::Ask {
            ticket,
            request: Request {
                what: text("what"),
                risk: text("risk"),
                rollback: text("rollback"),
                from: moment(visit, fields, "from")?,
                to: moment(visit, fields, "to")?,
                of: Approver::parse(field(fields, "of"))
                    .ok_or_else(|| wrong("field `of` is neither lead nor customer"))?,
            },
        },
        "answer" => PaperAct::Answer {
            id: number(fields, "id")?,
            granted: granted()?,
            words: text("words"),
        },
        "phone" => PaperAct::ByPhone {
            id: number(fields, "id")?,
            approver: text("approver"),
            granted: granted()?,
            words: text("words"),
            said_at: moment(visit, fields, "said_at")?,
        },
        "sign" => PaperAct::Sign {
            id: number(fields, "id")?,
            login: text("login"),
            pin: text("pin"),
        },
        "withdraw" => PaperAct::Withdraw {
            id: number(fields, "id")?,
        },
        "show" => PaperAct::Show {
            ticket,
            file: number(fields, "file")?,
            published: field(fields, "published") == "yes",
        },
        "offer" => PaperAct::OfferSigning { ticket },
        "on-paper" => PaperAct::OnPaper {
            ticket,
            file: number(fields, "file")?,
            name: text("name"),
        },
        "call" => PaperAct::CallBack {
            ticket,
            whom: text("whom"),
            phone: text("phone"),
            at: moment(visit, fields, "at")?,
            answer: text("answer"),
            content: field(fields, "content") == "yes",
        },
        _ => return Err(nothing()),
    })
}

async fn view(visit: &Visit, ticket: &Ticket, told: Told) -> Result<PapersPage, Failure> {
    let backend = &visit.console.backend;
    // What was just done may have closed the ticket.
    let ticket = &backend.ticket(ticket.number).await?.ok_or_else(nothing)?;
    let shell = Shell::new(visit, "tickets").with_here(&format!("/t/{}/paper", ticket.number));
    let papers = views::readable(visit, ticket).await?;
    let people: Vec<Person> = backend.people().await?;
    let scans = papers.attachments.iter();
    let scans = scans.filter(|one| !matches!(one.media, Media::Ink | Media::Text));
    Ok(PapersPage {
        number: ticket.number,
        title: shell.text(&ticket.title).to_owned(),
        url: format!("/t/{}/paper", ticket.number),
        state: shell.word("state", ticket.state.as_str()),
        scans: scans.map(|one| (one.id, one.name.clone())).collect(),
        files: views::files(visit, &shell, ticket, &papers),
        approvals: views::approvals(visit, &shell, ticket, &papers, &people)?,
        confirmations: views::confirmations(visit, &shell, ticket, &papers),
        calls: views::calls(&shell, &papers),
        accept: Media::ACCEPT,
        may_work: visit.may(crate::authority::Action::WorkTicket),
        may_send: visit.may(crate::authority::Action::ReportFault),
        may_write: visit.may(crate::authority::Action::WriteRegisters),
        confirmable: ticket.state == tocsin_desk::model::TicketState::Resolved,
        now_local: views::local(visit, visit.now),
        link: told.link,
        error: told.error,
        shell,
    })
}
