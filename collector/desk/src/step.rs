//! The desk itself: input and `now` in, effects out.
//!
//! [`Desk`] keeps the live work in RAM. A step first decides whether it may happen at all, and only then changes
//! anything: after a [`Refusal`] the desk is as it was. The caller writes the [`Effects`] in one commit; when that fails
//! it builds a new desk from the ledger, because this one is ahead of it.
//!
//! * `alerts` — what rules say: alert, fault, ticket; restored by the system,
//! * `returns` — what comes back, and how often that is told,
//! * `acts` — what people do, along the table of [`crate::life`],
//! * `timer` — page rounds and breaches,
//! * `clocks` — clocks reckoned anew, warnings, raises, times that are entered late,
//! * `agenda` — when time next does something to which ticket,
//! * `chains` — who is paged after those on duty, and what stands still,
//! * `merge` — one ticket goes on with another's fault,
//! * `pages` — who is paged, with what words,
//! * `quiet` — what is withheld; `cover` — by what: silences, windows, dependencies; `plans` makes and ends those,
//! * `storms` — many hosts, one fault; `digests` — many pages, one message,
//! * `change` — what one step touched.
//!
//! Within one step a ticket's revision grows by exactly one, however much happens to it.

mod acts;
mod agenda;
mod alerts;
mod chains;
mod change;
mod clocks;
mod cover;
mod digests;
mod merge;
mod pages;
mod plans;
mod quiet;
mod returns;
mod storms;
mod timer;

#[cfg(test)]
mod tests;

use crate::{
    clocks::{Book, ContractTerms},
    effect::{Effects, OpenWork},
    escalation::{Chain, Crew, Frozen},
    input::{Input, OnDuty},
    model::{Alert, AlertState, Fault, Page, Ticket, TicketKind},
    policy::Policy,
};
use agenda::Agenda;
use change::Change;
pub use quiet::Limits;
use quiet::Quiet;
use std::collections::{BTreeMap, BTreeSet};
use tocsin_vocabulary::{AlertId, Code, ContractId, FaultId, HostId, IdSource, TicketId, Timestamp};

/// Why a step did not happen. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// For each edge to say in its own way.
    pub code: Code,
    /// A sentence: what stood against it and what is possible.
    pub reason: String,
}

impl Refusal {
    fn new(code: Code, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
        }
    }
}

/// What makes two alerts the same one, episode after episode. A drill never mixes with the real thing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct AlertKey {
    host: HostId,
    rule: String,
    instance: String,
    drill: bool,
}

/// The live work, and the policy by which it is done.
#[derive(Debug)]
pub struct Desk {
    /// What contracts bought that name nothing else; also how pages repeat.
    policy: Policy,
    book: Book,
    ids: IdSource,
    duty: Vec<OnDuty>,
    alerts: BTreeMap<AlertId, Alert>,
    /// The newest episode of each alert.
    latest: BTreeMap<AlertKey, AlertId>,
    faults: BTreeMap<FaultId, Fault>,
    /// The alerts of each fault that has any.
    shown_by: BTreeMap<FaultId, BTreeSet<AlertId>>,
    tickets: BTreeMap<TicketId, Ticket>,
    numbers: BTreeMap<u64, TicketId>,
    /// Pages that may still wait to be sent, of live tickets. Each round of pages replaces the one before.
    pages: BTreeMap<TicketId, Vec<Page>>,
    /// What is planned, withheld, gathered and counted.
    quiet: Quiet,
    last_number: u64,
    agenda: Agenda,
    /// Who is paged after those on duty; none: only those on duty are.
    escalation: Option<(Chain, Crew)>,
    chains: BTreeMap<TicketId, Frozen>,
}

impl Desk {
    /// A desk over the live work as the ledger has it. A single policy is a book too: the one that all contracts have.
    #[must_use]
    pub fn new(book: impl Into<Book>, ids: IdSource, work: OpenWork, duty: Vec<OnDuty>) -> Self {
        let book = book.into();
        let mut desk = Self {
            policy: book.fallback().clone(),
            book,
            agenda: Agenda::default(),
            ids,
            duty,
            alerts: BTreeMap::new(),
            latest: BTreeMap::new(),
            faults: BTreeMap::new(),
            shown_by: BTreeMap::new(),
            tickets: BTreeMap::new(),
            numbers: BTreeMap::new(),
            pages: BTreeMap::new(),
            quiet: Quiet::default(),
            last_number: work.last_number,
            escalation: None,
            chains: BTreeMap::new(),
        };
        desk.recall(work);
        let alerts: Vec<_> = desk.alerts.keys().copied().collect();
        for alert in alerts {
            desk.forget_cleared(alert);
        }
        desk.plan_all();
        desk
    }

    /// The desk, with who is paged after those on duty.
    #[must_use]
    pub fn with_escalation(mut self, escalation: (Chain, Crew)) -> Self {
        self.escalation = Some(escalation);
        self.plan_all();
        self
    }

