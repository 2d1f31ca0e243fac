//! What a stream is told by others while it listens to its agent: what is durable, what could not be stored, and credit
//! for backlog. Many pieces of news become one acknowledgement.

use super::{Stream, end::End};
use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::{self, Thread},
};
use tocsin_metrics::{OnDurable, StoreError};
use tocsin_proto::v1::{self, collector_message::Body};
use tokio::sync::Notify;

/// Wakes streams, those of one moment together: news come from other threads, and waking one for each stream that was
/// synced with others would cost more than all else about a tick.
#[derive(Debug, Default)]
pub struct Bell {
    /// Whose news were not passed on yet, each once.
    rung: Mutex<Vec<Arc<News>>>,
    rings: Notify,
    /// The thread that passes them on, which may be resting.
    thread: OnceLock<Thread>,
}

impl Bell {
    fn ring(&self, news: Arc<News>) {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        rung.push(news);
        let first = rung.len() == 1;
        drop(rung);
        if first {
            self.rings.notify_one();
            if let Some(thread) = self.thread.get() {
                thread.unpark();
            }
        }
    }

    /// Wakes streams on their own thread. Never ends.
    pub async fn pass_on(&self) {
        self.thread.get_or_init(thread::current);
        loop {
            self.rings.notified().await;
            let rung = std::mem::take(&mut *self.rung.lock().unwrap_or_else(PoisonError::into_inner));
            for news in rung {
                // Before the stream looks, so that what comes while it looks rings again.
                news.rings.store(false, Ordering::Release);
                news.came.notify_one();
            }
        }
    }
}

/// News of one stream.
#[derive(Debug)]
pub struct News {
    bell: Arc<Bell>,
    /// Whether the bell was told and has not passed it on.
    rings: AtomicBool,
    came: Notify,
    durable: AtomicBool,
    failed: OnceLock<StoreError>,
    credit: AtomicU32,
}

/// What came since it was last asked.
pub(crate) struct Told {
    /// Something became durable.
    pub(crate) durable: bool,
    /// Chunks that may be sent.
    pub(crate) credit: u32,
}

impl News {
    /// None yet; `bell` wakes whoever waits for them.
    #[must_use]
    pub fn new(bell: Arc<Bell>) -> Arc<Self> {
        Arc::new(Self {
            bell,
            rings: AtomicBool::new(false),
            came: Notify::new(),
            durable: AtomicBool::new(false),
            failed: OnceLock::new(),
            credit: AtomicU32::new(0),
        })
    }

    /// A batch is safe, or can't be stored.
    pub fn journal(self: &Arc<Self>, stored: Result<(), StoreError>) {
        match stored {
            Ok(()) => self.durable.store(true, Ordering::Release),
            Err(error) => {
                let _ = self.failed.set(error);
            }
        }
        self.ring();
    }

    fn ring(self: &Arc<Self>) {
        if !self.rings.swap(true, Ordering::AcqRel) {
            self.bell.ring(self.clone());
        }
    }

    /// One chunk of backlog may be sent.
    pub fn credit(self: &Arc<Self>) {
        self.credit.fetch_add(1, Ordering::AcqRel);
        self.ring();
    }

    /// What the store calls when a batch is safe, or can't be stored.
    pub(crate) fn verdict(self: &Arc<Self>) -> OnDurable {
        let news = self.clone();
        Box::new(move |stored| news.journal(stored))
    }

    /// Waits until there is something to tell the agent; an error when a batch could not be stored: what follows it
    /// makes no sense, so the agent has to begin again.
    pub(crate) async fn come(&self) -> Result<Told, End> {
        self.came.notified().await;
        self.failed()?;
        Ok(Told {
            durable: self.durable.swap(false, Ordering::AcqRel),
            credit: self.credit.swap(0, Ordering::AcqRel),
        })
    }

    pub(super) fn failed(&self) -> Result<(), End> {
        self.failed.get().map_or(Ok(()), |error| Err(error.clone().into()))
    }
}

impl Stream {
    /// Tells the agent what came.
    pub(super) async fn tell(&mut self, told: Told) -> Result<(), End> {
        if told.durable {
            self.ack(0).await?;
        }
        // What the acknowledgement may just have earned goes with it.
        let chunks = told.credit + self.news.credit.swap(0, Ordering::AcqRel);
        if chunks > 0 {
            self.say(Body::Credit(v1::Credit { chunks })).await?;
        }
        Ok(())
    }

    /// Acknowledges everything that is durable; a stream that still misses ticks asks for its turn to get them.
    pub(super) async fn ack(&mut self, event_seq: u64) -> Result<(), End> {
        let holdings = self.ticks.holdings();
        self.told_sealed = holdings.sealed_seq;
        self.ask_for_missing(&holdings.received);
        self.say(Body::Ack(v1::Ack {
            received: ranges(holdings.received),
            sealed_seq: holdings.sealed_seq,
            event_seq,
        }))
        .await
    }

    /// Acknowledges when more was sealed since the last acknowledgement.
    pub(super) async fn look_at_sealed(&mut self) -> Result<(), End> {
        let holdings = self.ticks.holdings();
        if holdings.sealed_seq != self.told_sealed {
            return self.ack(0).await;
        }
        self.ask_for_missing(&holdings.received);
        Ok(())
    }

    /// Live goes first: a stream asks once a live tick of it came, which also tells how large a chunk will be.
    fn ask_for_missing(&self, received: &[(u64, u64)]) {
        if self.chunk_bytes > 0 && misses(received, self.last_seq) {
            self.member.wants(self.chunk_bytes);
        }
    }
}

/// Ranges in the wire's words.
pub(super) fn ranges(received: Vec<(u64, u64)>) -> Vec<v1::Range> {
    let range = |(first, last)| v1::Range { first, last };
    received.into_iter().map(range).collect()
}

/// Whether a spool whose newest tick is at least `last_seq` has ticks that are not among the `received`.
fn misses(received: &[(u64, u64)], last_seq: u64) -> bool {
    match received {
        [] => last_seq > 0,
        [(first, last)] => *first > 1 || *last < last_seq,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_before_between_and_after_are_missed_and_nothing_else() {
        assert!(!misses(&[], 0));
        assert!(misses(&[], 1));
        assert!(!misses(&[(1, 9)], 9));
        assert!(misses(&[(1, 9)], 10));
        assert!(misses(&[(2, 9)], 9));
        assert!(misses(&[(1, 3), (5, 9)], 9));
    }

    #[tokio::test]
    async fn many_pieces_of_news_are_told_at_once() {
        let bell: Arc<Bell> = Arc::default();
        let news = News::new(bell.clone());
        for _ in 0..100 {
            news.verdict()(Ok(()));
        }
        news.credit();
        let come = async { news.come().await.ok() };
        let told = tokio::select! {
            biased;
            told = come => told.unwrap(),
            () = bell.pass_on() => unreachable!("a bell never ends"),
        };
        assert!(told.durable && told.credit == 1);
        assert!(
            tokio::time::timeout(std::time::Duration::ZERO, news.come())
                .await
                .is_err(),
            "nothing is told twice"
        );
    }
}
