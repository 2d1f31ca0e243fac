//! Joins the channels' worker to the ledger's outbox, and signs the links that pages carry.

use crate::live::Live;
use async_trait::async_trait;
use std::{collections::HashMap, sync::Arc};
use tocsin_channels::{Envelope, Outbox, OutboxError};
use tocsin_console::backend::Change;
use tocsin_ledger::{Ledger, LedgerError};
use tocsin_vocabulary::{PageId, Timestamp};

/// The ledger's outbox as the worker sees it.
pub struct LedgerOutbox {
    /// Pages and people.
    pub ledger: Arc<Ledger>,
    /// Rings when a page moved on.
    pub live: Arc<Live>,
    /// Signs links.
    pub link_key: [u8; 32],
    /// Where people reach the console.
    pub console_url: String,
}

fn unreadable(error: LedgerError) -> OutboxError {
    OutboxError::new(error)
}

#[async_trait]
impl Outbox for LedgerOutbox {
    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Envelope>, OutboxError> {
        let pages = self.ledger.due_pages(now, limit).await.map_err(unreadable)?;
        if pages.is_empty() {
            return Ok(Vec::new());
        }
        let people: HashMap<_, _> = self
            .ledger
            .people()
            .await
            .map_err(unreadable)?
            .into_iter()
            .map(|person| (person.id, person))
            .collect();
        let mut envelopes = Vec::with_capacity(pages.len());
        for page in pages {
            match people.get(&page.person) {
                Some(person) => {
                    let path = tocsin_console::link::path(&self.link_key, page.id);
                    let link = format!("{}{path}", self.console_url);
                    envelopes.push(Envelope {
                        page,
                        person: person.clone(),
                        link,
                    });
                }
                None => self.failed(page.id, "its person is not in the register", None).await?,
            }
        }
        Ok(envelopes)
    }

    async fn sent(&self, page: PageId, now: Timestamp) -> Result<(), OutboxError> {
        self.ledger.page_sent(page, now).await.map_err(unreadable)?;
        self.live.ring(Change::Pages);
        Ok(())
    }

    async fn failed(&self, page: PageId, reason: &str, next: Option<Timestamp>) -> Result<(), OutboxError> {
        self.ledger.page_failed(page, reason, next).await.map_err(unreadable)?;
        self.live.ring(Change::Pages);
        Ok(())
    }
}
