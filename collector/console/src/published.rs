//! What of a ticket a customer's people may read: its course in the table's own words, what was published to them, and
//! what they did themselves. Names of the house, notes and remedies are internal.

use crate::{authority, backend::Failure, guard::Visit, shell::Shell};
use tocsin_desk::{
    model::{Actor, Entry, Person, Role, Ticket},
    sheet::TicketSheet,
};
use tocsin_vocabulary::{PersonId, Text};

/// The course of a ticket: what a customer reads of the timeline beside what was published.
const COURSE: [&str; 12] = [
    "open", "accept", "arrive", "wait", "resume", "restore", "recur", "resolve", "confirm", "reopen", "cancel", "merge",
];

/// Nobody: what stands in place of a person of the house.
const NOBODY: PersonId = PersonId::from_bytes([0; 16]);

/// Whether whoever asks is bound to one customer.
pub(crate) fn is_bound(visit: &Visit) -> bool {
    visit
        .speaker
        .as_ref()
        .is_some_and(|speaker| authority::scope(speaker).is_some())
}

/// Takes everything internal out of a ticket and its timeline, if whoever asks is a customer's person.
pub(crate) async fn cut(
    visit: &Visit,
    ticket: &mut Ticket,
    entries: &mut Vec<Entry>,
    sheet: &TicketSheet,
) -> Result<(), Failure> {
    if !is_bound(visit) {
        return Ok(());
    }
    let people = visit.console.backend.people().await?;
    let house = Shell::new(visit, "").t("service-desk");
    hide_people(ticket, &house);
    ticket.remedy = Text::default();
    entries.retain(|entry| COURSE.contains(&entry.action.as_str()) || sheet.published.contains(&entry.seq));
    for entry in entries {
        let own = matches!(&entry.actor, Actor::Person(id, _) if is_own(&people, *id, ticket));
        // The cause and the solution are what they are asked to confirm.
        let shown = own || entry.action == "resolve" || sheet.published.contains(&entry.seq);
        if !shown {
            entry.note = Text::default();
        }
        if !own && let Actor::Person(id, name) = &mut entry.actor {
            (*id, *name) = (NOBODY, house.clone());
        }
    }
    Ok(())
}

fn is_own(people: &[Person], id: PersonId, ticket: &Ticket) -> bool {
    let person = people.iter().find(|person| person.id == id);
    person.is_some_and(|person| person.role == Role::Customer && person.customer == Some(ticket.customer))
}

/// Somebody of the house works on it: that much a customer reads.
pub(crate) fn hide_people(ticket: &mut Ticket, house: &str) {
    if ticket.assignee.take().is_some() {
        ticket.assignee_name = Some(house.to_owned());
    }
}
