//! Approvals. A change reads, decides and writes under one revision, so that two answers never overwrite each other.

use crate::{
    Ledger, LedgerError, audit,
    engine::commit,
    pages,
    revisioned::Revisioned,
    rosters::{json, next},
    statement::{Fields, Statement},
};
use tocsin_desk::{model::Page, paper::approval::Approval, record::AuditLine};

impl Ledger {
    /// Approvals that wait for an answer or a signature, oldest first.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn open_approvals(&self) -> Result<Vec<Approval>, LedgerError> {
        const OPERATION: &str = "list open approvals";
        let rows = Statement::new(OPERATION, "SELECT body FROM approval WHERE settled = 0 ORDER BY id")
            .rows(&mut *self.engine.reader(OPERATION).await?)
            .await?;
        rows.iter()
            .map(|row| Fields::new(OPERATION, row).json("body"))
            .collect()
    }

    /// One approval.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn approval(&self, id: u64) -> Result<Option<Approval>, LedgerError> {
        const OPERATION: &str = "read an approval";
        let row = Statement::new(OPERATION, "SELECT body FROM approval WHERE id = $1")
            .count(id)
            .row(&mut *self.engine.reader(OPERATION).await?)
            .await?;
        row.map(|row| Fields::new(OPERATION, &row).json("body")).transpose()
    }

    /// Enters a request with the pages that tell the approvers; answers its number.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn ask_approval(&self, new: &Approval, pages: &[Page], lines: &[AuditLine]) -> Result<u64, LedgerError> {
        const OPERATION: &str = "ask for approval";
        let mut tx = self.engine.write(OPERATION).await?;
        let id = next(&mut tx, OPERATION, "approval").await?;
        let approval = Approval { id, ..new.clone() };
        Statement::new(
            OPERATION,
            "INSERT INTO approval (id, ticket, body, settled, revision) VALUES ($1, $2, $3, $4, 1)",
        )
        .count(id)
        .id(approval.ticket)
        .text(&json(OPERATION, &approval)?)
        .flag(approval.is_settled())
        .run(&mut tx)
        .await?;
        for page in pages {
            // Keys are used once: the number is known only now.
            let key = format!("approval-{id}-{}", page.key);
            pages::put(&mut tx, OPERATION, &Page { key, ..page.clone() }).await?;
        }
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await?;
        Ok(id)
    }

    /// Changes an approval as `change` says and enters `pages`, in one transaction. What `change` refuses changes nothing
    /// and is answered within.
    ///
    /// # Errors
    /// `NotFound` when there is none, `Conflict` when somebody else changed it meanwhile; otherwise when the ledger can't
    /// be written.
    pub async fn change_approval<E>(
        &self,
        id: u64,
        pages: &[Page],
        lines: &[AuditLine],
        change: impl FnOnce(&mut Approval) -> Result<(), E> + Send,
    ) -> Result<Result<Approval, E>, LedgerError> {
        Revisioned {
            operation: "change an approval",
            noun: "approval",
            read: "SELECT body, revision FROM approval WHERE id = $1",
            write: "UPDATE approval SET body = $2, settled = $3, revision = revision + 1 WHERE id = $1 AND revision = $4",
            ended: Approval::is_settled,
        }
        .change(self, id, pages, lines, change)
        .await
    }
}
