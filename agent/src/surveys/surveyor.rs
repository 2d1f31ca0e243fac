//! When surveys look, on which thread, and within which budget.
//!
//! There are two lanes, so that a slow tool does not delay a cheap look: one for surveys that may take more than
//! [`QUICK`], one for the others. In each, one worker serves its surveys in turn. When it is caught in a look beyond that
//! survey's budget, another takes over, up to [`WORKERS_MAX`]; a worker that gets free and is not needed ends. So threads
//! are bounded by the surveys that hang at the same time, plus one a lane.

use super::{
    Document, Feed, Findings, Host, Survey,
    feed::Fed,
    memory::Memory,
    taken::Taken,
    tool::{SystemTools, Tools},
};
use crate::{
    clock::SharedClock,
    sources::{CachedSection, HostEvent, is_live},
};
use std::{
    collections::VecDeque,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};
use tocsin_vocabulary::{Section, Severity, Timestamp, batch::Cell, time::format_duration};

/// Surveys whose budget is longer are slow: they run other programs, some of which take minutes.
const QUICK: Duration = Duration::from_secs(10);
/// Most workers of a lane at the same time; when that many surveys hang, the others keep what they found until it is too old.
const WORKERS_MAX: usize = 4;
/// Looks in a row beyond the budget after which a survey is switched off.
const OVERRUNS_MAX: u32 = 3;
/// For how long.
const OFF_FOR: Duration = Duration::from_secs(3_600);
/// What was found is too old to be told as today's after so many periods.
const OLD_PERIODS: u32 = 3;
/// Parsers and one child's output.
const WORKER_STACK_BYTES: usize = 512 << 10;

/// How surveys are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// By workers, beside the ticks.
    Background,
    /// Within the tick: for one print of everything.
    Inline,
}

struct Slot {
    name: &'static str,
    period: Duration,
    budget: Duration,
    /// Away while it looks.
    survey: Option<Box<dyn Survey>>,
    lane: usize,
    due: Duration,
    /// When the look that is outstanding began; a look that still waits for a worker did not.
    began: Option<Duration>,
    overrun_told: bool,
    overruns: u32,
    off_until: Option<Duration>,
    found_at: Option<Duration>,
    took: Option<Duration>,
    left_out: usize,
    taken: Taken,
}

struct Job {
    slot: usize,
    survey: Box<dyn Survey>,
    host: Host,
}

struct Done {
    slot: usize,
    survey: Box<dyn Survey>,
    findings: Findings,
    took: Duration,
}

/// The surveys that are due, and who serves them.
#[derive(Default)]
struct Lane {
    queue: VecDeque<Job>,
    workers: usize,
    idle: usize,
}

/// Quick and slow.
const LANES: usize = 2;

#[derive(Default)]
struct State {
    lanes: [Lane; LANES],
    /// What workers do now: slot and when it began.
    looking: Vec<(usize, Duration)>,
    done: Vec<Done>,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    work: [Condvar; LANES],
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs surveys and keeps what they found.
pub(crate) struct Surveyor {
    root: PathBuf,
    mode: Mode,
    clock: SharedClock,
    tools: Option<Arc<dyn Tools>>,
    memory: Option<Arc<Memory>>,
    slots: Vec<Slot>,
    shared: Arc<Shared>,
    fed: Fed,
    own: CachedSection,
}

impl fmt::Debug for Surveyor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.slots.iter().map(|slot| slot.name).collect();
        f.debug_struct("Surveyor")
            .field("surveys", &names)
            .finish_non_exhaustive()
    }
}

impl Drop for Surveyor {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        for lane in &self.shared.work {
            lane.notify_all();
        }
    }
}

impl Surveyor {
    /// Asks the host below `root`. Nothing is looked at yet.
    pub(crate) fn new(root: &Path, surveys: Vec<Box<dyn Survey>>, mode: Mode, clock: SharedClock) -> Self {
        let tools: Option<Arc<dyn Tools>> =
            is_live(root).then(|| Arc::new(SystemTools::new(Arc::clone(&clock))) as Arc<dyn Tools>);
        let slot = |survey: Box<dyn Survey>| Slot {
            name: survey.name(),
            period: survey.period(),
            budget: survey.budget(),
            lane: usize::from(survey.budget() > QUICK),
            survey: Some(survey),
            due: Duration::ZERO,
            began: None,
            overrun_told: false,
            overruns: 0,
            off_until: None,
            found_at: None,
            took: None,
            left_out: 0,
            taken: Taken::default(),
        };
        Self {
            root: root.to_owned(),
            mode,
            clock,
            tools,
            memory: None,
            slots: surveys.into_iter().map(slot).collect(),
            shared: Arc::default(),
            fed: Fed::default(),
            own: CachedSection::default(),
        }
    }

