//! The tables of gammu-smsd's SQL backend (its schema version 17 on SQLite and PostgreSQL): another program's database, in
//! which the same rule holds as in ours, that no SQL stands outside this crate. Its schema is neither made nor changed here.
//!
//! Its names are quoted, for PostgreSQL's have capitals; its flags are words on SQLite and booleans on PostgreSQL, and a
//! quoted `'true'` is both. Times are never compared: each engine keeps them in a manner and zone of its own.

use crate::{
    LedgerError,
    place::{sqlite_url, without_password},
    statement::{Fields, Statement},
};
use sqlx::{Any, AnyPool, any::AnyPoolOptions, pool::PoolConnection};
use std::{path::Path, time::Duration};
use tocsin_desk::modem::{Modems, OutgoingSms, ReceivedSms, SentPart};

/// Connections at once: one sends, one looks.
const CONNECTIONS_MAX: u32 = 2;
/// How long to wait for a connection, or for the daemon to let go of a SQLite file.
const PATIENCE: Duration = Duration::from_secs(5);
/// What each connection to SQLite is told; how the file is kept is the daemon's matter.
const SQLITE_PRAGMAS: &str = "PRAGMA busy_timeout = 5000";
/// Sent parts that are looked at: the newest.
const SENT_MAX: i64 = 2_000;
/// Received messages that are taken in one go.
const RECEIVED_MAX: i64 = 100;

/// The tables. Opened when they are first used, so that a start does not need the daemon's database.
#[derive(Debug, Clone)]
pub struct SmsTables {
    pool: AnyPool,
}

impl SmsTables {
    /// Tables at `sqlite:PATH` or `postgres://…`; connects to nothing yet. Must be called within a runtime.
    ///
    /// # Errors
    /// When that is no address.
    pub fn at(address: &str) -> Result<Self, LedgerError> {
        sqlx::any::install_default_drivers();
        let options = AnyPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(PATIENCE);
        let pool = if let Some(path) = address.strip_prefix("sqlite:") {
            options
                .after_connect(|connection, _| {
                    Box::pin(async move { sqlx::raw_sql(SQLITE_PRAGMAS).execute(connection).await.map(|_| ()) })
                })
                .connect_lazy(&sqlite_url(Path::new(path.trim_start_matches("//")), "mode=rw"))
        } else {
            options.connect_lazy(address)
        };
        let pool = pool.map_err(|_| LedgerError::Address {
            address: without_password(address),
        })?;
        Ok(Self { pool })
    }

    async fn connection(&self, operation: &'static str) -> Result<PoolConnection<Any>, LedgerError> {
        self.pool
            .acquire()
            .await
            .map_err(|source| LedgerError::of(operation, source))
    }

    /// Whether a message of this creator waits, or was sent and is not known to have failed.
    ///
    /// # Errors
    /// When the tables can't be read.
    pub async fn is_there(&self, creator: &str) -> Result<bool, LedgerError> {
        const OPERATION: &str = "look for a message in gammu-smsd's tables";
        let rows = Statement::new(
            OPERATION,
            r#"SELECT "CreatorID" AS creator FROM outbox WHERE "CreatorID" = $1
               UNION ALL
               SELECT "CreatorID" AS creator FROM sentitems
               WHERE "CreatorID" = $1 AND "Status" NOT IN ('SendingError', 'DeliveryFailed', 'Error')"#,
        )
        .text(creator)
        .rows(&mut *self.connection(OPERATION).await?)
        .await?;
        Ok(!rows.is_empty())
    }

    /// Puts a message into the outbox; it is on the disk when this returns.
    ///
    /// # Errors
    /// When the tables can't be written.
    pub async fn put(&self, sms: &OutgoingSms) -> Result<(), LedgerError> {
        const OPERATION: &str = "write a message into gammu-smsd's outbox";
        let failed = |source| LedgerError::of(OPERATION, source);
        let Some((first, rest)) = sms.parts.split_first() else {
            return Ok(());
        };
        let mut tx = self.pool.begin().await.map_err(failed)?;
        let sql = if rest.is_empty() { ONE_PART } else { MANY_PARTS };
        let row = Statement::new(OPERATION, sql)
            .text(&sms.number)
            .text(&first.hex)
            .text(&first.text)
            .maybe_text(Some(first.header.as_str()).filter(|header| !header.is_empty()))
            .text(&sms.creator)
            .maybe_text(Some(sms.modem.as_str()).filter(|modem| !modem.is_empty()))
            .integer(sms.priority)
            .row(&mut tx)
            .await?;
        let Some(row) = row else {
            return Err(failed(sqlx::Error::RowNotFound));
        };
        let id = Fields::new(OPERATION, &row).integer("id")?;
        for (part, place) in rest.iter().zip(2..) {
            Statement::new(
                OPERATION,
                r#"INSERT INTO outbox_multipart ("ID", "SequencePosition", "Text", "TextDecoded", "UDH", "Coding")
                   VALUES ($1, $2, $3, $4, $5, 'Unicode_No_Compression')"#,
            )
            .integer(id)
            .integer(place)
            .text(&part.hex)
            .text(&part.text)
            .text(&part.header)
            .run(&mut tx)
            .await?;
        }
        tx.commit().await.map_err(failed)
    }

