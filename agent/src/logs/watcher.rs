//! The thread that watches logs: reads, hands events to the spool, and only then remembers how far it read.

use super::{
    LogFigures,
    position::Positions,
    settings::LogsConfig,
    sources::{Gathered, Moment, Places, Sources},
    wake::Waiting,
};
use crate::{
    clock::SharedClock,
    config::Config,
    facts,
    sources::is_live,
    spool::{StoredEvent, worker::SpoolHandle},
    surveys::tool,
    wake::Waker,
};
use std::{
    path::PathBuf,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

/// Files are looked at this often without any notification: network file systems give none.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Without files there is only the child that may have to be started again.
const IDLE: Duration = Duration::from_secs(30);
/// Between two passes: what comes meanwhile is read together.
const PASS_PAUSE: Duration = Duration::from_millis(100);
/// Positions that changed without an event are stored this often.
const SAVE_EVERY: Duration = Duration::from_secs(10);
/// At the end the spool gets this long to take what is left.
const CLOSE_PATIENCE: Duration = Duration::from_millis(700);
/// How long the thread gets at the end; a file on a network may hang.
const END_PATIENCE: Duration = Duration::from_millis(1_200);
/// Between two tries to hand events over.
const HAND_OVER_STEP: Duration = Duration::from_millis(20);
/// Patterns, and one journal entry.
const STACK_BYTES: usize = 512 << 10;

/// The parts of the watch over logs.
pub(crate) struct LogWatch {
    /// `/`; logs of a recorded tree are not watched.
    pub(crate) root: PathBuf,
    /// Changes as the file changes.
    pub(crate) configs: watch::Receiver<Config>,
    /// Where events go.
    pub(crate) spool: SpoolHandle,
    /// Where positions are kept.
    pub(crate) state_dir: PathBuf,
    /// The clocks.
    pub(crate) clock: SharedClock,
    /// What it comes to.
    pub(crate) figures: Arc<LogFigures>,
}

impl LogWatch {
    /// Watches until `stop`; ends earlier only when its thread dies.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        if !is_live(&self.root) {
            return stop.cancelled().await;
        }
        let waker = match Waker::new() {
            Ok(waker) => waker,
            Err(error) => return tracing::error!(%error, "logs can't be watched"),
        };
        let places = Places {
            kmsg: PathBuf::from("/dev/kmsg"),
            journalctl: tool::find("journalctl"),
            boot: facts::boot_id(&self.root),
        };
        let watcher = Watcher {
            configs: self.configs.clone(),
            spool: self.spool.clone(),
            state_dir: self.state_dir,
            clock: self.clock,
            figures: self.figures,
            places,
            stop: stop.clone(),
            waker: waker.clone(),
        };
        let (alive, mut ended) = oneshot::channel::<()>();
        let started = thread::Builder::new()
            .name("logs".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                watcher.run();
                drop(alive);
            });
        if let Err(error) = started {
            return tracing::error!(%error, "can't start a thread for logs");
        }
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = &mut ended => return,
                Ok(()) = self.configs.changed() => waker.wake(),
            }
        }
        waker.wake();
        let _ = tokio::time::timeout(END_PATIENCE, ended).await;
    }
}

/// What the thread owns.
pub(super) struct Watcher {
    pub(super) configs: watch::Receiver<Config>,
    pub(super) spool: SpoolHandle,
    pub(super) state_dir: PathBuf,
    pub(super) clock: SharedClock,
    pub(super) figures: Arc<LogFigures>,
    pub(super) places: Places,
    pub(super) stop: CancellationToken,
    pub(super) waker: Waker,
}

/// What changes from pass to pass.
struct Course {
    config: LogsConfig,
    sources: Sources,
    waiting: Waiting,
    /// What is stored.
    saved: Positions,
    saved_at: Option<Duration>,
    scanned_at: Option<Duration>,
    gathered: Gathered,
    /// Events were handed over, but are not durable as far as is known.
    unsure: bool,
}