    /// Surveys keep below this state folder what must survive a restart; nothing of a recorded tree.
    pub(crate) fn remembering(mut self, state_dir: &Path) -> Self {
        self.memory = is_live(&self.root).then(|| Arc::new(Memory::below(state_dir)));
        self
    }

    /// What looks by itself tells through the same ticks.
    pub(crate) fn fed_by(mut self, feed: Arc<dyn Feed>) -> Self {
        self.fed = Fed::new(Some(feed));
        self
    }

    /// Other surveys of the same host; what hangs is left to itself.
    pub(crate) fn with(&self, surveys: Vec<Box<dyn Survey>>) -> Self {
        let mut other = Self::new(&self.root, surveys, self.mode, Arc::clone(&self.clock));
        other.memory.clone_from(&self.memory);
        other.fed = Fed::new(self.fed.feed.clone());
        other
    }

    /// Takes what was found since the last tick, starts what is due, and appends the values found last to `cells`; says
    /// whether the set of series changed.
    pub(crate) fn sample(
        &mut self,
        cells: &mut Vec<Cell>,
        events: &mut Vec<HostEvent>,
        documents: &mut Vec<Document>,
        now: Timestamp,
        mono: Duration,
    ) -> bool {
        self.start(now, mono);
        let mut series = false;
        let mut parts = false;
        let done = std::mem::take(&mut self.shared.lock().done);
        for done in done {
            let change = self.slots[done.slot].finish(done, mono, events, documents);
            series |= change.series;
            parts |= change.parts;
        }
        for slot in &mut self.slots {
            slot.tell_overrun(mono, events);
            let old = slot
                .found_at
                .is_some_and(|at| mono > at + slot.period * OLD_PERIODS + slot.budget);
            slot.taken.fill(cells, old);
        }
        let change = self.fed.sample(cells, events);
        series |= change.series;
        parts |= change.parts;
        series |= self.tell_own(cells, mono);
        if parts {
            documents.push(self.parts());
        }
        series
    }

    /// Sections of the values, in their order.
    pub(crate) fn sections(&self) -> impl Iterator<Item = Arc<Section>> {
        let found = self.slots.iter().map(|slot| slot.taken.section());
        found.chain([self.fed.section(), self.own.section()])
    }

    fn start(&mut self, now: Timestamp, mono: Duration) {
        let mut state = self.shared.lock();
        for (at, slot) in self.slots.iter_mut().enumerate() {
            if !slot.is_due(mono) {
                continue;
            }
            let Some(mut survey) = slot.survey.take() else { continue };
            slot.overrun_told = false;
            let host = Host::new(&self.root, now, mono, self.tools.clone()).remembering(self.memory.clone());
            if self.mode == Mode::Background {
                let queue = &mut state.lanes[slot.lane].queue;
                queue.push_back(Job { slot: at, survey, host });
                continue;
            }
            let mut findings = Findings::default();
            let began = self.clock.mono();
            survey.look(&host, &mut findings);
            let took = self.clock.mono().saturating_sub(began);
            state.done.push(Done {
                slot: at,
                survey,
                findings,
                took,
            });
        }
        for slot in &mut self.slots {
            slot.began = None;
        }
        for (slot, began) in &state.looking {
            self.slots[*slot].began = Some(*began);
        }
        for (at, lane) in state.lanes.iter_mut().enumerate() {
            if !lane.queue.is_empty() {
                self.shared.work[at].notify_one();
                self.hire(at, lane, mono);
            }
        }
    }

    /// Starts a worker where there is work and all others are caught.
    fn hire(&self, at: usize, lane: &mut Lane, mono: Duration) {
        let of_lane = self.slots.iter().filter(|slot| slot.lane == at);
        let caught = of_lane.filter(|slot| slot.stuck(mono).is_some()).count();
        if caught != lane.workers || lane.workers >= WORKERS_MAX {
            return;
        }
        let (shared, clock) = (Arc::clone(&self.shared), Arc::clone(&self.clock));
        let worker = thread::Builder::new()
            .name("survey".to_owned())
            .stack_size(WORKER_STACK_BYTES)
            .spawn(move || work(&shared, at, &clock));
        match worker {
            Ok(_) => lane.workers += 1,
            Err(error) => tracing::warn!(%error, "can't start a thread for surveys; tried again at the next tick"),
        }
    }

