//! Papers, for the console.

use super::Wired;
use crate::duty::failed;
use async_trait::async_trait;
use tocsin_console::backend::{Failure, Paperwork};
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

#[async_trait]
impl Paperwork for Wired {
    async fn paper_act(&self, by: &Person, via: &str, act: PaperAct) -> Result<PaperDone, Failure> {
        self.room.paper(by, via, act).await
    }
    async fn papers(&self, ticket: TicketId) -> Result<Papers, Failure> {
        self.room.papers(ticket).await
    }
    async fn content(&self, attachment: &Attachment) -> Result<Vec<u8>, Failure> {
        self.room.content(attachment).await
    }
    async fn terms(&self) -> Result<Terms, Failure> {
        self.ledger.terms().await.map_err(failed)
    }
    async fn behind(&self, secret_hash: &str) -> Result<(SignLink, Ticket), Failure> {
        self.room.behind(secret_hash).await
    }
    async fn sign_by_hand(&self, signing: Signing) -> Result<(), Failure> {
        self.room.sign_by_hand(signing).await
    }
    async fn rate_by_hand(&self, secret_hash: &str, stars: u8, words: &str) -> Result<(), Failure> {
        self.room.rate_by_hand(secret_hash, stars, words).await
    }
}
