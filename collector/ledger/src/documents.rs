//! Documents of hosts: each content kept once, compressed; versions by host, kind and name.
//!
//! The newest version of a document stays. Its history is bounded by count and by age; of diagnoses, each of which has a
//! name of its own, the newest of a host stay.

use crate::{
    Ledger, LedgerError,
    engine::{Tx, commit},
    statement::{Conditions, Fields, Statement, Value, clean},
};
use sqlx::any::AnyRow;
use std::{collections::BTreeMap, time::Duration};
use tocsin_desk::record::DocumentRecord;
use tocsin_vocabulary::{DocumentId, HostId, Timestamp};

/// Versions of one document that are kept.
pub const VERSIONS_MAX: usize = 100;
/// Diagnoses of one host that are kept.
pub const DIAGNOSES_MAX: usize = 200;
/// Documents that one host may have beside diagnoses.
pub const NAMES_MAX: u64 = 2_000;
/// For how long versions that are not the newest are kept, and diagnoses: a year and some.
pub const AGE_MAX: Duration = Duration::from_secs(400 * 86_400);
/// Versions that one call lets go.
const TRIM_MAX: i64 = 1_000;
/// Most rows of one list.
const LIST_MAX: i64 = 2_500;
/// Enough for text, and quick.
const ZSTD_LEVEL: i32 = 6;
/// Larger contents are none of ours; a damaged one must not take all memory.
const CONTENT_BYTES_MAX: usize = 4 << 20;
/// The kind that has a name of its own each time.
const DIAGNOSIS: &str = "diagnosis";

const COLUMNS: &str = "SELECT d.id, d.host, d.kind, d.name, d.at, d.received_at, d.hash, c.size, d.media, d.attributes
    FROM document d JOIN document_content c ON c.hash = d.hash";

/// A version that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDocument {
    /// Its id: higher than those that arrived before.
    pub id: DocumentId,
    /// Whose.
    pub host: HostId,
    /// `parts`, `inventory`, `file`, `diagnosis`.
    pub kind: String,
    /// Which one of its kind.
    pub name: String,
    /// When it came to be, by the host's clock.
    pub at: Timestamp,
    /// When it arrived.
    pub received_at: Timestamp,
    /// SHA-256 of the content, hex.
    pub hash: String,
    /// `application/json` or `text/plain`.
    pub media: String,
    /// What is known beside it.
    pub attributes: BTreeMap<String, String>,
}

