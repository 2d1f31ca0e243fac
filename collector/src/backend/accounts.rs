//! What is accounted for, for the console.

use super::Wired;
use crate::duty::failed;
use async_trait::async_trait;
use tocsin_console::backend::{Accounts, Failure};
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

#[async_trait]
impl Accounts for Wired {
    async fn amend(&self, amend: Amend) -> Result<Ticket, Failure> {
        self.room.engine.amend(amend).await
    }
    async fn marks(&self, ticket: TicketId) -> Result<Vec<Mark>, Failure> {
        self.ledger.marks(ticket).await.map_err(failed)
    }
    async fn downtimes(&self, filter: &DowntimeFilter) -> Result<Vec<Downtime>, Failure> {
        self.ledger.downtimes(filter).await.map_err(failed)
    }
    async fn contract_moves(&self, contract: ContractId) -> Result<Vec<Moved>, Failure> {
        self.ledger.contract_moves(contract).await.map_err(failed)
    }
    async fn reports(&self, filter: &ReportFilter) -> Result<Vec<ReportRow>, Failure> {
        self.ledger.reports(filter).await.map_err(failed)
    }
    async fn report_of(&self, ticket: TicketId, kind: Kind) -> Result<Option<Report>, Failure> {
        self.ledger.report(ticket, kind).await.map_err(failed)
    }
    async fn facts(&self, ticket: Ticket) -> Result<Facts, Failure> {
        self.room.facts(ticket).await
    }
}
