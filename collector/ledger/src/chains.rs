//! Escalation chains: the one that new tickets get, and those of tickets.

use crate::{
    Ledger, LedgerError, audit,
    engine::{Tx, commit},
    rosters::json,
    statement::{Fields, Statement},
    tickets::LIVE,
};
use sqlx::any::AnyRow;
use tocsin_desk::{
    escalation::{Chain, Frozen},
    record::AuditLine,
};
use tocsin_vocabulary::{TicketId, Timestamp};

impl Ledger {
    /// The chain that new tickets get; none when nobody ever set one.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn escalation_chain(&self) -> Result<Option<Chain>, LedgerError> {
        const OPERATION: &str = "read the escalation chain";
        let row = Statement::new(
            OPERATION,
            "SELECT chain FROM escalation_chain ORDER BY updated_at DESC LIMIT 1",
        )
        .row(&mut *self.engine.reader(OPERATION).await?)
        .await?;
        row.map(|row| Fields::new(OPERATION, &row).json("chain")).transpose()
    }

    /// Sets the chain that new tickets get.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn set_escalation_chain(
        &self,
        chain: &Chain,
        by: &str,
        now: Timestamp,
        lines: &[AuditLine],
    ) -> Result<(), LedgerError> {
        const OPERATION: &str = "set the escalation chain";
        let mut tx = self.engine.write(OPERATION).await?;
        Statement::new(OPERATION, "DELETE FROM escalation_chain")
            .run(&mut tx)
            .await?;
        Statement::new(
            OPERATION,
            "INSERT INTO escalation_chain (name, chain, updated_at, updated_by) VALUES ($1, $2, $3, $4)",
        )
        .text(&chain.name)
        .text(&json(OPERATION, chain)?)
        .time(now)
        .text(by)
        .run(&mut tx)
        .await?;
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await
    }
}

/// The chains of live tickets, by ticket.
pub(crate) async fn live(tx: &mut Tx, operation: &'static str) -> Result<Vec<Frozen>, LedgerError> {
    let sql = format!(
        "SELECT ticket, chain, acted_at, nudges FROM ticket_chain
         WHERE ticket IN (SELECT id FROM ticket WHERE {LIVE}) ORDER BY ticket"
    );
    let rows = Statement::assembled(operation, sql).rows(tx).await?;
    rows.iter().map(|row| frozen(operation, row)).collect()
}

/// The chain of one ticket.
pub(crate) async fn of(tx: &mut Tx, operation: &'static str, ticket: TicketId) -> Result<Vec<Frozen>, LedgerError> {
    let sql = "SELECT ticket, chain, acted_at, nudges FROM ticket_chain WHERE ticket = $1";
    let rows = Statement::new(operation, sql).id(ticket).rows(tx).await?;
    rows.iter().map(|row| frozen(operation, row)).collect()
}

/// Writes a ticket's chain; of one that is there only how it goes on.
pub(crate) async fn put(tx: &mut Tx, operation: &'static str, frozen: &Frozen) -> Result<(), LedgerError> {
    Statement::new(
        operation,
        "INSERT INTO ticket_chain (ticket, chain, acted_at, nudges) VALUES ($1, $2, $3, $4)
         ON CONFLICT (ticket) DO UPDATE SET acted_at = excluded.acted_at, nudges = excluded.nudges",
    )
    .id(frozen.ticket)
    .text(&json(operation, &frozen.chain)?)
    .time(frozen.acted_at)
    .integer(frozen.nudges.into())
    .run(tx)
    .await?;
    Ok(())
}

fn frozen(operation: &'static str, row: &AnyRow) -> Result<Frozen, LedgerError> {
    let fields = Fields::new(operation, row);
    Ok(Frozen {
        ticket: fields.parsed("ticket")?,
        chain: fields.json("chain")?,
        acted_at: fields.time("acted_at")?,
        nudges: fields.number("nudges")?,
    })
}
