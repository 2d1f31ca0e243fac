//! What rules may know of the past: windows and baselines after a restart, and episodes in samples that came late.
//!
//! One worker reads the metric store behind everything else, host by host. Ticks do not wait for it: until a host's past is
//! recalled its windows are unknown, which raises nothing and clears nothing.
//!
//! * `read` — ticks of the past, as the rules see ticks,
//! * `recall` — fills what rules remember of a host,
//! * `late` — judges samples that came late, by rules of its own, so that nothing of it pages.

mod late;
mod read;
mod recall;

use super::{Command, EngineHandle};
use crate::clock::Clock;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tocsin_ledger::Ledger;
use tocsin_metrics::Store;
use tocsin_vocabulary::{HostId, Timestamp};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// A host's late samples are judged once none came for this long: they come in pieces, newest first.
const QUIET: Duration = Duration::from_secs(10);
/// They are judged at the latest so long after the first of them came.
const WAIT_MAX: Duration = Duration::from_secs(600);
/// Between two hosts at least, so that live ticks, pages and questions go first.
const PAUSE: Duration = Duration::from_millis(5);

/// Stretches of one host that came late and are told apart, and how near to each other two are one.
const SPANS_MAX: usize = 32;
const NEAR: Duration = Duration::from_secs(120);

/// A stretch of samples that came late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Late {
    /// The first and last of them, by the host's clock.
    from: Timestamp,
    to: Timestamp,
    /// When the first and the last of them came, by ours.
    first_came: Timestamp,
    last_came: Timestamp,
}

#[derive(Debug, Default)]
struct Todo {
    recall: BTreeSet<HostId>,
    late: BTreeMap<HostId, Late>,
    /// What came late since the start, by host and in order of time: rules are not told of it, for it must not page.
    came_late: HashMap<HostId, Vec<(Timestamp, Timestamp)>>,
}

/// What is to be done, shared by those who ask for it and the worker. At most one entry of each kind for each host.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    todo: Arc<Mutex<Todo>>,
    came: Arc<Notify>,
}

impl Asked {
    fn lock(&self) -> MutexGuard<'_, Todo> {
        self.todo.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Samples of a host between these times came late.
    pub fn late(&self, host: HostId, from: Timestamp, to: Timestamp, now: Timestamp) {
        let new = Late {
            from,
            to,
            first_came: now,
            last_came: now,
        };
        let mut todo = self.lock();
        let late = todo.late.entry(host).or_insert(new);
        (late.from, late.to, late.last_came) = (late.from.min(from), late.to.max(to), now);
        add_span(todo.came_late.entry(host).or_default(), from, to);
        drop(todo);
        self.came.notify_one();
    }

    /// The stretches of a host's samples that came late.
    fn came_late(&self, host: HostId) -> Vec<(Timestamp, Timestamp)> {
        self.lock().came_late.get(&host).cloned().unwrap_or_default()
    }

    /// The rules shall know the past of these hosts.
    pub fn recall(&self, hosts: impl IntoIterator<Item = HostId>) {
        self.lock().recall.extend(hosts);
        self.came.notify_one();
    }

    /// What comes next, or how long there is nothing.
    fn next(&self, now: Timestamp) -> Next {
        let mut todo = self.lock();
        if let Some(host) = todo.recall.pop_first() {
            return Next::Recall(host);
        }
        let due = |late: &Late| late.last_came.plus(QUIET).min(late.first_came.plus(WAIT_MAX));
        let first = todo.late.iter().min_by_key(|(_, late)| due(late));
        let Some((host, at)) = first.map(|(host, late)| (*host, due(late))) else {
            return Next::Nothing;
        };
        if at > now {
            return Next::After(at.since(now));
        }
        match todo.late.remove(&host) {
            Some(late) => Next::Late(host, late),
            None => Next::Nothing,
        }
    }
}

/// Adds a stretch to others that are in order of time and apart; near ones become one, and so do the oldest when they are
/// many.
fn add_span(spans: &mut Vec<(Timestamp, Timestamp)>, from: Timestamp, to: Timestamp) {
    spans.push((from, to));
    spans.sort_unstable();
    let mut merged: Vec<(Timestamp, Timestamp)> = Vec::with_capacity(spans.len());
    for &(from, to) in spans.iter() {
        match merged.last_mut() {
            Some(last) if from <= last.1.plus(NEAR) => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    if merged.len() > SPANS_MAX {
        let second = merged.remove(1);
        merged[0].1 = second.1;
    }
    *spans = merged;
}

enum Next {
    Recall(HostId),
    Late(HostId, Late),
    After(Duration),
    Nothing,
}

/// The worker.
pub struct Past {
    /// Samples.
    pub store: Arc<Store>,
    /// Hosts, and alerts that are known.
    pub ledger: Arc<Ledger>,
    /// The rules, and the way to the engine.
    pub engine: EngineHandle,
    /// The shell's clock.
    pub clock: Clock,
}

impl Past {
    /// Works until cancelled, first through all hosts of which there are samples.
    pub async fn run(self, cancel: CancellationToken) {
        let store = self.store.clone();
        let hosts = tokio::task::spawn_blocking(move || store.hosts()).await;
        self.engine.past.recall(hosts.unwrap_or_default());
        let work = async {
            loop {
                self.step().await;
            }
        };
        tokio::select! {
            () = work => {}
            () = cancel.cancelled() => {}
        }
    }

    async fn step(&self) {
        let asked = self.engine.past.clone();
        let begun = tokio::time::Instant::now();
        match asked.next((self.clock)()) {
            Next::Recall(host) => self.recall(host).await,
            Next::Late(host, late) => {
                self.judge(host, late).await;
                // What is usual may be learnt of it. Windows and what is pending may not: late samples never page.
                self.learn(host).await;
            }
            Next::After(pause) => {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = asked.came.notified() => {}
                }
                return;
            }
            Next::Nothing => return asked.came.notified().await,
        }
        // At most half of a processor, however many hosts there are.
        tokio::time::sleep(begun.elapsed().max(PAUSE)).await;
    }

    async fn found(&self, found: Vec<late::Episode>) {
        if !found.is_empty() {
            self.engine.send(Command::Found(found)).await;
        }
    }
}

pub use late::Episode;

#[cfg(test)]
mod tests;
