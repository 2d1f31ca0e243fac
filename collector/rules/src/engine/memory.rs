//! What is kept of a derived condition's series between ticks, and what it comes to.
//!
//! Only series that such a rule looks at have a memory, and each memory is bounded: a window keeps at most sixty slots
//! of its span, a forecast forty-eight, a baseline eight weeks of hours. After a restart they are empty, and say
//! *unknown* until they know enough: that raises nothing and clears nothing.

mod baseline;
mod trend;
mod window;

use super::{
    came::{Came, TESTS_MAX},
    life::Reading,
};
use crate::rule::{DerivedCondition, Direction, Function, Logic, Measure, Test};
use baseline::Baseline;
use tocsin_vocabulary::{Kind, Timestamp, batch::Cell};
use trend::Trend;
use window::Window;

/// The memory of one derived entry.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// By operand; empty when none is a rate.
    rates: Box<[Rate]>,
    /// By test; empty when none looks back.
    traces: Box<[Trace]>,
    /// Time of the last tick that was looked at.
    time: Timestamp,
}

/// A counter's last total, and the rate that it gave.
#[derive(Debug, Clone, Copy, Default)]
struct Rate {
    before: Option<(i64, Timestamp)>,
    a_second: Option<f64>,
}

/// What one test remembers.
#[derive(Debug)]
enum Trace {
    Nothing,
    Window(Window),
    /// What the value was, and since when it is another.
    Changed(Option<(f64, Option<Timestamp>)>),
    /// The value, and since when it is that, as far as is known.
    Unchanged(Option<(f64, Timestamp)>),
    Trend(Box<Trend>),
    Baseline(Box<Baseline>),
}

/// What a value of a past hour says to a baseline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hourly {
    /// When the hour began.
    pub hour: Timestamp,
    /// The mean of its values.
    pub mean: f64,
}

impl Memory {
    pub(super) fn of(condition: &DerivedCondition) -> Self {
        let rated = condition.operands.iter().any(|one| one.per.is_some());
        let rates = if rated { condition.operands.len() } else { 0 };
        let looks_back = condition.tests.iter().any(|test| test.measure.is_restless());
        let tests = if looks_back { &condition.tests[..] } else { &[] };
        Self {
            rates: vec![Rate::default(); rates].into(),
            traces: tests.iter().map(Trace::of).collect(),
            time: Timestamp::default(),
        }
    }

    /// Begins anew, except for what was learnt of past hours.
    pub(super) fn forget(&mut self, condition: &DerivedCondition) {
        let mut fresh = Self::of(condition);
        for (trace, before) in fresh.traces.iter_mut().zip(&mut self.traces) {
            if let (Trace::Baseline(_), Trace::Baseline(learnt)) = (&*trace, &mut *before) {
                learnt.forget_present();
                std::mem::swap(trace, before);
            }
        }
        *self = fresh;
    }

    /// Whether it was made for this condition.
    pub(super) fn fits(&self, condition: &DerivedCondition) -> bool {
        let fresh = Self::of(condition);
        let same = |(one, other): (&Trace, &Trace)| one.is_like(other);
        self.rates.len() == fresh.rates.len()
            && self.traces.len() == fresh.traces.len()
            && self.traces.iter().zip(&fresh.traces).all(same)
    }

    /// Takes a tick of the operands' cells, each with its decimals; what the condition says to it. What each test came to
    /// is put into `came`.
    pub(super) fn look(
        &mut self,
        condition: &DerivedCondition,
        cell: impl Fn(usize) -> (Cell, u8),
        time: Timestamp,
        came: &mut Came,
    ) -> Reading {
        let again = time == self.time;
        self.time = time;
        for (operand, rate) in self.rates.iter_mut().enumerate() {
            if condition.operands[operand].per.is_some() && !again {
                rate.take(cell(operand), time);
            }
        }
        let rates = &self.rates;
        let value = |operand: usize| match condition.operands[operand].per {
            Some(per) => rates[operand].a_second.map(|rate| rate * per.as_secs_f64()),
            None => {
                let (cell, decimals) = cell(operand);
                cell.to_f64(decimals).filter(|value| value.is_finite())
            }
        };
        let mut first = f64::NAN;
        let mut readings = [Said::Unknown; TESTS_MAX];
        for (at, test) in condition.tests.iter().enumerate().take(readings.len()) {
            let measured = match (&test.measure, self.traces.get_mut(at)) {
                (Measure::Value { operand }, _) => value(*operand),
                (Measure::Expression(formula), _) => formula.work_out(value),
                (measure, Some(trace)) => {
                    let operand = measure.operand().unwrap_or(0);
                    let counts = condition.operands[operand].metric.kind == Kind::Counter;
                    trace.measure(measure, value(operand), counts, time, again)
                }
                (_, None) => None,
            };
            if at == 0 {
                first = measured.filter(|value| value.is_finite()).unwrap_or(f64::NAN);
            }
            came[at] = measured.unwrap_or(f64::NAN);
            readings[at] = Said::of(test, measured);
        }
        match said(&condition.logic, &readings) {
            Said::Holds => Reading::Holds(first),
            Said::Between => Reading::Between(first),
            Said::Healthy => Reading::Healthy(first),
            Said::Unknown => Reading::Unknown,
        }
    }

    /// Bytes that it takes, with room that is not used yet.
    pub(super) fn bytes(&self) -> usize {
        let beyond: usize = self.traces.iter().map(Trace::bytes_beyond).sum();
        size_of::<Self>() + size_of_val(&*self.rates) + size_of_val(&*self.traces) + beyond
    }

