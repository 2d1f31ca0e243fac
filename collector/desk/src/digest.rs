//! A cap on the pages that one person gets in a minute, and the digest that tells of the rest.
//!
//! Pages of the worst level always go out. Of the others the first ones of a minute go out, and what would follow is told
//! together as soon as the minute allows: nothing is dropped, and a phone that rings without end helps nobody.

use crate::model::PageReason;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tocsin_vocabulary::{Level, PersonId, Text, TicketId, Timestamp};

/// Over this much time pages are counted.
pub const MINUTE: Duration = Duration::from_secs(60);
/// Occasions to page one person in a minute; each goes out over all their destinations.
pub const PAGES_PER_MINUTE: usize = 10;
/// So many of those that wait are named; the others are counted.
pub const NAMED_MAX: usize = 20;

/// Something that waits to be told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeldPage {
    /// The ticket and its number; none for a notice.
    pub ticket: Option<(TicketId, u64)>,
    /// Why the page would have gone out.
    pub reason: PageReason,
    /// The ticket's or alert's title.
    pub title: Text,
    /// Its level.
    pub level: Level,
}

/// What one person was paged of late, and what waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Who.
    pub person: PersonId,
    /// When they were paged, of the last minute, oldest first.
    pub sent_at: Vec<Timestamp>,
    /// What waits, the first [`NAMED_MAX`] of it.
    pub held: Vec<HeldPage>,
    /// How many wait in all.
    pub held_count: u64,
    /// When it is told; none while nothing waits.
    pub due_at: Option<Timestamp>,
}

impl Budget {
    /// Of a person who was not paged yet.
    #[must_use]
    pub const fn new(person: PersonId) -> Self {
        Self {
            person,
            sent_at: Vec::new(),
            held: Vec::new(),
            held_count: 0,
            due_at: None,
        }
    }

    /// Whether a page may go out now; if not it waits here.
    pub fn admit(&mut self, page: HeldPage, most: usize, now: Timestamp) -> bool {
        self.sent_at.retain(|sent| now.since(*sent) < MINUTE && *sent <= now);
        if self.sent_at.len() < most {
            self.sent_at.push(now);
            return true;
        }
        if page.level == Level::WORST {
            return true;
        }
        let oldest = self.sent_at.first().copied().unwrap_or(now);
        self.due_at.get_or_insert(oldest.plus(MINUTE));
        self.held_count += 1;
        if self.held.len() < NAMED_MAX {
            self.held.push(page);
        }
        false
    }

    /// What waits and is due; the telling of it counts as a page.
    pub fn release(&mut self, now: Timestamp) -> Option<(Vec<HeldPage>, u64)> {
        self.due_at.filter(|due| *due <= now)?;
        self.due_at = None;
        self.sent_at.retain(|sent| now.since(*sent) < MINUTE && *sent <= now);
        self.sent_at.push(now);
        Some((std::mem::take(&mut self.held), std::mem::take(&mut self.held_count)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(level: u8) -> HeldPage {
        HeldPage {
            ticket: None,
            reason: PageReason::Notice,
            title: Text::plain("x"),
            level: Level::new(level),
        }
    }

    #[test]
    fn the_first_go_out_the_rest_waits_and_the_worst_never_does() {
        let mut budget = Budget::new(PersonId::from_bytes([1; 16]));
        let now = Timestamp::from_millis(1_000_000);
        let admitted = (0..5).filter(|_| budget.admit(page(3), 3, now)).count();
        assert_eq!(admitted, 3);
        assert!(budget.admit(page(1), 3, now));
        assert_eq!(budget.due_at, Some(now.plus(MINUTE)));
        assert_eq!(budget.release(now), None);
        let (held, count) = budget.release(now.plus(MINUTE)).unwrap();
        assert_eq!((held.len(), count), (2, 2));
        assert!(budget.admit(page(3), 3, now.plus(MINUTE)));
        assert_eq!(budget.release(now.plus(MINUTE)), None);
    }
}
