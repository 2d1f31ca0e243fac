//! One simulated host: connects, streams, and comes back after every failure as an agent does.

use super::{
    model::Machine,
    pace::Pace,
    register::Credentials,
    talk::{Ended, Talk},
    tally::{Progress, Tally},
};
use rustls::{ClientConfig, RootCertStore, client::Resumption, crypto::CryptoProvider};
use std::{sync::Arc, time::Duration};
use tocsin_agent::{
    random::{Backoff, Chance},
    ranges::Ranges,
    tls,
};
use tocsin_vocabulary::{
    Timestamp,
    batch::{Encoder, Tick},
};
use tokio::sync::{Semaphore, watch};

/// Windows of the delay after a failure, as agents have them.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
/// As agents have it: the longest window, the least delay after a refusal, and how long a stream must last to count as a
/// success.
pub const BACKOFF_MOST: Duration = Duration::from_secs(30);
/// How much longer than asked a host stays away at most, as agents do: so that they don't all come back together.
const RETRY_JITTER: f64 = 0.2;
/// Between key-frames of the live chain, as agents have it.
const KEY_FRAME_EVERY: Duration = Duration::from_secs(300);

/// What all hosts of a fleet share.
#[derive(Debug)]
pub(super) struct Surroundings {
    pub(super) collector: String,
    pub(super) tally: Arc<Tally>,
    /// A place for each host that may be connecting.
    pub(super) connecting: Semaphore,
    pub(super) trust: Trust,
    /// Longest window of the delay after a failure.
    pub(super) backoff_most: Duration,
    /// Hosts may say what they measure.
    pub(super) begins: watch::Receiver<bool>,
    /// No tick after this.
    pub(super) ends: watch::Receiver<Timestamp>,
}

/// What all hosts trust, kept once.
#[derive(Debug)]
pub(super) struct Trust {
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl Trust {
    pub(super) fn of(credentials: &[Arc<Credentials>]) -> Self {
        let mut roots = RootCertStore::empty();
        if let Some(ca) = credentials.first().and_then(|one| one.chain.last()) {
            roots.add(ca.clone()).expect("an authority");
        }
        Self {
            roots: Arc::new(roots),
            provider: Arc::new(rustls::crypto::aws_lc_rs::default_provider()),
        }
    }

    /// As an agent's own configuration, which is made anew for each connection and so resumes nothing.
    fn config(&self, own: &Credentials) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .expect("protocol versions");
        let mut config = builder
            .with_root_certificates(self.roots.clone())
            .with_client_auth_cert(own.chain.clone(), own.key.clone_key())
            .expect("a key with its certificate");
        config.alpn_protocols = vec![b"h2".to_vec()];
        config.resumption = Resumption::disabled();
        Arc::new(config)
    }
}

/// One simulated host.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) machine: Machine,
    pub(super) pace: Pace,
    pub(super) spool: [u8; 16],
    pub(super) progress: Arc<Progress>,
    /// What the collector said that it has.
    pub(super) received: Ranges,
    /// Up to here the collector has it in blocks; everything later is kept.
    pub(super) sealed: u64,
    credentials: Arc<Credentials>,
    chance: Chance,
    backoff: Backoff,
}

impl Member {
    pub(super) fn new(
        seed: u64,
        credentials: Arc<Credentials>,
        machine: Machine,
        pace: Pace,
        progress: Arc<Progress>,
    ) -> Self {
        let spool = tocsin_vocabulary::Hash::of(format!("{} {} {pace:?}", credentials.host, seed).as_bytes());
        Self {
            machine,
            pace,
            spool: *spool.as_bytes().first_chunk().expect("32 bytes"),
            progress,
            received: Ranges::new(),
            sealed: 0,
            credentials,
            chance: Chance::new(seed),
            backoff: Backoff::new(BACKOFF_FIRST, BACKOFF_MOST),
        }
    }

    /// Connects and streams for ever.
    pub(super) async fn run(mut self, surroundings: Arc<Surroundings>) {
        self.backoff = Backoff::new(BACKOFF_FIRST, surroundings.backoff_most);
        loop {
            let tally = &surroundings.tally;
            let delay = match self.attempt(&surroundings).await {
                Ended::RetryAfter(delay, reason) => {
                    tally.retries.add(1);
                    tally.because(&reason);
                    delay + delay.mul_f64(self.chance.share() * RETRY_JITTER)
                }
                Ended::Refused(reason) => {
                    tally.refused.add(1);
                    tally.because(&reason);
                    BACKOFF_MOST + self.backoff.next(&mut self.chance)
                }
                Ended::Broken(reason) => {
                    tally.broken.add(1);
                    tally.because(&reason);
                    self.backoff.next(&mut self.chance)
                }
            };
            tokio::time::sleep(delay).await;
        }
    }

    async fn attempt(&mut self, surroundings: &Surroundings) -> Ended {
        let place = surroundings.connecting.acquire().await.ok();
        let config = surroundings.trust.config(&self.credentials);
        let channel = match tls::connect(&surroundings.collector, config).await {
            Ok(channel) => channel,
            Err(error) => return Ended::Broken(kind_of(&error)),
        };
        match Talk::open(channel, self, surroundings).await {
            Ok((talk, inbound)) => {
                drop(place);
                let began = tokio::time::Instant::now();
                let ended = talk.run(inbound).await;
                if began.elapsed() >= BACKOFF_MOST {
                    self.backoff.reset();
                }
                ended
            }
            Err(ended) => ended,
        }
    }

    /// Tick `seq` as bytes.
    pub(super) fn encoded(&self, encoder: &mut Encoder, seq: u64, key_frame: bool) -> Vec<u8> {
        let tick = Tick {
            time: self.pace.time(seq),
            cells: self.machine.cells(seq),
        };
        encoder.encode(&tick, self.machine.dictionary(), key_frame)
    }

    /// Whether tick `seq` is due to be a key-frame.
    pub(super) fn is_key_frame(&self, seq: u64) -> bool {
        seq.is_multiple_of(self.pace.ticks_in(KEY_FRAME_EVERY))
    }

    /// What is kept of the ticks up to `horizon`, and the collector does not have.
    pub(super) fn missing(&self, horizon: u64) -> Ranges {
        Ranges::of([(self.sealed + 1, horizon)]).minus(&self.received)
    }

    /// The collector said what it has.
    pub(super) fn holds(&mut self, received: &[tocsin_proto::v1::Range], sealed: u64) {
        self.sealed = self.sealed.max(sealed);
        self.received = Ranges::of(received.iter().map(|range| (range.first, range.last)));
        self.received.insert(1, self.sealed);
        self.progress.set_received(self.received.count());
    }
}

/// What went wrong, without the address, so that equal failures count as one.
fn kind_of(error: &tls::ConnectError) -> String {
    let behind = std::error::Error::source(error)
        .map(ToString::to_string)
        .unwrap_or_default();
    match error {
        tls::ConnectError::Unreachable { .. } => format!("unreachable: {behind}"),
        tls::ConnectError::Silent { .. } => "no handshake in time".to_owned(),
        _ => format!("no secure connection: {behind}"),
    }
}
