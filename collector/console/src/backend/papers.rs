//! What people sign and hand in: attachments, approvals, confirmations, call-backs.

use super::Failure;
use async_trait::async_trait;
use tocsin_desk::{
    model::{Person, Ticket},
    paper::{
        Papers,
        act::{PaperAct, PaperDone},
        attachment::Attachment,
        confirmation::{SignLink, Signing},
        terms::Terms,
    },
};
use tocsin_vocabulary::TicketId;

/// Reads of papers, and the ways to add to them.
#[async_trait]
pub trait Paperwork: Send + Sync {
    /// Does one thing for a person, as far as their role and customer allow.
    async fn paper_act(&self, by: &Person, via: &str, act: PaperAct) -> Result<PaperDone, Failure>;
    /// All papers of a ticket.
    async fn papers(&self, ticket: TicketId) -> Result<Papers, Failure>;
    /// The content of an attachment.
    async fn content(&self, attachment: &Attachment) -> Result<Vec<u8>, Failure>;
    /// What must be signed before which step.
    async fn terms(&self) -> Result<Terms, Failure>;
    /// The ticket behind a link to sign, known by the SHA-256 (hex) of its secret; not found when the link is not good.
    async fn behind(&self, secret_hash: &str) -> Result<(SignLink, Ticket), Failure>;
    /// Somebody signed behind a link: the confirmation is kept, the ticket closes, the link is used up.
    async fn sign_by_hand(&self, signing: Signing) -> Result<(), Failure>;
    /// Whoever signed behind a link rates the work, once.
    async fn rate_by_hand(&self, secret_hash: &str, stars: u8, words: &str) -> Result<(), Failure>;
}
