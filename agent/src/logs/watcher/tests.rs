//! The thread as a whole: real files, a real spool, restarts, and what it holds in memory.

use super::*;
use crate::{
    clock::{Clock, SystemClock},
    config::Config,
    logs::{LogConfig, LogMatch, LogSource},
    spool::{Spool, worker},
};
use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    thread::JoinHandle,
};
use tocsin_vocabulary::{Severity, SpoolId, Timestamp};

/// A clock whose time passes only when a test says so, at a rate at which no event is held back.
#[derive(Default)]
struct TestClock(AtomicU64);

impl Clock for TestClock {
    fn wall(&self) -> Timestamp {
        SystemClock.wall()
    }

    fn mono(&self) -> Duration {
        Duration::from_secs(1_000 + self.0.load(Ordering::Relaxed))
    }
}

fn config(folder: &Path, pattern: &str) -> Config {
    Config {
        logs: LogsConfig {
            kernel: false,
            logs: vec![LogConfig {
                source: LogSource::Files {
                    folder: folder.to_owned(),
                    name: "app.log".to_owned(),
                },
                matches: vec![LogMatch {
                    pattern: pattern.to_owned(),
                    exclude: None,
                    event: "app.error".to_owned(),
                    severity: Severity::Major,
                }],
            }],
        },
        ..Config::default()
    }
}

struct Agent {
    configs: watch::Sender<Config>,
    spool: SpoolHandle,
    figures: Arc<LogFigures>,
    clock: Arc<TestClock>,
    stop: CancellationToken,
    waker: Waker,
    thread: JoinHandle<()>,
}

impl Agent {
    fn start(folder: &Path, config: Config) -> Self {
        let id = SpoolId::from_bytes([1; 16]);
        let spool = Spool::open(&folder.join("spool"), 1 << 26, id, Timestamp::from_millis(0)).unwrap();
        let spool = worker::start(spool, Arc::new(SystemClock)).unwrap();
        let (configs, seen) = watch::channel(config);
        let clock = Arc::new(TestClock::default());
        let (figures, stop, waker) = (Arc::default(), CancellationToken::new(), Waker::new().unwrap());
        let watcher = Watcher {
            configs: seen,
            spool: spool.clone(),
            state_dir: folder.to_owned(),
            clock: Arc::clone(&clock) as SharedClock,
            figures: Arc::clone(&figures),
            places: Places {
                kmsg: folder.join("no-kmsg"),
                journalctl: None,
                boot: "boot".to_owned(),
            },
            stop: stop.clone(),
            waker: waker.clone(),
        };
        Self {
            configs,
            spool,
            figures,
            clock,
            stop,
            waker,
            thread: thread::spawn(move || watcher.run()),
        }
    }

    /// The names and bodies of all events so far.
    fn events(&self) -> Vec<StoredEvent> {
        self.spool.events_after(0, 100_000).blocking_recv().unwrap_or_default()
    }

    /// Waits until `enough` is told of the events; a second passes between looks for whoever goes by the clock.
    fn wait(&self, enough: impl Fn(&[StoredEvent]) -> bool) -> Vec<StoredEvent> {
        for _ in 0..6_000 {
            let events = self.events();
            if enough(&events) {
                return events;
            }
            self.clock.0.fetch_add(1, Ordering::Relaxed);
            self.waker.wake();
            thread::sleep(Duration::from_millis(10));
        }
        panic!("a minute went by: {:?}", self.events());
    }

    /// Waits until positions were stored, so that the file counts as followed.
    fn begun(&self, folder: &Path) {
        self.wait(|_| folder.join(super::super::position::LOGS_FILE).is_file());
    }

    fn end(self) {
        self.stop.cancel();
        self.waker.wake();
        self.thread.join().unwrap();
        let spool = self.spool;
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
            .block_on(spool.close(Duration::from_secs(20)));
    }
}

fn append(path: &Path) -> fs::File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

fn told(events: &[StoredEvent], name: &str) -> usize {
    events.iter().filter(|event| event.name == name).count()
}

/// Lines that became events, and those that were only counted.
fn accounted(events: &[StoredEvent]) -> u64 {
    let held = events.iter().filter(|event| event.name == "log.suppressed");
    let held: u64 = held
        .map(|event| event.attributes["count"].parse::<u64>().unwrap())
        .sum();
    held + told(events, "app.error") as u64
}

