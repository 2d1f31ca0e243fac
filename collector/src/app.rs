//! The one place that wires the collector.

use crate::{
    backend::Wired,
    clock::{self, Clock},
    config::Config,
    control::{self, Addresses, Control},
    engine::{Engine, EngineHandle, Parts},
    enrolment::EnrolmentService,
    files,
    ingest::service::IngestService,
    listen::{self, Connection, SharedConfig},
    live::Live,
    outbox::LedgerOutbox,
    pki::{self, Authority, SERVER_NAME},
    rules_files,
    supervise::Supervisor,
};
use anyhow::{Context as _, anyhow};
use arc_swap::ArcSwap;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tocsin_console::{ConsoleOptions, backend::Backend};
use tocsin_desk::policy::Policy;
use tocsin_ledger::Ledger;
use tocsin_metrics::{Store, StoreConfig, disk::RealDisk};
use tocsin_proto::{
    MESSAGE_BYTES_MAX,
    v1::{enrolment_server::EnrolmentServer, ingest_server::IngestServer},
};
use tocsin_vocabulary::time::HumanDuration;
use tokio::{net::TcpListener, sync::Notify};
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tokio_util::sync::CancellationToken;

/// How often blocks are sealed and retention is looked after.
const MAINTAIN_PERIOD: Duration = Duration::from_secs(5);
/// How often `last seen` is written to the ledger.
const TOUCH_PERIOD: Duration = Duration::from_secs(60);
/// Streams that one agent's connection may have open.
const AGENT_STREAMS_MAX: u32 = 4;

/// A running collector.
pub struct Collector {
    /// Where its listeners are.
    pub addresses: Addresses,
    /// What the command line asks; a program in the same process asks directly.
    pub control: Arc<Control>,
    /// Everything that pages and API read.
    pub backend: Arc<dyn Backend>,
    /// PEM of the authority behind the console's certificate; none when the administrator brought one.
    pub console_ca: Option<String>,
    supervisor: Supervisor,
}

impl Collector {
    /// Waits until everything has ended after cancellation; an error names the tasks that died.
    ///
    /// # Errors
    /// When a critical task ended before it was asked to.
    pub async fn ended(&self) -> anyhow::Result<()> {
        self.supervisor.cancel().cancelled().await;
        let late = self.supervisor.farewell().await;
        if late.is_empty() {
            Ok(())
        } else {
            Err(anyhow!(
                "these parts failed or did not end in time: {}",
                late.join(", ")
            ))
        }
    }
}

struct Stores {
    ledger: Arc<Ledger>,
    store: Arc<Store>,
    agents_ca: Arc<Authority>,
    link_key: [u8; 32],
}

/// Opens everything that lives in the state folder.
async fn open_stores(config: &Config, clock: &Clock) -> anyhow::Result<Stores> {
    let now = clock();
    files::create_private_dir(&config.state_dir)?;
    let agents_ca = Authority::open(&config.state_dir.join("pki"), "agents", "Tocsin agents", now)?;
    let ledger = Ledger::open(&config.ledger_url(), now).await?;
    let mut candidate = [0; 32];
    clock::random(&mut candidate)?;
    let link_key = ledger.ensure_link_key(candidate).await?;
    let mut store_config = StoreConfig::new(config.state_dir.join("metrics"));
    store_config.retention = config.retention;
    let store = tokio::task::spawn_blocking(move || Store::open(store_config, Arc::new(RealDisk::new()))).await??;
    Ok(Stores {
        ledger: Arc::new(ledger),
        store: Arc::new(store),
        agents_ca: Arc::new(agents_ca),
        link_key,
    })
}

struct Listeners {
    agents: TcpListener,
    enrolment: TcpListener,
    console: TcpListener,
}

async fn bind(config: &Config) -> anyhow::Result<Listeners> {
    Ok(Listeners {
        agents: listen::bind("agents", config.agents)
            .await
            .map_err(anyhow::Error::msg)?,
        enrolment: listen::bind("enrolment", config.enrolment)
            .await
            .map_err(anyhow::Error::msg)?,
        console: listen::bind("the console", config.console)
            .await
            .map_err(anyhow::Error::msg)?,
    })
}

