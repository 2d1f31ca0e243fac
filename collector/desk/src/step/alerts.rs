//! What rules say: alerts become faults, faults become tickets; tickets are restored and recur by themselves.

use super::{
    AlertKey, Desk, Refusal,
    change::{By, Change},
    clocks,
};
use crate::{
    input::{AlertChange, Found, Report, Turn},
    life::{self, ActionKind},
    model::{
        Alert, AlertState, AssetFacts, Fault, PageReason, Response, Ruling, Silence, Ticket, TicketKind, TicketState,
        Via,
    },
    policy::Intake,
    withheld::Outcome,
};
use tocsin_vocabulary::{AlertId, Code, FaultId, HostId, Severity, Text, TicketId, Timestamp};

/// Longest title of a person's report, in characters: it stands in lists and in pages.
const TITLE_MAX: usize = 500;

/// What opens a fault and its ticket.
pub(super) struct Opening {
    pub(super) by: By,
    pub(super) kind: TicketKind,
    pub(super) host: Option<HostId>,
    pub(super) asset: AssetFacts,
    pub(super) title: Text,
    pub(super) remedy: Text,
    pub(super) severity: Severity,
    pub(super) occurred_at: Timestamp,
}

impl Desk {
    /// One change of one alert. An update of an alert that the desk does not hold is a raise: the rule says that it holds.
    pub(super) fn turn(&mut self, change: &mut Change, turn: &AlertChange) {
        let turn = &*self.guarded(change, turn);
        let key = AlertKey {
            host: turn.host,
            rule: turn.rule.clone(),
            instance: turn.instance.clone(),
            drill: turn.drill && turn.response == Response::Ticket,
        };
        let newest = self.latest.get(&key).and_then(|id| self.alerts.get(id));
        let held = newest
            .filter(|alert| alert.state == AlertState::Raised)
            .map(|alert| alert.id);
        match (turn.turn, held) {
            (Turn::Raised | Turn::Updated, Some(alert)) => self.update(change, alert, turn),
            (Turn::Raised, None) => self.raise(change, key, turn),
            (Turn::Updated, None) if !turn.drill => self.raise(change, key, turn),
            (Turn::Cleared, Some(alert)) => self.clear(change, alert, turn.ruling.auto_close),
            (Turn::Updated | Turn::Cleared, None) => {}
        }
    }

    /// A person reports a fault: as with a rule's, but nothing clears it except people.
    pub(super) fn report(&mut self, change: &mut Change, report: Report) -> Result<(), Refusal> {
        if report.title.trim().is_empty() {
            return Err(Refusal::new(
                Code::InvalidInput,
                "a report needs a title: say in a few words what is wrong",
            ));
        }
        if report.title.chars().count() > TITLE_MAX {
            return Err(Refusal::new(
                Code::InvalidInput,
                format!("the title of a report is longer than {TITLE_MAX} characters: say the rest in a note"),
            ));
        }
        self.open(
            change,
            Opening {
                by: By {
                    actor: report.actor,
                    via: report.via,
                },
                kind: report.kind,
                host: None,
                asset: report.asset,
                title: Text::plain(report.title.trim()),
                remedy: Text::default(),
                severity: report.severity,
                occurred_at: report.occurred_at.map_or(change.now, |at| at.min(change.now)),
            },
            None,
        );
        Ok(())
    }

    fn raise(&mut self, change: &mut Change, key: AlertKey, turn: &AlertChange) {
        let before = self
            .latest
            .get(&key)
            .and_then(|id| self.alerts.get(id))
            .and_then(|alert| alert.fault);
        let alert = self.alert_of(turn, None, change.now);
        let id = alert.id;
        change.alerts.insert(id);
        if let Some(replaced) = self.latest.insert(key, id) {
            change.replaced.insert(replaced);
        }
        self.keep(alert);
        let withheld = turn.response != Response::Record && !turn.drill && self.withhold(change, id, &turn.asset);
        match turn.response {
            Response::Record => {}
            Response::Notify if withheld => {}
            Response::Notify => self.notice(change, id, turn.drill),
            Response::Ticket => match self.live_ticket_of(before).map(|ticket| ticket.id).zip(before) {
                Some((ticket, fault)) => self.come_back(change, id, fault, ticket),
                None if withheld => {}
                None => self.open_for(change, id, turn),
            },
        }
        if turn.ruling.silence.is_some() {
            let fault = self.alerts.get(&id).and_then(|alert| alert.fault);
            self.note_silence(change, fault, turn.ruling.silence);
        }
    }

