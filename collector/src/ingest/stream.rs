//! One agent's stream, from hello to end.
//!
//! The agent speaks first (`Hello`), then sends ticks as they happen; what it kept while it was away follows under
//! credit. Each batch goes to the journal; live ticks go to the rules at once, beside the journal's fsync, for no page
//! waits for a sample's safety. Acknowledgements are sent when the journal says *durable*, many batches in one.

use super::{status, wire};
use crate::{
    clock::Clock,
    engine::{Command, EngineHandle, TickSeen},
    live::Live,
};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use tocsin_console::backend::Change;
use tocsin_desk::record::{EventRecord, HostRecord};
use tocsin_ledger::Ledger;
use tocsin_metrics::{OnDurable, Store, StoreError};
use tocsin_proto::{
    CHUNK_TICKS_MAX, PROTOCOL,
    v1::{self, AgentMessage, CollectorMessage, agent_message, collector_message::Body},
};
use tocsin_vocabulary::{Code, Hash, SpoolId, Timestamp};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

/// A stream that has not said hello by then is closed.
const HELLO_DEADLINE: Duration = Duration::from_secs(10);
/// Backlog chunks that one agent may have under way.
const BACKLOG_CREDIT: u32 = 4;
/// How often `sealed` is looked at, and told when it moved.
const SEALED_PERIOD: Duration = Duration::from_secs(20);
/// How often the end of the host's certificate is looked at.
const CERTIFICATE_PERIOD: Duration = Duration::from_secs(10);
/// An agent that takes no message for so long while its queue is full is left.
const SAY_DEADLINE: Duration = Duration::from_secs(30);
/// How long the last word may wait for a full queue.
const FAREWELL_DEADLINE: Duration = Duration::from_secs(1);
/// When an agent shall come back after the collector was stopped.
const RESTART_RETRY: Duration = Duration::from_secs(2);
/// Most sections of one dictionary.
const SECTIONS_MAX: usize = 256;
/// Most dictionaries of one stream that wait for sections.
const OFFERS_MAX: usize = 16;
/// Most events in one message.
const EVENTS_MAX: usize = 1_000;
/// What an agent is told when the journal's queue is full.
const BUSY_RETRY: Duration = Duration::from_secs(5);
/// Bounds of a tick interval.
const INTERVAL_MS: std::ops::RangeInclusive<u64> = 1_000..=60_000;

/// What a stream works with.
pub struct StreamParts {
    /// The host, as registered.
    pub record: HostRecord,
    /// When its certificate ends; so does the stream.
    pub certificate_until: Timestamp,
    /// Facts and events.
    pub ledger: Arc<Ledger>,
    /// Ticks.
    pub store: Arc<Store>,
    /// Rules.
    pub engine: EngineHandle,
    /// Presence.
    pub live: Arc<Live>,
    /// The shell's clock.
    pub clock: Clock,
    /// Cancelled when the collector stops.
    pub stop: CancellationToken,
    /// To the agent.
    pub outgoing: mpsc::Sender<Result<CollectorMessage, Status>>,
}

/// Why a stream ends from our side.
enum End {
    /// The agent went away.
    Gone,
    /// It is told to come back later.
    Retry(Duration, String),
    /// It did what it may not, or is no longer welcome.
    Refused(Code, String),
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        let reason = match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        match error.code() {
            Code::Unavailable => Self::Retry(BUSY_RETRY, reason),
            code => Self::Refused(code, reason),
        }
    }
}

/// Runs one stream to its end.
pub async fn run(parts: StreamParts, mut incoming: Streaming<AgentMessage>) {
    let hello = tokio::select! {
        () = parts.stop.cancelled() => return,
        first = tokio::time::timeout(HELLO_DEADLINE, incoming.message()) => first,
    };
    let Ok(Ok(Some(AgentMessage {
        body: Some(agent_message::Body::Hello(hello)),
    }))) = hello
    else {
        let _ = parts
            .outgoing
            .try_send(Err(status(Code::InvalidInput, "a stream begins with Hello")));
        return;
    };
    let host = parts.record.id;
    let name = parts.record.name.clone();
    let outgoing = parts.outgoing.clone();
    let end = serve(parts, &hello, &mut incoming).await;
    let farewell = match end {
        End::Gone => {
            tracing::info!(%host, name, "stream ended");
            return;
        }
        End::Retry(delay, reason) => {
            tracing::warn!(%host, name, reason, "agent told to come back later");
            let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            Body::Retry(v1::RetryAfter { delay_ms, reason })
        }
        End::Refused(code, reason) => {
            tracing::warn!(%host, name, code = code.key(), reason, "stream refused");
            Body::Refused(v1::Refused {
                code: code.key().to_owned(),
                reason,
            })
        }
    };
    let farewell = outgoing.send(Ok(CollectorMessage { body: Some(farewell) }));
    let _ = tokio::time::timeout(FAREWELL_DEADLINE, farewell).await;
}

