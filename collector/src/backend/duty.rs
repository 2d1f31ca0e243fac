//! The duty room, for the console.

use super::Wired;
use crate::duty::failed;
use async_trait::async_trait;
use tocsin_console::backend::{DutyRoom, Failure};
use tocsin_desk::{
    duty::{Doer, Done, DutyAct},
    escalation::Chain,
    handover::Handover,
    register::{Book, Revision, Row, spare::Use},
    roster::{Exchange, Roster},
    sheet::TicketSheet,
};
use tocsin_vocabulary::{CustomerId, PersonId, TicketId, Timestamp};

#[async_trait]
impl DutyRoom for Wired {
    async fn duty_act(&self, by: &Doer, act: DutyAct) -> Result<Done, Failure> {
        self.room.act(by, act).await
    }
    async fn rosters(&self) -> Result<Vec<Roster>, Failure> {
        self.ledger.rosters().await.map_err(failed)
    }
    async fn exchanges(&self, from: Timestamp) -> Result<Vec<Exchange>, Failure> {
        self.ledger.exchanges(from).await.map_err(failed)
    }
    async fn roster_warnings(&self, roster: &Roster) -> Result<Vec<String>, Failure> {
        self.room.roster_warnings(roster).await
    }
    async fn chain(&self) -> Result<Chain, Failure> {
        let chain = self.ledger.escalation_chain().await.map_err(failed)?;
        Ok(chain.unwrap_or_else(Chain::shipped))
    }
    async fn handovers(&self, limit: u32) -> Result<Vec<Handover>, Failure> {
        self.ledger.handovers(limit).await.map_err(failed)
    }
    async fn handover(&self, id: u64) -> Result<Option<Handover>, Failure> {
        self.ledger.handover(id).await.map_err(failed)
    }
    async fn has_pin(&self, person: PersonId) -> Result<bool, Failure> {
        Ok(self.ledger.pin(person).await.map_err(failed)?.is_some())
    }
    async fn ticket_sheet(&self, ticket: TicketId) -> Result<TicketSheet, Failure> {
        self.ledger.ticket_sheet(ticket).await.map_err(failed)
    }
    async fn register(&self, book: Book) -> Result<Vec<Row>, Failure> {
        self.ledger.register(book).await.map_err(failed)
    }
    async fn register_row(&self, book: Book, id: &str) -> Result<Option<Row>, Failure> {
        self.ledger.register_row(book, id).await.map_err(failed)
    }
    async fn customers(&self) -> Result<Vec<(CustomerId, String)>, Failure> {
        self.ledger.customers().await.map_err(failed)
    }
    async fn register_changes(&self, book: Book, id: &str) -> Result<Vec<Revision>, Failure> {
        self.ledger.register_changes(book, id).await.map_err(failed)
    }
    async fn spare_uses(&self) -> Result<Vec<Use>, Failure> {
        self.ledger.spare_uses().await.map_err(failed)
    }
}
