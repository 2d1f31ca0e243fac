//! The rules and what holds now, shared by the engine and those who bring ticks.
//!
//! A tick is looked at where it arrives, on the thread of its stream: most say nothing, and the engine is not woken for
//! them. What a tick does say waits here, in the order in which it was said, until the engine takes it; so does what the
//! engine itself has the rules do, for all of it goes through one lock. Hosts that the engine has not learned of, and
//! ticks that find no room here, go through the engine's queue instead.

use super::command::TickSeen;
use std::{
    collections::{BTreeSet, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};
use tocsin_rules::{Decision, Transition};
use tocsin_vocabulary::{Dictionary, HostId, Timestamp, batch::Tick};
use tokio::sync::Notify;

/// Transitions that wait for the engine; while they are more, ticks wait for it. A hundred for each of a site's hosts
/// that fail together, and some MiB.
const SAID_MAX: usize = 16_384;

/// Shared by the engine and its handles.
#[derive(Debug, Default)]
pub(super) struct Watch {
    state: Mutex<Watched>,
    /// Something was said, or is due sooner than the engine knows.
    pub(super) spoke: Notify,
}

/// What rules said and decided.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) said: Vec<Transition>,
    pub(super) decisions: Vec<Decision>,
    /// Silent hosts of which rules want to know whether their machine answers.
    pub(super) asks: BTreeSet<HostId>,
}

/// What is watched.
#[derive(Debug, Default)]
pub(super) struct Watched {
    pub(super) rules: tocsin_rules::Engine,
    /// Hosts whose ticks may be looked at: the engine knows them, and they were not shut out.
    known: HashSet<HostId>,
    said: Vec<Transition>,
    /// The deadline of the rules that the engine knows of.
    expected: Option<Timestamp>,
}

impl Watch {
    /// Held for as long as a tick takes to be looked at.
    pub(super) fn lock(&self) -> MutexGuard<'_, Watched> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rules look at a tick; false when it must go through the queue.
    pub(super) fn look(&self, seen: &TickSeen, now: Timestamp) -> bool {
        let mut state = self.lock();
        if !state.known.contains(&seen.host) || state.said.len() >= SAID_MAX {
            return false;
        }
        let said = state
            .rules
            .tick(seen.host, &seen.dictionary, &seen.tick, &seen.changed, now, false);
        let spoke = !said.is_empty() || state.rules.has_decided();
        state.said.extend(said);
        let due = state.rules.next_deadline();
        let sooner = due.is_some_and(|due| state.expected.is_none_or(|expected| due < expected));
        if sooner {
            state.expected = due;
        }
        drop(state);
        if spoke || sooner {
            self.spoke.notify_one();
        }
        true
    }

    /// Has the rules do something; answers what they said since they were last asked, and then, and what they decided.
    #[must_use = "a transition that is dropped is a lost page"]
    pub(super) fn tell(&self, tell: impl FnOnce(&mut tocsin_rules::Engine) -> Vec<Transition>) -> Heard {
        let mut state = self.lock();
        let mut said = std::mem::take(&mut state.said);
        said.extend(tell(&mut state.rules));
        let (decisions, dropped) = state.rules.take_decisions();
        let asks = state.rules.take_asks();
        drop(state);
        if dropped > 0 {
            tracing::warn!(dropped, "more decisions of rules came at once than are kept");
        }
        Heard { said, decisions, asks }
    }

    /// Tells the rules a host's past in place of what they read of it; false when they looked at a later tick than the
    /// last of these, or at one of another dictionary.
    pub(super) fn recall(&self, host: HostId, dictionary: &Dictionary, ticks: &[Tick], now: Timestamp) -> bool {
        let mut state = self.lock();
        if !state.known.contains(&host) {
            return true; // shut out, or not in the register
        }
        let looked_at = state
            .rules
            .looked_at(host)
            .filter(|(at, _)| *at != Timestamp::default());
        if let Some((at, hash)) = looked_at
            && (hash != dictionary.hash() || ticks.last().is_none_or(|last| last.time < at))
        {
            return false;
        }
        state.rules.forget_past(host);
        // A tick that the rules did not look at yet is on its way to them.
        let past = ticks
            .iter()
            .take_while(|tick| looked_at.is_none_or(|(at, _)| tick.time <= at));
        for tick in past {
            let said = state.rules.recall(host, dictionary, tick, now);
            state.said.extend(said);
        }
        let spoke = !state.said.is_empty();
        drop(state);
        if spoke {
            self.spoke.notify_one();
        }
        true
    }

    /// When the rules want to be looked after next, as of now.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        let mut state = self.lock();
        state.expected = state.rules.next_deadline();
        state.expected
    }

    /// Hosts that the engine knows, in one order.
    pub(super) fn hosts(&self) -> Vec<HostId> {
        let mut hosts: Vec<HostId> = self.lock().known.iter().copied().collect();
        hosts.sort_unstable();
        hosts
    }

    /// The engine knows this host.
    pub(super) fn knows(&self, host: HostId) {
        self.lock().known.insert(host);
    }

    /// This host was shut out.
    pub(super) fn shut_out(&self, host: HostId) {
        self.lock().known.remove(&host);
    }
}
