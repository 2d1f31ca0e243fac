//! The backlog of all agents: one pool of credit, and one task that brings chunks to the store.
//!
//! Live comes first, in three ways. A stream gets credit only after its first live tick. What all agents together may
//! have under way is bounded by [`Room`]: 256 chunks and 8 MiB unless set otherwise, whatever the number of agents, so
//! that at most an eighth of the store's queue is backlog and a live tick waits for at most one group of it. And chunks
//! are decoded one after the other, off the runtime's threads, while their streams go on: on a machine with two cores
//! that is about a third of the processor.
//!
//! Memory: each chunk under way is held once as received (its share of the 8 MiB) and once decoded, until its sync. A
//! first chunk counts as sixty times the live tick before it, later ones as what the last one was; a host whose chunks
//! turn out larger uses up the room of others, it does not add to it.
//!
//! * [`pool`] — whose turn it is.

pub mod pool;

use super::stream::News;
use crate::{clock::Clock, engine::past::Asked, limits::Limits};
use pool::{Arrival, Pool, Room};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tocsin_metrics::{OnDurable, Store, config::GROUP_BYTES_MAX};
use tocsin_proto::v1;
use tocsin_vocabulary::{Timestamp, batch::Times};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Payload of all chunks under way, in bytes: what the journal writes in one go.
const BYTES_MAX: usize = GROUP_BYTES_MAX;
/// How often credit that lies idle is looked for.
const LOOK_PERIOD: Duration = Duration::from_secs(5);
/// Chunks that are brought to the store in one go.
const TOGETHER_MAX: usize = 16;

/// The way of all backlog.
pub struct Backlog {
    inner: Mutex<Inner>,
    clock: Clock,
    chunks: mpsc::Sender<Chunk>,
}

struct Inner {
    pool: Pool,
    streams: HashMap<u64, Arc<News>>,
    numbers: u64,
}

impl Backlog {
    /// As much at once as `limits` says; and the queue that [`store_chunks`] empties.
    #[must_use]
    pub fn new(limits: Limits, clock: Clock) -> (Arc<Self>, mpsc::Receiver<Chunk>) {
        let chunks_max = usize::try_from(limits.backlog_chunks).unwrap_or(usize::MAX).max(1);
        let (chunks, queue) = mpsc::channel(chunks_max);
        let room = Room {
            chunks: chunks_max,
            bytes: BYTES_MAX,
        };
        let inner = Mutex::new(Inner {
            pool: Pool::new(room),
            streams: HashMap::new(),
            numbers: 0,
        });
        (Arc::new(Self { inner, clock, chunks }), queue)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream that may have backlog; its news tell it of credit.
    #[must_use]
    pub fn join(self: &Arc<Self>, news: Arc<News>) -> Member {
        let mut inner = self.lock();
        inner.numbers += 1;
        let number = inner.numbers;
        inner.streams.insert(number, news);
        drop(inner);
        Member {
            backlog: self.clone(),
            number,
        }
    }

    /// What is granted and under way, and how many streams wait.
    #[must_use]
    pub fn load(&self) -> (Room, usize) {
        let inner = self.lock();
        (inner.pool.used(), inner.pool.waiting())
    }

    /// Changes the pool, and tells those whose turn it is then.
    fn change<T>(&self, change: impl FnOnce(&mut Inner, Timestamp) -> T) -> T {
        let now = (self.clock)();
        let mut inner = self.lock();
        let changed = change(&mut inner, now);
        for stream in inner.pool.hand_out(now) {
            if let Some(news) = inner.streams.get(&stream) {
                news.credit();
            }
        }
        changed
    }
}

/// A stream among those that share the pool; dropped when it ends.
pub struct Member {
    backlog: Arc<Backlog>,
    number: u64,
}

impl Member {
    /// The stream misses ticks; a chunk of them has about so many `bytes`.
    pub fn wants(&self, bytes: usize) {
        self.backlog
            .change(|inner, _| inner.pool.wants(self.number, bytes.min(BYTES_MAX)));
    }

