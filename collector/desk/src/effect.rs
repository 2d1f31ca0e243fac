//! Everything that must be written after a step, in one commit; pages are sent only after it.

use crate::model::{Alert, Entry, Fault, Page, Ticket};
use tocsin_vocabulary::PageId;

/// Rows to write. Alerts, faults and tickets replace the row of the same id; entries and pages are new.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Effects {
    /// New or changed alerts.
    pub alerts: Vec<Alert>,
    /// New or changed faults.
    pub faults: Vec<Fault>,
    /// New or changed tickets with their clocks.
    pub tickets: Vec<Ticket>,
    /// New timeline entries.
    pub entries: Vec<Entry>,
    /// New pages for the outbox.
    pub pages: Vec<Page>,
    /// Pages that are no longer needed; those among them that already left stay as they are.
    pub withdrawn: Vec<PageId>,
}

impl Effects {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What the desk keeps in RAM: the live work, as the ledger has it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OpenWork {
    /// Alerts that hold, and alerts of faults whose ticket is live, cleared or not (they tell what comes back).
    pub alerts: Vec<Alert>,
    /// Faults of live tickets, and faults that have not cleared.
    pub faults: Vec<Fault>,
    /// Tickets in a live state.
    pub tickets: Vec<Ticket>,
    /// Pages still queued.
    pub pages: Vec<Page>,
    /// The highest ticket number given.
    pub last_number: u64,
}
