//! The way in: live ticks, backlog, gaps, each told when it is durable.

mod take;

use crate::{
    committer::{Apply, OnDurable, Submission},
    error::StoreError,
    host::Host,
    journal::record::{Gap, Kind},
    store::Store,
};
use std::sync::{Arc, atomic::Ordering};
use take::{chunk, live, submit};
use tocsin_vocabulary::{Dictionary, HostId, SpoolId, Timestamp, batch::Tick};

/// Longest reason of a gap that is kept, in bytes.
const REASON_BYTES_MAX: usize = 256;

/// One connection of a host. A newer one of the same host supersedes it.
#[derive(Debug, Clone)]
pub struct Stream {
    host: Arc<Host>,
    spool: SpoolId,
    number: u64,
}

impl Stream {
    /// Whose stream.
    #[must_use]
    pub fn host(&self) -> HostId {
        self.host.id
    }

    /// Which spool it carries.
    #[must_use]
    pub const fn spool(&self) -> SpoolId {
        self.spool
    }

    /// As [`Store::holdings`], of its own spool.
    #[must_use]
    pub fn holdings(&self) -> Holdings {
        holdings(&self.host, self.spool)
    }
}

/// A live tick that was taken.
#[derive(Debug, Clone)]
pub struct Appended {
    /// Held already: nothing is stored again, and rules should not look.
    pub duplicate: bool,
    /// The whole tick, unchanged cells included.
    pub tick: Arc<Tick>,
    /// What its cells mean.
    pub dictionary: Dictionary,
    /// Bit *i* of word *i* / 64 is set when cell *i* differs from the live tick before (all set on a key-frame).
    pub changed: Vec<u64>,
    /// Whether the batch stood alone.
    pub key_frame: bool,
}

/// A chunk that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkAppended {
    /// Ticks that are new.
    pub ticks: usize,
    /// Ticks that were held already.
    pub duplicates: usize,
}

/// What the store holds of one spool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holdings {
    /// Durable here or known to be lost: inclusive ranges, lowest first.
    pub received: Vec<(u64, u64)>,
    /// Everything up to here is in synced blocks or known to be lost: the agent may forget it.
    pub sealed_seq: u64,
}

fn holdings(host: &Host, spool: SpoolId) -> Holdings {
    let state = host.lock();
    let known = state.spools.iter().find(|known| known.id == spool);
    known.map_or_else(Holdings::default, |known| Holdings {
        received: known.received.ranges().to_vec(),
        sealed_seq: known.sealed.watermark(),
    })
}

impl Store {
    /// A host connected with this spool, whose oldest tick is `first_seq` (0: empty). The next live batch must be a
    /// key-frame; earlier streams of the host are superseded. What lies before `first_seq` can never come.
    #[must_use]
    pub fn begin_stream(&self, host: HostId, spool: SpoolId, first_seq: u64) -> Stream {
        let host = self.shared().hosts.get(host);
        let mut state = host.lock();
        state.chain.stream += 1;
        state.chain.restart();
        state.current_spool = Some(spool);
        if first_seq > 1 {
            state.lose(spool, 1, first_seq - 1, None);
        } else {
            state.spool(spool);
        }
        let number = state.chain.stream;
        drop(state);
        Stream { host, spool, number }
    }

    /// What is held of this spool, for welcome and acknowledgement.
    #[must_use]
    pub fn holdings(&self, host: HostId, spool: SpoolId) -> Holdings {
        let host = self.shared().hosts.find(host);
        host.map_or_else(Holdings::default, |host| holdings(&host, spool))
    }

    /// Takes a live tick as received. `on_durable` is told once it is synced, also for a duplicate.
    ///
    /// # Errors
    /// When it is not taken; `on_durable` is then dropped unheard. The stream must begin again with a key-frame.
    pub fn append_live(
        &self,
        stream: &Stream,
        seq: u64,
        payload: &[u8],
        now: Timestamp,
        on_durable: OnDurable,
    ) -> Result<Appended, StoreError> {
        let shared = self.shared();
        let mut state = stream.host.lock();
        if state.chain.stream != stream.number {
            return Err(StoreError::Superseded(stream.host.id));
        }
        let outcome = live(shared, &mut state, stream, seq, payload, now, on_durable);
        if let Err(error) = &outcome {
            state.chain.restart();
            self.count_busy(error);
        }
        outcome
    }

    /// Takes a chunk of backlog as received: consecutive ticks, the first a key-frame.
    ///
    /// # Errors
    /// When it is not taken; nothing of it is stored and `on_durable` is dropped unheard.
    pub fn append_chunk<B: AsRef<[u8]>>(
        &self,
        stream: &Stream,
        batches: &[(u64, B)],
        now: Timestamp,
        on_durable: OnDurable,
    ) -> Result<ChunkAppended, StoreError> {
        let outcome = chunk(self.shared(), stream, batches, now, on_durable);
        if let Err(error) = &outcome {
            self.count_busy(error);
        }
        outcome
    }

    /// Takes note that the ticks `first_seq..=last_seq`, sampled between `from` and `to`, will never come.
    ///
    /// # Errors
    /// When the store is busy, poisoned or closed.
    pub fn append_gap(
        &self,
        stream: &Stream,
        seqs: (u64, u64),
        span: (Timestamp, Timestamp),
        reason: &str,
        on_durable: OnDurable,
    ) -> Result<(), StoreError> {
        let (first, last) = seqs;
        let mut reason = reason.to_owned();
        while reason.len() > REASON_BYTES_MAX {
            reason.pop();
        }
        let gap = Gap {
            host: stream.host.id,
            spool: stream.spool,
            first_seq: first.max(1),
            last_seq: last,
            from: span.0,
            to: span.1,
            reason,
        };
        submit(
            self.shared(),
            Submission {
                host: stream.host.clone(),
                record: Some((Kind::Gap, gap.encode())),
                apply: Apply::Gap {
                    spool: stream.spool,
                    first: first.max(1),
                    last,
                    span,
                },
                on_durable,
            },
        )
    }

    fn count_busy(&self, error: &StoreError) {
        if matches!(error, StoreError::Busy(_)) {
            self.shared().counters.busy.fetch_add(1, Ordering::Relaxed);
        }
    }
}
