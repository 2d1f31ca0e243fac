//! A person's report of a fault, as the page and the API take it.

use crate::{
    backend::{Failure, Host},
    guard::Visit,
    steps::TEXT_CHARS_MAX,
};
use tocsin_desk::{
    input::Report,
    model::{Actor, AssetFacts, TicketKind, Via},
};
use tocsin_vocabulary::{Code, Severity, Timestamp};

/// The report, once its title is one.
pub(crate) fn report(
    visit: &Visit,
    via: Via,
    host: Host,
    title: &str,
    severity: Severity,
    occurred_at: Option<Timestamp>,
) -> Result<Report, Failure> {
    let title = title.trim();
    if title.is_empty() || title.chars().count() > TEXT_CHARS_MAX {
        let reason = format!("field `title` must have 1 to {TEXT_CHARS_MAX} characters");
        return Err(Failure::new(Code::InvalidInput, reason));
    }
    let person = visit.person()?;
    let record = host.record;
    Ok(Report {
        kind: TicketKind::Fault,
        actor: Actor::Person(person.id, person.name.clone()),
        via,
        asset: AssetFacts {
            asset: record.asset,
            name: record.name,
            customer: record.customer,
            contract: record.contract,
            site: record.site,
            importance: record.importance,
        },
        title: title.to_owned(),
        severity,
        occurred_at,
    })
}
