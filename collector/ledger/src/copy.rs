//! Copies of a ledger on SQLite, and whether a ledger is whole. One on PostgreSQL is copied by that server's own tools.

use crate::{
    Ledger, LedgerError,
    engine::{Engine, Place},
    statement::{Fields, Statement},
};
use std::path::Path;

impl Ledger {
    /// Opens a ledger without bringing it to this collector's schema: to copy or to check what a collector of another
    /// version left.
    ///
    /// # Errors
    /// As for [`Ledger::open`].
    pub async fn open_as_it_is(address: &str) -> Result<Self, LedgerError> {
        Ok(Self {
            engine: Engine::open(address).await?,
        })
    }

    /// Opens a copy that [`Ledger::backup_to`] made, to read it without changing a byte of it or beside it.
    ///
    /// # Errors
    /// When there is no such file, or it is no database.
    pub async fn open_copy(path: &Path) -> Result<Self, LedgerError> {
        Ok(Self {
            engine: Engine::open_copy(path).await?,
        })
    }

    /// The server and database of a ledger on PostgreSQL, without its password; none with SQLite.
    #[must_use]
    pub fn server(&self) -> Option<String> {
        match self.engine.place() {
            Place::Sqlite { .. } => None,
            Place::Postgres { target } => Some(target.clone()),
        }
    }

    /// Copies a SQLite ledger, as it is at one moment, to `path`; an older copy is replaced when the new one is whole.
    ///
    /// # Errors
    /// When the copy can't be written, or the ledger is on PostgreSQL, which has its own tools for that.
    pub async fn backup_to(&self, path: &Path) -> Result<(), LedgerError> {
        match self.engine.place() {
            Place::Sqlite { .. } => self.engine.copy_to(path).await,
            Place::Postgres { .. } => Err(LedgerError::Invalid {
                operation: "copy the ledger",
                what: "it lives on PostgreSQL: use pg_dump, or the server's own backups".to_owned(),
            }),
        }
    }

    /// Reads a SQLite ledger through; answers what is damaged in it. PostgreSQL looks after its own pages: nothing is
    /// asked of it here.
    ///
    /// # Errors
    /// When it can't be read at all.
    pub async fn damages(&self) -> Result<Vec<String>, LedgerError> {
        const OPERATION: &str = "check the ledger's pages";
        if self.server().is_some() {
            return Ok(Vec::new());
        }
        let rows = Statement::new(OPERATION, "PRAGMA integrity_check")
            .rows(&mut *self.engine.reader(OPERATION).await?)
            .await?;
        let said = rows
            .iter()
            .map(|row| Fields::new(OPERATION, row).text("integrity_check"))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(said.into_iter().filter(|line| line != "ok").collect())
    }
}