impl Watcher {
    /// Watches until told to stop.
    pub(super) fn run(mut self) {
        let config = self.configs.borrow_and_update().logs.clone();
        let saved = Positions::load(&self.state_dir);
        let mut gathered = Gathered::default();
        let mut course = Course {
            sources: Sources::new(&config, &saved, &self.places, self.clock.wall(), &mut gathered),
            waiting: Waiting::new(self.waker.clone()),
            config,
            saved,
            saved_at: None,
            scanned_at: None,
            gathered,
            unsure: false,
        };
        while !self.stop.is_cancelled() {
            self.reconfigure(&mut course);
            if self.pass(&mut course, false) {
                continue;
            }
            course.waiting.pause(PASS_PAUSE);
            let longest = if course.sources.has_files() { LOOK_EVERY } else { IDLE };
            let woken = course.waiting.wait(course.sources.fds(), longest);
            if woken.folders {
                course.scanned_at = None;
            }
        }
        self.pass(&mut course, true);
    }

    fn reconfigure(&mut self, course: &mut Course) {
        if !self.configs.has_changed().unwrap_or(false) {
            return;
        }
        let config = self.configs.borrow_and_update().logs.clone();
        if config == course.config {
            return;
        }
        let positions = course.sources.positions(&course.saved);
        let now = self.clock.wall();
        course.sources = Sources::new(&config, &positions, &self.places, now, &mut course.gathered);
        course.waiting = Waiting::new(self.waker.clone());
        course.config = config;
        course.scanned_at = None;
    }

    /// Reads once what there is; says whether there is more to read at once. The `last` pass tells and stores all.
    fn pass(&self, course: &mut Course, last: bool) -> bool {
        let moment = Moment {
            now: self.clock.wall(),
            mono: self.clock.mono(),
        };
        let Course {
            sources,
            waiting,
            gathered,
            ..
        } = course;
        let scanned = course.scanned_at;
        if scanned.is_none_or(|at| moment.mono.saturating_sub(at) >= LOOK_EVERY) {
            sources.scan(moment, waiting, gathered);
            course.scanned_at = Some(moment.mono);
        }
        let more = sources.pass(moment, waiting, &self.figures, gathered);
        sources.tell_held(moment, last, gathered);
        let events = std::mem::take(&mut gathered.events);
        let told = !events.is_empty();
        if told || course.unsure {
            course.unsure = !self.hand_over(events);
        }
        if course.unsure {
            return more; // how far was read is not remembered before what was read is safe
        }
        let positions = course.sources.positions(&course.saved);
        let due = course
            .saved_at
            .is_none_or(|at| moment.mono.saturating_sub(at) >= SAVE_EVERY);
        if positions != course.saved && (told || due || last) {
            self.save(course, positions, moment.mono);
        }
        more
    }

    fn save(&self, course: &mut Course, mut positions: Positions, mono: Duration) {
        course.saved_at = Some(mono);
        match positions.save(&self.state_dir) {
            Ok(()) => course.saved = positions,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "cannot store how far logs were read");
            }
        }
    }

    /// Hands events to the spool and waits until they are durable; `false` when they are not. While the spool is slow
    /// nothing more is read.
    fn hand_over(&self, mut events: Vec<StoredEvent>) -> bool {
        let mut patience = None;
        let mut is_late = || {
            let mono = self.clock.mono();
            self.stop.is_cancelled() && mono > *patience.get_or_insert(mono) + CLOSE_PATIENCE
        };
        let stored = loop {
            match self.spool.events_stored(events) {
                Ok(stored) => break stored,
                Err(back) if !is_late() => events = back,
                Err(_) => return false,
            }
            thread::sleep(HAND_OVER_STEP);
        };
        loop {
            match stored.recv_timeout(HAND_OVER_STEP) {
                Ok(durable) => return durable,
                Err(mpsc::RecvTimeoutError::Timeout) if !is_late() => {}
                Err(_) => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests;
