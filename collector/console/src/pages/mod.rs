//! The pages: each module one page, its template beside it in `templates/`.

pub(crate) mod accounts;
pub(crate) mod alert;
pub(crate) mod alerts;
pub(crate) mod backup_coverage;
pub(crate) mod backup_job;
pub(crate) mod backups;
pub(crate) mod batch;
pub(crate) mod board;
pub(crate) mod channel_drill;
pub(crate) mod channels;
pub(crate) mod diagnose;
pub(crate) mod document;
pub(crate) mod documents;
pub(crate) mod downtime;
pub(crate) mod handover;
pub(crate) mod help;
pub(crate) mod host;
pub(crate) mod hosts;
pub(crate) mod inbox;
pub(crate) mod intake;
mod near;
pub(crate) mod page_link;
pub(crate) mod papers;
pub(crate) mod pin;
pub(crate) mod ping;
pub(crate) mod planned;
pub(crate) mod registers;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod roster;
pub(crate) mod rule;
pub(crate) mod rules;
pub(crate) mod sign;
pub(crate) mod sign_in;
pub(crate) mod system;
pub(crate) mod ticket;
mod ticket_choices;
mod ticket_place;
pub(crate) mod ticket_report;
pub(crate) mod ticket_sheet;
pub(crate) mod tickets;
pub(crate) mod times;
mod verdict;

use crate::{
    backend::Failure,
    guard::{Refusal, Visit, nothing, see_other},
    phrases::in_language,
    shell::{Shell, page},
};
use askama::Template;
use axum::response::{IntoResponse as _, Response};
use http::{Method, StatusCode};
use tocsin_vocabulary::Code;

#[derive(Template)]
#[template(path = "trouble.html")]
struct Trouble {
    shell: Shell,
    title: String,
    reason: String,
}

/// A failure as a page: what it means in the reader's language, and the particulars.
pub(crate) fn trouble(shell: &Shell, failure: &Failure) -> Response {
    let title = shell.word("error", failure.code.key());
    // What went wrong inside is for the log, not for whoever asks.
    let reason = if failure.code == Code::Internal {
        String::new()
    } else {
        in_language(shell.language, &failure.reason)
    };
    let template = Trouble {
        shell: shell.clone(),
        title,
        reason,
    };
    let mut response = page(&template).unwrap_or_else(|refusal| refusal.into_response());
    *response.status_mut() =
        StatusCode::from_u16(failure.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

/// Whatever is not in the table of routes: where people meant to go, if one can tell.
pub(crate) async fn lost(visit: Visit, method: Method) -> Response {
    match near::meant(&visit.path) {
        Some(place) if method == Method::GET => see_other(&place),
        _ => Refusal(nothing()).into_response(),
    }
}
