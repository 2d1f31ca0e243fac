//! What time does: the next round of pages, and clocks that pass their targets.

use super::{
    Desk,
    change::{By, Change},
    clocks::running,
};
use crate::model::{PageReason, Ticket, TicketState};
use tocsin_vocabulary::{Text, Timestamp};

impl Desk {
    /// When time next does something to this ticket.
    pub(super) fn due(&self, ticket: &Ticket) -> Option<Timestamp> {
        let breach = running(ticket).map(|(_, clock)| clock.due_at).min();
        [
            breach,
            Self::warning_due(ticket),
            self.worsening_due(ticket),
            self.round_due(ticket),
            self.return_due(ticket),
            self.stall_due(ticket),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// A return that was kept quiet is told when the time comes, if it still holds and no round tells it.
    fn return_due(&self, ticket: &Ticket) -> Option<Timestamp> {
        let without_rounds = match ticket.state {
            TicketState::Accepted | TicketState::OnSite | TicketState::Waiting => true,
            TicketState::Open => ticket.page_round >= self.policy.paging.rounds_max,
            _ => false,
        };
        ticket
            .page_due_at
            .filter(|_| without_rounds && self.holds_untold(ticket, None))
    }

    /// While nobody is on duty no round is due; the first person to come on duty is paged at once.
    fn round_due(&self, ticket: &Ticket) -> Option<Timestamp> {
        let wanted = ticket.state == TicketState::Open
            && self.is_anybody_there()
            && ticket.page_round < self.policy.paging.rounds_max;
        let due = ticket.page_due_at.filter(|_| wanted)?;
        Some(self.rung_due(ticket, due).map_or(due, |rung| rung.min(due)))
    }

    pub(super) fn timer(&mut self, change: &mut Change) {
        let due = self.agenda.due_by(change.now);
        for id in due {
            let found = self.tickets.get(&id).cloned();
            let Some(mut ticket) = found.filter(|ticket| self.due(ticket).is_some_and(|due| due <= change.now)) else {
                continue;
            };
            change.touch(&mut ticket);
            self.breach(change, &mut ticket);
            self.worsen_by_duration(change, &mut ticket);
            if self.round_due(&ticket).is_some_and(|due| due <= change.now) {
                match self.hushed(change, &ticket) {
                    Some(until) => self.postpone(change, &mut ticket, until),
                    None => self.round(change, &mut ticket),
                }
            }
            if self.stall_due(&ticket).is_some_and(|due| due <= change.now) {
                self.nudge(change, &mut ticket);
            }
            if self.return_due(&ticket).is_some_and(|due| due <= change.now) {
                self.tell_of_return(change, &mut ticket);
            }
            self.warn(change, &mut ticket);
            self.tickets.insert(ticket.id, ticket);
        }
    }

    /// One round of pages to everybody on duty. Pages of the round before that still wait are taken back: behind a dead
    /// destination one page waits for each person, not a day's worth.
    pub(super) fn round(&mut self, change: &mut Change, ticket: &mut Ticket) {
        let reason = if ticket.page_round == 0 {
            PageReason::Opened
        } else {
            PageReason::Unaccepted
        };
        ticket.page_round += 1;
        (ticket.reckoning.told_at, ticket.reckoning.called_at) = (Some(change.now), Some(change.now));
        self.withdraw(change, ticket.id, |page| {
            matches!(
                page.reason,
                PageReason::Opened | PageReason::Unaccepted | PageReason::Recurred
            )
        });
        let mut to = self.called(ticket, change.now);
        to.extend(self.watch_of(ticket, change.now));
        let (round, people) = (ticket.page_round, to.len());
        let note = Text::new(
            format!("round {round}, people on duty: {people}"),
            format!("第 {round} 轮，值班 {people} 人"),
        );
        change.entry(ticket, &By::SYSTEM, "page", note);
        self.page(change, ticket, reason, u64::from(round), &to);
        if round < self.policy.paging.rounds_max {
            ticket.page_due_at = Some(change.now.plus(self.repage_after(ticket, change.now)));
        } else {
            ticket.page_due_at = None;
            let note = Text::new(
                format!("nobody accepted after {round} rounds: no further round follows"),
                format!("通知 {round} 轮后仍无人接单，不再继续通知"),
            );
            change.entry(ticket, &By::SYSTEM, "page_end", note);
        }
    }

    /// Notes every clock that is past its target, as of its due time, and pages once for each. Called before anything
    /// stops a clock, so that an acceptance that comes late is late whenever the timer ran.
    pub(super) fn breach(&mut self, change: &mut Change, ticket: &mut Ticket) {
        let past: Vec<usize> = running(ticket)
            .filter(|(_, clock)| clock.due_at <= change.now)
            .map(|(place, _)| place)
            .collect();
        for place in past {
            let clock = &mut ticket.clocks[place];
            clock.breached_at = Some(clock.due_at);
            let (kind, due_at) = (clock.kind, clock.due_at);
            if change.fire(ticket, place, 100) {
                self.tell_breach(change, ticket, kind, due_at);
            }
        }
    }
}
