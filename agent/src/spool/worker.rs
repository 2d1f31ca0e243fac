//! The thread that owns the spool, so that a slow disk delays neither sampling nor the live stream.

use super::{Spool, SpoolView, StoredChunk, StoredEvent, StoredTick};
use crate::clock::SharedClock;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};
use tocsin_vocabulary::{Dictionary, HostId, Timestamp};
use tokio::sync::{oneshot, watch};

/// Orders that may wait for the disk. When it is full, ticks become a gap of reason `disk_slow`, events stay with their
/// sender, and questions are asked again.
pub const ORDERS_MAX: usize = 64;
/// Written ticks are synced this often: what a crash of the host may cost.
pub const SYNC_EVERY: Duration = Duration::from_secs(10);

enum Order {
    Tick(StoredTick, bool, Dictionary),
    /// And whom to tell whether they are durable.
    Events(Vec<StoredEvent>, Option<mpsc::SyncSender<bool>>),
    Sealed(u64),
    EventsAcked(u64),
    SkipTo(u64, u64, Timestamp),
    Bound(u64),
    BelongsTo(HostId),
    Chunk(u64, u64, oneshot::Sender<Option<StoredChunk>>),
    EventsAfter(u64, usize, oneshot::Sender<Vec<StoredEvent>>),
    Close(oneshot::Sender<()>),
}

/// How others reach the spool. Nothing here blocks.
#[derive(Clone)]
pub struct SpoolHandle {
    orders: mpsc::SyncSender<Order>,
    view: watch::Receiver<SpoolView>,
    key_wanted: Arc<AtomicBool>,
}

/// Starts the thread.
///
/// # Errors
/// When the system refuses another thread.
pub fn start(spool: Spool, clock: SharedClock) -> std::io::Result<SpoolHandle> {
    let (orders, inbox) = mpsc::sync_channel(ORDERS_MAX);
    let (publish, view) = watch::channel(spool.view());
    let key_wanted = Arc::new(AtomicBool::new(true));
    let flag = Arc::clone(&key_wanted);
    thread::Builder::new()
        .name("spool".to_owned())
        .spawn(move || serve(spool, &inbox, &publish, &flag, &clock))?;
    Ok(SpoolHandle {
        orders,
        view,
        key_wanted,
    })
}

fn serve(
    mut spool: Spool,
    inbox: &mpsc::Receiver<Order>,
    publish: &watch::Sender<SpoolView>,
    key_wanted: &AtomicBool,
    clock: &SharedClock,
) {
    let mut synced = clock.mono();
    loop {
        let due = (synced + SYNC_EVERY).saturating_sub(clock.mono());
        let order = match inbox.recv_timeout(due) {
            Ok(Order::Close(done)) => {
                spool.close();
                let _ = done.send(());
                return;
            }
            Ok(order) => Some(order),
            Err(mpsc::RecvTimeoutError::Timeout) => None,
            Err(mpsc::RecvTimeoutError::Disconnected) => return spool.close(),
        };
        if let Some(order) = order {
            obey(&mut spool, order);
        }
        if clock.mono() >= synced + SYNC_EVERY {
            spool.sync();
            synced = clock.mono();
        }
        key_wanted.store(spool.key_wanted(), Ordering::Release);
        publish.send_replace(spool.view());
    }
}

fn obey(spool: &mut Spool, order: Order) {
    match order {
        Order::Tick(tick, key_frame, dictionary) => spool.append(&tick, key_frame, &dictionary),
        Order::Events(events, reply) => {
            let durable = spool.append_events(events);
            reply.map(|reply| reply.try_send(durable));
        }
        Order::Sealed(seq) => spool.sealed(seq),
        Order::EventsAcked(seq) => spool.events_acked(seq),
        Order::SkipTo(next_seq, next_event, now) => spool.skip_to(next_seq, next_event, now),
        Order::Bound(bytes_max) => spool.set_bytes_max(bytes_max),
        Order::BelongsTo(host) => spool.belongs_to(host),
        // Who asked may have gone meanwhile.
        Order::Chunk(first, last, reply) => drop(reply.send(spool.chunk(first, last))),
        Order::EventsAfter(seq, count, reply) => drop(reply.send(spool.events_after(seq, count))),
        Order::Close(_) => {}
    }
}

