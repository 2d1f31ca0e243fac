//! Approvals. A change reads, decides and writes under one revision, so that two answers never overwrite each other.

use crate::{
    Ledger, LedgerError, audit,
    engine::commit,
    pages,
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
        const OPERATION: &str = "change an approval";
        let mut tx = self.engine.write(OPERATION).await?;
        let row = Statement::new(OPERATION, "SELECT body, revision FROM approval WHERE id = $1")
            .count(id)
            .row(&mut tx)
            .await?
            .ok_or_else(|| LedgerError::NotFound {
                operation: OPERATION,
                what: format!("approval {id}"),
            })?;
        let fields = Fields::new(OPERATION, &row);
        let (mut approval, revision): (Approval, u64) = (fields.json("body")?, fields.number("revision")?);
        if let Err(refused) = change(&mut approval) {
            return Ok(Err(refused));
        }
        let written = Statement::new(
            OPERATION,
            "UPDATE approval SET body = $2, settled = $3, revision = revision + 1 WHERE id = $1 AND revision = $4",
        )
        .count(id)
        .text(&json(OPERATION, &approval)?)
        .flag(approval.is_settled())
        .count(revision)
        .run(&mut tx)
        .await?;
        if written == 0 {
            return Err(LedgerError::Conflict {
                operation: OPERATION,
                what: format!("approval {id} was changed meanwhile: look at it again"),
            });
        }
        for page in pages {
            pages::put(&mut tx, OPERATION, page).await?;
        }
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await?;
        Ok(Ok(approval))
    }
}
