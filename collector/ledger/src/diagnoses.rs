//! Diagnostic snapshots: who asked for one, for which ticket, and what came of it.

use crate::{
    Ledger, LedgerError, audit,
    engine::commit,
    statement::{Conditions, Fields, Statement},
};
use tocsin_desk::record::{AuditLine, DiagnosisRecord};
use tocsin_vocabulary::{DiagnosisId, HostId, TicketId, Timestamp};

/// Most rows of one list.
const LIST_MAX: i64 = 50;

const COLUMNS: &str = "SELECT g.id, g.host, g.ticket, g.asked_by, g.asked_at, d.id AS document, d.received_at, d.attributes
    FROM diagnosis g LEFT JOIN document d ON d.host = g.host AND d.kind = 'diagnosis' AND d.name = g.id AND d.newest = 1";

impl Ledger {
    /// Notes that a snapshot was asked for, with the audit line that belongs to it.
    ///
    /// # Errors
    /// When the ledger can't be written, or there is no such host or ticket.
    pub async fn ask_diagnosis(
        &self,
        id: DiagnosisId,
        host: HostId,
        ticket: Option<TicketId>,
        asked_by: &str,
        now: Timestamp,
        lines: &[AuditLine],
    ) -> Result<(), LedgerError> {
        const OPERATION: &str = "note a diagnosis";
        let mut tx = self.engine.write(OPERATION).await?;
        Statement::new(
            OPERATION,
            "INSERT INTO diagnosis (id, host, ticket, asked_by, asked_at) VALUES ($1, $2, $3, $4, $5)",
        )
        .id(id)
        .id(host)
        .maybe_id(ticket)
        .text(asked_by)
        .time(now)
        .run(&mut tx)
        .await?;
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await
    }

    /// Whether this host was asked for this snapshot.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn was_asked(&self, host: HostId, id: DiagnosisId) -> Result<bool, LedgerError> {
        const OPERATION: &str = "look for a diagnosis";
        let mut tx = self.engine.snapshot(OPERATION).await?;
        let row = Statement::new(OPERATION, "SELECT 1 AS one FROM diagnosis WHERE id = $1 AND host = $2")
            .id(id)
            .id(host)
            .row(&mut tx)
            .await?;
        Ok(row.is_some())
    }

    /// Snapshots of a host, newest first.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn diagnoses(&self, host: HostId) -> Result<Vec<DiagnosisRecord>, LedgerError> {
        self.diagnoses_where("g.host", &host.to_string()).await
    }

    /// Snapshots for a ticket, newest first.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn diagnoses_of_ticket(&self, ticket: TicketId) -> Result<Vec<DiagnosisRecord>, LedgerError> {
        self.diagnoses_where("g.ticket", &ticket.to_string()).await
    }

    async fn diagnoses_where(&self, column: &'static str, value: &str) -> Result<Vec<DiagnosisRecord>, LedgerError> {
        const OPERATION: &str = "list diagnoses";
        let mut conditions = Conditions::default();
        conditions.equal(column, Some(value));
        let mut tx = self.engine.snapshot(OPERATION).await?;
        let rows = conditions
            .statement(OPERATION, COLUMNS, "ORDER BY g.asked_at DESC, g.id DESC", LIST_MAX)
            .rows(&mut tx)
            .await?;
        rows.iter().map(|row| diagnosis(&Fields::new(OPERATION, row))).collect()
    }
}

fn diagnosis(fields: &Fields<'_>) -> Result<DiagnosisRecord, LedgerError> {
    let attributes = fields.maybe_text("attributes")?.unwrap_or_default();
    let attributes: std::collections::BTreeMap<String, String> = serde_json::from_str(&attributes).unwrap_or_default();
    Ok(DiagnosisRecord {
        id: fields.parsed("id")?,
        host: fields.parsed("host")?,
        ticket: fields.maybe_parsed("ticket")?,
        asked_by: fields.text("asked_by")?,
        asked_at: fields.time("asked_at")?,
        document: fields.maybe_parsed("document")?,
        received_at: fields.maybe_time("received_at")?,
        refused: attributes.contains_key("refused"),
    })
}
