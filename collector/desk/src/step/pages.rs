//! Who is paged, and with what words.

use super::{Desk, change::Change};
use crate::{
    input::OnDuty,
    model::{Alert, Arrival, Page, PageReason, PageState, Ticket, TicketKind},
};
use tocsin_vocabulary::{AlertId, Importance, Level, PageId, Text, TicketId, catalogue};

/// What all pages of one occasion have in common.
pub(super) struct Message {
    /// First part of the key: the ticket's number, or the alert's id.
    pub(super) subject: String,
    pub(super) ticket: Option<(TicketId, u64)>,
    pub(super) reason: PageReason,
    pub(super) round: u64,
    pub(super) title: Text,
    pub(super) body: Text,
    pub(super) level: Level,
    pub(super) drill: bool,
}

impl Desk {
    /// Pages these people about a ticket, over each of their destinations. `round` makes the key unique among pages of
    /// the same reason: the round of paging, the number of the breach, or else the ticket's revision.
    pub(super) fn page(&mut self, change: &mut Change, ticket: &Ticket, reason: PageReason, round: u64, to: &[OnDuty]) {
        let newest = self.alerts_of(ticket.fault).last().and_then(|id| self.alerts.get(id));
        let body = newest.map_or_else(|| ticket.remedy.clone(), body_of);
        self.page_saying(change, ticket, (reason, round), body, to);
    }

    /// As [`Self::page`], with words of its own.
    pub(super) fn page_saying(
        &mut self,
        change: &mut Change,
        ticket: &Ticket,
        (reason, round): (PageReason, u64),
        body: Text,
        to: &[OnDuty],
    ) {
        let message = Message {
            subject: ticket.number.to_string(),
            ticket: Some((ticket.id, ticket.number)),
            reason,
            round,
            title: ticket.title.clone(),
            body,
            level: ticket.level,
            drill: ticket.kind == TicketKind::Drill,
        };
        let pages = self.address(change, &message, to);
        self.pages.entry(ticket.id).or_default().extend_from_slice(&pages);
        change.pages.extend(pages);
    }

    /// Tells those on duty of an alert that opens no ticket. Its level is what an asset of normal importance would have.
    pub(super) fn notice(&mut self, change: &mut Change, alert: AlertId, drill: bool) {
        let Some(alert) = self.alerts.get(&alert) else {
            return;
        };
        let message = Message {
            subject: alert.id.to_string(),
            ticket: None,
            reason: PageReason::Notice,
            round: 1,
            title: alert.title.clone(),
            body: body_of(alert),
            level: self.policy.level(alert.severity, Importance::Normal),
            drill,
        };
        let to = self.duty.clone();
        self.send(change, &message, &to);
    }

    /// Pages these people about no ticket.
    pub(super) fn send(&mut self, change: &mut Change, message: &Message, to: &[OnDuty]) {
        let pages = self.address(change, message, to);
        change.pages.extend(pages);
    }

    /// The pages to those who may be paged now; the others find it in their next digest.
    fn address(&mut self, change: &mut Change, message: &Message, to: &[OnDuty]) -> Vec<Page> {
        let to = self.admitted(change, message, to);
        self.envelopes(change, message, &to)
    }

    /// One page for each person and destination, however often either is listed.
    pub(super) fn envelopes(&mut self, change: &Change, message: &Message, to: &[OnDuty]) -> Vec<Page> {
        let mut pages: Vec<Page> = Vec::new();
        for person in to {
            for destination in &person.destinations {
                let reason = message.reason.as_str();
                let key = format!(
                    "{}-{reason}-{}-{}-{destination}",
                    message.subject, message.round, person.person
                );
                if pages.iter().any(|page| page.key == key) {
                    continue;
                }
                pages.push(Page {
                    id: PageId::next(&mut self.ids, change.now),
                    key,
                    ticket: message.ticket.map(|(id, _)| id),
                    ticket_number: message.ticket.map(|(_, number)| number),
                    person: person.person,
                    destination: destination.clone(),
                    reason: message.reason,
                    title: message.title.clone(),
                    body: message.body.clone(),
                    level: message.level,
                    drill: message.drill,
                    created_at: change.now,
                    state: PageState::Queued,
                    attempts: 0,
                    due_at: change.now,
                    sent_at: None,
                    error: String::new(),
                });
            }
        }
        pages
    }

