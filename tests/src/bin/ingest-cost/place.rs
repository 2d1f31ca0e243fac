//! A metric store on a real disk.

use super::Options;
use std::{
    path::PathBuf,
    sync::{Arc, mpsc},
};
use tempfile::TempDir;
use tocsin_metrics::{Store, StoreConfig, StoreError, Stream, disk::RealDisk};
use tocsin_vocabulary::{Dictionary, HostId, SpoolId};

/// A store in a folder that is removed with it.
pub(super) struct Place {
    pub(super) store: Store,
    pub(super) folder: PathBuf,
    _temporary: TempDir,
}

impl Place {
    pub(super) fn open(options: &Options) -> Self {
        let temporary = match &options.folder {
            Some(folder) => tempfile::tempdir_in(folder),
            None => tempfile::tempdir(),
        };
        let temporary = temporary.expect("a folder");
        let folder = temporary.path().join("metrics");
        // A disk that is nearly full shall not change what is measured.
        let config = StoreConfig {
            free_bytes_min: 0,
            free_percent_min: 0,
            ..StoreConfig::new(&folder)
        };
        Self {
            store: Store::open(config, Arc::new(RealDisk::new())).expect("a store"),
            folder,
            _temporary: temporary,
        }
    }

    /// Makes a dictionary known, as a host's offer does.
    pub(super) fn learn(&self, dictionary: &Dictionary) {
        let sections = dictionary.sections();
        let bytes: Vec<Vec<u8>> = sections.iter().map(|section| section.bytes()).collect();
        self.store.put_sections(&bytes).expect("sections");
        let hashes: Vec<_> = sections.iter().map(|section| section.hash()).collect();
        self.store.put_dictionary(&hashes).expect("a dictionary");
    }

    /// The stream of host `number`.
    pub(super) fn stream(&self, number: u64) -> Stream {
        let mut id = [7; 16];
        id[..8].copy_from_slice(&number.to_le_bytes());
        self.store
            .begin_stream(HostId::from_bytes(id), SpoolId::from_bytes(id), 1)
    }
}

/// Counts what becomes durable.
pub(super) struct Durable {
    sender: mpsc::Sender<Result<(), StoreError>>,
    receiver: mpsc::Receiver<Result<(), StoreError>>,
    open: usize,
}

impl Durable {
    pub(super) fn new() -> Self {
        let (sender, receiver) = mpsc::channel();
        Self {
            sender,
            receiver,
            open: 0,
        }
    }

    /// What the store calls for one more batch.
    pub(super) fn one(&mut self) -> tocsin_metrics::OnDurable {
        self.open += 1;
        let sender = self.sender.clone();
        Box::new(move |outcome| drop(sender.send(outcome)))
    }

    /// Waits until all are durable.
    pub(super) fn all(&mut self) {
        for _ in 0..std::mem::take(&mut self.open) {
            let outcome = self.receiver.recv().expect("a verdict");
            outcome.expect("a durable batch");
        }
    }
}
