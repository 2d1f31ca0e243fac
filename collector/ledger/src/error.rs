//! What can go wrong with the ledger, in words that name the operation and what to do.

use std::path::PathBuf;
use tocsin_vocabulary::Code;

/// Why the ledger did not do something. Whatever fails leaves the ledger as it was before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The address is of no engine that we know.
    #[error("`{address}` is no address of a ledger: expected sqlite:PATH or postgres://USER@HOST/DATABASE")]
    Address {
        /// As given, without a password.
        address: String,
    },
    /// The folder of a SQLite ledger can't be used.
    #[error(
        "ledger folder {} is not usable: create it, and let the user that the collector runs as write to it",
        path.display()
    )]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Another process has it open.
    #[error(
        "ledger {} is in use by another process: stop the other collector, or give this one a folder of its own",
        path.display()
    )]
    InUse {
        /// The ledger's file.
        path: PathBuf,
    },
    /// The file is something else, or damaged.
    #[error(
        "{} is not a ledger database, or its head is damaged: restore it from a copy, or move it away to begin anew",
        path.display()
    )]
    NotADatabase {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: sqlx::Error,
    },
    /// The file is a database of something else.
    #[error("{target} is a database, but not a ledger: name another file, or move it away to begin anew")]
    Foreign {
        /// The file.
        target: String,
    },
    /// It could not be opened for another reason.
    #[error("open ledger {target}: check that the address is right, the server runs and the user may sign in")]
    Open {
        /// File or server, without a password.
        target: String,
        /// What the engine said.
        #[source]
        source: sqlx::Error,
    },
    /// The PostgreSQL server is not one that the ledger can live on.
    #[error("PostgreSQL server of {target} has {found}, the ledger needs {needed}")]
    Server {
        /// Which server, without a password.
        target: String,
        /// What it is.
        found: String,
        /// What it must be.
        needed: &'static str,
    },
    /// A newer collector wrote it.
    #[error(
        "ledger {target} has schema {found}, this collector knows up to {known}: run the newer collector again, \
         or restore the copy that it made before it migrated (FILE.before-{}, or your backup)", known + 1
    )]
    Newer {
        /// File or server.
        target: String,
        /// What it has.
        found: i64,
        /// What we know.
        known: i64,
    },
    /// The copy before a migration, or a backup, could not be made.
    #[error("copy ledger to {}: make room there and let the collector write to it", path.display())]
    Copy {
        /// The copy.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A migration failed; the ledger is as it was.
    #[error("migrate ledger {target} to schema {version} ({name}); the ledger is unchanged")]
    Migration {
        /// File or server.
        target: String,
        /// The step.
        version: i64,
        /// Its name.
        name: &'static str,
        /// What the engine said.
        #[source]
        source: Box<Self>,
    },
    /// No room on the disk.
    #[error(
        "{operation}: no room left on the ledger's disk; nothing of it was written, nothing older was lost: make room"
    )]
    Full {
        /// What was tried.
        operation: &'static str,
        /// What the engine said.
        #[source]
        source: sqlx::Error,
    },
    /// Too busy, or away.
    #[error("{operation}: the ledger does not answer now: it is locked, starting, or cannot be reached; try again")]
    Unavailable {
        /// What was tried.
        operation: &'static str,
        /// What the engine said.
        #[source]
        source: sqlx::Error,
    },
    /// Another change came first.
    #[error("{operation}: {what}")]
    Conflict {
        /// What was tried.
        operation: &'static str,
        /// What stands against it.
        what: String,
    },
    /// No such row.
    #[error("{operation}: there is no {what}")]
    NotFound {
        /// What was tried.
        operation: &'static str,
        /// What is missing.
        what: String,
    },
    /// The request can't be.
    #[error("{operation}: {what}")]
    Invalid {
        /// What was tried.
        operation: &'static str,
        /// What is wrong.
        what: String,
    },
    /// There would be too much of it.
    #[error("{operation}: {what}")]
    Exhausted {
        /// What was tried.
        operation: &'static str,
        /// How much there may be, and the remedy.
        what: String,
    },
    /// A stored value has no meaning to us.
    #[error("{operation}: column `{column}` holds what this collector does not understand: {what}")]
    Row {
        /// What was tried.
        operation: &'static str,
        /// Where.
        column: &'static str,
        /// What it holds.
        what: String,
    },
    /// Anything else the engine says.
    #[error("{operation}: the ledger's engine refused it")]
    Engine {
        /// What was tried.
        operation: &'static str,
        /// What the engine said.
        #[source]
        source: sqlx::Error,
    },
}

