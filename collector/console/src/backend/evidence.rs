//! One alert with its evidence: what its rule saw and decided, with which text, and the samples around it.

use super::Failure;
use async_trait::async_trait;
use tocsin_desk::model::{Alert, Decision, RuleVersion, Samples, Ticket};
use tocsin_vocabulary::{AlertId, FaultId};

/// Reads of alerts and their evidence.
#[async_trait]
pub trait Evidence: Send + Sync {
    /// One alert.
    async fn alert(&self, id: AlertId) -> Result<Option<Alert>, Failure>;
    /// The ticket that a fault opened.
    async fn ticket_of_fault(&self, fault: FaultId) -> Result<Option<Ticket>, Failure>;
    /// What its rule decided, oldest first.
    async fn decisions(&self, alert: &Alert) -> Result<Vec<Decision>, Failure>;
    /// The text of a rule by its version; none when it is not known any more.
    async fn rule_version(&self, version: &str) -> Result<Option<RuleVersion>, Failure>;
    /// The samples kept with it; none before they were taken.
    async fn samples(&self, alert: AlertId) -> Result<Option<Samples>, Failure>;
}
