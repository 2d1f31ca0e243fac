//! The plan against the fact, for pages and API.

use super::{Wired, failed};
use async_trait::async_trait;
use tocsin_console::backend::{BackupCoverage, Failure};
use tocsin_desk::backup::{Coverage, Gap, RunTotals};
use tocsin_vocabulary::{CustomerId, JobId, Timestamp};

#[async_trait]
impl BackupCoverage for Wired {
    async fn backup_coverage(&self, customer: Option<CustomerId>) -> Result<Vec<Coverage>, Failure> {
        self.ledger.coverage(customer, (self.clock)()).await.map_err(failed)
    }
    async fn backup_gaps(&self, customer: Option<CustomerId>) -> Result<Vec<Gap>, Failure> {
        self.ledger.coverage_gaps(customer).await.map_err(failed)
    }
    async fn backup_totals(&self, jobs: &[JobId], from: Timestamp, to: Timestamp) -> Result<Vec<RunTotals>, Failure> {
        self.ledger.run_totals(jobs, from, to).await.map_err(failed)
    }
    async fn all_backup_totals(
        &self,
        customer: Option<CustomerId>,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<RunTotals, Failure> {
        self.ledger.all_run_totals(customer, from, to).await.map_err(failed)
    }
}