impl LedgerError {
    /// Which kind, for every edge.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Address { .. } | Self::Invalid { .. } => Code::InvalidInput,
            Self::Folder { .. }
            | Self::InUse { .. }
            | Self::NotADatabase { .. }
            | Self::Foreign { .. }
            | Self::Server { .. }
            | Self::Newer { .. }
            | Self::Copy { .. } => Code::FailedPrecondition,
            Self::Open { .. } | Self::Unavailable { .. } => Code::Unavailable,
            Self::Migration { source, .. } => source.code(),
            Self::Full { .. } | Self::Exhausted { .. } => Code::ResourceExhausted,
            Self::Conflict { .. } => Code::Conflict,
            Self::NotFound { .. } => Code::NotFound,
            Self::Row { .. } | Self::Engine { .. } => Code::Internal,
        }
    }

    /// What an engine's error means for `operation`.
    pub(crate) fn of(operation: &'static str, source: sqlx::Error) -> Self {
        match Condition::of(&source) {
            Condition::Full => Self::Full { operation, source },
            Condition::Away => Self::Unavailable { operation, source },
            Condition::Double => Self::Conflict {
                operation,
                what: "it is there already".to_owned(),
            },
            Condition::Dangling => Self::Invalid {
                operation,
                what: "it names something that is not in the register".to_owned(),
            },
            Condition::NotADatabase | Condition::Other => Self::Engine { operation, source },
        }
    }
}

/// What engines say, in terms that both share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// No room.
    Full,
    /// Locked, starting, gone, too many connections, deadlock.
    Away,
    /// A unique key is taken.
    Double,
    /// A reference leads nowhere.
    Dangling,
    /// Not a SQLite file, or damaged.
    NotADatabase,
    /// Anything else.
    Other,
}

impl Condition {
    pub(crate) fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Tls(_) => Self::Away,
            sqlx::Error::Database(error) if error.is_unique_violation() => Self::Double,
            sqlx::Error::Database(error) if error.is_foreign_key_violation() => Self::Dangling,
            sqlx::Error::Database(error) => error.code().map_or(Self::Other, |code| Self::of_code(&code)),
            _ => Self::Other,
        }
    }

    /// SQLite's extended result code as a number (<https://www.sqlite.org/rescode.html>), or a SQLSTATE of five
    /// characters (PostgreSQL, appendix A).
    fn of_code(code: &str) -> Self {
        if code.len() == 5 {
            return match code {
                "53100" => Self::Full,
                // Read-only transaction: the server became a standby. 25P03, 25P04: a transaction was idle or open for
                // longer than the server allows. Class 40 (serialisation, deadlock): the next try succeeds.
                "25006" | "25P03" | "25P04" | "53300" | "55P03" | "57014" => Self::Away,
                _ if ["08", "40", "57P"].iter().any(|class| code.starts_with(class)) => Self::Away,
                _ => Self::Other,
            };
        }
        match code.parse::<u32>() {
            // SQLITE_IOERR_SHMSIZE: no room for the index of the write-ahead log.
            Ok(4874) => Self::Full,
            Ok(code) => match code & 0xFF {
                5 | 6 => Self::Away,           // SQLITE_BUSY, SQLITE_LOCKED
                11 | 26 => Self::NotADatabase, // SQLITE_CORRUPT, SQLITE_NOTADB
                13 => Self::Full,              // SQLITE_FULL
                _ => Self::Other,
            },
            Err(_) => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_both_engines_mean_the_same() {
        for (code, condition) in [
            ("13", Condition::Full),
            ("53100", Condition::Full),
            ("5", Condition::Away),
            ("517", Condition::Away),
            ("57P03", Condition::Away),
            ("08006", Condition::Away),
            ("40001", Condition::Away),
            ("40P01", Condition::Away),
            ("57014", Condition::Away),
            ("25006", Condition::Away),
            ("26", Condition::NotADatabase),
            ("22021", Condition::Other),
            ("what", Condition::Other),
        ] {
            assert_eq!(Condition::of_code(code), condition, "{code}");
        }
    }
}