/// Starts a collector; it runs until `cancel` is cancelled or a critical task dies.
///
/// # Errors
/// With everything that hinders a start: ports, folders, damaged or newer data, mistakes in rules.
pub async fn start(config: Config, clock: Clock, cancel: CancellationToken) -> anyhow::Result<Collector> {
    let rules = rules_files::load(config.rules_dir.as_deref()).map_err(anyhow::Error::msg)?;
    let listeners = bind(&config).await?;
    let stores = open_stores(&config, &clock).await?;
    let addresses = Addresses {
        agents: listeners.agents.local_addr()?,
        enrolment: listeners.enrolment.local_addr()?,
        console: listeners.console.local_addr()?,
    };
    let Addresses {
        agents,
        enrolment,
        console,
    } = addresses;
    let names = reachable_names(&config);
    let console_url = config.public_url.clone().unwrap_or_else(|| {
        let name = if console.ip().is_loopback() {
            "localhost"
        } else {
            names.first().map_or("localhost", String::as_str)
        };
        format!("https://{name}:{}", console.port())
    });

    let supervisor = Supervisor::new(cancel);
    let live = Arc::new(Live::default());
    let outbox = Arc::new(Notify::new());
    let (engine, commands) = EngineHandle::queue();
    let worked = Engine::open(Parts {
        ledger: stores.ledger.clone(),
        rules,
        policy: policy(&config),
        destinations: config.destinations.clone(),
        clock: clock.clone(),
        live: live.clone(),
        outbox: outbox.clone(),
    })
    .await?;
    supervisor.critical("desk", worked.run(commands, supervisor.cancel()));

    let wired = Arc::new(Wired {
        ledger: stores.ledger.clone(),
        store: stores.store.clone(),
        engine: engine.clone(),
        live: live.clone(),
        clock: clock.clone(),
        link_key: stores.link_key,
        tasks: supervisor.tasks(),
    });
    let backend: Arc<dyn Backend> = wired;

    serve_agents(
        &supervisor,
        &stores,
        &engine,
        &live,
        &clock,
        &config,
        listeners.agents,
        listeners.enrolment,
    )?;
    let console_ca = serve_console(&supervisor, &config, &names, &clock, backend.clone(), listeners.console)?;
    deliver(&supervisor, &config, &stores, &live, &clock, outbox, &console_url)?;
    look_after(&supervisor, &stores, &live, &clock);
    if let Some(folder) = &config.rules_dir {
        supervisor.critical(
            "rules",
            rules_files::watch(folder.clone(), engine.clone(), supervisor.cancel()),
        );
    }

    let enrolment_names = if enrolment.ip().is_loopback() {
        vec!["127.0.0.1".to_owned()]
    } else {
        names
    };
    let control = Arc::new(Control {
        ledger: stores.ledger.clone(),
        engine,
        live,
        backend: backend.clone(),
        clock,
        ids: Mutex::new(clock::ids()?),
        enrolment: enrolment_names
            .iter()
            .map(|name| format!("{name}:{}", enrolment.port()))
            .collect(),
        ca_pin: stores.agents_ca.pin(),
        console_url: console_url.clone(),
        addresses,
    });
    control::serve(&config.socket_path(), control.clone(), supervisor.cancel())
        .await
        .map_err(anyhow::Error::msg)?;
    tracing::info!(%agents, %enrolment, %console, console_url, "collector is ready");
    Ok(Collector {
        addresses,
        control,
        backend,
        console_ca,
        supervisor,
    })
}

/// The shipped policy with the administrator's page rounds.
fn policy(config: &Config) -> Policy {
    let mut policy = Policy::basic();
    policy.paging.repage_after = HumanDuration(config.repage_after);
    policy.paging.destinations.clone_from(&config.destinations);
    policy
}

/// Names under which hosts and browsers may reach this machine: configured ones first.
fn reachable_names(config: &Config) -> Vec<String> {
    let mut names = config.console_names.clone();
    if let Some(host) = config
        .public_url
        .as_deref()
        .and_then(|url| url.strip_prefix("https://"))
    {
        names.push(host.split([':', '/']).next().unwrap_or(host).to_owned());
    }
    if let Ok(hostname) = std::fs::read_to_string("/proc/sys/kernel/hostname") {
        names.push(hostname.trim().to_owned());
    }
    names.retain(|name| !name.is_empty());
    names.dedup();
    names
}

fn shared(config: rustls::ServerConfig) -> SharedConfig {
    Arc::new(ArcSwap::from_pointee(config))
}

