//! The running agent's part: kept runs become events in the spool, and the spool brings them to the collector.
//!
//! A thread looks at the folder's time when the kernel tells of a change in it, else every second, which costs one call;
//! where it changed, the runs are read. A run is
//! renamed when the spool has it safe, and not before: after a crash it is told again, and the collector knows its number.
//!
//! A run whose wrapper is gone without having told its end — killed, or the machine went down — has failed.

use super::{
    discover,
    files::Files,
    keep::{Runs, Stage},
    run::Run,
};
use crate::{
    clock::SharedClock,
    config::Config,
    facts,
    notices::{self, Notices},
    sources::{process_stat::parse_stat, read_path},
    spool::{StoredEvent, worker::SpoolHandle},
    wake::{Waker, timespec},
};
use rustix::event::{PollFd, PollFlags, poll};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, SystemTime},
};
use tocsin_vocabulary::{
    RunId, Severity,
    backup::{JOB_DECLARED, JOB_FOUND},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often the folder's time is looked at: half of the two seconds in which a failure is to be known.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// From a change to the look at it: what is over by then is told once.
const SOON: Duration = Duration::from_millis(500);
/// How often the folder is read though its time did not change: whether wrappers live still.
const READ_EVERY: u32 = 15;
/// How often timers and crontabs are looked through: an hour.
const DISCOVER_EVERY: u32 = 3_600;
/// Runs handed over at once.
const TOGETHER: usize = 32;
/// How long the spool's disk may take; the runs are handed over again then.
const PATIENCE: Duration = Duration::from_secs(10);
/// Patterns of definitions are made on this thread, which takes more than most.
const STACK_BYTES: usize = 1 << 20;
/// What the courier needs.
pub(crate) struct Courier {
    pub(crate) state_dir: PathBuf,
    /// `/`, or a recorded tree.
    pub(crate) root: PathBuf,
    /// Which jobs are declared here.
    pub(crate) config: watch::Receiver<Config>,
    pub(crate) spool: SpoolHandle,
    pub(crate) clock: SharedClock,
}

/// Carries until `stop`.
pub(crate) async fn run(courier: Courier, stop: CancellationToken) {
    let mut config = courier.config.clone();
    let waker = match Waker::new() {
        Ok(waker) => waker,
        Err(error) => {
            tracing::warn!(%error, "backup runs are not told of: the agent has no descriptor left");
            return stop.cancelled().await;
        }
    };
    let (own_waker, own_stop) = (waker.clone(), stop.clone());
    let thread = thread::Builder::new()
        .name("backup".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || Rounds::new(courier).serve(&own_waker, &own_stop));
    if let Err(error) = thread {
        tracing::warn!(%error, "cannot start the thread that tells of backup runs");
    }
    loop {
        tokio::select! {
            () = stop.cancelled() => return waker.wake(),
            changed = config.changed() => match changed {
                Ok(()) => waker.wake(),
                Err(_) => stop.cancelled().await,
            },
        }
    }
}

struct Rounds {
    courier: Courier,
    runs: Runs,
    /// The folder's time when it was read last.
    seen: Option<SystemTime>,
    /// Rounds since it was read.
    rounds: u32,
    /// Runs that go on, and whether that was told: what is over within a second is told once.
    going_on: BTreeMap<RunId, bool>,
    /// Jobs of the configuration, as they were told.
    declared: Vec<BTreeMap<String, String>>,
    /// Jobs of timers and crontabs, as they were told.
    found: Vec<BTreeMap<String, String>>,
    /// Files of results.
    files: Files,
}

impl Rounds {
    fn new(courier: Courier) -> Self {
        let runs = Runs::of(&courier.state_dir);
        // So that jobs of other users find it, and because the first look needs a time.
        if let Err(error) = runs.make_dir() {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "backup runs can't be kept here"
            );
        }
        Self {
            courier,
            runs,
            seen: None,
            rounds: 0,
            going_on: BTreeMap::new(),
            declared: Vec::new(),
            found: Vec::new(),
            files: Files::default(),
        }
    }

    fn serve(mut self, waker: &Waker, stop: &CancellationToken) {
        let mut notices = notices::of_folder(self.runs.dir());
        let mut until_discovery = 0;
        while !stop.is_cancelled() {
            self.round();
            if until_discovery == 0 {
                self.discover();
                until_discovery = DISCOVER_EVERY;
            }
            let rounds = match notices {
                Some(_) => self.until_read(),
                None => 1,
            };
            let began = self.courier.clock.mono();
            if wait(waker, notices.as_ref(), LOOK_EVERY * rounds) {
                wait(waker, None, SOON);
            }
            if let Some(notices) = &mut notices {
                notices.drain(drop);
            }
            let seconds = self.courier.clock.mono().saturating_sub(began).as_secs();
            let passed = u32::try_from(seconds).unwrap_or(rounds).clamp(1, rounds);
            self.rounds += passed - 1;
            until_discovery = until_discovery.saturating_sub(passed);
        }
    }

    /// Rounds in which nothing is to be done when nothing changes.
    fn until_read(&self) -> u32 {
        if self.going_on.values().all(|told| *told) {
            READ_EVERY.saturating_sub(self.rounds).max(1)
        } else {
            1
        }
    }

    fn round(&mut self) {
        self.declare();
        self.look_at_files();
        let changed = fs::metadata(self.runs.dir()).and_then(|dir| dir.modified()).ok();
        self.rounds += 1;
        if changed == self.seen && self.rounds < READ_EVERY && self.going_on.values().all(|told| *told) {
            return;
        }
        self.rounds = 0;
        // Set before reading; within the same moment of the file system's clock more may come, so it is read twice.
        self.seen = if self.seen == changed { changed } else { None };
        if let Err(error) = self.read() {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "cannot read the kept backup runs"
            );
        }
        if self.seen.is_none() {
            self.seen = changed;
            self.rounds = READ_EVERY.saturating_sub(2);
        }
    }

    /// Keeps the runs that files tell of, as a wrapper keeps its own.
    fn look_at_files(&mut self) {
        let configured = self.courier.config.borrow().backup_files.clone();
        if configured.is_empty() {
            return;
        }
        let host = facts::hostname(&self.courier.root);
        let runs = self.files.look(&configured, &host, self.courier.clock.wall());
        let known = self.runs.names(&[Stage::Waiting, Stage::Sent]).unwrap_or_default();
        for run in runs {
            if known.iter().any(|(id, _)| *id == run.id) {
                continue;
            }
            if let Err(error) = self.runs.finish(&run) {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot keep a backup run");
            }
        }
    }

    /// Tells of the configuration's jobs, at the start and when they change.
    fn declare(&mut self) {
        let jobs = self.courier.config.borrow().backups.clone();
        if jobs == self.declared {
            return;
        }
        if self.tell(JOB_DECLARED, jobs.iter().filter(|job| !self.declared.contains(*job))) {
            self.declared = jobs;
        }
    }

    /// Tells of jobs that timers and crontabs have, at the start and when they change.
    fn discover(&mut self) {
        let found = discover::found(&self.courier.root);
        if self.tell(JOB_FOUND, found.iter().filter(|job| !self.found.contains(*job))) {
            self.found = found;
        }
    }

    /// Whether the spool took an event for each job; a full queue is tried again.
    fn tell<'a>(&self, name: &str, jobs: impl Iterator<Item = &'a BTreeMap<String, String>>) -> bool {
        let time = self.courier.clock.wall();
        let event = |job: &BTreeMap<String, String>| StoredEvent {
            seq: 0,
            time,
            name: name.to_owned(),
            severity: Severity::Info,
            attributes: job.clone(),
            body: String::new(),
        };
        let events: Vec<StoredEvent> = jobs.map(event).collect();
        events.is_empty() || self.courier.spool.events(events).is_ok()
    }

    fn read(&mut self) -> Result<(), crate::files::FileError> {
        let names = self.runs.names(&[Stage::Started, Stage::Waiting])?;
        let started = names
            .iter()
            .filter(|(_, stage)| *stage == Stage::Started)
            .map(|(id, _)| *id);
        self.look_at_started(started.collect());
        let waiting: Vec<RunId> = self
            .runs
            .names(&[Stage::Waiting])?
            .into_iter()
            .map(|(id, _)| id)
            .collect();
        for ids in waiting.chunks(TOGETHER) {
            if !self.hand_over(ids) {
                break;
            }
        }
        if waiting.len() > TOGETHER {
            let lost = self.runs.prune()?;
            if lost > 0 {
                tracing::warn!(lost, "more backup runs waited than are kept; the oldest are lost");
            }
        }
        Ok(())
    }

    /// Runs that go on are told of; those whose wrapper is gone have failed.
    fn look_at_started(&mut self, started: Vec<RunId>) {
        let mut going_on = BTreeMap::new();
        for id in started {
            let Some(run) = self.runs.read(id, Stage::Started) else {
                continue;
            };
            if started_ticks(&self.courier.root, run.pid) == Some(run.pid_started) {
                let told = match self.going_on.get(&id) {
                    Some(true) => true,
                    Some(false) => self.courier.spool.events(vec![run.event()]).is_ok(),
                    None => false,
                };
                going_on.insert(id, told);
            } else if self
                .runs
                .names(&[Stage::Started])
                .is_ok_and(|names| names.contains(&(id, Stage::Started)))
            {
                // Looked at once more, after the wrapper was seen to be gone: it tells before it goes.
                self.unseen_end(run);
            }
        }
        self.going_on = going_on;
    }

    fn unseen_end(&self, run: Run) {
        let now = self.courier.clock.wall();
        let failed = Run {
            duration_ms: u64::try_from(now.since(run.started_at).as_millis()).unwrap_or(u64::MAX),
            ended_at: Some(now),
            ..run.unseen()
        };
        if let Err(error) = self.runs.finish(&failed) {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot keep a backup run");
        }
    }

    /// Whether the spool took them.
    fn hand_over(&self, ids: &[RunId]) -> bool {
        let mut events = Vec::new();
        let mut told = Vec::new();
        for id in ids {
            match self.runs.read(*id, Stage::Waiting) {
                Some(run) => {
                    events.push(run.event());
                    told.push(*id);
                }
                // Torn by a crash of the machine; it is put aside with those that were sent.
                None => {
                    tracing::warn!(run = %id, "a kept backup run can't be read");
                    let _ = self.runs.sent(*id);
                }
            }
        }
        let Ok(stored) = self.courier.spool.events_stored(events) else {
            return false;
        };
        if stored.recv_timeout(PATIENCE) != Ok(true) {
            return false;
        }
        for id in told {
            if let Err(error) = self.runs.sent(id) {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a backup run will be told again"
                );
                return false;
            }
        }
        // Their number is bounded by pruning, which needs a look only when there was something new.
        let _ = self.runs.prune();
        true
    }
}

