//! One agent's stream, from hello to end.
//!
//! The agent speaks first (`Hello`), then sends ticks as they happen; what it kept while it was away follows under
//! credit. Each batch goes to the journal; live ticks go to the rules at once, beside the journal's fsync, for no page
//! waits for a sample's safety. Acknowledgements are sent when the journal says *durable*, many batches in one.
//!
//! * `opening` — hello and welcome,
//! * `dictionaries` — what cells mean,
//! * `batches` — ticks, live and kept,
//! * `news` — what is durable, acknowledgements, credit,
//! * `facts` — what a host says of itself,
//! * `documents` — texts that travel once,
//! * `end` — why a stream ends, and what the agent is told.

mod batches;
mod dictionaries;
mod documents;
mod end;
mod facts;
mod news;
mod opening;

pub use news::{Bell, News};

use super::{Capacity, Outgoing, backlog::Member, status, wire};
use crate::{
    backups::Backups,
    clock::Clock,
    engine::EngineHandle,
    live::{Live, Refusal},
};
use dictionaries::Offered;
use documents::Arriving;
use end::End;
use std::{sync::Arc, time::Duration};
use tocsin_desk::record::HostRecord;
use tocsin_ledger::Ledger;
use tocsin_metrics::Store;
use tocsin_proto::v1::{self, AgentMessage, CollectorMessage, agent_message, collector_message::Body};
use tocsin_vocabulary::{Code, IdSource, SpoolId, Timestamp};
use tokio::{runtime::Handle, sync::mpsc::error::TrySendError};
use tokio_util::sync::CancellationToken;
use tonic::Streaming;

/// A stream that has not said hello by then is closed.
const HELLO_DEADLINE: Duration = Duration::from_secs(10);
/// How often a stream looks at what no message tells: whether more was sealed, and the end of the host's certificate.
const LOOK_PERIOD: Duration = Duration::from_secs(60);
/// What a chunk of backlog is taken to have, in bytes, when no live tick tells.
const CHUNK_BYTES_GUESS: usize = 64 * 1024;
/// An agent that takes no message for so long while its queue is full is left.
const SAY_DEADLINE: Duration = Duration::from_secs(30);
/// How long the last word may wait for a full queue.
const FAREWELL_DEADLINE: Duration = Duration::from_secs(1);
/// What an agent is told when the journal's queue is full.
const BUSY_RETRY: Duration = Duration::from_secs(5);

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
    /// Backup jobs.
    pub backups: Arc<Backups>,
    /// Presence.
    pub live: Arc<Live>,
    /// What can be taken now.
    pub capacity: Arc<Capacity>,
    /// The shell's clock.
    pub clock: Clock,
    /// Cancelled when the collector stops.
    pub stop: CancellationToken,
    /// Wakes it when there are news.
    pub bell: Arc<Bell>,
    /// The runtime that the ledger belongs to.
    pub home: Handle,
    /// To the agent.
    pub outgoing: Outgoing,
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
    let (outgoing, live) = (parts.outgoing.clone(), parts.live.clone());
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
            // An agent that is refused comes again and again: its log says so each time, ours once.
            let refused = Refusal {
                name: name.clone(),
                reason: reason.clone(),
            };
            if code != Code::ResourceExhausted || live.refuse(host, refused) {
                tracing::warn!(%host, name, code = code.key(), reason, "stream refused");
            }
            Body::Refused(v1::Refused {
                code: code.key().to_owned(),
                reason,
            })
        }
    };
    let farewell = outgoing.send(Ok(Box::new(CollectorMessage { body: Some(farewell) })));
    let _ = tokio::time::timeout(FAREWELL_DEADLINE, farewell).await;
}

/// Lets the host in and serves it. Whatever the stream waits for — a slow link, a full queue — it ends at once when it
/// is superseded, the host is shut out, its certificate ends or the collector stops.
async fn serve(parts: StreamParts, hello: &v1::Hello, incoming: &mut Streaming<AgentMessage>) -> End {
    let (spool, interval) = match opening::checked(hello) {
        Ok(checked) => checked,
        Err(end) => return end,
    };
    let (host, live, stop) = (parts.record.id, parts.live.clone(), parts.stop.clone());
    let capacity = parts.capacity.clone();
    let now = (parts.clock)();
    let offset = hello.sent_at_ms.saturating_sub(now.as_millis());
    let opened = live.open(host, hello.interval_ms, offset, &stop, now);
    live.reach(host, opened.number, parts.outgoing.clone());
    let served = async {
        match Box::pin(Stream::open(parts, spool, interval, hello)).await {
            Ok(mut stream) => stream.receive(incoming).await,
            Err(end) => end,
        }
    };
    let end = tokio::select! {
        end = served => end,
        // Also when the collector stops.
        () = opened.cancel.cancelled() => if stop.is_cancelled() {
            let after = capacity.gate.spread(live.connected());
            End::Retry(after, "the collector is stopping".to_owned())
        } else {
            End::Refused(
                Code::Forbidden,
                "another stream of this host was opened, or it was shut out".to_owned(),
            )
        },
    };
    live.close(host, opened.number);
    end
}

