//! Numbered, forward-only migrations; the same text for both engines.
//!
//! All that is missing is applied in one transaction. A schema newer than ours is refused. An existing SQLite file is
//! copied first, to `FILE.before-N` where N is the first step that is about to be taken.

use crate::{
    LedgerError,
    engine::{Engine, Place, Tx, commit},
    place::with_suffix,
    statement::{Statement, integer},
};
use tocsin_vocabulary::Timestamp;

/// One step.
pub(crate) struct Migration {
    /// 1, 2, 3 …
    pub(crate) version: i64,
    /// The file's name.
    pub(crate) name: &'static str,
    /// The file's text.
    pub(crate) sql: &'static str,
}

/// All steps, in order.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "registers_and_desk",
        sql: include_str!("../migrations/0001_registers_and_desk.sql"),
    },
    Migration {
        version: 2,
        name: "events",
        sql: include_str!("../migrations/0002_events.sql"),
    },
    Migration {
        version: 3,
        name: "certificate_used",
        sql: include_str!("../migrations/0003_certificate_used.sql"),
    },
    Migration {
        version: 4,
        name: "indexes_of_live_work",
        sql: include_str!("../migrations/0004_indexes_of_live_work.sql"),
    },
    Migration {
        version: 5,
        name: "documents",
        sql: include_str!("../migrations/0005_documents.sql"),
    },
    Migration {
        version: 6,
        name: "alert_evidence",
        sql: include_str!("../migrations/0006_alert_evidence.sql"),
    },
    Migration {
        version: 7,
        name: "planned_work_and_topology",
        sql: include_str!("../migrations/0007_planned_work_and_topology.sql"),
    },
    Migration {
        version: 8,
        name: "calendars_and_clocks",
        sql: include_str!("../migrations/0008_calendars_and_clocks.sql"),
    },
    Migration {
        version: 9,
        name: "roster_handover_register",
        sql: include_str!("../migrations/0009_roster_handover_register.sql"),
    },
    Migration {
        version: 10,
        name: "backup_jobs_and_runs",
        sql: include_str!("../migrations/0010_backup_jobs_and_runs.sql"),
    },
    Migration {
        version: 11,
        name: "outbox_states",
        sql: include_str!("../migrations/0011_outbox_states.sql"),
    },
    Migration {
        version: 12,
        name: "terms",
        sql: include_str!("../migrations/0012_terms.sql"),
    },
    Migration {
        version: 13,
        name: "papers",
        sql: include_str!("../migrations/0013_papers.sql"),
    },
    Migration {
        version: 14,
        name: "accounts",
        sql: include_str!("../migrations/0014_accounts.sql"),
    },
];

const OPERATION: &str = "migrate the ledger";

const SCHEMA_VERSION: &str = "CREATE TABLE IF NOT EXISTS schema_version (
    version    BIGINT PRIMARY KEY,
    name       TEXT NOT NULL,
    applied_at BIGINT NOT NULL
)";

/// Two collectors that start at once take turns. The number is ours alone within the database.
const POSTGRES_LOCK: &str = "DO $$ BEGIN PERFORM pg_advisory_xact_lock(7443001); END $$";

/// Brings the ledger to the last of `migrations`.
pub(crate) async fn migrate(engine: &Engine, migrations: &[Migration], now: Timestamp) -> Result<(), LedgerError> {
    let known = migrations.last().map_or(0, |last| last.version);
    let mut tx = begin(engine).await?;
    let found = version(&mut tx).await?;
    if found > known {
        return Err(LedgerError::Newer {
            target: engine.target(),
            found,
            known,
        });
    }
    if found == known {
        return commit(tx, OPERATION).await;
    }
    if let (Place::Sqlite { path, .. }, true) = (engine.place(), engine.existed() && found > 0) {
        // The writer's transaction is ours and has changed nothing yet, so the copy is of this very moment.
        engine
            .copy_to(&with_suffix(path, &format!(".before-{}", found + 1)))
            .await?;
    }
    for step in migrations.iter().filter(|step| step.version > found) {
        apply(&mut tx, step, now)
            .await
            .map_err(|source| failed(engine, step, source))?;
        tracing::info!(version = step.version, name = step.name, "ledger migrated");
    }
    commit(tx, OPERATION).await
}

