//! The tick loop: samples when due, encodes once, hands the tick to the spool and to the live stream. Nothing it does
//! waits for a disk or a network.

use crate::{
    clock::SharedClock,
    config::Config,
    documents::DocumentsHandle,
    footprint::{Footprint, Measure},
    logs::LogFigures,
    probes::Board,
    schedule::Schedule,
    sources::{HostEvent, OwnFigures, ProcessTable, Sampler},
    spool::{StoredEvent, StoredTick, worker::SpoolHandle},
    surveys::{Document, Feed, Mode},
    uplink::{LiveTick, Outlook},
};
use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tocsin_proto::{
    CHUNK_TICKS_MAX,
    v1::{Process, ProcessSnapshot},
};
use tocsin_vocabulary::{Hash, Severity, Timestamp, batch::Encoder, time::format_duration};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

/// A key-frame comes at least this often.
const KEY_FRAME_EVERY: Duration = Duration::from_secs(300);
/// Between two ticks wall and monotonic clock may drift apart by this before it is an event.
const CLOCK_JUMP: Duration = Duration::from_secs(5);
/// The loop never sleeps longer than this in one piece: timers stand still while a machine is suspended, and after that
/// a tick that became due meanwhile is taken soon.
const NAP_MAX: Duration = Duration::from_secs(10);
/// Events that wait for the spool to take them; beyond it the oldest is dropped.
const PENDING_EVENTS_MAX: usize = 1_024;
/// Documents that wait for a slow disk; beyond it what comes is left out until it is found again.
const PENDING_DOCUMENTS_MAX: usize = 64;

/// What others may know of the tick loop; all of it since the agent started.
#[derive(Debug, Default)]
pub struct Pulse {
    /// Number of the newest tick.
    pub seq: AtomicU64,
    /// Its time, in epoch milliseconds.
    pub wall_ms: AtomicU64,
    /// Its time by the monotonic clock, in milliseconds.
    pub mono_ms: AtomicU64,
    /// Ticks left out because their time had passed.
    pub skipped: AtomicU64,
    /// Told after every tick.
    pub ticked: Notify,
    /// Told when the agent must start anew because of its memory.
    pub spent: Notify,
}

/// The tick loop's parts.
pub struct Ticking {
    /// `/`, or a recorded tree.
    pub root: PathBuf,
    /// Changes as the file changes.
    pub config: watch::Receiver<Config>,
    /// Where every tick goes.
    pub spool: SpoolHandle,
    /// Where it goes too while a stream is open.
    pub live: mpsc::Sender<LiveTick>,
    /// Where process snapshots go.
    pub processes: watch::Sender<Option<ProcessSnapshot>>,
    /// Where documents of surveys go.
    pub documents: DocumentsHandle,
    /// Shared with the link.
    pub outlook: Arc<Outlook>,
    /// Shared with status and watchdog.
    pub pulse: Arc<Pulse>,
    /// What watching logs comes to.
    pub logs: Arc<LogFigures>,
    /// The clocks.
    pub clock: SharedClock,
    /// What the host's phase is derived from, so that hosts spread over the interval.
    pub phase_seed: Vec<u8>,
    /// Where surveys keep what must survive a restart.
    pub state_dir: PathBuf,
    /// What probes have found.
    pub(crate) probes: Arc<Board>,
    /// Most resident memory of this process, in bytes; `None` when it is not the agent's alone.
    pub resident_max: Option<u64>,
}

/// What changes from tick to tick.
struct Course {
    sampler: Sampler,
    encoder: Encoder,
    next_seq: u64,
    dictionary: Option<Hash>,
    key_at: Duration,
    since_key: usize,
    before: Option<(Timestamp, Duration)>,
    pending: VecDeque<StoredEvent>,
    documents: Vec<Document>,
    figures: OwnFigures,
    footprint: Footprint,
}

impl Course {
    fn new(sampler: Sampler, next_seq: u64, resident_max: Option<u64>) -> Self {
        Self {
            footprint: Footprint::new(resident_max),
            sampler,
            encoder: Encoder::new(),
            next_seq,
            dictionary: None,
            key_at: Duration::ZERO,
            since_key: 0,
            before: None,
            pending: VecDeque::new(),
            documents: Vec::new(),
            figures: OwnFigures::default(),
        }
    }
}

