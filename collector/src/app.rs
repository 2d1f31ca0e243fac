//! The one place that wires the collector.
//!
//! * `names` — under which names it is reached,
//! * `housekeeping` — what is looked after all the time.

mod housekeeping;
mod names;

use crate::{
    attachments::Attachments,
    backend::Wired,
    backup::{Keeper, Sources},
    backups::{Backups, intake},
    calendars,
    channel_watch::ChannelWatch,
    clock::{self, Clock},
    config::Config,
    control::{self, Addresses, Control},
    diagnoses::Diagnoses,
    duty::{self, Room},
    engine::{Engine, EngineHandle, Parts, past::Past},
    evidence::Evidence,
    exchange, files,
    ingest::{
        Capacity,
        admission::Gate,
        backlog::{self, Backlog},
    },
    listen,
    live::Live,
    outbox::{Failing, LedgerOutbox},
    pki::{self, Authority},
    policies,
    retention::Membership,
    rules_files::{self, RulesFolder},
    serve,
    supervise::Supervisor,
};
use anyhow::{Context as _, anyhow};
use arc_swap::ArcSwap;
use housekeeping::look_after;
use names::{console_url, enrolment_addresses, reachable_names};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tocsin_console::backend::Backend;
use tocsin_ledger::Ledger;
use tocsin_metrics::{Store, StoreConfig, disk::RealDisk};
use tocsin_rules::RuleSet;
use tokio::{net::TcpListener, sync::Notify, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// How long closing the stores may take.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

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
    stores: Stores,
}

impl Collector {
    /// Whether the engine takes commands and comes to their end; see [`EngineHandle::answers`].
    pub async fn answers(&self) -> bool {
        self.control.engine.answers().await
    }

