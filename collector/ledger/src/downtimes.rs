//! Downtimes with everything that was said of them, and how they moved the ends of maintenance.

use crate::{
    Ledger, LedgerError, audit,
    engine::{Tx, commit},
    registers,
    rosters::{json, next},
    statement::{Conditions, Fields, Statement, Value},
};
use std::collections::BTreeMap;
use tocsin_desk::{
    account::{
        downtime::{Downtime, DowntimeFilter, Line},
        extension::{self, Extension, Maintenance, Moved},
    },
    record::AuditLine,
    register::{Book, begins},
};
use tocsin_vocabulary::{ContractId, Timestamp};

/// Most downtimes that a list tells, newest first: some years of a large site.
pub const DOWNTIMES_MAX: i64 = 5_000;

const DOWNTIME: &str = "SELECT downtime.id AS id, ticket, downtime.customer AS customer, downtime.contract AS contract,
    contract.name AS contract_name, asset, asset.name AS asset_name
    FROM downtime JOIN contract ON contract.id = downtime.contract JOIN asset ON asset.id = downtime.asset";

impl Ledger {
    /// Downtimes, newest first, at most [`DOWNTIMES_MAX`].
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn downtimes(&self, filter: &DowntimeFilter) -> Result<Vec<Downtime>, LedgerError> {
        const OPERATION: &str = "list downtimes";
        let mut tx = self.engine.snapshot(OPERATION).await?;
        let found = read(&mut tx, OPERATION, filter, DOWNTIMES_MAX).await?;
        commit(tx, OPERATION).await?;
        Ok(found)
    }

    /// Enters downtimes with their first lines, all or none; their ids are given here, in their order.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn enter_downtimes(
        &self,
        downtimes: &[Downtime],
        by: &str,
        now: Timestamp,
        lines: &[AuditLine],
    ) -> Result<Vec<u64>, LedgerError> {
        const OPERATION: &str = "enter a downtime";
        let mut tx = self.engine.write(OPERATION).await?;
        let mut ids = Vec::new();
        for downtime in downtimes {
            let id = next(&mut tx, OPERATION, "downtime").await?;
            const SQL: &str =
                "INSERT INTO downtime (id, ticket, customer, contract, asset) VALUES ($1, $2, $3, $4, $5)";
            let enter = Statement::new(OPERATION, SQL).count(id).maybe_count(downtime.ticket);
            let enter = enter.id(downtime.customer).id(downtime.contract).id(downtime.asset);
            enter.run(&mut tx).await?;
            for line in &downtime.lines {
                put_line(&mut tx, OPERATION, id, line).await?;
            }
            settle(&mut tx, OPERATION, downtime.contract, Some(id), by, now).await?;
            ids.push(id);
        }
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await?;
        Ok(ids)
    }

    /// Adds a line to a downtime, and moves the end of its contract's maintenance if it does that.
    ///
    /// # Errors
    /// `Conflict` when the downtime has a line of this number already; otherwise when the ledger can't be written.
    pub async fn add_downtime_line(
        &self,
        downtime: &Downtime,
        line: &Line,
        lines: &[AuditLine],
    ) -> Result<(), LedgerError> {
        const OPERATION: &str = "write about a downtime";
        let mut tx = self.engine.write(OPERATION).await?;
        put_line(&mut tx, OPERATION, downtime.id, line).await?;
        let cause = Some(downtime.id);
        settle(&mut tx, OPERATION, downtime.contract, cause, &line.by, line.at).await?;
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await
    }

    /// How the end of a contract's maintenance moved, oldest first.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn contract_moves(&self, contract: ContractId) -> Result<Vec<Moved>, LedgerError> {
        const OPERATION: &str = "read how a contract's end moved";
        moves(&mut *self.engine.reader(OPERATION).await?, OPERATION, contract).await
    }
}

async fn moves(
    connection: &mut sqlx::AnyConnection,
    operation: &'static str,
    contract: ContractId,
) -> Result<Vec<Moved>, LedgerError> {
    let all = Statement::new(
        operation,
        "SELECT body FROM contract_move WHERE contract = $1 ORDER BY seq",
    )
    .id(contract);
    all.all(connection, |fields| fields.json("body")).await
}