/// Lets the host in and serves it. Whatever the stream waits for — a slow link, a full queue — it ends at once when it
/// is superseded, the host is shut out, its certificate ends or the collector stops.
async fn serve(parts: StreamParts, hello: &v1::Hello, incoming: &mut Streaming<AgentMessage>) -> End {
    let (spool, interval) = match checked(hello) {
        Ok(checked) => checked,
        Err(end) => return end,
    };
    let (host, live, clock) = (parts.record.id, parts.live.clone(), parts.clock.clone());
    let (stop, until) = (parts.stop.clone(), parts.certificate_until);
    let now = clock();
    let offset = hello.sent_at_ms.saturating_sub(now.as_millis());
    let opened = live.open(host, hello.interval_ms, offset, now);
    let served = async {
        match Stream::open(parts, spool, interval, hello.first_seq).await {
            Ok(mut stream) => stream.receive(incoming).await,
            Err(end) => end,
        }
    };
    let end = tokio::select! {
        end = served => end,
        () = opened.cancel.cancelled() => End::Refused(
            Code::Forbidden,
            "another stream of this host was opened, or it was shut out".to_owned(),
        ),
        () = ended(&clock, until) => {
            End::Refused(Code::Unauthenticated, "the host's certificate has ended".to_owned())
        }
        () = stop.cancelled() => End::Retry(RESTART_RETRY, "the collector is stopping".to_owned()),
    };
    live.close(host, opened.number);
    end
}

/// Waits until a certificate's end has come.
async fn ended(clock: &Clock, until: Timestamp) {
    while clock() < until {
        tokio::time::sleep(CERTIFICATE_PERIOD).await;
    }
}

/// What the hello says of spool and interval, if it is sound.
fn checked(hello: &v1::Hello) -> Result<(SpoolId, Duration), End> {
    if hello.protocol != PROTOCOL {
        return Err(End::Refused(
            Code::FailedPrecondition,
            format!(
                "the agent speaks protocol {}, this collector {PROTOCOL}: upgrade the older of the two",
                hello.protocol
            ),
        ));
    }
    let spool: [u8; 16] = hello
        .spool_id
        .as_ref()
        .try_into()
        .map_err(|_| End::Refused(Code::InvalidInput, "spool_id is not 16 bytes".to_owned()))?;
    if !INTERVAL_MS.contains(&hello.interval_ms) {
        return Err(End::Refused(
            Code::InvalidInput,
            "interval is not between 1s and 60s".to_owned(),
        ));
    }
    Ok((SpoolId::from_bytes(spool), Duration::from_millis(hello.interval_ms)))
}

/// An open stream.
struct Stream {
    parts: StreamParts,
    spool: SpoolId,
    ticks: tocsin_metrics::Stream,
    offered: Vec<Offered>,
    /// Gaps that were told of.
    gaps: u64,
    journal: Arc<Journalled>,
}

/// What the journal says of the batches of one stream.
#[derive(Default)]
struct Journalled {
    news: Notify,
    failed: OnceLock<StoreError>,
}

impl Journalled {
    /// What the store calls when a batch is safe, or can't be stored.
    fn verdict(self: &Arc<Self>) -> OnDurable {
        let journal = self.clone();
        Box::new(move |stored| {
            if let Err(error) = stored {
                let _ = journal.failed.set(error);
            }
            journal.news.notify_one();
        })
    }

