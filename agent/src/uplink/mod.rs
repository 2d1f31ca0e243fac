//! The link to the collectors: one task that connects, streams, and comes back after every failure.
//!
//! Nothing here slows sampling down. A live tick comes by a bounded queue; when that is full the tick is left to the
//! backlog. Everything else is read from the spool.
//!
//! [`plan`] decides what to send next, `opening` and `stream` are one stream, `documents` is what goes beside, this file is when and where to open one.

mod documents;
mod message;
mod opening;
pub mod plan;
mod renewal;
mod stream;

use crate::{
    clock::SharedClock,
    config::{INTERVAL_MAX, INTERVAL_MIN},
    documents::DocumentsHandle,
    identity::{Identity, IdentityError},
    random::{Backoff, Chance},
    spool::worker::SpoolHandle,
    status::LinkStatus,
    tls,
};
use opening::Ended;
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use stream::{RENEW_AGAIN, Resources};
use tocsin_proto::v1::{HostFacts, ProcessSnapshot};
use tocsin_vocabulary::{Dictionary, Timestamp};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Live ticks that may wait for the stream; beyond it a tick is left to the backlog.
pub const LIVE_MAX: usize = 16;
/// First window of the delay after a failure; the initial attempt is immediate.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
/// Largest window of the delay after a failure, and the least delay after a refusal.
const BACKOFF_MOST: Duration = Duration::from_secs(30);
/// How often a host without a valid certificate looks whether it has one now.
const IDENTITY_EVERY: Duration = Duration::from_secs(10);
/// A collector may not send an agent away for longer.
const RETRY_MOST: Duration = Duration::from_secs(600);
/// A stream that lasted this long was a success: the next failure waits shortly again.
const LASTING: Duration = Duration::from_secs(30);

/// The newest tick, on its way to the stream.
#[derive(Debug, Clone)]
pub struct LiveTick {
    /// Its number.
    pub seq: u64,
    /// Whether it stands alone.
    pub key_frame: bool,
    /// As encoded by `vocabulary::batch`.
    pub payload: Vec<u8>,
    /// What gives its cells their meaning.
    pub dictionary: Dictionary,
}

/// What sampling and the link know of each other.
#[derive(Debug)]
pub struct Outlook {
    /// A stream is open: live ticks are welcome.
    pub live_open: AtomicBool,
    /// The stream needs a key-frame to begin, or to go on after a tick was left out.
    pub key_wanted: AtomicBool,
    /// The interval that the collector set, in milliseconds; 0 when it left it to the agent.
    pushed_interval_ms: AtomicU64,
    interval_changed: Notify,
    status: watch::Sender<LinkStatus>,
}

impl Outlook {
    /// Of a link that does not exist yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            live_open: AtomicBool::new(false),
            key_wanted: AtomicBool::new(true),
            pushed_interval_ms: AtomicU64::new(0),
            interval_changed: Notify::new(),
            status: watch::Sender::new(LinkStatus::default()),
        })
    }

    /// The time between ticks: the collector's wish, else the agent's `own`.
    #[must_use]
    pub fn interval(&self, own: Duration) -> Duration {
        match self.pushed_interval_ms.load(Ordering::Acquire) {
            0 => own,
            millis => Duration::from_millis(millis).clamp(INTERVAL_MIN, INTERVAL_MAX),
        }
    }

    fn set_interval(&self, interval: Duration) {
        let millis = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
        if self.pushed_interval_ms.swap(millis, Ordering::AcqRel) != millis {
            tracing::info!(
                interval_ms = millis,
                "the collector set the interval (0: the agent's own)"
            );
            self.interval_changed.notify_one();
        }
    }

    /// Returns when the collector set another interval.
    pub async fn interval_changed(&self) {
        self.interval_changed.notified().await;
    }

    /// How the link is.
    #[must_use]
    pub fn status(&self) -> LinkStatus {
        self.status.borrow().clone()
    }

    fn update(&self, change: impl FnOnce(&mut LinkStatus)) {
        self.status.send_modify(change);
    }
}

/// What the link needs to live.
pub struct Uplink {
    /// Where the identity is.
    pub state_dir: PathBuf,
    /// Collectors of the configuration; empty: those of the identity.
    pub collectors: watch::Receiver<Vec<String>>,
    /// The queue that backlog and events come from.
    pub spool: SpoolHandle,
    /// Live ticks.
    pub live: mpsc::Receiver<LiveTick>,
    /// The texts that travel once.
    pub documents: DocumentsHandle,
    /// Where requests for a diagnosis go.
    pub diagnoses: mpsc::Sender<String>,
    /// The newest process snapshot.
    pub processes: watch::Receiver<Option<ProcessSnapshot>>,
    /// Who the host says it is.
    pub facts: watch::Receiver<HostFacts>,
    /// The interval of the configuration.
    pub own_interval: watch::Receiver<Duration>,
    /// Shared with sampling.
    pub outlook: Arc<Outlook>,
    /// The clocks.
    pub clock: SharedClock,
    /// The kernel's name for this boot.
    pub boot_id: String,
    /// Chance for jitter.
    pub chance: Chance,
    /// No certificate is asked for before this.
    pub renew_earliest: Timestamp,
}