    /// What became of the newest messages whose creator begins with `prefix`, part by part.
    ///
    /// # Errors
    /// When the tables can't be read.
    pub async fn sent(&self, prefix: &str) -> Result<Vec<SentPart>, LedgerError> {
        const OPERATION: &str = "read what gammu-smsd has sent";
        let rows = Statement::new(
            OPERATION,
            r#"SELECT CAST("ID" AS BIGINT) AS id, "CreatorID" AS creator, "Status" AS status FROM sentitems
               WHERE "CreatorID" LIKE $1 ORDER BY "ID" DESC, "SequencePosition" LIMIT $2"#,
        )
        .text(&format!("{prefix}%"))
        .integer(SENT_MAX)
        .rows(&mut *self.connection(OPERATION).await?)
        .await?;
        rows.iter()
            .map(|row| {
                let fields = Fields::new(OPERATION, row);
                Ok(SentPart {
                    id: fields.integer("id")?,
                    creator: fields.text("creator")?,
                    status: fields.text("status")?,
                })
            })
            .collect()
    }

    /// Messages that came in and that nobody has dealt with, oldest first.
    ///
    /// # Errors
    /// When the tables can't be read.
    pub async fn received(&self) -> Result<Vec<ReceivedSms>, LedgerError> {
        const OPERATION: &str = "read what gammu-smsd has received";
        let rows = Statement::new(
            OPERATION,
            r#"SELECT CAST("ID" AS BIGINT) AS id, "SenderNumber" AS sender, "TextDecoded" AS words FROM inbox
               WHERE "Processed" = 'false' ORDER BY "ID" LIMIT $1"#,
        )
        .integer(RECEIVED_MAX)
        .rows(&mut *self.connection(OPERATION).await?)
        .await?;
        rows.iter()
            .map(|row| {
                let fields = Fields::new(OPERATION, row);
                Ok(ReceivedSms {
                    id: fields.integer("id")?,
                    from: fields.text("sender")?,
                    text: fields.text("words")?,
                })
            })
            .collect()
    }

    /// A message that came in was dealt with.
    ///
    /// # Errors
    /// When the tables can't be written.
    pub async fn processed(&self, id: i64) -> Result<(), LedgerError> {
        const OPERATION: &str = "mark a message that gammu-smsd received";
        Statement::new(OPERATION, r#"UPDATE inbox SET "Processed" = 'true' WHERE "ID" = $1"#)
            .integer(id)
            .run(&mut *self.connection(OPERATION).await?)
            .await?;
        Ok(())
    }

    /// How the daemon and its modems are.
    ///
    /// # Errors
    /// When the tables can't be read.
    pub async fn modems(&self) -> Result<Modems, LedgerError> {
        const OPERATION: &str = "read how gammu-smsd's modems are";
        let mut connection = self.connection(OPERATION).await?;
        let rows = Statement::new(
            OPERATION,
            r#"SELECT CAST("Signal" AS BIGINT) AS signal, CAST("TimeOut" AS TEXT) AS life FROM phones"#,
        )
        .rows(&mut connection)
        .await?;
        let mut modems = Modems::default();
        for row in &rows {
            let fields = Fields::new(OPERATION, row);
            // -1 stands for unknown.
            let signal: i64 = fields.integer("signal")?;
            modems
                .signals
                .push(u8::try_from(signal).ok().filter(|percent| *percent <= 100));
            modems.sign_of_life = modems.sign_of_life.max(fields.text("life")?);
        }
        let row = Statement::new(
            OPERATION,
            r#"SELECT COUNT(*) AS waiting, CAST(MIN("ID") AS BIGINT) AS oldest FROM outbox"#,
        )
        .row(&mut connection)
        .await?;
        if let Some(row) = row {
            let fields = Fields::new(OPERATION, &row);
            modems.waiting = fields.number("waiting")?;
            modems.oldest = fields.maybe_number("oldest")?;
        }
        Ok(modems)
    }
}

/// The first part of a message; what the statements differ in is a flag, which has no type that both engines share.
macro_rules! first_part {
    ($many:literal) => {
        concat!(
            r#"INSERT INTO outbox ("DestinationNumber", "Text", "TextDecoded", "UDH", "CreatorID", "SenderID", "Priority",
                                   "Coding", "DeliveryReport", "MultiPart")
               VALUES ($1, $2, $3, $4, $5, $6, $7, 'Unicode_No_Compression', 'yes', '"#,
            $many,
            r#"') RETURNING CAST("ID" AS BIGINT) AS id"#
        )
    };
}

const ONE_PART: &str = first_part!("false");
const MANY_PARTS: &str = first_part!("true");

#[cfg(test)]
mod tests {
    use super::*;
    use tocsin_desk::modem::SmsPart;

