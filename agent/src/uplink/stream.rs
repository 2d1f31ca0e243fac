//! One stream to one collector, from hello to its end.

use super::{
    LiveTick, Outlook,
    documents::Documents,
    message::{self, message},
    opening::{self, Ended, ended_by},
    plan::{Live, Plan, Step},
    renewal::{self, Renewing},
};
use crate::{
    clock::SharedClock,
    documents::DocumentsHandle,
    identity::Identity,
    spool::{SpoolView, StoredChunk, StoredEvent, worker::SpoolHandle},
};
use std::{
    collections::{HashMap, VecDeque},
    future::pending,
    path::Path,
    sync::atomic::Ordering,
    time::Duration,
};
use tocsin_proto::{
    PROTOCOL,
    v1::{
        AgentMessage, CollectorMessage, Hello, HostFacts, Settings, Welcome, agent_message::Body as Own,
        collector_message::Body, ingest_client::IngestClient,
    },
};
use tocsin_vocabulary::{Dictionary, Hash, Timestamp};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tonic::{Streaming, transport::Channel};

/// Most events in one message.
const EVENTS_MAX: usize = 200;
/// Sections in one message stay below this.
const SECTIONS_BYTES_MAX: usize = 1024 * 1024;
/// Dictionaries kept at hand; beyond it those that the collector has are let go.
const DICTIONARIES_MAX: usize = 32;
/// How often a stream looks at what is due by time.
const BEAT: Duration = Duration::from_secs(5);
/// After a renewal, or a failed one, the next is tried after this at the earliest.
pub(super) const RENEW_AGAIN: Duration = Duration::from_secs(300);
/// A collector that takes ticks and does not acknowledge any for this long is left: another may do better, and what it
/// did not acknowledge is sent again.
const ACK_PATIENCE: Duration = Duration::from_secs(120);
/// Messages that may wait to go before whatever the plan says; beyond it, questions of the collector are not answered.
const URGENT_MAX: usize = 64;

/// What a stream needs from the agent.
pub(super) struct Resources<'a> {
    pub(super) spool: &'a SpoolHandle,
    pub(super) outlook: &'a Outlook,
    pub(super) live: &'a mut mpsc::Receiver<LiveTick>,
    pub(super) documents: &'a DocumentsHandle,
    /// Where requests for a diagnosis go.
    pub(super) diagnoses: &'a mpsc::Sender<String>,
    pub(super) processes: &'a mut watch::Receiver<Option<tocsin_proto::v1::ProcessSnapshot>>,
    pub(super) facts: &'a mut watch::Receiver<HostFacts>,
    pub(super) own_interval: &'a mut watch::Receiver<Duration>,
    pub(super) clock: &'a SharedClock,
    pub(super) state_dir: &'a Path,
    pub(super) boot_id: &'a str,
    /// First number of this run; `None` once compared with what the collector has.
    pub(super) run_begins: &'a mut Option<u64>,
    /// When the next certificate is due.
    pub(super) renewal_due: Timestamp,
    pub(super) stop: &'a CancellationToken,
}

struct Stream<'a> {
    resources: Resources<'a>,
    peer: String,
    client: IngestClient<Channel>,
    identity: &'a Identity,
    plan: Plan,
    view: watch::Receiver<SpoolView>,
    outbound: mpsc::Sender<AgentMessage>,
    /// Messages that go before whatever the plan says: facts, sections, process snapshots.
    urgent: VecDeque<AgentMessage>,
    live: Option<LiveTick>,
    chunk: Option<StoredChunk>,
    chunk_asked: Option<(u64, oneshot::Receiver<Option<StoredChunk>>)>,
    events_asked: Option<oneshot::Receiver<Vec<StoredEvent>>>,
    dictionaries: HashMap<Hash, Dictionary>,
    documents: Documents,
    renewing: Option<Renewing>,
    renew_at: Timestamp,
    /// Since when, by the monotonic clock, something waits to be acknowledged and nothing was.
    unacked_since: Option<Duration>,
}