impl Ticking {
    /// Ticks until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let config = self.config.borrow_and_update().clone();
        let mut course = Course::new(
            Sampler::new(config.sampler(&self.root))
                .surveyed(Mode::Background, Arc::clone(&self.clock))
                .remembering(&self.state_dir)
                .fed_by(Arc::clone(&self.probes) as Arc<dyn Feed>),
            self.spool.view().borrow().next_seq,
            self.resident_max,
        );
        course.pending.push_back(started(self.clock.wall()));
        let mut own_interval = config.interval;
        let mut schedule = self.schedule(own_interval);
        self.tick(&mut course);
        let mut due = schedule.next(self.clock.mono());
        while !stop.is_cancelled() {
            let left = due.at.saturating_sub(self.clock.mono());
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Ok(()) = self.config.changed() => {
                    let config = self.config.borrow_and_update().clone();
                    own_interval = config.interval;
                    course.sampler.reconfigure(config.sampler(&self.root));
                    schedule = self.schedule(own_interval);
                }
                () = self.outlook.interval_changed() => schedule = self.schedule(own_interval),
                () = tokio::time::sleep(left.min(NAP_MAX)) => {
                    let now = self.clock.mono();
                    if now < due.at {
                        continue;
                    }
                    let figures = &mut course.figures;
                    figures.ticks_late = Some(figures.ticks_late.unwrap_or(0) + u64::from(schedule.is_late(due.at, now)));
                    figures.ticks_skipped = Some(self.pulse.skipped.load(Ordering::Relaxed));
                    self.tick(&mut course);
                }
            }
            due = schedule.next(self.clock.mono());
            self.pulse.skipped.fetch_add(due.skipped, Ordering::Relaxed);
        }
    }

    fn schedule(&self, own_interval: Duration) -> Schedule {
        let interval = self.outlook.interval(own_interval);
        Schedule::new(interval, Schedule::phase_of(&self.phase_seed, interval))
    }

    fn tick(&self, course: &mut Course) {
        let (now, mono) = (self.clock.wall(), self.clock.mono());
        course
            .pending
            .extend(jumped(course.before.replace((now, mono)), now, mono));
        self.figure(course);
        course.sampler.set_own_figures(course.figures);
        let sampled = course.sampler.sample(now, mono);
        course.figures.tick_duration = Some(self.clock.mono().saturating_sub(mono));

        let hash = sampled.dictionary.hash();
        let stale = course.since_key >= CHUNK_TICKS_MAX || mono >= course.key_at + KEY_FRAME_EVERY;
        let live_open = self.outlook.live_open.load(Ordering::Acquire);
        let stream_wants = live_open && self.outlook.key_wanted.swap(false, Ordering::AcqRel);
        // A tick of another dictionary is a key-frame whatever else is wanted: the encoder sees to that, and the spool
        // and the stream must know it.
        let other = course.dictionary.replace(hash) != Some(hash);
        let key_frame = other || stream_wants || stale || self.spool.key_wanted();
        if key_frame {
            (course.key_at, course.since_key) = (mono, 0);
        }
        course.since_key += 1;
        let payload = course.encoder.encode(&sampled.tick, &sampled.dictionary, key_frame);

        // The collector may know numbers beyond ours from an earlier run.
        let seq = course.next_seq.max(self.spool.view().borrow().next_seq);
        course.next_seq = seq + 1;
        if live_open {
            let tick = LiveTick {
                seq,
                key_frame,
                payload: payload.clone(),
                dictionary: sampled.dictionary.clone(),
            };
            if self.live.try_send(tick).is_err() {
                self.outlook.key_wanted.store(true, Ordering::Release);
            }
        }
        self.spool.tick(
            StoredTick {
                seq,
                time: now,
                payload,
            },
            key_frame,
            sampled.dictionary,
        );
        course
            .pending
            .extend(sampled.events.into_iter().map(|event| stored(event, now)));
        self.hold_footprint(course, now, mono);
        self.hand_over(&mut course.pending);
        let room = PENDING_DOCUMENTS_MAX.saturating_sub(course.documents.len());
        course.documents.extend(sampled.documents.into_iter().take(room));
        if !course.documents.is_empty()
            && let Err(documents) = self.documents.put(std::mem::take(&mut course.documents), now)
        {
            course.documents = documents;
        }
        if let Some(table) = sampled.processes {
            self.processes.send_replace(Some(snapshot(table)));
        }
        self.pulse.seq.store(seq, Ordering::Release);
        self.pulse
            .wall_ms
            .store(u64::try_from(now.as_millis()).unwrap_or(0), Ordering::Release);
        self.pulse
            .mono_ms
            .store(u64::try_from(mono.as_millis()).unwrap_or(u64::MAX), Ordering::Release);
        self.pulse.ticked.notify_one();
    }

    /// Holds the limit of the agent's own memory.
    fn hold_footprint(&self, course: &mut Course, now: Timestamp, mono: Duration) {
        let resident = course.sampler.resident();
        let (name, does) = match course.footprint.note(resident, mono) {
            Measure::Nothing => return,
            Measure::Slim => {
                course.sampler.slim();
                course.encoder = Encoder::new();
                course.dictionary = None;
                course.documents = Vec::new();
                ("agent.memory.high", "drops what it can find again")
            }
            Measure::Restart => {
                self.pulse.spent.notify_one();
                ("agent.memory.restart", "starts anew")
            }
        };
        let mib = |bytes: u64| bytes >> 20;
        let (uses, may) = (mib(resident.unwrap_or(0)), mib(course.footprint.limit()));
        let body = format!("the agent uses {uses} MiB of memory, may use {may} MiB, and {does}");
        tracing::warn!("{body}");
        let event = HostEvent {
            name,
            severity: Severity::Warning,
            attributes: vec![("memory_mib", uses.to_string()), ("limit_mib", may.to_string())],
            body,
        };
        course.pending.push_back(stored(event, now));
    }

    fn figure(&self, course: &mut Course) {
        let view = self.spool.view();
        let view = view.borrow();
        let figures = &mut course.figures;
        figures.ticks = Some(figures.ticks.unwrap_or(0) + 1);
        figures.spool_records = Some(view.stored.count());
        figures.spool_bytes = Some(view.bytes);
        figures.spool_dropped = Some(view.ticks_dropped);
        figures.logs = Some(self.logs.read());
    }

    fn hand_over(&self, pending: &mut VecDeque<StoredEvent>) {
        if pending.is_empty() {
            return;
        }
        if let Err(events) = self.spool.events(pending.drain(..).collect()) {
            pending.extend(events);
            while pending.len() > PENDING_EVENTS_MAX {
                pending.pop_front();
                tracing::warn!("the spool does not take events: the oldest is dropped");
            }
        }
    }
}

