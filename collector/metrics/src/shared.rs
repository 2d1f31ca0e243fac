//! What the committer, the readers and the housekeeping share.

use crate::{
    blocks::Blocks, committer::Request, config::StoreConfig, dictionaries::Dictionaries, disk::Disk, health::Counters,
    host::Hosts, journal::queue::Queue,
};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize},
    },
};

/// The store without its thread.
pub(crate) struct Shared {
    pub(crate) config: StoreConfig,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) hosts: Hosts,
    pub(crate) dictionaries: Dictionaries,
    pub(crate) blocks: Blocks,
    pub(crate) queue: Queue<Request>,
    /// Set by a failed sync; never cleared.
    pub(crate) poisoned: Arc<AtomicBool>,
    pub(crate) head_bytes: AtomicUsize,
    pub(crate) counters: Counters,
    segments: Mutex<BTreeMap<u32, u64>>,
}

impl Shared {
    pub(crate) fn new(
        config: StoreConfig,
        disk: Arc<dyn Disk>,
        dictionaries: Dictionaries,
        blocks: Blocks,
        poisoned: Arc<AtomicBool>,
        segments: BTreeMap<u32, u64>,
    ) -> Self {
        Self {
            config,
            disk,
            hosts: Hosts::default(),
            dictionaries,
            blocks,
            queue: Queue::new(),
            poisoned,
            head_bytes: AtomicUsize::new(0),
            counters: Counters::default(),
            segments: Mutex::new(segments),
        }
    }

    /// The folder of the journal's segments.
    pub(crate) fn journal_dir(&self) -> PathBuf {
        self.config.dir.join("journal")
    }

    /// Segments and their sizes in bytes; the last one is being written.
    pub(crate) fn segments(&self) -> MutexGuard<'_, BTreeMap<u32, u64>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the size of the segment that is being written.
    pub(crate) fn set_active_bytes(&self, segment: u32, bytes: u64) {
        self.segments().insert(segment, bytes);
    }
}
