//! What time does: the next round of pages, and clocks that pass their targets.

use super::{
    Desk,
    change::{By, Change},
};
use crate::model::{ClockKind, PageReason, Ticket, TicketState};
use tocsin_vocabulary::{Text, Timestamp};

impl Desk {
    /// When time next does something to this ticket.
    pub(super) fn due(&self, ticket: &Ticket) -> Option<Timestamp> {
        let running = ticket
            .clocks
            .iter()
            .filter(|clock| clock.stopped_at.is_none() && clock.breached_at.is_none());
        let breach = running.map(|clock| clock.due_at).min();
        [breach, self.round_due(ticket), self.return_due(ticket)]
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
            && !self.duty.is_empty()
            && ticket.page_round < self.policy.paging.rounds_max;
        ticket.page_due_at.filter(|_| wanted)
    }

    pub(super) fn timer(&mut self, change: &mut Change) {
        let is_due = |ticket: &&Ticket| self.due(ticket).is_some_and(|due| due <= change.now);
        let due: Vec<Ticket> = self.tickets.values().filter(is_due).cloned().collect();
        for mut ticket in due {
            self.breach(change, &mut ticket);
            if self.round_due(&ticket).is_some_and(|due| due <= change.now) {
                self.round(change, &mut ticket);
            }
            if self.return_due(&ticket).is_some_and(|due| due <= change.now) {
                change.touch(&mut ticket);
                self.tell_of_return(change, &mut ticket);
            }
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
        self.withdraw(change, ticket.id, |page| {
            matches!(
                page.reason,
                PageReason::Opened | PageReason::Unaccepted | PageReason::Recurred
            )
        });
        let (round, people) = (ticket.page_round, self.duty.len());
        let note = Text::new(
            format!("round {round}, people on duty: {people}"),
            format!("第 {round} 轮，值班 {people} 人"),
        );
        change.entry(ticket, &By::SYSTEM, "page", note);
        let to = self.duty.clone();
        self.page(change, ticket, reason, u64::from(round), &to);
        if round < self.policy.paging.rounds_max {
            ticket.page_due_at = Some(change.now.plus(self.policy.paging.repage_after.0));
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
        let past: Vec<usize> = (0..ticket.clocks.len())
            .filter(|&at| {
                let clock = &ticket.clocks[at];
                clock.stopped_at.is_none() && clock.breached_at.is_none() && clock.due_at <= change.now
            })
            .collect();
        for at in past {
            let clock = &mut ticket.clocks[at];
            clock.breached_at = Some(clock.due_at);
            let note = breach_note(clock.kind, clock.due_at);
            change.entry(ticket, &By::SYSTEM, "breach", note);
            let breaches = ticket.clocks.iter().filter(|clock| clock.breached_at.is_some()).count();
            let to = self.takers(ticket);
            self.page(change, ticket, PageReason::Breached, breaches as u64, &to);
        }
    }
}

fn breach_note(kind: ClockKind, due_at: Timestamp) -> Text {
    let (en, zh) = match kind {
        ClockKind::Respond => ("respond", "响应"),
        ClockKind::Arrive => ("arrive", "到场"),
        ClockKind::Restore => ("restore", "恢复"),
        ClockKind::Resolve => ("resolve", "解决"),
    };
    Text::new(format!("{en}: was due {due_at}"), format!("{zh}逾期，时限 {due_at}"))
}