fn started(now: Timestamp) -> StoredEvent {
    let version = env!("CARGO_PKG_VERSION");
    StoredEvent {
        seq: 0,
        time: now,
        name: "agent.started".to_owned(),
        severity: Severity::Info,
        attributes: BTreeMap::from([("version".to_owned(), version.to_owned())]),
        body: format!("agent {version} started"),
    }
}

/// An event when the wall clock moved otherwise than time passed.
fn jumped(before: Option<(Timestamp, Duration)>, now: Timestamp, mono: Duration) -> Option<StoredEvent> {
    let (wall_before, mono_before) = before?;
    let expected = wall_before.plus(mono.saturating_sub(mono_before));
    let (direction, drift) = if now >= expected {
        ("forwards", now.since(expected))
    } else {
        ("backwards", expected.since(now))
    };
    if drift <= CLOCK_JUMP {
        return None;
    }
    let sign = if direction == "forwards" { "" } else { "-" };
    Some(StoredEvent {
        seq: 0,
        time: now,
        name: "clock.jumped".to_owned(),
        severity: Severity::Warning,
        attributes: BTreeMap::from([("offset_ms".to_owned(), format!("{sign}{}", drift.as_millis()))]),
        body: format!("the clock jumped {direction} by {}", format_duration(drift)),
    })
}

fn stored(event: HostEvent, now: Timestamp) -> StoredEvent {
    StoredEvent {
        seq: 0,
        time: now,
        name: event.name.to_owned(),
        severity: event.severity,
        attributes: event
            .attributes
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
        body: event.body,
    }
}

