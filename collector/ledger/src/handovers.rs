//! Handovers. A change reads, decides and writes under one revision, so that two signatures never overwrite each other.

use crate::{
    Ledger, LedgerError, audit,
    engine::commit,
    revisioned::Revisioned,
    rosters::{json, next},
    statement::{Fields, Statement},
};
use tocsin_desk::{handover::Handover, model::Page, record::AuditLine};

impl Ledger {
    /// Handovers that are not signed by both, oldest first.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn open_handovers(&self) -> Result<Vec<Handover>, LedgerError> {
        const OPERATION: &str = "list open handovers";
        let rows = Statement::new(OPERATION, "SELECT body FROM handover WHERE closed = 0 ORDER BY id")
            .rows(&mut *self.engine.reader(OPERATION).await?)
            .await?;
        rows.iter()
            .map(|row| Fields::new(OPERATION, row).json("body"))
            .collect()
    }

    /// Handovers, newest first, at most `limit`.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn handovers(&self, limit: u32) -> Result<Vec<Handover>, LedgerError> {
        const OPERATION: &str = "list handovers";
        let rows = Statement::new(OPERATION, "SELECT body FROM handover ORDER BY id DESC LIMIT $1")
            .integer(limit.into())
            .rows(&mut *self.engine.reader(OPERATION).await?)
            .await?;
        rows.iter()
            .map(|row| Fields::new(OPERATION, row).json("body"))
            .collect()
    }

    /// One handover.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn handover(&self, id: u64) -> Result<Option<Handover>, LedgerError> {
        const OPERATION: &str = "read a handover";
        let row = Statement::new(OPERATION, "SELECT body FROM handover WHERE id = $1")
            .count(id)
            .row(&mut *self.engine.reader(OPERATION).await?)
            .await?;
        row.map(|row| Fields::new(OPERATION, &row).json("body")).transpose()
    }

    /// Opens a handover, whose id is given here; none when this change of this roster has one.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn open_handover(&self, new: &Handover, lines: &[AuditLine]) -> Result<Option<u64>, LedgerError> {
        const OPERATION: &str = "open a handover";
        let mut tx = self.engine.write(OPERATION).await?;
        let id = next(&mut tx, OPERATION, "handover").await?;
        let known = Statement::new(OPERATION, "SELECT id FROM handover WHERE roster = $1 AND at = $2")
            .text(&new.roster)
            .time(new.at)
            .row(&mut tx)
            .await?;
        if known.is_some() {
            return Ok(None);
        }
        let handover = Handover { id, ..new.clone() };
        Statement::new(
            OPERATION,
            "INSERT INTO handover (id, roster, at, body, closed, revision) VALUES ($1, $2, $3, $4, $5, 1)",
        )
        .count(id)
        .text(&handover.roster)
        .time(handover.at)
        .text(&json(OPERATION, &handover)?)
        .flag(handover.is_closed())
        .run(&mut tx)
        .await?;
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await?;
        Ok(Some(id))
    }

    /// Changes a handover as `change` says and enters `pages`, in one transaction. What `change` refuses changes nothing
    /// and is answered within.
    ///
    /// # Errors
    /// `NotFound` when there is none, `Conflict` when somebody else changed it meanwhile; otherwise when the ledger can't
    /// be written.
    pub async fn change_handover<E>(
        &self,
        id: u64,
        pages: &[Page],
        lines: &[AuditLine],
        change: impl FnOnce(&mut Handover) -> Result<(), E> + Send,
    ) -> Result<Result<Handover, E>, LedgerError> {
        Revisioned {
            operation: "change a handover",
            noun: "handover",
            read: "SELECT body, revision FROM handover WHERE id = $1",
            write: "UPDATE handover SET body = $2, closed = $3, revision = revision + 1 WHERE id = $1 AND revision = $4",
            ended: Handover::is_closed,
        }
        .change(self, id, pages, lines, change)
        .await
    }
}
