//! Alerts whose telling is withheld, storms, and what people were paged of late.

use crate::{
    Ledger, LedgerError,
    engine::Tx,
    planned::{self, json},
    statement::{Fields, Statement},
    tickets::LIVE,
};
use tocsin_desk::{
    digest::Budget,
    effect::QuietRows,
    storm::Storm,
    withheld::{Cause, Outcome, Withheld},
};
use tocsin_vocabulary::{AlertId, FaultId, TicketId};

/// Rows that a page can show.
const SHOWN_MAX: i64 = 500;

const WITHHELD: &str = "SELECT alert, asset, cause, by_what, fault, since, until, ended_at, outcome FROM withheld";
const STORM: &str = "SELECT fault, rule, site, site_name, begun_at FROM storm";

impl Ledger {
    /// Alerts whose telling is withheld now, oldest first; at most 500.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn withheld(&self) -> Result<Vec<Withheld>, LedgerError> {
        const OPERATION: &str = "list withheld alerts";
        let sql = format!("{WITHHELD} WHERE ended_at IS NULL ORDER BY alert LIMIT {SHOWN_MAX}");
        let rows = Statement::assembled(OPERATION, sql)
            .rows(&mut *self.engine.reader(OPERATION).await?)
            .await?;
        rows.iter().map(|row| withheld(&Fields::new(OPERATION, row))).collect()
    }

    /// Alerts that are withheld now because the fault of a ticket explains them, oldest first; at most 500.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn withheld_under(&self, ticket: TicketId) -> Result<Vec<Withheld>, LedgerError> {
        const OPERATION: &str = "list the alerts that a ticket explains";
        let sql = format!(
            "{WITHHELD} WHERE ended_at IS NULL AND fault IN (SELECT id FROM fault WHERE ticket = $1)
             ORDER BY alert LIMIT {SHOWN_MAX}"
        );
        let rows = Statement::assembled(OPERATION, sql)
            .id(ticket)
            .rows(&mut *self.engine.reader(OPERATION).await?)
            .await?;
        rows.iter().map(|row| withheld(&Fields::new(OPERATION, row))).collect()
    }

    /// Why, since when and until when an alert was withheld the last time; none when it never was.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn withheld_of(&self, alert: AlertId) -> Result<Option<Withheld>, LedgerError> {
        const OPERATION: &str = "read why an alert was withheld";
        let row = Statement::assembled(OPERATION, format!("{WITHHELD} WHERE alert = $1"))
            .id(alert)
            .row(&mut *self.engine.reader(OPERATION).await?)
            .await?;
        row.map(|row| withheld(&Fields::new(OPERATION, &row))).transpose()
    }
}

/// What the desk keeps in RAM of all this.
pub(crate) async fn load(tx: &mut Tx, operation: &'static str) -> Result<QuietRows, LedgerError> {
    let sql = format!("{WITHHELD} WHERE ended_at IS NULL ORDER BY alert");
    let rows = Statement::assembled(operation, sql).rows(tx).await?;
    let withheld = rows.iter().map(|row| withheld(&Fields::new(operation, row)));
    let withheld = withheld.collect::<Result<_, _>>()?;
    let sql = format!("{STORM} WHERE fault IN (SELECT fault FROM ticket WHERE {LIVE}) ORDER BY fault");
    let rows = Statement::assembled(operation, sql).rows(tx).await?;
    let storms = rows.iter().map(|row| storm(&Fields::new(operation, row)));
    let storms = storms.collect::<Result<_, _>>()?;
    let rows = Statement::new(operation, "SELECT state FROM page_budget ORDER BY person")
        .rows(tx)
        .await?;
    let budgets = rows.iter().map(|row| Fields::new(operation, row).json("state"));
    Ok(QuietRows {
        planned: planned::open(tx, operation).await?,
        withheld,
        storms,
        budgets: budgets.collect::<Result<_, _>>()?,
    })
}

/// The storm that a fault is.
pub(crate) async fn storm_of(
    tx: &mut Tx,
    operation: &'static str,
    fault: FaultId,
) -> Result<Option<Storm>, LedgerError> {
    let row = Statement::assembled(operation, format!("{STORM} WHERE fault = $1"))
        .id(fault)
        .row(tx)
        .await?;
    row.map(|row| storm(&Fields::new(operation, &row))).transpose()
}

/// Writes what a step touched. Faults and alerts must have been written before.
pub(crate) async fn put(tx: &mut Tx, operation: &'static str, rows: &QuietRows) -> Result<(), LedgerError> {
    for row in &rows.planned {
        planned::put(tx, operation, row).await?;
    }
    for row in &rows.withheld {
        put_withheld(tx, operation, row).await?;
    }
    for row in &rows.storms {
        put_storm(tx, operation, row).await?;
    }
    for row in &rows.budgets {
        put_budget(tx, operation, row).await?;
    }
    Ok(())
}

async fn put_withheld(tx: &mut Tx, operation: &'static str, row: &Withheld) -> Result<(), LedgerError> {
    Statement::new(
        operation,
        "INSERT INTO withheld (alert, asset, cause, by_what, fault, since, until, ended_at, outcome)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (alert) DO UPDATE SET
             asset = excluded.asset, cause = excluded.cause, by_what = excluded.by_what, fault = excluded.fault,
             since = excluded.since, until = excluded.until, ended_at = excluded.ended_at, outcome = excluded.outcome",
    )
    .id(row.alert)
    .text(&json(operation, "asset", &row.asset)?)
    .text(row.cause.as_str())
    .text(&row.by)
    .maybe_id(row.fault)
    .time(row.since)
    .maybe_time(row.until)
    .maybe_time(row.ended_at)
    .maybe_text(row.outcome.map(Outcome::as_str))
    .run(tx)
    .await?;
    Ok(())
}

async fn put_storm(tx: &mut Tx, operation: &'static str, row: &Storm) -> Result<(), LedgerError> {
    Statement::new(
        operation,
        "INSERT INTO storm (fault, rule, site, site_name, begun_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (fault) DO NOTHING",
    )
    .id(row.fault)
    .text(&row.rule)
    .id(row.site)
    .text(&row.site_name)
    .time(row.begun_at)
    .run(tx)
    .await?;
    Ok(())
}

async fn put_budget(tx: &mut Tx, operation: &'static str, row: &Budget) -> Result<(), LedgerError> {
    Statement::new(
        operation,
        "INSERT INTO page_budget (person, state) VALUES ($1, $2)
         ON CONFLICT (person) DO UPDATE SET state = excluded.state",
    )
    .id(row.person)
    .text(&json(operation, "state", row)?)
    .run(tx)
    .await?;
    Ok(())
}

fn withheld(fields: &Fields<'_>) -> Result<Withheld, LedgerError> {
    Ok(Withheld {
        alert: fields.parsed("alert")?,
        asset: fields.json("asset")?,
        cause: fields.word("cause", Cause::parse)?,
        by: fields.text("by_what")?,
        fault: fields.maybe_parsed("fault")?,
        since: fields.time("since")?,
        until: fields.maybe_time("until")?,
        ended_at: fields.maybe_time("ended_at")?,
        outcome: fields
            .maybe_text("outcome")?
            .map(|word| Outcome::parse(&word).ok_or_else(|| fields.strange("outcome", word)))
            .transpose()?,
    })
}

fn storm(fields: &Fields<'_>) -> Result<Storm, LedgerError> {
    Ok(Storm {
        fault: fields.parsed("fault")?,
        rule: fields.text("rule")?,
        site: fields.parsed("site")?,
        site_name: fields.text("site_name")?,
        begun_at: fields.time("begun_at")?,
    })
}