async fn begin(engine: &Engine) -> Result<Tx, LedgerError> {
    let mut tx = engine.write(OPERATION).await?;
    if matches!(engine.place(), Place::Postgres { .. }) {
        Engine::script(&mut tx, OPERATION, POSTGRES_LOCK).await?;
    }
    Engine::script(&mut tx, OPERATION, SCHEMA_VERSION).await?;
    Ok(tx)
}

async fn version(tx: &mut Tx) -> Result<i64, LedgerError> {
    let row = Statement::new(
        OPERATION,
        "SELECT COALESCE(MAX(version), 0) AS version FROM schema_version",
    )
    .row(tx)
    .await?;
    row.map_or(Ok(0), |row| integer(OPERATION, &row, "version"))
}

async fn apply(tx: &mut Tx, step: &Migration, now: Timestamp) -> Result<(), LedgerError> {
    Engine::script(tx, OPERATION, step.sql).await?;
    Statement::new(
        OPERATION,
        "INSERT INTO schema_version (version, name, applied_at) VALUES ($1, $2, $3)",
    )
    .integer(step.version)
    .text(step.name)
    .time(now)
    .run(tx)
    .await?;
    Ok(())
}

fn failed(engine: &Engine, step: &Migration, source: LedgerError) -> LedgerError {
    LedgerError::Migration {
        target: engine.target(),
        version: step.version,
        name: step.name,
        source: Box::new(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LedgerError;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    /// All real steps, and one more.
    fn and_then(sql: &'static str) -> Vec<Migration> {
        let step = |step: &Migration| Migration {
            version: step.version,
            name: step.name,
            sql: step.sql,
        };
        let mut steps: Vec<Migration> = MIGRATIONS.iter().map(step).collect();
        steps.push(Migration {
            version: tomorrow(),
            name: "tomorrow",
            sql,
        });
        steps
    }

    fn tomorrow() -> i64 {
        MIGRATIONS.last().unwrap().version + 1
    }

    #[test]
    fn steps_are_numbered_without_holes() {
        assert!(
            MIGRATIONS
                .iter()
                .zip(1..)
                .all(|(step, version)| step.version == version)
        );
    }

    async fn customers(engine: &Engine) -> i64 {
        let row = Statement::new("count", "SELECT COUNT(*) AS n FROM customer")
            .row(&mut engine.reader("count").await.unwrap())
            .await
            .unwrap()
            .unwrap();
        integer("count", &row, "n").unwrap()
    }

    #[tokio::test]
    async fn a_copy_is_made_before_a_step() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let address = format!("sqlite:{}", path.display());
        let engine = Engine::open(&address).await.unwrap();
        migrate(&engine, MIGRATIONS, NOW).await.unwrap();
        engine.close().await;
        drop(engine);
        assert!(!with_suffix(&path, ".before-1").exists());

        let engine = Engine::open(&address).await.unwrap();
        migrate(
            &engine,
            &and_then("DELETE FROM contract; DELETE FROM site; DELETE FROM customer;"),
            NOW,
        )
        .await
        .unwrap();
        assert_eq!(customers(&engine).await, 0);
        engine.close().await;

        let copy = with_suffix(&path, &format!(".before-{}", tomorrow()));
        let before = Engine::open(&format!("sqlite:{}", copy.display())).await.unwrap();
        migrate(&before, MIGRATIONS, NOW).await.unwrap();
        assert_eq!(customers(&before).await, 1);
    }

    #[tokio::test]
    async fn a_step_that_fails_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("sqlite:{}", folder.path().join("ledger.db").display());
        let engine = Engine::open(&address).await.unwrap();
        migrate(&engine, MIGRATIONS, NOW).await.unwrap();
        let error = migrate(&engine, &and_then("CREATE TABLE extra (id TEXT); nonsense;"), NOW)
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains(&format!("schema {} (tomorrow)", tomorrow())),
            "{error}"
        );
        migrate(&engine, &and_then("CREATE TABLE extra (id TEXT);"), NOW)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_newer_schema_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("sqlite:{}", folder.path().join("ledger.db").display());
        let engine = Engine::open(&address).await.unwrap();
        migrate(&engine, &and_then("CREATE TABLE extra (id TEXT);"), NOW)
            .await
            .unwrap();
        let error = migrate(&engine, MIGRATIONS, NOW).await.unwrap_err();
        assert!(matches!(error, LedgerError::Newer { found, known, .. } if found == tomorrow() && known + 1 == found));
        assert!(error.to_string().contains(&format!("before-{}", tomorrow())), "{error}");
    }
}
