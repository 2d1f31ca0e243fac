//! The thread that owns the documents, so that a slow disk delays neither sampling nor the link.

use super::{Store, Version};
use crate::{
    clock::SharedClock,
    spool::{StoredEvent, worker::SpoolHandle},
    surveys::Document,
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, TrySendError},
    },
    thread,
    time::Duration,
};
use tocsin_vocabulary::{Severity, Timestamp};
use tokio::sync::{oneshot, watch};

/// Orders that may wait for the disk; beyond it documents stay with their sender.
const ORDERS_MAX: usize = 64;
/// What a collector has is offered again this often: one that lost its ledger has all of it again after that.
const OFFER_ALL_EVERY: Duration = Duration::from_secs(86_400);
const STACK_BYTES: usize = 256 << 10;

/// What others may know of the documents at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DocumentsView {
    /// By number.
    pub versions: Arc<[Version]>,
    /// Versions given up since the agent started, though no collector had them.
    pub dropped: u64,
    /// Why nothing is stored at present.
    pub problem: Option<String>,
}

enum Order {
    Put(Vec<Document>, Timestamp),
    Acked(u64),
    Read(String, oneshot::Sender<Option<Vec<u8>>>),
}

/// How others reach the documents. Nothing here blocks.
#[derive(Clone)]
pub struct DocumentsHandle {
    orders: mpsc::SyncSender<Order>,
    view: watch::Receiver<DocumentsView>,
    offered_all_at: Arc<Mutex<Option<Duration>>>,
}

/// Starts the thread.
///
/// # Errors
/// When the system refuses another thread.
pub(crate) fn start(store: Store, spool: SpoolHandle, clock: SharedClock) -> std::io::Result<DocumentsHandle> {
    let (orders, inbox) = mpsc::sync_channel(ORDERS_MAX);
    let (publish, view) = watch::channel(view(&store));
    thread::Builder::new()
        .name("documents".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || serve(store, &inbox, &publish, &spool, &clock))?;
    Ok(DocumentsHandle {
        orders,
        view,
        offered_all_at: Arc::default(),
    })
}

fn view(store: &Store) -> DocumentsView {
    DocumentsView {
        versions: store.versions().into(),
        dropped: store.dropped,
        problem: store.problem.clone(),
    }
}

fn serve(
    mut store: Store,
    inbox: &mpsc::Receiver<Order>,
    publish: &watch::Sender<DocumentsView>,
    spool: &SpoolHandle,
    clock: &SharedClock,
) {
    let mut told = 0;
    while let Ok(order) = inbox.recv() {
        match order {
            Order::Put(documents, now) => {
                store.put(documents, now);
            }
            Order::Acked(number) => {
                store.acked(number);
            }
            // Who asked may have gone meanwhile.
            Order::Read(hash, reply) => drop(reply.send(store.read(&hash))),
        }
        if store.dropped > told {
            let event = dropped(store.dropped - told, clock.wall());
            told = store.dropped;
            // A full spool has more to tell than this.
            let _ = spool.events(vec![event]);
        }
        publish.send_if_modified(|before| {
            let now = view(&store);
            let changed = *before != now;
            *before = now;
            changed
        });
    }
}

fn dropped(count: u64, now: Timestamp) -> StoredEvent {
    tracing::warn!(
        count,
        "versions of documents were given up: too many wait for a collector"
    );
    StoredEvent {
        seq: 0,
        time: now,
        name: "agent.documents.dropped".to_owned(),
        severity: Severity::Warning,
        attributes: BTreeMap::from([("count".to_owned(), count.to_string())]),
        body: format!("{count} versions of documents were given up before a collector had them"),
    }
}

impl DocumentsHandle {
    /// What is kept; changes as documents come and are acknowledged.
    #[must_use]
    pub fn view(&self) -> watch::Receiver<DocumentsView> {
        self.view.clone()
    }

    /// Hands documents over; gives them back when the queue is full.
    ///
    /// # Errors
    /// With the documents, to be handed over again.
    pub fn put(&self, documents: Vec<Document>, now: Timestamp) -> Result<(), Vec<Document>> {
        match self.orders.try_send(Order::Put(documents, now)) {
            Err(TrySendError::Full(Order::Put(documents, _))) => Err(documents),
            _ => Ok(()),
        }
    }

    /// A collector has this version, or will never take it. Lost when the queue is full; it is offered again then.
    pub fn acked(&self, number: u64) {
        let _ = self.orders.try_send(Order::Acked(number));
    }

    /// Asks for a content by its hash. The receiver fails when the queue is full.
    #[must_use]
    pub fn read(&self, hash: String) -> oneshot::Receiver<Option<Vec<u8>>> {
        let (reply, answer) = oneshot::channel();
        let _ = self.orders.try_send(Order::Read(hash, reply));
        answer
    }

    /// Whether a stream that opens now is to offer also what a collector has: once a run of the agent, then daily.
    #[must_use]
    pub fn offers_all(&self, mono: Duration) -> bool {
        let mut at = self.offered_all_at.lock().unwrap_or_else(PoisonError::into_inner);
        let due = at.is_none_or(|at| mono.saturating_sub(at) >= OFFER_ALL_EVERY);
        if due {
            *at = Some(mono);
        }
        due
    }
}
