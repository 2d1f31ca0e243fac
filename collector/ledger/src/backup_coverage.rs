//! The plan against the fact: how the hosts of each contract are covered, and what runs came to.

use crate::{
    Ledger, LedgerError,
    statement::{Conditions, Fields, Value},
};
use tocsin_desk::backup::coverage::{Coverage, Gap, NOT_NEEDED, RunTotals};
use tocsin_vocabulary::{CustomerId, JobId, Timestamp};

/// Contracts of one answer: more than anybody has.
const CONTRACTS_MAX: i64 = 5_000;
/// Hosts without a job of one answer.
const GAPS_MAX: i64 = 20_000;

/// A job that backs something up: declared, or seen to run, and not paused.
const WORKS: &str = "j.paused = 0 AND (j.origin = 'declared' OR j.last_at IS NOT NULL)";

/// Whether nobody has said that a host needs no backup.
fn needed() -> String {
    format!("NOT EXISTS (SELECT 1 FROM asset_tag t WHERE t.asset = a.id AND t.tag = '{NOT_NEEDED}')")
}

/// Whether a host should be backed up, and no job covers it.
pub(crate) fn uncovered() -> String {
    let needed = needed();
    format!(
        "h.revoked_at IS NULL AND {needed} AND NOT EXISTS (SELECT 1 FROM backup_job j WHERE j.host = h.id AND {WORKS})"
    )
}

impl Ledger {
    /// How the hosts of each contract are covered, of a customer or all, by customer and name. Contracts without hosts are
    /// left out.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn coverage(&self, customer: Option<CustomerId>, now: Timestamp) -> Result<Vec<Coverage>, LedgerError> {
        const OPERATION: &str = "read the coverage of backups";
        let (needed, now) = (needed(), now.as_millis());
        // What is put into the text is ours: words of this file and a number.
        let head = format!(
            "SELECT contract, contract_name, customer_name, COUNT(CASE WHEN needed = 1 THEN 1 END) AS hosts,
                COUNT(CASE WHEN needed = 0 THEN 1 END) AS not_needed,
                COUNT(CASE WHEN needed = 1 AND jobs > 0 THEN 1 END) AS covered,
                CAST(SUM(jobs) AS BIGINT) AS jobs, CAST(SUM(promised) AS BIGINT) AS promised,
                CAST(SUM(broken) AS BIGINT) AS broken, CAST(SUM(never_good) AS BIGINT) AS never_good
             FROM (SELECT c.id AS contract, c.name AS contract_name, k.name AS customer_name, k.id AS customer, h.id AS host,
                    CASE WHEN {needed} THEN 1 ELSE 0 END AS needed, COUNT(j.id) AS jobs,
                    COUNT(CASE WHEN j.rpo_ms > 0 THEN 1 END) AS promised,
                    COUNT(CASE WHEN j.rpo_ms > 0 AND COALESCE(j.good_at, j.created_at) < {now} - j.rpo_ms THEN 1 END) AS broken,
                    COUNT(CASE WHEN j.id IS NOT NULL AND j.good_at IS NULL THEN 1 END) AS never_good
                   FROM host h JOIN asset a ON a.id = h.asset JOIN contract c ON c.id = a.contract
                   JOIN customer k ON k.id = c.customer LEFT JOIN backup_job j ON j.host = h.id AND {WORKS}
                   WHERE h.revoked_at IS NULL GROUP BY c.id, c.name, k.name, k.id, h.id, a.id) AS by_host"
        );
        let mut conditions = Conditions::default();
        conditions.equal("customer", customer);
        let tail = "GROUP BY contract, contract_name, customer_name ORDER BY customer_name, contract_name, contract";
        let mut tx = self.engine.snapshot(OPERATION).await?;
        let rows = conditions
            .statement(OPERATION, &head, tail, CONTRACTS_MAX)
            .rows(&mut tx)
            .await?;
        let coverage = |fields: &Fields<'_>| {
            Ok(Coverage {
                contract: fields.parsed("contract")?,
                contract_name: fields.text("contract_name")?,
                customer_name: fields.text("customer_name")?,
                hosts: fields.number("hosts")?,
                not_needed: fields.number("not_needed")?,
                covered: fields.number("covered")?,
                jobs: fields.number("jobs")?,
                promised: fields.number("promised")?,
                broken: fields.number("broken")?,
                never_good: fields.number("never_good")?,
            })
        };
        rows.iter().map(|row| coverage(&Fields::new(OPERATION, row))).collect()
    }

    /// Hosts that should be backed up and that no job covers, of a customer or all, by contract and name.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn coverage_gaps(&self, customer: Option<CustomerId>) -> Result<Vec<Gap>, LedgerError> {
        const OPERATION: &str = "find hosts that nobody backs up";
        let mut conditions = Conditions::default();
        conditions.and(&uncovered(), []);
        conditions.equal("a.customer", customer);
        let head = "SELECT a.contract, h.id AS host, a.name AS host_name FROM host h JOIN asset a ON a.id = h.asset";
        let mut tx = self.engine.snapshot(OPERATION).await?;
        let rows = conditions
            .statement(OPERATION, head, "ORDER BY a.contract, a.name, h.id", GAPS_MAX)
            .rows(&mut tx)
            .await?;
        let gap = |fields: &Fields<'_>| {
            Ok(Gap {
                contract: fields.parsed("contract")?,
                host: fields.parsed("host")?,
                host_name: fields.text("host_name")?,
            })
        };
        rows.iter().map(|row| gap(&Fields::new(OPERATION, row))).collect()
    }

    /// What the runs of these jobs came to that began from `from` on and before `to`; jobs without a run are left out.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn run_totals(
        &self,
        jobs: &[JobId],
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<RunTotals>, LedgerError> {
        const OPERATION: &str = "sum up backup runs";
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let mut conditions = within(from, to);
        let places = vec!["?"; jobs.len()].join(", ");
        let ids = jobs.iter().map(|job| Value::Text(job.to_string()));
        conditions.and(&format!("r.job IN ({places})"), ids);
        let head = format!("SELECT r.job AS job, {SUMS} FROM backup_run r");
        let mut tx = self.engine.snapshot(OPERATION).await?;
        let rows = conditions
            .statement(OPERATION, &head, "GROUP BY r.job ORDER BY r.job", i64::from(u32::MAX))
            .rows(&mut tx)
            .await?;
        let of_job = |fields: &Fields<'_>| {
            Ok(RunTotals {
                job: Some(fields.parsed("job")?),
                ..totals(fields)?
            })
        };
        rows.iter().map(|row| of_job(&Fields::new(OPERATION, row))).collect()
    }

    /// What all runs came to, of a customer's jobs or all.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn all_run_totals(
        &self,
        customer: Option<CustomerId>,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<RunTotals, LedgerError> {
        const OPERATION: &str = "sum up all backup runs";
        let mut conditions = within(from, to);
        conditions.equal("a.customer", customer);
        let head = format!(
            "SELECT {SUMS} FROM backup_run r JOIN backup_job j ON j.id = r.job JOIN host h ON h.id = j.host
             JOIN asset a ON a.id = h.asset"
        );
        let mut tx = self.engine.snapshot(OPERATION).await?;
        let row: Option<_> = conditions.statement(OPERATION, &head, "", 1).row(&mut tx).await?;
        row.map_or_else(|| Ok(RunTotals::default()), |row| totals(&Fields::new(OPERATION, &row)))
    }
}

