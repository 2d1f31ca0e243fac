//! The clocks of a ticket: a pure function of its moments, pauses and rungs, and of the contract's terms.

use super::{Count, Moments, Pause, Reckoning, Rung, Terms, Timing, WARNINGS};
use crate::{
    model::{Clock, ClockKind},
    policy::{ClockStart, Situation},
};
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
/// Of a raise: a clock that was met before it stays met and is not promised again; one that runs is stopped there, its
/// breach stays, and the new level's begins. A new clock ends no later than the old one would have, unless that one was
/// already past its target.
#[must_use]
pub fn reckon(terms: &Terms, reckoning: &Reckoning, now: Timestamp) -> Vec<Reckoned> {
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
                rung,
                step: *step,
                until,
                arrival,
                now,
            };
            if let Some(clock) = place.reckon(kind, old, stop(kind, moments)) {
                all.push(clock);
            }
        }
    }
    all.into_iter().map(|promised| promised.reckoned).collect()
}

/// A clock, and when it would be due had no raise stopped it: the next level's is due no later.
struct Promised {
    reckoned: Reckoned,
    due: Timestamp,
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
    rung: u32,
    step: Rung,
    until: Option<Timestamp>,
    /// When the arrival of this rung is due.
    arrival: Option<Timestamp>,
    now: Timestamp,
}

impl Place<'_> {
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
        let stopped_at = match (stop, self.until) {
            (Some(stop), Some(until)) => Some(stop.min(until)),
            (stop, until) => stop.or(until),
        };
        let (own, whole) = (known(pauses, stopped_at), known(pauses, stop));
        let counting = |pauses| Count {
            calendar: &calendar,
            base,
            start: started_at,
            pauses,
        };
        let bound = old
            .filter(|old| old.reckoned.clock.breached_at.is_none())
            .map(|old| old.due);
        let bounded = |due: Timestamp| bound.map_or(due, |bound| due.min(bound));
        let count = counting(&own);
        let due = count.due(target, self.now);
        let due_at = bounded(due.at);
        let end = stopped_at.unwrap_or(self.now);
        let breached_at = (!due.paused && due_at <= end).then_some(due_at);
        let reckoned = Reckoned {
            clock: Clock {
                kind,
                started_at,
                due_at,
                stopped_at,
                breached_at,
            },
            timing: Timing {
                clock: kind,
                rung: self.rung,
                level: self.step.level,
                base,
                target_ms: u64::try_from(target.as_millis()).unwrap_or(u64::MAX),
                calendar: calendar.name().to_owned(),
                calendar_version: calendar.version().to_owned(),
                paused: due.paused,
                warn_at: WARNINGS.map(|percent| count.due(target / 100 * u32::from(percent), self.now).at.min(due_at)),
                wording: cell.wording.clone(),
            },
        };
        Some(Promised {
            reckoned,
            due: bounded(counting(&whole).due(target, self.now).at),
        })
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
