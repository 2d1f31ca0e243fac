//! Joins the channel over gammu-smsd's tables to whoever speaks SQL.

use async_trait::async_trait;
use std::sync::Arc;
use tocsin_desk::modem::{Modems, OutgoingSms, ReceivedSms, SentPart};
use tocsin_ledger::{LedgerError, SmsTables};

struct Joined(SmsTables);

/// Opens the tables at an address.
///
/// # Errors
/// When it is no address.
pub fn open(address: &str) -> Result<Arc<dyn tocsin_channels::spool::SmsTables>, String> {
    let tables = SmsTables::at(address).map_err(|error| told(&error))?;
    Ok(Arc::new(Joined(tables)))
}

/// An error with its cause. The ledger's own words would name the wrong database.
fn told(error: &LedgerError) -> String {
    let what = match error {
        LedgerError::Full { operation, source }
        | LedgerError::Unavailable { operation, source }
        | LedgerError::Engine { operation, source } => format!("cannot {operation}: {source}"),
        other => other.to_string(),
    };
    format!("{what}; check `database`, that it has gammu-smsd's tables, and that the collector's user may write there")
}

#[async_trait]
impl tocsin_channels::spool::SmsTables for Joined {
    async fn is_there(&self, creator: &str) -> Result<bool, String> {
        self.0.is_there(creator).await.map_err(|error| told(&error))
    }
    async fn put(&self, sms: &OutgoingSms) -> Result<(), String> {
        self.0.put(sms).await.map_err(|error| told(&error))
    }
    async fn sent(&self, prefix: &str) -> Result<Vec<SentPart>, String> {
        self.0.sent(prefix).await.map_err(|error| told(&error))
    }
    async fn received(&self) -> Result<Vec<ReceivedSms>, String> {
        self.0.received().await.map_err(|error| told(&error))
    }
    async fn processed(&self, id: i64) -> Result<(), String> {
        self.0.processed(id).await.map_err(|error| told(&error))
    }
    async fn modems(&self) -> Result<Modems, String> {
        self.0.modems().await.map_err(|error| told(&error))
    }
}
