//! What one step touched, and the timeline lines and pages that it made.

use super::quiet::Touched;
use crate::{
    clocks::{Fired, Mark},
    model::{Actor, Entry, Page, Ticket, TicketState, Via},
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
    /// The ticket of which a time was entered late: its breaches are counted anew.
    pub(super) corrected: Option<TicketId>,
    pub(super) entries: Vec<Entry>,
    pub(super) marks: Vec<Mark>,
    pub(super) fired: Vec<(TicketId, Fired, Timestamp)>,
    pub(super) pages: Vec<Page>,
    pub(super) withdrawn: Vec<PageId>,
    /// What was withheld, planned and gathered.
    pub(super) quiet: Touched,
    /// Tickets whose chains are new or went on.
    pub(super) chains: BTreeSet<TicketId>,
}

impl Change {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            now,
            alerts: BTreeSet::new(),
            replaced: BTreeSet::new(),
            faults: BTreeSet::new(),
            tickets: BTreeSet::new(),
            corrected: None,
            entries: Vec::new(),
            marks: Vec::new(),
            fired: Vec::new(),
            pages: Vec::new(),
            withdrawn: Vec::new(),
            quiet: Touched::default(),
            chains: BTreeSet::new(),
        }
    }

    /// Counts the ticket as changed: one revision more, but only once in a step.
    pub(super) fn touch(&mut self, ticket: &mut Ticket) {
        if self.tickets.insert(ticket.id) {
            ticket.revision += 1;
        }
        ticket.updated_at = self.now;
    }

    /// Notes that people are told of a share of the clock at this place; whether that is the first time.
    pub(super) fn fire(&mut self, ticket: &mut Ticket, place: usize, percent: u8) -> bool {
        let fired = ticket.reckoning.fire(place, percent);
        self.fired.extend(fired.map(|fired| (ticket.id, fired, self.now)));
        fired.is_some()
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
        let prior = match (from, state) {
            // The state before the waiting survives being restored out of it.
            (TicketState::Waiting, TicketState::Restored) => {
                ticket.reckoning.waited_from = ticket.prior_state;
                prior
            }
            (TicketState::Restored, TicketState::Waiting) => ticket.reckoning.waited_from.take(),
            _ => prior,
        };
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
