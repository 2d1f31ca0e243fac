//! The clocks of a ticket: a pure function of its moments, pauses and rungs, and of the contract's terms.

use super::{Count, Due, Moments, Pause, Reckoning, Rung, Terms, Timing, WARNINGS};
use crate::{
    calendar::{Calendar, TimeBase},
    model::{Clock, ClockKind},
    policy::{ClockStart, Situation},
};
use std::{sync::Arc, time::Duration};
use tocsin_vocabulary::Timestamp;

/// One clock and how it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reckoned {
    /// What the ticket shows.
    pub clock: Clock,
    /// How it counts.
    pub timing: Timing,
}

/// The clocks of a ticket as of `now`, by rung and then in the order of [`ClockKind::ALL`].
///
/// `before` are the ticket's clocks as its timings count them: of these a breach stays, one that is over stays as it ended,
/// and what they were counted by, whatever calendar and policy say by now. None of them are given when a time was entered
/// late.
///
/// Of a raise: a clock that was met before it stays met and is not promised again; one that runs is stopped there, its
/// breach stays, and the new level's begins. A new clock ends no later than the old one would have, unless that one was
/// already past its target.
#[must_use]
pub fn reckon(terms: &Terms, reckoning: &Reckoning, before: &[Clock], now: Timestamp) -> Vec<Reckoned> {
    let mut all: Vec<Promised> = Vec::new();
    let moments = &reckoning.moments;
    for (rung, step) in (0_u32..).zip(&reckoning.rungs) {
        let until = reckoning.rungs.get(rung as usize + 1).map(|next| next.since);
        for kind in ClockKind::ALL {
            let old = rung
                .checked_sub(1)
                .and_then(|before| all.iter().rev().find(|old| old.is(before, kind)));
            let arrival = all
                .iter()
                .rev()
                .find(|clock| clock.is(rung, ClockKind::Arrive))
                .map(|arrive| arrive.reckoned.clock.due_at);
            let place = Place {
                terms,
                reckoning,
                before,
                rung,
                step: *step,
                until,
                arrival,
                now,
            };
            let stop = stop(kind, moments);
            let fresh = place.reckon(kind, old, stop);
            match place.settled(kind, stop) {
                Some(reckoned) => all.push(Promised {
                    reckoned,
                    targets: fresh.map_or_else(Vec::new, |fresh| fresh.targets),
                }),
                None => all.extend(fresh),
            }
        }
    }
    all.into_iter().map(|promised| promised.reckoned).collect()
}

/// A clock, and what it is due by: its own target, and those of the levels before that were not missed before the raise.
struct Promised {
    reckoned: Reckoned,
    targets: Vec<Target>,
}

/// One target, whatever stands still.
#[derive(Clone)]
struct Target {
    calendar: Arc<Calendar>,
    base: TimeBase,
    start: Timestamp,
    within: Duration,
}

impl Target {
    fn count<'a>(&'a self, pauses: &'a [Pause]) -> Count<'a> {
        Count {
            calendar: &self.calendar,
            base: self.base,
            start: self.start,
            pauses,
        }
    }

    fn due(&self, pauses: &[Pause], now: Timestamp) -> Due {
        self.count(pauses).due(self.within, now)
    }
}

impl Promised {
    fn is(&self, rung: u32, kind: ClockKind) -> bool {
        self.reckoned.timing.rung == rung && self.reckoned.clock.kind == kind
    }
}

/// Pauses as far as a clock that stopped at `stop` knows of them: what stands still later is no matter of its.
fn known(pauses: &[Pause], stop: Option<Timestamp>) -> Vec<Pause> {
    let Some(stop) = stop else {
        return pauses.to_vec();
    };
    let earlier = pauses.iter().filter(|pause| pause.from < stop);
    earlier
        .map(|pause| Pause {
            to: Some(pause.to.map_or(stop, |to| to.min(stop))),
            ..*pause
        })
        .collect()
}

/// Where on the ladder a clock is reckoned.
struct Place<'a> {
    terms: &'a Terms,
    reckoning: &'a Reckoning,
    before: &'a [Clock],
    rung: u32,
    step: Rung,
    until: Option<Timestamp>,
    /// When the arrival of this rung is due.
    arrival: Option<Timestamp>,
    now: Timestamp,
}

