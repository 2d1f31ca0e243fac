//! What people sign and hand in: attachments, confirmations, call-backs, and the terms of signing.

mod approvals;

use crate::{
    Ledger, LedgerError, audit,
    engine::{Tx, commit},
    rosters::{json, next},
    statement::{Fields, Statement},
};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::AnyConnection;
use tocsin_desk::{
    paper::{
        Papers,
        attachment::{Attachment, Done, FILES_MAX, Media, Purpose},
        call::Call,
        confirmation::{Confirmation, SignLink},
        terms::Terms,
    },
    record::AuditLine,
};
use tocsin_vocabulary::{TicketId, Timestamp};

const COLUMNS: &str = "id, ticket, digest, name, media, bytes, purpose, added_by, added_at, published_by, published_at";

impl Ledger {
    /// All papers of a ticket, oldest first.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn papers(&self, ticket: TicketId) -> Result<Papers, LedgerError> {
        const OPERATION: &str = "read the papers of a ticket";
        let mut tx = self.engine.snapshot(OPERATION).await?;
        let rows = Statement::assembled(
            OPERATION,
            format!("SELECT {COLUMNS} FROM attachment WHERE ticket = $1 ORDER BY id"),
        )
        .id(ticket)
        .rows(&mut tx)
        .await?;
        let attachments = rows.iter().map(|row| attachment(&Fields::new(OPERATION, row)));
        let papers = Papers {
            attachments: attachments.collect::<Result<_, _>>()?,
            approvals: bodies(&mut tx, OPERATION, "approval", ticket).await?,
            confirmations: bodies(&mut tx, OPERATION, "confirmation", ticket).await?,
            calls: bodies(&mut tx, OPERATION, "call_back", ticket).await?,
        };
        commit(tx, OPERATION).await?;
        Ok(papers)
    }

    /// Every attachment after number `after`, `limit` at most, for reading their files through. A ledger of before there
    /// were attachments has none.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn attachments_after(&self, after: u64, limit: u32) -> Result<Vec<Attachment>, LedgerError> {
        const OPERATION: &str = "list attachments";
        let mut reader = self.engine.reader(OPERATION).await?;
        let known = Statement::new(OPERATION, "SELECT version FROM schema_version WHERE version = 13")
            .row(&mut reader)
            .await?;
        if known.is_none() {
            return Ok(Vec::new());
        }
        let rows = Statement::assembled(
            OPERATION,
            format!("SELECT {COLUMNS} FROM attachment WHERE id > $1 ORDER BY id LIMIT $2"),
        )
        .count(after)
        .integer(limit.into())
        .rows(&mut reader)
        .await?;
        rows.iter()
            .map(|row| attachment(&Fields::new(OPERATION, row)))
            .collect()
    }

    /// Enters an attachment whose file is on the disk; answers its number.
    ///
    /// # Errors
    /// `Invalid` when the ticket has too many; otherwise when the ledger can't be written.
    pub async fn add_attachment(&self, new: &Attachment, lines: &[AuditLine]) -> Result<u64, LedgerError> {
        const OPERATION: &str = "add an attachment";
        let mut tx = self.engine.write(OPERATION).await?;
        let id = put_attachment(&mut tx, OPERATION, new).await?;
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await?;
        Ok(id)
    }

    /// Lets the customer see an attachment, or takes it back.
    ///
    /// # Errors
    /// `NotFound` when the ticket has none of this number; otherwise when the ledger can't be written.
    pub async fn publish_attachment(
        &self,
        ticket: TicketId,
        id: u64,
        published: Option<&Done>,
        lines: &[AuditLine],
    ) -> Result<(), LedgerError> {
        const OPERATION: &str = "publish an attachment";
        let mut tx = self.engine.write(OPERATION).await?;
        let changed = Statement::new(
            OPERATION,
            "UPDATE attachment SET published_by = $3, published_at = $4 WHERE ticket = $1 AND id = $2",
        )
        .id(ticket)
        .count(id)
        .maybe_text(published.map(|done| done.by.as_str()))
        .maybe_time(published.map(|done| done.at))
        .run(&mut tx)
        .await?;
        if changed == 0 {
            return Err(LedgerError::NotFound {
                operation: OPERATION,
                what: format!("attachment {id}"),
            });
        }
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await
    }

    /// Enters a confirmation; with `file` the signature that it bears, with `link` the one-time link that is used up.
    /// Answers the number of the confirmation.
    ///
    /// # Errors
    /// `Conflict` when the link was used meanwhile; otherwise when the ledger can't be written.
    pub async fn confirm(
        &self,
        new: &Confirmation,
        file: Option<&Attachment>,
        link: Option<&str>,
        lines: &[AuditLine],
    ) -> Result<u64, LedgerError> {
        const OPERATION: &str = "write a confirmation";
        let mut tx = self.engine.write(OPERATION).await?;
        let mut confirmation = new.clone();
        if let Some(file) = file {
            confirmation.file = Some(put_attachment(&mut tx, OPERATION, file).await?);
        }
        confirmation.id = next(&mut tx, OPERATION, "confirmation").await?;
        if let Some(secret_hash) = link {
            let used = Statement::new(
                OPERATION,
                "UPDATE sign_link SET confirmation = $2 WHERE secret_hash = $1 AND confirmation IS NULL",
            )
            .text(secret_hash)
            .count(confirmation.id)
            .run(&mut tx)
            .await?;
            if used == 0 {
                return Err(LedgerError::Conflict {
                    operation: OPERATION,
                    what: "somebody has signed behind this link already".to_owned(),
                });
            }
        }
        put_body(
            &mut tx,
            OPERATION,
            "confirmation",
            (confirmation.id, new.ticket),
            &confirmation,
        )
        .await?;
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await?;
        Ok(confirmation.id)
    }

    /// Enters a one-time link to sign behind.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn offer_signing(
        &self,
        secret_hash: &str,
        link: &SignLink,
        lines: &[AuditLine],
    ) -> Result<(), LedgerError> {
        const OPERATION: &str = "make a link to sign behind";
        let mut tx = self.engine.write(OPERATION).await?;
        Statement::new(
            OPERATION,
            "INSERT INTO sign_link (secret_hash, ticket, login, expires_at) VALUES ($1, $2, $3, $4)",
        )
        .text(secret_hash)
        .id(link.ticket)
        .text(&link.login)
        .time(link.expires_at)
        .run(&mut tx)
        .await?;
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await
    }

    /// The link that a secret opens, used or not.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn sign_link(&self, secret_hash: &str) -> Result<Option<SignLink>, LedgerError> {
        const OPERATION: &str = "read a link to sign behind";
        let row = Statement::new(
            OPERATION,
            "SELECT ticket, login, expires_at, confirmation FROM sign_link WHERE secret_hash = $1",
        )
        .text(secret_hash)
        .row(&mut *self.engine.reader(OPERATION).await?)
        .await?;
        row.map(|row| {
            let fields = Fields::new(OPERATION, &row);
            Ok(SignLink {
                ticket: fields.parsed("ticket")?,
                login: fields.text("login")?,
                expires_at: fields.time("expires_at")?,
                confirmation: fields.maybe_number("confirmation")?,
            })
        })
        .transpose()
    }

    /// Enters a call-back; answers its number.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn add_call(&self, new: &Call, lines: &[AuditLine]) -> Result<u64, LedgerError> {
        const OPERATION: &str = "write a call-back";
        let mut tx = self.engine.write(OPERATION).await?;
        let id = next(&mut tx, OPERATION, "call_back").await?;
        let call = Call { id, ..new.clone() };
        put_body(&mut tx, OPERATION, "call_back", (id, new.ticket), &call).await?;
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await?;
        Ok(id)
    }

    /// What must be signed before which step; the shipped terms when nobody set any.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn terms(&self) -> Result<Terms, LedgerError> {
        const OPERATION: &str = "read the terms of signing";
        let row = Statement::new(OPERATION, "SELECT terms FROM paper_terms WHERE name = 'site'")
            .row(&mut *self.engine.reader(OPERATION).await?)
            .await?;
        row.map_or_else(
            || Ok(Terms::default()),
            |row| Fields::new(OPERATION, &row).json("terms"),
        )
    }

    /// Sets them.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn set_terms(
        &self,
        terms: &Terms,
        by: &str,
        now: Timestamp,
        lines: &[AuditLine],
    ) -> Result<(), LedgerError> {
        const OPERATION: &str = "set the terms of signing";
        let mut tx = self.engine.write(OPERATION).await?;
        Statement::new(
            OPERATION,
            "INSERT INTO paper_terms (name, terms, updated_at, updated_by) VALUES ('site', $1, $2, $3)
             ON CONFLICT (name) DO UPDATE SET terms = excluded.terms, updated_at = excluded.updated_at,
                 updated_by = excluded.updated_by",
        )
        .text(&json(OPERATION, terms)?)
        .time(now)
        .text(by)
        .run(&mut tx)
        .await?;
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await
    }
}

