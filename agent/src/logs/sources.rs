//! All logs of one configuration, and what one pass over them gives.

use super::{
    LogFigures,
    journal::{Entry, Journal, Wanted},
    kernel::built_in,
    kmsg::{Kmsg, Record},
    lines::Line,
    matcher::{Found, Matcher, Storm, Verdict},
    position::Positions,
    settings::{LogMatch, LogSource, LogsConfig},
    tail::{Tail, Trouble},
    wake::Waiting,
};
use crate::{sources::fits, spool::StoredEvent};
use rustix::fd::BorrowedFd;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use tocsin_vocabulary::{Severity, Timestamp};

/// Read at once.
const BUFFER_BYTES: usize = 64 << 10;

/// Where this host's logs are, apart from files.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// The kernel's messages.
    pub(super) kmsg: PathBuf,
    /// Absent where there is no journal.
    pub(super) journalctl: Option<PathBuf>,
    /// Which boot this is.
    pub(super) boot: String,
}

/// When a pass is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) now: Timestamp,
    pub(super) mono: Duration,
}

struct Files {
    /// As the configuration writes it.
    path: String,
    tail: Tail,
    matcher: Matcher,
}

/// Whom the journal's entries are for.
enum Listener {
    All,
    Unit(String),
    Kernel,
}

/// The logs.
pub(super) struct Sources {
    files: Vec<Files>,
    /// Of the kernel's messages, when they come from the device.
    kmsg: Option<(Kmsg, Matcher)>,
    journal: Option<Journal>,
    listeners: Vec<(Listener, Matcher)>,
    complaint: String,
    buffer: Vec<u8>,
}

/// What a pass gave.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) events: Vec<StoredEvent>,
}

impl Sources {
    /// The logs of `config`, read from `positions` on.
    pub(super) fn new(
        config: &LogsConfig,
        positions: &Positions,
        places: &Places,
        now: Timestamp,
        gathered: &mut Gathered,
    ) -> Self {
        let mut own = Self {
            files: Vec::new(),
            kmsg: None,
            journal: None,
            listeners: Vec::new(),
            complaint: String::new(),
            buffer: vec![0; BUFFER_BYTES],
        };
        let (mut kernel, mut wanted) = (Vec::new(), Wanted::default());
        for log in &config.logs {
            let matches = || log.matches.iter().map(|wanted| (wanted.clone(), None));
            match &log.source {
                LogSource::Files { folder, name } => {
                    let path = folder.join(name).to_string_lossy().into_owned();
                    let kept = positions.files.get(&path).cloned();
                    own.files.push(Files {
                        path,
                        tail: Tail::new(folder.clone(), name.clone(), kept),
                        matcher: Matcher::new(matches().collect()),
                    });
                }
                LogSource::Journal => {
                    wanted.all = true;
                    own.listeners.push((Listener::All, Matcher::new(matches().collect())));
                }
                LogSource::Unit(unit) => {
                    wanted.units.push(unit.clone());
                    let matcher = Matcher::new(matches().collect());
                    own.listeners.push((Listener::Unit(unit.clone()), matcher));
                }
                LogSource::Kernel => kernel.extend(matches()),
            }
        }
        if config.kernel {
            kernel.extend(built_in());
        }
        if !kernel.is_empty() {
            own.follow_kernel(kernel, &mut wanted, positions, places);
        }
        if !own.listeners.is_empty() {
            match &places.journalctl {
                Some(program) => {
                    own.journal = Some(Journal::new(program.clone(), wanted, positions.cursor.clone(), now));
                }
                // The kernel alone is watched where that is possible; the rest was asked for.
                None if wanted.all || !wanted.units.is_empty() => {
                    gathered.unreadable("the journal", "this host has no journalctl", now);
                }
                None => {}
            }
        }
        let mut held = positions.held.clone();
        own.matchers().for_each(|(matcher, _)| matcher.remember_held(&mut held));
        own
    }

    /// The device gives the kernel's messages at once and without a child; where it may not be read, the journal does.
    fn follow_kernel(
        &mut self,
        matches: Vec<(LogMatch, Option<Storm>)>,
        wanted: &mut Wanted,
        positions: &Positions,
        places: &Places,
    ) {
        match Kmsg::open(&places.kmsg, &places.boot, positions.kernel.as_ref()) {
            Ok(kmsg) => self.kmsg = Some((kmsg, Matcher::new(matches))),
            Err(error) if places.journalctl.is_some() => {
                tracing::debug!(path = %places.kmsg.display(), %error, "the kernel's messages are taken from the journal");
                wanted.kernel = true;
                self.listeners.push((Listener::Kernel, Matcher::new(matches)));
            }
            Err(error) => {
                tracing::info!(path = %places.kmsg.display(), %error, "the kernel's messages are not watched");
            }
        }
    }

