//! The gRPC face of ingest: who may stream, and renewal of certificates.

use super::{
    Capacity, status,
    stream::{self, Bell, StreamParts},
    thread::at_home,
};
use crate::{
    backups::Backups,
    clock::Clock,
    engine::{Command, EngineHandle},
    listen::Peer,
    live::Live,
    pki::Authority,
};
use std::sync::Arc;
use tocsin_desk::record::{AuditLine, HostRecord};
use tocsin_ledger::Ledger;
use tocsin_metrics::Store;
use tocsin_proto::v1::{
    AgentMessage, CollectorMessage, RenewRequest, RenewResponse, RetryAfter, collector_message::Body,
    ingest_server::Ingest,
};
use tocsin_vocabulary::{Code, Timestamp};
use tokio::{runtime::Handle, sync::mpsc};
use tokio_stream::{StreamExt as _, adapters::Map, wrappers::ReceiverStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

/// Messages to one agent that wait for its link; a full queue makes that agent's stream wait.
const OUTGOING_QUEUE: usize = 64;

/// What [`super::Outgoing`] brings.
type Messages = Map<ReceiverStream<Boxed>, fn(Boxed) -> Result<CollectorMessage, Status>>;
type Boxed = Result<Box<CollectorMessage>, Status>;

fn messages(receiver: mpsc::Receiver<Boxed>) -> Response<Messages> {
    Response::new(ReceiverStream::new(receiver).map(|message| message.map(|boxed| *boxed)))
}

/// Serves the agents' listener.
#[derive(Clone)]
pub struct IngestService {
    /// Hosts and their certificates.
    pub ledger: Arc<Ledger>,
    /// Where ticks go.
    pub store: Arc<Store>,
    /// Rules and desk.
    pub engine: EngineHandle,
    /// Backup jobs.
    pub backups: Arc<Backups>,
    /// Who is connected.
    pub live: Arc<Live>,
    /// What can be taken now.
    pub capacity: Arc<Capacity>,
    /// Signs renewals.
    pub authority: Arc<Authority>,
    /// The shell's clock.
    pub clock: Clock,
    /// Ends every stream when the collector stops.
    pub stop: CancellationToken,
    /// Wakes streams when there are news for them.
    pub bell: Arc<Bell>,
    /// The runtime that the ledger belongs to.
    pub home: Handle,
}

impl IngestService {
    /// The host behind a call, if it is still welcome. Checked on every call.
    async fn caller(&self, peer: Option<Peer>) -> Result<(HostRecord, Timestamp), Status> {
        let (Some(host), Some(until)) = (
            peer.and_then(|peer| peer.host),
            peer.and_then(|peer| peer.certificate_until),
        ) else {
            return Err(status(
                Code::Unauthenticated,
                "this certificate names no host: enrol this host first",
            ));
        };
        let record = self
            .ledger
            .host(host)
            .await
            .map_err(|error| status(error.code(), error.to_string()))?
            .ok_or_else(|| {
                status(
                    Code::Unauthenticated,
                    "this host is not in the register here: enrol it again",
                )
            })?;
        match record.revoked_at {
            Some(at) => Err(status(
                Code::Forbidden,
                format!("this host was shut out at {at}: enrol it again"),
            )),
            None => {
                // So that a renewal whose answer was lost can be told from a copied key.
                self.ledger
                    .presented(host, until)
                    .await
                    .map_err(|error| status(error.code(), error.to_string()))?;
                Ok((record, until))
            }
        }
    }
}

#[tonic::async_trait]
impl Ingest for IngestService {
    type StreamStream = Messages;

    async fn stream(&self, request: Request<Streaming<AgentMessage>>) -> Result<Response<Self::StreamStream>, Status> {
        let (outgoing, receiver) = mpsc::channel(OUTGOING_QUEUE);
        // Before anything that costs the ledger a look.
        let peer = request.extensions().get::<Peer>().copied();
        if let Some(host) = peer.and_then(|peer| peer.host)
            && let Err(after) = self.capacity.gate.ask(host)
        {
            let retry = RetryAfter {
                delay_ms: u64::try_from(after.as_millis()).unwrap_or(u64::MAX),
                reason: "more agents come at once than can be let in".to_owned(),
            };
            let body = Some(Body::Retry(retry));
            // The queue is new and has room.
            let _ = outgoing.try_send(Ok(Box::new(CollectorMessage { body })));
            return Ok(messages(receiver));
        }
        let service = self.clone();
        let (record, certificate_until) = at_home(&self.home, async move { service.caller(peer).await }).await?;
        if let Some(peer) = peer {
            self.live.came_from(record.id, peer.address.ip().to_canonical());
        }
        let parts = StreamParts {
            record,
            certificate_until,
            ledger: self.ledger.clone(),
            store: self.store.clone(),
            engine: self.engine.clone(),
            backups: self.backups.clone(),
            live: self.live.clone(),
            capacity: self.capacity.clone(),
            clock: self.clock.clone(),
            stop: self.stop.clone(),
            bell: self.bell.clone(),
            home: self.home.clone(),
            outgoing,
        };
        tokio::spawn(stream::run(parts, request.into_inner()));
        Ok(messages(receiver))
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<RenewResponse>, Status> {
        let peer = request.extensions().get::<Peer>().copied();
        let (service, request) = (self.clone(), request.into_inner());
        let renewed = at_home(&self.home, async move { service.renewed(peer, &request).await });
        renewed.await.map(Response::new)
    }
}

impl IngestService {
    async fn renewed(&self, peer: Option<Peer>, request: &RenewRequest) -> Result<RenewResponse, Status> {
        let (record, held_until) = self.caller(peer).await?;
        let now = (self.clock)();
        let (chain, until) = self
            .authority
            .sign_agent(&request.csr, record.id, now)
            .map_err(|error| status(Code::InvalidInput, error.to_string()))?;
        let generation = match self
            .ledger
            .renewed(record.id, request.generation, held_until, until)
            .await
        {
            Ok(generation) => generation,
            Err(error) if error.code() == Code::Conflict => {
                self.copied(&record, request.generation, now).await;
                return Err(status(
                    Code::Forbidden,
                    "this key was used elsewhere: the host is shut out, enrol it again",
                ));
            }
            Err(error) => return Err(status(error.code(), error.to_string())),
        };
        tracing::info!(host = %record.id, name = record.name, generation, "certificate renewed");
        Ok(RenewResponse {
            chain: chain.into_iter().map(Into::into).collect(),
            generation,
            not_after_ms: until.as_millis(),
        })
    }

    /// Two holders of one key count apart: whoever it is, the host is shut out until an officer looks.
    async fn copied(&self, record: &HostRecord, generation: u64, now: Timestamp) {
        tracing::error!(host = %record.id, name = record.name, generation, expected = record.generation, "certificate generation does not match: the key was copied; host shut out");
        let line = AuditLine {
            at: now,
            actor: "system".to_owned(),
            via: "agent".to_owned(),
            action: "host.key_copied".to_owned(),
            subject: record.id.to_string(),
            detail: format!("generation {generation} where {} was expected", record.generation),
        };
        if let Err(error) = self.ledger.revoke_host(record.id, now, "system", &[line]).await {
            tracing::error!(%error, "cannot shut out a host in the ledger");
        }
        self.live.shut_out(record.id);
        self.engine.send(Command::HostGone(record.id)).await;
    }
}
