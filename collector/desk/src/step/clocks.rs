//! What a step makes of a ticket's clocks: they are reckoned anew, what changed goes into the interval log, people are
//! warned at 50 and 80 % of a target, a breach raises the level, and times may be entered late.

use super::{
    Desk, Refusal,
    change::{By, Change},
};
use crate::{
    account::report,
    calendar::Calendars,
    clocks::{self, Moment, Moments, Reckoning, Rung, WARNINGS, Waiver},
    input::{Amend, Amendment},
    model::{Actor, Clock, ClockKind, Fault, PageReason, Ticket, TicketState},
    policy::{Impact, Intake, Policy, WaitReason},
};
use std::sync::Arc;
use tocsin_vocabulary::{Code, Importance, Level, Text, TicketId, Timestamp};

/// When targets are due, each with its rung and kind.
type Targets = Vec<(u32, ClockKind, Timestamp)>;

/// Longest reason, in characters.
const WORDS_MAX: usize = 4000;

impl Desk {
    /// Reckons the clocks of every ticket that the step touched.
    pub(super) fn reckon_touched(&mut self, change: &mut Change) {
        let touched: Vec<TicketId> = change.tickets.iter().copied().collect();
        for id in touched {
            let Some(mut ticket) = self.tickets.get(&id).cloned() else {
                continue;
            };
            self.reckon(change, &mut ticket);
            self.tickets.insert(id, ticket);
        }
    }

    /// Counts all open tickets by other calendars; the timeline says where that moved a target.
    pub(super) fn count_by(&mut self, change: &mut Change, calendars: Arc<Calendars>) {
        // What is due by now was missed by the calendars that held until now.
        self.timer(change);
        let before: Vec<(TicketId, Targets)> = self
            .tickets
            .iter()
            .map(|(id, it)| (*id, self.targets(it, change.now)))
            .collect();
        self.book.set_calendars(calendars);
        for (id, before) in before {
            let Some(mut ticket) = self.tickets.get(&id).cloned() else {
                continue;
            };
            if self.targets(&ticket, change.now) == before {
                continue;
            }
            let note = Text::new(
                "public holidays became known: its clocks are counted anew",
                "节假日安排已更新，时限重新计算",
            );
            change.entry(&mut ticket, &By::SYSTEM, "calendar", note);
            self.tickets.insert(id, ticket);
        }
    }

    /// When the targets that are not met yet are due; what stands still, as if it ran on now.
    fn targets(&self, ticket: &Ticket, now: Timestamp) -> Targets {
        let terms = self.book.terms(ticket.contract);
        let reckoned = clocks::reckon(&terms, &ticket.reckoning, &ticket.clocks, now);
        let open = reckoned.iter().filter(|one| one.clock.stopped_at.is_none());
        open.map(|one| (one.timing.rung, one.clock.kind, one.clock.due_at))
            .collect()
    }

    fn reckon(&mut self, change: &mut Change, ticket: &mut Ticket) {
        let fault = ticket.fault.and_then(|fault| self.faults.get(&fault));
        adopt(ticket, fault);
        if !ticket.state.is_live() {
            ticket.reckoning.moments.ended.get_or_insert(change.now);
        }
        let terms = self.book.terms(ticket.contract);
        let known = if change.corrected == Some(ticket.id) {
            &[]
        } else {
            &*ticket.clocks
        };
        let after = clocks::reckon(&terms, &ticket.reckoning, known, change.now);
        let before = (&*ticket.clocks, &*ticket.reckoning.timings);
        let marks = clocks::marks(ticket.id, &terms.policy_version, before, &after, change.now);
        (ticket.clocks, ticket.reckoning.timings) = after
            .into_iter()
            .map(|reckoned| (reckoned.clock, reckoned.timing))
            .unzip();
        owe(ticket, terms.policy.ladder.len());
        ticket.reckoning.policy.clone_from(&terms.policy.name);
        ticket.reckoning.policy_version = terms.policy_version;
        ticket.reckoning.grade = terms.grade;
        for mut mark in marks {
            ticket.reckoning.mark_count += 1;
            mark.seq = ticket.reckoning.mark_count;
            change.marks.push(mark);
        }
        self.late_breaches(change, ticket);
    }