const SUMS: &str = "COUNT(*) AS runs, COUNT(CASE WHEN r.result = 'ok' THEN 1 END) AS ok,
    COUNT(CASE WHEN r.result = 'warning' THEN 1 END) AS warning, COUNT(CASE WHEN r.result = 'overran' THEN 1 END) AS overran,
    COUNT(CASE WHEN r.result = 'shrunk' THEN 1 END) AS shrunk, COUNT(CASE WHEN r.result = 'failed' THEN 1 END) AS failed,
    COUNT(CASE WHEN r.result = 'missed' THEN 1 END) AS missed, CAST(COALESCE(SUM(r.bytes), 0) AS BIGINT) AS bytes,
    CAST(COALESCE(SUM(r.bytes_added), 0) AS BIGINT) AS bytes_added, COALESCE(MAX(r.duration_ms), 0) AS longest_ms";

/// Runs that ended, of a span.
fn within(from: Timestamp, to: Timestamp) -> Conditions {
    let mut conditions = Conditions::default();
    conditions.and("r.started_at >= ?", [Value::Integer(from.as_millis())]);
    conditions.and("r.started_at < ?", [Value::Integer(to.as_millis())]);
    conditions.and("r.result IS NOT NULL", []);
    conditions
}

fn totals(fields: &Fields<'_>) -> Result<RunTotals, LedgerError> {
    Ok(RunTotals {
        job: None,
        runs: fields.number("runs")?,
        ok: fields.number("ok")?,
        warning: fields.number("warning")?,
        overran: fields.number("overran")?,
        shrunk: fields.number("shrunk")?,
        failed: fields.number("failed")?,
        missed: fields.number("missed")?,
        bytes: fields.number("bytes")?,
        bytes_added: fields.number("bytes_added")?,
        longest_ms: fields.number("longest_ms")?,
    })
}