    fn matchers(&mut self) -> impl Iterator<Item = (&mut Matcher, String)> {
        let files = self.files.iter_mut();
        let kernel = self.kmsg.iter_mut();
        let journal = self.listeners.iter_mut();
        files
            .map(|files| (&mut files.matcher, files.path.clone()))
            .chain(kernel.map(|(_, matcher)| (matcher, "kernel".to_owned())))
            .chain(journal.map(|(listener, matcher)| (matcher, listener.name().to_owned())))
    }

    /// Whether files must be looked at now and then.
    pub(super) fn has_files(&self) -> bool {
        !self.files.is_empty()
    }

    /// What can be waited for.
    pub(super) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let kmsg = self.kmsg.iter().map(|(kmsg, _)| kmsg.fd());
        kmsg.chain(self.journal.iter().flat_map(Journal::fds))
    }

    /// Looks which files there are, and asks to be told when they change.
    pub(super) fn scan(&mut self, moment: Moment, waiting: &mut Waiting, gathered: &mut Gathered) {
        for files in &mut self.files {
            let mut troubles = Vec::new();
            waiting.folder(files.tail.folder());
            files.tail.scan(moment.mono, &mut troubles);
            for follower in files.tail.followers() {
                if follower.watch.is_none() {
                    follower.watch = waiting.file(&follower.path);
                }
            }
            gathered.troubles(troubles, moment.now);
        }
    }

    /// Reads what came; says whether there is more.
    pub(super) fn pass(
        &mut self,
        moment: Moment,
        waiting: &Waiting,
        figures: &LogFigures,
        gathered: &mut Gathered,
    ) -> bool {
        let more = [
            self.pass_files(moment, waiting, figures, gathered),
            self.pass_kernel(moment, figures, gathered),
            self.pass_journal(moment, figures, gathered),
        ];
        let behind = self.files.iter().map(|files| files.tail.behind()).sum();
        figures.behind.store(behind, Ordering::Relaxed);
        more.contains(&true)
    }

    fn pass_files(&mut self, moment: Moment, waiting: &Waiting, figures: &LogFigures, gathered: &mut Gathered) -> bool {
        let mut more = false;
        for Files { path, tail, matcher } in &mut self.files {
            let mut troubles = Vec::new();
            let events = &mut gathered.events;
            let mut each = |line: Line<'_>| {
                if let Some(found) = judge(matcher, line, moment.mono, figures) {
                    events.push(event(found, moment.now, "log.file.path", path));
                }
            };
            more |= tail.read(&mut self.buffer, moment.mono, &mut troubles, &mut each);
            tail.take_unwatched()
                .into_iter()
                .for_each(|watch| waiting.forget(watch));
            gathered.troubles(troubles, moment.now);
        }
        more
    }

    fn pass_kernel(&mut self, moment: Moment, figures: &LogFigures, gathered: &mut Gathered) -> bool {
        let Some((kmsg, matcher)) = &mut self.kmsg else {
            return false;
        };
        let events = &mut gathered.events;
        let heard = kmsg.read(&mut |record: &Record<'_>| {
            // Programs write here too; whoever may do that could make up anything.
            if record.facility != 0 {
                return;
            }
            let line = whole(record.message);
            if let Some(found) = judge(matcher, line, moment.mono, figures) {
                let time = moment.now.minus(moment.mono.saturating_sub(record.at));
                events.push(event(found, time, "log.source", "kernel"));
            }
        });
        if heard.lost {
            let body = "the kernel wrote faster than its messages were read: some were missed".to_owned();
            gathered.warn("agent.log.gap", "kernel", body, moment.now);
        }
        heard.more
    }

    fn pass_journal(&mut self, moment: Moment, figures: &LogFigures, gathered: &mut Gathered) -> bool {
        let Some(journal) = &mut self.journal else {
            return false;
        };
        let (events, listeners) = (&mut gathered.events, &mut self.listeners);
        let more = journal.read(moment.mono, &mut |entry: Entry| {
            let unit = entry.unit.as_deref().unwrap_or_default();
            for (listener, matcher) in &mut *listeners {
                let (hears, key, value) = match listener {
                    Listener::All => (true, "log.unit", unit),
                    Listener::Unit(wanted) => (fits(wanted, unit), "log.unit", unit),
                    Listener::Kernel => (entry.kernel, "log.source", "kernel"),
                };
                let found = hears.then(|| judge(matcher, whole(&entry.message), moment.mono, figures));
                if let Some(found) = found.flatten() {
                    events.push(event(found, entry.time, key, value));
                }
            }
        });
        if let Some(complaint) = journal.complaint().filter(|complaint| *complaint != self.complaint) {
            gathered.unreadable("the journal", &complaint, moment.now);
            self.complaint = complaint;
        }
        more
    }

    /// Tells what was held back, where it is time to, or `all` of it.
    pub(super) fn tell_held(&mut self, moment: Moment, all: bool, gathered: &mut Gathered) {
        for (matcher, log) in self.matchers() {
            matcher.held(moment.mono, all, |found| {
                gathered.events.push(event(found, moment.now, "log", &log));
            });
        }
    }

    /// How far everything was read; what was not looked at yet stays as it was `before`.
    pub(super) fn positions(&mut self, before: &Positions) -> Positions {
        let mut now = Positions::default();
        for files in &self.files {
            if let Some(positions) = files.tail.positions() {
                now.files.insert(files.path.clone(), positions);
            }
        }
        let cursor = self.journal.as_ref().and_then(Journal::cursor);
        now.cursor = cursor.map(str::to_owned);
        let kernel = self.kmsg.as_ref().and_then(|(kmsg, _)| kmsg.position());
        now.kernel = kernel.or_else(|| before.kernel.clone());
        let held: BTreeMap<String, u64> = self.matchers().fold(BTreeMap::new(), |mut held, (matcher, _)| {
            for (event, count) in matcher.untold() {
                *held.entry(event.to_owned()).or_default() += count;
            }
            held
        });
        now.held = held;
        now
    }
}

