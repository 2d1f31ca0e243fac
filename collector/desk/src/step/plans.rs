//! Silences, windows and guarded periods as they are made, count, and end.

use super::{Desk, Refusal, change::Change, pages::Message};
use crate::{
    input::{AlertChange, OnDuty, PlanChange},
    model::{AlertState, PageReason, Response, Ticket, TicketState},
    planned::{NewPlanned, Planned, PlannedKind, Times},
};
use std::borrow::Cow;
use std::time::Duration;
use tocsin_vocabulary::{Code, Importance, PersonId, PlannedId, Severity, Text, TicketId, Timestamp};

/// Most silences, windows and guarded periods that have not ended.
const PLANNED_MAX: usize = 2_000;

impl Desk {
    /// A person plans something, or ends it early.
    pub(super) fn plan(&mut self, change: &mut Change, plan: PlanChange) -> Result<(), Refusal> {
        match plan {
            PlanChange::Add(new) => self.add(change, *new),
            PlanChange::End { id, by } => self.end(change, id, by),
        }
    }

    fn add(&mut self, change: &mut Change, new: NewPlanned) -> Result<(), Refusal> {
        let mistakes = new.mistakes(change.now);
        if !mistakes.is_empty() {
            return Err(Refusal::new(Code::InvalidInput, mistakes.join("; ")));
        }
        if self.quiet.planned.len() >= PLANNED_MAX {
            let reason = format!("there are {PLANNED_MAX} silences, windows and guarded periods: end some first");
            return Err(Refusal::new(Code::ResourceExhausted, reason));
        }
        let id = PlannedId::next(&mut self.ids, change.now);
        self.write_planned(change, new.keep(id, change.now));
        change.quiet.active = self.quiet.active(change.now);
        // A guarded period that begins within three days is told of now.
        self.look_after_plans(change);
        Ok(())
    }

    fn end(&mut self, change: &mut Change, id: PlannedId, by: String) -> Result<(), Refusal> {
        let Some(planned) = self.quiet.planned.get(&id).cloned() else {
            let reason = "there is no such silence, window or guarded period, or it is over: see the list";
            return Err(Refusal::new(Code::NotFound, reason));
        };
        if let Some(times) = planned.at(change.now) {
            self.over(
                change,
                &planned,
                Times {
                    to: change.now,
                    ..times
                },
            );
        }
        let quieted = self.quieted_by(&planned);
        self.put_away(change, planned, change.now, by);
        for ticket in quieted {
            if let Some(ticket) = self.tickets.get_mut(&ticket)
                && ticket.page_due_at.is_some_and(|due| due > change.now)
            {
                change.touch(ticket);
                ticket.page_due_at = Some(change.now);
            }
        }
        self.timer(change);
        Ok(())
    }

    /// Tickets that nobody has accepted and whose rounds it may have postponed.
    fn quieted_by(&self, planned: &Planned) -> Vec<TicketId> {
        if !planned.kind.withholds() {
            return Vec::new();
        }
        let concerned = |ticket: &&Ticket| {
            let alerts = self.alerts_of(ticket.fault);
            let mut alerts = alerts.iter().filter_map(|id| self.alerts.get(id));
            ticket.state == TicketState::Open
                && alerts.any(|alert| {
                    let subject = self.subject(alert.asset, Some((&alert.rule, &alert.instance)));
                    alert.state == AlertState::Raised && planned.scope.concerns(&subject)
                })
        };
        self.tickets
            .values()
            .filter(concerned)
            .map(|ticket| ticket.id)
            .collect()
    }

    fn write_planned(&mut self, change: &mut Change, planned: Planned) {
        match planned.due() {
            Some(due) => self.quiet.due.insert(planned.id, due),
            None => self.quiet.due.remove(&planned.id),
        };
        change.quiet.planned.insert(planned.id, planned.clone());
        if planned.ended_at.is_some() {
            self.quiet.planned.remove(&planned.id);
        } else {
            self.quiet.planned.insert(planned.id, planned);
        }
    }

