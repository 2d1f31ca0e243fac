//! The audit trail as a chain of hashes.
//!
//! A line's hash is the SHA-256 of, in this order: the 32 bytes of the hash before it (zeros for the first line), its
//! number and its instant as 8 bytes big-endian each, then actor, via, action, subject and detail, each as its length
//! in 8 bytes big-endian and its UTF-8. A changed, removed, added or swapped line breaks the chain; the counter, which
//! lives apart, shows a tail that was cut off.

use crate::{
    Ledger, LedgerError,
    alerts::hex,
    cursor,
    engine::{Tx, commit},
    statement::{Conditions, Fields, Statement, Value, clean},
};
use sha2::{Digest as _, Sha256};
use tocsin_desk::record::{AuditLine, List, Slice};

/// Lines that are checked with one statement.
const CHECKED_AT_ONCE: i64 = 1_000;

/// The hash before the first line.
const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

const COLUMNS: &str = "SELECT seq, at, actor, via, action, subject, detail, prev_hash, hash FROM audit";

/// What the check of the audit trail found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    /// Every line is as it was written, and none is missing.
    Whole {
        /// How many there are.
        lines: u64,
    },
    /// The first line that is not as it was written, or is missing.
    Broken {
        /// Its number, from 1.
        at: u64,
    },
}

/// One line of the chain with its place in it, as an export has it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AuditLink {
    /// 1, 2, 3 …
    pub seq: u64,
    /// The line.
    #[serde(flatten)]
    pub line: AuditLine,
    /// The hash of the line before; zeros for the first.
    pub prev_hash: String,
    /// Its own hash.
    pub hash: String,
}

/// Whether a link follows on the hash before it and is as it was written. `before` is empty when the line before is not
/// at hand: then the link's own word for it is taken.
#[must_use]
pub fn follows(before: &str, link: &AuditLink) -> bool {
    let first = link.seq != 1 || link.prev_hash == GENESIS;
    let joins = before.is_empty() || link.prev_hash == before;
    first && joins && link.hash == digest(&link.prev_hash, link.seq, &link.line)
}

impl Ledger {
    /// Lines of the chain after number `after`, oldest first, at most `limit`.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn audit_links(&self, after: u64, limit: u32) -> Result<Vec<AuditLink>, LedgerError> {
        const OPERATION: &str = "export the audit trail";
        let rows = Statement::assembled(OPERATION, format!("{COLUMNS} WHERE seq > $1 ORDER BY seq LIMIT $2"))
            .count(after)
            .integer(limit.into())
            .rows(&mut *self.engine.reader(OPERATION).await?)
            .await?;
        rows.iter().map(|row| link(&Fields::new(OPERATION, row))).collect()
    }

    /// Writes an audit line.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn audit(&self, line: AuditLine) -> Result<(), LedgerError> {
        const OPERATION: &str = "write an audit line";
        let mut tx = self.engine.write(OPERATION).await?;
        append(&mut tx, &[line]).await?;
        commit(tx, OPERATION).await
    }

    /// The audit trail, newest first.
    ///
    /// # Errors
    /// When the cursor is not one of this list, or the ledger can't be read.
    pub async fn audit_lines(&self, slice: &Slice) -> Result<List<AuditLine>, LedgerError> {
        const OPERATION: &str = "list the audit trail";
        let mut conditions = Conditions::default();
        if let Some([seq]) = cursor::numbers::<1>(OPERATION, slice)? {
            conditions.and("seq < ?", [Value::Integer(seq)]);
        }
        let rows = conditions
            .statement(OPERATION, COLUMNS, "ORDER BY seq DESC", cursor::fetch(slice))
            .rows(&mut *self.engine.reader(OPERATION).await?)
            .await?;
        let lines = rows
            .iter()
            .map(|row| link(&Fields::new(OPERATION, row)))
            .collect::<Result<_, _>>()?;
        let list = cursor::list(lines, slice, |last: &AuditLink| cursor::write(&[&last.seq]));
        Ok(List {
            items: list.items.into_iter().map(|link| link.line).collect(),
            next: list.next,
        })
    }

    /// Follows the whole chain.
    ///
    /// # Errors
    /// When the ledger can't be read. A broken chain is an answer, not an error.
    pub async fn verify_audit(&self) -> Result<Chain, LedgerError> {
        const OPERATION: &str = "check the audit trail";
        let mut tx = self.engine.snapshot(OPERATION).await?;
        let (mut seq, mut hash) = (0, GENESIS.to_owned());
        loop {
            let rows = Statement::assembled(OPERATION, format!("{COLUMNS} WHERE seq > $1 ORDER BY seq LIMIT $2"))
                .count(seq)
                .integer(CHECKED_AT_ONCE)
                .rows(&mut tx)
                .await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                let link = link(&Fields::new(OPERATION, row))?;
                seq += 1;
                if link.seq != seq || link.prev_hash != hash || link.hash != digest(&hash, seq, &link.line) {
                    return Ok(Chain::Broken { at: seq });
                }
                hash = link.hash;
            }
        }
        let row = Statement::new(OPERATION, "SELECT value FROM counter WHERE name = 'audit'")
            .row(&mut tx)
            .await?;
        let written: u64 = row.map_or(Ok(0), |row| Fields::new(OPERATION, &row).number("value"))?;
        Ok(if written == seq {
            Chain::Whole { lines: seq }
        } else {
            Chain::Broken { at: seq + 1 }
        })
    }
}

