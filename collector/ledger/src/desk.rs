//! The desk's work: one commit for all that a step decided, and what the desk keeps in RAM after a start.

use crate::{
    Ledger, LedgerError, alerts, audit, chains, clocks,
    engine::{Tx, commit},
    events, evidence, outbox, pages, reports,
    statement::{Fields, Statement},
    steps::{self, Step, reached},
    tickets, withheld,
};
use tocsin_desk::{
    effect::{Effects, OpenWork, QuietRows},
    model::AlertState,
    record::AuditLine,
};

use tocsin_vocabulary::TicketId;

const COMMIT: &str = "write the desk's step";
const LOAD: &str = "load the desk's open work";

impl Ledger {
    /// Everything that the desk keeps in RAM, as of one moment: raised alerts, live tickets with their faults and
    /// the alerts of those, faults that have not cleared, queued pages, the last ticket number.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn load_open_work(&self) -> Result<OpenWork, LedgerError> {
        let mut tx = self.engine.snapshot(LOAD).await?;
        let alerts = alerts::live(&mut tx, LOAD).await?;
        let faults = alerts::live_faults(&mut tx, LOAD).await?;
        let tickets = tickets::live(&mut tx, LOAD).await?;
        let pages = outbox::queued(&mut tx, LOAD).await?;
        let chains = chains::live(&mut tx, LOAD).await?;
        let last_number = last_number(&mut tx).await?;
        let quiet = withheld::load(&mut tx, LOAD).await?;
        commit(tx, LOAD).await?;
        Ok(OpenWork {
            chains,
            alerts,
            faults,
            tickets,
            pages,
            last_number,
            quiet,
        })
    }

    /// One ticket with its fault, the alerts of that and its queued pages, live or not: what the desk recalls before
    /// somebody reopens a closed ticket. Nothing when there is no such ticket.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn load_work_of(&self, ticket: TicketId) -> Result<Option<OpenWork>, LedgerError> {
        let mut tx = self.engine.snapshot(LOAD).await?;
        let Some(ticket) = tickets::by_id(&mut tx, LOAD, ticket).await? else {
            return Ok(None);
        };
        let (mut faults, mut alerts, mut quiet) = (Vec::new(), Vec::new(), QuietRows::default());
        if let Some(fault) = ticket.fault {
            faults.extend(alerts::one_fault(&mut tx, LOAD, fault).await?);
            alerts = alerts::of_fault(&mut tx, LOAD, fault).await?;
            quiet.storms.extend(withheld::storm_of(&mut tx, LOAD, fault).await?);
        }
        let pages = outbox::queued_of(&mut tx, LOAD, ticket.id).await?;
        let chains = chains::of(&mut tx, LOAD, ticket.id).await?;
        let last_number = last_number(&mut tx).await?;
        commit(tx, LOAD).await?;
        Ok(Some(OpenWork {
            chains,
            alerts,
            faults,
            tickets: vec![ticket],
            pages,
            last_number,
            quiet,
        }))
    }

    /// Writes what a step decided, and the audit lines that belong to it, in one transaction. Alerts, faults and
    /// tickets replace the row of the same id; entries, marks, fired shares and pages are new; withdrawn pages are so only while queued.
    /// Pages to the inbox are delivered by this commit: they are written as sent.
    ///
    /// # Errors
    /// `Conflict` when a ticket, timeline entry, page or raised alert is not the successor of what the ledger holds:
    /// another step came first, and the caller must load the open work anew. Whatever fails, nothing is written.
    pub async fn commit(&self, effects: &Effects, lines: &[AuditLine]) -> Result<(), LedgerError> {
        if effects.is_empty() && lines.is_empty() {
            return Ok(());
        }
        let pages = !effects.pages.is_empty();
        let at = |step| {
            if pages {
                reached(step);
            }
        };
        let mut tx = self.engine.write(COMMIT).await?;
        at(Step::CommitBegun);
        write(&mut tx, effects).await?;
        at(Step::WorkWritten);
        let apart = steps::pages_apart();
        if !apart {
            write_pages(&mut tx, effects).await?;
        }
        at(Step::PagesWritten);
        audit::append(&mut tx, lines).await?;
        commit(tx, COMMIT).await?;
        at(Step::Committed);
        if apart {
            let mut tx = self.engine.write(COMMIT).await?;
            write_pages(&mut tx, effects).await?;
            commit(tx, COMMIT).await?;
        }
        Ok(())
    }
}

async fn last_number(tx: &mut Tx) -> Result<u64, LedgerError> {
    let row = Statement::new(LOAD, "SELECT value FROM counter WHERE name = 'ticket'")
        .row(tx)
        .await?;
    row.map_or(Ok(0), |row| Fields::new(LOAD, &row).number("value"))
}

/// In the order that references need: faults, tickets, alerts, then what hangs on tickets.
async fn write(tx: &mut Tx, effects: &Effects) -> Result<(), LedgerError> {
    for fault in &effects.faults {
        alerts::put_fault(tx, COMMIT, fault).await?;
    }
    for ticket in &effects.tickets {
        tickets::put(tx, COMMIT, ticket).await?;
        reports::owe(tx, COMMIT, ticket).await?;
    }
    // A condition that clears and returns within one step would for a moment be raised twice.
    for state in [AlertState::Cleared, AlertState::Raised] {
        for alert in effects.alerts.iter().filter(|alert| alert.state == state) {
            alerts::put(tx, COMMIT, alert).await?;
        }
    }
    withheld::put(tx, COMMIT, &effects.quiet).await?;
    for chain in &effects.chains {
        chains::put(tx, COMMIT, chain).await?;
    }
    for entry in &effects.entries {
        tickets::put_entry(tx, COMMIT, entry).await?;
    }
    for mark in &effects.marks {
        clocks::put_mark(tx, COMMIT, mark).await?;
    }
    for fired in &effects.fired {
        clocks::put_fired(tx, COMMIT, fired).await?;
    }
    for &page in &effects.withdrawn {
        outbox::withdraw(tx, COMMIT, page).await?;
    }
    evidence::put_versions(tx, COMMIT, &effects.versions).await?;
    evidence::put_decisions(tx, COMMIT, &effects.decisions).await?;
    events::put_judged(tx, COMMIT, &effects.judged).await?;
    Ok(())
}

async fn write_pages(tx: &mut Tx, effects: &Effects) -> Result<(), LedgerError> {
    for page in &effects.pages {
        pages::put(tx, COMMIT, page).await?;
    }
    Ok(())
}