    fn put_away(&mut self, change: &mut Change, mut planned: Planned, at: Timestamp, by: String) {
        planned.ended_at = Some(at);
        planned.ended_by = Some(by);
        self.write_planned(change, planned);
        change.quiet.active = self.quiet.active(change.now);
        change.quiet.relook = true;
    }

    /// Ends of windows, times to check, and what is over.
    pub(super) fn look_after_plans(&mut self, change: &mut Change) {
        let now = change.now;
        let due = self.quiet.due.iter().filter(|(_, due)| **due <= now);
        let due: Vec<Planned> = due.filter_map(|(id, _)| self.quiet.planned.get(id).cloned()).collect();
        for mut planned in due {
            match planned.kind {
                PlannedKind::Window => {
                    let after = planned.told_at.unwrap_or(planned.made_at);
                    if let Some(times) = planned.span.last_end(after, now) {
                        self.over(change, &planned, times);
                        planned.told_at = Some(times.to);
                        change.quiet.relook = true;
                    }
                }
                PlannedKind::Guard if planned.told_at.is_none() => {
                    self.ask_to_check(change, &planned);
                    planned.told_at = Some(now);
                }
                PlannedKind::Guard | PlannedKind::Silence => {}
            }
            match planned
                .due()
                .filter(|due| *due > now || planned.kind == PlannedKind::Window)
            {
                Some(_) => self.write_planned(change, planned),
                None => {
                    let over = planned.span.to.unwrap_or(now).min(now);
                    self.put_away(change, planned, over, "system".to_owned());
                }
            }
        }
    }

    /// A time of something planned is over. The owner of a window is told when something that it covered has not come back.
    fn over(&mut self, change: &mut Change, planned: &Planned, times: Times) {
        let id = planned.id.to_string();
        let left = self
            .quiet
            .withheld
            .values()
            .filter(|withheld| withheld.by == id)
            .count();
        let Some(owner) = planned
            .owner
            .filter(|_| planned.kind == PlannedKind::Window && left > 0)
        else {
            return;
        };
        let reason = &planned.reason;
        let message = self.word_of(
            format!("overrun-{id}-{}", times.to.as_millis()),
            Text::new(
                format!("Maintenance window overran: {reason}"),
                format!("维护窗口超时：{reason}"),
            ),
            Text::new(
                format!(
                    "It was to end at {}; alerts that have not come back: {left}. They are paged now.",
                    times.to
                ),
                format!("应于 {} 结束，仍有 {left} 条告警未恢复，现已通知值班。", times.to),
            ),
        );
        let to = [self.ways_of(owner)];
        self.send(change, &message, &to);
    }

    /// Three days before a guarded period (R32), or when it is booked later than that.
    fn ask_to_check(&mut self, change: &mut Change, planned: &Planned) {
        let (reason, from) = (&planned.reason, planned.span.from);
        let to = planned.span.to.map(|to| to.to_string()).unwrap_or_default();
        let message = self.word_of(
            format!("check-{}", planned.id),
            Text::new(format!("Guarded period ahead: {reason}"), format!("重保临近：{reason}")),
            Text::new(
                format!("From {from} to {to}. Check everything now, and have people on site in time."),
                format!("{from} 至 {to}。请立即全面检查，并安排人员进驻现场。"),
            ),
        );
        let owner = planned.owner.map(|owner| self.ways_of(owner));
        let to: Vec<OnDuty> = owner.into_iter().chain(self.duty.iter().cloned()).collect();
        self.send(change, &message, &to);
    }

    /// A message about no ticket, as urgent as a major fault of an ordinary asset.
    fn word_of(&self, subject: String, title: Text, body: Text) -> Message {
        Message {
            subject,
            ticket: None,
            reason: PageReason::Notice,
            round: 1,
            title,
            body,
            level: self.policy.level(Severity::Major, Importance::Normal),
            drill: false,
        }
    }

    /// The ways to reach a person: their own when on duty, else the policy's.
    pub(super) fn ways_of(&self, person: PersonId) -> OnDuty {
        let on_duty = self.duty.iter().find(|on_duty| on_duty.person == person);
        on_duty.cloned().unwrap_or_else(|| OnDuty {
            person,
            destinations: self.policy.paging.destinations.clone(),
        })
    }