    /// Waits until there is something to acknowledge; an error when a batch could not be stored: what follows it
    /// makes no sense, so the agent has to begin again.
    async fn news(&self) -> Result<(), End> {
        self.news.notified().await;
        self.failed()
    }

    fn failed(&self) -> Result<(), End> {
        self.failed.get().map_or(Ok(()), |error| Err(error.clone().into()))
    }
}

/// A dictionary that was offered and is not complete yet.
struct Offered {
    dictionary: Vec<u8>,
    sections: Vec<Hash>,
}

impl Stream {
    async fn open(parts: StreamParts, spool: SpoolId, interval: Duration, first_seq: u64) -> Result<Self, End> {
        let host = parts.record.id;
        let unreadable = |error: tocsin_ledger::LedgerError| End::Retry(BUSY_RETRY, error.to_string());
        // Again, now that the stream is one that a shut-out closes: it may have come between the call and the hello.
        let record = parts.ledger.host(host).await.map_err(unreadable)?;
        if record.is_none_or(|record| record.revoked_at.is_some()) {
            return Err(End::Refused(
                Code::Forbidden,
                "this host was shut out: enrol it again".to_owned(),
            ));
        }
        let ticks = parts.store.begin_stream(host, spool, first_seq);
        parts.engine.send(Command::Streaming { host, interval }).await;
        let event_seq = parts.ledger.event_seq(host, spool).await.map_err(unreadable)?;
        let stream = Self {
            parts,
            spool,
            ticks,
            offered: Vec::new(),
            gaps: 0,
            journal: Arc::default(),
        };
        let (received, sealed_seq) = stream.holdings();
        stream
            .say(Body::Welcome(v1::Welcome {
                collector: env!("CARGO_PKG_VERSION").to_owned(),
                received,
                sealed_seq,
                event_seq,
                settings: None,
                backlog_credit: BACKLOG_CREDIT,
            }))
            .await?;
        tracing::info!(%host, name = stream.parts.record.name, "stream opened");
        Ok(stream)
    }