    /// What of the daemon's tables is read and written here; the real ones are met in a story.
    const TABLES: &str = r#"
        CREATE TABLE outbox ("ID" INTEGER PRIMARY KEY, "DestinationNumber" TEXT, "Text" TEXT, "TextDecoded" TEXT, "UDH" TEXT,
            "CreatorID" TEXT, "SenderID" TEXT, "Priority" INTEGER, "Coding" TEXT, "DeliveryReport" TEXT, "MultiPart" TEXT);
        CREATE TABLE outbox_multipart ("ID" INTEGER, "SequencePosition" INTEGER, "Text" TEXT, "TextDecoded" TEXT, "UDH" TEXT,
            "Coding" TEXT);
        CREATE TABLE sentitems ("ID" INTEGER, "SequencePosition" INTEGER, "CreatorID" TEXT, "Status" TEXT);
        CREATE TABLE inbox ("ID" INTEGER PRIMARY KEY, "SenderNumber" TEXT, "TextDecoded" TEXT, "Processed" TEXT);
        CREATE TABLE phones ("IMEI" TEXT, "Signal" INTEGER, "TimeOut" NUMERIC);"#;

    async fn tables() -> (tempfile::TempDir, SmsTables) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("smsd.db");
        std::fs::write(&path, "").unwrap();
        let tables = SmsTables::at(&format!("sqlite:{}", path.display())).unwrap();
        run(&tables, TABLES).await;
        (folder, tables)
    }

    async fn run(tables: &SmsTables, sql: &'static str) {
        let mut connection = tables.connection("test").await.unwrap();
        sqlx::raw_sql(sql).execute(&mut *connection).await.unwrap();
    }

    #[tokio::test]
    async fn a_message_in_parts_is_found_until_it_is_known_to_have_failed() {
        let (_folder, tables) = tables().await;
        let part = |header: &str| SmsPart {
            text: "\u{8b66}".to_owned(),
            hex: "8B66".to_owned(),
            header: header.to_owned(),
        };
        let sms = OutgoingSms {
            number: "+8613800000001".to_owned(),
            creator: "tocsin1".to_owned(),
            modem: String::new(),
            priority: 254,
            parts: vec![part("050003070201"), part("050003070202")],
        };
        assert!(!tables.is_there("tocsin1").await.unwrap());
        tables.put(&sms).await.unwrap();
        assert!(tables.is_there("tocsin1").await.unwrap());
        let modems = tables.modems().await.unwrap();
        assert_eq!((modems.waiting, modems.oldest), (1, Some(1)));
        run(
            &tables,
            "DELETE FROM outbox; INSERT INTO sentitems VALUES (1, 1, 'tocsin1', 'SendingOK'), (1, 2, 'tocsin1', 'SendingError'),
             (2, 1, 'other', 'SendingOK')",
        )
        .await;
        let sent = tables.sent("tocsin").await.unwrap();
        let states: Vec<&str> = sent.iter().map(|part| part.status.as_str()).collect();
        assert_eq!(states, ["SendingOK", "SendingError"]);
        run(&tables, "UPDATE sentitems SET Status = 'SendingError'").await;
        assert!(!tables.is_there("tocsin1").await.unwrap());
    }

    #[tokio::test]
    async fn replies_are_read_until_they_are_marked_and_modems_tell_how_they_are() {
        let (_folder, tables) = tables().await;
        run(
            &tables,
            "INSERT INTO inbox VALUES (1, '+8613800000001', '1042 07', 'false'), (2, '10086', 'x', 'true');
             INSERT INTO phones VALUES ('1', -1, '2026-11-22 03:04:05'), ('2', 67, '2026-11-22 03:04:15')",
        )
        .await;
        let received = tables.received().await.unwrap();
        assert_eq!(
            received.iter().map(|sms| sms.text.as_str()).collect::<Vec<_>>(),
            ["1042 07"]
        );
        tables.processed(1).await.unwrap();
        assert!(tables.received().await.unwrap().is_empty());
        let modems = tables.modems().await.unwrap();
        assert_eq!(modems.signals, [None, Some(67)]);
        assert_eq!(modems.sign_of_life, "2026-11-22 03:04:15");
    }

    #[tokio::test]
    async fn a_database_that_is_not_there_is_told_and_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none.db");
        let tables = SmsTables::at(&format!("sqlite:{}", path.display())).unwrap();
        assert!(tables.modems().await.is_err());
        assert!(!path.exists());
    }
}
