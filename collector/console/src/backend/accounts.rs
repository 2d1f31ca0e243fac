//! What is accounted for, and what people say of a ticket's times after the fact.

use super::Failure;
use async_trait::async_trait;
use tocsin_desk::{
    account::{
        downtime::{Downtime, DowntimeFilter},
        extension::Moved,
        report::{Facts, Kind, Report, ReportFilter, ReportRow},
    },
    clocks::Mark,
    input::Amend,
    model::Ticket,
};
use tocsin_vocabulary::{ContractId, TicketId};

/// Reads of the accounts; what is done about them goes the way of [`super::DutyRoom::duty_act`].
#[async_trait]
pub trait Accounts: Send + Sync {
    /// A person says something of a ticket's times, impact or level; answers the ticket as it is afterwards.
    async fn amend(&self, amend: Amend) -> Result<Ticket, Failure>;
    /// The interval log of a ticket, oldest first.
    async fn marks(&self, ticket: TicketId) -> Result<Vec<Mark>, Failure>;
    /// Downtimes, newest first.
    async fn downtimes(&self, filter: &DowntimeFilter) -> Result<Vec<Downtime>, Failure>;
    /// How the end of a contract's maintenance moved, oldest first.
    async fn contract_moves(&self, contract: ContractId) -> Result<Vec<Moved>, Failure>;
    /// Reports, what is owed first.
    async fn reports(&self, filter: &ReportFilter) -> Result<Vec<ReportRow>, Failure>;
    /// One report with its versions.
    async fn report_of(&self, ticket: TicketId, kind: Kind) -> Result<Option<Report>, Failure>;
    /// All that a report of this ticket can be drafted from, as it is now.
    async fn facts(&self, ticket: Ticket) -> Result<Facts, Failure>;
}