async fn put_attachment(tx: &mut Tx, operation: &'static str, new: &Attachment) -> Result<u64, LedgerError> {
    let row = Statement::new(operation, "SELECT COUNT(*) AS files FROM attachment WHERE ticket = $1")
        .id(new.ticket)
        .row(tx)
        .await?;
    let files: u64 = row.map_or(Ok(0), |row| Fields::new(operation, &row).number("files"))?;
    if usize::try_from(files).unwrap_or(usize::MAX) >= FILES_MAX {
        return Err(LedgerError::Invalid {
            operation,
            what: format!("the ticket has {FILES_MAX} files already: put several into one PDF"),
        });
    }
    let id = next(tx, operation, "attachment").await?;
    let published = new.published.as_ref();
    Statement::assembled(
        operation,
        format!("INSERT INTO attachment ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"),
    )
    .count(id)
    .id(new.ticket)
    .text(&new.digest)
    .text(&new.name)
    .text(new.media.as_str())
    .count(new.bytes)
    .text(new.purpose.as_str())
    .text(&new.added.by)
    .time(new.added.at)
    .maybe_text(published.map(|done| done.by.as_str()))
    .maybe_time(published.map(|done| done.at))
    .run(tx)
    .await?;
    Ok(id)
}

fn attachment(fields: &Fields<'_>) -> Result<Attachment, LedgerError> {
    let published = fields.maybe_text("published_by")?;
    let at = fields.maybe_time("published_at")?;
    Ok(Attachment {
        id: fields.number("id")?,
        ticket: fields.parsed("ticket")?,
        digest: fields.text("digest")?,
        name: fields.text("name")?,
        media: fields.word("media", Media::parse)?,
        bytes: fields.number("bytes")?,
        purpose: fields.word("purpose", Purpose::parse)?,
        added: Done {
            by: fields.text("added_by")?,
            at: fields.time("added_at")?,
        },
        published: published.zip(at).map(|(by, at)| Done { by, at }),
    })
}

/// Everything of one kind that a ticket has, read from its JSON.
async fn bodies<T: DeserializeOwned>(
    connection: &mut AnyConnection,
    operation: &'static str,
    table: &str,
    ticket: TicketId,
) -> Result<Vec<T>, LedgerError> {
    let rows = Statement::assembled(
        operation,
        format!("SELECT body FROM {table} WHERE ticket = $1 ORDER BY id"),
    )
    .id(ticket)
    .rows(connection)
    .await?;
    rows.iter()
        .map(|row| Fields::new(operation, row).json("body"))
        .collect()
}

async fn put_body(
    tx: &mut Tx,
    operation: &'static str,
    table: &str,
    (id, ticket): (u64, TicketId),
    body: &impl Serialize,
) -> Result<(), LedgerError> {
    Statement::assembled(
        operation,
        format!("INSERT INTO {table} (id, ticket, body) VALUES ($1, $2, $3)"),
    )
    .count(id)
    .id(ticket)
    .text(&json(operation, body)?)
    .run(tx)
    .await
    .map(|_| ())
}
