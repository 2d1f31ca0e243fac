//! `/hosts/{id}/documents`, `…/{document}`, `…/{document}/diff`, `/hosts/{id}/parts`, `/hosts/{id}/diagnoses`.

use super::{ListOf, Parameters, body, fleet::find, list};
use crate::{
    authority::Action,
    guard::{Answer, Visit, nothing},
    pages::{diagnose::ticket_of, document::read},
    parts::{self, Part},
    texts,
};
use axum::{Json, body::Bytes, extract::Path, response::IntoResponse as _};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tocsin_desk::record::{DiagnosisRecord, DocumentRecord};
use utoipa::ToSchema;

/// One version of a document. Its words come from the host: data, never markup.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DocumentItem {
    /// Its id.
    id: String,
    /// `parts`, `inventory`, `file` or `diagnosis`.
    kind: String,
    /// Which one of its kind, such as a path; empty when there is one only.
    name: String,
    /// When it came to be, by the host's clock.
    at: String,
    /// When it arrived at the collector.
    received_at: String,
    /// SHA-256 of the content.
    hash: String,
    /// Of the content, in bytes.
    size: u64,
    /// `application/json` or `text/plain`.
    media: String,
    /// What is known beside it, such as a file's `owner`, `mode`, `modified`; `gone` when it is not there any more.
    attributes: BTreeMap<String, String>,
}

impl From<&DocumentRecord> for DocumentItem {
    fn from(record: &DocumentRecord) -> Self {
        Self {
            id: record.id.to_string(),
            kind: record.kind.clone(),
            name: record.name.clone(),
            at: record.at.to_string(),
            received_at: record.received_at.to_string(),
            hash: record.hash.clone(),
            size: record.size,
            media: record.media.clone(),
            attributes: record.attributes.clone(),
        }
    }
}

/// One version of a document with its text.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DocumentText {
    /// Which one.
    #[serde(flatten)]
    document: DocumentItem,
    /// Its content; secrets were taken out on the host.
    text: String,
}

/// What changed from one version to another.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Difference {
    /// The older version's id; null when there is none.
    from: Option<String>,
    /// The newer version's id.
    to: String,
    /// In the unified format; empty when nothing visible changed.
    diff: String,
}

/// Documents of a host: the newest version of each, or with `kind` and `name` all versions of one, newest first.
#[utoipa::path(get, path = "/hosts/{id}/documents", params(
    ("id" = String, Path, description = "the host's id"),
    ("kind" = Option<String>, Query, description = "parts, inventory, file or diagnosis"),
    ("name" = Option<String>, Query, description = "which one: all of its versions"),
), responses((status = 200, description = "documents", body = ListOf<DocumentItem>),
    (status = 404, description = "no such host")))]
pub(crate) async fn list_of(visit: Visit, Path(id): Path<String>) -> Answer {
    let parameters = Parameters::of(&visit, &["kind", "name"])?;
    let host = find(&visit, &id).await?.record.id;
    let backend = &visit.console.backend;
    let kind = parameters.get("kind");
    let records = match (kind, parameters.given("name")) {
        (Some(kind), Some(name)) => backend.document_versions(host, kind, name).await?,
        (None, Some(_)) => return Err(super::wrong("parameter `name` needs `kind`").into()),
        (kind, None) => {
            let mut records = backend.documents(host).await?;
            records.retain(|record| kind.is_none_or(|kind| record.kind == kind));
            records
        }
    };
    Ok(list(records.iter().map(DocumentItem::from).collect(), None))
}

/// One version of a document with its text.
#[utoipa::path(get, path = "/hosts/{id}/documents/{document}", params(
    ("id" = String, Path, description = "the host's id"),
    ("document" = String, Path, description = "the version's id"),
), responses((status = 200, description = "the version", body = DocumentText),
    (status = 404, description = "no such host or document")))]
pub(crate) async fn one(visit: Visit, Path((id, document)): Path<(String, String)>) -> Answer {
    Parameters::of(&visit, &[])?;
    let host = find(&visit, &id).await?.record.id;
    let (record, content) = read(&visit, host, &document).await?;
    let text = String::from_utf8_lossy(&content).into_owned();
    let document = DocumentItem::from(&record);
    Ok(Json(DocumentText { document, text }).into_response())
}

/// What changed from the version before, or from `with`, to this one. JSON is spread over lines first.
#[utoipa::path(get, path = "/hosts/{id}/documents/{document}/diff", params(
    ("id" = String, Path, description = "the host's id"),
    ("document" = String, Path, description = "the newer version's id"),
    ("with" = Option<String>, Query, description = "the older version's id"),
), responses((status = 200, description = "the difference", body = Difference),
    (status = 404, description = "no such host or document")))]