    /// The row of an alert that was raised, or of one that was over when it was found.
    fn alert_of(&mut self, turn: &AlertChange, cleared_at: Option<Timestamp>, now: Timestamp) -> Alert {
        Alert {
            id: AlertId::next(&mut self.ids, now),
            rule: turn.rule.clone(),
            host: turn.host,
            asset: turn.asset.asset,
            instance: turn.instance.clone(),
            severity: turn.severity,
            response: turn.response,
            title: turn.title.clone(),
            remedy: turn.remedy.clone(),
            metric: turn.metric.clone(),
            value: turn.value,
            threshold: turn.threshold,
            state: cleared_at.map_or(AlertState::Raised, |_| AlertState::Cleared),
            occurred_at: turn.occurred_at,
            raised_at: now,
            cleared_at,
            fault: None,
            ruling: turn.ruling.clone(),
        }
    }

    /// An episode that was over when the collector heard of it: kept for lists and reports. It opens nothing and pages
    /// nobody, and is no episode of what holds now.
    pub(super) fn found(&mut self, change: &mut Change, found: &Found) {
        let alert = self.alert_of(&found.change, Some(found.cleared_at), change.now);
        change.alerts.insert(alert.id);
        self.keep(alert);
    }

    /// New value or words of an alert that holds. The timeline stays quiet.
    fn update(&mut self, change: &mut Change, id: AlertId, turn: &AlertChange) {
        let Some(alert) = self.alerts.get_mut(&id) else {
            return;
        };
        let before = alert.clone();
        alert.severity = turn.severity;
        alert.response = turn.response;
        alert.title.clone_from(&turn.title);
        alert.remedy.clone_from(&turn.remedy);
        alert.value = turn.value;
        alert.threshold = turn.threshold;
        alert.ruling = Ruling {
            // What it was when it was raised.
            arrival: alert.ruling.arrival,
            silence: turn.ruling.silence.or(alert.ruling.silence),
            ..turn.ruling.clone()
        };
        let (changed, fault, alert_silence) = (*alert != before, alert.fault, alert.ruling.silence);
        if changed {
            change.alerts.insert(id);
        }
        if alert_silence != before.ruling.silence {
            self.note_silence(change, fault, alert_silence);
        }
        if (turn.severity, turn.response) != (before.severity, before.response) {
            change.quiet.shaken.insert(id);
        }
        if turn.severity > before.severity {
            self.worsen(change, fault, turn.severity);
        }
        if turn.response == Response::Ticket && fault.is_none() && !self.is_withheld(id) {
            let withheld = !turn.drill && self.withhold(change, id, &turn.asset);
            if !withheld {
                self.open_for(change, id, turn);
            }
        }
    }

    /// It is known why nothing is heard: the ticket's timeline says so.
    fn note_silence(&mut self, change: &mut Change, fault: Option<FaultId>, silence: Option<Silence>) {
        let (Some(silence), Some(mut ticket)) = (silence, self.live_ticket_of(fault).cloned()) else {
            return;
        };
        change.entry(&mut ticket, &By::SYSTEM, "silence", silence.words());
        self.tickets.insert(ticket.id, ticket);
    }

    /// A rule now calls what holds worse than before. The level is the contract's matter and stays.
    pub(super) fn worsen(&mut self, change: &mut Change, fault: Option<FaultId>, severity: Severity) {
        let Some(fault) = fault.and_then(|fault| self.faults.get_mut(&fault)) else {
            return;
        };
        if fault.severity >= severity {
            return;
        }
        fault.severity = severity;
        change.faults.insert(fault.id);
        if let Some(ticket) = fault.ticket.and_then(|ticket| self.tickets.get_mut(&ticket)) {
            ticket.severity = severity;
            change.touch(ticket);
        }
    }

