//! What rules saw and decided, with which text, and the samples around it: enough to answer a dispute.

use crate::{
    Ledger, LedgerError,
    alerts::hex,
    engine::{Tx, commit},
    statement::{Fields, Statement, clean},
};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use tocsin_desk::model::{Alert, Decision, Phase, RuleVersion, Samples};
use tocsin_vocabulary::{AlertId, Timestamp};

/// Decisions of one alert that are told.
const DECISIONS_MAX: i64 = 200;
/// How long decisions are kept: a contract's year, and the month in which its last penalty is argued about.
const KEPT: Duration = Duration::from_secs(400 * 86_400);
/// Decisions that are kept at most, some hundreds of MiB.
const KEPT_MAX: u64 = 2_000_000;
/// Rows dropped in one go, so that nobody waits long for the writer.
const TRIM_MAX: i64 = 10_000;
/// Rows written by one statement.
const ROWS_MAX: usize = 100;
/// Columns of a decision.
const COLUMNS: usize = 17;
/// Before an alert occurred its decisions are looked for from here on: agents' clocks differ from ours.
const BEFORE: Duration = Duration::from_secs(3_600);
const AFTER: Duration = Duration::from_secs(60);

impl Ledger {
    /// What its rule decided about an alert, from the moment its condition began to hold until it cleared, oldest first;
    /// at most 200, those that are nearest to its beginning.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn decisions(&self, alert: &Alert) -> Result<Vec<Decision>, LedgerError> {
        const OPERATION: &str = "read what a rule decided";
        let until = alert.cleared_at.map_or(Timestamp::from_millis(i64::MAX), |at| {
            at.max(alert.raised_at).plus(AFTER)
        });
        let rows = Statement::new(
            OPERATION,
            "SELECT host, rule, instance, from_phase, to_phase, reason, since, observed, decided, value, threshold,
                    worst, ticks, saw, rule_version FROM alert_decision
             WHERE host = $1 AND rule = $2 AND instance_hash = $3 AND decided >= $4 AND decided <= $5
             ORDER BY decided, seq LIMIT $6",
        )
        .id(alert.host)
        .text(&alert.rule)
        .text(&hash_of(&alert.instance))
        .time(alert.occurred_at.min(alert.raised_at).minus(BEFORE))
        .time(until)
        .integer(DECISIONS_MAX)
        .rows(&mut *self.engine.reader(OPERATION).await?)
        .await?;
        let decisions: Result<Vec<Decision>, LedgerError> =
            rows.iter().map(|row| decision(&Fields::new(OPERATION, row))).collect();
        Ok(of_episode(decisions?, alert))
    }

    /// The text of a rule, by what an alert calls it.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn rule_version(&self, version: &str) -> Result<Option<RuleVersion>, LedgerError> {
        const OPERATION: &str = "read a rule's text";
        let row = Statement::new(
            OPERATION,
            "SELECT version, rule, text, since FROM rule_version WHERE version = $1",
        )
        .text(version)
        .row(&mut *self.engine.reader(OPERATION).await?)
        .await?;
        row.map(|row| {
            let fields = Fields::new(OPERATION, &row);
            Ok(RuleVersion {
                version: fields.text("version")?,
                rule: fields.text("rule")?,
                text: fields.text("text")?,
                since: fields.time("since")?,
            })
        })
        .transpose()
    }

    /// The samples kept with an alert.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn samples(&self, alert: AlertId) -> Result<Option<Samples>, LedgerError> {
        const OPERATION: &str = "read the samples of an alert";
        let row = Statement::new(
            OPERATION,
            "SELECT from_at, to_at, complete, series FROM alert_samples WHERE alert = $1",
        )
        .id(alert)
        .row(&mut *self.engine.reader(OPERATION).await?)
        .await?;
        row.map(|row| {
            let fields = Fields::new(OPERATION, &row);
            let text = fields.text("series")?;
            Ok(Samples {
                alert,
                from: fields.time("from_at")?,
                to: fields.time("to_at")?,
                complete: fields.flag("complete")?,
                series: serde_json::from_str(&text).map_err(|error| fields.strange("series", error))?,
            })
        })
        .transpose()
    }

    /// Keeps the samples around an alert, in place of those kept before.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn keep_samples(&self, samples: &Samples) -> Result<(), LedgerError> {
        const OPERATION: &str = "keep the samples of an alert";
        let series = serde_json::to_string(&samples.series).unwrap_or_else(|_| "[]".to_owned());
        let mut tx = self.engine.write(OPERATION).await?;
        Statement::new(
            OPERATION,
            "INSERT INTO alert_samples (alert, from_at, to_at, complete, series) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (alert) DO UPDATE SET from_at = excluded.from_at, to_at = excluded.to_at,
                 complete = excluded.complete, series = excluded.series",
        )
        .id(samples.alert)
        .time(samples.from)
        .time(samples.to)
        .flag(samples.complete)
        .text(&series)
        .run(&mut tx)
        .await?;
        commit(tx, OPERATION).await
    }

    /// Drops decisions that are too old or too many, some of them at a time; answers how many went.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn trim_decisions(&self, now: Timestamp) -> Result<u64, LedgerError> {
        const OPERATION: &str = "drop old decisions";
        let mut tx = self.engine.write(OPERATION).await?;
        let row = Statement::new(OPERATION, "SELECT value FROM counter WHERE name = 'decision'")
            .row(&mut tx)
            .await?;
        let last: u64 = row.map_or(Ok(0), |row| Fields::new(OPERATION, &row).number("value"))?;
        let dropped = Statement::new(
            OPERATION,
            "DELETE FROM alert_decision WHERE seq IN
                 (SELECT seq FROM alert_decision WHERE decided < $1 OR seq <= $2 ORDER BY seq LIMIT $3)",
        )
        .time(now.minus(KEPT))
        .count(last.saturating_sub(KEPT_MAX))
        .integer(TRIM_MAX)
        .run(&mut tx)
        .await?;
        commit(tx, OPERATION).await?;
        Ok(dropped)
    }

    /// Notes that the collector has watched until now: hosts' silence is counted from what was known then.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn watched(&self, until: Timestamp) -> Result<(), LedgerError> {
        const OPERATION: &str = "note that the collector watches";
        let mut tx = self.engine.write(OPERATION).await?;
        Statement::new(
            OPERATION,
            "INSERT INTO meta (name, value) VALUES ('watched_until', $1)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .text(&until.as_millis().to_string())
        .run(&mut tx)
        .await?;
        commit(tx, OPERATION).await
    }

    /// Until when the collector is known to have watched; none before it first did.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn watched_until(&self) -> Result<Option<Timestamp>, LedgerError> {
        const OPERATION: &str = "read until when the collector watched";
        let row = Statement::new(OPERATION, "SELECT value FROM meta WHERE name = 'watched_until'")
            .row(&mut *self.engine.reader(OPERATION).await?)
            .await?;
        row.map(|row| {
            let fields = Fields::new(OPERATION, &row);
            let text = fields.text("value")?;
            let millis: i64 = text.parse().map_err(|_| fields.strange("value", &text))?;
            Ok(Timestamp::from_millis(millis))
        })
        .transpose()
    }
}