impl Place<'_> {
    /// The earlier of what stops the clock and the next raise.
    fn stopped_at(&self, stop: Option<Timestamp>) -> Option<Timestamp> {
        stop.into_iter().chain(self.until).min()
    }

    /// The clock as it was before, if it was missed: only its end may change; or if it is over, and ended as it did before.
    /// What was met is met, and what was missed is missed, whatever calendar and policy say by now.
    fn settled(&self, kind: ClockKind, stop: Option<Timestamp>) -> Option<Reckoned> {
        let stopped_at = self.stopped_at(stop);
        let mut before = self.before.iter().zip(&self.reckoning.timings);
        let (clock, timing) = before.find(|(_, timing)| (timing.clock, timing.rung) == (kind, self.rung))?;
        let over = clock.stopped_at.is_some() && clock.stopped_at == stopped_at;
        (over || clock.breached_at.is_some()).then(|| Reckoned {
            clock: Clock { stopped_at, ..*clock },
            timing: timing.clone(),
        })
    }

    fn reckon(&self, kind: ClockKind, old: Option<&Promised>, stop: Option<Timestamp>) -> Option<Promised> {
        let Reckoning {
            moments,
            pauses,
            grade: _,
            intake,
            importance,
            ..
        } = self.reckoning;
        let situation = Situation {
            grade: &self.terms.grade,
            intake: *intake,
            phase: self.terms.phase(moments.reported),
            importance: *importance,
            hours: self.terms.hours(moments.reported),
        };
        let cell = self.terms.policy.target(self.step.level, kind, &situation)?;
        let begun = begins(cell.start, moments, self.arrival)?;
        let raised = self.rung > 0;
        let started_at = if raised { begun.max(self.step.since) } else { begun };
        // A promise whose subject was over before it began, or that only the next level knows.
        if stop.is_some_and(|stop| stop < started_at) || self.until.is_some_and(|until| begun >= until) {
            return None;
        }
        let calendar = self.terms.calendar_of(cell.calendar.as_deref());
        let (base, target) = cell.within.resolve(cell.time_base, &calendar, started_at);
        let stopped_at = self.stopped_at(stop);
        let pauses = known(pauses, stopped_at);
        let own = Target {
            calendar,
            base,
            start: started_at,
            within: target,
        };
        let older = old.filter(|old| old.reckoned.clock.breached_at.is_none());
        let older = older.map_or_else(Vec::new, |old| old.targets.clone());
        // What an older target ended before the pause began does not stand still in it.
        let due = older
            .iter()
            .map(|older| older.due(&pauses, self.now))
            .fold(own.due(&pauses, self.now), Due::min);
        let end = stopped_at.unwrap_or(self.now);
        let breached_at = (!due.paused && due.at <= end).then_some(due.at);
        let count = own.count(&pauses);
        let reckoned = Reckoned {
            clock: Clock {
                kind,
                started_at,
                due_at: due.at,
                stopped_at,
                breached_at,
            },
            timing: Timing {
                clock: kind,
                rung: self.rung,
                level: self.step.level,
                base,
                target_ms: u64::try_from(target.as_millis()).unwrap_or(u64::MAX),
                calendar: own.calendar.name().to_owned(),
                calendar_version: own.calendar.version().to_owned(),
                paused: due.paused,
                warn_at: WARNINGS.map(|percent| count.due(target / 100 * u32::from(percent), self.now).at.min(due.at)),
                wording: cell.wording.clone(),
            },
        };
        let targets = older.into_iter().chain([own]).collect();
        Some(Promised { reckoned, targets })
    }
}

/// The instant at which a clock's start is, if it has come.
fn begins(start: ClockStart, moments: &Moments, arrival: Option<Timestamp>) -> Option<Timestamp> {
    match start {
        ClockStart::Occurred => Some(moments.occurred),
        ClockStart::Discovered => Some(moments.discovered),
        ClockStart::Reported => Some(moments.reported),
        ClockStart::Accepted => moments.accepted,
        ClockStart::GivenUp => moments.given_up,
        // Whoever comes too late gains nothing by it.
        ClockStart::OnSite => {
            let expected = moments.accepted.map(|accepted| arrival.unwrap_or(accepted));
            [moments.on_site, expected].into_iter().flatten().min()
        }
    }
}

/// When a clock's promise is kept, or nobody asks for it any more.
fn stop(kind: ClockKind, moments: &Moments) -> Option<Timestamp> {
    let Moments {
        accepted,
        on_site,
        planned,
        restored,
        recovered,
        resolved,
        ended,
        response_excused,
        arrival_excused,
        ..
    } = *moments;
    let candidates = match kind {
        ClockKind::Respond => [response_excused.or(accepted), restored, resolved, ended],
        ClockKind::Arrive => [on_site.or(arrival_excused), restored, resolved, ended],
        ClockKind::Plan => [planned, restored, resolved, ended],
        ClockKind::Restore => [restored, None, resolved, ended],
        ClockKind::Recover => [recovered, None, resolved, ended],
        ClockKind::Resolve => [None, None, resolved, ended],
    };
    candidates.into_iter().flatten().min()
}
