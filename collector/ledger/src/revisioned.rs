//! Documents that several people change: a change reads, decides and writes under one revision, so that two of them never
//! overwrite each other.

use crate::{
    Ledger, LedgerError, audit,
    engine::commit,
    pages,
    rosters::json,
    statement::{Fields, Statement},
};
use serde::{Serialize, de::DeserializeOwned};
use tocsin_desk::{model::Page, record::AuditLine};

/// A table of such documents: `id`, `body`, `revision`, and a flag for those that are at their end.
pub(crate) struct Revisioned<T> {
    pub(crate) operation: &'static str,
    /// What one of them is called in an error.
    pub(crate) noun: &'static str,
    /// Reads `body` and `revision` of `$1`.
    pub(crate) read: &'static str,
    /// Writes the body `$2` and the flag `$3` of `$1`, where the revision still is `$4`.
    pub(crate) write: &'static str,
    pub(crate) ended: fn(&T) -> bool,
}

impl<T: Serialize + DeserializeOwned + Send> Revisioned<T> {
    /// Changes document `id` as `change` says and enters `pages`, in one transaction. What `change` refuses changes nothing
    /// and is answered within.
    pub(crate) async fn change<E>(
        &self,
        ledger: &Ledger,
        id: u64,
        pages: &[Page],
        lines: &[AuditLine],
        change: impl FnOnce(&mut T) -> Result<(), E> + Send,
    ) -> Result<Result<T, E>, LedgerError> {
        let (operation, noun) = (self.operation, self.noun);
        let mut tx = ledger.engine.write(operation).await?;
        let row = Statement::new(operation, self.read).count(id).row(&mut tx).await?;
        let row = row.ok_or_else(|| LedgerError::NotFound {
            operation,
            what: format!("{noun} {id}"),
        })?;
        let fields = Fields::new(operation, &row);
        let (mut body, revision): (T, u64) = (fields.json("body")?, fields.number("revision")?);
        if let Err(refused) = change(&mut body) {
            return Ok(Err(refused));
        }
        let written = Statement::new(operation, self.write)
            .count(id)
            .text(&json(operation, &body)?)
            .flag((self.ended)(&body))
            .count(revision)
            .run(&mut tx)
            .await?;
        if written == 0 {
            return Err(LedgerError::Conflict {
                operation,
                what: format!("{noun} {id} was changed meanwhile: look at it again"),
            });
        }
        for page in pages {
            pages::put(&mut tx, operation, page).await?;
        }
        audit::append(&mut tx, lines).await?;
        commit(tx, operation).await?;
        Ok(Ok(body))
    }
}
