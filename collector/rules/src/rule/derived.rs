//! Conditions on what is worked out of values: windows, changes, ages, arithmetic, forecasts, and several of them together.

use super::{Bounds, Formula};
use crate::glob::Patterns;
use std::time::Duration;
use tocsin_vocabulary::catalogue::Metric;

/// Which series, and how they are read.
#[derive(Debug, Clone, PartialEq)]
pub struct Operand {
    /// Which metric.
    pub metric: &'static Metric,
    /// Which of its series: attribute and patterns.
    pub filters: Vec<(String, Patterns)>,
    /// For counters: the value is the increase over this much time.
    pub per: Option<Duration>,
}

/// What is made of the values of a span.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Function {
    /// Their mean.
    Avg,
    /// The least of them.
    Min,
    /// The greatest of them.
    Max,
    /// The value that this share of them does not exceed.
    Quantile(f64),
    /// The newest less the oldest.
    Delta,
}

/// Which way a value may go without being wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Neither.
    Any,
    /// Only growing counts.
    Increase,
    /// Only falling counts.
    Decrease,
}

/// What a test compares with its threshold. `operand` is an index.
#[derive(Debug, Clone, PartialEq)]
pub enum Measure {
    /// The value itself, or its rate.
    Value {
        /// Whose.
        operand: usize,
    },
    /// What the values of a span come to. Unknown until the span was watched as a whole.
    Window {
        /// Whose.
        operand: usize,
        /// What is made of them.
        function: Function,
        /// How long it reaches back.
        span: Duration,
    },
    /// By how much the value differs from what it was: 0 once it is back, or after `within`.
    Changed {
        /// Whose.
        operand: usize,
        /// Which way counts.
        direction: Direction,
        /// A change that lasts this long is how things are now.
        within: Option<Duration>,
    },
    /// Seconds from the instant that the value names (seconds since 1970) to now.
    Age {
        /// Whose.
        operand: usize,
    },
    /// Seconds since the value last changed, as far as is known.
    Unchanged {
        /// Whose.
        operand: usize,
    },
    /// Arithmetic of several.
    Expression(Formula),
    /// Seconds until the value reaches `limit` if it goes on as it did for `over`; infinite without a real trend.
    Forecast {
        /// Whose.
        operand: usize,
        /// What it must not reach.
        limit: f64,
        /// How long it must have been watched.
        over: Duration,
    },
    /// How far the value is from what is usual at this hour of this weekday, in usual deviations.
    Baseline {
        /// Whose.
        operand: usize,
        /// A deviation of less than this, in the metric's unit, is none.
        least: f64,
        /// Which way counts.
        direction: Direction,
    },
}

impl Measure {
    /// Whether it may come to something else while no value changed.
    #[must_use]
    pub const fn is_restless(&self) -> bool {
        !matches!(self, Self::Value { .. } | Self::Expression(_))
    }

    /// Whether it compares how high a value is, which a counter's total says nothing of.
    #[must_use]
    pub const fn needs_level(&self) -> bool {
        match self {
            Self::Window { function, .. } => !matches!(function, Function::Delta),
            Self::Changed { .. } | Self::Age { .. } | Self::Unchanged { .. } => false,
            _ => true,
        }
    }

    /// Whether it comes to a time in seconds.
    #[must_use]
    pub const fn is_time(&self) -> bool {
        matches!(self, Self::Age { .. } | Self::Unchanged { .. } | Self::Forecast { .. })
    }

    /// Whose value it is, unless it is that of several.
    #[must_use]
    pub const fn operand(&self) -> Option<usize> {
        match *self {
            Self::Value { operand }
            | Self::Window { operand, .. }
            | Self::Changed { operand, .. }
            | Self::Age { operand }
            | Self::Unchanged { operand }
            | Self::Forecast { operand, .. }
            | Self::Baseline { operand, .. } => Some(operand),
            Self::Expression(_) => None,
        }
    }
}

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// What is compared.
    pub measure: Measure,
    /// With what.
    pub bounds: Bounds,
    /// In what unit its value is shown; the metric's when `None`.
    pub unit: Option<String>,
}

/// How tests make one condition. A test is named by its index.
#[derive(Debug, Clone, PartialEq)]
pub enum Logic {
    /// A test alone.
    Test(usize),
    /// All must hold; healthy as soon as one is.
    All(Vec<Self>),
    /// One must hold; healthy when all are.
    Any(Vec<Self>),
    /// Holds when the other is healthy, and the other way round.
    Not(Box<Self>),
}

/// A condition on what is worked out of values.
#[derive(Debug, Clone, PartialEq)]
pub struct DerivedCondition {
    /// The series it looks at. The first leads: each of its series is an instance; of the others the one series is
    /// taken whose attributes are the same, as far as both have them and not both are held to one value by `where`.
    pub operands: Vec<Operand>,
    /// The comparisons; the first one's value is the alert's.
    pub tests: Vec<Test>,
    /// How they go together.
    pub logic: Logic,
    /// Raised only for an instance that was seen healthy before.
    pub from_healthy: bool,
}

impl DerivedCondition {
    /// Operands that are compared with what is usual.
    pub(crate) fn baselines(&self) -> impl Iterator<Item = usize> {
        self.tests.iter().filter_map(|test| match test.measure {
            Measure::Baseline { operand, .. } => Some(operand),
            _ => None,
        })
    }

    /// How far back it looks.
    pub(crate) fn looks_back(&self) -> Duration {
        let spans = self.tests.iter().map(|test| match test.measure {
            Measure::Window { span, .. } => span,
            Measure::Forecast { over, .. } => over,
            Measure::Baseline { .. } => Duration::from_secs(1_800),
            _ => Duration::ZERO,
        });
        spans.max().unwrap_or_default()
    }

    /// Whether it must be looked at on every tick.
    pub(crate) fn is_restless(&self) -> bool {
        self.tests.iter().any(|test| test.measure.is_restless()) || self.operands.iter().any(|one| one.per.is_some())
    }
}
