//! The three listeners: agents, enrolment, console and API.

use crate::{
    app::Common,
    clock,
    enrolment::EnrolmentService,
    ingest::{connections, service::IngestService, stream::Bell, thread},
    listen::{self, Connection, SharedConfig},
    pki::{self, Authority, Identity, SERVER_NAME},
};
use arc_swap::ArcSwap;
use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tocsin_console::{ConsoleOptions, backend::Backend};
use tocsin_proto::{
    MESSAGE_BYTES_MAX,
    v1::{enrolment_server::EnrolmentServer, ingest_server::IngestServer},
};
use tokio::{net::TcpListener, runtime::Handle};
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tokio_util::sync::CancellationToken;

/// Streams that one agent's connection may have open.
const AGENT_STREAMS_MAX: u32 = 4;
/// What an agent may send ahead of what was read, per stream and per connection, in bytes: this much memory a connection
/// may cost at worst. A tick has some hundred bytes, a chunk of backlog some ten thousand.
const STREAM_WINDOW: u32 = 128 * 1024;
const CONNECTION_WINDOW: u32 = 192 * 1024;
/// Streams that a client may have reset before they were looked at.
const RESETS_MAX: usize = 16;
/// Largest headers of a request, in bytes.
const HEADERS_MAX: u32 = 16 * 1024;
/// Connections that may be open, by listener. Anybody can open one to enrolment or console; only hosts one to agents.
const AGENTS_MAX: usize = 16_384;
const ENROLLING_MAX: usize = 512;
const BROWSERS_MAX: usize = 2_048;
/// A connection to enrolment is closed after this: an enrolment takes a moment.
const ENROLMENT_AGE_MAX: Duration = Duration::from_secs(60);
/// How long connections may take to say goodbye when the collector stops.
const GOODBYE: Duration = Duration::from_millis(700);
/// A browser that has not sent its request by then is dropped.
const REQUEST_DEADLINE: Duration = Duration::from_secs(15);
/// How often a silent agent's connection is asked whether it is alive: less often than ticks come by default, so that a
/// ping does not go with each of them. Whether a *host* is silent is judged by its ticks.
const AGENT_PING_PERIOD: Duration = Duration::from_secs(30);
/// The same for browsers, and how long either may take to answer.
const PING_PERIOD: Duration = Duration::from_secs(10);
const PING_DEADLINE: Duration = Duration::from_secs(5);
/// How often certificates are made or read anew. They are good for [`pki::SERVER_DAYS`].
const CERTIFICATES_PERIOD: Duration = Duration::from_secs(86_400);

/// Makes a listener's TLS configuration, with a certificate that begins now.
type Make = Box<dyn Fn() -> anyhow::Result<rustls::ServerConfig> + Send + Sync>;

/// A configuration that is made at once and then every day, so that a collector that runs for months never shows a
/// certificate that has ended, and takes up one that the administrator replaced.
fn renewed(common: &Common<'_>, name: &'static str, make: Make) -> anyhow::Result<SharedConfig> {
    let shared: SharedConfig = Arc::new(ArcSwap::from_pointee(make()?));
    let (config, cancel) = (shared.clone(), common.supervisor.cancel());
    common.supervisor.critical("certificates", async move {
        let mut period = tokio::time::interval(CERTIFICATES_PERIOD);
        period.tick().await;
        loop {
            tokio::select! {
                _ = period.tick() => {}
                () = cancel.cancelled() => return,
            }
            match make() {
                Ok(made) => config.store(Arc::new(made)),
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::error!(
                        listener = name,
                        error,
                        "cannot renew the certificate: the old one stays in use"
                    );
                }
            }
        }
    });
    Ok(shared)
}

