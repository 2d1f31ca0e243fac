//! The cap on one person's pages, and the digest of what it held back.

use super::{Desk, change::Change, pages::Message};
use crate::{
    digest::{Budget, HeldPage},
    input::OnDuty,
    model::{PageReason, TicketState},
};
use std::collections::BTreeSet;
use tocsin_vocabulary::{Level, PersonId, Text};

impl Desk {
    /// Who of these is paged now; the others find it in their next digest.
    pub(super) fn admitted(&mut self, change: &mut Change, message: &Message, to: &[OnDuty]) -> Vec<OnDuty> {
        let (most, now) = (self.quiet.limits.pages_per_minute, change.now);
        let (mut asked, mut admitted) = (BTreeSet::new(), BTreeSet::new());
        for person in to
            .iter()
            .filter(|person| !person.destinations.is_empty())
            .map(|on_duty| on_duty.person)
        {
            if !asked.insert(person) {
                continue;
            }
            let held = HeldPage {
                ticket: message.ticket,
                reason: message.reason,
                title: message.title.clone(),
                level: message.level,
            };
            let budget = self.quiet.budgets.entry(person).or_insert_with(|| Budget::new(person));
            if message.drill || budget.admit(held, most, now) {
                admitted.insert(person);
            }
            change.quiet.budgets.insert(person);
        }
        to.iter()
            .filter(|on_duty| admitted.contains(&on_duty.person))
            .cloned()
            .collect()
    }

    /// Tells each person what was held back for them and is still wanted.
    pub(super) fn digests(&mut self, change: &mut Change) {
        let now = change.now;
        let due = self
            .quiet
            .budgets
            .values()
            .filter(|budget| budget.due_at.is_some_and(|due| due <= now));
        let due: Vec<PersonId> = due.map(|budget| budget.person).collect();
        for person in due {
            let released = self
                .quiet
                .budgets
                .get_mut(&person)
                .and_then(|budget| budget.release(now));
            change.quiet.budgets.insert(person);
            let Some((held, count)) = released else {
                continue;
            };
            let unnamed = count.saturating_sub(held.len() as u64);
            let wanted: Vec<HeldPage> = held.into_iter().filter(|page| self.is_wanted(page)).collect();
            let count = wanted.len() as u64 + unnamed;
            if count == 0 {
                continue;
            }
            let message = digest(&wanted, count, now.as_millis());
            let to = [self.ways_of(person)];
            let pages = self.envelopes(change, &message, &to);
            change.pages.extend(pages);
        }
    }

    /// Whether it is still to be told: its ticket waits for somebody to take it, or is at least alive.
    fn is_wanted(&self, page: &HeldPage) -> bool {
        let Some((ticket, _)) = page.ticket else {
            return true;
        };
        self.tickets.get(&ticket).is_some_and(|ticket| match page.reason {
            PageReason::Opened | PageReason::Unaccepted => ticket.state == TicketState::Open,
            PageReason::Restored => ticket.state == TicketState::Restored,
            _ => ticket.state.is_live(),
        })
    }
}

fn digest(wanted: &[HeldPage], count: u64, millis: i64) -> Message {
    let mut body = Text::default();
    for page in wanted {
        let number = page.ticket.map(|(_, number)| format!("#{number} ")).unwrap_or_default();
        body.en.push_str(&format!("{number}{}\n", page.title.en));
        body.zh.push_str(&format!("{number}{}\n", page.title.zh));
    }
    let unnamed = count - wanted.len() as u64;
    if unnamed > 0 {
        body.en.push_str(&format!("and {unnamed} more: see the board\n"));
        body.zh.push_str(&format!("另有 {unnamed} 条，请看值班台\n"));
    }
    Message {
        subject: format!("digest-{millis}"),
        ticket: None,
        reason: PageReason::Notice,
        round: 1,
        title: Text::new(
            format!("{count} more pages in one"),
            format!("另有 {count} 条通知合并发送"),
        ),
        body,
        level: wanted
            .iter()
            .map(|page| page.level)
            .min()
            .unwrap_or(Level::new(u8::MAX)),
        drill: false,
    }
}
