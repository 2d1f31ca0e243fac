//! Keeping the spool within its bound: the oldest ticks go first, events last.

use super::{Gap, GapReason, Spool};
use std::{collections::HashSet, fs};
use tocsin_vocabulary::Hash;

impl Spool {
    pub(super) fn enforce_bound(&mut self) {
        while self.bytes() > self.bytes_max {
            if let Some(segment) = self.segments.front() {
                if self.segments.len() == 1 && self.open.is_some() {
                    self.open = None;
                    self.key_wanted = true;
                    self.last_failure = GapReason::SpoolFull;
                }
                let span = segment
                    .runs
                    .first()
                    .zip(segment.runs.last())
                    .map(|(a, b)| (a.first, b.last, a.from, b.to));
                if let Some((first, last, from, to)) = span {
                    self.ticks_dropped += last + 1 - first;
                    self.state.add_gap(Gap {
                        first,
                        last,
                        from,
                        to,
                        reason: GapReason::SpoolFull,
                    });
                }
                self.save();
                self.pop_segment();
            } else {
                self.save();
                if !self.events.drop_oldest() {
                    return;
                }
            }
        }
    }

    pub(super) fn pop_back(&mut self) {
        if let Some(segment) = self.segments.pop_back() {
            let _ = fs::remove_file(&segment.path);
        }
    }

    pub(super) fn pop_segment(&mut self) {
        let Some(segment) = self.segments.pop_front() else {
            return;
        };
        if let Some((first, last)) = segment.first().zip(segment.last()) {
            self.stored.remove(first, last);
        }
        if let Err(error) = fs::remove_file(&segment.path) {
            tracing::warn!(path = %segment.path.display(), %error, "cannot remove a segment of ticks");
        }
        let used: HashSet<Hash> = self.runs().map(|run| run.dictionary).chain(self.newest).collect();
        self.dictionaries.retain(|hash, _| used.contains(hash));
    }
}