    /// `auto_close`: the rule may close its ticket, and the alert never was worse than minor.
    fn clear(&mut self, change: &mut Change, id: AlertId, auto_close: bool) {
        let Some(alert) = self.alerts.get_mut(&id) else {
            return;
        };
        alert.ruling.auto_close &= auto_close;
        alert.state = AlertState::Cleared;
        alert.cleared_at = Some(change.now);
        let (fault, title) = (alert.fault, alert.title.clone());
        change.alerts.insert(id);
        change.quiet.shaken.insert(id);
        let withheld = self.unhold(change, id, Outcome::Cleared).is_some();
        if self.leave(change, fault) {
            return;
        }
        let all_clear = !self.is_shown(fault);
        if all_clear && let Some(fault) = fault.and_then(|fault| self.faults.get_mut(&fault)) {
            fault.cleared_at = Some(change.now);
            change.faults.insert(fault.id);
        }
        let Some(mut ticket) = self.live_ticket_of(fault).cloned() else {
            return;
        };
        self.breach(change, &mut ticket);
        if all_clear {
            ticket.reckoning.moments.recovered = Some(change.now);
        }
        change.entry(&mut ticket, &By::SYSTEM, "alert_cleared", title);
        if all_clear {
            let untold = withheld || self.holds_untold(&ticket, Some(id));
            self.all_clear(change, &mut ticket, untold);
        }
        self.tickets.insert(ticket.id, ticket);
    }

    /// Nothing that the ticket is about holds any more: it is restored, and people are told unless the last they heard
    /// was that it had been.
    pub(super) fn all_clear(&mut self, change: &mut Change, ticket: &mut Ticket, untold: bool) {
        let Ok(to) = life::next(ticket.state, ticket.prior_state, ActionKind::Restore) else {
            return;
        };
        let note = Text::new("every alert has cleared", "全部告警已恢复");
        change.turn(ticket, &By::SYSTEM, ActionKind::Restore.as_str(), to, note);
        self.restored(change, ticket);
        if !untold {
            let to = self
                .taker(ticket)
                .map_or_else(|| self.duty.clone(), |taker| vec![taker]);
            let round = ticket.revision;
            self.page(change, ticket, PageReason::Restored, round, &to);
        }
        self.close_by_itself(change, ticket);
    }

    /// What being restored means beside the state: nobody has to respond or come any more. When people were last told
    /// (`page_due_at`) is kept, for what flaps must not page each time.
    pub(super) fn restored(&mut self, change: &mut Change, ticket: &mut Ticket) {
        let moments = &mut ticket.reckoning.moments;
        moments.restored = Some(change.now);
        if !self.is_shown(ticket.fault) {
            moments.recovered.get_or_insert(change.now);
        }
        ticket.reckoning.unpause(change.now);
        self.withdraw(change, ticket.id, |page| page.reason != PageReason::Breached);
    }

    /// A minor ticket that cleared by itself before anybody took it is closed where all its rules say so. That it was
    /// restored is still told.
    fn close_by_itself(&mut self, change: &mut Change, ticket: &mut Ticket) {
        let alerts = self.alerts_of(ticket.fault);
        let mut alerts = alerts.iter().filter_map(|id| self.alerts.get(id));
        let may = ticket.severity <= Severity::Minor
            && ticket.assignee.is_none()
            && alerts.all(|alert| alert.ruling.auto_close);
        if !may {
            return;
        }
        let note = Text::new(
            "the rule closes it: every alert has cleared by itself",
            "规则允许自动关闭：全部告警已自行恢复",
        );
        change.turn(ticket, &By::SYSTEM, "auto_close", (TicketState::Closed, None), note);
        ticket.reckoning.moments.ended = Some(change.now);
        ticket.page_due_at = None;
        self.withdraw(change, ticket.id, |page| page.reason != PageReason::Restored);
    }

    fn open_for(&mut self, change: &mut Change, alert: AlertId, turn: &AlertChange) {
        if !turn.drill {
            return self.open_or_join(change, alert, &turn.asset);
        }
        let opening = Opening {
            by: By::SYSTEM,
            kind: TicketKind::Drill,
            host: Some(turn.host),
            asset: turn.asset.clone(),
            title: turn.title.clone(),
            remedy: turn.remedy.clone(),
            severity: turn.severity,
            occurred_at: turn.occurred_at,
        };
        self.open(change, opening, Some(alert));
    }