    /// Waits until everything has ended after cancellation; an error names the tasks that died.
    ///
    /// # Errors
    /// When a critical task ended before it was asked to.
    pub async fn ended(&self) -> anyhow::Result<()> {
        self.supervisor.cancel().cancelled().await;
        let late = self.supervisor.farewell().await;
        self.stores.close().await;
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

/// Everything that lives in the state folder.
pub(crate) struct Stores {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) store: Arc<Store>,
    pub(crate) agents_ca: Arc<Authority>,
    pub(crate) link_key: [u8; 32],
}

impl Stores {
    /// Writes what waits and lets go of the files, so that another collector may open them. Bounded: a disk that hangs
    /// must not keep a collector from stopping.
    async fn close(&self) {
        let store = self.store.clone();
        let journal = tokio::task::spawn_blocking(move || store.close());
        let all = async { tokio::join!(journal, self.ledger.close()) };
        if tokio::time::timeout(CLOSE_DEADLINE, all).await.is_err() {
            tracing::warn!("the stores were not closed in time; what was acknowledged is safe");
        }
    }
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
    [
        store_config.retention,
        store_config.retention_5m,
        store_config.retention_1h,
    ] = config.retention;
    store_config.classes = config.retention_classes.kept();
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

impl Listeners {
    fn addresses(&self) -> std::io::Result<Addresses> {
        Ok(Addresses {
            agents: self.agents.local_addr()?,
            enrolment: self.enrolment.local_addr()?,
            console: self.console.local_addr()?,
        })
    }
}

fn bind(config: &Config) -> anyhow::Result<Listeners> {
    Ok(Listeners {
        agents: listen::bind("agents", config.agents).map_err(anyhow::Error::msg)?,
        enrolment: listen::bind("enrolment", config.enrolment).map_err(anyhow::Error::msg)?,
        console: listen::bind("the console", config.console).map_err(anyhow::Error::msg)?,
    })
}

/// What every part is wired with.
pub(crate) struct Common<'a> {
    pub(crate) supervisor: &'a Supervisor,
    pub(crate) stores: &'a Stores,
    pub(crate) engine: &'a EngineHandle,
    pub(crate) backups: &'a Arc<Backups>,
    pub(crate) live: &'a Arc<Live>,
    pub(crate) capacity: &'a Arc<Capacity>,
    pub(crate) clock: &'a Clock,
    pub(crate) config: &'a Config,
}

/// Starts a collector; it runs until `cancel` is cancelled or a critical task dies.
///
/// # Errors
/// With everything that hinders a start: ports, folders, damaged or newer data, mistakes in rules. Nothing is left
/// running then.
pub async fn start(config: Config, clock: Clock, cancel: CancellationToken) -> anyhow::Result<Collector> {
    let rules = rules_files::load(config.rules_dir.as_deref()).map_err(anyhow::Error::msg)?;
    let listeners = bind(&config)?;
    let stores = open_stores(&config, &clock).await?;
    let supervisor = Supervisor::new(cancel);
    match wire(&config, rules, listeners, &stores, &clock, &supervisor).await {
        Ok(wired) => Ok(Collector {
            addresses: wired.control.addresses,
            control: wired.control,
            backend: wired.backend,
            console_ca: wired.console_ca,
            supervisor,
            stores,
        }),
        Err(error) => {
            supervisor.cancel().cancel();
            supervisor.farewell().await;
            stores.close().await;
            Err(error)
        }
    }
}

/// What came of wiring.
struct Wiring {
    control: Arc<Control>,
    backend: Arc<dyn Backend>,
    console_ca: Option<String>,
}

async fn wire(
    config: &Config,
    rules: RuleSet,
    listeners: Listeners,
    stores: &Stores,
    clock: &Clock,
    supervisor: &Supervisor,
) -> anyhow::Result<Wiring> {
    let addresses = listeners.addresses()?;
    let names = reachable_names(config);
    let console_url = console_url(config, addresses.console, &names);
    let live = Arc::new(Live::default());
    let outbox = Arc::new(Notify::new());
    let failing = Arc::new(Failing::default());
    let (engine, commands) = EngineHandle::queue();
    let diagnoses = Arc::new(Diagnoses::new(
        stores.ledger.clone(),
        live.clone(),
        clock.clone(),
        config.diagnose_on_fault,
    )?);
    let book = policies::book(config)?;
    let promised = book.clone();
    let calendars: calendars::Shared = Arc::new(ArcSwap::from_pointee(book.calendars().clone()));
    let parts = Parts {
        ledger: stores.ledger.clone(),
        rules,
        book,
        destinations: config.destinations.clone(),
        clock: clock.clone(),
        live: live.clone(),
        outbox: outbox.clone(),
        diagnoses: Some(diagnoses.clone()),
        limits: config.desk_limits,
    };
    let desk = Engine::open(parts, &engine).await?;
    supervisor.critical("desk", desk.run(commands, supervisor.cancel()));
    let past = Past {
        store: stores.store.clone(),
        ledger: stores.ledger.clone(),
        engine: engine.clone(),
        clock: clock.clone(),
    };
    supervisor.critical("past", past.run(supervisor.cancel()));
    let evidence = Evidence::new(stores.ledger.clone(), stores.store.clone(), clock.clone());
    supervisor.critical("evidence", evidence.run(supervisor.cancel()));
    let backups = Arc::new(Backups::new(
        stores.ledger.clone(),
        engine.clone(),
        clock.clone(),
        clock::ids()?,
    ));
    supervisor.critical("backups", backups.clone().watch(supervisor.cancel()));
    let taking_in = intake::begin(intake::ready(&config.backup_intake)?, &backups, &supervisor.cancel())?;
    supervisor.critical("backup intake", taking_in);
    // Before housekeeping, so that what they still need of the journal stays.
    let (exports, workers) = exchange::exports(&config.remote_writes, &config.state_dir, stores, clock)?;
    for worker in workers {
        supervisor.critical("export", worker.run(supervisor.cancel()));
    }
    // Before anything is sealed.
    let membership = Membership::open(&config.retention_classes, &stores.ledger, &stores.store).await?;
    supervisor.critical("retention", membership.follow(supervisor.cancel()));
    let room = Arc::new(Room {
        ledger: stores.ledger.clone(),
        engine: engine.clone(),
        live: live.clone(),
        clock: clock.clone(),
        ids: Mutex::new(clock::ids()?),
        outbox: outbox.clone(),
        destinations: config.destinations.clone(),
        files: Attachments::new(&config.state_dir),
        book: promised,
        zone: jiff::tz::TimeZone::system(),
    });
    supervisor.critical("duty", duty::keep(room.clone(), supervisor.cancel()));
    let holidays = calendars::look_after(config.clone(), calendars.clone(), room.clone(), supervisor.cancel());
    supervisor.critical("calendars", holidays);
    let ledger_writes = look_after(supervisor, stores, &live, clock);
    let capacity = capacity(config, stores, &live, &engine, clock, supervisor);
    let channels = Arc::new(config.build_channels()?);
    let watch = Arc::new(ChannelWatch::new(
        stores.ledger.clone(),
        channels.clone(),
        clock.clone(),
        outbox.clone(),
        engine.clone(),
        config,
    )?);
    let rules_folder = RulesFolder::new(config.rules_dir.clone());
    let backend: Arc<dyn Backend> = Arc::new(Wired {
        ledger: stores.ledger.clone(),
        store: stores.store.clone(),
        engine: engine.clone(),
        live: live.clone(),
        clock: clock.clone(),
        link_key: stores.link_key,
        tasks: supervisor.tasks(),
        failing: failing.clone(),
        ledger_writes,
        capacity: capacity.clone(),
        exports,
        diagnoses,
        calendars,
        rules: rules_folder.clone(),
        channels: watch.clone(),
        backups: backups.clone(),
        room: room.clone(),
    });
    let common = Common {
        supervisor,
        stores,
        engine: &engine,
        backups: &backups,
        live: &live,
        capacity: &capacity,
        clock,
        config,
    };
    serve::agents(&common, listeners.agents, listeners.enrolment)?;
    let delivered = deliver(&common, outbox, failing, &console_url, &channels)?;
    let inbound = crate::inbound::routes(&common, backend.clone(), watch.clone(), delivered)?;
    let console_ca = serve::console(&common, &names, backend.clone(), inbound, listeners.console)?;
    supervisor.critical("channel watch", watch.clone().run(supervisor.cancel()));
    if rules_folder.path.is_some() {
        let watch = rules_files::watch(rules_folder, engine.clone(), supervisor.cancel());
        supervisor.critical("rules", watch);
    }
    let control = Arc::new(Control {
        ledger: stores.ledger.clone(),
        engine: engine.clone(),
        live,
        backend: backend.clone(),
        backups: backups.clone(),
        clock: clock.clone(),
        ids: Mutex::new(clock::ids()?),
        enrolment: enrolment_addresses(addresses.enrolment, names),
        ca_pin: stores.agents_ca.pin(),
        console_url: console_url.clone(),
        addresses,
        channels: watch,
        link_key: stores.link_key,
        room,
        keeper: Keeper {
            ledger: stores.ledger.clone(),
            store: stores.store.clone(),
            sources: Sources::of(config),
            clock: clock.clone(),
            cancel: supervisor.cancel(),
            busy: Arc::default(),
        },
    });
    let socket = control::bind(&config.socket_path()).await.map_err(anyhow::Error::msg)?;
    supervisor.critical("control", socket.serve(control.clone(), supervisor.cancel()));
    let Addresses {
        agents,
        enrolment,
        console,
    } = addresses;
    tracing::info!(%agents, %enrolment, %console, console_url, "collector is ready");
    Ok(Wiring {
        control,
        backend,
        console_ca,
    })
}

/// What ingest can take, and the tasks behind it.
fn capacity(
    config: &Config,
    stores: &Stores,
    live: &Arc<Live>,
    engine: &EngineHandle,
    clock: &Clock,
    supervisor: &Supervisor,
) -> Arc<Capacity> {
    let (backlog, chunks) = Backlog::new(config.limits, clock.clone());
    let past = engine.past.clone();
    let storing = backlog::store_chunks(backlog.clone(), chunks, stores.store.clone(), past, supervisor.cancel());
    supervisor.critical("backlog", storing);
    supervisor.critical("bell", live.clone().ring_ticks(supervisor.cancel()));
    Arc::new(Capacity {
        gate: Gate::new(config.limits, clock.clone()),
        backlog,
        limits: config.limits,
    })
}

/// Starts delivery; answers the outbox, for what comes back by other ways.
fn deliver(
    common: &Common<'_>,
    kick: Arc<Notify>,
    failing: Arc<Failing>,
    console_url: &str,
    channels: &HashMap<String, tocsin_channels::Built>,
) -> anyhow::Result<Arc<dyn tocsin_channels::Outbox>> {
    let outbox: Arc<dyn tocsin_channels::Outbox> = Arc::new(LedgerOutbox {
        ledger: common.stores.ledger.clone(),
        live: common.live.clone(),
        clock: common.clock.clone(),
        link_key: common.stores.link_key,
        console_url: console_url.to_owned(),
        failing,
        engine: common.engine.clone(),
        kick: kick.clone(),
        ids: Mutex::new(clock::ids()?),
        answers: Mutex::default(),
    });
    let orders = tocsin_channels::Orders::new(&common.config.orders);
    let worker = tocsin_channels::Worker::new(outbox.clone(), channels.clone(), orders, common.clock.clone());
    let supervisor = common.supervisor;
    supervisor.critical("channels", worker.run(supervisor.cancel(), kick));
    Ok(outbox)
}

/// Checks a configuration without starting: files, rules, channels, state folder.
///
/// # Errors
/// With what hinders a start.
pub fn check(config: &Config) -> anyhow::Result<String> {
    let rules = rules_files::load(config.rules_dir.as_deref()).map_err(anyhow::Error::msg)?;
    config.build_channels()?;
    intake::check(&config.backup_intake)?;
    tocsin_prometheus::export::check(&config.remote_writes)?;
    if let Some((certificate, key)) = &config.console_certificate {
        pki::read_identity(certificate, key).map_err(anyhow::Error::msg)?;
    }
    policies::book(config)?;
    // What `run` would make is not made here: this may run as another user, who would then own it.
    let state = if config.state_dir.exists() {
        files::write_private(&config.state_dir.join("check"), b"")
            .context("the state folder must belong to the user that runs the collector")?;
        let _ = std::fs::remove_file(config.state_dir.join("check"));
        ""
    } else {
        " (will be made)"
    };
    Ok(format!(
        "configuration is good: {} rules, {} channels, state in {}{state}",
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
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let starting = start(config, clock::system(), cancel.clone());
    let collector = tokio::select! {
        started = starting => started?,
        _ = tokio::signal::ctrl_c() => return Ok(()),
        _ = terminate.recv() => return Ok(()),
    };
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    let stopped = async {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
            () = cancel.cancelled() => {}
            () = watchdog(&collector) => {}
        }
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
        cancel.cancel();
    };
    stopped.await;
    collector.ended().await
}

/// Gives systemd a sign of life at half its deadline, as long as the engine answers: one that hangs is restarted. Never
/// ends.
async fn watchdog(collector: &Collector) {
    let Some(deadline) = sd_notify::watchdog_enabled() else {
        return std::future::pending().await;
    };
    let mut period = tokio::time::interval((deadline / 2).max(Duration::from_millis(100)));
    period.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        period.tick().await;
        if tokio::time::timeout(deadline, collector.answers()).await == Ok(true) {
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
        } else {
            tracing::error!("the engine does not answer: no sign of life is given");
        }
    }
}
