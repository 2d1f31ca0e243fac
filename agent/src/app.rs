//! The daemon: puts the parts together, runs them until it is told to stop, and stops them in order.

use crate::{
    backup::courier::{self, Courier},
    clock::SharedClock,
    config::{Config, LogLevel},
    diagnosis::{self, Diagnostician},
    documents::{self, DOCUMENTS_DIR, DocumentsHandle, Store},
    facts,
    files::{self, FileError},
    footprint,
    identity::Identity,
    logs::{LogFigures, LogWatch},
    probes::{Board, Prober},
    random::Chance,
    reload::Reload,
    reporter::Reporter,
    spool::{
        Spool,
        worker::{self, SpoolHandle},
    },
    ticking::{Pulse, Ticking},
    uplink::{LIVE_MAX, Outlook, Uplink},
    watched::{self, Watch},
};
use anyhow::Context;
use sd_notify::NotifyState;
use std::{
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tocsin_proto::v1::HostFacts;
use tocsin_vocabulary::{IdSource, SpoolId, Timestamp};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// The spool below the state directory.
pub const SPOOL_DIR: &str = "spool";
/// Held by the agent that runs, below the state directory.
pub(crate) const LOCK_FILE: &str = "lock";
/// Who the host says it is is looked up this often.
const FACTS_EVERY: Duration = Duration::from_secs(600);
/// At the end the spool gets this long to sync.
const CLOSE_PATIENCE: Duration = Duration::from_millis(1_500);

/// Called with the level of the configuration, at the start and whenever it changes.
pub type LogControl = Box<dyn Fn(LogLevel) + Send + Sync>;

/// Why an agent ended that should be started anew, with all it knew stored.
#[derive(Debug, thiserror::Error)]
#[error("the agent used too much memory and has to start anew")]
pub struct Spent;

/// How to run an agent.
pub struct Options {
    /// What to do.
    pub config: Config,
    /// Where the configuration came from, to notice edits; `None` when it is fixed.
    pub config_file: Option<PathBuf>,
    /// Identity, spool and status; see [`crate::config::STATE_DIR`].
    pub state_dir: PathBuf,
    /// `/`, or a recorded tree to sample instead of this machine.
    pub root: PathBuf,
    /// The clocks; [`crate::clock::SystemClock`] outside tests.
    pub clock: SharedClock,
    /// Whether this process is a service of its own: tells systemd, hears `SIGHUP`.
    pub service: bool,
    /// Sets the level of the process's log.
    pub log: Option<LogControl>,
}

impl Options {
    /// For this machine, with a fixed configuration, inside another process.
    #[must_use]
    pub fn embedded(config: Config, state_dir: PathBuf, clock: SharedClock) -> Self {
        Self {
            config,
            config_file: None,
            state_dir,
            root: PathBuf::from("/"),
            clock,
            service: false,
            log: None,
        }
    }
}

/// Runs an agent until `shutdown`; then everything is stored and synced, which takes at most two seconds.
///
/// The caller has installed a rustls crypto provider and is in a tokio runtime with time and I/O.
///
/// # Errors
/// When the state directory cannot be used or another agent uses it, and [`Spent`] when a service used too much memory.
/// Nothing else ends an agent.
pub async fn run(options: Options, shutdown: CancellationToken) -> anyhow::Result<()> {
    files::private_dir(&options.state_dir)?;
    let _lock = lock(&options.state_dir)?;
    let spool = open_spool(&options)?;
    let documents = open_documents(&options, &spool)?;
    let stop = shutdown.child_token();
    let mut tasks = JoinSet::new();
    let reporter = spawn(options, &spool, &documents, &mut tasks, &stop);
    let mut ready = false;
    let ended = loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break Ok(()),
            () = reporter.pulse.spent.notified() => break Err(Spent.into()),
            Some(ended) = tasks.join_next() => break Err(anyhow::anyhow!("a task of the agent ended: {ended:?}")),
            // Ready means that this host is sampled: not before the first tick.
            () = reporter.pulse.ticked.notified(), if !ready => {
                ready = true;
                reporter.tell(&[NotifyState::Ready]);
            }
        }
    };
    stop.cancel();
    // Who starts itself anew does not stop, as the service manager sees it.
    if !ended.as_ref().is_err_and(anyhow::Error::is::<Spent>) {
        reporter.tell(&[NotifyState::Stopping]);
    }
    while tasks.join_next().await.is_some() {}
    spool.close(CLOSE_PATIENCE).await;
    reporter.report();
    ended
}