pub(crate) async fn difference(visit: Visit, Path((id, document)): Path<(String, String)>) -> Answer {
    let parameters = Parameters::of(&visit, &["with"])?;
    let host = find(&visit, &id).await?.record.id;
    let backend = &visit.console.backend;
    let (record, content) = read(&visit, host, &document).await?;
    let before = match parameters.get("with") {
        Some(with) => Some(read(&visit, host, with).await?),
        None => {
            let versions = backend.document_versions(host, &record.kind, &record.name).await?;
            match versions.iter().find(|version| version.id < record.id) {
                Some(before) => Some(backend.document(host, before.id).await?.ok_or_else(nothing)?),
                None => None,
            }
        }
    };
    let old = before.as_ref().map(|(before, old)| texts::readable(before, old));
    let from = before.map(|(before, _)| before.id.to_string());
    let to = record.id.to_string();
    let diff = texts::unified(
        (from.as_deref().unwrap_or("/dev/null"), &old.unwrap_or_default()),
        (&to, &texts::readable(&record, &content)),
    );
    Ok(Json(Difference { from, to, diff }).into_response())
}

/// Parts of a host with their verdicts, those that are not well first.
#[utoipa::path(get, path = "/hosts/{id}/parts", params(
    ("id" = String, Path, description = "the host's id"),
    ("ill" = Option<bool>, Query, description = "true: only those that are not well"),
), responses((status = 200, description = "parts", body = ListOf<Part>), (status = 404, description = "no such host")))]
pub(crate) async fn parts(visit: Visit, Path(id): Path<String>) -> Answer {
    let parameters = Parameters::of(&visit, &["ill"])?;
    let ill = parameters.parse::<bool>("ill")?.unwrap_or(false);
    let host = find(&visit, &id).await?.record.id;
    let documents = visit.console.backend.documents(host).await?;
    let mut parts = parts::of(&visit, host, &documents).await?;
    parts.retain(|part| !ill || !part.is_well());
    Ok(list(parts, None))
}

/// A diagnostic snapshot that was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DiagnosisItem {
    /// Its id.
    id: String,
    /// Login of whoever asked, or `system`.
    asked_by: String,
    /// When.
    asked_at: String,
    /// The document that holds it; null while it has not come.
    document: Option<String>,
    /// When it came.
    received_at: Option<String>,
    /// The host's administrator does not allow it.
    refused: bool,
}

impl From<&DiagnosisRecord> for DiagnosisItem {
    fn from(record: &DiagnosisRecord) -> Self {
        Self {
            id: record.id.to_string(),
            asked_by: record.asked_by.clone(),
            asked_at: record.asked_at.to_string(),
            document: record.document.map(|document| document.to_string()),
            received_at: record.received_at.map(|at| at.to_string()),
            refused: record.refused,
        }
    }
}

/// Diagnostic snapshots of a host, newest first, at most 50; with `ticket` those that are kept with it.
#[utoipa::path(get, path = "/hosts/{id}/diagnoses", params(
    ("id" = String, Path, description = "the host's id"),
    ("ticket" = Option<u64>, Query, description = "only those of this ticket"),
), responses((status = 200, description = "snapshots", body = ListOf<DiagnosisItem>),
    (status = 404, description = "no such host or ticket")))]
pub(crate) async fn diagnoses(visit: Visit, Path(id): Path<String>) -> Answer {
    let parameters = Parameters::of(&visit, &["ticket"])?;
    let host = find(&visit, &id).await?;
    let ticket = ticket_of(&visit, &host, parameters.get("ticket").unwrap_or_default()).await?;
    let backend = &visit.console.backend;
    let records = match ticket {
        Some(ticket) => backend.diagnoses_of_ticket(ticket.id).await?,
        None => backend.diagnoses(host.record.id).await?,
    };
    Ok(list(records.iter().map(DiagnosisItem::from).collect(), None))
}

/// What a request for a snapshot may say.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DiagnosisBody {
    /// Number of the ticket with which it is kept.
    #[serde(default)]
    ticket: Option<u64>,
}

/// The id of a snapshot that was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DiagnosisAsked {
    /// Its id.
    id: String,
}

/// Asks the host for a diagnostic snapshot. What it holds is fixed in the agent.
#[utoipa::path(post, path = "/hosts/{id}/diagnoses", request_body = DiagnosisBody,
    params(("id" = String, Path, description = "the host's id")),
    responses((status = 202, description = "it was asked for", body = DiagnosisAsked),
        (status = 503, description = "the host is not connected", body = super::problem::Problem)))]
pub(crate) async fn diagnose(visit: Visit, Path(id): Path<String>, bytes: Bytes) -> Answer {
    visit.require(Action::Diagnose)?;
    Parameters::of(&visit, &[])?;
    let given: DiagnosisBody = if bytes.is_empty() {
        DiagnosisBody::default()
    } else {
        body(&bytes)?
    };
    let host = find(&visit, &id).await?;
    let number = given.ticket.map(|number| number.to_string()).unwrap_or_default();
    let ticket = ticket_of(&visit, &host, &number).await?;
    let ticket = ticket.map(|ticket| ticket.id);
    let person = visit.person()?;
    let asked = visit
        .console
        .backend
        .ask_diagnosis(host.record.id, ticket, person, "api")
        .await?;
    let id = asked.to_string();
    Ok((StatusCode::ACCEPTED, Json(DiagnosisAsked { id })).into_response())
}
