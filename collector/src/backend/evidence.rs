//! Alerts and their evidence, answered by the ledger.

use super::{Wired, failed};
use async_trait::async_trait;
use tocsin_console::backend::{Evidence, Failure};
use tocsin_desk::model::{Alert, Decision, RuleVersion, Samples, Ticket};
use tocsin_vocabulary::{AlertId, FaultId};

#[async_trait]
impl Evidence for Wired {
    async fn alert(&self, id: AlertId) -> Result<Option<Alert>, Failure> {
        self.ledger.alert(id).await.map_err(failed)
    }
    async fn ticket_of_fault(&self, fault: FaultId) -> Result<Option<Ticket>, Failure> {
        self.ledger.ticket_of_fault(fault).await.map_err(failed)
    }
    async fn decisions(&self, alert: &Alert) -> Result<Vec<Decision>, Failure> {
        self.ledger.decisions(alert).await.map_err(failed)
    }
    async fn rule_version(&self, version: &str) -> Result<Option<RuleVersion>, Failure> {
        self.ledger.rule_version(version).await.map_err(failed)
    }
    async fn samples(&self, alert: AlertId) -> Result<Option<Samples>, Failure> {
        self.ledger.samples(alert).await.map_err(failed)
    }
}