/// Waits until something changed in the folder, which it says; or somebody wakes, or for `time`.
fn wait(waker: &Waker, notices: Option<&Notices>, time: Duration) -> bool {
    let mut polled = vec![PollFd::new(waker, PollFlags::IN)];
    polled.extend(notices.map(|notices| PollFd::new(notices, PollFlags::IN)));
    let _ = poll(&mut polled, Some(&timespec(time))); // a signal is as good as a notice
    let changed = polled.get(1).is_some_and(|notices| !notices.revents().is_empty());
    drop(polled);
    waker.clear();
    changed
}

/// When a process began, in ticks since the machine booted; none when there is no such process.
pub(crate) fn started_ticks(root: &Path, pid: u32) -> Option<u64> {
    let mut buffer = Vec::new();
    let bytes = read_path(&root.join(format!("proc/{pid}/stat")), &mut buffer)?;
    parse_stat(bytes).map(|stat| stat.started_ticks)
}

#[cfg(test)]
mod tests {
    use super::{super::run::tests::failed, *};
    use crate::{
        clock::SystemClock,
        spool::{Spool, worker},
    };
    use std::sync::Arc;
    use tocsin_vocabulary::{IdSource, SpoolId, backup::RUN_ENDED};

    fn rounds(state: &Path) -> Rounds {
        let clock: SharedClock = Arc::new(SystemClock);
        let id = SpoolId::next(&mut IdSource::new(1), clock.wall());
        let spool = Spool::open(&state.join("spool"), 1 << 20, id, clock.wall()).unwrap();
        Rounds::new(Courier {
            state_dir: state.to_owned(),
            root: PathBuf::from("/"),
            config: watch::channel(Config::default()).1,
            spool: worker::start(spool, clock.clone()).unwrap(),
            clock,
        })
    }

