//! What tickets bear beside their state: who called, signed steps, links, published lines, ratings.

use crate::{
    Ledger, LedgerError, audit,
    engine::commit,
    statement::{Fields, Statement},
};
use sqlx::AnyConnection;
use tocsin_desk::{
    defect::Signed,
    record::AuditLine,
    sheet::{Intake, Link, Rating, Relation, TicketSheet},
};
use tocsin_vocabulary::{TicketId, Timestamp};

impl Ledger {
    /// All that a ticket bears beside its state.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn ticket_sheet(&self, ticket: TicketId) -> Result<TicketSheet, LedgerError> {
        const OPERATION: &str = "read what a ticket bears";
        let mut tx = self.engine.snapshot(OPERATION).await?;
        let sheet = TicketSheet {
            intake: intake(&mut tx, OPERATION, ticket).await?,
            steps: steps(&mut tx, OPERATION, ticket).await?,
            published: published(&mut tx, OPERATION, ticket).await?,
            links: links(&mut tx, OPERATION, ticket).await?,
            rating: rating(&mut tx, OPERATION, ticket).await?,
        };
        commit(tx, OPERATION).await?;
        Ok(sheet)
    }

    /// Writes who called.
    ///
    /// # Errors
    /// When there is no such ticket, or the ledger can't be written.
    pub async fn put_intake(&self, ticket: TicketId, intake: &Intake, lines: &[AuditLine]) -> Result<(), LedgerError> {
        const OPERATION: &str = "write who reported a ticket";
        self.put(
            OPERATION,
            lines,
            Statement::new(
                OPERATION,
                "INSERT INTO ticket_intake (ticket, caller, unit, phone, channel, symptom) VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT (ticket) DO UPDATE SET caller = excluded.caller, unit = excluded.unit,
                     phone = excluded.phone, channel = excluded.channel, symptom = excluded.symptom",
            )
            .id(ticket)
            .text(&intake.caller)
            .text(&intake.unit)
            .text(&intake.phone)
            .text(&intake.channel)
            .text(&intake.symptom),
        )
        .await
    }

    /// Enters a signed step.
    ///
    /// # Errors
    /// `Conflict` when the step was signed meanwhile; otherwise when the ledger can't be written.
    pub async fn sign_step(&self, ticket: TicketId, signed: &Signed, lines: &[AuditLine]) -> Result<(), LedgerError> {
        const OPERATION: &str = "sign a step";
        self.put(
            OPERATION,
            lines,
            Statement::new(
                OPERATION,
                "INSERT INTO ticket_step (ticket, step, signed_by, at, words) VALUES ($1, $2, $3, $4, $5)",
            )
            .id(ticket)
            .text(&signed.step)
            .text(&signed.by)
            .time(signed.at)
            .text(&signed.words),
        )
        .await
    }

    /// Lets the customer read a line of the timeline.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn publish(
        &self,
        ticket: TicketId,
        seq: u64,
        by: &str,
        now: Timestamp,
        lines: &[AuditLine],
    ) -> Result<(), LedgerError> {
        const OPERATION: &str = "publish a note";
        self.put(
            OPERATION,
            lines,
            Statement::new(
                OPERATION,
                "INSERT INTO ticket_published (ticket, seq, by_whom, at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (ticket, seq) DO NOTHING",
            )
            .id(ticket)
            .count(seq)
            .text(by)
            .time(now),
        )
        .await
    }

    /// Takes a line of the timeline back from the customer.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn unpublish(&self, ticket: TicketId, seq: u64, lines: &[AuditLine]) -> Result<(), LedgerError> {
        const OPERATION: &str = "take a published note back";
        self.put(
            OPERATION,
            lines,
            Statement::new(OPERATION, "DELETE FROM ticket_published WHERE ticket = $1 AND seq = $2")
                .id(ticket)
                .count(seq),
        )
        .await
    }

    /// Links two tickets.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn link_tickets(
        &self,
        ticket: TicketId,
        other: TicketId,
        relation: Relation,
        now: Timestamp,
        lines: &[AuditLine],
    ) -> Result<(), LedgerError> {
        const OPERATION: &str = "link two tickets";
        self.put(
            OPERATION,
            lines,
            Statement::new(
                OPERATION,
                "INSERT INTO ticket_link (ticket, other, relation, at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (ticket, other) DO NOTHING",
            )
            .id(ticket)
            .id(other)
            .text(relation.as_str())
            .time(now),
        )
        .await
    }

    /// Writes what the customer thought; a later word replaces an earlier one.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn rate_ticket(&self, ticket: TicketId, rating: &Rating, lines: &[AuditLine]) -> Result<(), LedgerError> {
        const OPERATION: &str = "write a rating";
        self.put(
            OPERATION,
            lines,
            Statement::new(
                OPERATION,
                "INSERT INTO ticket_rating (ticket, stars, words, by_whom, at) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (ticket) DO UPDATE SET stars = excluded.stars, words = excluded.words,
                     by_whom = excluded.by_whom, at = excluded.at",
            )
            .id(ticket)
            .integer(rating.stars.into())
            .text(&rating.words)
            .text(&rating.by)
            .time(rating.at),
        )
        .await
    }

    /// One statement with its audit lines.
    async fn put(&self, operation: &'static str, lines: &[AuditLine], statement: Statement) -> Result<(), LedgerError> {
        let mut tx = self.engine.write(operation).await?;
        statement.run(&mut tx).await?;
        audit::append(&mut tx, lines).await?;
        commit(tx, operation).await
    }
}

