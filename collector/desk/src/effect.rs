//! Everything that must be written after a step, in one commit; pages are sent only after it.

use crate::{
    clocks::{Fired, Mark},
    digest::Budget,
    escalation::Frozen,
    model::{Alert, Decision, Entry, Fault, Judged, Page, RuleVersion, Ticket},
    planned::Planned,
    storm::Storm,
    withheld::Withheld,
};
use tocsin_vocabulary::{PageId, TicketId, Timestamp};

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
    /// New lines of the interval logs.
    pub marks: Vec<Mark>,
    /// Shares of targets that people are told of now, each for the first and only time.
    pub fired: Vec<(TicketId, Fired, Timestamp)>,
    /// New pages for the outbox.
    pub pages: Vec<Page>,
    /// Pages that are no longer needed; those among them that already left stay as they are.
    pub withdrawn: Vec<PageId>,
    /// What rules saw and decided, new. The desk leaves it empty: whoever hears the rules adds it.
    pub decisions: Vec<Decision>,
    /// The texts of rules that speak, if not known yet. As `decisions`.
    pub versions: Vec<RuleVersion>,
    /// Events that the rules have judged: with this commit what they made of them is kept. As `decisions`.
    pub judged: Vec<Judged>,
    /// Chains of tickets, new or gone on; each replaces the row of its ticket.
    pub chains: Vec<Frozen>,
    /// What is planned, withheld, gathered and counted; each replaces the row of the same id.
    pub quiet: QuietRows,
}

/// What keeps people from being told, or from being told one by one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct QuietRows {
    /// Silences, windows and guarded periods.
    pub planned: Vec<Planned>,
    /// Alerts whose telling is withheld, or was until now.
    pub withheld: Vec<Withheld>,
    /// Faults that are storms.
    pub storms: Vec<Storm>,
    /// What people were paged of late.
    pub budgets: Vec<Budget>,
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
    /// The chains of those tickets.
    pub chains: Vec<Frozen>,
    /// The highest ticket number given.
    pub last_number: u64,
    /// What is planned and has not ended, what is withheld, storms of live tickets, what people were paged of late.
    pub quiet: QuietRows,
}