async fn read(
    tx: &mut Tx,
    operation: &'static str,
    filter: &DowntimeFilter,
    limit: i64,
) -> Result<Vec<Downtime>, LedgerError> {
    let of = || {
        let mut conditions = Conditions::default();
        conditions.equal("downtime.customer", filter.customer);
        conditions.equal("downtime.contract", filter.contract);
        if let Some(ticket) = filter.ticket {
            let ticket = i64::try_from(ticket).unwrap_or(i64::MAX);
            conditions.and("downtime.ticket = ?", [Value::Integer(ticket)]);
        }
        if let Some(id) = filter.id {
            let id = i64::try_from(id).unwrap_or(i64::MAX);
            conditions.and("downtime.id = ?", [Value::Integer(id)]);
        }
        conditions
    };
    let all = of().statement(operation, DOWNTIME, "ORDER BY downtime.id DESC", limit);
    let mut found = all.all(tx, downtime).await?;
    let mut lines: BTreeMap<u64, Vec<Line>> = BTreeMap::new();
    const LINES: &str = "SELECT downtime, seq, at, by_whom, turn
        FROM downtime_line JOIN downtime ON downtime.id = downtime_line.downtime";
    let all = of().statement(operation, LINES, "ORDER BY downtime, seq", i64::MAX);
    for (id, line) in all
        .all(tx, |fields| Ok((fields.number("downtime")?, line(fields)?)))
        .await?
    {
        lines.entry(id).or_default().push(line);
    }
    for one in &mut found {
        one.lines = lines.remove(&one.id).unwrap_or_default();
    }
    Ok(found)
}

fn downtime(fields: &Fields<'_>) -> Result<Downtime, LedgerError> {
    Ok(Downtime {
        id: fields.number("id")?,
        ticket: fields.maybe_number("ticket")?,
        customer: fields.parsed("customer")?,
        contract: fields.parsed("contract")?,
        contract_name: fields.text("contract_name")?,
        asset: fields.parsed("asset")?,
        asset_name: fields.text("asset_name")?,
        lines: Vec::new(),
    })
}

fn line(fields: &Fields<'_>) -> Result<Line, LedgerError> {
    Ok(Line {
        seq: fields.number("seq")?,
        at: fields.time("at")?,
        by: fields.text("by_whom")?,
        turn: fields.json("turn")?,
    })
}

async fn put_line(tx: &mut Tx, operation: &'static str, downtime: u64, line: &Line) -> Result<(), LedgerError> {
    Statement::new(
        operation,
        "INSERT INTO downtime_line (downtime, seq, at, by_whom, turn) VALUES ($1, $2, $3, $4, $5)",
    )
    .count(downtime)
    .count(line.seq)
    .time(line.at)
    .text(&line.by)
    .text(&json(operation, &line.turn)?)
    .run(tx)
    .await?;
    Ok(())
}

/// Moves the end of a contract's maintenance to where its days, its rounding and its downtimes put it. A move that changes
/// nothing is not written.
pub(crate) async fn settle(
    tx: &mut Tx,
    operation: &'static str,
    contract: ContractId,
    downtime: Option<u64>,
    by: &str,
    now: Timestamp,
) -> Result<(), LedgerError> {
    let id = contract.to_string();
    let rows = registers::rows(tx, operation, Book::Contracts).await?;
    let Some(row) = rows.iter().find(|row| row.id == id) else {
        return Ok(());
    };
    let maintenance = Maintenance::of_row(row);
    let filter = DowntimeFilter {
        contract: Some(contract),
        ..DowntimeFilter::default()
    };
    let downtimes = read(tx, operation, &filter, i64::MAX).await?;
    let after = extension::of(&maintenance, &downtimes);
    let made = moves(tx, operation, contract).await?;
    let signed = Extension {
        ends_on: maintenance.ends_on,
        ..Extension::default()
    };
    let before = made.last().map_or(signed, |last| last.after);
    if before != after {
        let moved = Moved {
            seq: made.len() as u64 + 1,
            at: now,
            by: by.to_owned(),
            downtime,
            rounding: maintenance.rounding,
            before,
            after,
        };
        Statement::new(
            operation,
            "INSERT INTO contract_move (contract, seq, body) VALUES ($1, $2, $3)",
        )
        .id(contract)
        .count(moved.seq)
        .text(&json(operation, &moved)?)
        .run(tx)
        .await?;
    }
    Statement::new(operation, "UPDATE contract SET ends_at = $2 WHERE id = $1")
        .id(contract)
        .maybe_time(after.ends_on.and_then(|day| begins(&day.to_string())))
        .run(tx)
        .await?;
    Ok(())
}
