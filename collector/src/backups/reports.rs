//! `tocsin-collector job coverage`, `summary`, `intake`: what is told of all jobs at once.

use super::lines::text;
use jiff::{civil::Date, tz::TimeZone};
use serde_json::{Value, json};
use std::collections::HashMap;
use tocsin_console::backend::Failure;
use tocsin_desk::backup::{
    RunTotals,
    coverage::{Period, midnight},
};
use tocsin_ledger::{Ledger, LedgerError};
use tocsin_vocabulary::{Code, HostId, JobId, Timestamp, time::format_duration};

#[allow(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn failed(error: LedgerError) -> Failure {
    Failure::new(error.code(), error.to_string())
}

/// How contracts are covered, each with the hosts that nobody backs up.
pub(super) async fn coverage(ledger: &Ledger, now: Timestamp) -> Result<Value, Failure> {
    let gaps = ledger.coverage_gaps(None).await.map_err(failed)?;
    let contracts = ledger.coverage(None, now).await.map_err(failed)?;
    let items = contracts.iter().map(|coverage| {
        let uncovered = gaps.iter().filter(|gap| gap.contract == coverage.contract);
        let uncovered = uncovered.map(|gap| json!({ "host": gap.host, "name": gap.host_name }));
        json!({
            "contract": coverage.contract,
            "contract_name": coverage.contract_name,
            "customer_name": coverage.customer_name,
            "hosts": coverage.hosts,
            "not_needed": coverage.not_needed,
            "covered": coverage.covered,
            "percent": coverage.percent(),
            "jobs": coverage.jobs,
            "rpo_promised": coverage.promised,
            "rpo_broken": coverage.broken,
            "never_good": coverage.never_good,
            "uncovered": uncovered.collect::<Vec<_>>(),
        })
    });
    Ok(json!({ "items": items.collect::<Vec<_>>(), "next": null }))
}

/// What runs came to in a period of the site's own days.
pub(super) async fn summary(
    ledger: &Ledger,
    period: Period,
    on: Option<&str>,
    zone: &TimeZone,
    now: Timestamp,
) -> Result<Value, Failure> {
    let wrong = |reason: String| Failure::new(Code::InvalidInput, reason);
    let days = match on {
        Some(on) => {
            let day = on.parse::<Date>();
            period.around(day.map_err(|_| wrong(format!("`{on}` is not a day such as 2026-11-22")))?)
        }
        None => period.last_over(zone, now),
    };
    let span = days.and_then(|(first, next)| {
        Some((
            midnight(first, zone)?,
            midnight(next, zone)?,
            first,
            next.yesterday().ok()?,
        ))
    });
    let (from, to, first, last) = span.ok_or_else(|| wrong("that day is beyond what calendars hold".to_owned()))?;
    let jobs = ledger.jobs().await.map_err(failed)?;
    let hosts = ledger.hosts().await.map_err(failed)?;
    let hosts: HashMap<HostId, &str> = hosts.iter().map(|host| (host.id, host.name.as_str())).collect();
    let mut totals: HashMap<Option<JobId>, RunTotals> = HashMap::new();
    // So many at once as a statement takes.
    for jobs in jobs.chunks(500) {
        let ids: Vec<JobId> = jobs.iter().map(|job| job.id).collect();
        let found = ledger.run_totals(&ids, from, to).await.map_err(failed)?;
        totals.extend(found.into_iter().map(|one| (one.job, one)));
    }
    let none = RunTotals::default();
    let items = jobs.iter().map(|job| {
        let mut item = shown(totals.get(&Some(job.id)).unwrap_or(&none));
        item["job"] = job.id.to_string().into();
        item["name"] = job.name.clone().into();
        item["host_name"] = hosts.get(&job.host).copied().unwrap_or_default().into();
        let age = job
            .rpo_now(now)
            .map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        item["rpo_ms"] = job.rpo_ms.into();
        item["rpo_now_ms"] = age.into();
        item["rpo_broken"] = job.breaks_rpo(now).into();
        item
    });
    let items: Vec<Value> = items.collect();
    let all = ledger.all_run_totals(None, from, to).await.map_err(failed)?;
    Ok(json!({
        "period": period.as_str(),
        "first_day": first.to_string(),
        "last_day": last.to_string(),
        "from": from.to_string(),
        "to": to.to_string(),
        "totals": shown(&all),
        "items": items,
        "next": null,
    }))
}

fn shown(totals: &RunTotals) -> Value {
    json!({
        "runs": totals.runs,
        "ok": totals.ok,
        "warning": totals.warning,
        "overran": totals.overran,
        "shrunk": totals.shrunk,
        "failed": totals.failed,
        "missed": totals.missed,
        "good_per_mille": totals.good_per_mille(),
        "bytes": totals.bytes,
        "bytes_added": totals.bytes_added,
        "longest_ms": totals.longest_ms,
    })
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.get("items").and_then(Value::as_array).into_iter().flatten()
}