/// Makes the parts, joins them by channels, and starts their tasks.
fn spawn(
    options: Options,
    spool: &SpoolHandle,
    documents: &DocumentsHandle,
    tasks: &mut JoinSet<()>,
    stop: &CancellationToken,
) -> Arc<Reporter> {
    let (outlook, pulse) = (Outlook::new(), Arc::new(Pulse::default()));
    let (live, live_queue) = mpsc::channel(LIVE_MAX);
    let (processes, process_snapshots) = watch::channel(None);
    let (host_facts, facts_seen) = watch::channel(wire_facts(&options.root));
    let (collectors, collectors_seen) = watch::channel(options.config.collectors.clone());
    let (interval, interval_seen) = watch::channel(options.config.interval);
    let (config, configs) = watch::channel(options.config);
    let (problem, problems) = watch::channel(None);
    let (diagnoses, requests) = mpsc::channel(diagnosis::REQUESTS_MAX);

    let uplink = Uplink {
        state_dir: options.state_dir.clone(),
        collectors: collectors_seen,
        spool: spool.clone(),
        live: live_queue,
        documents: documents.clone(),
        diagnoses,
        processes: process_snapshots,
        facts: facts_seen,
        own_interval: interval_seen,
        outlook: Arc::clone(&outlook),
        clock: Arc::clone(&options.clock),
        boot_id: facts::boot_id(&options.root),
        chance: Chance::from_system(),
        renew_earliest: Timestamp::default(),
    };
    let logs = LogWatch {
        root: options.root.clone(),
        configs: configs.clone(),
        spool: spool.clone(),
        state_dir: options.state_dir.clone(),
        clock: Arc::clone(&options.clock),
        figures: Arc::new(LogFigures::default()),
    };
    let prober = Prober {
        configs: configs.clone(),
        board: Arc::new(Board::default()),
        clock: Arc::clone(&options.clock),
    };
    let ticking = Ticking {
        root: options.root.clone(),
        config: configs.clone(),
        spool: spool.clone(),
        live,
        documents: documents.clone(),
        processes,
        outlook: Arc::clone(&outlook),
        pulse: Arc::clone(&pulse),
        logs: Arc::clone(&logs.figures),
        probes: Arc::clone(&prober.board),
        clock: Arc::clone(&options.clock),
        phase_seed: phase_seed(&options.state_dir, spool),
        state_dir: options.state_dir.clone(),
        resident_max: options.service.then_some(footprint::RESIDENT_MAX),
    };
    let diagnostician = Diagnostician {
        config: configs.clone(),
        root: options.root.clone(),
        documents: documents.clone(),
        clock: Arc::clone(&options.clock),
        requests,
    };
    let watch = Watch {
        config: configs.clone(),
        root: options.root.clone(),
        documents: documents.clone(),
        spool: spool.clone(),
        clock: Arc::clone(&options.clock),
    };
    let courier = Courier {
        state_dir: options.state_dir.clone(),
        root: options.root.clone(),
        config: configs.clone(),
        spool: spool.clone(),
        clock: Arc::clone(&options.clock),
    };
    let reporter = Arc::new(Reporter {
        state_dir: options.state_dir,
        spool: spool.clone(),
        documents: documents.clone(),
        outlook,
        pulse,
        configs: configs.clone(),
        problems,
        started_at: options.clock.wall(),
        clock: options.clock,
        service: options.service,
    });
    let changes = Changes {
        configs,
        collectors,
        interval,
        spool: spool.clone(),
        log: options.log,
    };
    let reload = Reload {
        path: options.config_file,
        config,
        problem,
        systemd: options.service,
    };
    tasks.spawn(ticking.run(stop.clone()));
    tasks.spawn(logs.run(stop.clone()));
    tasks.spawn(prober.run(stop.clone()));
    tasks.spawn(uplink.run(stop.clone()));
    tasks.spawn(diagnostician.run(stop.clone()));
    tasks.spawn(watched::run(watch, stop.clone()));
    tasks.spawn(courier::run(courier, stop.clone()));
    tasks.spawn(changes.run(stop.clone()));
    tasks.spawn(reload.run(stop.clone()));
    tasks.spawn(look_up_facts(options.root, host_facts, stop.clone()));
    if options.service {
        tasks.spawn(footprint::stay_small(stop.clone()));
    }
    tasks.spawn(Arc::clone(&reporter).run(stop.clone()));
    tasks.spawn(Arc::clone(&reporter).feed_watchdog(stop.clone()));
    reporter
}