impl SpoolHandle {
    /// What the spool holds; changes as it works.
    #[must_use]
    pub fn view(&self) -> watch::Receiver<SpoolView> {
        self.view.clone()
    }

    /// Whether the next tick should be a key-frame for the spool's sake.
    #[must_use]
    pub fn key_wanted(&self) -> bool {
        self.key_wanted.load(Ordering::Acquire)
    }

    /// Hands a tick over; one that finds the queue full becomes a gap.
    pub fn tick(&self, tick: StoredTick, key_frame: bool, dictionary: Dictionary) {
        let sent = self.orders.try_send(Order::Tick(tick, key_frame, dictionary));
        if sent.is_err() {
            self.key_wanted.store(true, Ordering::Release);
        }
    }

    /// Hands events over; gives them back when the queue is full.
    ///
    /// # Errors
    /// With the events, to be handed over again.
    pub fn events(&self, events: Vec<StoredEvent>) -> Result<(), Vec<StoredEvent>> {
        match self.orders.try_send(Order::Events(events, None)) {
            Err(mpsc::TrySendError::Full(Order::Events(events, _))) => Err(events),
            _ => Ok(()),
        }
    }

    /// As [`events`](Self::events); answers where it is told whether they are durable. What is not is kept in memory
    /// and stored as soon as the disk takes it.
    ///
    /// # Errors
    /// With the events, to be handed over again.
    pub fn events_stored(&self, events: Vec<StoredEvent>) -> Result<mpsc::Receiver<bool>, Vec<StoredEvent>> {
        let (reply, stored) = mpsc::sync_channel(1);
        match self.orders.try_send(Order::Events(events, Some(reply))) {
            Err(mpsc::TrySendError::Full(Order::Events(events, _))) => Err(events),
            _ => Ok(stored),
        }
    }

    /// The collector sealed everything up to `seq`. Lost when the queue is full; the next one says more.
    pub fn sealed(&self, seq: u64) {
        let _ = self.orders.try_send(Order::Sealed(seq));
    }

    /// The collector stored all events up to `seq`. Lost when the queue is full; the next one says more.
    pub fn events_acked(&self, seq: u64) {
        let _ = self.orders.try_send(Order::EventsAcked(seq));
    }

    /// Numbers below these are in use at the collector.
    pub fn skip_to(&self, next_seq: u64, next_event: u64, now: Timestamp) {
        let _ = self.orders.try_send(Order::SkipTo(next_seq, next_event, now));
    }

    /// Another bound in bytes.
    pub fn set_bytes_max(&self, bytes_max: u64) {
        let _ = self.orders.try_send(Order::Bound(bytes_max));
    }

    /// As whom the host is enrolled. Lost when the queue is full; to be told again while the view does not show it.
    pub fn belongs_to(&self, host: HostId) {
        let _ = self.orders.try_send(Order::BelongsTo(host));
    }

    /// Asks for consecutive ticks; see [`Spool::chunk`]. The receiver fails when the queue is full.
    #[must_use]
    pub fn chunk(&self, first: u64, last: u64) -> oneshot::Receiver<Option<StoredChunk>> {
        let (reply, answer) = oneshot::channel();
        let _ = self.orders.try_send(Order::Chunk(first, last, reply));
        answer
    }

    /// Asks for events after `seq`. The receiver fails when the queue is full.
    #[must_use]
    pub fn events_after(&self, seq: u64, count: usize) -> oneshot::Receiver<Vec<StoredEvent>> {
        let (reply, answer) = oneshot::channel();
        let _ = self.orders.try_send(Order::EventsAfter(seq, count, reply));
        answer
    }

    /// Syncs and ends the thread; waits at most `patience`, for a disk may hang.
    pub async fn close(&self, patience: Duration) {
        let (done, closed) = oneshot::channel();
        if self.orders.try_send(Order::Close(done)).is_ok() {
            let _ = tokio::time::timeout(patience, closed).await;
        }
    }
}