#[allow(clippy::too_many_arguments, reason = "wiring: each argument is one part, used once")]
fn serve_agents(
    supervisor: &Supervisor,
    stores: &Stores,
    engine: &EngineHandle,
    live: &Arc<Live>,
    clock: &Clock,
    config: &Config,
    agents: TcpListener,
    enrolment: TcpListener,
) -> anyhow::Result<()> {
    let agents_port = agents.local_addr()?.port();
    let identity = |now| stores.agents_ca.server(&[SERVER_NAME.to_owned()], &[], now);
    let mutual = listen::server_config(identity(clock())?, Some(stores.agents_ca.certificate()), &[b"h2"])?;
    let open = listen::server_config(identity(clock())?, None, &[b"h2"])?;

    let ingest = IngestService {
        ledger: stores.ledger.clone(),
        store: stores.store.clone(),
        engine: engine.clone(),
        live: live.clone(),
        authority: stores.agents_ca.clone(),
        clock: clock.clone(),
    };
    let ingest = IngestServer::new(ingest)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let router = grpc_server().add_service(ingest);
    serve_grpc(supervisor, "agents", router, agents, shared(mutual));

    let enrolment_service = EnrolmentService {
        ledger: stores.ledger.clone(),
        authority: stores.agents_ca.clone(),
        engine: engine.clone(),
        clock: clock.clone(),
        ids: Mutex::new(clock::ids()?),
        advertised: config.advertised.clone(),
        agents_port,
    };
    let router =
        grpc_server().add_service(EnrolmentServer::new(enrolment_service).max_decoding_message_size(64 * 1024));
    serve_grpc(supervisor, "enrolment", router, enrolment, shared(open));
    Ok(())
}

fn grpc_server() -> tonic::transport::Server {
    tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(10)))
        .http2_keepalive_timeout(Some(Duration::from_secs(5)))
        .max_concurrent_streams(AGENT_STREAMS_MAX)
        .http2_max_pending_accept_reset_streams(Some(16))
}

fn serve_grpc(
    supervisor: &Supervisor,
    name: &'static str,
    router: tonic::transport::server::Router,
    listener: TcpListener,
    config: SharedConfig,
) {
    let cancel = supervisor.cancel();
    let (sender, receiver) = listen::accepted_queue();
    supervisor.critical(name, listen::accept(listener, config, sender, cancel.clone()));
    supervisor.critical(name, async move {
        let incoming = ReceiverStream::new(receiver).map(Ok::<Connection, std::io::Error>);
        // On cancellation streams are dropped, not drained: an agent keeps what was not acknowledged.
        tokio::select! {
            served = router.serve_with_incoming(incoming) => if let Err(error) = served {
                tracing::error!(listener = name, %error, "listener ended");
            },
            () = cancel.cancelled() => {}
        }
    });
}

/// HTTPS for people and API clients; answers the PEM of the authority that they must trust.
fn serve_console(
    supervisor: &Supervisor,
    config: &Config,
    names: &[String],
    clock: &Clock,
    backend: Arc<dyn Backend>,
    listener: TcpListener,
) -> anyhow::Result<Option<String>> {
    let (identity, authority) = match &config.console_certificate {
        Some((certificate, key)) => (pki::read_identity(certificate, key).map_err(anyhow::Error::msg)?, None),
        None => {
            let authority = Authority::open(&config.state_dir.join("pki"), "console", "Tocsin console", clock())?;
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
            (
                authority.server(&all, &addresses, clock())?,
                Some(authority.pem().to_owned()),
            )
        }
    };
    let tls = listen::server_config(identity, None, &[b"h2", b"http/1.1"])?;
    let router = tocsin_console::router(backend, ConsoleOptions::default());
    let cancel = supervisor.cancel();
    let (sender, mut receiver) = listen::accepted_queue();
    supervisor.critical("console", listen::accept(listener, shared(tls), sender, cancel.clone()));
    supervisor.critical("console", async move {
        loop {
            let connection = tokio::select! {
                connection = receiver.recv() => connection,
                () = cancel.cancelled() => return,
            };
            let Some(connection) = connection else { return };
            let service = TowerToHyperService::new(router.clone());
            let cancel = cancel.clone();
            tokio::spawn(async move {
                let mut server = auto::Builder::new(TokioExecutor::new());
                server.http2().max_concurrent_streams(64);
                let served = server.serve_connection(TokioIo::new(connection), service);
                tokio::select! {
                    served = served => if let Err(error) = served {
                        tracing::debug!(%error, "console connection ended");
                    },
                    () = cancel.cancelled() => {}
                }
            });
        }
    });
    Ok(authority)
}

