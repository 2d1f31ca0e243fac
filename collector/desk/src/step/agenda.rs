//! When time next does something to which ticket. Kept in order, so that neither asking nor doing walks all tickets.

use std::collections::{BTreeMap, BTreeSet};
use tocsin_vocabulary::{TicketId, Timestamp};

/// Tickets by the time at which something is due.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    by_time: BTreeSet<(Timestamp, TicketId)>,
    times: BTreeMap<TicketId, Timestamp>,
}

impl Agenda {
    /// Notes when something is due for a ticket; nothing any more for none.
    pub(super) fn set(&mut self, ticket: TicketId, due: Option<Timestamp>) {
        let before = match due {
            Some(due) => self.times.insert(ticket, due),
            None => self.times.remove(&ticket),
        };
        if before == due {
            return;
        }
        if let Some(before) = before {
            self.by_time.remove(&(before, ticket));
        }
        if let Some(due) = due {
            self.by_time.insert((due, ticket));
        }
    }

    /// The earliest time.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(due, _)| *due)
    }

    /// The tickets for which something is due, the longest due first.
    pub(super) fn due_by(&self, now: Timestamp) -> Vec<TicketId> {
        self.by_time
            .iter()
            .take_while(|(due, _)| *due <= now)
            .map(|(_, ticket)| *ticket)
            .collect()
    }

    /// When something is due for a ticket, as it was noted.
    #[cfg(test)]
    pub(super) fn noted(&self, ticket: TicketId) -> Option<Timestamp> {
        self.times.get(&ticket).copied()
    }
}