    /// Takes up work from the ledger that is no longer live, so that it can be acted on: a closed ticket to be reopened,
    /// with its fault and alerts. What the desk already knows stays as the desk knows it.
    pub fn recall(&mut self, work: OpenWork) {
        self.last_number = self.last_number.max(work.last_number);
        self.quiet.recall(work.quiet);
        for ticket in work.tickets {
            self.numbers.insert(ticket.number, ticket.id);
            self.tickets.entry(ticket.id).or_insert(ticket);
        }
        for fault in work.faults {
            self.faults.entry(fault.id).or_insert(fault);
        }
        for alert in work.alerts {
            let key = self.key_of(&alert);
            let newest = self.latest.entry(key).or_insert(alert.id);
            if self.alerts.get(newest).is_none_or(|known| birth(known) < birth(&alert)) {
                *newest = alert.id;
            }
            self.keep(alert);
        }
        for chain in work.chains {
            self.chains.entry(chain.ticket).or_insert(chain);
        }
        for page in work.pages {
            // Of a ticket that closed by itself it may still be told that it was restored: that is the outbox's matter.
            if let Some(ticket) = page.ticket.filter(|ticket| self.tickets.contains_key(ticket)) {
                let pages = self.pages.entry(ticket).or_default();
                if pages.iter().all(|known| known.id != page.id) {
                    pages.push(page);
                }
            }
        }
    }

    /// Does one thing.
    ///
    /// # Errors
    /// Only what people do can be refused; what rules and time do always happens.
    pub fn step(&mut self, input: Input, now: Timestamp) -> Result<Effects, Refusal> {
        let mut change = Change::new(now);
        change.quiet.active = self.quiet.active(now);
        let mut recalled = None;
        match input {
            Input::Alerts(turns) => {
                self.count_raised(&mut change, &turns);
                for turn in turns {
                    self.turn(&mut change, &turn);
                }
            }
            Input::Found(episodes) => {
                for one in episodes {
                    self.found(&mut change, &one);
                }
            }
            Input::Act(act) => {
                let ticket = act.ticket;
                recalled = Some(ticket);
                if let Err(refusal) = self.act(&mut change, act) {
                    self.forget_finished(ticket);
                    return Err(refusal);
                }
            }
            Input::Amend(amend) => self.amend(&mut change, amend)?,
            Input::Report(report) => self.report(&mut change, report)?,
            Input::Timer => {
                self.look_after_plans(&mut change);
                self.timer(&mut change);
            }
            Input::Plan(plan) => self.plan(&mut change, plan)?,
            Input::Relook => change.quiet.relook = true,
            Input::Duty(duty) => {
                self.duty = duty;
                self.plan_all();
                self.timer(&mut change);
            }
            Input::Escalation(escalation) => {
                self.escalation = Some(*escalation);
                self.plan_all();
                self.timer(&mut change);
            }
            Input::Audit => self.audit(&mut change),
            Input::Calendars(calendars) => self.count_by(&mut change, calendars),
        }
        self.settle(&mut change);
        let effects = self.finish(change);
        if let Some(ticket) = recalled {
            self.forget_finished(ticket);
        }
        Ok(effects)
    }