type Read<T> = Result<T, LedgerError>;

async fn intake(connection: &mut AnyConnection, operation: &'static str, ticket: TicketId) -> Read<Option<Intake>> {
    const SQL: &str = "SELECT caller, unit, phone, channel, symptom FROM ticket_intake WHERE ticket = $1";
    let of_ticket = Statement::new(operation, SQL).id(ticket);
    let read = |fields: &Fields<'_>| {
        Ok(Intake {
            caller: fields.text("caller")?,
            unit: fields.text("unit")?,
            phone: fields.text("phone")?,
            channel: fields.text("channel")?,
            symptom: fields.text("symptom")?,
        })
    };
    of_ticket.one(connection, read).await
}

pub(crate) async fn steps(
    connection: &mut AnyConnection,
    operation: &'static str,
    ticket: TicketId,
) -> Read<Vec<Signed>> {
    const SQL: &str = "SELECT step, signed_by, at, words FROM ticket_step WHERE ticket = $1 ORDER BY at";
    let of_ticket = Statement::new(operation, SQL).id(ticket);
    let read = |fields: &Fields<'_>| {
        Ok(Signed {
            step: fields.text("step")?,
            by: fields.text("signed_by")?,
            at: fields.time("at")?,
            words: fields.text("words")?,
        })
    };
    of_ticket.all(connection, read).await
}

async fn published(connection: &mut AnyConnection, operation: &'static str, ticket: TicketId) -> Read<Vec<u64>> {
    const SQL: &str = "SELECT seq FROM ticket_published WHERE ticket = $1 ORDER BY seq";
    let of_ticket = Statement::new(operation, SQL).id(ticket);
    of_ticket.all(connection, |fields| fields.number("seq")).await
}

async fn links(connection: &mut AnyConnection, operation: &'static str, ticket: TicketId) -> Read<Vec<Link>> {
    const SQL: &str =
        "SELECT relation, number, title_en, title_zh, 1 AS forth FROM ticket_link JOIN ticket ON ticket.id = other
             WHERE ticket = $1
         UNION ALL
         SELECT relation, number, title_en, title_zh, 0 AS forth FROM ticket_link JOIN ticket ON ticket.id = ticket_link.ticket
             WHERE other = $1
         ORDER BY number";
    let of_ticket = Statement::new(operation, SQL).id(ticket);
    let read = |fields: &Fields<'_>| {
        let relation = match (fields.text("relation")?.as_str(), fields.flag("forth")?) {
            ("split", true) => Relation::Split,
            ("split", false) => Relation::Origin,
            _ => Relation::Related,
        };
        Ok(Link {
            relation,
            number: fields.number("number")?,
            title: fields.sentence("title_en", "title_zh")?,
        })
    };
    of_ticket.all(connection, read).await
}

async fn rating(connection: &mut AnyConnection, operation: &'static str, ticket: TicketId) -> Read<Option<Rating>> {
    const SQL: &str = "SELECT stars, words, by_whom, at FROM ticket_rating WHERE ticket = $1";
    let of_ticket = Statement::new(operation, SQL).id(ticket);
    let read = |fields: &Fields<'_>| {
        Ok(Rating {
            stars: fields.number("stars")?,
            words: fields.text("words")?,
            by: fields.text("by_whom")?,
            at: fields.time("at")?,
        })
    };
    of_ticket.one(connection, read).await
}