    /// The guarded periods that concern an asset at this time.
    fn guards<'a>(&'a self, ticket: &'a Ticket, at: Timestamp) -> impl Iterator<Item = &'a Planned> {
        let guards = self
            .quiet
            .planned
            .values()
            .filter(|planned| planned.kind == PlannedKind::Guard);
        guards.filter(move |guard| guard.at(at).is_some() && guard.scope.concerns(&self.subject(ticket.asset, None)))
    }

    /// In a guarded period an alert is one step worse, and what would only be told opens a ticket.
    pub(super) fn guarded<'a>(&self, change: &Change, turn: &'a AlertChange) -> Cow<'a, AlertChange> {
        let subject = self.subject(turn.asset.asset, Some((&turn.rule, &turn.instance)));
        let guarded = change.quiet.active.iter().any(|(id, _)| {
            let planned = self.quiet.planned.get(id);
            planned.is_some_and(|planned| planned.kind == PlannedKind::Guard && planned.scope.concerns(&subject))
        });
        if !guarded || turn.drill {
            return Cow::Borrowed(turn);
        }
        let mut stricter = turn.clone();
        stricter.severity = worse(turn.severity);
        if turn.response == Response::Notify {
            stricter.response = Response::Ticket;
        }
        Cow::Owned(stricter)
    }

    /// Who is paged beside those on duty: the owners of guarded periods that concern the ticket.
    pub(super) fn watch_of(&self, ticket: &Ticket, now: Timestamp) -> Vec<OnDuty> {
        let mut owners: Vec<PersonId> = self.guards(ticket, now).filter_map(|guard| guard.owner).collect();
        owners.retain(|owner| self.duty.iter().all(|on_duty| on_duty.person != *owner));
        owners.sort_unstable();
        owners.dedup();
        owners.into_iter().map(|owner| self.ways_of(owner)).collect()
    }

    /// Time between two rounds of pages about a ticket: half as long in a guarded period.
    pub(super) fn repage_after(&self, ticket: &Ticket, at: Timestamp) -> Duration {
        let usual = self.policy.paging.repage_after.0;
        if self.guards(ticket, at).next().is_some() {
            usual / 2
        } else {
            usual
        }
    }

    /// When people were last told of a ticket whose next round is due at `due`.
    pub(super) fn told_at(&self, ticket: &Ticket, due: Timestamp) -> Timestamp {
        let usual = self.policy.paging.repage_after.0;
        ticket.reckoning.told_at.unwrap_or(due.minus(usual))
    }

    /// Hosts for which a guarded period counts now: the rules may hold them to other thresholds.
    #[must_use]
    pub fn guarded_hosts(&self, now: Timestamp) -> std::collections::BTreeSet<tocsin_vocabulary::HostId> {
        let guards = self
            .quiet
            .planned
            .values()
            .filter(|planned| planned.kind == PlannedKind::Guard);
        let guards: Vec<&Planned> = guards.filter(|guard| guard.at(now).is_some()).collect();
        if guards.is_empty() {
            return std::collections::BTreeSet::new();
        }
        let concerned = self.quiet.landscape.places().filter(|place| {
            let subject = self.subject(place.asset, None);
            guards.iter().any(|guard| guard.scope.concerns(&subject))
        });
        concerned.filter_map(|place| place.host).collect()
    }

    /// When a guarded period begins or ends next.
    #[must_use]
    pub fn next_guard_change(&self, now: Timestamp) -> Option<Timestamp> {
        let guards = self
            .quiet
            .planned
            .values()
            .filter(|planned| planned.kind == PlannedKind::Guard);
        let bounds = guards
            .flat_map(|guard| [Some(guard.span.from), guard.span.to])
            .flatten();
        bounds.filter(|bound| *bound > now).min()
    }
}

const fn worse(severity: Severity) -> Severity {
    match severity {
        Severity::Info => Severity::Warning,
        Severity::Warning => Severity::Minor,
        Severity::Minor => Severity::Major,
        Severity::Major | Severity::Critical => Severity::Critical,
    }
}
