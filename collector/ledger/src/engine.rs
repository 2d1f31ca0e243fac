//! The two engines behind one face: how a ledger is opened, written to and read.
//!
//! SQLite: one writer connection whose transactions begin with `BEGIN IMMEDIATE`, and readers apart. A reader that
//! turned writer in mid-transaction would fail at once with SQLITE_BUSY, however long the busy timeout; so nobody does.
//! WAL with synchronous=FULL: each commit is on the disk when it returns. A lock file keeps a second process out.
//!
//! PostgreSQL: one pool, read committed; whoever must be alone locks a row of `counter` first.
//!
//! sqlx's `Any` driver carries both. Only `String`, `i64`, `f64` and their options are bound, for those it maps alike.

use crate::{
    LedgerError,
    error::Condition,
    place::{lock_file, sqlite_url, with_suffix, without_password},
    statement::{Statement, integer, text},
};
use sqlx::{
    Any, AnyConnection, AnyPool, Connection as _, Transaction,
    any::AnyPoolOptions,
    pool::{PoolConnection, PoolConnectionMetadata},
};
use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Readers of a SQLite ledger: each is a thread; pages and API read in short bursts.
const SQLITE_READERS_MAX: u32 = 4;

/// Connections to PostgreSQL of one collector: a server's customary limit is 100 for all.
const POSTGRES_CONNECTIONS_MAX: u32 = 10;

/// How long an operation waits for a connection before it says that the ledger is busy.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// What every SQLite connection is told. FULL: a commit is on the disk when it returns. The journal's mode is kept in
/// the file, the rest is per connection.
const SQLITE_PRAGMAS: &str =
    "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;";

/// The oldest PostgreSQL that is tested, as `server_version_num` counts.
const POSTGRES_VERSION_MIN: i64 = 150_000;

/// A transaction that writes; dropped uncommitted, it leaves no trace.
pub(crate) type Tx = Transaction<'static, Any>;

/// Where the ledger lives.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// This file, which nobody else has open while the lock lives.
    Sqlite { path: PathBuf, _lock: Arc<File> },
    /// This server and database, written without its password.
    Postgres { target: String },
}

/// An open database.
#[derive(Debug, Clone)]
pub(crate) struct Engine {
    place: Place,
    writer: AnyPool,
    readers: AnyPool,
    /// Whether the file was there and held something before it was opened.
    existed: bool,
}

