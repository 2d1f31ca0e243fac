//! What is known right now of each host: connection, last tick, clock offset, processes.
//!
//! Kept in RAM only; the ledger's `last_seen_at` and the metric store outlive it. One registry, shared by ingest
//! (writes), engine and console (read). Locks are held for a few instructions and never across an await.

use crate::ears::Ears;
use crate::ingest::Outgoing;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tocsin_console::backend::{Change, Processes};
use tocsin_proto::v1::{CollectorMessage, Diagnose, collector_message::Body};
use tocsin_vocabulary::{DiagnosisId, HostId, Timestamp};
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;

/// Changes that a slow browser may lag behind before it is told to reload everything.
const CHANGES_QUEUE: usize = 4_096;
/// Ticks are told to browsers together, so often: a large fleet must not wake each browser for each tick.
const RING_PERIOD: Duration = Duration::from_millis(250);

/// New sections that one host may bring in a day, in bytes: a hundred times what a large host has, and little enough
/// that no host can use up the room that all dictionaries share.
const SECTION_BYTES_PER_DAY: usize = 16 * 1024 * 1024;
/// Documents that one host may bring in a day, in bytes: a large host's all, twenty times over.
const DOCUMENT_BYTES_PER_DAY: usize = 128 * 1024 * 1024;
const DAY: Duration = Duration::from_secs(86_400);

/// One host's present.
#[derive(Debug, Clone, Default)]
pub struct Presence {
    /// The stream that is open; cancelled to close it.
    stream: Option<(u64, CancellationToken)>,
    /// Where its last stream came from.
    pub address: Option<IpAddr>,
    /// When its last tick or message arrived, by our clock.
    pub last_seen_at: Option<Timestamp>,
    /// Its clock minus ours.
    pub clock_offset_ms: Option<i64>,
    /// Its tick interval.
    pub interval_ms: u64,
    /// Newest process snapshot.
    pub processes: Option<Arc<Processes>>,
    /// Why its last stream was refused, until a tick of it is taken.
    refused: Option<Refusal>,
    /// Bytes of sections that it brought today, and which day that is.
    sections: (Timestamp, usize),
    /// The same of documents.
    documents: (Timestamp, usize),
    /// To the agent, while a stream is open.
    outgoing: Option<Outgoing>,
    /// When a diagnosis was last asked for without anybody's hand.
    diagnosed_at: Option<Timestamp>,
}

impl Presence {
    /// Whether a stream is open.
    #[must_use]
    pub const fn connected(&self) -> bool {
        self.stream.is_some()
    }
}

/// Why a host is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The host's name.
    pub name: String,
    /// In the words that its agent was told.
    pub reason: String,
}

/// All hosts' present, and the bell that rings when anything changes.
#[derive(Debug)]
pub struct Live {
    /// Whether agents can be heard at all.
    pub ears: Arc<Ears>,
    hosts: Mutex<Inner>,
    changes: broadcast::Sender<Change>,
    /// Rings when the first of [`Inner::ticked`] was added.
    tick_came: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    hosts: HashMap<HostId, Presence>,
    streams: u64,
    /// Hosts with an open stream.
    connected: usize,
    /// Hosts whose ticks browsers are about to be told of.
    ticked: Vec<HostId>,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            ears: Arc::default(),
            hosts: Mutex::default(),
            changes: broadcast::channel(CHANGES_QUEUE).0,
            tick_came: Notify::new(),
        }
    }
}

impl Live {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that something changed. Nobody listening is fine.
    pub fn ring(&self, change: Change) {
        let _ = self.changes.send(change);
    }

    /// Hears what changes from now on.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// A stream of `host` opens. An older one of the same host is closed: its agent was restarted or its link is dead.
    /// `stop` closes this one too.
    pub fn open(
        &self,
        host: HostId,
        interval_ms: u64,
        clock_offset_ms: i64,
        stop: &CancellationToken,
        now: Timestamp,
    ) -> Opened {
        let cancel = stop.child_token();
        let mut inner = self.lock();
        inner.streams += 1;
        let number = inner.streams;
        let presence = inner.hosts.entry(host).or_default();
        let older = presence.stream.replace((number, cancel.clone()));
        presence.interval_ms = interval_ms;
        presence.clock_offset_ms = Some(clock_offset_ms);
        presence.last_seen_at = Some(now);
        match older {
            Some((_, older)) => older.cancel(),
            None => inner.connected += 1,
        }
        drop(inner);
        self.ring(Change::Hosts);
        Opened { number, cancel }
    }