    fn told(rounds: &Rounds) -> Vec<crate::spool::StoredEvent> {
        rounds.courier.spool.events_after(0, 100).blocking_recv().unwrap()
    }

    #[test]
    fn a_kept_run_is_told_once_and_stays_to_be_looked_at() {
        let state = tempfile::tempdir().unwrap();
        let mut rounds = rounds(state.path());
        rounds.round();
        rounds.runs.finish(&failed(1)).unwrap();
        rounds.round();
        rounds.round();
        let events = told(&rounds);
        assert_eq!(events.len(), 1);
        assert_eq!(
            (events[0].name.as_str(), events[0].attributes["job"].as_str()),
            (RUN_ENDED, "nightly")
        );
        let names = rounds.runs.names(&[Stage::Sent]).unwrap();
        assert_eq!(names, [(failed(1).id, Stage::Sent)]);
    }

    #[test]
    fn jobs_of_crontabs_are_told_once_until_they_change() {
        let state = tempfile::tempdir().unwrap();
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        let crontab = root.path().join("etc/crontab");
        let mut rounds = rounds(state.path());
        rounds.courier.root = root.path().to_owned();
        rounds.discover();
        for line in ["1 2 * * *", "1 2 * * *", "1 3 * * *"] {
            std::fs::write(&crontab, format!("{line} root restic backup /srv\n")).unwrap();
            rounds.discover();
        }
        let events = told(&rounds);
        let schedules: Vec<&str> = events
            .iter()
            .filter(|event| event.name == JOB_FOUND)
            .map(|event| event.attributes["schedule"].as_str())
            .collect();
        assert_eq!(schedules, ["1 2 * * *", "1 3 * * *"]);
    }

    #[test]
    fn a_run_whose_wrapper_is_gone_has_failed_and_one_that_goes_on_is_told_of() {
        let state = tempfile::tempdir().unwrap();
        let mut rounds = rounds(state.path());
        let unfinished = |seed| Run {
            ended_at: None,
            result: None,
            ..failed(seed)
        };
        let own = std::process::id();
        let alive = Run {
            pid: own,
            pid_started: started_ticks(Path::new("/"), own).unwrap(),
            ..unfinished(1)
        };
        let dead = Run {
            pid: own,
            pid_started: 1,
            ..unfinished(2)
        };
        rounds.runs.begin(&alive).unwrap();
        rounds.runs.begin(&dead).unwrap();
        rounds.round();
        rounds.round();
        let events = told(&rounds);
        let of = |run: &Run| {
            let id = run.id.to_string();
            events.iter().find(|event| event.attributes["run"] == id).unwrap()
        };
        assert_eq!(of(&dead).attributes["result"], "failed");
        assert!(of(&dead).body.contains("killed"), "{:?}", of(&dead));
        assert_eq!(of(&alive).name, "backup.run.started");
        assert_eq!(events.len(), 2);
    }
}