impl Uplink {
    /// Connects and streams until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut backoff = Backoff::new(BACKOFF_FIRST, BACKOFF_MOST);
        let mut run_begins = Some(self.spool.view().borrow().next_seq);
        let mut turn = self.chance.below(1 << 16);
        while !stop.is_cancelled() {
            let delay = match self.identity() {
                Ok(identity) => {
                    let began = self.clock.mono();
                    let ended = self.attempt(&identity, turn, &mut run_begins, &stop).await;
                    self.outlook.live_open.store(false, Ordering::Release);
                    if self.clock.mono().saturating_sub(began) >= LASTING {
                        backoff.reset();
                    }
                    turn = turn.wrapping_add(1);
                    self.after(ended, &mut backoff)
                }
                Err(problem) => {
                    self.report(&problem);
                    IDENTITY_EVERY
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(delay) => {}
                // Whoever mends the list of collectors does not wait for what the old one earned.
                Ok(()) = self.collectors.changed() => backoff.reset(),
            }
        }
        self.outlook
            .update(|status| status.disconnected("the agent stopped".to_owned()));
    }

    fn identity(&self) -> Result<Identity, String> {
        let identity = Identity::load(&self.state_dir).map_err(|error| match error {
            IdentityError::Absent(_) => error.to_string(),
            error => format!("{:#}", anyhow::Error::from(error)),
        })?;
        let (host, until) = (identity.host, identity.not_after);
        self.outlook.update(|status| {
            status.host = Some(host.to_string());
            status.certificate_until = Some(until);
        });
        let now = self.clock.wall();
        if now >= until {
            return Err(format!(
                "certificate expired at {until}, and it is {now} by this host's clock: set the clock if it is wrong, \
                 else enrol again with --again and a new install string"
            ));
        }
        let owner = self.spool.view().borrow().host;
        match owner {
            None => self.spool.belongs_to(host),
            Some(owner) if owner == host => {}
            Some(owner) => {
                return Err(format!(
                    "enrolled anew as {host}, and what is stored is of {owner}: restart the agent to begin anew"
                ));
            }
        }
        Ok(identity)
    }

    fn report(&self, problem: &str) {
        if self.outlook.status().problem.as_deref() != Some(problem) {
            tracing::warn!(problem, "no connection to a collector");
        }
        self.outlook.update(|status| status.disconnected(problem.to_owned()));
    }

    /// One attempt with the collector whose turn it is.
    async fn attempt(
        &mut self,
        identity: &Identity,
        turn: usize,
        run_begins: &mut Option<u64>,
        stop: &CancellationToken,
    ) -> Ended {
        let mut collectors = self.collectors.borrow_and_update().clone();
        if collectors.is_empty() {
            collectors.clone_from(&identity.collectors);
        }
        let Some(peer) = collectors.get(turn % collectors.len().max(1)).cloned() else {
            return Ended::Refused("no collector is known: set `collectors` in the configuration".to_owned());
        };
        self.outlook.update(|status| status.connecting(peer.clone()));
        let tls = tls::mutual(&identity.ca, identity.chain.clone(), identity.key.clone_key());
        let connected = async { tls::connect(&peer, tls?).await };
        let channel = tokio::select! {
            () = stop.cancelled() => return Ended::Stopped,
            channel = connected => channel,
        };
        let channel = match channel {
            Ok(channel) => channel,
            Err(error) => return Ended::Broken(format!("{:#}", anyhow::Error::from(error))),
        };
        let renewal_due = identity.renewal_due(self.chance.share()).max(self.renew_earliest);
        self.own_interval.mark_unchanged();
        let resources = Resources {
            spool: &self.spool,
            outlook: &self.outlook,
            live: &mut self.live,
            documents: &self.documents,
            diagnoses: &self.diagnoses,
            processes: &mut self.processes,
            facts: &mut self.facts,
            own_interval: &mut self.own_interval,
            clock: &self.clock,
            state_dir: &self.state_dir,
            boot_id: &self.boot_id,
            run_begins,
            renewal_due,
            stop,
        };
        let collectors_changed = async {
            let mut collectors = self.collectors.clone();
            if collectors.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            ended = stream::serve(channel, &peer, identity, resources) => ended,
            () = collectors_changed => Ended::Reopened,
        }
    }

    /// How long to wait before the next attempt.
    fn after(&mut self, ended: Ended, backoff: &mut Backoff) -> Duration {
        match ended {
            Ended::Stopped => Duration::ZERO,
            Ended::Reopened => {
                backoff.reset();
                Duration::ZERO
            }
            Ended::Renewed => {
                backoff.reset();
                // A clock that is wrong makes even a new certificate look old: once in a while is enough.
                self.renew_earliest = self.clock.wall().plus(RENEW_AGAIN);
                Duration::ZERO
            }
            Ended::RetryAfter(delay, reason) => {
                self.report(&format!("the collector asked to come back later: {reason}"));
                let delay = delay.min(RETRY_MOST);
                // A fleet that was sent away together does not come back together.
                delay + delay.mul_f64(self.chance.share() * 0.2)
            }
            Ended::Refused(reason) => {
                self.report(&format!("refused: {reason}"));
                BACKOFF_MOST + backoff.next(&mut self.chance)
            }
            Ended::Broken(reason) => {
                self.report(&reason);
                backoff.next(&mut self.chance)
            }
        }
    }
}

#[cfg(test)]
mod tests;
