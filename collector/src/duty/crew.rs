//! Who is on duty now: from the rosters where there are any, else those who are marked as on duty.

use super::works;
use std::collections::BTreeMap;
use tocsin_desk::{
    escalation::{Called, Chain, Crew},
    input::OnDuty,
    model::Role,
    register::Book,
    roster::{self, Post, Span},
};
use tocsin_ledger::{Ledger, LedgerError};
use tocsin_vocabulary::{CustomerId, Timestamp};

/// Who is paged at once, and the chain behind them.
///
/// # Errors
/// When the ledger can't be read.
pub(crate) async fn crew(
    ledger: &Ledger,
    destinations: &[String],
    now: Timestamp,
) -> Result<(Vec<OnDuty>, (Chain, Crew)), LedgerError> {
    let people = ledger.people().await?;
    let rosters = ledger.rosters().await?;
    let exchanges = ledger.exchanges(now).await?;
    let chain = ledger.escalation_chain().await?.unwrap_or_else(Chain::shipped);
    let reach = |person: &tocsin_desk::model::Person| OnDuty {
        person: person.id,
        destinations: destinations.to_vec(),
    };
    let of_house = people.iter().filter(|person| works(person.role));
    let by_login: BTreeMap<String, OnDuty> = of_house.map(|person| (person.login.clone(), reach(person))).collect();
    let named =
        |logins: &[String]| -> Vec<OnDuty> { logins.iter().filter_map(|login| by_login.get(login)).cloned().collect() };
    let leads = people.iter().filter(|person| person.role == Role::TeamLead).map(reach);
    let mut crew = Crew {
        people: [(Called::TeamLead, leads.collect())].into(),
        ..Crew::default()
    };
    let room: Vec<_> = rosters.iter().filter(|roster| roster.customer.is_none()).collect();
    let mut duty: Vec<OnDuty> = Vec::new();
    if room.is_empty() {
        duty.extend(people.iter().filter(|person| person.on_duty).map(reach));
    } else {
        let spans: Vec<Span> = room
            .iter()
            .flat_map(|roster| roster::now(roster, &exchanges, now))
            .collect();
        for (post, called) in [
            (Post::Main, Called::Main),
            (Post::Deputy, Called::Deputy),
            (Post::Standby, Called::Standby),
            (Post::Leader, Called::Leader),
        ] {
            let logins: Vec<String> = spans.iter().flat_map(|span| span.staff.of(post).to_vec()).collect();
            let found = named(&logins);
            if matches!(post, Post::Main | Post::Deputy) {
                for person in &found {
                    if duty.iter().all(|known| known.person != person.person) {
                        duty.push(person.clone());
                    }
                }
            }
            crew.people.insert(called, found);
        }
        let fallbacks: Vec<String> = room.iter().map(|roster| roster.fallback.clone()).collect();
        crew.fallback = named(&fallbacks);
    }
    let on_site: Vec<_> = rosters.iter().filter(|roster| roster.customer.is_some()).collect();
    if !on_site.is_empty() {
        let customers = ledger.register(Book::Customers).await?;
        for roster in on_site {
            let whose = customers
                .iter()
                .find(|row| Some(row.get("name")) == roster.customer.as_deref());
            let Some(customer) = whose.and_then(|row| row.id.parse::<CustomerId>().ok()) else {
                continue;
            };
            let spans = roster::now(roster, &exchanges, now);
            let logins: Vec<String> = spans.iter().flat_map(|span| span.staff.main.clone()).collect();
            crew.on_site.entry(customer).or_default().extend(named(&logins));
        }
    }
    crew.by_login = by_login;
    Ok((duty, (chain, crew)))
}
