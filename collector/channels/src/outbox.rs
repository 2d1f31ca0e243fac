//! The outbox as the worker sees it. The wiring implements it over the ledger.

use crate::channel::Envelope;
use async_trait::async_trait;
use tocsin_vocabulary::{PageId, Timestamp};

/// Where due pages come from, and where their outcomes go. No page is sent that is not in the ledger.
#[async_trait]
pub trait Outbox: Send + Sync + 'static {
    /// Queued pages whose next try is due, the longest waiting first; at most `limit`.
    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Envelope>, OutboxError>;

    /// The channel took the page.
    async fn sent(&self, page: PageId, now: Timestamp) -> Result<(), OutboxError>;

    /// A try failed. The next one is due at `next`; without it the page is given up.
    async fn failed(&self, page: PageId, reason: &str, next: Option<Timestamp>) -> Result<(), OutboxError>;
}

/// The outbox could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the outbox cannot be used")]
pub struct OutboxError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl OutboxError {
    /// Wraps what the ledger said.
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}