impl Engine {
    /// Opens `sqlite:PATH` or `postgres://…` and checks that a ledger can live there. Changes nothing in it.
    pub(crate) async fn open(address: &str) -> Result<Self, LedgerError> {
        // Idempotent: drivers stay installed for the life of the process.
        sqlx::any::install_default_drivers();
        if let Some(path) = address.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            Self::open_sqlite(Path::new(path)).await
        } else if address.starts_with("postgres://") || address.starts_with("postgresql://") {
            Self::open_postgres(address).await
        } else {
            Err(LedgerError::Address {
                address: without_password(address),
            })
        }
    }

    async fn open_sqlite(path: &Path) -> Result<Self, LedgerError> {
        let (path, lock) = lock_file(path)?;
        let existed = std::fs::metadata(&path).is_ok_and(|meta| meta.len() > 0);
        let url = sqlite_url(&path, "mode=rwc");
        let opened = |source| match Condition::of(&source) {
            Condition::NotADatabase => LedgerError::NotADatabase {
                path: path.clone(),
                source,
            },
            _ => LedgerError::Open {
                target: path.display().to_string(),
                source,
            },
        };
        // Outside the pools, which would try a file that is no database again and again, and before anything is set in
        // a file that may not be ours.
        if !is_ours(&url).await.map_err(opened)? {
            return Err(LedgerError::Foreign {
                target: path.display().to_string(),
            });
        }
        let writer = sqlite_pool(1).connect(&url).await.map_err(opened)?;
        let readers = sqlite_pool(SQLITE_READERS_MAX).connect(&url).await.map_err(opened)?;
        Ok(Self {
            place: Place::Sqlite {
                path: path.clone(),
                _lock: Arc::new(lock),
            },
            writer,
            readers,
            existed,
        })
    }

    /// Opens a SQLite file to read it, without a lock, a write-ahead log or a change of any kind.
    pub(crate) async fn open_copy(path: &Path) -> Result<Self, LedgerError> {
        sqlx::any::install_default_drivers();
        let file = File::open(path).map_err(|source| LedgerError::Folder {
            path: path.to_owned(),
            source,
        })?;
        let opened = |source| LedgerError::Open {
            target: path.display().to_string(),
            source,
        };
        let readers = AnyPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect(&sqlite_url(path, "mode=ro&immutable=1"))
            .await
            .map_err(opened)?;
        Ok(Self {
            place: Place::Sqlite {
                path: path.to_owned(),
                _lock: Arc::new(file),
            },
            writer: readers.clone(),
            readers,
            existed: true,
        })
    }

    async fn open_postgres(address: &str) -> Result<Self, LedgerError> {
        let target = without_password(address);
        let opened = |source| LedgerError::Open {
            target: target.clone(),
            source,
        };
        // Outside the pool, which would hide what the server says behind its own timeout.
        probe(address).await.map_err(opened)?;
        let pool = AnyPoolOptions::new()
            .max_connections(POSTGRES_CONNECTIONS_MAX)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .after_release(outside_transactions)
            .connect(address)
            .await
            .map_err(opened)?;
        let engine = Self {
            place: Place::Postgres { target },
            writer: pool.clone(),
            readers: pool,
            existed: true,
        };
        engine.check_server().await?;
        Ok(engine)
    }

    async fn check_server(&self) -> Result<(), LedgerError> {
        const OPERATION: &str = "ask the PostgreSQL server what it is";
        let row = Statement::new(
            OPERATION,
            "SELECT CAST(current_setting('server_version_num') AS BIGINT) AS version,
                    current_setting('server_encoding') AS encoding",
        )
        .row(&mut *self.reader(OPERATION).await?)
        .await?;
        let Some(row) = row else { return Ok(()) };
        let wrong = |found, needed| {
            Err(LedgerError::Server {
                target: self.target(),
                found,
                needed,
            })
        };
        let version = integer(OPERATION, &row, "version")?;
        if version < POSTGRES_VERSION_MIN {
            return wrong(format!("version {}", version / 10_000), "15 or newer");
        }
        let encoding = text(OPERATION, &row, "encoding")?;
        if encoding != "UTF8" {
            return wrong(
                format!("a database in {encoding}"),
                "one in UTF8 (createdb --encoding=UTF8 --template=template0)",
            );
        }
        Ok(())
    }

    /// File or server, without a password.
    pub(crate) fn target(&self) -> String {
        match &self.place {
            Place::Sqlite { path, .. } => path.display().to_string(),
            Place::Postgres { target } => target.clone(),
        }
    }

    pub(crate) const fn place(&self) -> &Place {
        &self.place
    }

    /// Whether something may be in it that a migration could spoil.
    pub(crate) const fn existed(&self) -> bool {
        self.existed
    }

    /// A connection to read with.
    pub(crate) async fn reader(&self, operation: &'static str) -> Result<PoolConnection<Any>, LedgerError> {
        self.readers
            .acquire()
            .await
            .map_err(|source| LedgerError::of(operation, source))
    }

    /// A transaction to read with: all its reads see one moment.
    pub(crate) async fn snapshot(&self, operation: &'static str) -> Result<Tx, LedgerError> {
        let begin = match self.place {
            Place::Sqlite { .. } => "BEGIN",
            Place::Postgres { .. } => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        self.readers
            .begin_with(begin)
            .await
            .map_err(|source| LedgerError::of(operation, source))
    }

    /// A transaction to write with.
    pub(crate) async fn write(&self, operation: &'static str) -> Result<Tx, LedgerError> {
        let begin = match self.place {
            Place::Sqlite { .. } => "BEGIN IMMEDIATE",
            Place::Postgres { .. } => "BEGIN",
        };
        self.writer
            .begin_with(begin)
            .await
            .map_err(|source| LedgerError::of(operation, source))
    }

    /// Runs a text of several statements inside a transaction.
    pub(crate) async fn script(
        connection: &mut AnyConnection,
        operation: &'static str,
        sql: &'static str,
    ) -> Result<(), LedgerError> {
        sqlx::raw_sql(sql)
            .execute(connection)
            .await
            .map_err(|source| LedgerError::of(operation, source))?;
        Ok(())
    }

    /// Copies a SQLite ledger, as one moment, to a file that takes the place of an older one.
    pub(crate) async fn copy_to(&self, path: &Path) -> Result<(), LedgerError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| LedgerError::Copy {
            path: path.into(),
            source,
        };
        let part = with_suffix(path, ".part");
        match std::fs::remove_file(&part) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(error.into()));
            }
            _ => {}
        }
        let name = part.to_str().ok_or_else(|| failed("its name is not UTF-8".into()))?;
        let mut connection = self.reader("copy the ledger").await?;
        Statement::new("copy the ledger", "VACUUM INTO $1")
            .text(name)
            .run(&mut connection)
            .await
            .map_err(|error| failed(error.into()))?;
        File::open(&part)
            .and_then(|file| file.sync_all())
            .map_err(|error| failed(error.into()))?;
        std::fs::rename(&part, path).map_err(|error| failed(error.into()))
    }

    /// Closes all connections; a SQLite ledger folds its write-ahead log in.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Commits what a transaction did.
pub(crate) async fn commit(tx: Tx, operation: &'static str) -> Result<(), LedgerError> {
    tx.commit().await.map_err(|source| LedgerError::of(operation, source))
}