    /// A time that was entered late can show that a target was missed; people are told then.
    fn late_breaches(&mut self, change: &mut Change, ticket: &mut Ticket) {
        for place in 0..ticket.clocks.len() {
            let Some(at) = ticket.clocks[place].breached_at else {
                continue;
            };
            if change.fire(ticket, place, 100) {
                let kind = ticket.clocks[place].kind;
                change.entry(ticket, &By::SYSTEM, "breach", breach_note(kind, at));
                self.page_breach(change, ticket);
            }
        }
    }

    /// The line of one breach, the raise that it brings, and the pages.
    pub(super) fn tell_breach(&mut self, change: &mut Change, ticket: &mut Ticket, kind: ClockKind, at: Timestamp) {
        change.entry(ticket, &By::SYSTEM, "breach", breach_note(kind, at));
        self.raise_for(change, ticket, kind);
        self.page_breach(change, ticket);
    }

    fn page_breach(&mut self, change: &mut Change, ticket: &Ticket) {
        let breaches = ticket
            .reckoning
            .fired
            .iter()
            .filter(|fired| fired.percent == 100)
            .count();
        let to = self.concerned(ticket, 100, change.now);
        self.page(change, ticket, PageReason::Breached, breaches as u64, &to);
    }

    /// One level worse because a clock was missed, unless both sides agreed not to, the policy does not want it, or the
    /// ticket stands on the worst level already. The old breach stays.
    fn raise_for(&mut self, change: &mut Change, ticket: &mut Ticket, kind: ClockKind) {
        let terms = self.book.terms(ticket.contract);
        if ticket.reckoning.waiver.is_some()
            || !terms.policy.raise_on.contains(&kind)
            || ticket.reckoning.rungs.is_empty()
        {
            return;
        }
        if let Some(level) = Policy::raised(ticket.level) {
            let why = kind_text(kind);
            let note = Text::new(format!("{} was missed", why.en), format!("{}逾期", why.zh));
            self.set_level(change, ticket, level, &By::SYSTEM, &note);
        }
    }

    /// Moves the ticket to a worse level: the new level's clocks start now.
    fn set_level(&mut self, change: &mut Change, ticket: &mut Ticket, level: Level, by: &By, why: &Text) {
        let terms = self.book.terms(ticket.contract);
        let (old, new) = (terms.policy.level_name(ticket.level), terms.policy.level_name(level));
        ticket.level = level;
        ticket.reckoning.rungs.push(Rung {
            level,
            since: change.now,
        });
        if let Some(fault) = ticket.fault.and_then(|fault| self.faults.get_mut(&fault)) {
            fault.level = level;
            change.faults.insert(fault.id);
        }
        let note = Text::new(
            format!("from {} to {}: {}", old.en, new.en, why.en),
            format!("{} → {}：{}", old.zh, new.zh, why.zh),
        );
        change.entry(ticket, by, "raise", note);
    }

    /// When the next warning of a ticket is due.
    pub(super) fn warning_due(ticket: &Ticket) -> Option<Timestamp> {
        running(ticket)
            .flat_map(|(place, _)| {
                let timing = &ticket.reckoning.timings[place];
                WARNINGS
                    .iter()
                    .zip(timing.warn_at)
                    .filter(move |(percent, _)| !ticket.reckoning.has_fired(place, **percent))
                    .map(|(_, at)| at)
            })
            .min()
    }

