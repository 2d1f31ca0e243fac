//! The outbox: what the delivery worker takes, and what it reports back. A page is sent only after it stands here.

use crate::{
    Ledger, LedgerError,
    engine::{Tx, commit},
    pages::{columns, page},
    statement::{Fields, Statement},
};
use tocsin_desk::model::Page;
use tocsin_vocabulary::{PageId, TicketId, Timestamp};

impl Ledger {
    /// Queued pages whose next try is due, the longest waiting first; at most `limit`.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn due_pages(&self, now: Timestamp, limit: u32) -> Result<Vec<Page>, LedgerError> {
        const OPERATION: &str = "take pages from the outbox";
        let rows = Statement::new(
            OPERATION,
            concat!(
                "SELECT ",
                columns!(),
                " FROM page WHERE state = 'queued' AND due_at <= $1 ORDER BY due_at, id LIMIT $2"
            ),
        )
        .time(now)
        .integer(limit.into())
        .rows(&mut *self.engine.reader(OPERATION).await?)
        .await?;
        rows.iter().map(|row| page(&Fields::new(OPERATION, row))).collect()
    }

    /// The channel took the page. True even of one that was withdrawn meanwhile, for the phone has rung.
    ///
    /// # Errors
    /// `NotFound` for a page that is not here; otherwise when the ledger can't be written.
    pub async fn page_sent(&self, id: PageId, now: Timestamp) -> Result<(), LedgerError> {
        const OPERATION: &str = "record a page as sent";
        let statement = Statement::new(
            OPERATION,
            "UPDATE page SET state = 'sent', sent_at = COALESCE(sent_at, $2), attempts = attempts + 1, error = ''
             WHERE id = $1",
        )
        .id(id)
        .time(now);
        self.touch_page(OPERATION, id, statement).await
    }

    /// A try failed. The next one is due at `next_due`; without one the page is given up. A page that was withdrawn or
    /// sent meanwhile keeps its state.
    ///
    /// # Errors
    /// `NotFound` for a page that is not here; otherwise when the ledger can't be written.
    pub async fn page_failed(&self, id: PageId, error: &str, next_due: Option<Timestamp>) -> Result<(), LedgerError> {
        const OPERATION: &str = "record a page that failed";
        let statement = Statement::new(
            OPERATION,
            "UPDATE page SET attempts = attempts + 1, error = $2, due_at = COALESCE($3, due_at),
                    state = CASE WHEN state <> 'queued' THEN state WHEN $4 = 1 THEN 'failed' ELSE 'queued' END
             WHERE id = $1",
        )
        .id(id)
        .text(error)
        .maybe_time(next_due)
        .flag(next_due.is_none());
        self.touch_page(OPERATION, id, statement).await
    }

    async fn touch_page(&self, operation: &'static str, id: PageId, statement: Statement) -> Result<(), LedgerError> {
        let mut tx = self.engine.write(operation).await?;
        if statement.run(&mut tx).await? == 0 {
            return Err(LedgerError::NotFound {
                operation,
                what: format!("page {id}"),
            });
        }
        commit(tx, operation).await
    }
}

/// All queued pages, the longest waiting first.
pub(crate) async fn queued(tx: &mut Tx, operation: &'static str) -> Result<Vec<Page>, LedgerError> {
    let rows = Statement::new(
        operation,
        concat!(
            "SELECT ",
            columns!(),
            " FROM page WHERE state = 'queued' ORDER BY due_at, id"
        ),
    )
    .rows(tx)
    .await?;
    rows.iter().map(|row| page(&Fields::new(operation, row))).collect()
}

/// One ticket's queued pages, the longest waiting first.
pub(crate) async fn queued_of(
    tx: &mut Tx,
    operation: &'static str,
    ticket: TicketId,
) -> Result<Vec<Page>, LedgerError> {
    let rows = Statement::new(
        operation,
        concat!(
            "SELECT ",
            columns!(),
            " FROM page WHERE state = 'queued' AND ticket = $1 ORDER BY due_at, id"
        ),
    )
    .id(ticket)
    .rows(tx)
    .await?;
    rows.iter().map(|row| page(&Fields::new(operation, row))).collect()
}

/// Takes a page back, if it is still queued.
pub(crate) async fn withdraw(tx: &mut Tx, operation: &'static str, id: PageId) -> Result<(), LedgerError> {
    Statement::new(
        operation,
        "UPDATE page SET state = 'withdrawn' WHERE id = $1 AND state = 'queued'",
    )
    .id(id)
    .run(tx)
    .await?;
    Ok(())
}