    /// A stream ended.
    pub fn close(&self, host: HostId, number: u64) {
        let mut inner = self.lock();
        if let Some(presence) = inner.hosts.get_mut(&host)
            && presence.stream.as_ref().is_some_and(|(open, _)| *open == number)
        {
            presence.stream = None;
            presence.outgoing = None;
            inner.connected = inner.connected.saturating_sub(1);
        }
        drop(inner);
        self.ring(Change::Hosts);
    }

    /// Where the stream of a host comes from.
    pub fn came_from(&self, host: HostId, address: IpAddr) {
        self.lock().hosts.entry(host).or_default().address = Some(address);
    }

    /// How the agent of a stream that was let in is reached.
    pub fn reach(&self, host: HostId, number: u64, outgoing: Outgoing) {
        if let Some(presence) = self.lock().hosts.get_mut(&host)
            && presence.stream.as_ref().is_some_and(|(open, _)| *open == number)
        {
            presence.outgoing = Some(outgoing);
        }
    }

    /// Asks the agent of `host` for a diagnostic snapshot; false when it is not connected or takes no messages.
    #[must_use]
    pub fn ask_diagnosis(&self, host: HostId, id: DiagnosisId) -> bool {
        let outgoing = self
            .lock()
            .hosts
            .get(&host)
            .and_then(|presence| presence.outgoing.clone());
        let request = id.to_string();
        let message = CollectorMessage {
            body: Some(Body::Diagnose(Diagnose { request })),
        };
        outgoing.is_some_and(|outgoing| outgoing.try_send(Ok(Box::new(message))).is_ok())
    }

    /// Whether a diagnosis of `host` that a fault calls for may be asked for now: it is connected, and was not asked by
    /// another fault within `pause`. Notes that it was.
    #[must_use]
    pub fn may_diagnose(&self, host: HostId, pause: Duration, now: Timestamp) -> bool {
        let mut inner = self.lock();
        let Some(presence) = inner
            .hosts
            .get_mut(&host)
            .filter(|presence| presence.outgoing.is_some())
        else {
            return false;
        };
        let may = presence.diagnosed_at.is_none_or(|at| now.since(at) >= pause);
        if may {
            presence.diagnosed_at = Some(now);
        }
        may
    }

    /// `host` brings a document of so many bytes; false when that is more than it may in a day.
    pub fn brings_document(&self, host: HostId, bytes: usize, now: Timestamp) -> bool {
        let mut inner = self.lock();
        let (day, brought) = &mut inner.hosts.entry(host).or_default().documents;
        if *day != now.floor_to(DAY) {
            (*day, *brought) = (now.floor_to(DAY), 0);
        }
        *brought = brought.saturating_add(bytes);
        *brought <= DOCUMENT_BYTES_PER_DAY
    }

    /// Closes the stream of a host that is no longer welcome.
    pub fn shut_out(&self, host: HostId) {
        if let Some(presence) = self.lock().hosts.get_mut(&host) {
            presence.refused = None;
            if let Some((_, cancel)) = &presence.stream {
                cancel.cancel();
            }
        }
        self.ring(Change::Hosts);
    }

    /// Something of `host` arrived.
    pub fn heard(&self, host: HostId, now: Timestamp) {
        if let Some(presence) = self.lock().hosts.get_mut(&host) {
            presence.last_seen_at = Some(now);
        }
    }

    /// A live tick of `host` was taken.
    pub fn ticked(&self, host: HostId, now: Timestamp) {
        let mut inner = self.lock();
        if let Some(presence) = inner.hosts.get_mut(&host) {
            presence.last_seen_at = Some(now);
            presence.refused = None;
        }
        if self.changes.receiver_count() > 0 && inner.ticked.len() < CHANGES_QUEUE {
            inner.ticked.push(host);
            if inner.ticked.len() == 1 {
                self.tick_came.notify_one();
            }
        }
    }