impl Ledger {
    /// Whether this very version is here already.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn has_document(&self, document: &NewDocument) -> Result<bool, LedgerError> {
        const OPERATION: &str = "look for a document";
        let mut tx = self.engine.snapshot(OPERATION).await?;
        let row = Statement::new(
            OPERATION,
            "SELECT 1 AS one FROM document WHERE host = $1 AND kind = $2 AND name = $3 AND at = $4 AND hash = $5",
        )
        .id(document.host)
        .text(&document.kind)
        .text(&document.name)
        .time(document.at)
        .text(&document.hash)
        .row(&mut tx)
        .await?;
        Ok(row.is_some())
    }

    /// Whether a version of this host has this content: what other hosts have it may not claim.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn has_content(&self, host: HostId, hash: &str) -> Result<bool, LedgerError> {
        const OPERATION: &str = "look for a content";
        let mut tx = self.engine.snapshot(OPERATION).await?;
        let row = Statement::new(
            OPERATION,
            "SELECT 1 AS one FROM document WHERE hash = $1 AND host = $2 LIMIT 1",
        )
        .text(hash)
        .id(host)
        .row(&mut tx)
        .await?;
        Ok(row.is_some())
    }

    /// Keeps a version; `content` may be left out when [`Self::has_content`]. One that is here already is kept once. What
    /// is beyond the bounds of its history goes.
    ///
    /// # Errors
    /// `ResourceExhausted` when the host has [`NAMES_MAX`] documents, `NotFound` when there is no such content and none was
    /// given; or when the ledger can't be written.
    pub async fn keep_document(&self, document: &NewDocument, content: Option<&[u8]>) -> Result<(), LedgerError> {
        const OPERATION: &str = "keep a document";
        let packed = content.map(|content| pack(OPERATION, content)).transpose()?;
        let mut tx = self.engine.write(OPERATION).await?;
        if let (Some(packed), Some(content)) = (packed, content) {
            Statement::new(
                OPERATION,
                "INSERT INTO document_content (hash, size, packed) VALUES ($1, $2, $3) ON CONFLICT (hash) DO NOTHING",
            )
            .text(&document.hash)
            .count(u64::try_from(content.len()).unwrap_or(u64::MAX))
            .bytes(packed)
            .run(&mut tx)
            .await?;
        } else {
            check_content(&mut tx, OPERATION, &document.hash).await?;
        }
        check_names(&mut tx, OPERATION, document).await?;
        if insert(&mut tx, OPERATION, document).await? {
            let old = surplus(&mut tx, OPERATION, document).await?;
            let_go(&mut tx, OPERATION, &old).await?;
        }
        commit(tx, OPERATION).await
    }

    /// The newest version of each document of a host but diagnoses, by kind and name.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn documents(&self, host: HostId) -> Result<Vec<DocumentRecord>, LedgerError> {
        const OPERATION: &str = "list documents";
        let mut conditions = Conditions::default();
        conditions.equal("d.host", Some(host));
        conditions.and("d.newest = 1 AND d.kind <> ?", [Value::Text(DIAGNOSIS.to_owned())]);
        let statement = conditions.statement(OPERATION, COLUMNS, "ORDER BY d.kind, d.name", LIST_MAX);
        self.listed(OPERATION, statement).await
    }

    /// The versions of one document, newest first.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn document_versions(
        &self,
        host: HostId,
        kind: &str,
        name: &str,
    ) -> Result<Vec<DocumentRecord>, LedgerError> {
        const OPERATION: &str = "list versions of a document";
        let mut conditions = Conditions::default();
        conditions.equal("d.host", Some(host));
        conditions.equal("d.kind", Some(clean(kind)));
        conditions.equal("d.name", Some(clean(name)));
        let statement = conditions.statement(OPERATION, COLUMNS, "ORDER BY d.id DESC", LIST_MAX);
        self.listed(OPERATION, statement).await
    }

    async fn listed(&self, operation: &'static str, statement: Statement) -> Result<Vec<DocumentRecord>, LedgerError> {
        let mut tx = self.engine.snapshot(operation).await?;
        let rows = statement.rows(&mut tx).await?;
        rows.iter().map(|row| document(operation, row)).collect()
    }

    /// One version of a document of this host, with its content.
    ///
    /// # Errors
    /// When the ledger can't be read, or the content is damaged.
    pub async fn document(
        &self,
        host: HostId,
        id: DocumentId,
    ) -> Result<Option<(DocumentRecord, Vec<u8>)>, LedgerError> {
        const OPERATION: &str = "read a document";
        let mut tx = self.engine.snapshot(OPERATION).await?;
        let row = Statement::new(
            OPERATION,
            "SELECT d.id, d.host, d.kind, d.name, d.at, d.received_at, d.hash, c.size, d.media, d.attributes, c.packed
             FROM document d JOIN document_content c ON c.hash = d.hash WHERE d.id = $1 AND d.host = $2",
        )
        .id(id)
        .id(host)
        .row(&mut tx)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let fields = Fields::new(OPERATION, &row);
        let content = zstd::bulk::decompress(&fields.bytes("packed")?, CONTENT_BYTES_MAX)
            .map_err(|error| fields.strange("packed", error))?;
        Ok(Some((document(OPERATION, &row)?, content)))
    }

    /// Lets go of old versions that are not the newest, and of old diagnoses; answers how many went. To be called again
    /// while it is more than none.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn trim_documents(&self, now: Timestamp) -> Result<usize, LedgerError> {
        const OPERATION: &str = "trim documents";
        let mut tx = self.engine.write(OPERATION).await?;
        let rows = Statement::new(
            OPERATION,
            "SELECT id, hash FROM document WHERE received_at < $1 AND (newest = 0 OR kind = $2) LIMIT $3",
        )
        .time(now.minus(AGE_MAX))
        .text(DIAGNOSIS)
        .integer(TRIM_MAX)
        .rows(&mut tx)
        .await?;
        let old = doomed(OPERATION, &rows)?;
        let_go(&mut tx, OPERATION, &old).await?;
        commit(tx, OPERATION).await?;
        Ok(old.len())
    }
}

fn pack(operation: &'static str, content: &[u8]) -> Result<Vec<u8>, LedgerError> {
    zstd::bulk::compress(content, ZSTD_LEVEL).map_err(|error| LedgerError::Invalid {
        operation,
        what: format!("the content can't be compressed: {error}"),
    })
}

async fn check_content(tx: &mut Tx, operation: &'static str, hash: &str) -> Result<(), LedgerError> {
    let row = Statement::new(operation, "SELECT 1 AS one FROM document_content WHERE hash = $1")
        .text(hash)
        .row(tx)
        .await?;
    row.map(drop).ok_or_else(|| LedgerError::NotFound {
        operation,
        what: format!("content {hash}"),
    })
}

