//! What people do, along the table of ticket life.

use super::{
    Desk, Refusal,
    change::{By, Change},
    clocks::wait,
};
use crate::{
    input::{Act, Action, OnDuty},
    life::{self, ActionKind},
    model::{Actor, PageReason, Ticket, TicketState},
};
use tocsin_vocabulary::{Code, PersonId, Text, time::format_duration};

/// Longest reason, note, cause or solution, in characters: a page of text.
const WORDS_MAX: usize = 4000;

impl Desk {
    /// One action of one person. Everything that can stand against it is checked before anything changes.
    pub(super) fn act(&mut self, change: &mut Change, act: Act) -> Result<(), Refusal> {
        let Some(mut ticket) = self.tickets.get(&act.ticket).cloned() else {
            return Err(Refusal::new(
                Code::NotFound,
                format!("no live ticket has the id {}", act.ticket),
            ));
        };
        let Actor::Person(person, name) = act.actor.clone() else {
            return Err(Refusal::new(
                Code::InvalidInput,
                "only a named person can act on a ticket",
            ));
        };
        if act.action == Action::Accept && ticket.state != TicketState::Open && ticket.assignee == Some(person) {
            return Ok(());
        }
        let to = self.allow(&ticket, &act, change)?;
        let by = By {
            actor: act.actor,
            via: act.via,
        };
        self.breach(change, &mut ticket);
        change.turn(&mut ticket, &by, act.action.kind().as_str(), to, note_of(&act.action));
        let moments = &mut ticket.reckoning.moments;
        match act.action {
            Action::Accept => self.accepted(change, &mut ticket, person, &name),
            Action::Assign { to, name } => self.assigned(change, &mut ticket, to, name),
            Action::Arrive => {
                // Whoever comes a second time was there in time once.
                moments.on_site.get_or_insert(change.now);
            }
            Action::Restore => {
                self.restored(change, &mut ticket);
                if !self.is_shown(ticket.fault) {
                    self.set_cleared(change, ticket.fault, Some(change.now));
                }
            }
            Action::Resolve { .. } => {
                moments.resolved = Some(change.now);
                self.taken(change, &mut ticket, person, &name);
            }
            Action::Reopen { .. } => {
                self.taken(change, &mut ticket, person, &name);
                self.unrestored(change, &mut ticket);
                if self.alerts_of(ticket.fault).is_empty() {
                    ticket.reckoning.moments.recovered = None;
                    self.set_cleared(change, ticket.fault, None);
                }
            }
            Action::Confirm | Action::Cancel { .. } => self.ended(change, &mut ticket),
            Action::Merge { into } => self.merged(change, &mut ticket, into),
            Action::Wait { reason, .. } => {
                let terms = self.book.terms(ticket.contract);
                wait(&mut ticket, &terms.policy, &reason, change.now);
            }
            Action::Resume => ticket.reckoning.unpause(change.now),
            Action::Note { .. } => {}
        }
        self.numbers.insert(ticket.number, ticket.id);
        self.tickets.insert(ticket.id, ticket);
        Ok(())
    }

    /// Where the action leads, if nothing stands against it.
    fn allow(
        &self,
        ticket: &Ticket,
        act: &Act,
        change: &Change,
    ) -> Result<(TicketState, Option<TicketState>), Refusal> {
        let number = ticket.number;
        if let Some(seen) = act.revision.filter(|seen| *seen != ticket.revision) {
            let reason = format!(
                "#{number} has moved on since you saw it (revision {seen}, now {}): reload",
                ticket.revision
            );
            return Err(Refusal::new(Code::Conflict, reason));
        }
        let to = life::next(ticket.state, ticket.prior_state, act.action.kind()).map_err(|illegal| {
            let taken = ticket.assignee_name.as_deref().filter(|_| act.action == Action::Accept);
            let taken = taken.map_or_else(String::new, |name| format!(" (it is with {name})"));
            Refusal::new(Code::Conflict, format!("#{number}{taken}: {illegal}"))
        })?;
        check_words(&act.action)?;
        if act.action.kind() == ActionKind::Reopen {
            self.allow_reopening(ticket, change)?;
        }
        if let Action::Merge { into } = act.action {
            self.allow_merging(ticket, into)?;
        }
        Ok(to)
    }

