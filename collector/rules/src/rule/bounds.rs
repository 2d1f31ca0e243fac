//! When a value is wrong, and when it is well again.

/// A threshold and where it lets go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bounds {
    /// Holds above `limit`; healthy below `clear`, or at most `limit` without one.
    Above {
        /// Beyond this the condition holds.
        limit: f64,
        /// Below this it is healthy again; never more than `limit`.
        clear: Option<f64>,
    },
    /// Holds below `limit`; healthy above `clear`, or at least `limit` without one.
    Below {
        /// Below this the condition holds.
        limit: f64,
        /// Above this it is healthy again; never less than `limit`.
        clear: Option<f64>,
    },
    /// Holds while the value is this, healthy when it is another. Meant for flags and states, compared exactly.
    Equals(f64),
    /// Holds while the value is one of these states.
    In(States),
    /// Holds while the value is none of these states.
    NotIn(States),
}

/// Some whole numbers from 0 to 63, as enumerated metrics have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct States(u64);

impl States {
    /// The greatest state there may be.
    pub const MAX: u32 = 63;

    /// Adds a state; `false` when it is none.
    pub fn add(&mut self, state: f64) -> bool {
        let bit = bit(state);
        self.0 |= bit.unwrap_or(0);
        bit.is_some()
    }

    /// Whether a value is one of them.
    #[must_use]
    pub fn contains(self, value: f64) -> bool {
        bit(value).is_some_and(|bit| self.0 & bit != 0)
    }

    /// All of them, the least first.
    pub fn iter(self) -> impl Iterator<Item = u32> {
        (0..=Self::MAX).filter(move |state| self.0 & (1 << state) != 0)
    }

    /// The least of them, to be shown where one number is shown.
    #[must_use]
    pub fn first(self) -> f64 {
        f64::from(self.0.trailing_zeros().min(Self::MAX))
    }
}

/// The bit of a state.
fn bit(state: f64) -> Option<u64> {
    let whole = (0.0..=f64::from(States::MAX)).contains(&state) && state.fract() == 0.0;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // whole, and in range
    whole.then(|| 1 << (state as u32))
}

impl Bounds {
    /// Whether the condition holds. NaN never does.
    #[must_use]
    pub fn holds(self, value: f64) -> bool {
        match self {
            Self::Above { limit, .. } => value > limit,
            Self::Below { limit, .. } => value < limit,
            Self::Equals(limit) => value == limit,
            Self::In(states) => states.contains(value),
            Self::NotIn(states) => !value.is_nan() && !states.contains(value),
        }
    }

    /// Whether the value is healthy: not only that the condition no longer holds. NaN never is.
    #[must_use]
    pub fn healthy(self, value: f64) -> bool {
        match self {
            Self::Above { clear: Some(clear), .. } => value < clear,
            Self::Above { limit, .. } => value <= limit,
            Self::Below { clear: Some(clear), .. } => value > clear,
            Self::Below { limit, .. } => value >= limit,
            Self::Equals(limit) => value != limit && !value.is_nan(),
            Self::In(states) => !value.is_nan() && !states.contains(value),
            Self::NotIn(states) => states.contains(value),
        }
    }

    /// The threshold that raises.
    #[must_use]
    pub fn threshold(self) -> f64 {
        match self {
            Self::Above { limit, .. } | Self::Below { limit, .. } | Self::Equals(limit) => limit,
            Self::In(states) | Self::NotIn(states) => states.first(),
        }
    }

    /// The worse of two values.
    #[must_use]
    pub fn worse(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Above { .. } => a.max(b),
            Self::Below { .. } => a.min(b),
            Self::Equals(_) | Self::In(_) | Self::NotIn(_) => b,
        }
    }

    /// The word in a rule: `above`, `below`, `equals`, `in` or `not_in`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Above { .. } => "above",
            Self::Below { .. } => "below",
            Self::Equals(_) => "equals",
            Self::In(_) => "in",
            Self::NotIn(_) => "not_in",
        }
    }
}
