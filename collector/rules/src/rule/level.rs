//! How bad an alert is, by its value and by how long it lasts.

use super::{Action, Bounds};
use std::time::Duration;
use tocsin_vocabulary::Severity;

/// Levels of one rule beside its own severity: there are five severities.
pub(crate) const LEVELS_MAX: usize = 4;

/// A worse severity of the same alert. It is reached by a value, by a duration, or by whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// How bad then.
    pub severity: Severity,
    /// What happens then; the rule's own action if `None`.
    pub action: Option<Action>,
    /// The value that is so bad. Left only beyond its own clear threshold.
    pub bounds: Option<Bounds>,
    /// How long the value must be so bad.
    pub hold: Duration,
    /// How long the condition must have held.
    pub after: Option<Duration>,
}
