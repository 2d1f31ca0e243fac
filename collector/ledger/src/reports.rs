//! Reports that are owed about tickets, with all their versions.

use crate::{
    Ledger, LedgerError, audit,
    engine::{Tx, commit},
    rosters::json,
    statement::{Conditions, Fields, Statement, Value},
};
use tocsin_desk::{
    account::report::{Kind, Line, Report, ReportFilter, ReportRow, Standing},
    model::Ticket,
    record::AuditLine,
};
use tocsin_vocabulary::TicketId;

/// Most reports that a list tells.
pub const REPORTS_MAX: i64 = 500;

impl Ledger {
    /// Reports: what is owed first, earliest due first; at most [`REPORTS_MAX`].
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn reports(&self, filter: &ReportFilter) -> Result<Vec<ReportRow>, LedgerError> {
        const OPERATION: &str = "list reports";
        let mut conditions = Conditions::default();
        conditions.equal("ticket.customer", filter.customer);
        if let Some(done) = filter.done {
            conditions.and("done = ?", [Value::Integer(done.into())]);
        }
        if let Some(before) = filter.due_before {
            conditions.and("due_at < ?", [Value::Integer(before.as_millis())]);
        }
        const ROW: &str = "SELECT number, title_en, title_zh, asset_name, ticket.customer AS customer,
            ticket_report.kind AS report, due_at, standing, done
            FROM ticket_report JOIN ticket ON ticket.id = ticket_report.ticket";
        let all = conditions.statement(OPERATION, ROW, "ORDER BY done, due_at, number", REPORTS_MAX);
        let read = |fields: &Fields<'_>| {
            Ok(ReportRow {
                number: fields.number("number")?,
                title: fields.sentence("title_en", "title_zh")?,
                asset_name: fields.text("asset_name")?,
                customer: fields.parsed("customer")?,
                kind: fields.word("report", Kind::parse)?,
                due_at: fields.time("due_at")?,
                standing: standing(fields)?,
                done: fields.flag("done")?,
            })
        };
        all.all(&mut *self.engine.reader(OPERATION).await?, read).await
    }

    /// One report of a ticket; none when it was never owed and nobody wrote one.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn report(&self, ticket: TicketId, kind: Kind) -> Result<Option<Report>, LedgerError> {
        const OPERATION: &str = "read a report";
        let mut tx = self.engine.snapshot(OPERATION).await?;
        const HEAD: &str = "SELECT number, due_at FROM ticket_report JOIN ticket ON ticket.id = ticket_report.ticket
             WHERE ticket_report.ticket = $1 AND ticket_report.kind = $2";
        let head = Statement::new(OPERATION, HEAD).id(ticket).text(kind.as_str());
        let head = head
            .one(&mut tx, |fields| Ok((fields.number("number")?, fields.time("due_at")?)))
            .await?;
        const LINES: &str = "SELECT seq, at, login, by_whom, turn FROM ticket_report_line
             WHERE ticket = $1 AND kind = $2 ORDER BY seq";
        let lines = Statement::new(OPERATION, LINES).id(ticket).text(kind.as_str());
        let lines = lines.all(&mut tx, line).await?;
        commit(tx, OPERATION).await?;
        Ok(head.map(|(number, due_at)| Report {
            ticket,
            number,
            kind,
            due_at,
            lines,
        }))
    }

    /// Adds a line to a report, which is entered if it is not there. `report` is as it was before.
    ///
    /// # Errors
    /// `Conflict` when the report has a line of this number already; otherwise when the ledger can't be written.
    pub async fn add_report_line(&self, report: &Report, line: &Line, lines: &[AuditLine]) -> Result<(), LedgerError> {
        const OPERATION: &str = "write a report";
        let mut after = report.clone();
        after.lines.push(line.clone());
        let (standing, done) = (after.standing(), after.published().is_some());
        let mut tx = self.engine.write(OPERATION).await?;
        Statement::new(
            OPERATION,
            "INSERT INTO ticket_report (ticket, kind, due_at, standing, done) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (ticket, kind) DO UPDATE SET standing = excluded.standing, done = excluded.done",
        )
        .id(report.ticket)
        .text(report.kind.as_str())
        .time(report.due_at)
        .text(standing.as_str())
        .flag(done)
        .run(&mut tx)
        .await?;
        Statement::new(
            OPERATION,
            "INSERT INTO ticket_report_line (ticket, kind, seq, at, login, by_whom, turn)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .id(report.ticket)
        .text(report.kind.as_str())
        .count(line.seq)
        .time(line.at)
        .text(&line.login)
        .text(&line.by)
        .text(&json(OPERATION, &line.turn)?)
        .run(&mut tx)
        .await?;
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await
    }
}

fn standing(fields: &Fields<'_>) -> Result<Standing, LedgerError> {
    let parse = |word: &str| Standing::ALL.into_iter().find(|standing| standing.as_str() == word);
    fields.word("standing", parse)
}

fn line(fields: &Fields<'_>) -> Result<Line, LedgerError> {
    Ok(Line {
        seq: fields.number("seq")?,
        at: fields.time("at")?,
        login: fields.text("login")?,
        by: fields.text("by_whom")?,
        turn: fields.json("turn")?,
    })
}

/// Enters what the desk says is owed about a ticket. What is owed no more goes, unless somebody has written of it.
pub(crate) async fn owe(tx: &mut Tx, operation: &'static str, ticket: &Ticket) -> Result<(), LedgerError> {
    for (kind, due) in &ticket.reckoning.reports {
        let statement = match due {
            Some(due) => Statement::new(
                operation,
                "INSERT INTO ticket_report (ticket, kind, due_at, standing, done) VALUES ($1, $2, $3, 'owed', 0)
                 ON CONFLICT (ticket, kind) DO UPDATE SET due_at = excluded.due_at",
            )
            .id(ticket.id)
            .text(kind.as_str())
            .time(*due),
            None => Statement::new(
                operation,
                "DELETE FROM ticket_report WHERE ticket = $1 AND kind = $2 AND standing = 'owed'",
            )
            .id(ticket.id)
            .text(kind.as_str()),
        };
        statement.run(tx).await?;
    }
    Ok(())
}
