//! What comes back: the same ticket goes on, and people are told, but not each time that something flaps.

use super::{
    Desk,
    change::{By, Change, go_on, start},
};
use crate::{
    life::{self, ActionKind},
    model::{Alert, AlertState, ClockKind, PageReason, Ticket, TicketState},
    policy::ClockStart,
};
use tocsin_vocabulary::{AlertId, FaultId, TicketId};

impl Desk {
    /// An alert returned while its ticket is live.
    pub(super) fn come_back(&mut self, change: &mut Change, alert: AlertId, fault: FaultId, ticket: TicketId) {
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
        let note = alert.title.clone();
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
        if ticket.page_due_at.is_none_or(|due| due <= change.now) {
            self.tell_of_return(change, &mut ticket);
        }
        self.tickets.insert(ticket.id, ticket);
    }

    /// Pages that it came back, and keeps quiet about further returns until the next round would be due: what flaps
    /// pages once in that time, not each time.
    pub(super) fn tell_of_return(&mut self, change: &mut Change, ticket: &mut Ticket) {
        ticket.page_due_at = Some(change.now.plus(self.policy.paging.repage_after.0));
        let to = self.takers(ticket);
        let round = ticket.revision;
        self.page(change, ticket, PageReason::Recurred, round, &to);
    }

    /// Whether an alert of the ticket holds, or `cleared` just now, that was raised after people were last told.
    pub(super) fn holds_untold(&self, ticket: &Ticket, cleared: Option<AlertId>) -> bool {
        let Some(due) = ticket.page_due_at else {
            return false;
        };
        let told_at = due.minus(self.policy.paging.repage_after.0);
        let holding = |alert: &&Alert| alert.state == AlertState::Raised || Some(alert.id) == cleared;
        let alerts = self.alerts_of(ticket.fault);
        let mut alerts = alerts.iter().filter_map(|id| self.alerts.get(id)).filter(holding);
        alerts.any(|alert| alert.raised_at > told_at)
    }

    /// The clocks that stopped at `restored` or `resolved` go on as if not stopped. An arrival is wanted again only while
    /// it can still be in time: that nobody came to a fault that was mended from afar is no breach.
    pub(super) fn unrestored(&mut self, change: &Change, ticket: &mut Ticket) {
        go_on(ticket, &[ClockKind::Restore, ClockKind::Resolve]);
        match ticket.state {
            TicketState::Open => {
                go_on(ticket, &[ClockKind::Respond]);
            }
            TicketState::Accepted => {
                start(ticket, &self.policy, ClockStart::Accepted, change.now);
                if ticket
                    .clock(ClockKind::Arrive)
                    .is_some_and(|clock| clock.due_at > change.now)
                {
                    go_on(ticket, &[ClockKind::Arrive]);
                }
            }
            _ => {}
        }
    }
}
