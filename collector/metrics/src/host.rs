//! What the store knows about one host: its chain, its spools, its unsealed hours, where its blocks are.

use crate::{
    config::SPOOLS_PER_HOST_MAX,
    head::{Head, RecordPlace, TickPlace},
    intervals::Intervals,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, atomic::AtomicU32},
};
use tocsin_vocabulary::{
    Dictionary, HostId, SpoolId, Timestamp,
    batch::{Decoder, Tick, Times},
};

/// Most recorded gaps kept in memory per host, to draw.
const GAPS_MAX: usize = 64;

/// The newest tick of a host.
#[derive(Debug, Clone)]
pub struct Latest {
    /// Its cells.
    pub tick: Arc<Tick>,
    /// What they mean.
    pub dictionary: Dictionary,
    /// When it arrived, by the collector's clock.
    pub received_at: Timestamp,
}

/// One life of an agent's spool.
#[derive(Debug, Clone)]
pub(crate) struct Spool {
    pub(crate) id: SpoolId,
    /// Synced to the journal, sealed, or known to be lost.
    pub(crate) received: Intervals,
    /// On the way to the journal.
    pub(crate) pending: Intervals,
    /// In synced blocks, or known to be lost.
    pub(crate) sealed: Intervals,
}

impl Spool {
    pub(crate) fn holds(&self, seq: u64) -> bool {
        self.received.contains(seq) || self.pending.contains(seq)
    }
}

/// Where the live chain stands, so that what is journalled can be decoded again.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    /// Number of the newest stream; older ones are superseded.
    pub(crate) stream: u64,
    /// Counts chains; a record of an older one than `broken_before` is refused.
    pub(crate) epoch: u64,
    /// Records of epochs below this one must not be written: one before them was not.
    pub(crate) broken_before: u64,
    /// The next link's number.
    pub(crate) next_link: u32,
    /// Times of the chain, while the journal is replayed.
    pub(crate) times: Times,
    /// The live decoder.
    pub(crate) decoder: Decoder,
    /// Segment of the key-frame that the chain goes back to; 0 until that is written. Shared with what is on its way,
    /// which needs it even after the chain was restarted.
    pub(crate) segment: Arc<AtomicU32>,
    /// When its last tick arrived.
    pub(crate) last_received: Timestamp,
}

impl Chain {
    /// From here on only a key-frame will do.
    pub(crate) fn restart(&mut self) {
        self.epoch += 1;
        self.next_link = 0;
        self.decoder = Decoder::new();
        self.times = Times::new();
        self.segment = Arc::default();
    }

    /// A record of `epoch` was not written: what refers to it must not be either.
    pub(crate) fn break_at(&mut self, epoch: u64) {
        self.broken_before = self.broken_before.max(epoch + 1);
        if self.epoch == epoch {
            self.restart();
        }
    }
}

/// State of one host.
#[derive(Debug, Default)]
pub(crate) struct HostState {
    pub(crate) chain: Chain,
    pub(crate) current_spool: Option<SpoolId>,
    pub(crate) spools: Vec<Spool>,
    pub(crate) head: Head,
    pub(crate) latest: Option<Latest>,
    pub(crate) gaps: Vec<(Timestamp, Timestamp)>,
}

impl HostState {
    /// The state of one spool, made when it is new.
    pub(crate) fn spool(&mut self, id: SpoolId) -> &mut Spool {
        let at = self.spools.iter().position(|spool| spool.id == id).unwrap_or_else(|| {
            if self.spools.len() >= SPOOLS_PER_HOST_MAX {
                self.forget_a_spool();
            }
            let empty = Intervals::default;
            self.spools.push(Spool {
                id,
                received: empty(),
                pending: empty(),
                sealed: empty(),
            });
            self.spools.len() - 1
        });
        &mut self.spools[at]
    }