/// Connects once, to hear what the server has to say; a network that swallows packets says that nobody answers.
async fn probe(url: &str) -> Result<(), sqlx::Error> {
    match tokio::time::timeout(ACQUIRE_TIMEOUT, AnyConnection::connect(url)).await {
        Ok(connected) => connected?.close().await,
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}

/// Whether a SQLite file is empty or a ledger.
async fn is_ours(url: &str) -> Result<bool, sqlx::Error> {
    let mut connection = AnyConnection::connect(url).await?;
    let names = sqlx::query_scalar("SELECT name FROM sqlite_master")
        .fetch_all(&mut connection)
        .await;
    connection.close().await?;
    let names: Vec<String> = names?;
    Ok(names.is_empty() || names.iter().any(|name| name == "schema_version"))
}

fn sqlite_pool(most: u32) -> sqlx::pool::PoolOptions<Any> {
    AnyPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_release(outside_transactions)
        .after_connect(|connection, _| {
            Box::pin(async move { sqlx::raw_sql(SQLITE_PRAGMAS).execute(connection).await.map(|_| ()) })
        })
}

/// Keeps a connection only if it is outside any transaction. A full disk makes SQLite roll back by itself; sqlx's own
/// rollback then fails, and it would count the connection as inside a transaction for ever.
fn outside_transactions(
    connection: &mut AnyConnection,
    _: PoolConnectionMetadata,
) -> std::pin::Pin<Box<dyn Future<Output = Result<bool, sqlx::Error>> + Send + '_>> {
    Box::pin(async move {
        // The rollback of a dropped transaction is queued; the ping comes after it.
        connection.ping().await?;
        Ok(!connection.is_in_transaction())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Chain, Ledger};
    use tocsin_desk::record::AuditLine;
    use tocsin_vocabulary::{Code, Timestamp};

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    async fn ledger(folder: &tempfile::TempDir) -> Ledger {
        let address = format!("sqlite:{}", folder.path().join("ledger.db").display());
        Ledger::open(&address, NOW).await.unwrap()
    }

    fn line(detail: &str) -> AuditLine {
        let word = || "test".to_owned();
        AuditLine {
            at: NOW,
            actor: word(),
            via: word(),
            action: word(),
            subject: word(),
            detail: detail.to_owned(),
        }
    }

    #[tokio::test]
    async fn a_commit_is_on_the_disk_when_it_returns() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(&folder).await;
        for (pragma, expected) in [
            ("PRAGMA synchronous", 2),
            ("PRAGMA foreign_keys", 1),
            ("PRAGMA busy_timeout", 5_000),
        ] {
            for pool in [&ledger.engine.writer, &ledger.engine.readers] {
                let found: i64 = sqlx::query_scalar(pragma).fetch_one(pool).await.unwrap();
                assert_eq!(found, expected, "{pragma}");
            }
        }
        let mode: String = sqlx::query_scalar("PRAGMA journal_mode")
            .fetch_one(&ledger.engine.writer)
            .await
            .unwrap();
        assert_eq!(mode, "wal");
    }

    #[tokio::test]
    async fn a_full_disk_is_told_and_nothing_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(&folder).await;
        ledger.audit(line("before")).await.unwrap();
        for _ in 0..3 {
            // Anew each time, for a connection that the engine rolled back is replaced, and its limit with it.
            sqlx::raw_sql("PRAGMA max_page_count = 1")
                .execute(&ledger.engine.writer)
                .await
                .unwrap();
            let error = ledger.audit(line(&"x".repeat(1_000_000))).await.unwrap_err();
            assert_eq!(error.code(), Code::ResourceExhausted, "{error}");
            assert!(error.to_string().contains("make room"), "{error}");
        }
        sqlx::raw_sql("PRAGMA max_page_count = 1000000")
            .execute(&ledger.engine.writer)
            .await
            .unwrap();
        ledger.audit(line(&"x".repeat(1_000_000))).await.unwrap();
        assert_eq!(ledger.verify_audit().await.unwrap(), Chain::Whole { lines: 2 });
    }

    #[tokio::test]
    async fn a_rollback_by_the_engine_itself_does_not_cripple_the_writer() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(&folder).await;
        let mut tx = ledger.engine.write("test").await.unwrap();
        Engine::script(&mut tx, "test", "ROLLBACK").await.unwrap();
        drop(tx);
        ledger.audit(line("after")).await.unwrap();
        assert_eq!(ledger.verify_audit().await.unwrap(), Chain::Whole { lines: 1 });
    }

    #[tokio::test]
    async fn readers_go_on_while_a_writer_works() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(&folder).await;
        let mut tx = ledger.engine.write("test").await.unwrap();
        crate::audit::append(&mut tx, &[line("held")]).await.unwrap();
        assert_eq!(ledger.verify_audit().await.unwrap(), Chain::Whole { lines: 0 });
        drop(tx);
        assert_eq!(ledger.verify_audit().await.unwrap(), Chain::Whole { lines: 0 });
    }
}