impl Listener {
    fn name(&self) -> &str {
        match self {
            Self::All => "journal",
            Self::Unit(unit) => unit,
            Self::Kernel => "kernel",
        }
    }
}

impl Gathered {
    fn troubles(&mut self, troubles: Vec<Trouble>, now: Timestamp) {
        for trouble in troubles {
            match trouble {
                Trouble::Unreadable(path, why) => self.unreadable(&path.display().to_string(), &why, now),
                Trouble::Gone(path, position) => {
                    let log = path.display().to_string();
                    let body =
                        format!("{log} was read to byte {position} and is gone: lines written later may be missed");
                    self.warn("agent.log.gap", &log, body, now);
                }
                Trouble::TooMany(pattern) => {
                    let log = pattern.display().to_string();
                    let body = format!(
                        "more than {} files fit {log}: the others are not watched",
                        super::tail::FILES_MAX
                    );
                    self.warn("agent.log.unreadable", &log, body, now);
                }
            }
        }
    }

    fn unreadable(&mut self, log: &str, why: &str, now: Timestamp) {
        self.warn(
            "agent.log.unreadable",
            log,
            format!("{log} can't be watched: {why}"),
            now,
        );
    }

    fn warn(&mut self, name: &str, log: &str, body: String, now: Timestamp) {
        self.events.push(StoredEvent {
            seq: 0,
            time: now,
            name: name.to_owned(),
            severity: Severity::Warning,
            attributes: BTreeMap::from([("log".to_owned(), log.to_owned())]),
            body,
        });
    }
}

fn judge(matcher: &mut Matcher, line: Line<'_>, mono: Duration, figures: &LogFigures) -> Option<Found> {
    let count = |figure: &AtomicU64| figure.fetch_add(1, Ordering::Relaxed);
    count(&figures.lines);
    match matcher.judge(line, mono) {
        Verdict::Nothing => None,
        Verdict::Held => {
            count(&figures.matched);
            count(&figures.suppressed);
            None
        }
        Verdict::Event(found) => {
            count(&figures.matched);
            Some(found)
        }
    }
}

const fn whole(bytes: &[u8]) -> Line<'_> {
    Line {
        bytes,
        whole: bytes.len() as u64,
    }
}

/// A capture of the same name as what we say of the log is what the administrator wanted.
fn event(found: Found, time: Timestamp, key: &str, value: &str) -> StoredEvent {
    let mut attributes = found.attributes;
    if !value.is_empty() {
        attributes.entry(key.to_owned()).or_insert_with(|| value.to_owned());
    }
    StoredEvent {
        seq: 0,
        time,
        name: found.name,
        severity: found.severity,
        attributes,
        body: found.body,
    }
}
