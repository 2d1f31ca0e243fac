//! Lists of backup jobs, a page at a time, and hosts that have none. People see thousands of jobs a hundred at once, so no
//! list reads all of them.

use crate::{
    Ledger, LedgerError,
    backup_coverage::uncovered,
    backups::{badness, job},
    cursor,
    statement::{Conditions, Fields, Value},
};
use tocsin_desk::{
    backup::{HostedJob, JobBoard, JobFilter},
    record::List,
};
use tocsin_vocabulary::{CustomerId, HostId, JobId, RunResult, Timestamp};

/// Hosts without a job that are told of; more than anybody reads, as many as a collector has.
const HOSTS_MAX: i64 = 20_000;

const HOSTED: &str = "SELECT j.id, j.host, j.name, j.tool, j.content, j.target, j.schedule, j.zone, j.grace_ms,
    j.duration_max_ms, j.bytes_min, j.bytes_max, j.rpo_ms, j.retention, j.owner, j.drill_every_ms, j.drilled_at, j.ping_key,
    j.origin, j.paused, j.created_at, j.expected_at, j.last_at, j.last_result, j.good_at, a.name AS host_name
    FROM backup_job j JOIN host h ON h.id = j.host JOIN asset a ON a.id = h.asset";
const STANDING: &str = "FROM backup_job j JOIN host h ON h.id = j.host JOIN asset a ON a.id = h.asset";

impl Ledger {
    /// Jobs that a filter lets through, oldest first.
    ///
    /// # Errors
    /// When the ledger can't be read, or the cursor is not one of this list's.
    pub async fn job_list(&self, filter: &JobFilter) -> Result<List<HostedJob>, LedgerError> {
        const OPERATION: &str = "list backup jobs";
        let mut conditions = Conditions::default();
        conditions.equal("a.customer", filter.customer);
        if let Some(host) = &filter.host {
            let host = Value::Text(host.clone());
            conditions.and("(j.host = ? OR a.name = ?)", [host.clone(), host]);
        }
        if let Some(after) = &filter.slice.after {
            let after: JobId = after.parse().map_err(|_| cursor::bad(OPERATION))?;
            conditions.and("j.id > ?", [Value::Text(after.to_string())]);
        }
        let mut tx = self.engine.snapshot(OPERATION).await?;
        let rows = conditions
            .statement(OPERATION, HOSTED, "ORDER BY j.id", cursor::fetch(&filter.slice))
            .rows(&mut tx)
            .await?;
        let jobs = rows.iter().map(|row| hosted(&Fields::new(OPERATION, row)));
        let jobs = jobs.collect::<Result<Vec<_>, _>>()?;
        Ok(cursor::list(jobs, &filter.slice, |last| last.job.id.to_string()))
    }

    /// One page of a customer's jobs, or of all: what is wrong first, then by host and name; and how many there are, and
    /// how many of them are not as they should be at `now`.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn job_board(
        &self,
        customer: Option<CustomerId>,
        offset: u64,
        limit: u32,
        now: Timestamp,
    ) -> Result<JobBoard, LedgerError> {
        const OPERATION: &str = "read the board of backup jobs";
        let of_customer = || {
            let mut conditions = Conditions::default();
            conditions.equal("a.customer", customer);
            conditions
        };
        let urgency = urgency();
        // The number is ours.
        let head = format!(
            "SELECT COUNT(*) AS jobs, COUNT(CASE WHEN {urgency} > 0 OR (j.rpo_ms > 0
             AND COALESCE(j.good_at, j.created_at) < {} - j.rpo_ms) THEN 1 END) AS bad {STANDING}",
            now.as_millis()
        );
        let mut tx = self.engine.snapshot(OPERATION).await?;
        let counted = of_customer().statement(OPERATION, &head, "", 1).row(&mut tx).await?;
        let counted = counted.as_ref().map(|row| Fields::new(OPERATION, row));
        let count = |column| counted.as_ref().map_or(Ok(0), |fields| fields.number(column));
        let (jobs, bad) = (count("jobs")?, count("bad")?);
        let tail = format!("ORDER BY {urgency} DESC, a.name, j.name, j.id");
        let rows = of_customer()
            .page(
                OPERATION,
                HOSTED,
                &tail,
                limit.into(),
                i64::try_from(offset).unwrap_or(i64::MAX),
            )
            .rows(&mut tx)
            .await?;
        let rows = rows.iter().map(|row| hosted(&Fields::new(OPERATION, row)));
        Ok(JobBoard {
            rows: rows.collect::<Result<_, _>>()?,
            jobs,
            bad,
        })
    }

    /// Hosts that have no job, of those that are in the register, with their names; of a customer, or all. A job that was
    /// only found somewhere, and never ran before us, is none; hosts that need no backup are left out.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn uncovered_hosts(&self, customer: Option<CustomerId>) -> Result<Vec<(HostId, String)>, LedgerError> {
        const OPERATION: &str = "find hosts without backup jobs";
        let mut conditions = Conditions::default();
        conditions.and(&uncovered(), []);
        conditions.equal("a.customer", customer);
        let head = "SELECT h.id, a.name FROM host h JOIN asset a ON a.id = h.asset";
        let mut tx = self.engine.snapshot(OPERATION).await?;
        let rows = conditions
            .statement(OPERATION, head, "ORDER BY a.name, h.id", HOSTS_MAX)
            .rows(&mut tx)
            .await?;
        let host = |fields: &Fields<'_>| Ok((fields.parsed("id")?, fields.text("name")?));
        rows.iter().map(|row| host(&Fields::new(OPERATION, row))).collect()
    }
}

/// How much a job's newest run asks for somebody: the result's badness, 0 where it was good or there is none.
fn urgency() -> String {
    let of = |result: &RunResult| format!(" WHEN '{}' THEN {}", result.as_str(), badness(Some(*result)));
    let cases: String = RunResult::ALL
        .iter()
        .filter(|result| **result != RunResult::Ok)
        .map(of)
        .collect();
    format!("CASE j.last_result{cases} ELSE 0 END")
}

fn hosted(fields: &Fields<'_>) -> Result<HostedJob, LedgerError> {
    Ok(HostedJob {
        job: job(fields)?,
        host_name: fields.text("host_name")?,
    })
}