/// Of all decisions around an alert those of its own episode: from where it stood clear to where it stood clear again.
fn of_episode(all: Vec<Decision>, alert: &Alert) -> Vec<Decision> {
    let raised = |one: &Decision| one.to == Phase::Raised && matches!(one.from, Phase::Clear | Phase::Pending);
    let own = |one: &Decision| raised(one) && one.decided <= alert.raised_at.plus(AFTER);
    // What was found late may have been followed by others before it was found.
    let exactly = |one: &Decision| raised(one) && one.since == alert.occurred_at;
    let Some(at) = all.iter().position(exactly).or_else(|| all.iter().rposition(own)) else {
        return Vec::new();
    };
    let before = all[..at].iter().rposition(|one| one.to == Phase::Clear);
    let after = all[at..].iter().position(|one| one.to == Phase::Clear);
    let first = before.map_or(0, |before| before + 1);
    let last = after.map_or(all.len(), |after| at + after + 1);
    all.into_iter().take(last).skip(first).collect()
}

fn hash_of(instance: &str) -> String {
    hex(&Sha256::digest(clean(instance).as_bytes()))
}

/// Writes the texts of rules that are not known yet.
pub(crate) async fn put_versions(
    tx: &mut Tx,
    operation: &'static str,
    versions: &[RuleVersion],
) -> Result<(), LedgerError> {
    for one in versions {
        Statement::new(
            operation,
            "INSERT INTO rule_version (version, rule, text, since) VALUES ($1, $2, $3, $4)
             ON CONFLICT (version) DO NOTHING",
        )
        .text(&one.version)
        .text(&one.rule)
        .text(&one.text)
        .time(one.since)
        .run(tx)
        .await?;
    }
    Ok(())
}