    async fn say(&self, body: Body) -> Result<(), End> {
        let said = self.parts.outgoing.send(Ok(CollectorMessage { body: Some(body) }));
        match tokio::time::timeout(SAY_DEADLINE, said).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => {
                tracing::warn!(host = %self.parts.record.id, "the agent takes no messages");
                Err(End::Gone)
            }
        }
    }

    /// What the store holds of this spool: received ranges, and up to where it is sealed.
    fn holdings(&self) -> (Vec<v1::Range>, u64) {
        let holdings = self.parts.store.holdings(self.parts.record.id, self.spool);
        let ranges = holdings
            .received
            .into_iter()
            .map(|(first, last)| v1::Range { first, last });
        (ranges.collect(), holdings.sealed_seq)
    }

    async fn ack(&self, event_seq: u64) -> Result<(), End> {
        let (received, sealed_seq) = self.holdings();
        self.say(Body::Ack(v1::Ack {
            received,
            sealed_seq,
            event_seq,
        }))
        .await
    }

    /// Receives until the agent goes.
    async fn receive(&mut self, incoming: &mut Streaming<AgentMessage>) -> End {
        let mut sealed = tokio::time::interval(SEALED_PERIOD);
        let (_, mut told) = self.holdings();
        loop {
            let journal = self.journal.clone();
            let done = tokio::select! {
                news = journal.news() => match news {
                    Ok(()) => self.ack(0).await,
                    Err(end) => Err(end),
                },
                _ = sealed.tick() => {
                    let (_, sealed) = self.holdings();
                    if sealed == told { Ok(()) } else {
                        told = sealed;
                        self.ack(0).await
                    }
                }
                message = incoming.message() => match message {
                    Ok(Some(AgentMessage { body: Some(body) })) => self.take(body).await,
                    Ok(Some(AgentMessage { body: None })) => Ok(()), // of a newer agent
                    Ok(None) => return End::Gone,
                    // Longer than `MESSAGE_BYTES_MAX`: whoever sent it is told.
                    Err(error) if error.code() == tonic::Code::OutOfRange => {
                        return End::Refused(Code::ResourceExhausted, error.message().to_owned());
                    }
                    Err(error) => {
                        tracing::debug!(host = %self.parts.record.id, %error, "stream broke");
                        return End::Gone;
                    }
                }
            };
            if let Err(end) = done {
                // A batch that makes no sense because one before it was not stored is not the agent's mistake.
                return journal.failed().err().unwrap_or(end);
            }
        }
    }

    async fn take(&mut self, body: agent_message::Body) -> Result<(), End> {
        let host = self.parts.record.id;
        let now = (self.parts.clock)();
        self.parts.live.heard(host, now);
        match body {
            agent_message::Body::Hello(_) => Err(End::Refused(Code::InvalidInput, "Hello came twice".to_owned())),
            agent_message::Body::Offer(offer) => self.offer(offer).await,
            agent_message::Body::Sections(sections) => self.sections(sections).await,
            agent_message::Body::Live(batch) => self.live(batch, now).await,
            agent_message::Body::Backlog(chunk) => self.backlog(chunk, now).await,
            agent_message::Body::Events(events) => self.events(events, now).await,
            agent_message::Body::Facts(facts) => self.facts(facts).await,
            agent_message::Body::Processes(snapshot) => {
                self.parts.live.set_processes(host, wire::processes_of(snapshot));
                Ok(())
            }
            agent_message::Body::Gap(gap) => self.gap(gap),
        }
    }

    fn gap(&mut self, gap: v1::Gap) -> Result<(), End> {
        let host = self.parts.record.id;
        let reason = wire::clipped(gap.reason);
        self.gaps += 1;
        if self.gaps == 1 {
            tracing::warn!(%host, name = self.parts.record.name, from = gap.first_seq, to = gap.last_seq, reason, "the agent had to drop ticks; further gaps of this stream are in its chart only");
        }
        self.parts.store.append_gap(
            &self.ticks,
            (gap.first_seq, gap.last_seq),
            (Timestamp::from_millis(gap.from_ms), Timestamp::from_millis(gap.to_ms)),
            &reason,
            self.journal.verdict(),
        )?;
        Ok(())
    }

    /// Answers what is missing of an offered dictionary; nothing missing means that it is ready to be used.
    async fn offer(&mut self, offer: v1::DictionaryOffer) -> Result<(), End> {
        if offer.sections.len() > SECTIONS_MAX || self.offered.len() >= OFFERS_MAX {
            let reason = format!("a dictionary may have {SECTIONS_MAX} sections, a stream {OFFERS_MAX} open offers");
            return Err(End::Refused(Code::ResourceExhausted, reason));
        }
        if Hash::from_slice(&offer.hash).is_none() {
            return Err(End::Refused(
                Code::InvalidInput,
                "a dictionary's hash is not 32 bytes".to_owned(),
            ));
        }
        let hashes: Option<Vec<Hash>> = offer.sections.iter().map(|bytes| Hash::from_slice(bytes)).collect();
        let sections =
            hashes.ok_or_else(|| End::Refused(Code::InvalidInput, "a section's hash is not 32 bytes".to_owned()))?;
        let missing = self.parts.store.missing_sections(&sections);
        self.offered.push(Offered {
            dictionary: offer.hash.to_vec(),
            sections,
        });
        if missing.is_empty() {
            return self.settle().await;
        }
        let sections = missing.iter().map(|hash| hash.as_bytes().to_vec().into()).collect();
        self.say(Body::Need(v1::DictionaryNeed {
            dictionary: offer.hash,
            sections,
        }))
        .await
    }

    async fn sections(&mut self, sections: v1::Sections) -> Result<(), End> {
        if sections.sections.len() > SECTIONS_MAX {
            return Err(End::Refused(
                Code::ResourceExhausted,
                "too many sections in one message".to_owned(),
            ));
        }
        let bytes = sections.sections.iter().map(|section| section.len()).sum();
        let now = (self.parts.clock)();
        if !self.parts.live.brings_sections(self.parts.record.id, bytes, now) {
            let reason = "this host's series change too often: it brought more new dictionaries than a day allows";
            return Err(End::Refused(Code::ResourceExhausted, reason.to_owned()));
        }
        let store = self.parts.store.clone();
        let put = tokio::task::spawn_blocking(move || {
            let sections: Vec<Vec<u8>> = sections.sections.iter().map(|bytes| bytes.to_vec()).collect();
            store.put_sections(&sections)
        });
        put.await.map_err(|_| End::Gone)??;
        self.settle().await
    }

    /// Keeps every offered dictionary that is complete, and says that it is ready.
    async fn settle(&mut self) -> Result<(), End> {
        let store = self.parts.store.clone();
        let complete = self
            .offered
            .extract_if(.., |offered| store.missing_sections(&offered.sections).is_empty());
        for Offered { dictionary, sections } in complete.collect::<Vec<_>>() {
            let store = self.parts.store.clone();
            let put = tokio::task::spawn_blocking(move || store.put_dictionary(&sections));
            put.await.map_err(|_| End::Gone)??;
            self.say(Body::Need(v1::DictionaryNeed {
                dictionary: dictionary.into(),
                sections: Vec::new(),
            }))
            .await?;
        }
        Ok(())
    }

    async fn live(&self, batch: v1::Batch, now: Timestamp) -> Result<(), End> {
        let host = self.parts.record.id;
        let appended =
            self.parts
                .store
                .append_live(&self.ticks, batch.seq, &batch.payload, now, self.journal.verdict())?;
        if !appended.duplicate {
            let tocsin_metrics::Appended {
                tick,
                dictionary,
                changed,
                ..
            } = appended;
            self.parts.live.ring(Change::Tick(host));
            let seen = Command::Tick(TickSeen {
                host,
                dictionary,
                tick,
                changed,
            });
            let sent = self.parts.engine.send(seen);
            tokio::pin!(sent);
            // While the engine's queue is full no further message is taken, but what is durable is acknowledged.
            loop {
                tokio::select! {
                    biased;
                    _ = &mut sent => break,
                    news = self.journal.news() => {
                        news?;
                        self.ack(0).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn backlog(&self, chunk: v1::Chunk, now: Timestamp) -> Result<(), End> {
        if chunk.batches.len() > CHUNK_TICKS_MAX {
            return Err(End::Refused(
                Code::ResourceExhausted,
                format!("a chunk may have {CHUNK_TICKS_MAX} ticks"),
            ));
        }
        let batches: Vec<(u64, &[u8])> = chunk
            .batches
            .iter()
            .map(|batch| (batch.seq, batch.payload.as_ref()))
            .collect();
        self.parts
            .store
            .append_chunk(&self.ticks, &batches, now, self.journal.verdict())?;
        self.say(Body::Credit(v1::Credit { chunks: 1 })).await
    }

    async fn events(&self, events: v1::Events, now: Timestamp) -> Result<(), End> {
        if events.events.len() > EVENTS_MAX {
            return Err(End::Refused(
                Code::ResourceExhausted,
                format!("a message may have {EVENTS_MAX} events"),
            ));
        }
        let records: Vec<EventRecord> = events
            .events
            .into_iter()
            .map(|event| wire::event_of(event, now))
            .collect();
        let stored = self
            .parts
            .ledger
            .store_events(self.parts.record.id, self.spool, &records)
            .await
            .map_err(|error| End::Retry(BUSY_RETRY, error.to_string()))?;
        self.ack(stored).await
    }

    async fn facts(&mut self, facts: v1::HostFacts) -> Result<(), End> {
        let facts = wire::facts_of(facts);
        let host = self.parts.record.id;
        let interval_ms = self.parts.live.presence(host).interval_ms;
        if facts == self.parts.record.facts && interval_ms == self.parts.record.interval_ms {
            return Ok(());
        }
        self.parts
            .ledger
            .update_facts(host, &facts, interval_ms)
            .await
            .map_err(|error| End::Retry(BUSY_RETRY, error.to_string()))?;
        // Read anew: the register may have changed since the stream was opened.
        let record = self.parts.ledger.host(host).await;
        let record = record.map_err(|error| End::Retry(BUSY_RETRY, error.to_string()))?;
        let Some(record) = record.filter(|record| record.revoked_at.is_none()) else {
            return Err(End::Refused(
                Code::Forbidden,
                "this host was shut out: enrol it again".to_owned(),
            ));
        };
        self.parts.record = record;
        self.parts.engine.host_changed(self.parts.record.clone()).await;
        self.parts.live.ring(Change::Hosts);
        Ok(())
    }
}