    /// Takes back those pages of a ticket that may still wait.
    pub(super) fn withdraw(&mut self, change: &mut Change, ticket: TicketId, unneeded: impl Fn(&Page) -> bool) {
        let Some(waiting) = self.pages.get_mut(&ticket) else {
            return;
        };
        for page in waiting.extract_if(.., |page| unneeded(page)) {
            let made_now = change.pages.iter().position(|made| made.id == page.id);
            match made_now {
                Some(at) => drop(change.pages.remove(at)),
                None => change.withdrawn.push(page.id),
            }
        }
    }

    /// Who has the ticket, with the ways to reach them: their own when on duty, else the policy's.
    pub(super) fn taker(&self, ticket: &Ticket) -> Option<OnDuty> {
        ticket.assignee.map(|person| self.ways_of(person))
    }

    /// Whom something urgent concerns: who has the ticket; those on duty where nobody has it or its owner is off duty.
    pub(super) fn takers(&self, ticket: &Ticket) -> Vec<OnDuty> {
        let Some(taker) = self.taker(ticket) else {
            return self.duty.clone();
        };
        if self.duty.iter().any(|on_duty| on_duty.person == taker.person) {
            vec![taker]
        } else {
            std::iter::once(taker).chain(self.duty.iter().cloned()).collect()
        }
    }
}

/// What was seen, against what, and what to do.
fn body_of(alert: &Alert) -> Text {
    let unit = catalogue::metric(&alert.metric).map_or("", |metric| metric.unit);
    let mut body = Text::default();
    if alert.ruling.arrival == Arrival::Late {
        let at = alert.occurred_at;
        body.en = format!("Came late, happened at {at}. ");
        body.zh = format!("补报，发生于 {at}。");
    }
    if let Some(value) = alert.value.map(|value| measure(value, unit)) {
        match alert.threshold.map(|threshold| measure(threshold, unit)) {
            Some(threshold) => {
                body.en += &format!("Value {value}, threshold {threshold}.");
                body.zh += &format!("当前值 {value}，阈值 {threshold}。");
            }
            None => {
                body.en += &format!("Value {value}.");
                body.zh += &format!("当前值 {value}。");
            }
        }
    }
    if !body.en.is_empty() && !body.en.ends_with(' ') && !alert.remedy.en.is_empty() {
        body.en.push(' ');
    }
    body.en.push_str(&alert.remedy.en);
    body.zh.push_str(&alert.remedy.zh);
    body
}

/// A value with its UCUM unit as people read it on a phone: ratios as percent, bytes in binary multiples.
fn measure(value: f64, unit: &str) -> String {
    match unit {
        "1" => format!("{} %", short(value * 100.0)),
        "By" => {
            let multiples = [
                (1024_f64.powi(4), "TiB"),
                (1024_f64.powi(3), "GiB"),
                (1024_f64.powi(2), "MiB"),
                (1024.0, "KiB"),
            ];
            let multiple = multiples.into_iter().find(|(size, _)| value.abs() >= *size);
            let (size, name) = multiple.unwrap_or((1.0, "B"));
            format!("{} {name}", short(value / size))
        }
        // Annotations such as `{process}` count things and are not read out.
        "" => short(value),
        unit if unit.starts_with('{') => short(value),
        unit => format!("{} {unit}", short(value)),
    }
}

/// Two decimals at most, no trailing zeros.
fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::measure;

    #[test]
    fn values_are_written_as_people_read_them() {
        for (value, unit, expected) in [
            (0.973, "1", "97.3 %"),
            (1_610_612_736.0, "By", "1.5 GiB"),
            (12.0, "By", "12 B"),
            (3.0, "{process}", "3"),
            (300.0, "s", "300 s"),
            (100.0, "", "100"),
            (f64::NAN, "", "NaN"),
        ] {
            assert_eq!(measure(value, unit), expected);
        }
    }
}
