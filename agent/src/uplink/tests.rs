//! A whole agent against a collector of the test's own, over real TLS.

use crate::{
    app::{self, Options},
    clock::SystemClock,
    config::Config,
    identity::{Identity, NewIdentity},
    status::Status,
    testing::Site,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tocsin_proto::v1::{
    Ack, AgentMessage, CollectorMessage, DictionaryNeed, Hello, Range, Refused, RenewRequest, RenewResponse, Welcome,
    agent_message::Body as Own,
    collector_message::Body,
    ingest_server::{Ingest, IngestServer},
};
use tocsin_vocabulary::{Dictionary, Hash, Section, batch::Decoder};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status as RpcStatus, Streaming};

/// What the collector does with its streams, one after the other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Takes everything, acknowledges nothing, and breaks after the first live tick.
    BreakAfterLive,
    /// Takes and acknowledges everything.
    Good,
    /// Refuses.
    Refuse,
}

struct Collector {
    site: Site,
    heard: mpsc::Sender<(usize, AgentMessage)>,
    manners: Vec<Manner>,
    streams: std::sync::atomic::AtomicUsize,
}

#[tonic::async_trait]
impl Ingest for Collector {
    type StreamStream = ReceiverStream<Result<CollectorMessage, RpcStatus>>;

    async fn stream(
        &self,
        request: Request<Streaming<AgentMessage>>,
    ) -> Result<Response<Self::StreamStream>, RpcStatus> {
        let number = self.streams.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let manner = *self.manners.get(number).or(self.manners.last()).unwrap();
        let (answers, outbound) = mpsc::channel(64);
        tokio::spawn(serve(number, manner, request.into_inner(), answers, self.heard.clone()));
        Ok(Response::new(ReceiverStream::new(outbound)))
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<RenewResponse>, RpcStatus> {
        let request = request.into_inner();
        let chain = self.site.chain_for(&request.csr).into_iter().map(Into::into).collect();
        let generation = request.generation + 1;
        Ok(Response::new(RenewResponse {
            chain,
            generation,
            not_after_ms: 0,
        }))
    }
}

async fn serve(
    number: usize,
    manner: Manner,
    mut inbound: Streaming<AgentMessage>,
    answers: mpsc::Sender<Result<CollectorMessage, RpcStatus>>,
    heard: mpsc::Sender<(usize, AgentMessage)>,
) {
    let mut offered = None;
    while let Ok(Some(message)) = inbound.message().await {
        let _ = heard.send((number, message.clone())).await;
        let answer = match message.body.unwrap() {
            Own::Hello(_) if manner == Manner::Refuse => Some(Body::Refused(Refused {
                code: "forbidden".to_owned(),
                reason: "the host was revoked".to_owned(),
            })),
            Own::Hello(_) => {
                let collector = "test".to_owned();
                // What follows the welcome of a newer collector, as an older agent reads it.
                let of_tomorrow = CollectorMessage { body: None };
                let welcome = Body::Welcome(Welcome {
                    collector,
                    backlog_credit: 8,
                    ..Welcome::default()
                });
                let _ = answers.send(Ok(CollectorMessage { body: Some(welcome) })).await;
                let _ = answers.send(Ok(of_tomorrow)).await;
                None
            }
            Own::Offer(offer) => {
                offered = Some(offer.hash.clone());
                Some(Body::Need(DictionaryNeed {
                    dictionary: offer.hash,
                    sections: offer.sections,
                }))
            }
            Own::Sections(_) => Some(Body::Need(DictionaryNeed {
                dictionary: offered.clone().unwrap(),
                sections: Vec::new(),
            })),
            Own::Live(_) if manner == Manner::BreakAfterLive => return,
            Own::Live(batch) => {
                let received = vec![Range {
                    first: batch.seq,
                    last: batch.seq,
                }];
                Some(Body::Ack(Ack {
                    received,
                    ..Ack::default()
                }))
            }
            Own::Events(events) if manner == Manner::Good => {
                let event_seq = events.events.last().unwrap().seq;
                Some(Body::Ack(Ack {
                    event_seq,
                    ..Ack::default()
                }))
            }
            _ => None,
        };
        if let Some(body) = answer {
            let _ = answers.send(Ok(CollectorMessage { body: Some(body) })).await;
        }
    }
}

struct Running {
    state: tempfile::TempDir,
    heard: mpsc::Receiver<(usize, AgentMessage)>,
    shutdown: CancellationToken,
    agent: tokio::task::JoinHandle<anyhow::Result<()>>,
}

/// Starts a collector of these manners and an agent that is enrolled with it.
async fn start(manners: &[Manner]) -> Running {
    let site = Site::new();
    let identity = site.identity(1);
    start_as(site, identity, manners).await
}

async fn start_as(site: Site, identity: NewIdentity, manners: &[Manner]) -> Running {
    let tls = site.server(false);
    start_over(tls, site, identity, manners).await
}

async fn start_over(tls: Arc<rustls::ServerConfig>, site: Site, identity: NewIdentity, manners: &[Manner]) -> Running {
    let tls = TlsAcceptor::from(tls);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let incoming = futures_util::stream::unfold((listener, tls), |(listener, tls)| async move {
        let (tcp, _) = listener.accept().await.unwrap();
        Some((tls.accept(tcp).await, (listener, tls)))
    });
    let (heard, hears) = mpsc::channel(1_024);
    let collector = Collector {
        site,
        heard,
        manners: manners.to_vec(),
        streams: 0.into(),
    };
    let server = tonic::transport::Server::builder().add_service(IngestServer::new(collector));
    tokio::spawn(server.serve_with_incoming(incoming));

    let state = tempfile::tempdir().unwrap();
    let identity = NewIdentity {
        collectors: vec![address],
        ..identity
    };
    Identity::store(state.path(), &identity).unwrap();
    let config = Config {
        interval: Duration::from_secs(1),
        ..Config::default()
    };
    // A host that stays the same: on a real one a mount may come and go while the test runs.
    let root = state.path().join("host");
    std::fs::create_dir_all(root.join("proc")).unwrap();
    std::fs::write(root.join("proc/loadavg"), "0.50 0.25 0.10 1/2 3\n").unwrap();
    let options = Options {
        root,
        ..Options::embedded(config, state.path().to_owned(), Arc::new(SystemClock))
    };
    let shutdown = CancellationToken::new();
    let agent = tokio::spawn(app::run(options, shutdown.clone()));
    Running {
        state,
        heard: hears,
        shutdown,
        agent,
    }
}

impl Running {
    async fn next(&mut self) -> (usize, Own) {
        let (stream, message) = self.heard.recv().await.unwrap();
        (stream, message.body.unwrap())
    }

