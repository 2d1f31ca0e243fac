//! Keeping the spool within its bound, where the oldest ticks go first and events last, and off a disk that is nearly full.

use super::{Gap, GapReason, Spool};
use std::{collections::HashSet, fs};
use tocsin_vocabulary::Hash;

/// The spool stops growing when less than 1/20 (5 %) of its file system is free …
const FREE_FRACTION: u64 = 20;
/// … unless that many bytes are: then a spool does no harm, however large the disk is.
const FREE_BYTES_ENOUGH: u64 = 4 * 1024 * 1024 * 1024;

impl Spool {
    pub(super) fn check_disk(&mut self) {
        let Ok(disk) = rustix::fs::statvfs(&self.dir) else {
            return;
        };
        let low = is_low(disk.f_bavail, disk.f_blocks, disk.f_frsize);
        if low && !self.disk_low {
            tracing::warn!("less than 5 % of the spool's disk is free: ticks are sent but not stored");
        }
        if low {
            self.problem = Some("less than 5 % of the disk is free: free some space".to_owned());
        }
        self.disk_low = low;
    }

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

/// Whether so few blocks are available that the spool must not take any more.
pub(super) fn is_low(available: u64, blocks: u64, block_bytes: u64) -> bool {
    available < blocks / FREE_FRACTION && available.saturating_mul(block_bytes) < FREE_BYTES_ENOUGH
}