/// One agent per state directory: two would give the same numbers to different ticks.
fn lock(state_dir: &Path) -> anyhow::Result<File> {
    let path = state_dir.join(LOCK_FILE);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| FileError::new("open", &path, error))?;
    file.try_lock().with_context(|| {
        format!(
            "another agent uses {}: stop it, or choose another --state-dir",
            state_dir.display()
        )
    })?;
    Ok(file)
}

fn open_spool(options: &Options) -> anyhow::Result<SpoolHandle> {
    let now = options.clock.wall();
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).context("the system has no randomness")?;
    let new_id = SpoolId::next(&mut IdSource::new(u64::from_le_bytes(seed)), now);
    let dir = options.state_dir.join(SPOOL_DIR);
    if let Ok(identity) = Identity::load(&options.state_dir) {
        Spool::forget_other_host(&dir, identity.host)?;
    }
    let spool = Spool::open(&dir, options.config.spool_bytes, new_id, now)?;
    worker::start(spool, Arc::clone(&options.clock)).context("cannot start the spool's thread")
}

fn open_documents(options: &Options, spool: &SpoolHandle) -> anyhow::Result<DocumentsHandle> {
    let host = Identity::load(&options.state_dir).ok().map(|identity| identity.host);
    let store = Store::open(&options.state_dir.join(DOCUMENTS_DIR), host)?;
    documents::worker::start(store, spool.clone(), Arc::clone(&options.clock))
        .context("cannot start the thread of documents")
}

/// Hosts spread over the interval by identity; before enrolment by spool.
fn phase_seed(state_dir: &Path, spool: &SpoolHandle) -> Vec<u8> {
    match Identity::load(state_dir) {
        Ok(identity) => identity.host.as_bytes().to_vec(),
        Err(_) => spool.view().borrow().id.as_bytes().to_vec(),
    }
}

/// Who the host below `root` says it is.
#[must_use]
pub fn wire_facts(root: &Path) -> HostFacts {
    let facts = facts::read(root);
    HostFacts {
        hostname: facts.hostname,
        os: facts.os,
        kernel: facts.kernel,
        architecture: facts.architecture,
        cpu_model: facts.cpu_model,
        cpu_count: facts.cpu_count,
        memory_bytes: facts.memory_bytes,
        machine_id: facts.machine_id,
        boot_time_ms: facts.boot_time.as_millis(),
        agent_version: facts.agent_version,
        addresses: facts.addresses,
    }
}

async fn look_up_facts(root: PathBuf, facts: watch::Sender<HostFacts>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(FACTS_EVERY) => {}
        }
        let new = wire_facts(&root);
        facts.send_if_modified(|old| {
            let changed = *old != new;
            *old = new;
            changed
        });
    }
}

/// Carries a changed configuration to the parts that do not read it themselves.
struct Changes {
    configs: watch::Receiver<Config>,
    collectors: watch::Sender<Vec<String>>,
    interval: watch::Sender<Duration>,
    spool: SpoolHandle,
    log: Option<LogControl>,
}

impl Changes {
    async fn run(mut self, stop: CancellationToken) {
        loop {
            let config = self.configs.borrow_and_update().clone();
            if let Some(log) = &self.log {
                log(config.log);
            }
            self.spool.set_bytes_max(config.spool_bytes);
            send_changed(&self.collectors, config.collectors);
            send_changed(&self.interval, config.interval);
            tokio::select! {
                () = stop.cancelled() => return,
                changed = self.configs.changed() => if changed.is_err() { return stop.cancelled().await },
            }
        }
    }
}

fn send_changed<T: PartialEq>(channel: &watch::Sender<T>, new: T) {
    channel.send_if_modified(|old| {
        let changed = *old != new;
        *old = new;
        changed
    });
}
