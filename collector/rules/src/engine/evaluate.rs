//! A tick: it looks at the cells that changed, at rates, and at the alerts that wait, and at nothing else.

use super::{
    Moment,
    came::{self, Came, TESTS_MAX},
    history::cell_of,
    host::Host,
    kept::Kept,
    life::{Holds, Life, Outcome, Phase, Reading},
    memory::Memory,
    said::Said,
    speak::About,
    timers::{Slot, Timers},
};
use crate::{
    plan::{DerivedSpot, Layout, NO_CELL, Plan, Spot},
    rule::{Check, Condition, DerivedCondition, NONE, Rule, RuleSet},
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
    choice: &'a [u16],
    plan: &'a Plan,
    layout: &'a Layout,
    kept: &'a mut Kept,
    timers: &'a mut Timers,
    out: &'a mut Said,
    moment: Moment,
    /// Seconds since the counters' last totals.
    elapsed: f64,
    /// Whether everything is looked at.
    fresh: bool,
    /// Whether it is a tick of before a restart, by which nothing is decided.
    recalls: bool,
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
    /// Looks at the cells that changed, at rates, and at the alerts that wait. With `recalls` it is a tick of before a
    /// restart, by which nothing is decided.
    #[allow(clippy::too_many_arguments)] // the host's surroundings, and the tick with its times
    pub(super) fn evaluate(
        &mut self,
        rules: &RuleSet,
        timers: &mut Timers,
        tick: &Tick,
        changed: &[u64],
        now: Timestamp,
        recalls: bool,
        out: &mut Said,
    ) {
        let fresh = std::mem::take(&mut self.fresh);
        let since = std::mem::replace(&mut self.looked_at, tick.time);
        let layout = self.plan.layout();
        let mut pass = Pass {
            id: self.id,
            name: &self.name,
            rules,
            choice: &self.choice,
            plan: &self.plan,
            layout,
            kept: &mut self.kept,
            timers,
            out,
            moment: Moment { tick: tick.time, now },
            elapsed: tick.time.since(since).as_secs_f64(),
            fresh,
            recalls,
        };
        for word in 0..layout.words() {
            let known = changed.get(word).copied().unwrap_or(0);
            let changed = if fresh { u64::MAX } else { known };
            let mut due = layout.due(word, changed, pass.kept.awake_cells(word), pass.kept.still_cells(word));
            while due != 0 {
                let bit = due.trailing_zeros();
                due &= due - 1;
                let spot = layout.spot(word, bit);
                let cell = tick.cells.get(spot.cell).copied().unwrap_or(Cell::Absent);
                pass.cell(&Seen {
                    value: cell.to_f64(spot.decimals).filter(|value| !value.is_nan()),
                    changed: changed >> bit & 1 == 1,
                    spot,
                    cell,
                });
            }
        }
        for (nth, (spot, memory)) in layout.derived().iter().zip(&mut self.memories).enumerate() {
            pass.derived(layout.plain() + nth, spot, memory, tick, changed);
        }
    }

    /// A pending or clearing alert has waited long enough without a tick.
    pub(super) fn entry_due(
        &mut self,
        at: usize,
        rules: &RuleSet,
        timers: &mut Timers,
        now: Timestamp,
        out: &mut Said,
    ) {
        if !self.kept.is_awake(at) {
            return;
        }
        let mut life = self.kept.life(at);
        let (due, from) = (life.due, life.phase);
        if self.is_overdue(now) {
            // Of a silent host nothing is known: the next tick decides.
            life.due = None;
        }
        let Some(variant) = self.variant(self.plan.layout().rule(at)) else {
            return;
        };
        let rule = rules.at(variant);
        let outcome = if life.phase == Phase::Raised {
            Outcome::Nothing
        } else {
            life.elapse(now, &rule.levels)
        };
        if outcome == Outcome::Raised {
            life.flapping = self.kept.raised(at, now, rule.flapping);
        }
        timers.rearm(self.id, Slot::entry(at), due, life.due);
        self.kept.put(at, self.plan.layout().cell(at), life);
        let turn = Turn {
            from,
            outcome,
            life: &life,
            moment: Moment { tick: now, now },
            saw: None,
        };
        speak(out, self.id, &self.name, &self.plan, at, rule, &turn);
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
        let rate = seen.spot.rated.and_then(|place| {
            let total = seen.total();
            let before = self.kept.count(place, total);
            if self.elapsed == 0.0 && !self.fresh && before == total {
                return None; // the same tick once more
            }
            let rate = before.and_then(|before| seen.rate(before, self.elapsed));
            self.kept.set_still(seen.spot.cell, rate == Some(0.0));
            Some(rate)
        });
        let entries = seen.spot.entries.clone();
        for (at, position) in entries.clone().zip(self.layout.plain_rules(entries)) {
            let variant = self.choice[usize::from(*position)];
            if variant == NONE {
                continue;
            }
            let check = self.rules.check(usize::from(variant));
            let awake = self.kept.is_awake(at);
            let value = match (check.per, rate) {
                (Some(per), Some(rate)) => rate.map(|rate| rate * per),
                (None, _) if awake || seen.changed => seen.value,
                _ => continue,
            };
            let reading = judge(self.kept, at, value, check);
            if awake || matches!(reading, Reading::Holds(_)) {
                self.live(at, seen.spot.cell, self.rules.at(usize::from(variant)), reading, None);
            }
        }
    }

    /// An entry that looks at several cells, or at what they were.
    fn derived(&mut self, at: usize, spot: &DerivedSpot, memory: &mut Memory, tick: &Tick, changed: &[u64]) {
        let variant = self.choice[spot.rule()];
        if variant == NONE {
            return;
        }
        let awake = self.kept.is_awake(at);
        let is_changed = |cell: usize| changed.get(cell / 64).is_some_and(|word| word >> (cell % 64) & 1 == 1);
        if !self.fresh && !awake && !spot.restless && !spot.cells().any(is_changed) {
            return;
        }
        let rule = self.rules.at(usize::from(variant));
        let Condition::Derived(condition) = &rule.condition else {
            return;
        };
        let mut came = [f64::NAN; TESTS_MAX];
        let read = memory.look(condition, |operand| cell_of(spot, operand, tick), tick.time, &mut came);
        let reading = match read {
            Reading::Healthy(value) => {
                self.kept.saw_healthy(at);
                Reading::Healthy(value)
            }
            Reading::Holds(value) if condition.from_healthy && was_always_so(self.kept, at) => Reading::Between(value),
            reading => reading,
        };
        if awake || matches!(reading, Reading::Holds(_)) {
            self.live(at, NO_CELL, rule, reading, Some((condition, &came)));
        }
    }

    /// An alert that is not clear, or shall not be, takes a reading.
    fn live(&mut self, at: usize, cell: usize, rule: &Rule, reading: Reading, saw: Saw<'_>) {
        let mut life = self.kept.life(at);
        let (due, from) = (life.due, life.phase);
        if self.recalls {
            life.recall(reading, self.moment, |a, b| rule.worse(a, b));
            self.timers.rearm(self.id, Slot::entry(at), due, life.due);
            self.kept.put(at, cell, life);
            return;
        }
        let outcome = life.read(reading, self.moment, Holds::of(rule), |a, b| rule.worse(a, b));
        if outcome == Outcome::Raised {
            life.flapping = self.kept.raised(at, self.moment.now, rule.flapping);
        }
        self.timers.rearm(self.id, Slot::entry(at), due, life.due);
        self.kept.put(at, cell, life);
        let turn = Turn {
            from,
            outcome,
            life: &life,
            moment: self.moment,
            saw,
        };
        speak(self.out, self.id, self.name, self.plan, at, rule, &turn);
    }
}

