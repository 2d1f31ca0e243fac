//! `/downtimes`, `/availability` and `/reports`: what is accounted for.

use super::{ListOf, Parameters, list, wrong};
use crate::{
    guard::{Answer, Visit},
    pages::accounts::books,
};
use serde::Serialize;
use tocsin_desk::{
    account::{
        downtime::{Claim, Downtime},
        overview::overview,
        report::ReportFilter,
    },
    calendar::Span,
};
use tocsin_vocabulary::Timestamp;
use utoipa::ToSchema;

/// Time in which something was down.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DowntimeView {
    id: u64,
    /// Number of the ticket that it came of.
    ticket: Option<u64>,
    contract: String,
    asset: String,
    /// `proposed`, `disputed`, `agreed` or `withdrawn`.
    standing: &'static str,
    /// What was claimed last.
    claimed: Option<ClaimView>,
    /// What the customer agreed to last; it counts until something else is agreed.
    agreed: Option<ClaimView>,
}

/// From when to when, and whose cause.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ClaimView {
    /// RFC 3339.
    from: String,
    /// RFC 3339; null while it is still down.
    to: Option<String>,
    /// `ours`, `customer`, `third_party`, `planned` or `force_majeure`.
    cause: &'static str,
    words: String,
}

impl From<&Claim> for ClaimView {
    fn from(claim: &Claim) -> Self {
        Self {
            from: claim.from.to_string(),
            to: claim.to.map(|to| to.to_string()),
            cause: claim.cause.as_str(),
            words: claim.words.clone(),
        }
    }
}

impl From<&Downtime> for DowntimeView {
    fn from(downtime: &Downtime) -> Self {
        Self {
            id: downtime.id,
            ticket: downtime.ticket,
            contract: downtime.contract_name.clone(),
            asset: downtime.asset_name.clone(),
            standing: downtime.standing().as_str(),
            claimed: downtime.claim().map(ClaimView::from),
            agreed: downtime.agreed().map(ClaimView::from),
        }
    }
}

/// Downtimes, newest first.
#[utoipa::path(get, path = "/downtimes",
    responses((status = 200, description = "downtimes", body = ListOf<DowntimeView>)))]
pub(crate) async fn downtimes(visit: Visit) -> Answer {
    Parameters::of(&visit, &[])?;
    let books = books(&visit).await?;
    Ok(list(books.downtimes.iter().map(DowntimeView::from).collect(), None))
}

/// A contract over a period.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AvailabilityView {
    id: String,
    contract: String,
    customer: String,
    /// The share of the period in which nothing of it was down.
    ratio: f64,
    /// The same where only downtime of our cause counts.
    ratio_ours: f64,
    /// How long it was down without having been planned.
    unplanned_ms: u64,
    /// For how long nothing is known of any of its assets: it is in none of the shares.
    not_observed_ms: u64,
    /// Days by which the end of maintenance has moved.
    days: u32,
    /// The last day of maintenance as it was signed.
    signed_until: Option<String>,
    /// The last day of maintenance as it is now.
    ends_on: Option<String>,
}

/// How available contracts were, the least available first.
#[utoipa::path(get, path = "/availability", params(
    ("from" = String, Query, description = "first instant, RFC 3339"),
    ("to" = String, Query, description = "the instant after the last, RFC 3339"),
), responses((status = 200, description = "contracts", body = ListOf<AvailabilityView>)))]
pub(crate) async fn availability(visit: Visit) -> Answer {
    let parameters = Parameters::of(&visit, &["from", "to"])?;
    let needed = |name: &str| {
        let found = parameters.parse::<Timestamp>(name)?;
        found.ok_or_else(|| wrong(format!("parameter `{name}` is missing")))
    };
    let period = Span {
        from: needed("from")?,
        to: needed("to")?,
    };
    if period.from >= period.to {
        return Err(wrong("parameter `from` must be before `to`").into());
    }
    let books = books(&visit).await?;
    let unseen = books.unwatched(&visit, period).await?;
    let lines = overview(
        period,
        &books.contracts,
        &books.assets,
        &books.downtimes,
        &unseen,
        visit.now,
    );
    let views = lines.into_iter().map(|line| AvailabilityView {
        ratio: line.availability.ratio(),
        ratio_ours: line.availability.ratio_ours(),
        not_observed_ms: u64::try_from(line.availability.not_observed.as_millis()).unwrap_or(u64::MAX),
        unplanned_ms: u64::try_from(line.availability.unplanned.as_millis()).unwrap_or(u64::MAX),
        days: line.extension.days,
        signed_until: line.maintenance.ends_on.map(|day| day.to_string()),
        ends_on: line.extension.ends_on.map(|day| day.to_string()),
        id: line.id,
        contract: line.name,
        customer: line.customer,
    });
    Ok(list(views.collect(), None))
}

/// A report about a ticket.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReportView {
    ticket: u64,
    /// `incident` or `service`.
    report: &'static str,
    /// RFC 3339.
    due_at: String,
    /// `owed`, `draft`, `reviewed`, `issued` or `signed`.
    standing: &'static str,
    /// A version was issued or signed.
    done: bool,
}

/// Incident reports and service documents, what is owed first.
#[utoipa::path(get, path = "/reports",
    responses((status = 200, description = "reports", body = ListOf<ReportView>)))]
pub(crate) async fn reports(visit: Visit) -> Answer {
    Parameters::of(&visit, &[])?;
    let rows = visit.console.backend.reports(&ReportFilter::default()).await?;
    let views = rows.into_iter().map(|row| ReportView {
        ticket: row.number,
        report: row.kind.as_str(),
        due_at: row.due_at.to_string(),
        standing: row.standing.as_str(),
        done: row.done,
    });
    Ok(list(views.collect(), None))
}
