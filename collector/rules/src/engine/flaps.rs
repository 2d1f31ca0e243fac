//! Alerts that come and go: after a few times they stay one alert until it is quiet for long enough.

use crate::rule::Flapping;
use tocsin_vocabulary::Timestamp;

/// When one alert was raised lately, in our time. Empty for nearly all.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Flaps(Vec<Timestamp>);

impl Flaps {
    /// The alert is raised now; whether it is flapping.
    pub(super) fn raised(&mut self, now: Timestamp, rule: Option<Flapping>) -> bool {
        let Some(Flapping { raises, within, .. }) = rule else {
            self.0.clear();
            return false;
        };
        self.0.retain(|then| now.since(*then) < within);
        self.0.push(now);
        let spare = self.0.len().saturating_sub(usize::from(raises));
        self.0.drain(..spare);
        self.0.len() >= usize::from(raises)
    }

    /// Whether all of it is longer ago than rules look back.
    pub(super) fn is_stale(&self, now: Timestamp) -> bool {
        self.0
            .last()
            .is_none_or(|last| now.since(*last) >= Flapping::WITHIN_MAX)
    }
}
