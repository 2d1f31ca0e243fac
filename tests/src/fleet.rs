//! A fleet of simulated hosts that speak the real protocol over real TLS with a real collector.
//!
//! Each host has its own key and certificate, its own connection, dictionary, phase and numbers. Values are a function
//! of host and tick, so that nothing has to be kept of a tick but its number: a backlog of any length costs no memory,
//! and what was sent can be computed again.
//!
//! * [`model`] — what hosts measure,
//! * [`pace`] — when they tick,
//! * [`register`] — their enrolment, kept in a folder between runs,
//! * [`member`] — one host: connecting, streaming, coming back; [`talk`] is one stream of it,
//! * [`tally`] — what is counted of all of them,
//! * [`usage`] — what a process costs,
//! * [`rules`] — as many rules as a busy site has,
//! * [`station`] — the collector that is measured,
//! * [`remote_write`], [`peer`], [`feed`] — the same values at the same pace for other stores,
//! * [`verdict`] — whether every tick is stored, once.

pub mod feed;
pub mod member;
pub mod model;
pub mod pace;
pub mod peer;
pub mod register;
pub mod remote_write;
pub mod rules;
pub mod station;
pub mod talk;
pub mod tally;
pub mod usage;
pub mod verdict;

use member::{Member, Surroundings, Trust};
use model::{Failing, Model};
use pace::Pace;
use register::Credentials;
use std::{sync::Arc, time::Duration};
use tally::{Progress, Tally};
use tocsin_vocabulary::{HostId, Timestamp};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
};

/// Hosts that connect at the same time, unless they come as a herd.
const CONNECTING_MAX: usize = 64;
/// How often the progress of all hosts is looked at.
const POLL: Duration = Duration::from_millis(50);

/// How a fleet behaves.
#[derive(Debug, Clone)]
pub struct Plan {
    /// `host:port` of the agents' listener.
    pub collector: String,
    /// Between ticks of one host.
    pub interval: Duration,
    /// Ticks that each host holds already when it connects.
    pub backlog: u64,
    /// All connect at once, instead of a few at a time.
    pub herd: bool,
    /// Hosts only connect, until [`Fleet::begin`].
    pub held: bool,
    /// Longest window of the delay after a failure; [`member::BACKOFF_MOST`] as agents have it.
    pub backoff_most: Duration,
    /// Start of everything random.
    pub seed: u64,
}

/// What the outside knows of one simulated host.
#[derive(Debug, Clone)]
pub struct FleetHost {
    /// As its certificate says.
    pub id: HostId,
    /// When it ticks.
    pub pace: Pace,
    /// How far it is.
    pub progress: Arc<Progress>,
    /// From when on it fails.
    pub failing: Arc<Failing>,
}

/// A running fleet. Its hosts end when it is dropped.
#[derive(Debug)]
pub struct Fleet {
    /// What happened so far.
    pub tally: Arc<Tally>,
    /// In order of their numbers.
    pub hosts: Vec<FleetHost>,
    begins: watch::Sender<bool>,
    last_tick: watch::Sender<Timestamp>,
    _tasks: JoinSet<()>,
}

impl Fleet {
    /// Starts a host for each of `credentials`; call it within a runtime.
    #[must_use]
    pub fn start(plan: &Plan, model: &Model, credentials: &[Arc<Credentials>]) -> Self {
        let tally = Arc::new(Tally::default());
        let (last_tick, ends) = watch::channel(Timestamp::from_millis(i64::MAX));
        let (begins, may_begin) = watch::channel(!plan.held);
        let places = if plan.herd {
            credentials.len().max(1)
        } else {
            CONNECTING_MAX
        };
        let surroundings = Arc::new(Surroundings {
            collector: plan.collector.clone(),
            tally: tally.clone(),
            connecting: Semaphore::new(places),
            trust: Trust::of(credentials),
            backoff_most: plan.backoff_most,
            begins: may_begin,
            ends,
        });
        let begin = pace::now();
        let mut hosts = Vec::with_capacity(credentials.len());
        let mut tasks = JoinSet::new();
        for (number, credentials) in credentials.iter().enumerate() {
            let pace = Pace::spread(begin, plan.interval, number, hosts.capacity()).after_backlog(plan.backlog);
            let progress = Arc::new(Progress::default());
            let machine = model.machine(number as u64);
            hosts.push(FleetHost {
                id: credentials.host,
                pace,
                progress: progress.clone(),
                failing: machine.failing().clone(),
            });
            let member = Member::new(plan.seed ^ number as u64, credentials.clone(), machine, pace, progress);
            tasks.spawn(member.run(surroundings.clone()));
        }
        Self {
            tally,
            hosts,
            begins,
            last_tick,
            _tasks: tasks,
        }
    }

    /// Lets hosts that were held say what they measure, and tick.
    pub fn begin(&self) {
        self.begins.send_replace(true);
    }

    /// Waits until every host was welcomed.
    ///
    /// # Panics
    /// When that takes longer than `patience`.
    pub async fn is_connected(&self, patience: Duration) {
        self.wait("every host to be connected", patience, |host| host.progress.connected())
            .await;
    }

    /// Waits until every host had a live tick acknowledged.
    ///
    /// # Panics
    /// When that takes longer than `patience`.
    pub async fn is_live(&self, patience: Duration) {
        self.wait("every host to be live", patience, |host| {
            host.progress.live_at().is_some()
        })
        .await;
    }

    /// Waits until every host had everything acknowledged that it held when it connected.
    ///
    /// # Panics
    /// When that takes longer than `patience`.
    pub async fn has_caught_up(&self, patience: Duration) {
        self.wait("every backlog to be taken", patience, |host| {
            host.progress.caught_up_at().is_some()
        })
        .await;
    }

    /// Lets hosts tick no more, and waits until everything is acknowledged; answers when the ticks ended.
    ///
    /// # Panics
    /// When that takes longer than `patience`.
    pub async fn drain(&self, patience: Duration) -> Timestamp {
        let end = pace::now();
        self.last_tick.send_replace(end);
        self.wait("every tick to be acknowledged", patience, |host| {
            host.progress.received() >= host.pace.taken(end)
        })
        .await;
        end
    }

    async fn wait(&self, what: &str, patience: Duration, done: impl Fn(&FleetHost) -> bool) {
        let late = || self.hosts.iter().filter(|host| !done(host)).count();
        let all = async {
            while late() > 0 {
                tokio::time::sleep(POLL).await;
            }
        };
        if tokio::time::timeout(patience, all).await.is_err() {
            panic!(
                "waited {} s for {what}; {} hosts are not there: {:?}",
                patience.as_secs(),
                late(),
                self.tally.reasons()
            );
        }
    }
}
