//! Silences, maintenance windows and guarded periods as rows.

use crate::{
    Ledger, LedgerError, cursor,
    engine::Tx,
    statement::{Conditions, Fields, Statement, Value},
};
use serde::Serialize;
use tocsin_desk::{
    planned::{Planned, PlannedKind},
    record::{List, PlannedFilter},
};
use tocsin_vocabulary::PlannedId;

const PLANNED: &str =
    "SELECT id, kind, scope, span, reason, owner, made_by, made_at, told_at, ended_at, ended_by FROM planned";

impl Ledger {
    /// Silences, windows and guarded periods, newest first.
    ///
    /// # Errors
    /// When the cursor is not one of this list, or the ledger can't be read.
    pub async fn planned(&self, filter: &PlannedFilter) -> Result<List<Planned>, LedgerError> {
        const OPERATION: &str = "list planned work";
        let mut conditions = Conditions::default();
        conditions.equal("kind", filter.kind.map(PlannedKind::as_str));
        if filter.open_only {
            conditions.and("ended_at IS NULL", []);
        }
        if let Some((time, id)) = cursor::newest::<PlannedId>(OPERATION, &filter.slice)? {
            conditions.and(
                "(made_at, id) < (?, ?)",
                [Value::Integer(time.as_millis()), Value::Text(id.to_string())],
            );
        }
        let rows = conditions
            .statement(
                OPERATION,
                PLANNED,
                "ORDER BY made_at DESC, id DESC",
                cursor::fetch(&filter.slice),
            )
            .rows(&mut *self.engine.reader(OPERATION).await?)
            .await?;
        let planned = rows
            .iter()
            .map(|row| planned(&Fields::new(OPERATION, row)))
            .collect::<Result<_, _>>()?;
        Ok(cursor::list(planned, &filter.slice, |last: &Planned| {
            cursor::write(&[&last.made_at.as_millis(), &last.id])
        }))
    }
}

/// All that has not ended, oldest first.
pub(crate) async fn open(tx: &mut Tx, operation: &'static str) -> Result<Vec<Planned>, LedgerError> {
    let sql = format!("{PLANNED} WHERE ended_at IS NULL ORDER BY id");
    let rows = Statement::assembled(operation, sql).rows(tx).await?;
    rows.iter().map(|row| planned(&Fields::new(operation, row))).collect()
}

/// Inserts a row, or replaces what changes of it: up to when the desk has done its part, and its end.
pub(crate) async fn put(tx: &mut Tx, operation: &'static str, planned: &Planned) -> Result<(), LedgerError> {
    Statement::new(
        operation,
        "INSERT INTO planned (id, kind, scope, span, reason, owner, made_by, made_at, told_at, ended_at, ended_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (id) DO UPDATE SET
             told_at = excluded.told_at, ended_at = excluded.ended_at, ended_by = excluded.ended_by",
    )
    .id(planned.id)
    .text(planned.kind.as_str())
    .text(&json(operation, "scope", &planned.scope)?)
    .text(&json(operation, "span", &planned.span)?)
    .text(&planned.reason)
    .maybe_id(planned.owner)
    .text(&planned.made_by)
    .time(planned.made_at)
    .maybe_time(planned.told_at)
    .maybe_time(planned.ended_at)
    .maybe_text(planned.ended_by.as_deref())
    .run(tx)
    .await?;
    Ok(())
}

fn planned(fields: &Fields<'_>) -> Result<Planned, LedgerError> {
    Ok(Planned {
        id: fields.parsed("id")?,
        kind: fields.word("kind", PlannedKind::parse)?,
        scope: fields.json("scope")?,
        span: fields.json("span")?,
        reason: fields.text("reason")?,
        owner: fields.maybe_parsed("owner")?,
        made_by: fields.text("made_by")?,
        made_at: fields.time("made_at")?,
        told_at: fields.maybe_time("told_at")?,
        ended_at: fields.maybe_time("ended_at")?,
        ended_by: fields.maybe_text("ended_by")?,
    })
}

/// A value as the text of a column.
pub(crate) fn json(
    operation: &'static str,
    column: &'static str,
    value: &impl Serialize,
) -> Result<String, LedgerError> {
    serde_json::to_string(value).map_err(|error| LedgerError::Row {
        operation,
        column,
        what: error.to_string(),
    })
}
