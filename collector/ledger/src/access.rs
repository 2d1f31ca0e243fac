//! Who may come in: passwords, sessions, one-time links, and the key that signs the links of pages.
//!
//! Secrets come as their SHA-256 in hex; the ledger never sees them.

use crate::{
    Ledger, LedgerError,
    alerts::hex,
    audit,
    engine::commit,
    people::{missing, person, person_columns},
    statement::{Fields, Statement},
};
use std::time::Duration;
use tocsin_desk::{
    model::Person,
    record::{AuditLine, Credentials, Speaker},
};
use tocsin_vocabulary::{PersonId, Timestamp};

/// Wrong passwords in a row that lock (OWASP ASVS: counted atomically).
const WRONG_MAX: i64 = 5;
/// For how long they lock.
const LOCKED_FOR: Duration = Duration::from_mins(15);
/// A session that was idle for this long is over.
const SESSION_IDLE: Duration = Duration::from_mins(15);
/// A session is over after this long, however busy.
const SESSION_WHOLE: Duration = Duration::from_hours(12);
/// A session's idle deadline moves in steps of this, so that reading pages does not fsync. An idle session may
/// therefore end this much early.
const SESSION_STEP: Duration = Duration::from_secs(30);

impl Ledger {
    /// What is needed to check a password.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn credentials(&self, login: &str) -> Result<Option<Credentials>, LedgerError> {
        const OPERATION: &str = "look up a login";
        let row = Statement::new(
            OPERATION,
            concat!(
                "SELECT ",
                person_columns!(),
                ", password_hash, locked_until FROM person WHERE login = $1"
            ),
        )
        .text(login)
        .row(&mut *self.engine.reader(OPERATION).await?)
        .await?;
        let credentials = |fields: Fields<'_>| {
            Ok(Credentials {
                person: person(&fields)?,
                password_hash: fields.text("password_hash")?,
                locked_until: fields.maybe_time("locked_until")?,
            })
        };
        row.map(|row| credentials(Fields::new(OPERATION, &row))).transpose()
    }

    /// Counts a wrong password in one atomic step; the fifth in a row locks for 15 minutes. Tries while it is locked
    /// don't count. Answers whether it is locked now.
    ///
    /// # Errors
    /// `NotFound` for a person who is not here; otherwise when the ledger can't be written.
    pub async fn sign_in_failed(&self, person: PersonId, now: Timestamp) -> Result<bool, LedgerError> {
        const OPERATION: &str = "count a wrong password";
        let mut tx = self.engine.write(OPERATION).await?;
        // Every expression sees the row as it was before.
        let row = Statement::new(
            OPERATION,
            "UPDATE person SET
                 failed_count = CASE WHEN locked_until > $2 THEN failed_count
                                     WHEN failed_count + 1 >= $3 THEN 0 ELSE failed_count + 1 END,
                 locked_until = CASE WHEN locked_until > $2 THEN locked_until
                                     WHEN failed_count + 1 >= $3 THEN $4 ELSE NULL END
             WHERE id = $1 RETURNING locked_until",
        )
        .id(person)
        .time(now)
        .integer(WRONG_MAX)
        .time(now.plus(LOCKED_FOR))
        .row(&mut tx)
        .await?;
        let row = row.ok_or_else(|| missing(OPERATION, person))?;
        let locked = Fields::new(OPERATION, &row).maybe_time("locked_until")?.is_some();
        commit(tx, OPERATION).await?;
        Ok(locked)
    }

    /// Forgets wrong passwords, begins a session known by the hash of its secret, and sweeps out sessions whose 12 hours are over.
    ///
    /// # Errors
    /// `NotFound` for a person who is not here; otherwise when the ledger can't be written.
    pub async fn begin_session(&self, secret_hash: &str, person: PersonId, now: Timestamp) -> Result<(), LedgerError> {
        const OPERATION: &str = "begin a session";
        let mut tx = self.engine.write(OPERATION).await?;
        // Idle ones stay: their pages may still be looked at, see `peek_session`.
        Statement::new(OPERATION, "DELETE FROM session WHERE begun_at <= $1")
            .time(now.minus(SESSION_WHOLE))
            .run(&mut tx)
            .await?;
        let forgotten = Statement::new(
            OPERATION,
            "UPDATE person SET failed_count = 0, locked_until = NULL WHERE id = $1",
        )
        .id(person)
        .run(&mut tx)
        .await?;
        if forgotten == 0 {
            return Err(missing(OPERATION, person));
        }
        Statement::new(
            OPERATION,
            "INSERT INTO session (secret_hash, person, begun_at, seen_at) VALUES ($1, $2, $3, $3)",
        )
        .text(secret_hash)
        .id(person)
        .time(now)
        .run(&mut tx)
        .await?;
        commit(tx, OPERATION).await
    }

    /// Who a session speaks for; moves its idle deadline (15 min idle, 12 h in all).
    ///
    /// # Errors
    /// When the ledger can't be read or written.
    pub async fn session(&self, secret_hash: &str, now: Timestamp) -> Result<Option<Speaker>, LedgerError> {
        const OPERATION: &str = "check a session";
        let row = Statement::new(
            OPERATION,
            concat!(
                "SELECT ",
                person_columns!(),
                ", seen_at FROM session JOIN person ON person.id = session.person
                 WHERE secret_hash = $1 AND seen_at > $2 AND begun_at > $3"
            ),
        )
        .text(secret_hash)
        .time(now.minus(SESSION_IDLE))
        .time(now.minus(SESSION_WHOLE))
        .row(&mut *self.engine.reader(OPERATION).await?)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let fields = Fields::new(OPERATION, &row);
        let person = person(&fields)?;
        if now.since(fields.time("seen_at")?) >= SESSION_STEP {
            let mut tx = self.engine.write(OPERATION).await?;
            Statement::new(
                OPERATION,
                "UPDATE session SET seen_at = $2 WHERE secret_hash = $1 AND seen_at < $2",
            )
            .text(secret_hash)
            .time(now)
            .run(&mut tx)
            .await?;
            commit(tx, OPERATION).await?;
        }
        Ok(Some(Speaker {
            role: person.role,
            person,
        }))
    }

    /// Who a session speaks for within its 12 hours, idle or not; moves nothing. For what a page reads by itself.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn peek_session(&self, secret_hash: &str, now: Timestamp) -> Result<Option<Speaker>, LedgerError> {
        const OPERATION: &str = "look at a session";
        let row = Statement::new(
            OPERATION,
            concat!(
                "SELECT ",
                person_columns!(),
                " FROM session JOIN person ON person.id = session.person
                 WHERE secret_hash = $1 AND begun_at > $2"
            ),
        )
        .text(secret_hash)
        .time(now.minus(SESSION_WHOLE))
        .row(&mut *self.engine.reader(OPERATION).await?)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let person = person(&Fields::new(OPERATION, &row))?;
        Ok(Some(Speaker {
            role: person.role,
            person,
        }))
    }

    /// Ends a session. One that is not there has ended.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn end_session(&self, secret_hash: &str) -> Result<(), LedgerError> {
        const OPERATION: &str = "end a session";
        let mut tx = self.engine.write(OPERATION).await?;
        Statement::new(OPERATION, "DELETE FROM session WHERE secret_hash = $1")
            .text(secret_hash)
            .run(&mut tx)
            .await?;
        commit(tx, OPERATION).await
    }

    /// Makes a one-time sign-in link, good until `expires_at`.
    ///
    /// # Errors
    /// When the person is not here, the secret was used before, or the ledger can't be written.
    pub async fn create_sign_in_link(
        &self,
        secret_hash: &str,
        person: PersonId,
        expires_at: Timestamp,
        lines: &[AuditLine],
    ) -> Result<(), LedgerError> {
        const OPERATION: &str = "make a sign-in link";
        let mut tx = self.engine.write(OPERATION).await?;
        Statement::new(
            OPERATION,
            "INSERT INTO sign_in_link (secret_hash, person, expires_at) VALUES ($1, $2, $3)",
        )
        .text(secret_hash)
        .id(person)
        .time(expires_at)
        .run(&mut tx)
        .await?;
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await
    }

    /// Uses up a one-time sign-in link; nobody for one that is unknown, used or too old.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn redeem_sign_in_link(&self, secret_hash: &str, now: Timestamp) -> Result<Option<Person>, LedgerError> {
        const OPERATION: &str = "use a sign-in link";
        let mut tx = self.engine.write(OPERATION).await?;
        let row = Statement::new(
            OPERATION,
            "UPDATE sign_in_link SET used_at = $2
             WHERE secret_hash = $1 AND used_at IS NULL AND expires_at > $2 RETURNING person",
        )
        .text(secret_hash)
        .time(now)
        .row(&mut tx)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let id: PersonId = Fields::new(OPERATION, &row).parsed("person")?;
        let row = Statement::new(
            OPERATION,
            concat!("SELECT ", person_columns!(), " FROM person WHERE person.id = $1"),
        )
        .id(id)
        .row(&mut tx)
        .await?;
        let found = row.map(|row| person(&Fields::new(OPERATION, &row))).transpose()?;
        commit(tx, OPERATION).await?;
        Ok(found)
    }

    /// The key that signs the links of pages: `candidate` the first time, and the same ever after.
    ///
    /// # Errors
    /// When the ledger can't be read or written.
    pub async fn ensure_link_key(&self, candidate: [u8; 32]) -> Result<[u8; 32], LedgerError> {
        const OPERATION: &str = "keep the key of page links";
        let mut tx = self.engine.write(OPERATION).await?;
        Statement::new(
            OPERATION,
            "INSERT INTO meta (name, value) VALUES ('link_key', $1) ON CONFLICT DO NOTHING",
        )
        .text(&hex(&candidate))
        .run(&mut tx)
        .await?;
        let row = Statement::new(OPERATION, "SELECT value FROM meta WHERE name = 'link_key'")
            .row(&mut tx)
            .await?;
        commit(tx, OPERATION).await?;
        let stored = row
            .map(|row| Fields::new(OPERATION, &row).text("value"))
            .transpose()?
            .unwrap_or_default();
        from_hex(&stored)
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| LedgerError::Row {
                operation: OPERATION,
                column: "value",
                what: "a key that is not 32 bytes in hex".to_owned(),
            })
    }
}

/// The bytes that lower-case hex stands for.
pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_reads_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(from_hex(&hex(&bytes)), Some(bytes));
        assert_eq!(from_hex("0g"), None);
        assert_eq!(from_hex("012"), None);
    }
}
