//! The duty room: rosters, handovers, what tickets bear beside their state, registers.

use super::Failure;
use async_trait::async_trait;
use tocsin_desk::{
    duty::{Doer, Done, DutyAct},
    escalation::Chain,
    handover::Handover,
    register::{Book, Revision, Row, spare::Use},
    roster::{Exchange, Roster},
    sheet::TicketSheet,
};
use tocsin_vocabulary::{CustomerId, PersonId, TicketId, Timestamp};

/// Reads of the duty room, and the one way to change something in it.
#[async_trait]
pub trait DutyRoom: Send + Sync {
    /// Does one thing; whoever asks has made sure that they may.
    async fn duty_act(&self, by: &Doer, act: DutyAct) -> Result<Done, Failure>;
    /// All rosters, by name.
    async fn rosters(&self) -> Result<Vec<Roster>, Failure>;
    /// Overrides and swaps that end after `from`.
    async fn exchanges(&self, from: Timestamp) -> Result<Vec<Exchange>, Failure>;
    /// What people should be warned of in a roster.
    async fn roster_warnings(&self, roster: &Roster) -> Result<Vec<String>, Failure>;
    /// The chain of tickets to come.
    async fn chain(&self) -> Result<Chain, Failure>;
    /// Handovers, newest first.
    async fn handovers(&self, limit: u32) -> Result<Vec<Handover>, Failure>;
    /// One handover.
    async fn handover(&self, id: u64) -> Result<Option<Handover>, Failure>;
    /// Whether a person has a PIN.
    async fn has_pin(&self, person: PersonId) -> Result<bool, Failure>;
    /// All that a ticket bears beside its state.
    async fn ticket_sheet(&self, ticket: TicketId) -> Result<TicketSheet, Failure>;
    /// The rows of a register.
    async fn register(&self, book: Book) -> Result<Vec<Row>, Failure>;
    /// One row of a register by its id.
    async fn register_row(&self, book: Book, id: &str) -> Result<Option<Row>, Failure>;
    /// All customers with their names.
    async fn customers(&self) -> Result<Vec<(CustomerId, String)>, Failure>;
    /// The history of a row, newest first.
    async fn register_changes(&self, book: Book, id: &str) -> Result<Vec<Revision>, Failure>;
    /// Uses of spares, newest first.
    async fn spare_uses(&self) -> Result<Vec<Use>, Failure>;
}