    /// Tells of the shares of targets that have run, each once: a line of the timeline for each clock, and one page.
    pub(super) fn warn(&mut self, change: &mut Change, ticket: &mut Ticket) {
        let running: Vec<(usize, Clock)> = running(ticket).collect();
        let (mut told, mut most) = (Vec::new(), 0);
        for (place, clock) in running {
            let warn_at = ticket.reckoning.timings[place].warn_at;
            // Of several that are due at once only the last is worth a line; the others count as told.
            let due = WARNINGS.iter().zip(warn_at).filter(|(_, at)| *at <= change.now);
            let due: Vec<u8> = due.map(|(percent, _)| *percent).collect();
            let fresh = due.iter().filter(|percent| change.fire(ticket, place, **percent)).max();
            if let Some(percent) = fresh {
                let kind = kind_text(clock.kind);
                let note = Text::new(
                    format!("{}: {percent} % of the time has run, due {}", kind.en, clock.due_at),
                    format!("{}时限已用 {percent}%，截止 {}", kind.zh, clock.due_at),
                );
                change.entry(ticket, &By::SYSTEM, "warn", note.clone());
                told.push(note);
                most = most.max(*percent);
            }
        }
        if !told.is_empty() {
            let lines = |of: fn(&Text) -> &str| told.iter().map(of).collect::<Vec<_>>().join("\n");
            let body = Text::new(lines(|note| &note.en), lines(|note| &note.zh));
            let mut to = self.concerned(ticket, most, change.now);
            // Whoever is paged about it anyway at this moment need not be paged twice.
            to.retain(|person| {
                let mut pages = change.pages.iter();
                !pages.any(|page| page.ticket == Some(ticket.id) && page.person == person.person)
            });
            let round = ticket.reckoning.fired.len() as u64;
            self.page_saying(change, ticket, (PageReason::Warned, round), body, &to);
        }
    }

    /// When the impact that was stated has lasted long enough for a worse level.
    pub(super) fn worsening_due(&self, ticket: &Ticket) -> Option<Timestamp> {
        let impact = ticket.reckoning.impact?;
        let moments = &ticket.reckoning.moments;
        if moments.restored.or(moments.resolved).is_some() {
            return None;
        }
        let terms = self.book.terms(ticket.contract);
        let lasting = terms.policy.worsens_after(impact, ticket.level)?;
        Some(moments.occurred.plus(lasting))
    }

    /// Raises the level of a fault whose impact lasts.
    pub(super) fn worsen_by_duration(&mut self, change: &mut Change, ticket: &mut Ticket) {
        if self.worsening_due(ticket).is_some_and(|due| due <= change.now)
            && let Some(impact) = ticket.reckoning.impact
        {
            self.level_by_impact(change, ticket, impact, &By::SYSTEM);
        }
    }

    fn level_by_impact(&mut self, change: &mut Change, ticket: &mut Ticket, impact: Impact, by: &By) {
        let terms = self.book.terms(ticket.contract);
        let lasted = change.now.since(ticket.reckoning.moments.occurred);
        let importance = ticket.reckoning.importance;
        let level = terms.policy.level_of(ticket.severity, importance, Some(impact), lasted);
        if level < ticket.level {
            let word = impact.as_str();
            let note = Text::new(format!("impact {word}"), format!("影响 {word}"));
            self.set_level(change, ticket, level, by, &note);
        }
    }

    /// Something is said about a ticket's times, its impact or its level; its state stays.
    pub(super) fn amend(&mut self, change: &mut Change, amend: Amend) -> Result<(), Refusal> {
        let Some(mut ticket) = self.tickets.get(&amend.ticket).cloned() else {
            return Err(Refusal::new(
                Code::NotFound,
                format!("no live ticket has the id {}", amend.ticket),
            ));
        };
        let Actor::Person(_, name) = amend.actor.clone() else {
            return Err(Refusal::new(
                Code::InvalidInput,
                "only a named person can amend a ticket",
            ));
        };
        if let Some(seen) = amend.revision.filter(|seen| *seen != ticket.revision) {
            let (number, now) = (ticket.number, ticket.revision);
            let reason = format!("#{number} has moved on since you saw it (revision {seen}, now {now}): reload");
            return Err(Refusal::new(Code::Conflict, reason));
        }
        check(&ticket, &amend.amendment, change.now)?;
        self.breach(change, &mut ticket);
        let by = By {
            actor: amend.actor,
            via: amend.via,
        };
        match amend.amendment {
            Amendment::Enter { moment, at, reason } => self.enter(change, &mut ticket, &by, (moment, at), &reason),
            Amendment::Plan { text } => {
                ticket.reckoning.moments.planned.get_or_insert(change.now);
                change.entry(&mut ticket, &by, "plan", Text::plain(text.trim()));
            }
            Amendment::GiveUp { reason } => {
                ticket.reckoning.moments.given_up.get_or_insert(change.now);
                change.entry(&mut ticket, &by, "give_up", Text::plain(reason.trim()));
            }
            Amendment::Waive { reason } => {
                change.entry(&mut ticket, &by, "waive", Text::plain(reason.trim()));
                ticket.reckoning.waiver = Some(Waiver {
                    by: name,
                    reason: reason.trim().to_owned(),
                    at: change.now,
                });
            }
            Amendment::Impact(impact) => {
                ticket.reckoning.impact = Some(impact);
                change.entry(&mut ticket, &by, "impact", Text::plain(impact.as_str()));
                self.level_by_impact(change, &mut ticket, impact, &by);
            }
        }
        self.tickets.insert(ticket.id, ticket);
        Ok(())
    }