    /// Forgets the oldest spool that is neither current nor on its way.
    fn forget_a_spool(&mut self) {
        let idle = |spool: &Spool| Some(spool.id) != self.current_spool && spool.pending.is_empty();
        if let Some(at) = self.spools.iter().position(idle) {
            self.spools.remove(at);
        }
    }

    /// Takes over a tick that is safe in the journal and needs its segments from `needed` on. `false` when it was held
    /// already.
    pub(crate) fn store(&mut self, tick: TickPlace, record: RecordPlace, needed: u32, received_at: Timestamp) -> bool {
        let spool = self.spool(tick.spool);
        spool.pending.remove(tick.seq);
        let fresh = !spool.received.contains(tick.seq);
        spool.received.insert(tick.seq);
        self.head.push(tick, fresh, record, needed, received_at);
        fresh
    }

    /// Ticks among the first `count` places that were received and can't be read again: as if they had never come, so
    /// that the agent, which keeps them until they are sealed, is asked for them.
    pub(crate) fn give_up(&mut self, ticks: &[(SpoolId, u64)], count: usize) {
        for &(spool, seq) in ticks {
            self.spool(spool).received.remove(seq);
        }
        if !ticks.is_empty() {
            self.head
                .close(count, true, |spool, seq, _| ticks.contains(&(spool, seq)));
        }
    }

    /// A live tick is the newest whatever its time says: its host's clock may have been set back.
    pub(crate) fn set_latest(&mut self, tick: &Arc<Tick>, dictionary: &Dictionary, received_at: Timestamp) {
        self.latest = Some(Latest {
            tick: tick.clone(),
            dictionary: dictionary.clone(),
            received_at,
        });
    }

    /// A live tick comes. The last one, if it is the newest and nobody else has it, is written over instead of being copied
    /// for that: it is some kilobytes, long out of the processor's caches. Until the new one is durable, whoever asks for the
    /// newest finds it in the journal.
    pub(crate) fn let_go_of_latest(&mut self) {
        let last = self.chain.decoder.tick();
        self.latest.take_if(|latest| Arc::ptr_eq(&latest.tick, last));
    }

    /// A tick of the backlog is the newest only when it is later than what is known.
    pub(crate) fn offer_latest(&mut self, tick: &Arc<Tick>, dictionary: &Dictionary, received_at: Timestamp) {
        if self.latest.as_ref().is_none_or(|latest| latest.tick.time <= tick.time) {
            self.set_latest(tick, dictionary, received_at);
        }
    }

    /// Ticks that will never come count as received and sealed; their time is drawn as not observed.
    pub(crate) fn lose(&mut self, spool: SpoolId, first: u64, last: u64, span: Option<(Timestamp, Timestamp)>) {
        let state = self.spool(spool);
        state.received.insert_range(first, last);
        state.sealed.insert_range(first, last);
        if let Some(span) = span
            && span.0 < span.1
        {
            if self.gaps.len() >= GAPS_MAX {
                self.gaps.remove(0);
            }
            self.gaps.push(span);
        }
    }
}

/// One host.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) id: HostId,
    state: Mutex<HostState>,
}

impl Host {
    /// Held shortly: never while something is read or written.
    pub(crate) fn lock(&self) -> MutexGuard<'_, HostState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All hosts.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    map: RwLock<BTreeMap<HostId, Arc<Host>>>,
}

impl Hosts {
    /// A host that is known.
    pub(crate) fn find(&self, id: HostId) -> Option<Arc<Host>> {
        self.map
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .cloned()
    }

    /// A host, made when it is new.
    pub(crate) fn get(&self, id: HostId) -> Arc<Host> {
        if let Some(host) = self.find(id) {
            return host;
        }
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        map.entry(id)
            .or_insert_with(|| {
                Arc::new(Host {
                    id,
                    state: Mutex::default(),
                })
            })
            .clone()
    }

    /// All of them, sorted by id.
    pub(crate) fn all(&self) -> Vec<Arc<Host>> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        map.values().cloned().collect()
    }
}
