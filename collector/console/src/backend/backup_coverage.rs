//! The plan against the fact, and what backup runs came to.

use super::Failure;
use async_trait::async_trait;
use tocsin_desk::backup::{Coverage, Gap, RunTotals};
use tocsin_vocabulary::{CustomerId, JobId, Timestamp};

/// How contracts are covered by backups, for pages, API and reports.
#[async_trait]
pub trait BackupCoverage: Send + Sync {
    /// Each contract with hosts, of a customer or all.
    async fn backup_coverage(&self, customer: Option<CustomerId>) -> Result<Vec<Coverage>, Failure>;
    /// Hosts that should be backed up and are not, by contract.
    async fn backup_gaps(&self, customer: Option<CustomerId>) -> Result<Vec<Gap>, Failure>;
    /// What the runs of these jobs came to within a span; jobs without a run are left out.
    async fn backup_totals(&self, jobs: &[JobId], from: Timestamp, to: Timestamp) -> Result<Vec<RunTotals>, Failure>;
    /// What all runs of a customer, or of all, came to within a span.
    async fn all_backup_totals(
        &self,
        customer: Option<CustomerId>,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<RunTotals, Failure>;
}
