//! Who is paged after those on duty, and what stands still.

use super::{
    Desk,
    change::{By, Change},
};
use crate::{
    escalation::{Called, Chain, Crew, Frozen},
    input::OnDuty,
    model::{Actor, PageReason, Ticket, TicketState},
};
use tocsin_vocabulary::{Text, Timestamp};

/// A ticket that stands still is told this often at most: a day of the shipped chain.
const NUDGES_MAX: u32 = 24;

impl Desk {
    /// The chain that holds for a ticket: its own, else the one that it will have.
    fn chain_of(&self, ticket: &Ticket) -> Option<(&Chain, &Crew)> {
        let (chain, crew) = self.escalation.as_ref()?;
        let own = self.chains.get(&ticket.id).map(|frozen| &frozen.chain);
        Some((own.unwrap_or(chain), crew))
    }

    /// Everybody to page about a ticket that nobody has accepted.
    pub(super) fn called(&self, ticket: &Ticket, now: Timestamp) -> Vec<OnDuty> {
        self.chain_of(ticket).map_or_else(
            || self.duty.clone(),
            |(chain, crew)| {
                let terms = self.book.terms(ticket.contract);
                chain.called(ticket, &terms, crew, &self.duty, now)
            },
        )
    }

    /// Whom it concerns that so many percent of a clock have run: who has the ticket, and whom its chain calls for that.
    pub(super) fn concerned(&self, ticket: &Ticket, percent: u8, now: Timestamp) -> Vec<OnDuty> {
        let mut people = self.takers(ticket);
        if let Some((chain, crew)) = self.chain_of(ticket) {
            let terms = self.book.terms(ticket.contract);
            for person in chain.called_at_share(ticket, &terms, crew, &self.duty, (percent, now)) {
                if people.iter().all(|known| known.person != person.person) {
                    people.push(person);
                }
            }
        }
        people
    }

    /// Whether anybody would be paged at all.
    pub(super) fn is_anybody_there(&self) -> bool {
        let crew = self.escalation.as_ref().map(|(_, crew)| crew);
        !self.duty.is_empty()
            || crew
                .is_some_and(|crew| !crew.fallback.is_empty() || crew.people.values().any(|people| !people.is_empty()))
    }

    /// When a rung is reached that pages somebody new, before the next round is due at `round`.
    pub(super) fn rung_due(&self, ticket: &Ticket, round: Timestamp) -> Option<Timestamp> {
        let (chain, crew) = self.chain_of(ticket).filter(|_| ticket.page_round > 0)?;
        let before = round.minus(self.policy.paging.repage_after.0);
        let (terms, last) = (
            self.book.terms(ticket.contract),
            ticket.reckoning.called_at.unwrap_or(before),
        );
        chain.next_rung(ticket, &terms, crew, &self.duty, last)
    }

    /// When it is told that a ticket was accepted and stands still since.
    pub(super) fn stall_due(&self, ticket: &Ticket) -> Option<Timestamp> {
        let works = matches!(ticket.state, TicketState::Accepted | TicketState::OnSite);
        let frozen = self
            .chains
            .get(&ticket.id)
            .filter(|frozen| works && frozen.nudges < NUDGES_MAX)?;
        frozen.stalled_at()
    }

    /// Tells whoever has the ticket, and who leads the shift, that it stands still.
    pub(super) fn nudge(&mut self, change: &mut Change, ticket: &mut Ticket) {
        let Some(frozen) = self.chains.get_mut(&ticket.id) else {
            return;
        };
        // Times that nobody lived through, as while the collector was down, are not told one after the other.
        frozen.nudges = (frozen.nudges + 1).max(frozen.missed(change.now).min(NUDGES_MAX));
        change.chains.insert(ticket.id);
        let minutes = change.now.since(frozen.acted_at).as_secs() / 60;
        let note = Text::new(
            format!("nobody did anything for {minutes} min"),
            format!("{minutes} 分钟无任何处理"),
        );
        change.entry(ticket, &By::SYSTEM, "stalled", note);
        let mut to = self.takers(ticket);
        let leaders = self
            .escalation
            .as_ref()
            .and_then(|(_, crew)| crew.people.get(&Called::Leader));
        for leader in leaders.into_iter().flatten() {
            if to.iter().all(|known| known.person != leader.person) {
                to.push(leader.clone());
            }
        }
        let round = ticket.entry_count;
        self.page(change, ticket, PageReason::Stalled, round, &to);
    }

    /// Freezes the chain of each new ticket, and notes when a person last did something about one, or when it came back:
    /// people are told of that, and have their time from then on.
    pub(super) fn go_on(&mut self, change: &mut Change) {
        let Some((chain, _)) = &self.escalation else {
            return;
        };
        for id in &change.tickets {
            let live = self.tickets.get(id).is_some_and(|ticket| ticket.state.is_live());
            if live && !self.chains.contains_key(id) {
                let frozen = Frozen {
                    ticket: *id,
                    chain: chain.clone(),
                    acted_at: change.now,
                    nudges: 0,
                };
                self.chains.insert(*id, frozen);
                change.chains.insert(*id);
            }
        }
        for entry in &change.entries {
            if (matches!(entry.actor, Actor::Person(..)) || entry.to.is_some())
                && let Some(frozen) = self.chains.get_mut(&entry.ticket)
            {
                frozen.acted_at = change.now;
                frozen.nudges = 0;
                change.chains.insert(entry.ticket);
            }
        }
    }

    /// Sets a ticket going again that nobody has accepted and for which no next round stands, then does all that is due.
    pub(super) fn audit(&mut self, change: &mut Change) {
        let rounds = self.policy.paging.rounds_max;
        let lost = |ticket: &&Ticket| {
            ticket.state == TicketState::Open && ticket.page_due_at.is_none() && ticket.page_round < rounds
        };
        let lost: Vec<Ticket> = self.tickets.values().filter(lost).cloned().collect();
        for mut ticket in lost {
            ticket.page_due_at = Some(change.now);
            let note = Text::new("no next round stood: set going again", "未安排下一轮通知，已重新启动");
            change.entry(&mut ticket, &By::SYSTEM, "page_kick", note);
            self.tickets.insert(ticket.id, ticket);
        }
        self.plan_all();
        self.timer(change);
    }
}
