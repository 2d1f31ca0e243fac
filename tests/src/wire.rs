//! An agent's side of the wire spoken by hand, with a real identity, to say what no agent would.

use crate::{host::Host, site::Site};
use rustls_pki_types::PrivateKeyDer;
use std::{collections::BTreeMap, time::Duration};
use tocsin_agent::{
    identity::{Identity, KeyRequest, NewIdentity},
    tls::{self, ConnectError},
};
use tocsin_proto::{
    PROTOCOL,
    install::InstallString,
    v1::{
        self, AgentMessage, CollectorMessage, EnrolRequest, EnrolResponse, RenewRequest, agent_message::Body,
        collector_message, enrolment_client::EnrolmentClient, ingest_client::IngestClient,
    },
};
use tocsin_vocabulary::{
    Timestamp,
    batch::{Cell, Encoder, Tick},
    series::{Dictionary, Kind, Section, Series},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming, transport::Channel};

/// Longest that the other side may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends a token and a fresh key to a site's enrolment.
///
/// # Errors
/// The collector's refusal.
///
/// # Panics
/// When there is no connection.
pub async fn enrol(site: &Site, token: &str) -> Result<EnrolResponse, Status> {
    let install: InstallString = site.install_string().parse().expect("an install string");
    let config = tls::pinned(install.ca_pin).expect("a configuration");
    let channel = tls::connect(&install.addresses[0], config).await.expect("a connection");
    let csr = KeyRequest::new().expect("a key").csr.into();
    let request = EnrolRequest {
        token: token.to_owned(),
        csr,
        facts: None,
    };
    EnrolmentClient::new(channel)
        .enrol(request)
        .await
        .map(tonic::Response::into_inner)
}

/// The identity of an enrolled host.
///
/// # Panics
/// When it is not enrolled.
#[must_use]
pub fn identity(host: &Host) -> Identity {
    Identity::load(&host.state_dir()).expect("an enrolled host")
}

/// Connects to a site's agents' port with the identity of `shown`, trusting the authority of `home`.
///
/// # Errors
/// When the handshake is refused. With TLS 1.3 a refusal of the client's certificate shows on the first call only.
pub async fn connect(site: &Site, home: &Identity, shown: &Identity) -> Result<Channel, ConnectError> {
    let key: PrivateKeyDer<'static> = shown.key.clone_key();
    tls::connect(
        &site.address("agents"),
        tls::mutual(&home.ca, shown.chain.clone(), key)?,
    )
    .await
}

/// The identity of a new host that no agent runs as.
///
/// # Panics
/// When enrolment refuses it.
pub async fn newcomer(site: &Site) -> Identity {
    let install: InstallString = site.install_string().parse().expect("an install string");
    let config = tls::pinned(install.ca_pin).expect("a configuration");
    let channel = tls::connect(&install.addresses[0], config).await.expect("a connection");
    let key = KeyRequest::new().expect("a key");
    let request = EnrolRequest {
        token: install.token.clone(),
        csr: key.csr.into(),
        facts: None,
    };
    let enrolled = EnrolmentClient::new(channel)
        .enrol(request)
        .await
        .expect("enrolled")
        .into_inner();
    let new = NewIdentity {
        key_pem: key.key_pem,
        chain: enrolled.chain.iter().map(|der| der.to_vec()).collect(),
        collectors: enrolled.collectors,
        generation: 1,
    };
    let folder = tempfile::tempdir().expect("a folder");
    Identity::store(folder.path(), &new).expect("a good identity")
}

/// Asks for the next certificate as the holder of `identity`, and answers the identity with it.
///
/// # Errors
/// The collector's refusal.
///
/// # Panics
/// When there is no connection.
pub async fn renew(site: &Site, identity: &Identity) -> Result<Identity, Status> {
    let channel = connect(site, identity, identity).await.expect("a connection");
    let request = KeyRequest::new().expect("a key");
    let (csr, generation) = (request.csr.into(), identity.generation);
    let answer = IngestClient::new(channel)
        .renew(RenewRequest { csr, generation })
        .await?
        .into_inner();
    let new = NewIdentity {
        key_pem: request.key_pem,
        chain: answer.chain.iter().map(|der| der.to_vec()).collect(),
        collectors: identity.collectors.clone(),
        generation: answer.generation,
    };
    let folder = tempfile::tempdir().expect("a folder");
    Ok(Identity::store(folder.path(), &new).expect("a good identity"))
}

/// An open stream.
pub struct Talk {
    outgoing: mpsc::Sender<AgentMessage>,
    incoming: Streaming<CollectorMessage>,
    encoder: Encoder,
    seq: u64,
}

impl Talk {
    /// Opens a stream over `channel` and says hello.
    ///
    /// # Errors
    /// The collector's refusal of the call.
    pub async fn open(channel: Channel) -> Result<Self, Status> {
        Self::open_with(channel, 0).await
    }

    /// As [`Talk::open`], of an agent that kept the ticks `1..=kept` while it was away.
    ///
    /// # Errors
    /// The collector's refusal of the call.
    pub async fn open_with(channel: Channel, kept: u64) -> Result<Self, Status> {
        let (outgoing, messages) = mpsc::channel(16);
        let incoming = IngestClient::new(channel)
            .stream(ReceiverStream::new(messages))
            .await?
            .into_inner();
        let mut talk = Self {
            outgoing,
            incoming,
            encoder: Encoder::new(),
            seq: kept,
        };
        let hello = v1::Hello {
            protocol: PROTOCOL,
            spool_id: vec![7; 16].into(),
            interval_ms: 1_000,
            first_seq: kept.min(1),
            last_seq: kept,
            sent_at_ms: now().as_millis(),
            ..v1::Hello::default()
        };
        talk.say(Body::Hello(hello)).await;
        Ok(talk)
    }