    /// A chunk of so many `bytes` came.
    ///
    /// # Errors
    /// [`Arrival::Late`] or [`Arrival::Unasked`].
    pub fn arrives(&self, bytes: usize) -> Result<UnderWay, Arrival> {
        match self.backlog.change(|inner, _| inner.pool.arrives(self.number, bytes)) {
            Arrival::Taken => Ok(UnderWay {
                backlog: self.backlog.clone(),
                number: self.number,
            }),
            refused => Err(refused),
        }
    }

    /// Hands a chunk over to be stored; false when the collector is stopping.
    pub fn hand_over(&self, chunk: Chunk) -> bool {
        // There is a place for each chunk under way, so the queue is never full.
        self.backlog.chunks.try_send(chunk).is_ok()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.backlog.change(|inner, _| {
            inner.pool.leaves(self.number);
            inner.streams.remove(&self.number);
        });
    }
}

/// A chunk's place in the pool, from its arrival until it is stored or refused.
pub struct UnderWay {
    backlog: Arc<Backlog>,
    number: u64,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.backlog.change(|inner, _| inner.pool.done(self.number));
    }
}

/// A chunk on its way to the store.
pub struct Chunk {
    /// The store's side of its stream.
    pub ticks: tocsin_metrics::Stream,
    /// As received.
    pub batches: Vec<v1::Batch>,
    /// When.
    pub received_at: Timestamp,
    /// Told when it is durable, or why it can't be stored.
    pub news: Arc<News>,
    /// Its place in the pool.
    pub place: UnderWay,
}

impl Chunk {
    fn store(self, store: &Store, past: &Asked) {
        let batches: Vec<(u64, &[u8])> = self
            .batches
            .iter()
            .map(|batch| (batch.seq, batch.payload.as_ref()))
            .collect();
        let (news, place) = (self.news.clone(), self.place);
        let durable: OnDurable = Box::new(move |stored| {
            // First, so that the stream may ask again when it hears of it.
            drop(place);
            news.journal(stored);
        });
        match store.append_chunk(&self.ticks, &batches, self.received_at, durable) {
            Ok(appended) if appended.ticks > 0 => {
                if let Some((from, to)) = span(&batches) {
                    past.late(self.ticks.host(), from, to, self.received_at);
                }
            }
            Ok(_) => {}
            Err(error) => self.news.journal(Err(error)),
        }
    }
}

/// When the first and the last tick of a chunk were taken, by the host's clock.
fn span(batches: &[(u64, &[u8])]) -> Option<(Timestamp, Timestamp)> {
    let mut times = Times::new();
    let mut span: Option<(Timestamp, Timestamp)> = None;
    for (_, payload) in batches {
        let Ok(time) = times.next(payload) else { break };
        span = Some(span.map_or((time, time), |(from, to)| (from.min(time), to.max(time))));
    }
    span
}

/// Brings chunks to the store until cancelled, and credit that lies idle back to the pool.
pub async fn store_chunks(
    backlog: Arc<Backlog>,
    mut queue: mpsc::Receiver<Chunk>,
    store: Arc<Store>,
    past: Asked,
    cancel: CancellationToken,
) {
    let mut look = tokio::time::interval(LOOK_PERIOD);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut chunks = Vec::with_capacity(TOGETHER_MAX);
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            _ = look.tick() => backlog.change(|inner, now| inner.pool.take_back(now)),
            _ = queue.recv_many(&mut chunks, TOGETHER_MAX) => {
                let (store, past, together) = (store.clone(), past.clone(), std::mem::take(&mut chunks));
                let stored = tokio::task::spawn_blocking(move || {
                    for chunk in together {
                        chunk.store(&store, &past);
                    }
                });
                if stored.await.is_err() {
                    return; // a panic: the supervisor stops the collector
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