/// What a value means to the rule of an entry.
fn judge(kept: &mut Kept, at: usize, value: Option<f64>, check: &Check) -> Reading {
    let Some(value) = value else {
        return Reading::Unknown;
    };
    if check.bounds.healthy(value) {
        if check.from_healthy {
            kept.saw_healthy(at);
        }
        return Reading::Healthy(value);
    }
    if !check.bounds.holds(value) {
        return Reading::Between(value);
    }
    if check.from_healthy && was_always_so(kept, at) {
        Reading::Between(value)
    } else {
        Reading::Holds(value)
    }
}

/// Whether an instance was never seen healthy, and nobody knows of an alert.
fn was_always_so(kept: &Kept, at: usize) -> bool {
    !kept.was_healthy(at) && !kept.life(at).is_raised()
}

/// What a reading or a timer made of an alert.
struct Turn<'a> {
    from: Phase,
    outcome: Outcome,
    life: &'a Life,
    moment: Moment,
    /// What the parts of a condition came to.
    saw: Saw<'a>,
}

type Saw<'a> = Option<(&'a DerivedCondition, &'a Came)>;

/// Says what became of an entry's alert, if it is anything.
fn speak(out: &mut Said, host: HostId, name: &str, plan: &Plan, at: usize, rule: &Rule, turn: &Turn<'_>) {
    if !out.heeds(turn.from, turn.life.phase, turn.outcome) {
        return;
    }
    let Some(listed) = plan.listed(at) else {
        return;
    };
    let about = About {
        rule,
        host,
        name,
        instance: &listed.instance(),
        series: Some(listed.series),
    };
    let before = out.decisions.len();
    out.turned(about, turn.from, turn.outcome, turn.life, turn.moment);
    if let (Some(decision), Some((condition, came))) = (out.decisions.get_mut(before), turn.saw) {
        decision.saw = came::words(condition, came);
    }
}