    async fn hello(&mut self) -> Hello {
        loop {
            if let (_, Own::Hello(hello)) = self.next().await {
                return hello;
            }
        }
    }

    /// The status, once it shows a problem with the link.
    async fn problem(&self) -> Status {
        loop {
            tokio::task::yield_now().await;
            match Status::read(self.state.path()) {
                Ok(status) if status.link.problem.is_some() => return status,
                _ => {}
            }
        }
    }

    async fn stop(self) -> Status {
        self.shutdown.cancel();
        self.agent.await.unwrap().unwrap();
        Status::read(self.state.path()).unwrap()
    }
}

/// Decodes what comes on one stream, as a collector does.
#[derive(Default)]
struct Listener {
    sections: BTreeMap<Hash, Arc<Section>>,
    dictionary: Option<Dictionary>,
    offer: Vec<Hash>,
    live: Decoder,
    ticks: Vec<u64>,
    lives: Vec<u64>,
    events: Vec<String>,
    facts: usize,
}

impl Listener {
    fn hear(&mut self, message: Own) {
        let dictionary = self.dictionary.clone();
        let known = |hash: Hash| dictionary.filter(|dictionary| dictionary.hash() == hash);
        match message {
            Own::Offer(offer) => {
                self.offer = offer
                    .sections
                    .iter()
                    .map(|hash| Hash::from_slice(hash).unwrap())
                    .collect();
            }
            Own::Sections(sections) => {
                for section in sections.sections {
                    let section = Section::decode(&section).unwrap();
                    self.sections.insert(section.hash(), Arc::new(section));
                }
                let parts = self.offer.iter().map(|hash| Arc::clone(&self.sections[hash]));
                self.dictionary = Some(Dictionary::new(parts.collect()));
            }
            Own::Live(batch) => {
                self.live.decode(&batch.payload, known).unwrap();
                self.ticks.push(batch.seq);
                self.lives.push(batch.seq);
            }
            Own::Backlog(chunk) => {
                let mut decoder = Decoder::new();
                for batch in chunk.batches {
                    decoder.decode(&batch.payload, |hash| known.clone()(hash)).unwrap();
                    self.ticks.push(batch.seq);
                }
            }
            Own::Events(events) => self.events.extend(events.events.into_iter().map(|event| event.name)),
            Own::Facts(_) => self.facts += 1,
            Own::Hello(_) | Own::Processes(_) | Own::Gap(_) | Own::Document(_) | Own::Piece(_) => {}
        }
    }
}

#[tokio::test]
async fn every_tick_arrives_exactly_once_live_ones_in_an_unbroken_chain() {
    let mut running = start(&[Manner::Good]).await;
    let hello = running.hello().await;
    assert_eq!(
        (hello.protocol, hello.interval_ms, hello.spool_id.len()),
        (1, 1_000, 16)
    );
    let mut heard = Listener::default();
    while heard.lives.len() < 3 || heard.events.is_empty() || !heard.ticks.contains(&1) {
        heard.hear(running.next().await.1);
    }
    assert_eq!(heard.facts, 1);
    assert_eq!(heard.events[0], "agent.started");
    let mut ticks = heard.ticks.clone();
    ticks.sort_unstable();
    assert_eq!(ticks, (1..=ticks.len() as u64).collect::<Vec<_>>());
    assert!(heard.lives.windows(2).all(|pair| pair[0] + 1 == pair[1]));

    let status = running.stop().await;
    assert!(status.host.is_some());
    assert_eq!(status.link.collector.as_deref(), Some("test"));
    assert!(status.link.acked_seq >= Some(1));
    assert_eq!(status.spool.ticks, status.tick_seq, "nothing was sealed");
}

#[tokio::test]
async fn after_a_break_the_stream_resumes_with_the_same_spool_and_sends_what_is_not_acknowledged() {
    let mut running = start(&[Manner::BreakAfterLive, Manner::Good]).await;
    let first = running.hello().await;
    let second = running.hello().await;
    assert_eq!(first.spool_id, second.spool_id);
    let mut heard = Listener::default();
    while heard.lives.is_empty() || !heard.ticks.contains(&1) || heard.events.is_empty() {
        heard.hear(running.next().await.1);
    }
    let mut ticks = heard.ticks.clone();
    ticks.sort_unstable();
    assert_eq!(ticks, (1..=ticks.len() as u64).collect::<Vec<_>>());
    running.stop().await;
}

#[tokio::test]
async fn a_refusal_is_shown_in_the_status_in_the_collectors_words() {
    let mut running = start(&[Manner::Refuse]).await;
    running.hello().await;
    let shown = running.problem().await;
    assert_eq!(shown.link.problem.as_deref(), Some("refused: the host was revoked"));
    assert!(!shown.link.connected);
    running.stop().await;
}

#[tokio::test]
async fn a_certificate_past_its_half_life_is_renewed_with_a_new_key_and_used_at_once() {
    let site = Site::new();
    let identity = site.ageing_identity();
    let key_before = identity.key_pem.clone();
    let mut running = start_as(site, identity, &[Manner::Good]).await;
    running.hello().await;
    running.hello().await;
    let renewed = Identity::load(running.state.path()).unwrap();
    assert_eq!(renewed.generation, 2);
    let key = std::fs::read_to_string(running.state.path().join("identity/key.pem")).unwrap();
    assert_ne!(key, key_before);
    running.stop().await;
}

#[tokio::test]
async fn a_certificate_that_always_looks_old_is_not_renewed_again_and_again() {
    let mut site = Site::new();
    site.issues_old = true;
    let identity = site.ageing_identity();
    let mut running = start_as(site, identity, &[Manner::Good]).await;
    let mut lives = 0;
    while lives < 3 {
        let (stream, message) = running.next().await;
        assert!(stream < 2, "one renewal opens one new stream");
        lives += usize::from(stream == 1 && matches!(message, Own::Live(_)));
    }
    assert_eq!(Identity::load(running.state.path()).unwrap().generation, 2);
    running.stop().await;
}

#[tokio::test]
async fn a_certificate_of_another_site_is_told_in_the_status_with_the_remedy() {
    let (site, others) = (Site::new(), Site::new());
    let (tls, identity) = (site.server_for(&others), site.identity(1));
    let running = start_over(tls, site, identity, &[Manner::Good]).await;
    let problem = running.problem().await.link.problem.unwrap();
    assert!(problem.contains("does not accept this host's certificate"), "{problem}");
    assert!(problem.contains("enrol again"), "{problem}");
    running.stop().await;
}
