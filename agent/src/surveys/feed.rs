//! What looks by itself, at its own pace, and has its findings ready when a tick comes.

use super::{
    Findings, Part,
    taken::{Change, Taken},
};
use crate::sources::HostEvent;
use std::sync::Arc;
use tocsin_vocabulary::{Section, batch::Cell};

/// Gives findings without waiting for anything.
pub(crate) trait Feed: Send + Sync {
    /// All that is known now, when that is more than what was `seen`, which is brought up to date; none when nothing
    /// changed. A taker that has seen nothing begins with 0.
    fn take(&self, seen: &mut u64) -> Option<Findings>;
}

/// A feed, perhaps, and what was taken from it last.
#[derive(Default)]
pub(super) struct Fed {
    pub(super) feed: Option<Arc<dyn Feed>>,
    seen: u64,
    taken: Taken,
}

impl Fed {
    pub(super) fn new(feed: Option<Arc<dyn Feed>>) -> Self {
        Self {
            feed,
            ..Self::default()
        }
    }

    /// Appends the values that are known to `cells`; says what changed.
    pub(super) fn sample(&mut self, cells: &mut Vec<Cell>, events: &mut Vec<HostEvent>) -> Change {
        let found = self.feed.as_ref().and_then(|feed| feed.take(&mut self.seen));
        let change = found.map(|findings| self.taken.take(findings, events));
        self.taken.fill(cells, false);
        change.unwrap_or_default()
    }

    pub(super) fn section(&self) -> Arc<Section> {
        self.taken.section()
    }

    pub(super) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.taken.parts()
    }
}
