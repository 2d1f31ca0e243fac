//! The bytes of one file: what programs see, what is safe, and what a power cut leaves of them.

use super::random::Random;
use std::ops::Range;

/// How the unsynced bytes of the whole disk fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// All of them reached the disk.
    Kept,
    /// None did.
    Lost,
    /// Sectors of this size reached it or not, each for itself; so did the file's size.
    Torn(usize),
}

impl Fate {
    pub(super) fn of(random: &mut Random) -> Self {
        match random.within(0, 5) {
            0 => Self::Kept,
            1 => Self::Lost,
            2 => Self::Torn(512),
            3 => Self::Torn(16),
            _ => Self::Torn(64),
        }
    }
}

/// One file.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    /// What programs read.
    pub(super) seen: Vec<u8>,
    /// What was there when the last sync succeeded.
    safe: Vec<u8>,
    /// As [`Self::safe`], one sync earlier.
    safe_before: Vec<u8>,
    /// Shortest length since the last sync: below it nothing was changed.
    low: usize,
    /// Written, then not synced by a sync that failed: the system may have dropped it, whatever later syncs say.
    doubtful: Vec<Range<usize>>,
    /// What the file held when it was last renamed into place. A cut may leave the old file or this, nothing else.
    published: Option<Vec<u8>>,
}

impl Content {
    /// A file that holds this, safely.
    pub(super) fn settled(bytes: Vec<u8>) -> Self {
        Self {
            safe: bytes.clone(),
            safe_before: bytes.clone(),
            low: bytes.len(),
            seen: bytes,
            ..Self::default()
        }
    }

    pub(super) fn write_at(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if self.seen.len() < end {
            self.seen.resize(end, 0);
        }
        self.seen[offset..end].copy_from_slice(bytes);
        self.low = self.low.min(offset);
    }

    pub(super) fn truncate(&mut self, length: usize) {
        self.seen.resize(length, 0);
        self.low = self.low.min(length);
        for range in &mut self.doubtful {
            range.end = range.end.min(length);
        }
        self.doubtful.retain(|range| range.start < range.end);
        if self
            .published
            .as_ref()
            .is_some_and(|published| published.len() > length)
        {
            self.published = None;
        }
    }

    pub(super) fn sync(&mut self) {
        self.safe_before = std::mem::replace(&mut self.safe, self.seen.clone());
        self.low = self.seen.len();
    }

    pub(super) fn sync_failed(&mut self) {
        if self.low < self.seen.len() {
            self.doubtful.push(self.low..self.seen.len());
        }
    }

    pub(super) fn rename(&mut self) {
        self.published = Some(self.seen.clone());
    }

    /// As if the last sync had not come yet.
    pub(super) fn forget_sync(&mut self) {
        self.safe.clone_from(&self.safe_before);
        let same = self.safe.iter().zip(&self.seen).take_while(|(a, b)| a == b).count();
        self.low = same;
    }

    /// What a restart finds.
    pub(super) fn survive(&self, fate: Fate, random: &mut Random) -> Vec<u8> {
        let mut bytes = match fate {
            Fate::Kept => self.seen.clone(),
            Fate::Lost => self.safe.clone(),
            Fate::Torn(sector) => self.torn(sector, random),
        };
        for range in &self.doubtful {
            if random.one_in(2) {
                let end = range.end.min(bytes.len());
                bytes[range.start.min(end)..end].fill(0);
            }
        }
        bytes
    }

    fn torn(&self, sector: usize, random: &mut Random) -> Vec<u8> {
        let length = random.within(self.low, self.seen.len().max(self.safe.len()));
        let mut bytes = self.seen[..self.low].to_vec();
        while bytes.len() < length {
            let end = (bytes.len() / sector + 1).saturating_mul(sector).min(length);
            let reached = random.one_in(2);
            for at in bytes.len()..end {
                let old = self.safe.get(at).copied().unwrap_or(0);
                bytes.push(if reached {
                    self.seen.get(at).copied().unwrap_or(old)
                } else {
                    old
                });
            }
        }
        bytes
    }

    /// Whether this is half of what was renamed into place.
    pub(super) fn is_half(&self, found: &[u8]) -> bool {
        self.published
            .as_ref()
            .is_some_and(|published| !found.starts_with(published))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(content: &mut Content, bytes: &[u8]) {
        content.write_at(content.seen.len(), bytes);
    }

    #[test]
    fn what_was_synced_survives_every_fate() {
        for seed in 0..500 {
            let mut random = Random::new(seed);
            let mut content = Content::default();
            append(&mut content, &[7; 100]);
            content.sync();
            append(&mut content, &[8; 900]);
            let fate = Fate::of(&mut random);
            let found = content.survive(fate, &mut random);
            assert!(found.starts_with(&[7; 100]), "{fate:?}");
            assert!(found[100..].iter().all(|byte| [0, 8].contains(byte)));
        }
    }

    #[test]
    fn bytes_of_a_failed_sync_stay_doubtful_after_one_that_succeeds() {
        let mut content = Content::settled(b"old".to_vec());
        append(&mut content, b"new");
        content.sync_failed();
        content.sync();
        let lost = (0..20).any(|seed| content.survive(Fate::Kept, &mut Random::new(seed)) == b"old\0\0\0");
        assert!(lost);
        content.truncate(3);
        append(&mut content, b"again");
        content.sync();
        assert!((0..20).all(|seed| content.survive(Fate::Lost, &mut Random::new(seed)) == b"oldagain"));
    }

    #[test]
    fn a_cut_amid_a_rewrite_may_leave_old_and_new_mixed() {
        let mut content = Content::settled(vec![1; 200]);
        content.truncate(0);
        append(&mut content, &[2; 200]);
        let mixed = |seed| {
            let found = content.survive(Fate::Torn(16), &mut Random::new(seed));
            found.contains(&1) && found.contains(&2)
        };
        assert!((0..20).any(mixed));
    }
}
