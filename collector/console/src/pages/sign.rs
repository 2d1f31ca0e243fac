//! Where a customer signs on a phone: behind a one-time link that needs no account. The words are shown, a name is
//! written, a signature drawn; then the work can be rated.
//!
//! The form carries the hash of what was shown. When the ticket has moved on in between, nothing is signed: the new words
//! are shown first.

use crate::{
    backend::Failure,
    duty::{field, number},
    guard::{Answer, Visit, see_other},
    phrases::in_language,
    session::secret_hash,
    shell::{Shell, page},
};
use askama::Template;
use axum::{Form, extract::Path};
use http::StatusCode;
use std::collections::HashMap;
use tocsin_desk::{
    model::{Ticket, TicketState},
    paper::{
        confirmation::{SignLink, Signing, statement},
        ink,
    },
};
use tocsin_vocabulary::{Code, Hash};

#[derive(Template)]
#[template(path = "sign.html")]
struct SignPage {
    shell: Shell,
    number: u64,
    text: String,
    hash: String,
    action: String,
    name: String,
    width: u16,
    height: u16,
    /// It can be signed now.
    ready: bool,
    signed: bool,
    rated: String,
    error: String,
}

impl SignPage {
    /// `★★★`.
    #[allow(
        clippy::unused_self,
        clippy::trivially_copy_pass_by_ref,
        reason = "as a template calls it"
    )]
    fn stars(&self, count: &usize) -> String {
        "★".repeat(*count)
    }
}

/// `GET /sign/{secret}`.
pub(crate) async fn show(visit: Visit, Path(secret): Path<String>) -> Answer {
    page(&view(&visit, &secret, "", String::new()).await?)
}

/// `POST /sign/{secret}`: `name`, `ink`, `hash`.
pub(crate) async fn send(
    visit: Visit,
    Path(secret): Path<String>,
    Form(fields): Form<HashMap<String, String>>,
) -> Answer {
    let done = sign(&visit, &secret, &fields).await;
    told(&visit, &secret, field(&fields, "name"), done).await
}

/// `POST /sign/{secret}/rate`: `stars`, `words`.
pub(crate) async fn rate(
    visit: Visit,
    Path(secret): Path<String>,
    Form(fields): Form<HashMap<String, String>>,
) -> Answer {
    let done = match number(&fields, "stars") {
        Ok(stars) => {
            let backend = &visit.console.backend;
            backend
                .rate_by_hand(&secret_hash(&secret), stars, field(&fields, "words"))
                .await
        }
        Err(failure) => Err(failure),
    };
    told(&visit, &secret, "", done).await
}

async fn told(visit: &Visit, secret: &str, name: &str, done: Result<(), Failure>) -> Answer {
    match done {
        Ok(()) => Ok(see_other(&format!("/sign/{secret}"))),
        Err(failure) if matches!(failure.code, Code::Internal | Code::NotFound) => Err(failure.into()),
        Err(failure) => {
            let status = StatusCode::from_u16(failure.code.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
            let reason = in_language(visit.language, &failure.reason);
            let mut response = page(&view(visit, secret, name, reason).await?)?;
            *response.status_mut() = status;
            Ok(response)
        }
    }
}

async fn sign(visit: &Visit, secret: &str, fields: &HashMap<String, String>) -> Result<(), Failure> {
    let (_, ticket) = visit.console.backend.behind(&secret_hash(secret)).await?;
    let text = shown(visit, &ticket).await?;
    if Hash::of(text.as_bytes()).to_string() != field(fields, "hash") {
        let reason = "the ticket has changed while you read: read it again, then sign";
        return Err(Failure::new(Code::Conflict, reason));
    }
    let signing = Signing {
        secret_hash: secret_hash(secret),
        name: field(fields, "name").to_owned(),
        ink: field(fields, "ink").to_owned(),
        text,
    };
    visit.console.backend.sign_by_hand(signing).await
}

/// What whoever signs reads.
async fn shown(visit: &Visit, ticket: &Ticket) -> Result<String, Failure> {
    let backend = &visit.console.backend;
    let entries = backend.entries(ticket.id).await?;
    let sheet = backend.ticket_sheet(ticket.id).await?;
    let zone = &visit.console.options.zone;
    Ok(statement(ticket, &entries, &sheet.published, visit.language, zone))
}

async fn view(visit: &Visit, secret: &str, name: &str, error: String) -> Result<SignPage, Failure> {
    let backend = &visit.console.backend;
    let (link, ticket): (SignLink, Ticket) = backend.behind(&secret_hash(secret)).await?;
    let shell = Shell::new(visit, "link");
    let papers = backend.papers(ticket.id).await?;
    let signed = papers
        .confirmations
        .into_iter()
        .find(|one| Some(one.id) == link.confirmation);
    let rating = backend.ticket_sheet(ticket.id).await?.rating;
    let rated = match (&signed, rating) {
        (Some(signed), Some(rating)) if rating.at >= signed.by.at => "★".repeat(rating.stars.into()),
        _ => String::new(),
    };
    let text = match &signed {
        Some(signed) => signed.text.clone(),
        None => shown(visit, &ticket).await?,
    };
    Ok(SignPage {
        number: ticket.number,
        hash: Hash::of(text.as_bytes()).to_string(),
        text,
        action: format!("/sign/{secret}"),
        name: name.to_owned(),
        width: ink::WIDTH,
        height: ink::HEIGHT,
        ready: ticket.state == TicketState::Resolved,
        signed: signed.is_some(),
        rated,
        error,
        shell,
    })
}
