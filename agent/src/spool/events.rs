//! Events in the spool: numbered apart from ticks, in small segments of their own, synced as they come, kept until the
//! collector has stored them, and dropped only when there is no tick left to drop.

use super::record::{self, Found, Kind, Walk};
use crate::files::{self, FileError};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, VecDeque},
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};
use tocsin_vocabulary::{Severity, SpoolId, Timestamp};

/// A segment of events is closed at this size.
pub(crate) const EVENT_SEGMENT_BYTES: u64 = 64 * 1024;
/// Most events kept in memory alone while the disk refuses to write; the oldest goes first and is counted.
pub(crate) const UNSAVED_MAX: usize = 1_024;

/// One event, as kept and sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredEvent {
    /// Its number, counted per spool from 1, upwards, holes allowed. The spool gives it.
    #[serde(skip)]
    pub seq: u64,
    /// When it happened.
    pub time: Timestamp,
    /// Such as `agent.started`.
    pub name: String,
    /// How bad.
    pub severity: Severity,
    /// What it is about.
    pub attributes: BTreeMap<String, String>,
    /// A sentence or the original line.
    pub body: String,
}

#[derive(Debug)]
struct Segment {
    path: PathBuf,
    first: u64,
    last: u64,
    bytes: u64,
}

/// The events that the collector may not have yet.
#[derive(Debug)]
pub(crate) struct EventQueue {
    dir: PathBuf,
    id: SpoolId,
    segments: VecDeque<Segment>,
    open: Option<File>,
    unsaved: VecDeque<StoredEvent>,
    pub(crate) dropped: u64,
}

impl EventQueue {
    pub(crate) const fn new(dir: PathBuf, id: SpoolId) -> Self {
        Self {
            dir,
            id,
            segments: VecDeque::new(),
            open: None,
            unsaved: VecDeque::new(),
            dropped: 0,
        }
    }

    /// Takes a segment of an earlier run of the agent; segments come in order of their names.
    pub(crate) fn adopt(&mut self, path: PathBuf, bytes: &[u8]) {
        let seqs: Vec<u64> = read(bytes).map(|event| event.seq).collect();
        if let (Some(&first), Some(&last)) = (seqs.first(), seqs.iter().max()) {
            self.segments.push_back(Segment {
                path,
                first,
                last,
                bytes: bytes.len() as u64,
            });
        } else {
            let _ = fs::remove_file(path);
        }
    }

    /// The newest number in the queue, 0 when empty.
    pub(crate) fn last(&self) -> u64 {
        let saved = self.segments.back().map_or(0, |segment| segment.last);
        saved.max(self.unsaved.back().map_or(0, |event| event.seq))
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Stores numbered events durably; on failure keeps them in memory.
    ///
    /// # Errors
    /// When the disk refuses; the events are then in memory only.
    pub(crate) fn append(&mut self, events: Vec<StoredEvent>) -> Result<(), FileError> {
        self.unsaved.extend(events);
        let result = self.save();
        while self.unsaved.len() > UNSAVED_MAX {
            self.unsaved.pop_front();
            self.dropped += 1;
        }
        result
    }

    /// Stores what is in memory alone, if anything is.
    ///
    /// # Errors
    /// When the disk still refuses.
    pub(crate) fn save(&mut self) -> Result<(), FileError> {
        let events: Vec<StoredEvent> = std::mem::take(&mut self.unsaved).into();
        let result = self.write(&events);
        if result.is_err() {
            self.open = None;
            self.unsaved = events.into();
        }
        result
    }

    fn write(&mut self, events: &[StoredEvent]) -> Result<(), FileError> {
        let (Some(first), Some(last)) = (events.first(), events.last()) else {
            return Ok(());
        };
        let mut bytes = Vec::new();
        for event in events {
            let json = serde_json::to_vec(event).unwrap_or_default();
            record::put(&mut bytes, Kind::Event, event.seq, &[&json]);
        }
        if self.open.is_none()
            || self
                .segments
                .back()
                .is_none_or(|segment| segment.bytes >= EVENT_SEGMENT_BYTES)
        {
            self.begin(first.seq)?;
        }
        let (Some(file), Some(segment)) = (self.open.as_mut(), self.segments.back_mut()) else {
            return Ok(());
        };
        file.write_all(&bytes)
            .and_then(|()| file.sync_data())
            .map_err(|error| FileError::new("write", &segment.path, error))?;
        segment.last = last.seq;
        segment.bytes += bytes.len() as u64;
        Ok(())
    }

    fn begin(&mut self, first: u64) -> Result<(), FileError> {
        let path = self.dir.join(format!("events-{first:020}.seg"));
        let mut file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| FileError::new("create", &path, error))?;
        let header = record::header(self.id);
        if let Err(error) = file.write_all(&header) {
            let _ = fs::remove_file(&path);
            return Err(FileError::new("write", &path, error));
        }
        self.open = Some(file);
        self.segments.push_back(Segment {
            path,
            first,
            last: first,
            bytes: header.len() as u64,
        });
        files::sync_dir(&self.dir)
    }

    /// Up to `count` events after `seq`, in order.
    pub(crate) fn after(&self, seq: u64, count: usize) -> Vec<StoredEvent> {
        let mut found: Vec<StoredEvent> = self.unsaved.iter().filter(|event| event.seq > seq).cloned().collect();
        let mut saved = 0;
        for segment in self.segments.iter().filter(|segment| segment.last > seq) {
            let bytes = fs::read(&segment.path).unwrap_or_default();
            let events: Vec<StoredEvent> = read(&bytes).filter(|event| event.seq > seq).collect();
            saved += events.len();
            found.extend(events);
            if saved >= count {
                break;
            }
        }
        found.sort_by_key(|event| event.seq);
        found.dedup_by_key(|event| event.seq);
        found.truncate(count);
        found
    }

    /// Whether a segment could go, now that everything up to `seq` is stored at the collector.
    pub(crate) fn would_forget(&self, seq: u64) -> bool {
        self.segments.front().is_some_and(|segment| segment.last <= seq)
    }

    /// Forgets what the collector has.
    pub(crate) fn acked(&mut self, seq: u64) {
        self.unsaved.retain(|event| event.seq > seq);
        while self.would_forget(seq) {
            self.pop();
        }
    }

    /// Drops the oldest segment; false when there is none.
    pub(crate) fn drop_oldest(&mut self) -> bool {
        let Some(segment) = self.segments.front() else {
            return false;
        };
        self.dropped += (segment.last - segment.first).saturating_add(1);
        self.pop();
        true
    }

    fn pop(&mut self) {
        if self.segments.len() == 1 {
            self.open = None;
        }
        if let Some(segment) = self.segments.pop_front()
            && let Err(error) = fs::remove_file(&segment.path)
        {
            tracing::warn!(path = %segment.path.display(), %error, "cannot remove a segment of events");
        }
    }
}

/// The events of a segment, as far as they are good.
fn read(bytes: &[u8]) -> impl Iterator<Item = StoredEvent> + '_ {
    Walk::new(bytes, record::HEADER_BYTES).filter_map(|found| match found {
        Found::Record(_, record) if record.kind == Kind::Event => {
            let mut event: StoredEvent = serde_json::from_slice(record.payload).ok()?;
            event.seq = record.seq;
            Some(event)
        }
        Found::Record(..) | Found::Damage(..) => None,
    })
}

/// Whether a file's name is that of a segment of events.
pub(crate) fn is_event_segment(path: &Path) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.starts_with("events-"))
}
