//! Tokens: the single-use ones that let a host in, and those that let programs use the API.

use crate::{
    Ledger, LedgerError, audit,
    engine::{Tx, commit},
    people::{missing, person, person_columns},
    statement::{Fields, Statement},
};
use tocsin_desk::{
    model::Role,
    record::{AuditLine, NewEnrolToken, Redeemed, Speaker},
};
use tocsin_vocabulary::{CustomerId, PersonId, Timestamp, TokenId};

/// Rows of a list of tokens; older ones are history that the audit trail tells.
const LISTED_MAX: i64 = 500;

/// An enrolment token as the register shows it, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolTokenRecord {
    /// Its id.
    pub id: TokenId,
    /// Name that the host will bear; empty: its hostname.
    pub host_name: String,
    /// Customer, or none for the default one.
    pub customer: Option<CustomerId>,
    /// Who made it.
    pub made_by: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// When it is no longer good.
    pub expires_at: Timestamp,
    /// When it was used.
    pub used_at: Option<Timestamp>,
}

/// An API token as the register shows it, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiTokenRecord {
    /// Its id.
    pub id: TokenId,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Who made it.
    pub person: PersonId,
    /// When it was made.
    pub made_at: Timestamp,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
}

impl Ledger {
    /// Keeps a new enrolment token.
    ///
    /// # Errors
    /// `Conflict` when its id or secret is there already, `InvalidInput` when its customer is not; otherwise when the
    /// ledger can't be written.
    pub async fn create_enrol_token(&self, token: &NewEnrolToken, lines: &[AuditLine]) -> Result<(), LedgerError> {
        const OPERATION: &str = "make an enrolment token";
        let mut tx = self.engine.write(OPERATION).await?;
        Statement::new(
            OPERATION,
            "INSERT INTO enrol_token (id, secret_hash, host_name, customer, made_by, made_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .id(token.id)
        .text(&token.secret_hash)
        .text(&token.host_name)
        .maybe_id(token.customer)
        .text(&token.made_by)
        .time(token.made_at)
        .time(token.expires_at)
        .run(&mut tx)
        .await?;
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await
    }

    /// Uses up an enrolment token. Of any number of askers at once, exactly one hears that it was good.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn redeem_enrol_token(&self, secret_hash: &str, now: Timestamp) -> Result<Redeemed, LedgerError> {
        const OPERATION: &str = "use an enrolment token";
        let mut tx = self.engine.write(OPERATION).await?;
        // On PostgreSQL a second asker waits here for the first one's commit, then finds the row used.
        let row = Statement::new(
            OPERATION,
            "UPDATE enrol_token SET used_at = $2
             WHERE secret_hash = $1 AND used_at IS NULL AND expires_at > $2 RETURNING host_name, customer",
        )
        .text(secret_hash)
        .time(now)
        .row(&mut tx)
        .await?;
        let Some(row) = row else {
            return refused(&mut tx, OPERATION, secret_hash).await;
        };
        let fields = Fields::new(OPERATION, &row);
        let good = Redeemed::Good {
            host_name: fields.text("host_name")?,
            customer: fields.maybe_parsed("customer")?,
        };
        commit(tx, OPERATION).await?;
        Ok(good)
    }

