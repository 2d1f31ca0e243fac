//! Rosters with their overrides and swaps.

use crate::{
    Ledger, LedgerError, audit,
    engine::{Tx, commit},
    statement::{Fields, Statement},
};
use serde::Serialize;
use sqlx::any::AnyRow;
use std::collections::BTreeMap;
use tocsin_desk::{
    record::AuditLine,
    roster::{Consent, Exchange, Roster},
};
use tocsin_vocabulary::Timestamp;

/// Most exchanges that are read: a year of daily swaps.
const EXCHANGES_MAX: i64 = 1_000;

impl Ledger {
    /// All rosters, by name.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn rosters(&self) -> Result<Vec<Roster>, LedgerError> {
        const OPERATION: &str = "list rosters";
        let rows = Statement::new(OPERATION, "SELECT plan FROM roster")
            .rows(&mut *self.engine.reader(OPERATION).await?)
            .await?;
        let plans = rows.iter().map(|row| Fields::new(OPERATION, row).json("plan"));
        let mut plans: Vec<Roster> = plans.collect::<Result<_, _>>()?;
        plans.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(plans)
    }

    /// When each roster was last written, by name.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn roster_times(&self) -> Result<BTreeMap<String, Timestamp>, LedgerError> {
        const OPERATION: &str = "read when rosters were written";
        let rows = Statement::new(OPERATION, "SELECT name, updated_at FROM roster")
            .rows(&mut *self.engine.reader(OPERATION).await?)
            .await?;
        rows.iter()
            .map(|row| {
                let fields = Fields::new(OPERATION, row);
                Ok((fields.text("name")?, fields.time("updated_at")?))
            })
            .collect()
    }

    /// Enters a roster, or replaces the one of that name.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn put_roster(
        &self,
        roster: &Roster,
        by: &str,
        now: Timestamp,
        lines: &[AuditLine],
    ) -> Result<(), LedgerError> {
        const OPERATION: &str = "write a roster";
        let mut tx = self.engine.write(OPERATION).await?;
        Statement::new(
            OPERATION,
            "INSERT INTO roster (name, plan, updated_at, updated_by) VALUES ($1, $2, $3, $4)
             ON CONFLICT (name) DO UPDATE SET plan = excluded.plan, updated_at = excluded.updated_at,
                 updated_by = excluded.updated_by",
        )
        .text(&roster.name)
        .text(&json(OPERATION, roster)?)
        .time(now)
        .text(by)
        .run(&mut tx)
        .await?;
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await
    }

    /// Overrides and swaps that end after `from`, in the order in which they were asked.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn exchanges(&self, from: Timestamp) -> Result<Vec<Exchange>, LedgerError> {
        const OPERATION: &str = "list exchanges of duty";
        let rows = Statement::new(
            OPERATION,
            "SELECT id, roster, moves, reason, asked_by, asked_at, needs, consent, answered_at FROM exchange
             WHERE ends_at > $1 ORDER BY id LIMIT $2",
        )
        .time(from)
        .integer(EXCHANGES_MAX)
        .rows(&mut *self.engine.reader(OPERATION).await?)
        .await?;
        rows.iter().map(|row| exchange(OPERATION, row)).collect()
    }

    /// Enters an override or a swap, whose id is given here.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn enter_exchange(&self, exchange: &Exchange, lines: &[AuditLine]) -> Result<u64, LedgerError> {
        const OPERATION: &str = "enter an exchange of duty";
        let mut tx = self.engine.write(OPERATION).await?;
        let id = next(&mut tx, OPERATION, "exchange").await?;
        let ends = exchange
            .moves
            .iter()
            .map(|one| one.to)
            .max()
            .unwrap_or(exchange.asked_at);
        Statement::new(
            OPERATION,
            "INSERT INTO exchange (id, roster, moves, ends_at, reason, asked_by, asked_at, needs, consent, answered_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .count(id)
        .text(&exchange.roster)
        .text(&json(OPERATION, &exchange.moves)?)
        .time(ends)
        .text(&exchange.reason)
        .text(&exchange.asked_by)
        .time(exchange.asked_at)
        .maybe_text(exchange.needs.as_deref())
        .text(exchange.consent.as_str())
        .maybe_time(exchange.answered_at)
        .run(&mut tx)
        .await?;
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await?;
        Ok(id)
    }

    /// Answers a swap that waits; only the person whose consent it needs can.
    ///
    /// # Errors
    /// `NotFound` when no such swap waits for this person; otherwise when the ledger can't be written.
    pub async fn answer_exchange(
        &self,
        id: u64,
        consent: Consent,
        login: &str,
        now: Timestamp,
        lines: &[AuditLine],
    ) -> Result<(), LedgerError> {
        const OPERATION: &str = "answer a swap";
        let mut tx = self.engine.write(OPERATION).await?;
        let changed = Statement::new(
            OPERATION,
            "UPDATE exchange SET consent = $2, answered_at = $3 WHERE id = $1 AND needs = $4 AND consent = 'asked'",
        )
        .count(id)
        .text(consent.as_str())
        .time(now)
        .text(login)
        .run(&mut tx)
        .await?;
        if changed == 0 {
            return Err(LedgerError::NotFound {
                operation: OPERATION,
                what: format!("swap {id} that waits for `{login}`"),
            });
        }
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await
    }
}

fn exchange(operation: &'static str, row: &AnyRow) -> Result<Exchange, LedgerError> {
    let fields = Fields::new(operation, row);
    Ok(Exchange {
        id: fields.number("id")?,
        roster: fields.text("roster")?,
        moves: fields.json("moves")?,
        reason: fields.text("reason")?,
        asked_by: fields.text("asked_by")?,
        asked_at: fields.time("asked_at")?,
        needs: fields.maybe_text("needs")?,
        consent: fields.word("consent", Consent::parse)?,
        answered_at: fields.maybe_time("answered_at")?,
    })
}

/// The next number of a counter. Its row makes writers take turns.
pub(crate) async fn next(tx: &mut Tx, operation: &'static str, counter: &'static str) -> Result<u64, LedgerError> {
    let row = Statement::new(
        operation,
        "UPDATE counter SET value = value + 1 WHERE name = $1 RETURNING value",
    )
    .text(counter)
    .row(tx)
    .await?;
    let row = row.ok_or_else(|| LedgerError::NotFound {
        operation,
        what: format!("counter {counter}"),
    })?;
    Fields::new(operation, &row).number("value")
}

/// A value as JSON.
pub(crate) fn json(operation: &'static str, value: &impl Serialize) -> Result<String, LedgerError> {
    serde_json::to_string(value).map_err(|error| LedgerError::Invalid {
        operation,
        what: error.to_string(),
    })
}
