//! A tick: it looks at the cells that changed, at rates, and at the alerts that wait, and at nothing else.

use super::{
    Moment, Transition,
    host::Host,
    kept::Kept,
    life::{Holds, Life, Outcome, Reading},
    speak::About,
    timers::{Slot, Timers},
};
use crate::{
    plan::{Plan, Spot},
    rule::{Bounds, Check, Rule, RuleSet},
};
use tocsin_vocabulary::{
    HostId, Timestamp,
    batch::{Cell, Tick},
};

/// One pass over a host's entries.
struct Pass<'a> {
    id: HostId,
    name: &'a str,
    rules: &'a RuleSet,
    applies: &'a [bool],
    plan: &'a Plan,
    kept: &'a mut Kept,
    timers: &'a mut Timers,
    out: &'a mut Vec<Transition>,
    moment: Moment,
    /// Seconds since the counters' last totals.
    elapsed: f64,
    /// Rates seen so far: all of them are, on each pass.
    rated: usize,
}

/// A cell as the rules see it.
struct Seen {
    spot: Spot,
    cell: Cell,
    value: Option<f64>,
    /// Whether it differs from the tick before, as far as is known.
    changed: bool,
}

impl Host {
    /// Looks at the cells that changed, at rates, and at the alerts that wait.
    pub(super) fn evaluate(
        &mut self,
        rules: &RuleSet,
        timers: &mut Timers,
        tick: &Tick,
        changed: &[u64],
        now: Timestamp,
        out: &mut Vec<Transition>,
    ) {
        let fresh = std::mem::take(&mut self.fresh);
        let since = std::mem::replace(&mut self.looked_at, tick.time);
        let mut pass = Pass {
            id: self.id,
            name: &self.name,
            rules,
            applies: &self.applies,
            plan: &self.plan,
            kept: &mut self.kept,
            timers,
            out,
            moment: Moment { tick: tick.time, now },
            elapsed: tick.time.since(since).as_secs_f64(),
            rated: 0,
        };
        for word in 0..self.plan.words() {
            let known = changed.get(word).copied().unwrap_or(0);
            let changed = if fresh { u64::MAX } else { known };
            let mut due = self.plan.due(word, changed, pass.kept.awake_cells(word));
            while due != 0 {
                let bit = due.trailing_zeros();
                due &= due - 1;
                let spot = self.plan.spot(word, bit);
                let cell = tick.cells.get(spot.cell).copied().unwrap_or(Cell::Absent);
                pass.cell(&Seen {
                    value: cell.to_f64(spot.decimals).filter(|value| !value.is_nan()),
                    changed: changed >> bit & 1 == 1,
                    spot,
                    cell,
                });
            }
        }
    }

    /// A pending or clearing alert has waited long enough without a tick.
    pub(super) fn entry_due(
        &mut self,
        at: usize,
        rules: &RuleSet,
        timers: &mut Timers,
        now: Timestamp,
        out: &mut Vec<Transition>,
    ) {
        if !self.kept.is_awake(at) {
            return;
        }
        let mut life = self.kept.life(at);
        let due = life.due;
        if self.is_overdue(now) {
            // Of a silent host nothing is known: the next tick decides.
            life.due = None;
        }
        let outcome = life.elapse(now);
        timers.rearm(self.id, Slot::Entry(at), due, life.due);
        self.kept.put(at, self.plan.cell(at), life);
        let rule = rules.at(self.plan.rule(at));
        let moment = Moment { tick: now, now };
        out.extend(spoken(
            self.id, &self.name, &self.plan, at, rule, outcome, &life, moment,
        ));
    }
}

impl Seen {
    /// A counter's.
    const fn total(&self) -> Option<i64> {
        match self.cell {
            Cell::Scaled(total) => Some(total),
            Cell::Absent | Cell::Raw(_) => None,
        }
    }

    /// A counter's increase a second since its total was `before`, `elapsed` seconds ago.
    fn rate(&self, before: i64, elapsed: f64) -> Option<f64> {
        // A counter that fell was reset, and a clock that stood still gives no rate: nothing is known.
        let increase = self.total()?.checked_sub(before).filter(|increase| *increase >= 0)?;
        let increase = Cell::Scaled(increase).to_f64(self.spot.decimals)?;
        (elapsed > 0.0).then(|| increase / elapsed)
    }
}

impl Pass<'_> {
    fn cell(&mut self, seen: &Seen) {
        // Rules on one counter mostly have the same total before.
        let mut known: Option<(i64, Option<f64>)> = None;
        for at in seen.spot.entries.clone() {
            let position = self.plan.rule(at);
            let check = self.rules.check(position);
            let rated = self.rated;
            self.rated += usize::from(check.per.is_some());
            if !self.applies[position] {
                continue;
            }
            let awake = self.kept.is_awake(at);
            let value = if let Some(per) = check.per {
                let total = seen.total();
                let before = self.kept.count(rated, total);
                let stands = total.is_some() && before == total && self.elapsed > 0.0;
                if stands && !seen.changed && !awake && self.kept.value(at) == Some(0.0) {
                    continue; // as on the tick before
                }
                let rate = before.and_then(|before| match known {
                    Some((of, rate)) if of == before => rate,
                    _ => known.insert((before, seen.rate(before, self.elapsed))).1,
                });
                rate.map(|rate| rate * per)
            } else if awake || seen.changed {
                seen.value
            } else {
                continue;
            };
            let reading = judge(self.kept, at, value, check);
            if awake || matches!(reading, Reading::Holds(_)) {
                self.live(at, seen.spot.cell, self.rules.at(position), check.bounds, reading);
            } else {
                self.kept.set_value(at, value);
            }
        }
    }

    /// An alert that is not clear, or shall not be, takes a reading.
    fn live(&mut self, at: usize, cell: usize, rule: &Rule, bounds: Bounds, reading: Reading) {
        let holds = Holds {
            raise: rule.hold,
            clear: rule.clear_hold,
        };
        let mut life = self.kept.life(at);
        let due = life.due;
        let outcome = life.read(reading, self.moment, holds, |a, b| bounds.worse(a, b));
        self.timers.rearm(self.id, Slot::Entry(at), due, life.due);
        self.kept.put(at, cell, life);
        let said = spoken(self.id, self.name, self.plan, at, rule, outcome, &life, self.moment);
        self.out.extend(said);
    }
}

/// What a value means to the rule of an entry.
fn judge(kept: &mut Kept, at: usize, value: Option<f64>, check: &Check) -> Reading {
    let Some(value) = value else {
        return Reading::Unknown;
    };
    if check.bounds.healthy(value) {
        kept.saw_healthy(at);
        return Reading::Healthy(value);
    }
    if !check.bounds.holds(value) {
        return Reading::Between(value);
    }
    let was_always_so = check.from_healthy && !kept.was_healthy(at) && !kept.life(at).is_raised();
    if was_always_so {
        Reading::Between(value)
    } else {
        Reading::Holds(value)
    }
}

/// The transition that an outcome makes of an entry's alert, if any.
#[allow(clippy::too_many_arguments)] // host, entry and outcome, each as two or three
fn spoken(
    host: HostId,
    name: &str,
    plan: &Plan,
    at: usize,
    rule: &Rule,
    outcome: Outcome,
    life: &Life,
    moment: Moment,
) -> Option<Transition> {
    if outcome == Outcome::Nothing {
        return None;
    }
    let listed = plan.listed(at)?;
    let about = About {
        rule,
        host,
        name,
        instance: &listed.instance(),
        series: Some(listed.series),
    };
    about.outcome(outcome, life, moment)
}
