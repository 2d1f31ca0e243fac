//! Documents of hosts and diagnostic snapshots.

use super::Failure;
use async_trait::async_trait;
use tocsin_desk::{
    model::Person,
    record::{DiagnosisRecord, DocumentRecord},
};
use tocsin_vocabulary::{DiagnosisId, DocumentId, HostId, TicketId};

/// Texts of hosts with their history, and asking for one.
#[async_trait]
pub trait Documents: Send + Sync {
    /// The newest version of each document of a host but diagnoses, by kind and name.
    async fn documents(&self, host: HostId) -> Result<Vec<DocumentRecord>, Failure>;
    /// The versions of one document, newest first.
    async fn document_versions(&self, host: HostId, kind: &str, name: &str) -> Result<Vec<DocumentRecord>, Failure>;
    /// One version of a document of this host, with its content.
    async fn document(&self, host: HostId, id: DocumentId) -> Result<Option<(DocumentRecord, Vec<u8>)>, Failure>;
    /// Diagnostic snapshots of a host, newest first.
    async fn diagnoses(&self, host: HostId) -> Result<Vec<DiagnosisRecord>, Failure>;
    /// Diagnostic snapshots for a ticket, newest first.
    async fn diagnoses_of_ticket(&self, ticket: TicketId) -> Result<Vec<DiagnosisRecord>, Failure>;
    /// Asks the agent of a host for a snapshot; `via` is `console` or `api`. Writes an audit line.
    async fn ask_diagnosis(
        &self,
        host: HostId,
        ticket: Option<TicketId>,
        person: &Person,
        via: &'static str,
    ) -> Result<DiagnosisId, Failure>;
}