/// What people read of [`coverage`].
pub(super) fn coverage_lines(value: &Value) -> String {
    let mut lines = vec![format!(
        "{:<28}{:<20}{:<16}{:<10}{:<6}{:<14}NEVER GOOD",
        "CONTRACT", "CUSTOMER", "COVERED", "UNNEEDED", "JOBS", "RPO BROKEN"
    )];
    for item in items(value) {
        let covered = format!(
            "{}/{} {}%",
            text(item, "/covered"),
            text(item, "/hosts"),
            text(item, "/percent")
        );
        let broken = format!("{}/{}", text(item, "/rpo_broken"), text(item, "/rpo_promised"));
        lines.push(format!(
            "{:<28}{:<20}{covered:<16}{:<10}{:<6}{broken:<14}{}",
            text(item, "/contract_name"),
            text(item, "/customer_name"),
            text(item, "/not_needed"),
            text(item, "/jobs"),
            text(item, "/never_good")
        ));
        let gaps = item.get("uncovered").and_then(Value::as_array).into_iter().flatten();
        lines.extend(gaps.map(|gap| format!("  no backup: {}", text(gap, "/name"))));
    }
    lines.join("\n")
}

/// What people read of [`summary`].
pub(super) fn summary_lines(value: &Value) -> String {
    let share = |item: &Value| match item.get("good_per_mille").and_then(Value::as_u64) {
        Some(per_mille) => format!("{}.{}%", per_mille / 10, per_mille % 10),
        None => "-".to_owned(),
    };
    let counts = |item: &Value| {
        let of = |key: &str| text(item, key);
        format!(
            "{:<6}{:<6}{:<9}{:<9}{:<8}{:<8}{:<8}{:<8}{:<16}",
            of("/runs"),
            of("/ok"),
            of("/warning"),
            of("/overran"),
            of("/shrunk"),
            of("/failed"),
            of("/missed"),
            share(item),
            of("/bytes")
        )
    };
    let mut lines = vec![
        format!(
            "{} {} to {}",
            text(value, "/period"),
            text(value, "/first_day"),
            text(value, "/last_day")
        ),
        format!(
            "{:<20}{:<24}{:<6}{:<6}{:<9}{:<9}{:<8}{:<8}{:<8}{:<8}{:<16}RPO",
            "HOST", "JOB", "RUNS", "OK", "WARNING", "OVERRAN", "SHRUNK", "FAILED", "MISSED", "GOOD", "BYTES"
        ),
    ];
    for item in items(value) {
        let age = item.get("rpo_now_ms").and_then(Value::as_u64);
        let age = age.map_or_else(
            || "-".to_owned(),
            |age| format_duration(std::time::Duration::from_secs(age / 60_000 * 60)),
        );
        let broken = item.get("rpo_broken") == Some(&Value::Bool(true));
        lines.push(format!(
            "{:<20}{:<24}{}{age}{}",
            text(item, "/host_name"),
            text(item, "/name"),
            counts(item),
            if broken { " (older than promised)" } else { "" }
        ));
    }
    let totals = value.get("totals").cloned().unwrap_or_default();
    lines.push(format!("{:<44}{}", "ALL", counts(&totals)).trim_end().to_owned());
    lines.join("\n")
}

/// What people read of the intake.
pub(super) fn intake_lines(value: &Value) -> String {
    let listeners = value.get("listeners").and_then(Value::as_array).into_iter().flatten();
    let mut lines: Vec<String> = listeners
        .map(|listener| format!("listens: {} {}", text(listener, "/kind"), text(listener, "/address")))
        .collect();
    lines.push(format!("turned away: {}", text(value, "/turned_away")));
    lines.push(format!(
        "{:<20}{:<16}{:<20}{:<8}{:<8}{:<9}LAST",
        "SOURCE", "JUDGE", "HOST", "CAME", "RUNS", "DROPPED"
    ));
    for item in items(value) {
        lines.push(format!(
            "{:<20}{:<16}{:<20}{:<8}{:<8}{:<9}{}",
            text(item, "/name"),
            text(item, "/judge"),
            text(item, "/host"),
            text(item, "/came"),
            text(item, "/runs"),
            text(item, "/dropped"),
            text(item, "/last_at")
        ));
        for (label, key) in [("last", "/last"), ("error", "/error")] {
            let told = text(item, key);
            if !told.is_empty() {
                lines.push(format!("  {label}: {told}"));
            }
        }
    }
    lines.join("\n")
}