    /// When [`Input::Timer`] has something to do next.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        [self.agenda.next(), self.quiet.next_due()].into_iter().flatten().min()
    }

    /// Policies, calendars and contracts.
    #[must_use]
    pub const fn book(&self) -> &Book {
        &self.book
    }

    /// What the register says of the contracts from now on. Clocks that run follow at the next change of their tickets.
    pub fn set_contracts(&mut self, contracts: BTreeMap<ContractId, ContractTerms>) {
        self.book.set_contracts(contracts);
    }

    /// Notes for every ticket when something is due: after a start, and when who is on duty changes what is due.
    fn plan_all(&mut self) {
        let dues: Vec<_> = self
            .tickets
            .values()
            .map(|ticket| (ticket.id, self.due(ticket)))
            .collect();
        for (ticket, due) in dues {
            self.agenda.set(ticket, due);
        }
    }

    /// A live ticket.
    #[must_use]
    pub fn ticket(&self, id: TicketId) -> Option<&Ticket> {
        self.tickets.get(&id)
    }

    /// A live ticket by what people call it.
    #[must_use]
    pub fn ticket_by_number(&self, number: u64) -> Option<&Ticket> {
        self.numbers.get(&number).and_then(|id| self.tickets.get(id))
    }

    /// Everything that is live, as the ledger should have it. Pages may among them have been sent in the meantime.
    #[must_use]
    pub fn open_work(&self) -> OpenWork {
        OpenWork {
            alerts: self.alerts.values().cloned().collect(),
            faults: self.faults.values().cloned().collect(),
            tickets: self.tickets.values().cloned().collect(),
            pages: self.pages.values().flatten().cloned().collect(),
            chains: self.chains.values().cloned().collect(),
            last_number: self.last_number,
            quiet: self.quiet.rows(),
        }
    }

    /// Who is on duty.
    #[must_use]
    pub fn duty(&self) -> &[OnDuty] {
        &self.duty
    }

    /// The table of targets.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The rows that the step touched; then forgets what is done with.
    fn finish(&mut self, mut change: Change) -> Effects {
        self.go_on(&mut change);
        self.reckon_touched(&mut change);
        let effects = Effects {
            alerts: change
                .alerts
                .iter()
                .filter_map(|id| self.alerts.get(id))
                .cloned()
                .collect(),
            faults: change
                .faults
                .iter()
                .filter_map(|id| self.faults.get(id))
                .cloned()
                .collect(),
            tickets: change
                .tickets
                .iter()
                .filter_map(|id| self.tickets.get(id))
                .cloned()
                .collect(),
            entries: change.entries,
            marks: change.marks,
            fired: change.fired,
            pages: change.pages,
            withdrawn: change.withdrawn,
            quiet: self.quiet_rows(change.quiet),
            chains: change
                .chains
                .iter()
                .filter_map(|id| self.chains.get(id))
                .cloned()
                .collect(),
            ..Effects::default()
        };
        for &ticket in &change.tickets {
            self.forget_finished(ticket);
        }
        for alert in change.alerts.into_iter().chain(change.replaced) {
            self.forget_cleared(alert);
        }
        for fault in change.faults {
            self.forget_fault(fault);
        }
        for ticket in change.tickets {
            let due = self.tickets.get(&ticket).and_then(|ticket| self.due(ticket));
            self.agenda.set(ticket, due);
        }
        effects
    }

    /// Drops a ticket that is no longer live, and with it everything that only it kept here.
    fn forget_finished(&mut self, id: TicketId) {
        let Some(ticket) = self.tickets.get(&id).filter(|ticket| !ticket.state.is_live()) else {
            return;
        };
        let fault = ticket.fault;
        self.numbers.remove(&ticket.number);
        // Before the ticket goes: it tells whether the alerts were a drill's.
        for alert in self.alerts_of(fault) {
            self.forget_cleared(alert);
        }
        self.tickets.remove(&id);
        self.pages.remove(&id);
        self.chains.remove(&id);
        if let Some(fault) = fault {
            self.quiet.storms.remove(&fault);
            self.forget_fault(fault);
        }
    }

    /// Drops an alert that has cleared, unless it is the newest episode and its ticket is live.
    fn forget_cleared(&mut self, id: AlertId) {
        let Some(alert) = self.alerts.get(&id) else {
            return;
        };
        let fault = alert.fault;
        let key = self.key_of(alert);
        let newest = self.latest.get(&key) == Some(&id);
        if alert.state == AlertState::Raised || (newest && self.live_ticket_of(fault).is_some()) {
            return;
        }
        if let Some(alert) = self.alerts.remove(&id) {
            self.quiet.forget(&alert);
        }
        if newest {
            self.latest.remove(&key);
        }
        if let Some(fault) = fault {
            if let Some(alerts) = self.shown_by.get_mut(&fault) {
                alerts.remove(&id);
            }
            self.forget_fault(fault);
        }
    }

    fn forget_fault(&mut self, id: FaultId) {
        let cleared = self.faults.get(&id).is_some_and(|fault| fault.cleared_at.is_some());
        if cleared && self.live_ticket_of(Some(id)).is_none() {
            self.faults.remove(&id);
            self.quiet.storms.remove(&id);
            self.shown_by.remove(&id);
        }
    }

    /// Takes an alert in, or its new row.
    fn keep(&mut self, alert: Alert) {
        let before = self.alerts.get(&alert.id).and_then(|before| before.fault);
        if let Some(before) = before.filter(|before| Some(*before) != alert.fault)
            && let Some(alerts) = self.shown_by.get_mut(&before)
        {
            alerts.remove(&alert.id);
        }
        if let Some(fault) = alert.fault {
            self.shown_by.entry(fault).or_default().insert(alert.id);
        }
        self.quiet.keep(&alert);
        self.alerts.insert(alert.id, alert);
    }

    /// The alerts that show a fault, oldest first.
    fn alerts_of(&self, fault: Option<FaultId>) -> Vec<AlertId> {
        fault
            .and_then(|fault| self.shown_by.get(&fault))
            .map(|alerts| alerts.iter().copied().collect())
            .unwrap_or_default()
    }

    fn live_ticket_of(&self, fault: Option<FaultId>) -> Option<&Ticket> {
        let ticket = self.faults.get(&fault?)?.ticket?;
        self.tickets.get(&ticket).filter(|ticket| ticket.state.is_live())
    }

    fn key_of(&self, alert: &Alert) -> AlertKey {
        let ticket = alert
            .fault
            .and_then(|fault| self.faults.get(&fault))
            .and_then(|fault| fault.ticket);
        let drill = ticket
            .and_then(|id| self.tickets.get(&id))
            .is_some_and(|ticket| ticket.kind == TicketKind::Drill);
        AlertKey {
            host: alert.host,
            rule: alert.rule.clone(),
            instance: alert.instance.clone(),
            drill,
        }
    }
}

/// Orders the episodes of one alert. Of two in the same millisecond, the one that still holds came last.
fn birth(alert: &Alert) -> (Timestamp, bool, AlertId) {
    (alert.raised_at, alert.state == AlertState::Raised, alert.id)
}