/// Serves agents and enrolment.
pub(crate) fn agents(common: &Common<'_>, agents: TcpListener, enrolment: TcpListener) -> anyhow::Result<()> {
    let Common { stores, clock, .. } = common;
    let agents_port = agents.local_addr()?.port();
    let make = |mutual: bool| -> Make {
        let (authority, clock) = (stores.agents_ca.clone(), (*clock).clone());
        Box::new(move || {
            let identity = authority.server(&[SERVER_NAME.to_owned()], &[], clock())?;
            let clients = mutual.then(|| authority.certificate());
            Ok(listen::server_config(identity, clients, &[b"h2"])?)
        })
    };
    let bell: Arc<Bell> = Arc::default();
    let ingest = IngestService {
        ledger: stores.ledger.clone(),
        store: stores.store.clone(),
        engine: common.engine.clone(),
        backups: common.backups.clone(),
        live: common.live.clone(),
        capacity: common.capacity.clone(),
        authority: stores.agents_ca.clone(),
        clock: (*clock).clone(),
        stop: common.supervisor.cancel(),
        bell: bell.clone(),
        home: Handle::current(),
    };
    let ingest = IngestServer::new(ingest)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let tls = renewed(common, "agents", make(true))?;
    let (ears, beat_clock) = (common.live.ears.clone(), (*clock).clone());
    let cancel = common.supervisor.cancel();
    let (sender, accepted) = listen::accepted_queue();
    let accepting = listen::accept(agents, AGENTS_MAX, tls, sender, ears.clone(), cancel.clone());
    common.supervisor.critical("agents", accepting);
    let served = connections::serve(accepted, ingest, agents_manner(), cancel.clone());
    let thread = thread::run("ingest", move || async move {
        tokio::select! {
            () = served => {}
            () = bell.pass_on() => {}
            () = too_long(cancel) => {}
            () = ears.keep_beating(beat_clock) => {}
        }
    });
    common.supervisor.critical("agents", thread?);

    let service = EnrolmentService {
        ledger: stores.ledger.clone(),
        authority: stores.agents_ca.clone(),
        engine: common.engine.clone(),
        clock: (*clock).clone(),
        ids: Mutex::new(clock::ids()?),
        advertised: common.config.advertised.clone(),
        agents_port,
        gate: crate::enrolment::Gate::default(),
    };
    let router = grpc_server()
        .max_connection_age(ENROLMENT_AGE_MAX)
        .max_connection_age_grace(PING_DEADLINE)
        .add_service(EnrolmentServer::new(service).max_decoding_message_size(64 * 1024));
    let tls = renewed(common, "enrolment", make(false))?;
    let served = grpc(common, "enrolment", ENROLLING_MAX, router, enrolment, tls);
    common.supervisor.critical("enrolment", served);
    Ok(())
}

/// How agents' connections are served.
fn agents_manner() -> connections::Manner {
    let mut manner = connections::Manner::new(TokioExecutor::new());
    manner
        .timer(TokioTimer::new())
        .keep_alive_interval(AGENT_PING_PERIOD)
        .keep_alive_timeout(PING_DEADLINE)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEADERS_MAX)
        .max_concurrent_streams(AGENT_STREAMS_MAX)
        .max_pending_accept_reset_streams(RESETS_MAX);
    manner
}

/// The same for enrolment.
fn grpc_server() -> tonic::transport::Server {
    tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(AGENT_PING_PERIOD))
        .http2_keepalive_timeout(Some(PING_DEADLINE))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_max_header_list_size(HEADERS_MAX)
        .max_concurrent_streams(AGENT_STREAMS_MAX)
        .http2_max_pending_accept_reset_streams(Some(RESETS_MAX))
}

/// Accepts and shakes hands; whoever runs the answer serves.
fn grpc(
    common: &Common<'_>,
    name: &'static str,
    connections_max: usize,
    router: tonic::transport::server::Router,
    listener: TcpListener,
    tls: SharedConfig,
) -> impl Future<Output = ()> + Send + use<> {
    let supervisor = common.supervisor;
    let cancel = supervisor.cancel();
    let (sender, receiver) = listen::accepted_queue();
    let accepting = listen::accept(listener, connections_max, tls, sender, Arc::default(), cancel.clone());
    supervisor.critical(name, accepting);
    async move {
        let here = |connection: Connection| {
            connection
                .here()
                .inspect_err(|error| tracing::warn!(listener = name, %error, "cannot serve a connection"))
        };
        // One that can't be served is dropped.
        let incoming = ReceiverStream::new(receiver)
            .filter_map(move |connection| here(connection).ok().map(Ok::<_, std::io::Error>));
        // Streams end by themselves on cancellation: an agent keeps what was not acknowledged.
        let served = router.serve_with_incoming_shutdown(incoming, cancel.clone().cancelled_owned());
        tokio::select! {
            served = served => if let Err(error) = served {
                tracing::error!(listener = name, %error, "listener ended");
            },
            () = too_long(cancel.clone()) => {}
        }
    }
}

