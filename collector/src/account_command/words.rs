//! Accounts as a terminal shows them.

use crate::{cli::printable, clock_command::lasting};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{fmt::Write as _, time::Duration};
use tocsin_desk::account::{
    availability::Availability,
    downtime::{Downtime, Turn},
    extension::Moved,
    overview::ContractLine,
    report::ReportRow,
};

fn list<T: DeserializeOwned>(value: Option<&Value>) -> Vec<T> {
    let items = value.and_then(Value::as_array).into_iter().flatten();
    items
        .filter_map(|item| serde_json::from_value(item.clone()).ok())
        .collect()
}

/// Days, hours, minutes and seconds, those that are not zero: `2d 3h`; `0` for nothing.
fn length(duration: Duration) -> String {
    let (days, rest) = (duration.as_secs() / 86_400, duration.as_secs() % 86_400);
    match (days, rest) {
        (0, 0) => "0".to_owned(),
        (0, _) => lasting(Duration::from_secs(rest)),
        (_, 0) => format!("{days}d"),
        _ => format!("{days}d {}", lasting(Duration::from_secs(rest))),
    }
}

/// A share of time; `not observed` where nobody watched, for that is no 100 %.
fn share(of: &Availability, ratio: f64) -> String {
    if of.is_unobserved() {
        "not observed".to_owned()
    } else {
        format!("{:.4}%", ratio * 100.0)
    }
}

/// Downtimes, a line each with the last word below.
pub(super) fn downtimes(value: &Value) -> String {
    let all: Vec<Downtime> = list(Some(value));
    if all.is_empty() {
        return "no downtime is on record".to_owned();
    }
    let mut out = String::new();
    for one in &all {
        let Some(claim) = one.claim() else { continue };
        let to = claim.to.map_or_else(|| "still down".to_owned(), |to| to.to_string());
        let lasted = claim.to.map(|to| length(to.since(claim.from))).unwrap_or_default();
        let ticket = one.ticket.map(|number| format!(" #{number}")).unwrap_or_default();
        let _ = writeln!(
            out,
            "{:<6}{:<10}{:<14}{} .. {to}  {lasted}  {} · {}{ticket}",
            one.id,
            one.standing().as_str(),
            claim.cause.as_str(),
            claim.from,
            printable(&one.contract_name),
            printable(&one.asset_name),
        );
        for line in &one.lines {
            let (what, words) = match &line.turn {
                Turn::Claim(claim) => ("claimed", claim.words.clone()),
                Turn::Agree { who, how, words } => ("agreed", format!("{who} ({}) {words}", how.as_str())),
                Turn::Dispute { who, how, words } => ("disputed", format!("{who} ({}) {words}", how.as_str())),
                Turn::Withdraw { words } => ("withdrawn", words.clone()),
            };
            let _ = writeln!(
                out,
                "      {}  {}  {what}: {}",
                line.at,
                printable(&line.by),
                printable(&words)
            );
        }
    }
    out
}

/// Contracts and their assets.
pub(super) fn availability(value: &Value) -> String {
    let mut out = format!(
        "{:<28}{:>14}{:>14}{:>16}{:>16}{:>6}  ENDS\n",
        "CONTRACT", "AVAILABILITY", "OURS ONLY", "UNPLANNED", "NOT OBSERVED", "DAYS"
    );
    for line in list::<ContractLine>(value.get("contracts")) {
        let of = &line.availability;
        let ends = line
            .extension
            .ends_on
            .map_or_else(|| "-".to_owned(), |day| day.to_string());
        let _ = writeln!(
            out,
            "{:<28}{:>14}{:>14}{:>16}{:>16}{:>6}  {ends}",
            printable(&line.name),
            share(of, of.ratio()),
            share(of, of.ratio_ours()),
            length(of.unplanned),
            length(of.not_observed),
            line.extension.days
        );
        for asset in &line.assets {
            let of = &asset.availability;
            let _ = writeln!(
                out,
                "  {:<26}{:>14}{:>14}{:>16}{:>16}",
                printable(&asset.name),
                share(of, of.ratio()),
                share(of, of.ratio_ours()),
                length(of.unplanned),
                length(of.not_observed)
            );
        }
    }
    out
}

/// The end of maintenance with its moves.
pub(super) fn maintenance(value: &Value) -> String {
    let mut out = String::new();
    let shown = |day: Option<jiff::civil::Date>| day.map_or_else(|| "-".to_owned(), |day| day.to_string());
    for contract in value.get("contracts").and_then(Value::as_array).into_iter().flatten() {
        let Ok(line) = serde_json::from_value::<ContractLine>(contract.clone()) else {
            continue;
        };
        let _ = writeln!(
            out,
            "{} ({}): signed {}, now {}, {} days, rounding {}",
            printable(&line.name),
            printable(&line.customer),
            shown(line.maintenance.ends_on),
            shown(line.extension.ends_on),
            line.extension.days,
            line.maintenance.rounding.as_str()
        );
        for moved in list::<Moved>(contract.get("moves")) {
            let cause = moved
                .downtime
                .map_or_else(|| "the contract changed".to_owned(), |id| format!("downtime {id}"));
            let _ = writeln!(
                out,
                "  {}  {}  {cause}: {} → {} days, {} → {}",
                moved.at,
                printable(&moved.by),
                moved.before.days,
                moved.after.days,
                shown(moved.before.ends_on),
                shown(moved.after.ends_on)
            );
        }
    }
    out
}

/// Reports, earliest due first.
pub(super) fn reports(value: &Value) -> String {
    let all: Vec<ReportRow> = list(Some(value));
    if all.is_empty() {
        return "no report is owed".to_owned();
    }
    let rows = all.iter().map(|row| {
        format!(
            "#{:<8}{:<10}{:<10}due {}  {}",
            row.number,
            row.kind.as_str(),
            row.standing.as_str(),
            row.due_at,
            printable(&row.title.en)
        )
    });
    rows.collect::<Vec<_>>().join("\n")
}