    /// 补录: the time that was entered counts from now on; the line keeps both, and the time that counted before.
    fn enter(
        &mut self,
        change: &mut Change,
        ticket: &mut Ticket,
        by: &By,
        (moment, at): (Moment, Timestamp),
        reason: &str,
    ) {
        let before = ticket.reckoning.moments.get(moment);
        ticket.reckoning.moments.set(moment, at);
        change.corrected = Some(ticket.id);
        if let Some(fault) = ticket.fault.and_then(|fault| self.faults.get_mut(&fault)) {
            match moment {
                Moment::Occurred => fault.occurred_at = at,
                Moment::Discovered => fault.discovered_at = at,
                Moment::Reported => fault.reported_at = at,
                Moment::Accepted => fault.accepted_at = Some(at),
                Moment::OnSite | Moment::Planned | Moment::Restored | Moment::Resolved => {}
            }
            change.faults.insert(fault.id);
        }
        let word = moment.as_str();
        let was = before.map_or_else(|| "-".to_owned(), |before| before.to_string());
        let reason = reason.trim();
        let note = Text::new(
            format!("{word}: {at}, was {was}: {reason}"),
            format!("{word}：{at}，原为 {was}：{reason}"),
        );
        change.entry(ticket, by, "enter", note);
    }
}

/// Clocks that run, with their places: not stopped, not standing still, not past their targets.
pub(super) fn running(ticket: &Ticket) -> impl Iterator<Item = (usize, Clock)> {
    ticket.clocks.iter().copied().enumerate().filter(|(place, clock)| {
        clock.stopped_at.is_none() && clock.breached_at.is_none() && !ticket.reckoning.is_paused(*place)
    })
}

/// What a new ticket remembers.
pub(super) fn begin(fault: &Fault, importance: Importance, intake: Intake) -> Reckoning {
    Reckoning {
        intake,
        importance,
        moments: Moments {
            occurred: fault.occurred_at,
            discovered: fault.discovered_at,
            reported: fault.reported_at,
            ..Moments::default()
        },
        rungs: vec![Rung {
            level: fault.level,
            since: fault.reported_at,
        }],
        ..Reckoning::default()
    }
}

/// Gives a ticket from before there were rungs what can be told from its columns.
fn adopt(ticket: &mut Ticket, fault: Option<&Fault>) {
    if !ticket.reckoning.rungs.is_empty() {
        return;
    }
    let stopped = |kind| ticket.clocks.iter().find(|clock| clock.kind == kind)?.stopped_at;
    let is_restored = matches!(ticket.state, TicketState::Restored | TicketState::Resolved);
    let moments = Moments {
        occurred: fault.map_or(ticket.opened_at, |fault| fault.occurred_at),
        discovered: ticket.opened_at,
        reported: ticket.opened_at,
        accepted: fault
            .and_then(|fault| fault.accepted_at)
            .or_else(|| ticket.assignee.and(stopped(ClockKind::Respond))),
        on_site: matches!(ticket.state, TicketState::OnSite)
            .then(|| stopped(ClockKind::Arrive))
            .flatten(),
        restored: is_restored
            .then(|| stopped(ClockKind::Restore).or(stopped(ClockKind::Respond)))
            .flatten()
            .or(is_restored.then_some(ticket.updated_at)),
        recovered: fault.and_then(|fault| fault.cleared_at),
        resolved: stopped(ClockKind::Resolve),
        ..Moments::default()
    };
    ticket.reckoning = Reckoning {
        moments,
        rungs: vec![Rung {
            level: ticket.level,
            since: ticket.opened_at,
        }],
        ..std::mem::take(&mut ticket.reckoning)
    };
}

