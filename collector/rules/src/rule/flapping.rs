//! When an alert that comes and goes stays.

use std::time::Duration;

/// An alert that is raised so often in so much time is not cleared until it was healthy for longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flapping {
    /// How often it is raised; the last time it stays.
    pub raises: u8,
    /// In how much time.
    pub within: Duration,
    /// For how long it must be healthy then.
    pub calm: Duration,
}

impl Flapping {
    /// What counts where a rule says nothing: the fifth time in an hour it stays, until a quarter of an hour was quiet.
    pub const DEFAULT: Self = Self {
        raises: 5,
        within: Duration::from_secs(3_600),
        calm: Duration::from_secs(900),
    };
    /// The longest time in which raises are counted.
    pub const WITHIN_MAX: Duration = Duration::from_secs(86_400);
}
