//! What one step touched, and the timeline lines and pages that it made.

use crate::{
    model::{Actor, ClockKind, Entry, Page, Ticket, TicketState, Via},
    policy::{ClockStart, Policy},
};
use std::collections::BTreeSet;
use tocsin_vocabulary::{AlertId, FaultId, PageId, Text, TicketId, Timestamp};

/// Who does it, and by which way.
#[derive(Debug, Clone)]
pub(super) struct By {
    pub(super) actor: Actor,
    pub(super) via: Via,
}

impl By {
    pub(super) const SYSTEM: Self = Self {
        actor: Actor::System,
        via: Via::System,
    };
}

/// Gathers the effects of one step.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) now: Timestamp,
    pub(super) alerts: BTreeSet<AlertId>,
    /// Older episodes that are no longer the newest.
    pub(super) replaced: BTreeSet<AlertId>,
    pub(super) faults: BTreeSet<FaultId>,
    pub(super) tickets: BTreeSet<TicketId>,
    pub(super) entries: Vec<Entry>,
    pub(super) pages: Vec<Page>,
    pub(super) withdrawn: Vec<PageId>,
}

impl Change {
    pub(super) const fn new(now: Timestamp) -> Self {
        Self {
            now,
            alerts: BTreeSet::new(),
            replaced: BTreeSet::new(),
            faults: BTreeSet::new(),
            tickets: BTreeSet::new(),
            entries: Vec::new(),
            pages: Vec::new(),
            withdrawn: Vec::new(),
        }
    }

    /// Counts the ticket as changed: one revision more, but only once in a step.
    pub(super) fn touch(&mut self, ticket: &mut Ticket) {
        if self.tickets.insert(ticket.id) {
            ticket.revision += 1;
        }
        ticket.updated_at = self.now;
    }

    /// Adds a line to the ticket's timeline.
    pub(super) fn entry(&mut self, ticket: &mut Ticket, by: &By, action: &str, note: Text) {
        self.line(ticket, by, action, (None, None), note);
    }

    /// Moves the ticket to another state and adds the line that says so.
    pub(super) fn turn(
        &mut self,
        ticket: &mut Ticket,
        by: &By,
        action: &str,
        (state, prior): (TicketState, Option<TicketState>),
        note: Text,
    ) {
        let from = std::mem::replace(&mut ticket.state, state);
        ticket.prior_state = prior;
        let turned = if from == state {
            (None, None)
        } else {
            (Some(from), Some(state))
        };
        self.line(ticket, by, action, turned, note);
    }

    /// A line of the timeline; the opening has a state after and none before.
    pub(super) fn line(
        &mut self,
        ticket: &mut Ticket,
        by: &By,
        action: &str,
        (from, to): (Option<TicketState>, Option<TicketState>),
        note: Text,
    ) {
        self.touch(ticket);
        ticket.entry_count += 1;
        self.entries.push(Entry {
            ticket: ticket.id,
            seq: ticket.entry_count,
            at: self.now,
            actor: by.actor.clone(),
            via: by.via,
            action: action.to_owned(),
            from,
            to,
            note,
        });
    }
}

/// Stops those of the ticket's clocks that still run and are among `kinds`.
pub(super) fn stop(ticket: &mut Ticket, kinds: &[ClockKind], now: Timestamp) {
    for clock in ticket.clocks.iter_mut().filter(|clock| kinds.contains(&clock.kind)) {
        clock.stopped_at.get_or_insert(now);
    }
}

/// Lets a stopped clock go on as if it had not been stopped.
pub(super) fn go_on(ticket: &mut Ticket, kinds: &[ClockKind]) {
    for clock in ticket.clocks.iter_mut().filter(|clock| kinds.contains(&clock.kind)) {
        clock.stopped_at = None;
    }
}

/// Starts the clocks that begin at `start` and do not stand there yet.
pub(super) fn start(ticket: &mut Ticket, policy: &Policy, start: ClockStart, now: Timestamp) {
    for clock in policy.clocks(ticket.level, start, now) {
        if ticket.clock(clock.kind).is_none() {
            ticket.clocks.push(clock);
        }
    }
}

/// All clocks there are.
pub(super) const ALL_CLOCKS: [ClockKind; 4] = [
    ClockKind::Respond,
    ClockKind::Arrive,
    ClockKind::Restore,
    ClockKind::Resolve,
];