    fn allow_reopening(&self, ticket: &Ticket, change: &Change) -> Result<(), Refusal> {
        let number = ticket.number;
        let window = self.book.terms(ticket.contract).policy.reopen_within.0;
        if ticket.state == TicketState::Closed && change.now > ticket.updated_at.plus(window) {
            let window = format_duration(window);
            let reason = format!("#{number} was closed more than {window} ago: report a new fault instead");
            return Err(Refusal::new(Code::Conflict, reason));
        }
        let keys = self
            .alerts_of(ticket.fault)
            .into_iter()
            .filter_map(|id| self.alerts.get(&id))
            .map(|alert| self.key_of(alert));
        let others = keys
            .filter_map(|key| self.latest.get(&key))
            .filter_map(|id| self.alerts.get(id));
        let successor = others
            .filter_map(|alert| self.live_ticket_of(alert.fault))
            .find(|other| other.id != ticket.id);
        match successor {
            Some(other) => {
                let reason = format!(
                    "#{number}: the same fault is back and has #{}: work on that one",
                    other.number
                );
                Err(Refusal::new(Code::Conflict, reason))
            }
            None => Ok(()),
        }
    }

    /// 受理: the ticket has an owner, the response is met, the clocks of the work begin.
    fn accepted(&mut self, change: &mut Change, ticket: &mut Ticket, person: PersonId, name: &str) {
        ticket.assignee = None;
        self.taken(change, ticket, person, name);
        ticket.reckoning.moments.accepted.get_or_insert(change.now);
        ticket.page_due_at = None;
        self.withdraw(change, ticket.id, |page| {
            matches!(
                page.reason,
                PageReason::Opened | PageReason::Unaccepted | PageReason::Recurred | PageReason::Warned
            )
        });
    }

    /// Somebody who works on a ticket that nobody had accepted has accepted it by that.
    fn taken(&mut self, change: &mut Change, ticket: &mut Ticket, person: PersonId, name: &str) {
        if ticket.assignee.is_none() {
            ticket.assignee = Some(person);
            ticket.assignee_name = Some(name.to_owned());
        }
        if let Some(fault) = ticket.fault.and_then(|fault| self.faults.get_mut(&fault))
            && fault.accepted_at.is_none()
        {
            fault.accepted_at = Some(change.now);
            change.faults.insert(fault.id);
        }
    }

    /// 派工/转派: the state stays; the receiver hears of it.
    fn assigned(&mut self, change: &mut Change, ticket: &mut Ticket, to: PersonId, name: String) {
        ticket.assignee = Some(to);
        ticket.assignee_name = Some(name);
        let receiver: Vec<OnDuty> = self.taker(ticket).into_iter().collect();
        let round = ticket.revision;
        self.page(change, ticket, PageReason::Opened, round, &receiver);
    }
}

/// Every reason, note, cause and solution is said, and not at endless length.
fn check_words(action: &Action) -> Result<(), Refusal> {
    let fields: &[(&str, &str)] = match action {
        Action::Wait { reason, .. } | Action::Reopen { reason } | Action::Cancel { reason } => &[("reason", reason)],
        Action::Resolve { cause, solution } => &[("cause", cause), ("solution", solution)],
        Action::Note { text } => &[("text", text)],
        Action::Assign { name, .. } => &[("name", name)],
        Action::Accept | Action::Arrive | Action::Resume | Action::Restore | Action::Confirm | Action::Merge { .. } => {
            &[]
        }
    };
    for (field, words) in fields {
        let kind = action.kind().as_str();
        if words.trim().is_empty() {
            return Err(Refusal::new(Code::InvalidInput, format!("`{kind}` needs a {field}")));
        }
        if words.chars().count() > WORDS_MAX {
            let reason = format!("the {field} of `{kind}` is longer than {WORDS_MAX} characters");
            return Err(Refusal::new(Code::InvalidInput, reason));
        }
    }
    Ok(())
}

/// What the timeline says beside the action.
fn note_of(action: &Action) -> Text {
    match action {
        Action::Assign { name, .. } => Text::plain(name.trim()),
        Action::Wait { reason, until: None } | Action::Reopen { reason } | Action::Cancel { reason } => {
            Text::plain(reason.trim())
        }
        Action::Wait {
            reason,
            until: Some(until),
        } => {
            let reason = reason.trim();
            Text::new(
                format!("{reason} (until {until})"),
                format!("{reason}（预计至 {until}）"),
            )
        }
        Action::Resolve { cause, solution } => {
            let (cause, solution) = (cause.trim(), solution.trim());
            Text::new(
                format!("Cause: {cause}\nSolution: {solution}"),
                format!("原因：{cause}\n处理：{solution}"),
            )
        }
        Action::Note { text } => Text::plain(text.trim()),
        Action::Merge { into } => Text::plain(format!("#{into}")),
        Action::Accept | Action::Arrive | Action::Resume | Action::Restore | Action::Confirm => Text::default(),
    }
}