    /// What surveys cost, and how they are.
    fn tell_own(&mut self, cells: &mut Vec<Cell>, mono: Duration) -> bool {
        let slots = &self.slots;
        if slots.is_empty() {
            return self.own.fill(cells, |_| {});
        }
        let count = |test: &dyn Fn(&Slot) -> bool| u64::try_from(slots.iter().filter(|slot| test(slot)).count()).ok();
        self.own.fill(cells, |columns| {
            for slot in slots {
                let took = slot.took.and_then(|took| u64::try_from(took.as_millis()).ok());
                columns.put("tocsin.agent.survey.duration", &[("tocsin.survey", slot.name)], 3, took);
            }
            columns.put(
                "tocsin.agent.surveys.stuck",
                &[],
                0,
                count(&|slot| slot.stuck(mono).is_some()),
            );
            columns.put(
                "tocsin.agent.surveys.off",
                &[],
                0,
                count(&|slot| slot.off_until.is_some()),
            );
            let unread = slots.iter().flat_map(|slot| slot.taken.parts());
            let unread = unread.filter(|part| part.status == super::PartStatus::Unread).count();
            columns.put("tocsin.parts.unread", &[], 0, u64::try_from(unread).ok());
        })
    }

    /// The document of all parts: a JSON array, in the order of surveys, types and ids.
    fn parts(&self) -> Document {
        let found = self.slots.iter().flat_map(|slot| slot.taken.parts());
        let parts: Vec<_> = found.chain(self.fed.parts()).collect();
        Document {
            kind: "parts",
            name: String::new(),
            media: "application/json",
            bytes: serde_json::to_vec(&parts).unwrap_or_default(),
            attributes: std::collections::BTreeMap::new(),
        }
    }
}

impl Slot {
    fn is_due(&mut self, mono: Duration) -> bool {
        if self.off_until.is_some_and(|until| mono >= until) {
            (self.off_until, self.overruns) = (None, 0);
        }
        self.off_until.is_none() && mono >= self.due
    }

    /// For how long a look has gone on, when that is beyond the budget.
    fn stuck(&self, mono: Duration) -> Option<Duration> {
        let since = mono.saturating_sub(self.began?);
        (since > self.budget).then_some(since)
    }

    fn tell_overrun(&mut self, mono: Duration, events: &mut Vec<HostEvent>) {
        let Some(since) = self.stuck(mono).filter(|_| !self.overrun_told) else {
            return;
        };
        self.overrun_told = true;
        self.overruns += 1;
        let body = format!("the survey `{}` is stuck for {}", self.name, format_duration(since));
        events.push(self.event("agent.survey.stuck", body));
    }

    fn finish(
        &mut self,
        done: Done,
        mono: Duration,
        events: &mut Vec<HostEvent>,
        documents: &mut Vec<Document>,
    ) -> super::taken::Change {
        if done.took <= self.budget {
            self.overruns = 0;
        } else if !self.overrun_told {
            self.overruns += 1; // it ended between two ticks
        }
        self.survey = Some(done.survey);
        self.began = None;
        self.due = mono + self.period;
        self.found_at = Some(mono);
        self.took = Some(done.took);
        if self.overruns >= OVERRUNS_MAX {
            self.off_until = Some(mono + OFF_FOR);
            let (budget, off) = (format_duration(self.budget), format_duration(OFF_FOR));
            let body = format!(
                "the survey `{}` took more than {budget} {OVERRUNS_MAX} times in a row and is switched off for {off}",
                self.name
            );
            events.push(self.event("agent.survey.off", body));
        }
        let mut findings = done.findings;
        if findings.left_out > 0 && self.left_out == 0 {
            let body = format!(
                "the survey `{}` left out {} values: there are too many",
                self.name, findings.left_out
            );
            events.push(self.event("agent.survey.cut", body));
        }
        self.left_out = findings.left_out;
        documents.append(&mut findings.documents);
        self.taken.take(findings, events)
    }

    fn event(&self, name: &'static str, body: String) -> HostEvent {
        HostEvent {
            name,
            severity: Severity::Warning,
            attributes: vec![("survey", self.name.to_owned())],
            body,
        }
    }
}

fn work(shared: &Shared, lane: usize, clock: &SharedClock) {
    let mut state = shared.lock();
    loop {
        let closed = state.closed;
        let own = &mut state.lanes[lane];
        if closed || (own.queue.is_empty() && own.idle > 0) {
            own.workers -= 1;
            return;
        }
        let Some(mut job) = own.queue.pop_front() else {
            own.idle += 1;
            state = shared.work[lane].wait(state).unwrap_or_else(PoisonError::into_inner);
            state.lanes[lane].idle -= 1;
            continue;
        };
        let began = clock.mono();
        state.looking.push((job.slot, began));
        drop(state);
        let mut findings = Findings::default();
        job.survey.look(&job.host, &mut findings);
        let took = clock.mono().saturating_sub(began);
        state = shared.lock();
        state.looking.retain(|(slot, _)| *slot != job.slot);
        state.done.push(Done {
            slot: job.slot,
            survey: job.survey,
            findings,
            took,
        });
    }
}

#[cfg(test)]
mod tests;