/// Opens the stream over `channel` and serves it to its end.
pub(super) async fn serve(channel: Channel, peer: &str, identity: &Identity, resources: Resources<'_>) -> Ended {
    let view = resources.spool.view();
    let hello = hello(&view.borrow(), &resources);
    let opened = tokio::select! {
        () = resources.stop.cancelled() => return Ended::Stopped,
        opened = opening::open(channel, peer, hello) => opened,
    };
    let opened = match opened {
        Ok(opened) => opened,
        Err(ended) => return ended,
    };
    let renew_at = resources.renewal_due;
    let plan = first_plan(&view.borrow(), &opened.welcome, &resources);
    let all = resources.documents.offers_all(resources.clock.mono());
    let mut stream = Stream {
        plan,
        documents: Documents::new(resources.documents.clone(), all),
        resources,
        peer: peer.to_owned(),
        client: opened.client,
        identity,
        view,
        outbound: opened.outbound,
        urgent: VecDeque::new(),
        live: None,
        chunk: None,
        chunk_asked: None,
        events_asked: None,
        dictionaries: HashMap::new(),
        renewing: None,
        renew_at,
        unacked_since: None,
    };
    stream.welcomed(opened.welcome);
    stream.run(opened.inbound).await
}

fn hello(view: &SpoolView, resources: &Resources<'_>) -> AgentMessage {
    let interval = resources.outlook.interval(*resources.own_interval.borrow());
    message(Own::Hello(Hello {
        protocol: PROTOCOL,
        spool_id: view.id.as_bytes().to_vec().into(),
        boot_id: resources.boot_id.to_owned(),
        first_seq: view.stored.first().unwrap_or(0),
        last_seq: view.stored.last().unwrap_or(0),
        interval_ms: u64::try_from(interval.as_millis()).unwrap_or(u64::MAX),
        sent_at_ms: resources.clock.wall().as_millis(),
        last_event_seq: view.last_event.max(view.events_acked),
    }))
}

fn first_plan(view: &SpoolView, welcome: &Welcome, resources: &Resources<'_>) -> Plan {
    let mut received = message::ranges(&welcome.received);
    received.insert(1, welcome.sealed_seq);
    let interval = resources.outlook.interval(*resources.own_interval.borrow());
    let hour_ticks = u64::try_from(3_600_000 / interval.as_millis().max(1)).unwrap_or(1);
    let newest = view.next_seq.saturating_sub(1);
    Plan::new(received, welcome.event_seq, welcome.backlog_credit, newest, hour_ticks)
}

