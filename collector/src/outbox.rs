//! Joins the channels' worker to the ledger's outbox, and signs the links that pages carry.

use crate::{clock::Clock, live::Live};
use async_trait::async_trait;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tocsin_channels::{Envelope, Outbox, OutboxError};
use tocsin_console::backend::{Change, HealthPart};
use tocsin_ledger::{Ledger, LedgerError};
use tocsin_vocabulary::{PageId, Timestamp};

/// The ledger's outbox as the worker sees it.
pub struct LedgerOutbox {
    /// Pages and people.
    pub ledger: Arc<Ledger>,
    /// Rings when a page moved on.
    pub live: Arc<Live>,
    /// The shell's clock.
    pub clock: Clock,
    /// Signs links.
    pub link_key: [u8; 32],
    /// Where people reach the console.
    pub console_url: String,
    /// Pages that could not be sent, for health.
    pub failing: Arc<Failing>,
}

/// A page that was given up shows in health for so long.
const GIVEN_UP_SHOWN: Duration = Duration::from_secs(3_600);
/// A page that was not tried again so long after its time was withdrawn.
const RETRY_GRACE: Duration = Duration::from_secs(120);
/// Failing pages that are remembered.
const FAILING_MAX: usize = 1_000;

/// Pages that could not be sent, each with why and until when that counts.
#[derive(Debug, Default)]
pub struct Failing(Mutex<HashMap<PageId, (String, Timestamp)>>);

impl Failing {
    fn lock(&self) -> MutexGuard<'_, HashMap<PageId, (String, Timestamp)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page was not sent: it is tried again at `next`, or given up.
    pub fn failed(&self, page: PageId, reason: &str, next: Option<Timestamp>, now: Timestamp) {
        let until = next.map_or_else(|| now.plus(GIVEN_UP_SHOWN), |next| next.plus(RETRY_GRACE));
        let mut pages = self.lock();
        pages.retain(|_, (_, until)| *until > now);
        if pages.len() < FAILING_MAX {
            pages.insert(page, (reason.to_owned(), until));
        }
    }

    /// A page was sent.
    pub fn sent(&self, page: PageId) {
        self.lock().remove(&page);
    }

    /// Whether pages leave.
    #[must_use]
    pub fn health(&self, now: Timestamp) -> HealthPart {
        let pages = self.lock();
        let failing: Vec<&str> = pages
            .values()
            .filter(|(_, until)| *until > now)
            .map(|(reason, _)| reason.as_str())
            .collect();
        HealthPart {
            name: "channels".to_owned(),
            healthy: failing.is_empty(),
            detail: match failing.first() {
                None => "pages are sent".to_owned(),
                Some(reason) => format!("{} pages could not be sent, such as: {reason}", failing.len()),
            },
        }
    }
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
        self.failing.sent(page);
        self.live.ring(Change::Pages);
        Ok(())
    }

    async fn failed(&self, page: PageId, reason: &str, next: Option<Timestamp>) -> Result<(), OutboxError> {
        self.ledger.page_failed(page, reason, next).await.map_err(unreadable)?;
        self.failing.failed(page, reason, next, (self.clock)());
        self.live.ring(Change::Pages);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tocsin_vocabulary::IdSource;

    #[test]
    fn a_page_that_cannot_leave_turns_health_red_until_it_does_or_is_no_longer_tried() {
        let failing = Failing::default();
        let now = Timestamp::from_millis(1_790_000_000_000);
        let after = |seconds| now.plus(Duration::from_secs(seconds));
        let page = PageId::next(&mut IdSource::new(1), now);
        assert!(failing.health(now).healthy);
        failing.failed(page, "connection refused", Some(after(10)), now);
        let health = failing.health(after(10));
        assert!(!health.healthy && health.detail.contains("refused"), "{health:?}");
        assert!(failing.health(after(1_000)).healthy, "withdrawn");
        failing.failed(page, "connection refused", None, after(10));
        assert!(!failing.health(after(1_000)).healthy, "given up");
        failing.sent(page);
        assert!(failing.health(after(1_000)).healthy);
    }
}