#[test]
fn a_restart_in_the_middle_loses_nothing_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log");
    let mut log = append(&path);
    writeln!(log, "error 0 is old").unwrap();
    let config = config(folder.path(), r"error (?<number>\d+)");
    let agent = Agent::start(folder.path(), config.clone());
    agent.begun(folder.path());
    writeln!(log, "error 1\nfine\nerror 2").unwrap();
    agent.wait(|events| told(events, "app.error") == 2);
    agent.end();

    writeln!(log, "error 3").unwrap();
    fs::rename(&path, folder.path().join("app.log.1")).unwrap();
    writeln!(append(&path), "error 4").unwrap();
    let agent = Agent::start(folder.path(), config);
    let events = agent.wait(|events| told(events, "app.error") == 4);
    let numbers: Vec<&str> = events
        .iter()
        .filter_map(|event| event.attributes.get("number").map(String::as_str))
        .collect();
    assert_eq!(numbers, ["1", "2", "3", "4"]);
    assert_eq!(events[0].severity, Severity::Major);
    assert_eq!(events[0].attributes["log.file.path"], path.display().to_string());
    agent.end();
}

#[test]
fn a_hundred_thousand_lines_are_all_accounted_for_within_bounds() {
    const LINES: u64 = 100_000;
    let folder = tempfile::tempdir().unwrap();
    let mut log = append(&folder.path().join("app.log"));
    let agent = Agent::start(folder.path(), config(folder.path(), "error"));
    agent.begun(folder.path());
    let text: String = (0..LINES).map(|number| format!("error {number} of many\n")).collect();
    log.write_all(text.as_bytes()).unwrap();
    log.write_all(&vec![b'x'; 10 << 20]).unwrap();
    log.write_all(b" error beyond the bound\n").unwrap();
    log.write_all(b"error at the beginning ").unwrap();
    log.write_all(&vec![b'y'; 10 << 20]).unwrap();
    log.write_all(b"\nlast\n").unwrap();
    let events = agent.wait(|events| accounted(events) == LINES + 1);
    assert!(events.len() < 1_000, "most are only counted: {}", events.len());
    let [lines, matched, suppressed, behind] = agent.figures.read();
    assert_eq!((lines, matched, behind), (LINES + 3, LINES + 1, 0));
    assert_eq!(matched - suppressed, told(&events, "app.error") as u64);
    agent.end();
}

#[test]
fn another_configuration_goes_on_with_what_it_has_in_common() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = append(&folder.path().join("app.log"));
    let agent = Agent::start(folder.path(), config(folder.path(), "error"));
    agent.begun(folder.path());
    writeln!(log, "error 1").unwrap();
    agent.wait(|events| told(events, "app.error") == 1);
    agent.configs.send_replace(config(folder.path(), "fault"));
    agent.waker.wake();
    writeln!(log, "fault 2").unwrap();
    let events = agent.wait(|events| told(events, "app.error") == 2);
    assert_eq!(events.last().unwrap().body, "fault 2");
    agent.end();
}

#[test]
fn what_was_held_back_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = append(&folder.path().join("app.log"));
    let config = config(folder.path(), "error");
    let agent = Agent::start(folder.path(), config.clone());
    agent.begun(folder.path());
    log.write_all("error\n".repeat(50).as_bytes()).unwrap();
    agent.wait(|events| told(events, "app.error") >= 10);
    agent.end();
    let agent = Agent::start(folder.path(), config);
    agent.wait(|events| accounted(events) == 50);
    agent.end();
}

#[test]
fn a_spool_that_is_gone_keeps_the_position_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = append(&folder.path().join("app.log"));
    let agent = Agent::start(folder.path(), config(folder.path(), "error"));
    agent.begun(folder.path());
    let stored = || fs::read(folder.path().join(super::super::position::LOGS_FILE)).unwrap();
    let before = stored();
    // The spool's thread ends; nobody says any more that events are durable.
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(agent.spool.close(Duration::from_secs(20)));
    writeln!(log, "error").unwrap();
    agent.waker.wake();
    let mut tries = 0;
    while agent.figures.read()[1] == 0 && tries < 6_000 {
        thread::sleep(Duration::from_millis(10));
        tries += 1;
    }
    assert_eq!(agent.figures.read()[1], 1);
    agent.stop.cancel();
    agent.waker.wake();
    agent.thread.join().unwrap();
    assert_eq!(stored(), before);
}