/// Writes decisions, in their order.
pub(crate) async fn put_decisions(
    tx: &mut Tx,
    operation: &'static str,
    decisions: &[Decision],
) -> Result<(), LedgerError> {
    if decisions.is_empty() {
        return Ok(());
    }
    let count = u64::try_from(decisions.len()).unwrap_or(u64::MAX);
    let row = Statement::new(
        operation,
        "UPDATE counter SET value = value + $1 WHERE name = 'decision' RETURNING value",
    )
    .count(count)
    .row(tx)
    .await?;
    let last: u64 = row.map_or(Ok(count), |row| Fields::new(operation, &row).number("value"))?;
    let mut seq = last.saturating_sub(count);
    for some in decisions.chunks(ROWS_MAX) {
        let rows: Vec<String> = (0..some.len()).map(placeholders).collect();
        let sql = format!(
            "INSERT INTO alert_decision (seq, host, rule, instance, instance_hash, from_phase, to_phase, reason, since,
                 observed, decided, value, threshold, worst, ticks, saw, rule_version) VALUES {}",
            rows.join(", ")
        );
        let mut statement = Statement::assembled(operation, sql);
        for one in some {
            seq += 1;
            statement = bound(statement.count(seq), one);
        }
        statement.run(tx).await?;
    }
    Ok(())
}

/// `($1, …, $17)` of the row at a place.
fn placeholders(row: usize) -> String {
    let numbers = (1..=COLUMNS).map(|column| format!("${}", row * COLUMNS + column));
    format!("({})", numbers.collect::<Vec<_>>().join(", "))
}

fn bound(statement: Statement, one: &Decision) -> Statement {
    statement
        .id(one.host)
        .text(&one.rule)
        .text(&one.instance)
        .text(&hash_of(&one.instance))
        .text(one.from.as_str())
        .text(one.to.as_str())
        .text(&one.reason)
        .time(one.since)
        .time(one.observed)
        .time(one.decided)
        .maybe_real(one.value)
        .maybe_real(one.threshold)
        .maybe_real(one.worst)
        .count(one.ticks.into())
        .text(&one.saw)
        .text(&one.version)
}

fn decision(fields: &Fields<'_>) -> Result<Decision, LedgerError> {
    Ok(Decision {
        host: fields.parsed("host")?,
        rule: fields.text("rule")?,
        instance: fields.text("instance")?,
        from: fields.word("from_phase", Phase::parse)?,
        to: fields.word("to_phase", Phase::parse)?,
        reason: fields.text("reason")?,
        since: fields.time("since")?,
        observed: fields.time("observed")?,
        decided: fields.time("decided")?,
        value: fields.maybe_real("value")?,
        threshold: fields.maybe_real("threshold")?,
        worst: fields.maybe_real("worst")?,
        ticks: fields.number("ticks")?,
        saw: fields.text("saw")?,
        version: fields.text("rule_version")?,
    })
}