    /// Tells browsers of ticks, those of a moment together, until cancelled.
    pub async fn ring_ticks(self: Arc<Self>, cancel: CancellationToken) {
        let together = async {
            loop {
                self.tick_came.notified().await;
                tokio::time::sleep(RING_PERIOD).await;
                let ticked = std::mem::take(&mut self.lock().ticked);
                for host in ticked {
                    self.ring(Change::Tick(host));
                }
            }
        };
        tokio::select! {
            () = together => {}
            () = cancel.cancelled() => {}
        }
    }

    /// A stream of `host` was refused; answers whether that is news.
    pub fn refuse(&self, host: HostId, refusal: Refusal) -> bool {
        let mut inner = self.lock();
        let refused = &mut inner.hosts.entry(host).or_default().refused;
        let news = refused.as_ref() != Some(&refusal);
        *refused = Some(refusal);
        news
    }

    /// Hosts that are refused now, by name.
    #[must_use]
    pub fn refusals(&self) -> Vec<Refusal> {
        let hosts = self.lock();
        let mut refusals: Vec<Refusal> = hosts
            .hosts
            .values()
            .filter_map(|presence| presence.refused.clone())
            .collect();
        drop(hosts);
        refusals.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        refusals
    }

    /// `host` brings `bytes` of new sections; false when that is more than it may in a day.
    pub fn brings_sections(&self, host: HostId, bytes: usize, now: Timestamp) -> bool {
        let mut inner = self.lock();
        let (day, brought) = &mut inner.hosts.entry(host).or_default().sections;
        if *day != now.floor_to(DAY) {
            (*day, *brought) = (now.floor_to(DAY), 0);
        }
        *brought = brought.saturating_add(bytes);
        *brought <= SECTION_BYTES_PER_DAY
    }

    /// A process snapshot of `host` arrived.
    pub fn set_processes(&self, host: HostId, processes: Processes) {
        self.lock().hosts.entry(host).or_default().processes = Some(Arc::new(processes));
    }

    /// One host's present.
    #[must_use]
    pub fn presence(&self, host: HostId) -> Presence {
        self.lock().hosts.get(&host).cloned().unwrap_or_default()
    }

    /// When each host was last heard that was heard after `since`.
    #[must_use]
    pub fn last_seen(&self, since: Timestamp) -> Vec<(HostId, Timestamp)> {
        self.lock()
            .hosts
            .iter()
            .filter_map(|(host, presence)| Some((*host, presence.last_seen_at?)))
            .filter(|(_, seen)| *seen > since)
            .collect()
    }

    /// How many hosts have an open stream.
    #[must_use]
    pub fn connected(&self) -> usize {
        self.lock().connected
    }
}

/// A stream that was let in.
#[derive(Debug)]
pub struct Opened {
    /// Its number, for [`Live::close`].
    pub number: u64,
    /// Cancelled when the stream must end.
    pub cancel: CancellationToken,
}

#[cfg(test)]
mod tests {
    use super::*;
    use tocsin_vocabulary::IdSource;

    #[test]
    fn a_second_stream_of_a_host_closes_the_first_and_outlives_its_end() {
        let live = Live::default();
        let now = Timestamp::from_millis(1);
        let host = HostId::next(&mut IdSource::new(1), now);
        let first = live.open(host, 10_000, 0, &CancellationToken::new(), now);
        let second = live.open(host, 10_000, 0, &CancellationToken::new(), now);
        assert!(first.cancel.is_cancelled() && !second.cancel.is_cancelled());
        live.close(host, first.number);
        assert!(live.presence(host).connected());
        live.shut_out(host);
        assert!(second.cancel.is_cancelled());
        live.close(host, second.number);
        assert_eq!(live.connected(), 0);
    }

    #[test]
    fn a_host_brings_a_bounded_amount_of_dictionaries_each_day_and_no_other_host_pays_for_it() {
        let live = Live::default();
        let mut ids = IdSource::new(1);
        let now = Timestamp::from_millis(1_790_000_000_000);
        let (greedy, modest) = (HostId::next(&mut ids, now), HostId::next(&mut ids, now));
        assert!(live.brings_sections(greedy, SECTION_BYTES_PER_DAY, now));
        assert!(!live.brings_sections(greedy, 1, now));
        assert!(live.brings_sections(modest, 1, now));
        assert!(live.brings_sections(greedy, 1, now.plus(DAY)));
    }
}