/// Appends lines within a transaction, in order. The counter's row makes writers take turns.
pub(crate) async fn append(tx: &mut Tx, lines: &[AuditLine]) -> Result<(), LedgerError> {
    const OPERATION: &str = "write an audit line";
    let mut before: Option<String> = None;
    for line in lines {
        let row = Statement::new(
            OPERATION,
            "UPDATE counter SET value = value + 1 WHERE name = 'audit' RETURNING value",
        )
        .row(tx)
        .await?;
        let row = row.ok_or_else(|| LedgerError::NotFound {
            operation: OPERATION,
            what: "audit counter".to_owned(),
        })?;
        let seq: u64 = Fields::new(OPERATION, &row).number("value")?;
        let prev_hash = match before.take() {
            Some(hash) => hash,
            None => hash_of(tx, OPERATION, seq.saturating_sub(1)).await?,
        };
        let hash = digest(&prev_hash, seq, line);
        insert(tx, OPERATION, seq, line, &prev_hash, &hash).await?;
        before = Some(hash);
    }
    Ok(())
}

async fn insert(
    tx: &mut Tx,
    operation: &'static str,
    seq: u64,
    line: &AuditLine,
    prev_hash: &str,
    hash: &str,
) -> Result<(), LedgerError> {
    Statement::new(
        operation,
        "INSERT INTO audit (seq, at, actor, via, action, subject, detail, prev_hash, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .count(seq)
    .time(line.at)
    .text(&line.actor)
    .text(&line.via)
    .text(&line.action)
    .text(&line.subject)
    .text(&line.detail)
    .text(prev_hash)
    .text(hash)
    .run(tx)
    .await?;
    Ok(())
}

/// The hash of one line. Where the line is missing the chain is broken already; writing goes on from zeros, and the
/// check tells.
async fn hash_of(tx: &mut Tx, operation: &'static str, seq: u64) -> Result<String, LedgerError> {
    let row = Statement::new(operation, "SELECT hash FROM audit WHERE seq = $1")
        .count(seq)
        .row(tx)
        .await?;
    row.map_or_else(
        || Ok(GENESIS.to_owned()),
        |row| Fields::new(operation, &row).text("hash"),
    )
}

fn link(fields: &Fields<'_>) -> Result<AuditLink, LedgerError> {
    Ok(AuditLink {
        seq: fields.number("seq")?,
        line: AuditLine {
            at: fields.time("at")?,
            actor: fields.text("actor")?,
            via: fields.text("via")?,
            action: fields.text("action")?,
            subject: fields.text("subject")?,
            detail: fields.text("detail")?,
        },
        prev_hash: fields.text("prev_hash")?,
        hash: fields.text("hash")?,
    })
}

fn digest(prev_hash: &str, seq: u64, line: &AuditLine) -> String {
    let mut hasher = Sha256::new();
    hasher.update(bytes_of(prev_hash));
    hasher.update(seq.to_be_bytes());
    hasher.update(line.at.as_millis().to_be_bytes());
    for field in [&line.actor, &line.via, &line.action, &line.subject, &line.detail] {
        // As it is stored, so that the check reads the same.
        let field = clean(field);
        hasher.update((field.len() as u64).to_be_bytes());
        hasher.update(field.as_bytes());
    }
    hex(&hasher.finalize())
}

/// The bytes that hex stands for; nothing for what is no hex, which no hash matches.
fn bytes_of(hex: &str) -> Vec<u8> {
    crate::access::from_hex(hex).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tocsin_vocabulary::Timestamp;

    fn line(actor: &str, via: &str) -> AuditLine {
        AuditLine {
            at: Timestamp::from_millis(5),
            actor: actor.to_owned(),
            via: via.to_owned(),
            action: "session.begin".to_owned(),
            subject: String::new(),
            detail: String::new(),
        }
    }

    #[test]
    fn fields_cannot_flow_into_each_other() {
        assert_ne!(
            digest(GENESIS, 1, &line("ab", "c")),
            digest(GENESIS, 1, &line("a", "bc"))
        );
        assert_ne!(digest(GENESIS, 1, &line("a", "b")), digest(GENESIS, 2, &line("a", "b")));
    }

    #[test]
    fn the_digest_is_the_documented_one() {
        let mut bytes = vec![0; 32];
        bytes.extend([0, 0, 0, 0, 0, 0, 0, 1]);
        bytes.extend([0, 0, 0, 0, 0, 0, 0, 5]);
        for field in ["a", "b", "session.begin", "", ""] {
            bytes.extend([0, 0, 0, 0, 0, 0, 0]);
            bytes.push(u8::try_from(field.len()).unwrap());
            bytes.extend(field.bytes());
        }
        assert_eq!(digest(GENESIS, 1, &line("a", "b")), hex(&Sha256::digest(&bytes)));
    }
}
