//! Reads records one by one across segments, up to what is durable, and steps over damage.

use crate::{
    bytes::length_u32,
    config::RECORD_BYTES_MAX,
    disk::DiskFile,
    error::StoreError,
    journal::{
        record::{HEADER_BYTES, Kind, MAGIC, unframe},
        segment_path,
    },
    shared::Shared,
};
use std::{io, sync::Arc};

/// Bytes read at once.
const WINDOW_BYTES: usize = 1 << 20;
/// As above where no whole record begins. Any record fits in half of it, so each place in the first half can be judged.
const WIDE_BYTES: usize = 2 * (RECORD_BYTES_MAX + HEADER_BYTES);

/// A whole record and where it lies.
pub(super) struct Record<'a> {
    pub(super) kind: Kind,
    pub(super) segment: u32,
    pub(super) offset: u32,
    pub(super) body: &'a [u8],
}

/// A place in the journal.
#[derive(Debug)]
pub(super) struct Reader {
    /// Segment of the next record.
    pub(super) segment: u32,
    /// Place of the next record there.
    pub(super) offset: u32,
    /// Bytes read from the disk in all.
    pub(super) bytes_read: u64,
    /// Whether the segment before this one was read to its end, and not dropped under the reader.
    pub(super) left_whole: bool,
    file: Option<Arc<dyn DiskFile>>,
    /// Bytes of the segment from `offset - used` on.
    window: Vec<u8>,
    used: usize,
}

impl Reader {
    /// At the start of a segment.
    pub(super) const fn new(segment: u32) -> Self {
        Self {
            segment,
            offset: 0,
            bytes_read: 0,
            left_whole: false,
            file: None,
            window: Vec::new(),
            used: 0,
        }
    }

    /// The next whole record; none at the end of what is durable.
    pub(super) fn next(&mut self, shared: &Shared) -> Result<Option<Record<'_>>, StoreError> {
        while let Some(durable) = self.find(shared) {
            let length = match self.whole_here(shared, durable) {
                Ok(Some(length)) => length,
                Ok(None) => continue,
                // Dropped just now: what comes after it is found in the next round.
                Err(error) if error.kind() == io::ErrorKind::NotFound && !self.is_held(shared) => continue,
                Err(error) => {
                    return Err(StoreError::write(
                        "read",
                        segment_path(&shared.journal_dir(), self.segment),
                    )(error));
                }
            };
            let (segment, offset, start) = (self.segment, self.offset, self.used);
            self.used += length;
            self.offset = offset.saturating_add(length_u32(length));
            let whole = self.window.get(start..).unwrap_or_default();
            return Ok(unframe(whole, segment, offset).map(|(kind, body)| Record {
                kind,
                segment,
                offset,
                body,
            }));
        }
        Ok(None)
    }

    /// Takes back the record that was read last, whose body had this length.
    pub(super) fn unread(&mut self, body: usize) {
        let length = HEADER_BYTES + body;
        self.used = self.used.saturating_sub(length);
        self.offset = self.offset.saturating_sub(length_u32(length));
    }

    /// Length of the whole record that begins here; none after damage was stepped over.
    fn whole_here(&mut self, shared: &Shared, durable: u64) -> io::Result<Option<usize>> {
        if let Some(length) = self.whole() {
            return Ok(Some(length));
        }
        self.fill(shared, durable, WINDOW_BYTES)?;
        if let Some(length) = self.whole() {
            return Ok(Some(length));
        }
        self.step_over_damage(shared, durable)?;
        Ok(None)
    }

    /// Length of the whole record that begins here, if it is in the window.
    fn whole(&self) -> Option<usize> {
        let rest = self.window.get(self.used..)?;
        unframe(rest, self.segment, self.offset).map(|(_, body)| HEADER_BYTES + body.len())
    }

    fn is_held(&self, shared: &Shared) -> bool {
        shared.segments().contains_key(&self.segment)
    }

    /// Goes to a segment that has something to read; answers its durable length.
    fn find(&mut self, shared: &Shared) -> Option<u64> {
        let segments = shared.segment_lengths();
        loop {
            let (&number, &length) = segments.range(self.segment..).next()?;
            if number != self.segment {
                self.enter(number, false);
            }
            if u64::from(self.offset) < length {
                return Some(length);
            }
            let (&next, _) = segments.range(number.saturating_add(1)..).next()?;
            self.enter(next, true);
        }
    }

    fn enter(&mut self, segment: u32, left_whole: bool) {
        *self = Self {
            bytes_read: self.bytes_read,
            left_whole,
            ..Self::new(segment)
        };
    }

    /// Reads a window that begins here.
    fn fill(&mut self, shared: &Shared, durable: u64, most: usize) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => file.clone(),
            None => shared
                .disk
                .open(&segment_path(&shared.journal_dir(), self.segment), false)?,
        };
        self.file = Some(file.clone());
        let left = durable.saturating_sub(u64::from(self.offset));
        self.window = vec![0; usize::try_from(left).unwrap_or(usize::MAX).min(most)];
        self.used = 0;
        self.bytes_read += self.window.len() as u64;
        let filled = file.read_at(u64::from(self.offset), &mut self.window);
        if filled.is_err() {
            self.window.clear();
        }
        filled
    }

    /// No whole record begins in a window here: it is longer than that, or there is damage. Goes to the next whole one, or
    /// past what can be judged.
    fn step_over_damage(&mut self, shared: &Shared, durable: u64) -> io::Result<()> {
        self.fill(shared, durable, WIDE_BYTES)?;
        let at_end = u64::from(self.offset) + self.window.len() as u64 >= durable;
        let judged = if at_end {
            self.window.len()
        } else {
            self.window.len() / 2
        };
        let is_record = |at: usize| {
            let rest = &self.window[at..];
            rest.starts_with(&MAGIC)
                && unframe(rest, self.segment, self.offset.saturating_add(length_u32(at))).is_some()
        };
        let skipped = (0..judged).find(|at| is_record(*at)).unwrap_or(judged);
        self.used = skipped;
        self.offset = self.offset.saturating_add(length_u32(skipped));
        Ok(())
    }
}
