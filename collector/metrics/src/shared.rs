//! What the committer, the readers and the housekeeping share.

use crate::{
    blocks::Blocks,
    committer::Request,
    config::StoreConfig,
    dictionaries::Dictionaries,
    disk::{Disk, DiskFile},
    head::scratch::Scratch,
    health::Counters,
    host::Hosts,
    journal::queue::Queue,
    query::gate::Gate,
    retention::Classes,
    rollups::Rollups,
    tail::Pins,
};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize},
    },
};

/// One journal segment.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    /// Its size in bytes.
    pub(crate) bytes: u64,
    /// To read it.
    pub(crate) file: Arc<dyn DiskFile>,
}

/// The journal's segments by number; the last one is being written.
pub(crate) type Segments = BTreeMap<u32, Segment>;

/// The store without its thread.
pub(crate) struct Shared {
    pub(crate) config: StoreConfig,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) hosts: Hosts,
    pub(crate) dictionaries: Dictionaries,
    pub(crate) blocks: Blocks,
    pub(crate) rollups: Rollups,
    pub(crate) gate: Gate,
    /// Which host is of which retention class.
    pub(crate) classes: Classes,
    pub(crate) queue: Queue<Request>,
    /// Set by a failed sync; never cleared.
    pub(crate) poisoned: Arc<AtomicBool>,
    pub(crate) head_bytes: AtomicUsize,
    pub(crate) counters: Counters,
    pub(crate) scratch: Mutex<Scratch>,
    /// What readers of the journal still need.
    pub(crate) pins: Pins,
    segments: Mutex<Segments>,
}

impl Shared {
    #[allow(
        clippy::too_many_arguments,
        reason = "these are its parts, put together in one place"
    )]
    pub(crate) fn new(
        config: StoreConfig,
        disk: Arc<dyn Disk>,
        dictionaries: Dictionaries,
        blocks: Blocks,
        poisoned: Arc<AtomicBool>,
        scratch: Scratch,
        hosts: Hosts,
        segments: Segments,
    ) -> Self {
        Self {
            rollups: Rollups::new(&config.dir),
            gate: Gate::new(),
            classes: Classes::default(),
            config,
            disk,
            hosts,
            dictionaries,
            blocks,
            queue: Queue::new(),
            poisoned,
            head_bytes: AtomicUsize::new(0),
            counters: Counters::default(),
            scratch: Mutex::new(scratch),
            pins: Pins::default(),
            segments: Mutex::new(segments),
        }
    }

    /// The folder of the journal's segments.
    pub(crate) fn journal_dir(&self) -> PathBuf {
        self.config.dir.join("journal")
    }

    /// The journal's segments. Locked shortly, also under a host's lock, and never the other way round.
    pub(crate) fn segments(&self) -> MutexGuard<'_, Segments> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers of the segments and how many bytes of each are durable.
    pub(crate) fn segment_lengths(&self) -> BTreeMap<u32, u64> {
        let segments = self.segments();
        segments
            .iter()
            .map(|(number, segment)| (*number, segment.bytes))
            .collect()
    }

    /// Notes the size of the segment that is being written.
    pub(crate) fn set_active(&self, number: u32, bytes: u64, file: &Arc<dyn DiskFile>) {
        let file = file.clone();
        self.segments().insert(number, Segment { bytes, file });
    }
}
