//! What comes back: the same ticket goes on, and people are told, but not each time that something flaps.

use super::{
    Desk,
    change::{By, Change},
};
use crate::{
    life::{self, ActionKind},
    model::{Alert, AlertState, ClockKind, PageReason, Ticket, TicketState},
};
use tocsin_vocabulary::{AlertId, FaultId, TicketId};

impl Desk {
    /// An alert returned while its ticket is live.
    pub(super) fn come_back(&mut self, change: &mut Change, alert: AlertId, fault: FaultId, ticket: TicketId) {
        if self.rejoin(change, fault, alert) {
            return;
        }
        let Some(mut alert) = self.alerts.get(&alert).cloned() else {
            return;
        };
        let Some(mut ticket) = self.tickets.get(&ticket).cloned() else {
            return;
        };
        alert.fault = Some(fault);
        if let Some(fault) = self.faults.get_mut(&fault) {
            fault.cleared_at = None;
            fault.severity = fault.severity.max(alert.severity);
            change.faults.insert(fault.id);
        }
        ticket.severity = ticket.severity.max(alert.severity);
        ticket.reckoning.moments.recovered = None;
        let (note, withheld) = (alert.title.clone(), self.is_withheld(alert.id));
        self.keep(alert);
        self.breach(change, &mut ticket);
        let action = if ticket.state == TicketState::Resolved {
            ActionKind::Reopen
        } else {
            ActionKind::Recur
        };
        match life::next(ticket.state, ticket.prior_state, action) {
            Ok(to) => {
                change.turn(&mut ticket, &By::SYSTEM, action.as_str(), to, note);
                self.unrestored(change, &mut ticket);
            }
            Err(_) => change.entry(&mut ticket, &By::SYSTEM, "alert_raised", note),
        }
        self.withdraw(change, ticket.id, |page| page.reason == PageReason::Restored);
        if !withheld && ticket.page_due_at.is_none_or(|due| due <= change.now) {
            self.tell_of_return(change, &mut ticket);
        }
        self.tickets.insert(ticket.id, ticket);
    }

    /// A ticket takes over what holds: it was not over.
    pub(super) fn goes_on(&mut self, change: &mut Change, ticket: &mut Ticket) {
        self.breach(change, ticket);
        ticket.reckoning.moments.recovered = None;
        let action = if ticket.state == TicketState::Resolved {
            ActionKind::Reopen
        } else {
            ActionKind::Recur
        };
        if let Ok(to) = life::next(ticket.state, ticket.prior_state, action) {
            let note = ticket.title.clone();
            change.turn(ticket, &By::SYSTEM, action.as_str(), to, note);
            self.unrestored(change, ticket);
            self.withdraw(change, ticket.id, |page| page.reason == PageReason::Restored);
            if ticket.page_due_at.is_none_or(|due| due <= change.now) && self.hushed(change, ticket).is_none() {
                self.tell_of_return(change, ticket);
            }
        }
    }

    /// Pages that it came back, and keeps quiet about further returns until the next round would be due: what flaps
    /// pages once in that time, not each time.
    pub(super) fn tell_of_return(&mut self, change: &mut Change, ticket: &mut Ticket) {
        ticket.page_due_at = Some(change.now.plus(self.repage_after(ticket, change.now)));
        ticket.reckoning.told_at = Some(change.now);
        let to = self.takers(ticket);
        let round = ticket.revision;
        self.page(change, ticket, PageReason::Recurred, round, &to);
    }

    /// Whether an alert of the ticket holds, or `cleared` just now, that was raised after people were last told.
    pub(super) fn holds_untold(&self, ticket: &Ticket, cleared: Option<AlertId>) -> bool {
        let Some(due) = ticket.page_due_at else {
            return false;
        };
        let told_at = self.told_at(ticket, due);
        let holding = |alert: &&Alert| alert.state == AlertState::Raised || Some(alert.id) == cleared;
        let alerts = self.alerts_of(ticket.fault);
        let mut alerts = alerts.iter().filter_map(|id| self.alerts.get(id)).filter(holding);
        alerts.any(|alert| alert.raised_at > told_at && !self.is_withheld(alert.id))
    }

    /// The clocks that stopped at `restored` or `resolved` go on as if not stopped. An arrival is wanted again only while
    /// it can still be in time: that nobody came to a fault that was mended from afar is no breach.
    #[allow(clippy::unused_self, reason = "it stands beside `restored`")]
    pub(super) fn unrestored(&self, change: &Change, ticket: &mut Ticket) {
        let missed_arrival = ticket
            .clock(ClockKind::Arrive)
            .filter(|arrive| arrive.due_at <= change.now)
            .and_then(|arrive| arrive.stopped_at);
        let moments = &mut ticket.reckoning.moments;
        let restored = moments.restored.take();
        moments.resolved = None;
        moments.ended = None;
        if moments.on_site.is_none() {
            moments.arrival_excused = moments.arrival_excused.or(missed_arrival);
        }
        match ticket.state {
            TicketState::Accepted => {
                if moments.accepted.is_none() {
                    moments.response_excused = moments.response_excused.or(restored);
                }
                moments.accepted.get_or_insert(change.now);
            }
            // As if it had not been restored: it still waits.
            TicketState::Waiting => {
                let mut breaches = ticket.clocks.iter().filter_map(|clock| clock.breached_at);
                let missed = breaches.any(|at| Some(at) > restored);
                ticket.reckoning.rejoin_pause(restored, missed, change.now);
            }
            _ => {}
        }
    }
}
