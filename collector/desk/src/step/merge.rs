//! One ticket goes on with another's fault.

use super::{
    Desk, Refusal,
    change::{By, Change},
};
use crate::model::{AlertState, Ticket, TicketKind};
use tocsin_vocabulary::{Code, Text};

impl Desk {
    /// Two tickets can be merged when the other is live, of the same customer, and both or none are drills.
    pub(super) fn allow_merging(&self, ticket: &Ticket, into: u64) -> Result<(), Refusal> {
        let number = ticket.number;
        let refuse = |reason: String| Err(Refusal::new(Code::Conflict, reason));
        let Some(other) = self.ticket_by_number(into).filter(|other| other.state.is_live()) else {
            return refuse(format!(
                "#{number} cannot go into #{into}: there is no such open ticket"
            ));
        };
        if other.id == ticket.id {
            return refuse(format!("#{number} cannot go into itself"));
        }
        if other.customer != ticket.customer {
            return refuse(format!("#{number} cannot go into #{into}: it is another customer's"));
        }
        if (other.kind == TicketKind::Drill) != (ticket.kind == TicketKind::Drill) {
            return refuse(format!(
                "#{number} cannot go into #{into}: a drill never mixes with the real thing"
            ));
        }
        Ok(())
    }

    /// The other ticket takes over the alerts: it is restored when they have cleared too, and goes on if it was restored
    /// and one of them holds.
    pub(super) fn merged(&mut self, change: &mut Change, ticket: &mut Ticket, into: u64) {
        let Some(mut other) = self.ticket_by_number(into).cloned() else {
            return;
        };
        let mut raised = None;
        for id in self.alerts_of(ticket.fault) {
            let Some(mut alert) = self.alerts.get(&id).cloned() else {
                continue;
            };
            if alert.state == AlertState::Raised {
                raised = raised.max(Some(alert.severity));
            }
            alert.fault = other.fault;
            self.keep(alert);
            change.alerts.insert(id);
        }
        if let Some(fault) = ticket.fault {
            self.shown_by.remove(&fault);
        }
        self.set_cleared(change, ticket.fault, Some(change.now));
        let note = Text::plain(format!("#{}: {}", ticket.number, ticket.title.en));
        let note = Text::new(note.en, format!("#{}\u{ff1a}{}", ticket.number, ticket.title.zh));
        change.entry(&mut other, &By::SYSTEM, "took_over", note);
        if let Some(severity) = raised {
            self.set_cleared(change, other.fault, None);
            self.tickets.insert(other.id, other.clone());
            self.worsen(change, other.fault, severity);
            other.severity = other.severity.max(severity);
            self.goes_on(change, &mut other);
        }
        self.tickets.insert(other.id, other);
        self.ended(change, ticket);
    }
}
