//! What tickets remember of their times, the interval log, and the versions of calendars and policies that it names.

use crate::{
    Ledger, LedgerError,
    engine::{Tx, commit},
    statement::{Conditions, Fields, Statement, Value},
};
use sqlx::AnyConnection;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};
use tocsin_desk::{
    calendar::{Calendar, CalendarSpec, Holidays, YearFile},
    clocks::{Book, ContractTerms, Fired, Mark, MarkKind, Reckoning},
    model::ClockKind,
};
use tocsin_vocabulary::{ContractId, Level, TicketId, Timestamp};

impl Ledger {
    /// What the register says of every contract's terms.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn contract_terms(&self) -> Result<BTreeMap<ContractId, ContractTerms>, LedgerError> {
        const OPERATION: &str = "read the contracts' terms";
        let rows = Statement::new(
            OPERATION,
            "SELECT id, policy, grade, service_hours, warranty_until FROM contract",
        )
        .rows(&mut *self.engine.reader(OPERATION).await?)
        .await?;
        rows.iter()
            .map(|row| {
                let fields = Fields::new(OPERATION, row);
                let terms = ContractTerms {
                    policy: fields.text("policy")?,
                    grade: fields.text("grade")?,
                    service_hours: fields.text("service_hours")?,
                    warranty_until: fields.maybe_time("warranty_until")?,
                };
                Ok((fields.parsed("id")?, terms))
            })
            .collect()
    }

    /// A ticket's interval log, oldest first.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn marks(&self, ticket: TicketId) -> Result<Vec<Mark>, LedgerError> {
        const OPERATION: &str = "read a ticket's interval log";
        let rows = Statement::new(
            OPERATION,
            "SELECT ticket, seq, clock, rung, level, kind, at, entered_at, due_at, policy_version, calendar_version
             FROM ticket_mark WHERE ticket = $1 ORDER BY seq",
        )
        .id(ticket)
        .rows(&mut *self.engine.reader(OPERATION).await?)
        .await?;
        rows.iter().map(|row| mark(&Fields::new(OPERATION, row))).collect()
    }

    /// Keeps the content of every calendar and policy of a book, so that what is counted by them can be counted again
    /// when they have changed.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn keep_versions(&self, book: &Book, now: Timestamp) -> Result<(), LedgerError> {
        const OPERATION: &str = "keep the versions of calendars and policies";
        let mut tx = self.engine.write(OPERATION).await?;
        let files: Vec<_> = book.calendars().holidays().files().collect();
        let holidays = json(OPERATION, &files)?;
        for calendar in book.calendars().iter() {
            Statement::new(
                OPERATION,
                "INSERT INTO calendar_version (version, name, spec, holidays, first_used_at) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (version) DO NOTHING",
            )
            .text(calendar.version())
            .text(calendar.name())
            .text(&json(OPERATION, calendar.spec())?)
            .text(&holidays)
            .time(now)
            .run(&mut tx)
            .await?;
        }
        for (policy, version) in book.policies() {
            Statement::new(
                OPERATION,
                "INSERT INTO policy_version (version, name, content, first_used_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (version) DO NOTHING",
            )
            .text(version)
            .text(&policy.name)
            .text(&json(OPERATION, policy)?)
            .time(now)
            .run(&mut tx)
            .await?;
        }
        commit(tx, OPERATION).await
    }

    /// A calendar as it was in one version; none when no ticket was ever counted by it.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn calendar_version(&self, version: &str) -> Result<Option<Calendar>, LedgerError> {
        const OPERATION: &str = "read a version of a calendar";
        let row = Statement::new(
            OPERATION,
            "SELECT name, spec, holidays FROM calendar_version WHERE version = $1",
        )
        .text(version)
        .row(&mut *self.engine.reader(OPERATION).await?)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let fields = Fields::new(OPERATION, &row);
        let spec: CalendarSpec = fields.json("spec")?;
        let files: Vec<YearFile> = fields.json("holidays")?;
        let holidays = Arc::new(Holidays::of(files));
        Ok(Some(Calendar::new(&fields.text("name")?, spec, holidays)))
    }
}