    /// Opens fault and ticket, starts the clocks, pages the first round.
    pub(super) fn open(&mut self, change: &mut Change, opening: Opening, alert: Option<AlertId>) {
        let now = change.now;
        let id = TicketId::next(&mut self.ids, now);
        let terms = self.book.terms(opening.asset.contract);
        let fault = Fault {
            id: FaultId::next(&mut self.ids, now),
            asset: opening.asset.asset,
            customer: opening.asset.customer,
            severity: opening.severity,
            level: terms.policy.level(opening.severity, opening.asset.importance),
            title: opening.title.clone(),
            occurred_at: opening.occurred_at,
            discovered_at: now,
            reported_at: now,
            accepted_at: None,
            cleared_at: None,
            ticket: Some(id),
        };
        if let Some(mut alert) = alert.and_then(|alert| self.alerts.get(&alert).cloned()) {
            let before = alert.fault.replace(fault.id);
            self.link(change, alert.id, fault.id);
            self.keep(alert);
            self.let_go(change, before);
        }
        self.last_number += 1;
        let mut ticket = Ticket {
            id,
            number: self.last_number,
            kind: opening.kind,
            state: TicketState::Open,
            prior_state: None,
            title: opening.title,
            remedy: opening.remedy,
            level: fault.level,
            severity: opening.severity,
            fault: Some(fault.id),
            asset: opening.asset.asset,
            asset_name: opening.asset.name,
            host: opening.host,
            customer: opening.asset.customer,
            contract: opening.asset.contract,
            assignee: None,
            assignee_name: None,
            clocks: Vec::new(),
            reckoning: clocks::begin(&fault, opening.asset.importance, intake(&opening.by)),
            page_round: 0,
            page_due_at: Some(now),
            opened_at: now,
            updated_at: now,
            revision: 0,
            entry_count: 0,
        };
        change.faults.insert(fault.id);
        self.faults.insert(fault.id, fault);
        self.numbers.insert(ticket.number, id);
        let note = ticket.title.clone();
        change.line(&mut ticket, &opening.by, "open", (None, Some(TicketState::Open)), note);
        if !self.is_anybody_there() {
            let note = Text::new("nobody is on duty: nobody was paged", "无人值班，未能通知任何人");
            change.entry(&mut ticket, &By::SYSTEM, "page_nobody", note);
        } else {
            self.round(change, &mut ticket);
        }
        self.tickets.insert(id, ticket);
    }

    /// What a ticket that came to its end leaves behind: no clock runs, no page waits, a drill is over, and what only
    /// people had reported is no longer wrong.
    pub(super) fn ended(&mut self, change: &mut Change, ticket: &mut Ticket) {
        ticket.reckoning.moments.ended = Some(change.now);
        ticket.page_due_at = None;
        self.withdraw(change, ticket.id, |_| true);
        if ticket.kind == TicketKind::Drill {
            for id in self.alerts_of(ticket.fault) {
                if let Some(alert) = self
                    .alerts
                    .get_mut(&id)
                    .filter(|alert| alert.state == AlertState::Raised)
                {
                    alert.state = AlertState::Cleared;
                    alert.cleared_at = Some(change.now);
                    change.alerts.insert(id);
                }
            }
            self.set_cleared(change, ticket.fault, Some(change.now));
        } else if !self.is_shown(ticket.fault) {
            self.set_cleared(change, ticket.fault, Some(change.now));
        }
    }

    /// Whether an alert says that a fault holds. Of what people reported none says anything, unless it took over an alert.
    pub(super) fn is_shown(&self, fault: Option<FaultId>) -> bool {
        let alerts = self.alerts_of(fault);
        let mut alerts = alerts.iter().filter_map(|id| self.alerts.get(id));
        alerts.any(|alert| alert.state == AlertState::Raised)
    }

    /// What an alert leaves for another fault is over when nothing else shows it.
    pub(super) fn let_go(&mut self, change: &mut Change, fault: Option<FaultId>) {
        if fault.is_some() && self.alerts_of(fault).is_empty() {
            self.set_cleared(change, fault, Some(change.now));
        }
    }

    /// Writes when a fault cleared, or that it holds again.
    pub(super) fn set_cleared(&mut self, change: &mut Change, fault: Option<FaultId>, at: Option<Timestamp>) {
        if let Some(fault) = fault.and_then(|fault| self.faults.get_mut(&fault))
            && fault.cleared_at.is_some() != at.is_some()
        {
            fault.cleared_at = at;
            change.faults.insert(fault.id);
        }
    }
}

/// By which way a report came in: what the system opens is an alert of ours.
const fn intake(by: &By) -> Intake {
    match by.via {
        Via::System => Intake::Alert,
        Via::Console | Via::Api | Via::Link => Intake::Console,
    }
}