impl Stream<'_> {
    fn welcomed(&mut self, welcome: Welcome) {
        self.skip_used_numbers(&welcome);
        if welcome.sealed_seq > 0 {
            self.resources.spool.sealed(welcome.sealed_seq);
        }
        if welcome.event_seq > 0 {
            self.resources.spool.events_acked(welcome.event_seq);
        }
        if let Some(settings) = welcome.settings {
            self.set(settings);
        }
        // What waits in the live queue is from before this stream: it is in the spool.
        while self.resources.live.try_recv().is_ok() {}
        // The collector keeps the newest table in memory only: a new stream brings it again.
        self.resources.processes.mark_changed();
        let facts = self.resources.facts.borrow_and_update().clone();
        self.urgent.push_back(message(Own::Facts(facts)));
        let (peer, now) = (self.peer.clone(), self.resources.clock.wall());
        self.resources
            .outlook
            .update(|status| status.connected(peer, welcome.collector, now));
        self.resources.outlook.key_wanted.store(true, Ordering::Release);
        self.resources.outlook.live_open.store(true, Ordering::Release);
    }

    /// Once a run: numbers that the collector knows from an earlier run must not be given out again.
    fn skip_used_numbers(&mut self, welcome: &Welcome) {
        let Some(begins) = self.resources.run_begins.take() else {
            return;
        };
        let ticks = message::ranges(&welcome.received)
            .last()
            .unwrap_or(0)
            .max(welcome.sealed_seq);
        let next_event = self.view.borrow().last_event.max(self.view.borrow().events_acked) + 1;
        if ticks >= begins || welcome.event_seq >= next_event {
            let next_seq = if ticks >= begins { ticks.saturating_add(1) } else { 0 };
            let now = self.resources.clock.wall();
            self.resources
                .spool
                .skip_to(next_seq, welcome.event_seq.saturating_add(1), now);
        }
    }

    async fn run(mut self, mut inbound: Streaming<CollectorMessage>) -> Ended {
        let mut beat = tokio::time::interval(BEAT);
        let stop = self.resources.stop.clone();
        loop {
            let step = if self.urgent.is_empty() {
                self.begin_reading()
            } else {
                Step::Wait
            };
            let sends = !self.urgent.is_empty() || step != Step::Wait || self.documents.is_ready();
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ended::Stopped,
                came = inbound.message() => {
                    if let Some(ended) = self.came(came) {
                        return ended;
                    }
                }
                permit = self.outbound.clone().reserve_owned(), if sends => {
                    let Ok(permit) = permit else { return self.closed() };
                    if let Some(message) = self.next_message(step) {
                        permit.send(message);
                    }
                }
                tick = self.resources.live.recv(), if self.plan.takes_live() => {
                    let Some(tick) = tick else { return Ended::Stopped };
                    self.live_came(tick);
                }
                events = answer(self.events_asked.as_mut()) => {
                    self.events_asked = None;
                    self.events_read(events);
                }
                chunk = answer(self.chunk_asked.as_mut().map(|asked| &mut asked.1)) => {
                    let first = self.chunk_asked.take().map_or(0, |asked| asked.0);
                    self.chunk_read(first, chunk);
                }
                changed = self.view.changed() => {
                    if changed.is_err() {
                        return Ended::Stopped;
                    }
                }
                () = self.documents.change(), if !self.documents.is_ready() => {}
                // The newest waits in its channel: older ones do not pile up behind a slow collector.
                Ok(()) = self.resources.processes.changed(), if self.urgent.is_empty() => self.processes_changed(),
                Ok(()) = self.resources.facts.changed(), if self.urgent.is_empty() => {
                    let facts = self.resources.facts.borrow_and_update().clone();
                    self.urgent.push_back(message(Own::Facts(facts)));
                }
                // Only a hello tells the interval.
                Ok(()) = self.resources.own_interval.changed() => return Ended::Reopened,
                renewed = renewal::end(&mut self.renewing) => {
                    self.renewing = None;
                    match renewed {
                        Ok(()) => return Ended::Renewed,
                        Err(problem) => self.renewal_failed(&problem),
                    }
                }
                _ = beat.tick() => {
                    if let Some(ended) = self.beat() {
                        return ended;
                    }
                }
            }
        }
    }

    fn closed(&self) -> Ended {
        Ended::Broken(format!("the connection with {} closed", self.peer))
    }

    /// Asks the spool for what the plan wants to read; gives the first step that sends something.
    fn begin_reading(&mut self) -> Step {
        loop {
            let step = self.plan.next(&self.view.borrow_and_update());
            match step {
                Step::ReadEvents(after) => {
                    self.events_asked = Some(self.resources.spool.events_after(after, EVENTS_MAX));
                    self.plan.events_asked();
                }
                Step::ReadChunk(first, last) => {
                    self.chunk_asked = Some((first, self.resources.spool.chunk(first, last)));
                    self.plan.chunk_asked();
                }
                _ => return step,
            }
        }
    }

    fn next_message(&mut self, step: Step) -> Option<AgentMessage> {
        if let Some(urgent) = self.urgent.pop_front() {
            return Some(urgent);
        }
        match step {
            Step::SendLive => {
                self.plan.live_sent();
                let tick = self.live.take()?;
                Some(message(Own::Live(message::batch(tick.seq, tick.payload))))
            }
            Step::Offer(hash) => {
                self.plan.offer_sent(hash);
                let newest = self.view.borrow().dictionary.clone();
                if let Some(newest) = newest {
                    self.know(&newest);
                }
                self.dictionaries.get(&hash).map(message::offer)
            }
            Step::TellGap(gap) => {
                self.plan.gap_told(&gap);
                Some(message::gap(&gap))
            }
            Step::SendChunk => {
                self.plan.chunk_sent();
                Some(message::chunk(self.chunk.take()?.ticks))
            }
            Step::ReadEvents(_) | Step::ReadChunk(..) | Step::Wait => self.documents.next(),
        }
    }

    fn live_came(&mut self, tick: LiveTick) {
        let dictionary = tick.dictionary.hash();
        let follows = self.plan.live_came(Live {
            seq: tick.seq,
            key_frame: tick.key_frame,
            dictionary,
        });
        if follows {
            self.know(&tick.dictionary);
            self.live = Some(tick);
        } else {
            self.resources.outlook.key_wanted.store(true, Ordering::Release);
        }
    }

    /// Keeps a dictionary at hand until the collector has it.
    fn know(&mut self, dictionary: &Dictionary) {
        if self.dictionaries.len() >= DICTIONARIES_MAX {
            let plan = &self.plan;
            self.dictionaries.retain(|hash, _| !plan.is_ready(*hash));
        }
        self.dictionaries
            .entry(dictionary.hash())
            .or_insert_with(|| dictionary.clone());
    }

    fn events_read(&mut self, events: Result<Vec<StoredEvent>, oneshot::error::RecvError>) {
        let events = events.unwrap_or_default();
        self.plan.events_sent(events.last().map(|event| event.seq));
        if !events.is_empty() {
            self.urgent.push_back(message::events(events));
        }
    }

    fn chunk_read(&mut self, first: u64, chunk: Result<Option<StoredChunk>, oneshot::error::RecvError>) {
        match chunk {
            Err(_) => self.plan.chunk_stalled(),
            Ok(None) => self.plan.chunk_unreadable(first),
            Ok(Some(chunk)) => {
                let last = chunk.ticks.last().map_or(first, |tick| tick.seq);
                let hash = chunk.dictionary.hash();
                self.know(&chunk.dictionary);
                self.plan.chunk_read(first, last, hash);
                self.chunk = Some(chunk);
            }
        }
    }

    fn processes_changed(&mut self) {
        let snapshot = self.resources.processes.borrow_and_update().clone();
        if let Some(snapshot) = snapshot {
            self.urgent.push_back(message(Own::Processes(snapshot)));
        }
    }

    fn came(&mut self, came: Result<Option<CollectorMessage>, tonic::Status>) -> Option<Ended> {
        let body = match came {
            Err(status) => return Some(ended_by(&self.peer, &status)),
            Ok(None) => return Some(self.closed()),
            Ok(Some(message)) => message.body?,
        };
        match body {
            Body::Need(need) => self.needed(&need.dictionary, &need.sections),
            Body::Ack(ack) => {
                self.unacked_since = None;
                self.plan.acked(&message::ranges(&ack.received), ack.sealed_seq);
                if ack.sealed_seq > 0 {
                    self.resources.spool.sealed(ack.sealed_seq);
                }
                if ack.event_seq > 0 {
                    self.resources.spool.events_acked(ack.event_seq);
                }
                let newest = message::ranges(&ack.received).last();
                let now = self.resources.clock.wall();
                self.resources.outlook.update(|status| status.acked(newest, now));
            }
            Body::Settings(settings) => self.set(settings),
            Body::Credit(credit) => self.plan.add_credit(credit.chunks),
            Body::Retry(retry) => {
                return Some(Ended::RetryAfter(Duration::from_millis(retry.delay_ms), retry.reason));
            }
            Body::Refused(refused) => return Some(Ended::Refused(refused.reason)),
            Body::DocumentNeed(need) => self.documents.needed(&need),
            Body::DocumentAck(ack) => self.documents.acked(&ack),
            // When one is on its way already, the collector asked too often.
            Body::Diagnose(diagnose) => drop(self.resources.diagnoses.try_send(diagnose.request)),
            // Only the first message welcomes; a second one changes nothing.
            Body::Welcome(_) => {}
        }
        None
    }

    fn needed(&mut self, dictionary: &[u8], sections: &[bytes::Bytes]) {
        let Some(dictionary) = Hash::from_slice(dictionary).and_then(|hash| self.dictionaries.get(&hash)) else {
            return;
        };
        if sections.is_empty() {
            self.plan.dictionary_ready(dictionary.hash());
            return;
        }
        if self.urgent.len() >= URGENT_MAX {
            return;
        }
        let needed: Vec<Hash> = sections.iter().filter_map(|hash| Hash::from_slice(hash)).collect();
        self.urgent
            .extend(message::sections(dictionary, &needed, SECTIONS_BYTES_MAX));
    }

    fn set(&self, settings: Settings) {
        self.resources
            .outlook
            .set_interval(Duration::from_millis(settings.interval_ms));
    }

    fn beat(&mut self) -> Option<Ended> {
        self.plan.beat();
        let mono = self.resources.clock.mono();
        if !self.plan.awaits_ack() {
            self.unacked_since = None;
        } else if mono.saturating_sub(*self.unacked_since.get_or_insert(mono)) > ACK_PATIENCE {
            return Some(Ended::Broken(format!(
                "{} takes ticks but acknowledged none for {} s: look at the collector's health",
                self.peer,
                ACK_PATIENCE.as_secs()
            )));
        }
        let now = self.resources.clock.wall();
        if self.renewing.is_none() && now >= self.renew_at {
            self.renew_at = now.plus(RENEW_AGAIN);
            let client = self.client.clone();
            let state_dir = self.resources.state_dir.to_owned();
            let (generation, collectors) = (self.identity.generation, self.identity.collectors.clone());
            self.renewing = Some(Box::pin(renewal::renew(client, state_dir, generation, collectors)));
        }
        None
    }

    fn renewal_failed(&self, problem: &str) {
        tracing::warn!(problem, "cannot renew the certificate");
        self.resources.outlook.update(|status| {
            status.problem = Some(format!("cannot renew the certificate: {problem}"));
        });
    }
}

/// The answer to a question, if one was asked.
async fn answer<T>(question: Option<&mut oneshot::Receiver<T>>) -> Result<T, oneshot::error::RecvError> {
    match question {
        Some(question) => question.await,
        None => pending().await,
    }
}