/// Ends when connections that were asked to say goodbye have had the time for it.
async fn too_long(cancel: CancellationToken) {
    cancel.cancelled().await;
    tokio::time::sleep(GOODBYE).await;
}

/// HTTPS for people and API clients; answers the PEM of the authority that they must trust.
pub(crate) fn console(
    common: &Common<'_>,
    names: &[String],
    backend: Arc<dyn Backend>,
    inbound: Router,
    listener: TcpListener,
) -> anyhow::Result<Option<String>> {
    let (make, authority) = console_certificate(common, names)?;
    let tls = renewed(common, "console", make)?;
    let exchange = crate::exchange::routes(common, backend.clone());
    let options = ConsoleOptions {
        policies: crate::policies::load(common.config)?,
        ..ConsoleOptions::default()
    };
    let router = tocsin_console::router(backend, options).merge(exchange).merge(inbound);
    let supervisor = common.supervisor;
    let cancel = supervisor.cancel();
    let (sender, mut receiver) = listen::accepted_queue();
    let accepting = listen::accept(listener, BROWSERS_MAX, tls, sender, Arc::default(), cancel.clone());
    supervisor.critical("console", accepting);
    supervisor.critical("console", async move {
        loop {
            let connection = tokio::select! {
                connection = receiver.recv() => connection,
                () = cancel.cancelled() => return,
            };
            let Some(connection) = connection else { return };
            let (router, cancel) = (router.clone(), cancel.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = browse(connection, router) => {}
                    () = cancel.cancelled() => {}
                }
            });
        }
    });
    Ok(authority)
}

/// Serves one connection of a browser or API client.
async fn browse(connection: Connection, router: Router) {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_DEADLINE);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(64)
        .max_header_list_size(HEADERS_MAX)
        .keep_alive_interval(PING_PERIOD)
        .keep_alive_timeout(PING_DEADLINE);
    let served = server.serve_connection(TokioIo::new(connection), TowerToHyperService::new(router));
    if let Err(error) = served.await {
        tracing::debug!(%error, "console connection ended");
    }
}

/// How the console's certificate is made or read, and the PEM of the authority behind it if that is ours.
fn console_certificate(common: &Common<'_>, names: &[String]) -> anyhow::Result<(Make, Option<String>)> {
    let protocols: &[&[u8]] = &[b"h2", b"http/1.1"];
    if let Some((certificate, key)) = common.config.console_certificate.clone() {
        let make: Make = Box::new(move || {
            let identity: Identity = pki::read_identity(&certificate, &key).map_err(anyhow::Error::msg)?;
            listen::server_config(identity, None, protocols).map_err(|error| {
                anyhow::anyhow!(
                    "certificate {} and key {}: {error}",
                    certificate.display(),
                    key.display()
                )
            })
        });
        return Ok((make, None));
    }
    let clock = common.clock.clone();
    let authority = Authority::open(
        &common.config.state_dir.join("pki"),
        "console",
        "Tocsin console",
        clock(),
    )?;
    let pem = authority.pem().to_owned();
    let mut all = vec!["localhost".to_owned()];
    all.extend(names.iter().filter(|name| name.is_ascii()).cloned());
    let mut addresses: Vec<IpAddr> = vec![IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])];
    all.retain(|name| match name.parse() {
        Ok(address) => {
            addresses.push(address);
            false
        }
        Err(_) => true,
    });
    let make: Make = Box::new(move || {
        let identity = authority.server(&all, &addresses, clock())?;
        Ok(listen::server_config(identity, None, protocols)?)
    });
    Ok((make, Some(pem)))
}