/// A name that is new to the host must be one of few enough.
async fn check_names(tx: &mut Tx, operation: &'static str, document: &NewDocument) -> Result<(), LedgerError> {
    if document.kind == DIAGNOSIS {
        return Ok(());
    }
    let row = Statement::new(
        operation,
        "SELECT COUNT(*) AS names, COALESCE(MAX(CASE WHEN kind = $2 AND name = $3 THEN 1 ELSE 0 END), 0) AS known
         FROM document WHERE host = $1 AND newest = 1 AND kind <> 'diagnosis'",
    )
    .id(document.host)
    .text(&document.kind)
    .text(&document.name)
    .row(tx)
    .await?;
    let Some(row) = row else { return Ok(()) };
    let fields = Fields::new(operation, &row);
    if fields.integer("known")? == 1 || fields.number::<u64>("names")? < NAMES_MAX {
        return Ok(());
    }
    Err(LedgerError::Exhausted {
        operation,
        what: format!("a host may have {NAMES_MAX} documents: let its agent watch fewer files"),
    })
}

/// Writes the row; false when it is there already.
async fn insert(tx: &mut Tx, operation: &'static str, document: &NewDocument) -> Result<bool, LedgerError> {
    let attributes = serde_json::to_string(&document.attributes).unwrap_or_default();
    let added = Statement::new(
        operation,
        "INSERT INTO document (id, host, kind, name, at, received_at, hash, media, attributes, newest)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1) ON CONFLICT (host, kind, name, at, hash) DO NOTHING",
    )
    .id(document.id)
    .id(document.host)
    .text(&document.kind)
    .text(&document.name)
    .time(document.at)
    .time(document.received_at)
    .text(&document.hash)
    .text(&document.media)
    .text(&attributes)
    .run(tx)
    .await?;
    if added == 0 {
        return Ok(false);
    }
    Statement::new(
        operation,
        "UPDATE document SET newest = 0 WHERE host = $1 AND kind = $2 AND name = $3 AND newest = 1 AND id <> $4",
    )
    .id(document.host)
    .text(&document.kind)
    .text(&document.name)
    .id(document.id)
    .run(tx)
    .await?;
    Ok(true)
}

/// Versions beyond the bound of the history that `document` belongs to, as id and hash.
async fn surplus(
    tx: &mut Tx,
    operation: &'static str,
    document: &NewDocument,
) -> Result<Vec<(String, String)>, LedgerError> {
    let statement = if document.kind == DIAGNOSIS {
        Statement::new(
            operation,
            "SELECT id, hash FROM document WHERE host = $1 AND kind = $2 ORDER BY id DESC LIMIT $3 OFFSET $4",
        )
        .id(document.host)
        .text(&document.kind)
        .integer(TRIM_MAX)
        .count(DIAGNOSES_MAX as u64)
    } else {
        Statement::new(
            operation,
            "SELECT id, hash FROM document WHERE host = $1 AND kind = $2 AND name = $3
             ORDER BY id DESC LIMIT $4 OFFSET $5",
        )
        .id(document.host)
        .text(&document.kind)
        .text(&document.name)
        .integer(TRIM_MAX)
        .count(VERSIONS_MAX as u64)
    };
    doomed(operation, &statement.rows(tx).await?)
}

fn doomed(operation: &'static str, rows: &[AnyRow]) -> Result<Vec<(String, String)>, LedgerError> {
    rows.iter()
        .map(|row| {
            let fields = Fields::new(operation, row);
            Ok((fields.text("id")?, fields.text("hash")?))
        })
        .collect()
}

async fn let_go(tx: &mut Tx, operation: &'static str, versions: &[(String, String)]) -> Result<(), LedgerError> {
    for (id, _) in versions {
        Statement::new(operation, "DELETE FROM document WHERE id = $1")
            .text(id)
            .run(tx)
            .await?;
    }
    for (_, hash) in versions {
        Statement::new(
            operation,
            "DELETE FROM document_content WHERE hash = $1
             AND NOT EXISTS (SELECT 1 FROM document WHERE document.hash = document_content.hash)",
        )
        .text(hash)
        .run(tx)
        .await?;
    }
    Ok(())
}

fn document(operation: &'static str, row: &AnyRow) -> Result<DocumentRecord, LedgerError> {
    let fields = Fields::new(operation, row);
    Ok(DocumentRecord {
        id: fields.parsed("id")?,
        host: fields.parsed("host")?,
        kind: fields.text("kind")?,
        name: fields.text("name")?,
        at: fields.time("at")?,
        received_at: fields.time("received_at")?,
        hash: fields.text("hash")?,
        size: fields.number("size")?,
        media: fields.text("media")?,
        attributes: serde_json::from_str(&fields.text("attributes")?).unwrap_or_default(),
    })
}
