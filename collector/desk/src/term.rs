//! Promises with a term beside a ticket's clocks: steps of a complaint, the service document. Its owner hears when half and
//! four fifths of it have run, and when it is missed.
//!
//! Whoever keeps what was promised says which [`Term`]s are open; a term that was met is simply no longer among them. What
//! was told of which term is remembered by [`Term::name`], so that nobody hears of it twice.

use crate::{
    clocks::WARNINGS,
    defect::{Signed, progress},
    model::Ticket,
};
use std::time::Duration;
use tocsin_vocabulary::{PersonId, Text, TicketId, Timestamp};

/// 现场服务文档: the document of a service on site is due so long after it.
pub const SERVICE_DOCUMENT_WITHIN: Duration = Duration::from_secs(5 * 86_400);

/// A share that stands for a term that was missed.
pub const MISSED: u8 = 100;

/// A promise that is still to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// What it is called where it is remembered: `1042-verify`. Stable, and no other term has it.
    pub name: String,
    /// The ticket that it belongs to, and its number.
    pub ticket: (TicketId, u64),
    /// Who has to keep it; none: those on duty.
    pub owner: Option<PersonId>,
    /// What is promised, in plain words.
    pub title: Text,
    /// From when it runs.
    pub started_at: Timestamp,
    /// Until when.
    pub due_at: Timestamp,
}

impl Term {
    /// When so many percent of it have run.
    #[must_use]
    pub fn at(&self, percent: u8) -> Timestamp {
        let whole = self.due_at.since(self.started_at);
        self.started_at.plus(whole * u32::from(percent) / 100)
    }

    /// The largest share that has run of those that are told: 50, 80, or [`MISSED`].
    #[must_use]
    pub fn share(&self, now: Timestamp) -> Option<u8> {
        let shares = WARNINGS.into_iter().chain([MISSED]);
        shares.filter(|percent| self.at(*percent) <= now).max()
    }

    /// What people are told of this share.
    #[must_use]
    pub fn words(&self, percent: u8) -> Text {
        let due = self.due_at;
        if percent >= MISSED {
            Text::new(format!("was due {due}"), format!("已逾期，时限 {due}"))
        } else {
            Text::new(
                format!("{percent} % of the time has run, due {due}"),
                format!("时限已用 {percent}%，截止 {due}"),
            )
        }
    }

    /// The term of a ticket's service document, where the service on site ended at `served_at`.
    #[must_use]
    pub fn of_service_document(ticket: &Ticket, served_at: Timestamp) -> Self {
        let number = ticket.number;
        Self {
            name: format!("{number}-service-document"),
            ticket: (ticket.id, number),
            owner: ticket.assignee,
            title: Text::new(
                format!("#{number}: the service document"),
                format!("#{number}：现场服务文档"),
            ),
            started_at: served_at,
            due_at: served_at.plus(SERVICE_DOCUMENT_WITHIN),
        }
    }
}

/// The open terms of a ticket's steps, after those that were signed.
#[must_use]
pub fn of_steps(ticket: &Ticket, signed: &[Signed]) -> Vec<Term> {
    let number = ticket.number;
    let open = progress(ticket.kind, ticket.opened_at, signed)
        .into_iter()
        .filter(|step| step.done.is_none());
    open.filter_map(|open| {
        let key = open.step.key;
        let (en, zh) = match key {
            "verify" => ("the complaint is to be verified", "投诉须核实"),
            "answer" => ("the complaint is to be answered in writing", "投诉须书面答复"),
            _ => (key, key),
        };
        Some(Term {
            name: format!("{number}-{key}"),
            ticket: (ticket.id, number),
            owner: ticket.assignee,
            title: Text::new(format!("#{number}: {en}"), format!("#{number}：{zh}")),
            started_at: ticket.opened_at,
            due_at: open.due_at?,
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn term() -> Term {
        let from = Timestamp::from_millis(1_000);
        Term {
            name: "1042-verify".to_owned(),
            ticket: (TicketId::from_bytes([1; 16]), 1042),
            owner: None,
            title: Text::plain("x"),
            started_at: from,
            due_at: from.plus(DAY * 2),
        }
    }

    #[test]
    fn half_four_fifths_and_the_end_are_told_and_nothing_before() {
        let term = term();
        let after = |part: f64| term.started_at.plus((DAY * 2).mul_f64(part));
        assert_eq!(term.share(term.started_at), None);
        assert_eq!(term.share(after(0.499)), None);
        assert_eq!(term.share(after(0.5)), Some(50));
        assert_eq!(term.share(after(0.799)), Some(50));
        assert_eq!(term.share(after(0.8)), Some(80));
        assert_eq!(term.share(term.due_at), Some(MISSED));
        assert_eq!(term.share(after(9.0)), Some(MISSED));
        assert!(term.words(MISSED).en.contains("was due") && term.words(80).zh.contains("80%"));
    }
}