fn snapshot(table: ProcessTable) -> ProcessSnapshot {
    let processes = table.processes.into_iter().map(|row| Process {
        pid: row.pid,
        name: row.name,
        user: row.user,
        cpu_ratio: row.cpu_ratio,
        memory_bytes: row.memory_bytes,
        threads: u32::try_from(row.threads).unwrap_or(u32::MAX),
        started_ms: row.started.as_millis(),
        state: row.state.to_string(),
        command: row.command,
        zombies: row.zombies,
    });
    ProcessSnapshot {
        time_ms: table.time.as_millis(),
        total: u32::try_from(table.total).unwrap_or(u32::MAX),
        processes: processes.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::SystemClock,
        documents::{self, Store},
        sources::SamplerConfig,
        spool::{Spool, worker},
    };
    use std::{fs, path::Path};
    use tocsin_vocabulary::{SpoolId, batch::peek};

    /// A tick loop of its own state folder, and the ticks it hands to a live stream.
    fn ticking(state: &Path, root: &Path, clock: SharedClock) -> (Ticking, mpsc::Receiver<LiveTick>) {
        let spool = Spool::open(
            &state.join("spool"),
            1 << 26,
            SpoolId::from_bytes([1; 16]),
            Timestamp::from_millis(0),
        )
        .unwrap();
        let (live, lives) = mpsc::channel(16);
        let spool = worker::start(spool, Arc::clone(&clock)).unwrap();
        let store = Store::open(&state.join("documents"), None).unwrap();
        let ticking = Ticking {
            root: root.to_owned(),
            config: watch::channel(Config::default()).1,
            documents: documents::worker::start(store, spool.clone(), Arc::clone(&clock)).unwrap(),
            spool,
            live,
            processes: watch::channel(None).0,
            outlook: Outlook::new(),
            pulse: Arc::default(),
            logs: Arc::default(),
            probes: Arc::default(),
            clock,
            phase_seed: Vec::new(),
            state_dir: state.to_owned(),
            resident_max: None,
        };
        (ticking, lives)
    }

    #[tokio::test]
    async fn an_agent_above_its_memory_slims_and_then_asks_to_be_started_anew() {
        let state = tempfile::tempdir().unwrap();
        let (ticking, _lives) = ticking(state.path(), Path::new("/"), Arc::new(SystemClock));
        // One byte: whatever a process really has is more.
        let sampler = Sampler::new(SamplerConfig::default());
        let mut course = Course::new(sampler, 1, Some(1));
        let spent = ticking.pulse.spent.notified();
        tokio::pin!(spent);
        course.sampler.sample(Timestamp::from_millis(0), Duration::ZERO);
        let mut told = |second: u64| {
            ticking.hold_footprint(&mut course, Timestamp::from_millis(0), Duration::from_secs(second));
            course.pending.drain(..).map(|event| event.name).collect::<Vec<_>>()
        };
        assert_eq!(told(0), ["agent.memory.high"]);
        assert_eq!(told(599), Vec::<String>::new(), "it has just started");
        assert!(!spent.as_mut().enable());
        assert_eq!(told(600), ["agent.memory.restart"]);
        spent.await;
    }

    #[test]
    fn a_tick_is_told_to_be_a_key_frame_exactly_when_it_is_one() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("proc")).unwrap();
        let (ticking, mut lives) = ticking(root.path(), root.path(), Arc::new(SystemClock));
        let config = SamplerConfig {
            root: root.path().to_owned(),
            ..SamplerConfig::default()
        };
        let mut course = Course::new(Sampler::new(config), 1, None);
        ticking.outlook.live_open.store(true, Ordering::Release);
        let disk = "8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n";
        // Whatever else wants a key-frame on the tick on which a disk comes or goes.
        for (disks, wanted) in [
            ("", true),
            ("", false),
            (disk, true),
            ("", false),
            (disk, false),
            (disk, false),
        ] {
            fs::write(root.path().join("proc/diskstats"), disks).unwrap();
            ticking.outlook.key_wanted.store(wanted, Ordering::Release);
            ticking.tick(&mut course);
            let tick = lives.try_recv().unwrap();
            let named = peek(&tick.payload).unwrap().key_frame;
            assert_eq!(tick.key_frame, named.is_some());
            assert!(named.is_none_or(|hash| hash == tick.dictionary.hash()));
        }
    }

    #[test]
    fn a_clock_that_is_set_is_an_event_and_a_slow_tick_is_not() {
        let at = Timestamp::from_millis;
        let before = Some((at(1_000_000), Duration::from_secs(50)));
        assert_eq!(jumped(before, at(1_300_000), Duration::from_secs(350)), None);
        let event = jumped(before, at(1_000_000), Duration::from_secs(60)).unwrap();
        assert_eq!(event.attributes["offset_ms"], "-10000");
        let event = jumped(before, at(4_610_000), Duration::from_secs(60)).unwrap();
        assert_eq!(event.body, "the clock jumped forwards by 1h");
    }
}
