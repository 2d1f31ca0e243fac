//! PINs: what people sign a handover with on a shared screen. Wrong ones lock as wrong passwords do.

use crate::{
    Ledger, LedgerError, audit,
    engine::commit,
    statement::{Fields, Statement},
};
use std::time::Duration;
use tocsin_desk::record::AuditLine;
use tocsin_vocabulary::{PersonId, Timestamp};

/// So many wrong PINs in a row lock …
const WRONG_MAX: u64 = 5;
/// … for so long.
const LOCKED_FOR: Duration = Duration::from_secs(15 * 60);

/// What is needed to check a PIN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Argon2id, PHC string.
    pub hash: String,
    /// No try counts before this time.
    pub locked_until: Option<Timestamp>,
}

impl Ledger {
    /// A person's PIN; none when they never set one.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn pin(&self, person: PersonId) -> Result<Option<Pin>, LedgerError> {
        const OPERATION: &str = "read a PIN";
        let row = Statement::new(
            OPERATION,
            "SELECT pin_hash, locked_until FROM person_pin WHERE person = $1",
        )
        .id(person)
        .row(&mut *self.engine.reader(OPERATION).await?)
        .await?;
        row.map(|row| {
            let fields = Fields::new(OPERATION, &row);
            Ok(Pin {
                hash: fields.text("pin_hash")?,
                locked_until: fields.maybe_time("locked_until")?,
            })
        })
        .transpose()
    }

    /// Sets a person's PIN and forgets wrong ones.
    ///
    /// # Errors
    /// When there is no such person, or the ledger can't be written.
    pub async fn set_pin(
        &self,
        person: PersonId,
        hash: &str,
        now: Timestamp,
        lines: &[AuditLine],
    ) -> Result<(), LedgerError> {
        const OPERATION: &str = "set a PIN";
        let mut tx = self.engine.write(OPERATION).await?;
        Statement::new(
            OPERATION,
            "INSERT INTO person_pin (person, pin_hash, set_at, failed_count) VALUES ($1, $2, $3, 0)
             ON CONFLICT (person) DO UPDATE SET pin_hash = excluded.pin_hash, set_at = excluded.set_at,
                 failed_count = 0, locked_until = NULL",
        )
        .id(person)
        .text(hash)
        .time(now)
        .run(&mut tx)
        .await?;
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await
    }

    /// Counts a wrong PIN; the fifth in a row locks for 15 minutes.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn pin_failed(&self, person: PersonId, now: Timestamp) -> Result<(), LedgerError> {
        const OPERATION: &str = "count a wrong PIN";
        let mut tx = self.engine.write(OPERATION).await?;
        Statement::new(
            OPERATION,
            "UPDATE person_pin SET failed_count = CASE WHEN failed_count + 1 >= $2 THEN 0 ELSE failed_count + 1 END,
                 locked_until = CASE WHEN failed_count + 1 >= $2 THEN $3 ELSE locked_until END WHERE person = $1",
        )
        .id(person)
        .count(WRONG_MAX)
        .time(now.plus(LOCKED_FOR))
        .run(&mut tx)
        .await?;
        commit(tx, OPERATION).await
    }

    /// Forgets wrong PINs after a good one.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn pin_good(&self, person: PersonId) -> Result<(), LedgerError> {
        const OPERATION: &str = "forget wrong PINs";
        let mut tx = self.engine.write(OPERATION).await?;
        Statement::new(
            OPERATION,
            "UPDATE person_pin SET failed_count = 0, locked_until = NULL WHERE person = $1",
        )
        .id(person)
        .run(&mut tx)
        .await?;
        commit(tx, OPERATION).await
    }
}
