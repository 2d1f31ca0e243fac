//! The store's face: opening, closing, and the short questions.

use crate::{
    committer::{Committer, Request},
    config::StoreConfig,
    disk::Disk,
    error::{OpenError, StoreError},
    health::{self, Counter, Health},
    host::Latest,
    recovery,
    shared::Shared,
};
use std::{
    any::Any,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread::JoinHandle,
};
use tocsin_vocabulary::{Dictionary, Hash, HostId, Series, SpoolId, Timestamp};

/// The metric store of one collector. Share it in an [`Arc`].
pub struct Store {
    shared: Arc<Shared>,
    committer: Mutex<Option<JoinHandle<()>>>,
    housekeeping: Mutex<()>,
    _lock: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("dir", &self.shared.config.dir)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store, made when its folder is empty, and rebuilds what was not sealed from the journal. Damage is set
    /// aside and counted in [`Health`]; it never prevents the start.
    ///
    /// # Errors
    /// When another process has it open, a newer version wrote it, or a file can't be made, read or written.
    pub fn open(config: StoreConfig, disk: Arc<dyn Disk>) -> Result<Self, OpenError> {
        let lock = recovery::claim(&config, disk.as_ref())?;
        let (shared, writer) = recovery::recover(config, disk)?;
        let shared = Arc::new(shared);
        let committer = Committer::new(shared.clone(), writer);
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || committer.run())
            .map_err(OpenError::io("start the journal's thread for", &shared.config.dir))?;
        Ok(Self {
            shared,
            committer: Mutex::new(Some(thread)),
            housekeeping: Mutex::new(()),
            _lock: lock,
        })
    }

    /// Writes what is queued and ends the committer. Later appends are refused.
    pub fn close(&self) {
        self.shared.queue.close();
        let thread = self.committer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the journal's thread ended by a panic");
        }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// One housekeeping at a time.
    pub(crate) fn housekeeping(&self) -> MutexGuard<'_, ()> {
        self.housekeeping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the committer begin a new segment where that is due, and waits for it.
    pub(crate) fn tidy_journal(&self, now: Timestamp) {
        let (done, wait) = mpsc::sync_channel(1);
        // A full queue means that there is no time for it now; a closed one, no need.
        if self.shared.queue.push(Request::Tidy(now, done), 0).is_ok() {
            let _ = wait.recv();
        }
    }

    /// Which of these sections must be sent before they can be used.
    #[must_use]
    pub fn missing_sections(&self, hashes: &[Hash]) -> Vec<Hash> {
        self.shared.dictionaries.missing(hashes)
    }

    /// Keeps sections given as canonical bytes; durable on return.
    ///
    /// # Errors
    /// When one is malformed or beyond a limit, or can't be written.
    pub fn put_sections(&self, sections: &[Vec<u8>]) -> Result<(), StoreError> {
        self.shared.dictionaries.put_sections(sections)
    }

    /// Keeps a dictionary made of known sections; durable on return.
    ///
    /// # Errors
    /// When a section is unknown, there are more than [`crate::config::SERIES_PER_HOST_MAX`] series, or it can't be written.
    pub fn put_dictionary(&self, sections: &[Hash]) -> Result<Dictionary, StoreError> {
        self.shared.dictionaries.put_dictionary(sections)
    }

    /// A dictionary by its hash.
    #[must_use]
    pub fn dictionary(&self, hash: Hash) -> Option<Dictionary> {
        self.shared.dictionaries.get(hash)
    }

    /// All hosts of which anything is known, sorted.
    #[must_use]
    pub fn hosts(&self) -> Vec<HostId> {
        self.shared.hosts.all().iter().map(|host| host.id).collect()
    }

    /// The spool with which a host connected last.
    #[must_use]
    pub fn current_spool(&self, host: HostId) -> Option<SpoolId> {
        self.shared.hosts.find(host)?.lock().current_spool
    }

    /// A host's newest tick; for one that is silent since before the last start, the newest of its blocks.
    #[must_use]
    pub fn latest(&self, host: HostId) -> Option<Latest> {
        let host = self.shared.hosts.find(host)?;
        let (latest, view) = {
            let state = host.lock();
            let view = state
                .latest
                .is_none()
                .then(|| state.head.newest_view(&self.shared.segments()));
            (state.latest.clone(), view)
        };
        let Some(view) = view else { return latest };
        let dictionaries = &self.shared.dictionaries;
        let of_block = || {
            let block = self.shared.blocks.newest(host.id).ok().flatten()?;
            recovery::newest_of(&block, dictionaries)
        };
        let latest = view.newest(dictionaries).or_else(of_block)?;
        host.lock()
            .offer_latest(&latest.tick, &latest.dictionary, latest.received_at);
        Some(latest)
    }

    /// What a host measures now, in cell order.
    #[must_use]
    pub fn series(&self, host: HostId) -> Vec<Series> {
        self.latest(host)
            .map(|latest| latest.dictionary.series().cloned().collect())
            .unwrap_or_default()
    }

    /// How the store is.
    #[must_use]
    pub fn health(&self) -> Health {
        health::health(&self.shared)
    }

    /// The store's own figures, for `/metrics`.
    #[must_use]
    pub fn counters(&self) -> Vec<Counter> {
        health::counters(&self.shared)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}
