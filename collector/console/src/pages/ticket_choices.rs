//! What the forms of a ticket let one choose from: to whom it goes, and which ticket it is merged into.

use super::{board::LIVE, ticket::assignable};
use crate::{authority::Action, backend::Failure, guard::Visit, shell::Shell};
use tocsin_desk::{
    life::ActionKind,
    model::Ticket,
    record::{Slice, TicketFilter},
};

/// Tickets that one can be merged into by choosing.
const MERGEABLE_MAX: u32 = 50;

/// Values and names.
pub(super) struct Choices {
    pub(super) people: Vec<(String, String)>,
    /// Tickets that it can be merged into: live ones of the same customer.
    pub(super) tickets: Vec<(String, String)>,
}

pub(super) async fn choices(visit: &Visit, shell: &Shell, ticket: &Ticket) -> Result<Choices, Failure> {
    if !visit.may(Action::WorkTicket) || !ticket.state.is_live() {
        return Ok(Choices {
            people: Vec::new(),
            tickets: Vec::new(),
        });
    }
    let people = assignable(visit, ActionKind::Assign).await?;
    let filter = TicketFilter {
        states: LIVE.to_vec(),
        customer: Some(ticket.customer),
        slice: Slice {
            after: None,
            limit: MERGEABLE_MAX,
        },
        ..TicketFilter::default()
    };
    let mut others = visit.console.backend.tickets(&filter).await?.items;
    others.retain(|other| other.id != ticket.id);
    let named = |other: &Ticket| {
        let (number, title) = (other.number, shell.text(&other.title));
        (number.to_string(), format!("#{number} {title}"))
    };
    Ok(Choices {
        people: people
            .iter()
            .map(|person| (person.id.to_string(), person.name.clone()))
            .collect(),
        tickets: others.iter().map(named).collect(),
    })
}
