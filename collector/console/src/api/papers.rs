//! `/tickets/{number}/papers`: what was handed in and signed.

use super::{Parameters, work::find};
use crate::{
    guard::{Answer, Visit},
    published,
};
use axum::{Json, extract::Path, response::IntoResponse as _};
use serde::Serialize;
use tocsin_desk::paper::{
    Papers,
    approval::Approval,
    attachment::{Attachment, Done},
    call::Call,
    confirmation::Confirmation,
};
use utoipa::ToSchema;

/// A file.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FileView {
    id: u64,
    name: String,
    /// `jpeg`, `png`, `webp`, `pdf`, `text` or `ink` (a signature).
    media: &'static str,
    bytes: u64,
    /// SHA-256, hex.
    digest: String,
    /// `evidence`, `confirmation` or `signature`.
    purpose: &'static str,
    added_at: String,
    added_by: Option<String>,
    /// The customer sees it.
    published: bool,
    /// Where a signed-in browser gets it.
    path: String,
}

/// A request for approval.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApprovalView {
    id: u64,
    what: String,
    risk: String,
    rollback: String,
    /// RFC 3339.
    from: String,
    /// RFC 3339.
    to: String,
    /// `lead` or `customer`.
    of: &'static str,
    /// `asked`, `granted`, `refused` or `withdrawn`.
    state: &'static str,
    asked_at: String,
    /// Login of the approver who answered.
    approver: Option<String>,
    answered_at: Option<String>,
    words: String,
    /// It was answered by phone and the approver has not signed it.
    unsigned: bool,
    signed_at: Option<String>,
}

/// A confirmation by the customer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConfirmationView {
    id: u64,
    /// `account`, `signature`, `paper` or `desk`.
    way: &'static str,
    /// Who confirmed; empty when the desk wrote it down without a name.
    name: String,
    at: String,
    /// What was confirmed, word for word.
    text: String,
    /// SHA-256 of the text, hex.
    text_hash: String,
    /// The file that bears the signature.
    file: Option<u64>,
}

/// A call-back.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CallView {
    id: u64,
    whom: String,
    phone: String,
    at: String,
    answer: String,
    content: bool,
    by: String,
}

/// All papers of a ticket.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PapersView {
    attachments: Vec<FileView>,
    approvals: Vec<ApprovalView>,
    confirmations: Vec<ConfirmationView>,
    calls: Vec<CallView>,
}

/// Files, approvals, confirmations and call-backs of a ticket; a customer's people get what was published to them.
#[utoipa::path(get, path = "/tickets/{number}/papers", params(("number" = u64, Path, description = "the ticket's number")),
    responses((status = 200, description = "its papers", body = PapersView), (status = 404, description = "no such ticket")))]
pub(crate) async fn papers(visit: Visit, Path(number): Path<String>) -> Answer {
    Parameters::of(&visit, &[])?;
    let ticket = find(&visit, &number).await?;
    let bound = published::is_bound(&visit);
    let papers = visit.console.backend.papers(ticket.id).await?;
    let papers = if bound { papers.published() } else { papers };
    Ok(Json(view(&papers, ticket.number, bound)).into_response())
}

fn view(papers: &Papers, number: u64, bound: bool) -> PapersView {
    PapersView {
        attachments: papers.attachments.iter().map(|one| file(one, number, bound)).collect(),
        approvals: papers.approvals.iter().map(approval).collect(),
        confirmations: papers.confirmations.iter().map(confirmation).collect(),
        calls: papers.calls.iter().map(call).collect(),
    }
}

fn file(one: &Attachment, number: u64, bound: bool) -> FileView {
    let Done { by, at } = &one.added;
    FileView {
        id: one.id,
        name: one.name.clone(),
        media: one.media.as_str(),
        bytes: one.bytes,
        digest: one.digest.clone(),
        purpose: one.purpose.as_str(),
        added_at: at.to_string(),
        added_by: (!bound).then(|| by.clone()),
        published: one.published.is_some(),
        path: format!("/t/{number}/attachments/{}", one.id),
    }
}

fn approval(one: &Approval) -> ApprovalView {
    let verdict = one.verdict.as_ref();
    ApprovalView {
        id: one.id,
        what: one.what.clone(),
        risk: one.risk.clone(),
        rollback: one.rollback.clone(),
        from: one.from.to_string(),
        to: one.to.to_string(),
        of: one.of.as_str(),
        state: one.state.as_str(),
        asked_at: one.asked.at.to_string(),
        approver: verdict.map(|verdict| verdict.login.clone()),
        answered_at: verdict.map(|verdict| verdict.at.to_string()),
        words: verdict.map(|verdict| verdict.words.clone()).unwrap_or_default(),
        unsigned: one.is_unsigned(),
        signed_at: verdict.and_then(|verdict| verdict.signed_at).map(|at| at.to_string()),
    }
}

fn confirmation(one: &Confirmation) -> ConfirmationView {
    ConfirmationView {
        id: one.id,
        way: one.way.as_str(),
        name: one.name.clone(),
        at: one.by.at.to_string(),
        text: one.text.clone(),
        text_hash: one.text_hash.clone(),
        file: one.file,
    }
}

fn call(one: &Call) -> CallView {
    CallView {
        id: one.id,
        whom: one.whom.clone(),
        phone: one.phone.clone(),
        at: one.at.to_string(),
        answer: one.answer.clone(),
        content: one.content,
        by: one.by.by.clone(),
    }
}