    /// The newest 500 enrolment tokens, newest first.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn enrol_tokens(&self) -> Result<Vec<EnrolTokenRecord>, LedgerError> {
        const OPERATION: &str = "list enrolment tokens";
        let rows = Statement::new(
            OPERATION,
            "SELECT id, host_name, customer, made_by, made_at, expires_at, used_at FROM enrol_token
             ORDER BY made_at DESC, id DESC LIMIT $1",
        )
        .integer(LISTED_MAX)
        .rows(&mut *self.engine.reader(OPERATION).await?)
        .await?;
        rows.iter()
            .map(|row| enrol_token(&Fields::new(OPERATION, row)))
            .collect()
    }

    /// Keeps a new API token of `person`.
    ///
    /// # Errors
    /// `InvalidInput` when the person may not what the token would, `NotFound` when they are not here, `Conflict` when
    /// its id or secret is there already; otherwise when the ledger can't be written.
    #[allow(
        clippy::too_many_arguments,
        reason = "the columns of one row, each of a type of its own but two"
    )]
    pub async fn create_api_token(
        &self,
        id: TokenId,
        name: &str,
        role: Role,
        person: PersonId,
        secret_hash: &str,
        now: Timestamp,
        lines: &[AuditLine],
    ) -> Result<(), LedgerError> {
        const OPERATION: &str = "make an API token";
        let mut tx = self.engine.write(OPERATION).await?;
        let row = Statement::new(
            OPERATION,
            "SELECT COALESCE(office, role) AS role FROM person WHERE id = $1",
        )
        .id(person)
        .row(&mut tx)
        .await?;
        let row = row.ok_or_else(|| missing(OPERATION, person))?;
        let own: Role = Fields::new(OPERATION, &row).word("role", Role::parse)?;
        if !covers(own, role) {
            let what = format!(
                "its maker is {}, and can't give what {} may do",
                own.as_str(),
                role.as_str()
            );
            return Err(LedgerError::Invalid {
                operation: OPERATION,
                what,
            });
        }
        Statement::new(
            OPERATION,
            "INSERT INTO api_token (id, name, role, person, secret_hash, made_at) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .id(id)
        .text(name)
        .text(role.as_str())
        .id(person)
        .text(secret_hash)
        .time(now)
        .run(&mut tx)
        .await?;
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await
    }

    /// Takes an API token back. One that was taken back stays so since the first time.
    ///
    /// # Errors
    /// `NotFound` for a token that is not here; otherwise when the ledger can't be written.
    pub async fn revoke_api_token(&self, id: TokenId, now: Timestamp, lines: &[AuditLine]) -> Result<(), LedgerError> {
        const OPERATION: &str = "take an API token back";
        let mut tx = self.engine.write(OPERATION).await?;
        let changed = Statement::new(
            OPERATION,
            "UPDATE api_token SET revoked_at = COALESCE(revoked_at, $2) WHERE id = $1",
        )
        .id(id)
        .time(now)
        .run(&mut tx)
        .await?;
        if changed == 0 {
            return Err(LedgerError::NotFound {
                operation: OPERATION,
                what: format!("API token {id}"),
            });
        }
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await
    }

    /// The newest 500 API tokens, newest first.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn api_tokens(&self) -> Result<Vec<ApiTokenRecord>, LedgerError> {
        const OPERATION: &str = "list API tokens";
        let rows = Statement::new(
            OPERATION,
            "SELECT id, name, role, person, made_at, revoked_at FROM api_token ORDER BY made_at DESC, id DESC LIMIT $1",
        )
        .integer(LISTED_MAX)
        .rows(&mut *self.engine.reader(OPERATION).await?)
        .await?;
        rows.iter().map(|row| api_token(&Fields::new(OPERATION, row))).collect()
    }

    /// Who an API token speaks for; nobody for one that is unknown or taken back. Tokens don't age.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn api_token(&self, secret_hash: &str, _now: Timestamp) -> Result<Option<Speaker>, LedgerError> {
        const OPERATION: &str = "check an API token";
        let row = Statement::new(
            OPERATION,
            concat!(
                "SELECT ",
                person_columns!(),
                ", api_token.role AS token_role FROM api_token JOIN person ON person.id = api_token.person
                 WHERE secret_hash = $1 AND revoked_at IS NULL"
            ),
        )
        .text(secret_hash)
        .row(&mut *self.engine.reader(OPERATION).await?)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let fields = Fields::new(OPERATION, &row);
        let person = person(&fields)?;
        let wanted = fields.word("token_role", Role::parse)?;
        // The person may have less to say by now than when they made it.
        let role = if covers(person.role, wanted) {
            wanted
        } else {
            person.role
        };
        Ok(Some(Speaker { person, role }))
    }
}

/// Whether a person of role `own` may hand out `wanted`: their own, and an administrator also those of the house.
/// A customer's role needs a customer, which only a customer's person has.
fn covers(own: Role, wanted: Role) -> bool {
    own == wanted || (own == Role::Administrator && wanted != Role::Customer)
}

async fn refused(tx: &mut Tx, operation: &'static str, secret_hash: &str) -> Result<Redeemed, LedgerError> {
    let row = Statement::new(
        operation,
        "SELECT expires_at, used_at FROM enrol_token WHERE secret_hash = $1",
    )
    .text(secret_hash)
    .row(tx)
    .await?;
    let Some(row) = row else {
        return Ok(Redeemed::Unknown);
    };
    let fields = Fields::new(operation, &row);
    Ok(match fields.maybe_time("used_at")? {
        Some(at) => Redeemed::Used { at },
        None => Redeemed::Expired {
            at: fields.time("expires_at")?,
        },
    })
}

fn enrol_token(fields: &Fields<'_>) -> Result<EnrolTokenRecord, LedgerError> {
    Ok(EnrolTokenRecord {
        id: fields.parsed("id")?,
        host_name: fields.text("host_name")?,
        customer: fields.maybe_parsed("customer")?,
        made_by: fields.text("made_by")?,
        made_at: fields.time("made_at")?,
        expires_at: fields.time("expires_at")?,
        used_at: fields.maybe_time("used_at")?,
    })
}

fn api_token(fields: &Fields<'_>) -> Result<ApiTokenRecord, LedgerError> {
    Ok(ApiTokenRecord {
        id: fields.parsed("id")?,
        name: fields.text("name")?,
        role: fields.word("role", Role::parse)?,
        person: fields.parsed("person")?,
        made_at: fields.time("made_at")?,
        revoked_at: fields.maybe_time("revoked_at")?,
    })
}