    /// Opens a stream as this host.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn of(site: &Site, host: &Host) -> Self {
        let own = identity(host);
        let channel = connect(site, &own, &own).await.expect("a connection");
        Self::open(channel).await.expect("a stream")
    }

    /// Says something; answers whether the stream still took it.
    pub async fn say(&mut self, body: Body) -> bool {
        self.outgoing.send(AgentMessage { body: Some(body) }).await.is_ok()
    }

    /// What the collector says next; an error when it ended the stream without a word.
    ///
    /// # Errors
    /// How the stream ended.
    ///
    /// # Panics
    /// When nothing comes for a minute.
    pub async fn hear(&mut self) -> Result<collector_message::Body, Status> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.incoming.message())
                .await
                .expect("an answer within a minute");
            match next? {
                Some(CollectorMessage { body: Some(body) }) => return Ok(body),
                Some(CollectorMessage { body: None }) => {}
                None => return Err(Status::cancelled("the collector ended the stream without a word")),
            }
        }
    }

    /// Hears until the collector refuses; answers code and reason.
    ///
    /// # Panics
    /// When the stream ends otherwise.
    pub async fn is_refused(&mut self) -> (String, String) {
        loop {
            if let collector_message::Body::Refused(refused) = self.hear().await.expect("a refusal in words") {
                return (refused.code, refused.reason);
            }
        }
    }

    /// Sends a dictionary whole and waits until it may be used.
    ///
    /// # Errors
    /// Code and reason of the collector's refusal.
    ///
    /// # Panics
    /// When the stream ends without a word.
    pub async fn define(&mut self, dictionary: &Dictionary) -> Result<(), (String, String)> {
        let hashes = dictionary
            .sections()
            .iter()
            .map(|section| section.hash().as_bytes().to_vec().into())
            .collect();
        let hash: Vec<u8> = dictionary.hash().as_bytes().to_vec();
        self.say(Body::Offer(v1::DictionaryOffer {
            hash: hash.into(),
            sections: hashes,
        }))
        .await;
        let known: BTreeMap<_, _> = dictionary
            .sections()
            .iter()
            .map(|section| (section.hash().as_bytes().to_vec(), section))
            .collect();
        loop {
            match self.hear().await.expect("an answer to an offer") {
                collector_message::Body::Need(need) if need.sections.is_empty() => return Ok(()),
                collector_message::Body::Need(need) => {
                    for hash in need.sections {
                        let bytes = known[&hash.to_vec()].bytes().to_vec().into();
                        self.say(Body::Sections(v1::Sections { sections: vec![bytes] })).await;
                    }
                }
                collector_message::Body::Refused(refused) => return Err((refused.code, refused.reason)),
                _ => {}
            }
        }
    }

    /// Sends a tick of now in which each cell of the dictionary is its own number.
    pub async fn tick(&mut self, dictionary: &Dictionary) {
        self.tick_of(dictionary, &tick_of(now(), dictionary)).await;
    }

    /// Ticks that were said so far.
    #[must_use]
    pub const fn said(&self) -> u64 {
        self.seq
    }

    /// Sends this tick.
    pub async fn tick_of(&mut self, dictionary: &Dictionary, tick: &Tick) {
        let payload = self.encoder.encode(tick, dictionary, true);
        self.seq += 1;
        self.say(Body::Live(v1::Batch {
            seq: self.seq,
            payload: payload.into(),
        }))
        .await;
    }
}

/// A chunk of backlog: the ticks `first..=last`, a second apart, the newest of them as old as `age`.
#[must_use]
pub fn chunk(dictionary: &Dictionary, first: u64, last: u64, age: Duration) -> Body {
    let mut encoder = Encoder::new();
    let newest = now().minus(age);
    let batches = (first..=last)
        .map(|seq| {
            let time = newest.minus(Duration::from_secs(last - seq));
            let payload = encoder.encode(&tick_of(time, dictionary), dictionary, seq == first);
            let payload = payload.into();
            v1::Batch { seq, payload }
        })
        .collect();
    Body::Backlog(v1::Chunk { batches })
}

/// A tick in which each cell of the dictionary is its own number.
fn tick_of(time: Timestamp, dictionary: &Dictionary) -> Tick {
    let cells = (0..dictionary.len() as i64).map(Cell::Scaled).collect();
    Tick { time, cells }
}

/// A dictionary of sections with so many series each, of names that start with `name`.
#[must_use]
pub fn dictionary(name: &str, sections: usize, series: usize) -> Dictionary {
    let one = |section: usize, at: usize| Series {
        name: "system.cpu.utilization".into(),
        attributes: vec![("x".into(), format!("{name}-{section}-{at}").into())],
        kind: Kind::Gauge,
        unit: "1".into(),
        decimals: 3,
    };
    let sections = (0..sections).map(|section| Section::new((0..series).map(|at| one(section, at)).collect()).into());
    Dictionary::new(sections.collect())
}

/// The time by this machine's clock.
#[must_use]
pub fn now() -> Timestamp {
    #[allow(
        clippy::disallowed_methods,
        reason = "plays an agent, whose ticks bear the machine's time"
    )]
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