/// Writes what a ticket remembers.
pub(crate) async fn put_reckoning(
    tx: &mut Tx,
    operation: &'static str,
    ticket: TicketId,
    reckoning: &Reckoning,
) -> Result<(), LedgerError> {
    Statement::new(
        operation,
        "INSERT INTO ticket_reckoning (ticket, state) VALUES ($1, $2)
         ON CONFLICT (ticket) DO UPDATE SET state = excluded.state",
    )
    .id(ticket)
    .text(&json(operation, reckoning)?)
    .run(tx)
    .await?;
    Ok(())
}

/// Appends to an interval log.
pub(crate) async fn put_mark(tx: &mut Tx, operation: &'static str, mark: &Mark) -> Result<(), LedgerError> {
    Statement::new(
        operation,
        "INSERT INTO ticket_mark (ticket, seq, clock, rung, level, kind, at, entered_at, due_at, policy_version,
                                  calendar_version)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .id(mark.ticket)
    .count(mark.seq)
    .text(mark.clock.as_str())
    .integer(mark.rung.into())
    .integer(mark.level.rank().into())
    .text(mark.kind.as_str())
    .time(mark.at)
    .time(mark.entered_at)
    .time(mark.due_at)
    .text(&mark.policy_version)
    .text(&mark.calendar_version)
    .run(tx)
    .await?;
    Ok(())
}

/// Writes that people are told of a share of a target. A second row for the same share is a conflict.
pub(crate) async fn put_fired(
    tx: &mut Tx,
    operation: &'static str,
    (ticket, fired, at): &(TicketId, Fired, Timestamp),
) -> Result<(), LedgerError> {
    Statement::new(
        operation,
        "INSERT INTO ticket_fired (ticket, clock, rung, percent, at) VALUES ($1, $2, $3, $4, $5)",
    )
    .id(ticket)
    .text(fired.clock.as_str())
    .integer(fired.rung.into())
    .integer(fired.percent.into())
    .time(*at)
    .run(tx)
    .await?;
    Ok(())
}

/// What these tickets remember; those from before there was anything to remember are missing.
pub(crate) async fn reckonings(
    connection: &mut AnyConnection,
    operation: &'static str,
    tickets: impl ExactSizeIterator<Item = TicketId>,
) -> Result<BTreeMap<TicketId, Reckoning>, LedgerError> {
    let most = i64::try_from(tickets.len()).unwrap_or(i64::MAX);
    let mut conditions = Conditions::default();
    let marks = vec!["?"; tickets.len()].join(", ");
    conditions.and(
        &format!("ticket IN ({marks})"),
        tickets.map(|ticket| Value::Text(ticket.to_string())),
    );
    conditions
        .statement(operation, "SELECT ticket, state FROM ticket_reckoning", "", most)
        .rows(connection)
        .await?
        .iter()
        .map(|row| reckoning(&Fields::new(operation, row)))
        .collect()
}

/// What live tickets remember; `of_live` is the condition.
pub(crate) async fn live_reckonings(
    connection: &mut AnyConnection,
    operation: &'static str,
    of_live: &str,
) -> Result<HashMap<TicketId, Reckoning>, LedgerError> {
    let sql = format!("SELECT ticket, state FROM ticket_reckoning {of_live}");
    let rows = Statement::assembled(operation, sql).rows(connection).await?;
    rows.iter().map(|row| reckoning(&Fields::new(operation, row))).collect()
}

fn reckoning(fields: &Fields<'_>) -> Result<(TicketId, Reckoning), LedgerError> {
    Ok((fields.parsed("ticket")?, fields.json("state")?))
}

fn mark(fields: &Fields<'_>) -> Result<Mark, LedgerError> {
    Ok(Mark {
        ticket: fields.parsed("ticket")?,
        seq: fields.number("seq")?,
        clock: fields.word("clock", ClockKind::parse)?,
        rung: fields.number("rung")?,
        level: Level::new(fields.number("level")?),
        kind: fields.word("kind", MarkKind::parse)?,
        at: fields.time("at")?,
        entered_at: fields.time("entered_at")?,
        due_at: fields.time("due_at")?,
        policy_version: fields.text("policy_version")?,
        calendar_version: fields.text("calendar_version")?,
    })
}

fn json(operation: &'static str, value: &impl serde::Serialize) -> Result<String, LedgerError> {
    serde_json::to_string(value).map_err(|error| LedgerError::Invalid {
        operation,
        what: error.to_string(),
    })
}