    /// Takes what was usual in past hours, where a test compares with that.
    pub(super) fn learn(&mut self, hours: &[Hourly]) {
        for trace in &mut self.traces {
            if let Trace::Baseline(baseline) = trace {
                baseline.learn(hours);
            }
        }
    }
}

impl Rate {
    fn take(&mut self, (cell, decimals): (Cell, u8), time: Timestamp) {
        let Cell::Scaled(total) = cell else {
            *self = Self::default();
            return;
        };
        // A counter that fell was reset, and a clock that was set back gives no rate: nothing is known.
        self.a_second = self.before.and_then(|(before, then)| {
            let increase = total.checked_sub(before).filter(|increase| *increase >= 0)?;
            let elapsed = time.since(then).as_secs_f64();
            let increase = Cell::Scaled(increase).to_f64(decimals)?;
            (elapsed > 0.0).then(|| increase / elapsed)
        });
        self.before = Some((total, time));
    }
}

impl Trace {
    fn of(test: &Test) -> Self {
        match &test.measure {
            Measure::Value { .. } | Measure::Age { .. } | Measure::Expression(_) => Self::Nothing,
            Measure::Window { function, span, .. } => Self::Window(Window::new(*function, *span)),
            Measure::Changed { .. } => Self::Changed(None),
            Measure::Unchanged { .. } => Self::Unchanged(None),
            Measure::Forecast { limit, over, .. } => Self::Trend(Box::new(Trend::new(*limit, *over))),
            Measure::Baseline { .. } => Self::Baseline(Box::new(Baseline::new())),
        }
    }

    /// Bytes that it takes beside its own size.
    fn bytes_beyond(&self) -> usize {
        match self {
            Self::Nothing | Self::Changed(_) | Self::Unchanged(_) => 0,
            Self::Window(window) => window.bytes_beyond(),
            Self::Trend(trend) => size_of::<Trend>() + trend.bytes_beyond(),
            Self::Baseline(baseline) => size_of::<Baseline>() + baseline.bytes_beyond(),
        }
    }

    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Window(one), Self::Window(other)) => one.is_like(other),
            (Self::Trend(one), Self::Trend(other)) => one.is_like(other),
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }

    fn measure(
        &mut self,
        measure: &Measure,
        value: Option<f64>,
        counts: bool,
        time: Timestamp,
        again: bool,
    ) -> Option<f64> {
        match (self, measure) {
            (Self::Window(window), Measure::Window { function, .. }) => {
                if let Some(value) = value.filter(|_| !again) {
                    let was_reset = counts && *function == Function::Delta;
                    window.take(time, value, was_reset);
                }
                window.comes_to(time)
            }
            (Self::Changed(was), Measure::Changed { direction, within, .. }) => {
                let value = value?;
                let (reference, since) = was.get_or_insert((value, None));
                let by = match direction {
                    Direction::Any => (value - *reference).abs(),
                    Direction::Increase => value - *reference,
                    Direction::Decrease => *reference - value,
                };
                if by <= 0.0 {
                    // It is as it was, or moved where it may: that is what it is compared with from now on.
                    (*reference, *since) = (value, None);
                    return Some(0.0);
                }
                let began = *since.get_or_insert(time);
                if within.is_some_and(|within| time.since(began) >= within) {
                    (*reference, *since) = (value, None);
                    return Some(0.0);
                }
                Some(by)
            }
            (Self::Unchanged(was), _) => {
                let value = value?;
                match was {
                    Some((before, since)) if *before == value => {
                        // A clock that was set back must not make it older than it is.
                        *since = (*since).min(time);
                        Some(time.since(*since).as_secs_f64())
                    }
                    _ => {
                        *was = Some((value, time));
                        Some(0.0)
                    }
                }
            }
            (Self::Trend(trend), _) => {
                if let Some(value) = value.filter(|_| !again) {
                    trend.take(time, value);
                }
                trend.seconds_left(time)
            }
            (Self::Baseline(baseline), Measure::Baseline { least, direction, .. }) => {
                if let Some(value) = value.filter(|_| !again) {
                    baseline.take(time, value);
                }
                baseline.deviation(time, *least, *direction)
            }
            (Self::Nothing, Measure::Age { .. }) => Some(time.as_millis() as f64 / 1e3 - value?),
            _ => None,
        }
    }
}

/// A reading without its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Holds,
    Between,
    Healthy,
    Unknown,
}

impl Said {
    fn of(test: &Test, value: Option<f64>) -> Self {
        match value {
            None => Self::Unknown,
            Some(value) if test.bounds.healthy(value) => Self::Healthy,
            Some(value) if test.bounds.holds(value) => Self::Holds,
            Some(_) => Self::Between,
        }
    }
}

/// What several tests say together.
fn said(logic: &Logic, readings: &[Said]) -> Said {
    // `wins` decides alone; `loses` needs all.
    let together = |inner: &[Logic], wins: Said, loses: Said| {
        let mut all = loses;
        for one in inner {
            match said(one, readings) {
                one if one == wins => return wins,
                Said::Unknown => all = Said::Unknown,
                one if one != loses && all != Said::Unknown => all = Said::Between,
                _ => {}
            }
        }
        all
    };
    match logic {
        Logic::Test(at) => readings.get(*at).copied().unwrap_or(Said::Unknown),
        Logic::All(inner) => together(inner, Said::Healthy, Said::Holds),
        Logic::Any(inner) => together(inner, Said::Holds, Said::Healthy),
        Logic::Not(inner) => match said(inner, readings) {
            Said::Holds => Said::Healthy,
            Said::Healthy => Said::Holds,
            other => other,
        },
    }
}
