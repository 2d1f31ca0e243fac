//! Two hosts of one contract, one of which nobody backs up.

use super::Fake;
use async_trait::async_trait;
use tocsin_console::backend::{BackupCoverage, Backups as _, Failure};
use tocsin_desk::backup::{Coverage, Gap, RunTotals};
use tocsin_vocabulary::{ContractId, CustomerId, JobId, Timestamp};

const CONTRACT: ContractId = ContractId::from_bytes([3; 16]);

#[async_trait]
impl BackupCoverage for Fake {
    async fn backup_coverage(&self, customer: Option<CustomerId>) -> Result<Vec<Coverage>, Failure> {
        let board = self.backup_board(customer, 0, 100).await?;
        if board.rows.is_empty() {
            return Ok(Vec::new());
        }
        Ok(vec![Coverage {
            contract: CONTRACT,
            contract_name: "2026 <i>maintenance</i>".to_owned(),
            customer_name: "Default".to_owned(),
            hosts: 2,
            not_needed: 1,
            covered: 1,
            jobs: board.jobs,
            promised: 1,
            broken: 1,
            never_good: 0,
        }])
    }
    async fn backup_gaps(&self, customer: Option<CustomerId>) -> Result<Vec<Gap>, Failure> {
        let hosts = self.uncovered_hosts(customer).await?;
        let gap = |(host, host_name)| Gap {
            contract: CONTRACT,
            host,
            host_name,
        };
        Ok(hosts.into_iter().map(gap).collect())
    }
    async fn backup_totals(&self, jobs: &[JobId], _: Timestamp, _: Timestamp) -> Result<Vec<RunTotals>, Failure> {
        let week = |job: &JobId| RunTotals {
            job: Some(*job),
            runs: 7,
            ok: 6,
            failed: 1,
            bytes: 7_000_000_000,
            longest_ms: 600_000,
            ..RunTotals::default()
        };
        Ok(jobs.iter().map(week).collect())
    }
    async fn all_backup_totals(
        &self,
        customer: Option<CustomerId>,
        _: Timestamp,
        _: Timestamp,
    ) -> Result<RunTotals, Failure> {
        let jobs = self.backup_board(customer, 0, 100).await?.jobs;
        Ok(RunTotals {
            runs: 7 * jobs,
            ok: 6 * jobs,
            failed: jobs,
            bytes: 7_000_000_000 * jobs,
            ..RunTotals::default()
        })
    }
}
