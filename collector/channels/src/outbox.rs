//! The outbox as the worker sees it. The wiring implements it over the ledger.
//!
//! A page's delivery goes pending → sending → accepted → delivered or read; or failed; or unknown, when a try ended without
//! an answer. What stands at `sending` when a collector starts was cut off there: its outcome is unknown, and it is resent,
//! marked so.

use crate::channel::{Envelope, Incoming, Receipt};
use async_trait::async_trait;
use tocsin_vocabulary::{PageId, Timestamp};

/// Why a try failed, and what comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// What happened and what to do.
    pub reason: String,
    /// It may have arrived all the same.
    pub unknown: bool,
    /// When the next try is due; without it the page is given up.
    pub next: Option<Timestamp>,
}

/// Where due pages come from, and where their outcomes go. No page is sent that is not in the ledger.
#[async_trait]
pub trait Outbox: Send + Sync + 'static {
    /// What was being sent when the collector ended has an unknown outcome from now on.
    async fn recover(&self, now: Timestamp) -> Result<(), OutboxError>;

    /// Queued pages whose next try is due, those of the worst level first, then the longest waiting; at most `limit`.
    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Envelope>, OutboxError>;

    /// These pages are about to be handed to `channel`; answers those that still may go. The others were withdrawn.
    async fn begin(&self, pages: &[PageId], channel: &str, now: Timestamp) -> Result<Vec<PageId>, OutboxError>;

    /// The channel took the page.
    async fn sent(&self, page: PageId, receipt: &Receipt, now: Timestamp) -> Result<(), OutboxError>;

    /// A try failed.
    async fn failed(&self, page: PageId, failed: &Failed, now: Timestamp) -> Result<(), OutboxError>;

    /// Nothing was tried: the page waits until `due`.
    async fn postpone(&self, page: PageId, due: Timestamp) -> Result<(), OutboxError>;

    /// Something came back over `channel`.
    async fn came(&self, channel: &str, incoming: Incoming, now: Timestamp) -> Result<(), OutboxError>;
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
