//! The values of a fleet for a peer: the same hosts, the same ticks, at the same times, by remote-write.

use super::{
    model::{Machine, Model},
    pace::{self, Pace},
    peer::Peer,
    register,
    remote_write::{Batch, encoded_labels},
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tocsin_vocabulary::{Timestamp, batch::Cell};

/// Samples of one request.
pub const BATCH_SAMPLES: usize = 10_000;

/// One host as the peer is told of it.
#[derive(Debug)]
pub struct Source {
    machine: Machine,
    pace: Pace,
    labels: Vec<Box<[u8]>>,
    decimals: Vec<u8>,
    sent: u64,
}

impl Source {
    /// The host of a model with this number and pace; ticks up to `sent` are not told.
    #[must_use]
    pub fn new(model: &Model, number: usize, pace: Pace, sent: u64) -> Self {
        let machine = model.machine(number as u64);
        let name = register::name(number as u64);
        let series = machine.dictionary().series();
        let labels = series.map(|series| encoded_labels(series, &name)).collect();
        let decimals = machine.dictionary().series().map(|series| series.decimals).collect();
        Self {
            machine,
            pace,
            labels,
            decimals,
            sent,
        }
    }

    /// The next tick's time.
    #[must_use]
    pub fn next_at(&self) -> Timestamp {
        self.pace.time(self.sent + 1)
    }

    fn add_next(&mut self, batch: &mut Batch) {
        let time = self.next_at();
        self.sent += 1;
        let cells = self.machine.cells(self.sent);
        add_cells(batch, &cells, &self.labels, &self.decimals, time);
    }
}

/// Adds each value of a tick to a batch.
pub fn add_cells(batch: &mut Batch, cells: &[Cell], labels: &[Box<[u8]>], decimals: &[u8], time: Timestamp) {
    for ((cell, labels), decimals) in cells.iter().zip(labels).zip(decimals) {
        if let Some(value) = cell.to_f64(*decimals) {
            batch.add(labels, value, time);
        }
    }
}

/// Feeds a peer until dropped.
#[derive(Debug)]
pub struct Feed {
    samples: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Feed {
    /// Feeds `peer` with `sources`, each tick at its time.
    #[must_use]
    pub fn start(peer: Arc<Peer>, sources: Vec<Source>) -> Self {
        let samples = Arc::new(AtomicU64::new(0));
        let task = tokio::spawn(run(peer, sources, samples.clone()));
        Self { samples, task }
    }

    /// Samples that the peer took so far.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.samples.load(Ordering::Acquire)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(peer: Arc<Peer>, mut sources: Vec<Source>, samples: Arc<AtomicU64>) {
    let mut batch = Batch::default();
    // In order of their phases, so that the next one is always the one whose turn it is.
    sources.sort_by_key(Source::next_at);
    loop {
        for source in &mut sources {
            tokio::time::sleep(source.next_at().since(pace::now())).await;
            source.add_next(&mut batch);
            if batch.len() >= BATCH_SAMPLES {
                let count = batch.len() as u64;
                peer.write(batch.take()).await;
                samples.fetch_add(count, Ordering::AcqRel);
            }
        }
    }
}