fn deliver(
    supervisor: &Supervisor,
    config: &Config,
    stores: &Stores,
    live: &Arc<Live>,
    clock: &Clock,
    kick: Arc<Notify>,
    console_url: &str,
) -> anyhow::Result<()> {
    let outbox = LedgerOutbox {
        ledger: stores.ledger.clone(),
        live: live.clone(),
        link_key: stores.link_key,
        console_url: console_url.to_owned(),
    };
    let channels = tocsin_channels::build(&config.channels).map_err(anyhow::Error::msg)?;
    let worker = tocsin_channels::Worker::new(Arc::new(outbox), channels, clock.clone());
    supervisor.critical("channels", worker.run(supervisor.cancel(), kick));
    Ok(())
}

/// Sealing, retention, and when hosts were last heard.
fn look_after(supervisor: &Supervisor, stores: &Stores, live: &Arc<Live>, clock: &Clock) {
    let (store, time, cancel) = (stores.store.clone(), clock.clone(), supervisor.cancel());
    supervisor.critical("sealing", async move {
        let mut period = tokio::time::interval(MAINTAIN_PERIOD);
        loop {
            tokio::select! {
                _ = period.tick() => {}
                () = cancel.cancelled() => return,
            }
            let (store, now) = (store.clone(), time());
            match tokio::task::spawn_blocking(move || store.maintain(now)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::error!(%error, "cannot seal"),
                Err(_) => return,
            }
        }
    });
    let (ledger, live, cancel) = (stores.ledger.clone(), live.clone(), supervisor.cancel());
    supervisor.critical("presence", async move {
        let mut period = tokio::time::interval(TOUCH_PERIOD);
        loop {
            tokio::select! {
                _ = period.tick() => {}
                () = cancel.cancelled() => return,
            }
            if let Err(error) = ledger.touch_hosts(&live.last_seen()).await {
                tracing::warn!(%error, "cannot note when hosts were last heard");
            }
        }
    });
}

/// Checks a configuration without starting: files, rules, channels, state folder.
///
/// # Errors
/// With what hinders a start.
pub fn check(config: &Config) -> anyhow::Result<String> {
    let rules = rules_files::load(config.rules_dir.as_deref()).map_err(anyhow::Error::msg)?;
    tocsin_channels::build(&config.channels).map_err(anyhow::Error::msg)?;
    if let Some((certificate, key)) = &config.console_certificate {
        pki::read_identity(certificate, key).map_err(anyhow::Error::msg)?;
    }
    files::create_private_dir(&config.state_dir)?;
    files::write_private(&config.state_dir.join("check"), b"")?;
    let _ = std::fs::remove_file(config.state_dir.join("check"));
    Ok(format!(
        "configuration is good: {} rules, {} channels, state in {}",
        rules.rules().count(),
        config.channels.len(),
        config.state_dir.display()
    ))
}

/// Logs to standard error, one line each; systemd adds time and name.
pub fn init_logs() {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
}

/// Runs until SIGTERM or SIGINT, and tells systemd how it is doing.
///
/// # Errors
/// When it can't start, or a critical part failed.
pub async fn run_until_signal(config: Config) -> anyhow::Result<()> {
    let cancel = CancellationToken::new();
    let collector = start(config, clock::system(), cancel.clone()).await?;
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let (beat, mut watchdog) = watchdog();
    tokio::spawn({
        let cancel = cancel.clone();
        async move {
            loop {
                tokio::select! {
                    _ = tokio::signal::ctrl_c() => break,
                    _ = terminate.recv() => break,
                    () = cancel.cancelled() => break,
                    _ = watchdog.tick() => if beat {
                        let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
                    }
                }
            }
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
            cancel.cancel();
        }
    });
    collector.ended().await
}

/// Whether systemd wants a sign of life, and a timer at half its deadline.
fn watchdog() -> (bool, tokio::time::Interval) {
    let deadline = sd_notify::watchdog_enabled();
    let period = deadline.map_or(Duration::from_secs(3_600), |deadline| {
        (deadline / 2).max(Duration::from_millis(100))
    });
    (deadline.is_some(), tokio::time::interval(period))
}
