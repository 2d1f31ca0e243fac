//! Says how the agent is: writes the status file and talks to the service manager.

use crate::{
    clock::SharedClock,
    config::Config,
    documents::DocumentsHandle,
    spool::worker::SpoolHandle,
    status::{DocumentsStatus, SpoolStatus, Status, WRITE_EVERY},
    ticking::Pulse,
    uplink::Outlook,
};
use sd_notify::NotifyState;
use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tocsin_vocabulary::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Without a tick for this long beyond three intervals the watchdog is not fed.
const WATCHDOG_GRACE: Duration = Duration::from_secs(10);

/// Writes the status and talks to the service manager.
pub(crate) struct Reporter {
    pub(crate) state_dir: PathBuf,
    pub(crate) spool: SpoolHandle,
    pub(crate) documents: DocumentsHandle,
    pub(crate) outlook: Arc<Outlook>,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) configs: watch::Receiver<Config>,
    pub(crate) problems: watch::Receiver<Option<String>>,
    pub(crate) started_at: Timestamp,
    pub(crate) clock: SharedClock,
    pub(crate) service: bool,
}

impl Reporter {
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut every = tokio::time::interval(WRITE_EVERY);
        let mut last = None;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = every.tick() => {
                    let status = self.status();
                    if status.is_news(last.as_ref()) {
                        self.publish(&status);
                        last = Some(status);
                    }
                }
            }
        }
    }

    pub(crate) fn tell(&self, states: &[NotifyState<'_>]) {
        if self.service {
            // Without a service manager there is nobody to tell.
            let _ = sd_notify::notify(states);
        }
    }

    pub(crate) fn report(&self) {
        self.publish(&self.status());
    }

    fn publish(&self, status: &Status) {
        if let Err(error) = status.write(&self.state_dir) {
            tracing::debug!(error = &error as &dyn std::error::Error, "cannot write the status");
        }
        let link = match (&status.link.connected, &status.link.peer, &status.link.problem) {
            (true, Some(peer), _) => format!("connected to {peer}, tick {}", status.tick_seq),
            (_, _, Some(problem)) => format!("not connected: {}", problem.replace('\n', " ")),
            _ => "not connected yet".to_owned(),
        };
        self.tell(&[NotifyState::Status(&link)]);
    }

    fn status(&self) -> Status {
        let (config, link) = (self.configs.borrow().clone(), self.outlook.status());
        let view = self.spool.view().borrow().clone();
        let interval = self.outlook.interval(config.interval);
        let tick_ms = i64::try_from(self.pulse.wall_ms.load(Ordering::Acquire)).unwrap_or(i64::MAX);
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            host: link.host.clone(),
            written_at: self.clock.wall(),
            started_at: self.started_at,
            interval_ms: u64::try_from(interval.as_millis()).unwrap_or(u64::MAX),
            tick_seq: self.pulse.seq.load(Ordering::Acquire),
            tick_at: Timestamp::from_millis(tick_ms),
            ticks_skipped: self.pulse.skipped.load(Ordering::Relaxed),
            link,
            spool: SpoolStatus {
                bytes: view.bytes,
                bytes_max: config.spool_bytes,
                ticks: view.stored.count(),
                sealed_seq: view.sealed,
                ticks_dropped: view.ticks_dropped,
                events_dropped: view.events_dropped,
                gaps: view.gaps.to_vec(),
                problem: view.problem,
            },
            documents: self.documents(),
            config_problem: self.problems.borrow().clone(),
        }
    }

    fn documents(&self) -> DocumentsStatus {
        let view = self.documents.view().borrow().clone();
        let waiting = view.versions.iter().filter(|version| !version.acked).count();
        DocumentsStatus {
            waiting: u64::try_from(waiting).unwrap_or(u64::MAX),
            dropped: view.dropped,
            problem: view.problem,
        }
    }

    /// Feeds the service manager's watchdog as long as ticks are taken.
    pub(crate) async fn feed_watchdog(self: Arc<Self>, stop: CancellationToken) {
        let Some(patience) = sd_notify::watchdog_enabled().filter(|_| self.service) else {
            return stop.cancelled().await;
        };
        let mut every = tokio::time::interval(patience / 3);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = every.tick() => {}
            }
            let interval = self.outlook.interval(self.configs.borrow().interval);
            let last = Duration::from_millis(self.pulse.mono_ms.load(Ordering::Acquire));
            if self.clock.mono() <= last + interval * 3 + WATCHDOG_GRACE {
                self.tell(&[NotifyState::Watchdog]);
            }
        }
    }
}
