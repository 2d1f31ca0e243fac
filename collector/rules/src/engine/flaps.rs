//! Alerts that come and go: after a few times they stay one alert until it is quiet for long enough.

use crate::{few::Few, rule::Flapping};
use tocsin_vocabulary::Timestamp;

/// When one alert was raised lately, in our time. Empty for nearly all.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Flaps(Few<Timestamp>);

impl Flaps {
    /// The alert is raised now; whether it is flapping.
    pub(super) fn raised(&mut self, now: Timestamp, rule: Option<Flapping>) -> bool {
        let Some(Flapping { raises, within, .. }) = rule else {
            self.0 = Few::new();
            return false;
        };
        self.0.change(|times| {
            times.retain(|then| now.since(*then) < within);
            times.push(now);
            let spare = times.len().saturating_sub(usize::from(raises));
            times.drain(..spare);
            times.len() >= usize::from(raises)
        })
    }

    /// Whether all of it is longer ago than rules look back.
    pub(super) fn is_stale(&self, now: Timestamp) -> bool {
        self.0
            .last()
            .is_none_or(|last| now.since(*last) >= Flapping::WITHIN_MAX)
    }
}
