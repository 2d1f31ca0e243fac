//! The documents of a host: its inventory, its configuration files, the verdicts on its parts.

use crate::{
    api::fleet::find,
    guard::{Answer, Visit},
    markup::Html,
    shell::{Shell, page},
};
use askama::Template;
use axum::extract::Path;
use tocsin_desk::record::DocumentRecord;
use tocsin_vocabulary::HostId;

/// One document in a list: its newest version.
pub(crate) struct DocumentRow {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) at: Html,
    pub(crate) owner: String,
    /// Nothing is there any more.
    pub(crate) gone: bool,
}

impl DocumentRow {
    pub(crate) fn new(shell: &Shell, record: &DocumentRecord) -> Self {
        Self {
            name: name_of(shell, record),
            url: url(record.host, &record.id),
            at: shell.exact(record.at),
            owner: record.attributes.get("owner").cloned().unwrap_or_default(),
            gone: record.attributes.contains_key("gone"),
        }
    }
}

/// Rows of those of one kind.
pub(crate) fn rows(shell: &Shell, records: &[DocumentRecord], kind: &str) -> Vec<DocumentRow> {
    records
        .iter()
        .filter(|record| record.kind == kind)
        .map(|record| DocumentRow::new(shell, record))
        .collect()
}

/// What a document is called: our words for a section of the inventory, a path as it is, else the kind.
pub(crate) fn name_of(shell: &Shell, record: &DocumentRecord) -> String {
    match record.kind.as_str() {
        "inventory" => shell.word("inventory", &record.name),
        "file" => record.name.clone(),
        kind => shell.word("document", kind),
    }
}

/// Where a version is shown.
pub(crate) fn url(host: HostId, id: &impl std::fmt::Display) -> String {
    format!("/hosts/{host}/documents/{id}")
}

#[derive(Template)]
#[template(path = "documents.html")]
struct DocumentsPage {
    shell: Shell,
    host: String,
    host_url: String,
    parts: Vec<DocumentRow>,
    inventory: Vec<DocumentRow>,
    files: Vec<DocumentRow>,
}

/// `GET /hosts/{id}/documents`.
pub(crate) async fn list(visit: Visit, Path(id): Path<String>) -> Answer {
    let host = find(&visit, &id).await?;
    let shell = Shell::new(&visit, "hosts").with_ticks(id);
    let records = visit.console.backend.documents(host.record.id).await?;
    page(&DocumentsPage {
        host: host.record.name.clone(),
        host_url: format!("/hosts/{}", host.record.id),
        parts: rows(&shell, &records, "parts"),
        inventory: rows(&shell, &records, "inventory"),
        files: rows(&shell, &records, "file"),
        shell,
    })
}