/// Begins or ends a pause as the ticket begins or ends to wait.
pub(super) fn wait(ticket: &mut Ticket, policy: &Policy, reason: &str, at: Timestamp) {
    if let Some(reason) = WaitReason::of(reason).filter(|reason| policy.pauses.contains(reason)) {
        ticket.reckoning.pause(reason, at);
    }
}

/// What can stand against an amendment.
fn check(ticket: &Ticket, amendment: &Amendment, now: Timestamp) -> Result<(), Refusal> {
    let number = ticket.number;
    let refuse = |code, reason: String| Err(Refusal::new(code, format!("#{number}: {reason}")));
    if !ticket.state.is_live() {
        return refuse(
            Code::Conflict,
            "it is closed, and what was signed stays as it is: reopen it first".to_owned(),
        );
    }
    let words = match amendment {
        Amendment::Enter { reason, .. } | Amendment::GiveUp { reason } | Amendment::Waive { reason } => reason,
        Amendment::Plan { text } => text,
        Amendment::Impact(_) => return Ok(()),
    };
    if words.trim().is_empty() {
        return refuse(Code::InvalidInput, "say why, or what it is".to_owned());
    }
    if words.chars().count() > WORDS_MAX {
        return refuse(
            Code::InvalidInput,
            format!("that is longer than {WORDS_MAX} characters"),
        );
    }
    let moments = &ticket.reckoning.moments;
    match amendment {
        Amendment::Enter { moment, at, .. } => {
            if *at > now {
                return refuse(Code::InvalidInput, format!("{at} has not come yet"));
            }
            let happened = *moment <= Moment::Reported || moments.get(*moment).is_some();
            if !happened && !matches!(moment, Moment::Planned) {
                let reason = format!(
                    "it is not {} yet: do that first, then enter when it was",
                    moment.as_str()
                );
                return refuse(Code::Conflict, reason);
            }
            let out_of_order = Moment::ALL.into_iter().find(|other| {
                // A plan may come at any time of the work, and a fault may be noticed after it was reported.
                let free = |moment: Moment| matches!(moment, Moment::Planned | Moment::Discovered);
                let known = moments.get(*other).filter(|_| !free(*other) && !free(*moment));
                known.is_some_and(|known| (*other < *moment && known > *at) || (*other > *moment && known < *at))
            });
            match out_of_order.and_then(|other| Some((other, moments.get(other)?))) {
                Some((other, known)) => refuse(
                    Code::InvalidInput,
                    format!("{} at {at} does not fit {} at {known}", moment.as_str(), other.as_str()),
                ),
                None => Ok(()),
            }
        }
        Amendment::GiveUp { .. } if moments.accepted.is_none() => {
            refuse(Code::Conflict, "nobody has accepted it yet".to_owned())
        }
        _ => Ok(()),
    }
}

/// Notes which reports are owed about a ticket now, and until when.
fn owe(ticket: &mut Ticket, levels: usize) {
    for kind in report::Kind::ALL {
        let due = report::due(kind, ticket, levels);
        if due.is_some() || ticket.reckoning.reports.contains_key(&kind) {
            ticket.reckoning.reports.insert(kind, due);
        }
    }
}

fn breach_note(kind: ClockKind, due_at: Timestamp) -> Text {
    let kind = kind_text(kind);
    Text::new(
        format!("{}: was due {due_at}", kind.en),
        format!("{}逾期，时限 {due_at}", kind.zh),
    )
}

/// What people call a clock.
fn kind_text(kind: ClockKind) -> Text {
    let (en, zh) = match kind {
        ClockKind::Respond => ("respond", "响应"),
        ClockKind::Arrive => ("arrive", "到场"),
        ClockKind::Plan => ("plan", "修复方案"),
        ClockKind::Restore => ("restore", "恢复"),
        ClockKind::Recover => ("recover", "指标恢复"),
        ClockKind::Resolve => ("resolve", "解决"),
    };
    Text::new(en, zh)
}
