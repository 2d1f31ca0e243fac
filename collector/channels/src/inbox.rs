//! The inbox: pages that people see in the console. Nothing leaves; standing in the ledger is being delivered.

use crate::channel::{Channel, Envelope, Reached, Receipt, SendError};
use async_trait::async_trait;
use tocsin_vocabulary::Timestamp;

/// The destination that is always there.
pub const INBOX: &str = "inbox";

/// The channel behind [`INBOX`].
#[derive(Debug, Clone, Copy)]
pub struct Inbox;

#[async_trait]
impl Channel for Inbox {
    async fn send(&self, _envelope: &Envelope, _now: Timestamp) -> Result<Receipt, SendError> {
        Ok(Receipt {
            reached: Reached::Delivered,
            ..Receipt::taken("in the console")
        })
    }

    fn render(&self, envelope: &Envelope) -> Vec<String> {
        vec![envelope.page.title.get(envelope.person.language).to_owned()]
    }
}