/// An open stream.
struct Stream {
    parts: StreamParts,
    spool: SpoolId,
    ticks: tocsin_metrics::Stream,
    offered: Vec<Offered>,
    /// The document that was asked for.
    arriving: Option<Box<Arriving>>,
    /// Names documents; made with the first of them.
    ids: Option<Box<IdSource>>,
    /// Gaps that were told of.
    gaps: u64,
    news: Arc<News>,
    /// Its place among those that share the credit for backlog.
    member: Member,
    /// The newest tick that the agent had when it said hello.
    last_seq: u64,
    /// The newest event that it had then; 0 for an agent that does not say.
    events_before: u64,
    /// The newest live tick that was looked at: one with a lower number is late, whatever it bears as its time.
    live_seq: u64,
    /// What a chunk of its backlog is taken to have, in bytes; 0: no live tick came yet.
    chunk_bytes: usize,
    /// Up to where the agent was told that its ticks are sealed.
    told_sealed: u64,
}

impl Stream {
    async fn say(&self, body: Body) -> Result<(), End> {
        let message = Ok(Box::new(CollectorMessage { body: Some(body) }));
        let message = match self.parts.outgoing.try_send(message) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Closed(_)) => return Err(End::Gone),
            Err(TrySendError::Full(message)) => message,
        };
        let said = self.parts.outgoing.send(message);
        match tokio::time::timeout(SAY_DEADLINE, said).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => {
                tracing::warn!(host = %self.parts.record.id, "the agent takes no messages");
                Err(End::Gone)
            }
        }
    }

    /// Receives until the agent goes.
    async fn receive(&mut self, incoming: &mut Streaming<AgentMessage>) -> End {
        let mut look = tokio::time::interval(LOOK_PERIOD);
        look.reset();
        let news = self.news.clone();
        loop {
            let done = tokio::select! {
                biased;
                told = news.come() => match told {
                    Ok(told) => self.tell(told).await,
                    Err(end) => Err(end),
                },
                _ = look.tick() => self.look().await,
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
                return news.failed().err().unwrap_or(end);
            }
        }
    }

    /// What is due by time.
    async fn look(&mut self) -> Result<(), End> {
        self.check_certificate((self.parts.clock)())?;
        if self.chunk_bytes == 0 {
            self.chunk_bytes = CHUNK_BYTES_GUESS;
            return self.ack(0).await;
        }
        self.look_at_sealed().await
    }

    fn check_certificate(&self, now: Timestamp) -> Result<(), End> {
        if now < self.parts.certificate_until {
            return Ok(());
        }
        let reason = "the host's certificate has ended".to_owned();
        Err(End::Refused(Code::Unauthenticated, reason))
    }

    async fn take(&mut self, body: agent_message::Body) -> Result<(), End> {
        let host = self.parts.record.id;
        let now = (self.parts.clock)();
        self.check_certificate(now)?;
        if !matches!(body, agent_message::Body::Live(_)) {
            self.parts.live.heard(host, now);
        }
        // What is rare is boxed: ten thousand streams wait here, each as large as the largest of these.
        match body {
            agent_message::Body::Hello(_) => Err(End::Refused(Code::InvalidInput, "Hello came twice".to_owned())),
            agent_message::Body::Offer(offer) => Box::pin(self.offer(offer)).await,
            agent_message::Body::Sections(sections) => Box::pin(self.sections(sections)).await,
            agent_message::Body::Live(batch) => self.live(batch, now).await,
            agent_message::Body::Backlog(chunk) => self.backlog(chunk, now),
            agent_message::Body::Events(events) => Box::pin(self.events(events, now)).await,
            agent_message::Body::Facts(facts) => Box::pin(self.facts(facts)).await,
            agent_message::Body::Processes(snapshot) => {
                self.parts.live.set_processes(host, wire::processes_of(snapshot));
                Ok(())
            }
            agent_message::Body::Gap(gap) => self.gap(gap),
            agent_message::Body::Document(offer) => Box::pin(self.document(offer, now)).await,
            agent_message::Body::Piece(piece) => Box::pin(self.piece(piece)).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of what a task keeps between two messages.
    fn size_of_task<F>(_: impl FnOnce(StreamParts, Streaming<AgentMessage>) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn the_task_of_a_stream_is_small_for_there_are_thousands_of_it() {
        let bytes = size_of_task(run);
        assert!(bytes <= 8 * 1024, "{bytes}");
    }
}
