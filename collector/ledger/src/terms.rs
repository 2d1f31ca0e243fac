//! Terms beside tickets' clocks: which are open, and what was told of them.

use crate::{
    Ledger, LedgerError,
    engine::commit,
    pages,
    sheets::steps,
    statement::{Fields, Statement},
    tickets::{COLUMNS, with_clocks},
};
use tocsin_desk::{
    defect::Signed,
    model::{Page, Ticket},
};
use tocsin_vocabulary::Timestamp;

/// Complaints that are looked at; a site has a handful.
const COMPLAINTS_MAX: i64 = 1_000;

impl Ledger {
    /// Complaints that were opened after `since` and came to no other end than being answered, newest first, each with its
    /// signed steps.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn complaints(&self, since: Timestamp) -> Result<Vec<(Ticket, Vec<Signed>)>, LedgerError> {
        const OPERATION: &str = "read complaints";
        let mut tx = self.engine.snapshot(OPERATION).await?;
        let sql = format!(
            "{COLUMNS} WHERE kind = 'complaint' AND opened_at > $1 AND state NOT IN ('merged', 'cancelled')
             ORDER BY number DESC LIMIT $2"
        );
        let rows = Statement::assembled(OPERATION, sql)
            .time(since)
            .integer(COMPLAINTS_MAX)
            .rows(&mut tx)
            .await?;
        let mut complaints = Vec::new();
        for ticket in with_clocks(&mut tx, OPERATION, &rows).await? {
            let signed = steps(&mut tx, OPERATION, ticket.id).await?;
            complaints.push((ticket, signed));
        }
        commit(tx, OPERATION).await?;
        Ok(complaints)
    }

    /// The greatest share that was told of a term, in percent.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn told_of(&self, term: &str) -> Result<Option<u8>, LedgerError> {
        const OPERATION: &str = "read what was told of a term";
        let row = Statement::new(
            OPERATION,
            "SELECT percent FROM term_told WHERE term = $1 ORDER BY percent DESC LIMIT 1",
        )
        .text(term)
        .row(&mut *self.engine.reader(OPERATION).await?)
        .await?;
        row.map(|row| Fields::new(OPERATION, &row).number("percent"))
            .transpose()
    }

    /// Writes that a share of a term is told, with the pages that tell it, in one transaction; false when it was told before,
    /// and then nothing is written.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn tell_term(
        &self,
        term: &str,
        percent: u8,
        pages: &[Page],
        now: Timestamp,
    ) -> Result<bool, LedgerError> {
        const OPERATION: &str = "write what is told of a term";
        let mut tx = self.engine.write(OPERATION).await?;
        let fresh = Statement::new(
            OPERATION,
            "INSERT INTO term_told (term, percent, at) VALUES ($1, $2, $3) ON CONFLICT (term, percent) DO NOTHING",
        )
        .text(term)
        .integer(percent.into())
        .time(now)
        .run(&mut tx)
        .await?;
        if fresh == 0 {
            return Ok(false);
        }
        for page in pages {
            pages::put(&mut tx, OPERATION, page).await?;
        }
        commit(tx, OPERATION).await?;
        Ok(true)
    }
}
