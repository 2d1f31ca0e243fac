//! Backup jobs at the collector: runs that come are judged and kept, runs that do not come are missed, and both are
//! told to the rules as events.
//!
//! ```text
//! agents ── backup.run.ended ─▶ ┐
//! pings, appliances ───────────▶├─ judged beside history ─▶ ledger ─▶ backup.run.failed … ─▶ rules ─▶ ticket, page
//! people ("done by hand") ─────▶ ┘            ▲
//! deadlines (kept with the job) ──── missed ──┘
//! ```
//!
//! What a kill at each point leaves, and why nothing is lost:
//!
//! | killed after | what there is | what brings the rest |
//! |---|---|---|
//! | the command's end | the run's file on the host | the agent tells it; not acknowledged, it is told again |
//! | the ledger's commit (run, verdict and what is awaited are one) | the run with its verdict | at the start every job's newest verdict is told to the rules, which know an event by its number |
//! | the same, of a run that others follow | followers that await nothing | at the start followers are awaited from their leader's newest good run |
//! | the event's row | an event that nobody judged | the same; and the engine judges at its start what was stored and not judged |
//! | the rules' verdict | the same, for alert, ticket and page are one commit of the desk | the same |
//! | the desk's commit | ticket and page | the outbox |
//!
//! A run that was missed, a copy too old and a drill that is due come from deadlines, which follow from the ledger at each start.
//!
//! * `judging` — a run that came,
//! * `deadlines` — what did not come in time,
//! * `events` — how rules are told,
//! * [`command`](JobCommand), `answers`, `lines` — the command line, `reports` — what it tells of all jobs at once,
//! * `register` — jobs that people declare, runs that they note,
//! * `ping` — runs told over HTTP,
//! * [`intake`] — results that appliances send,
//! * `turns` — one decision about a job at a time.

mod answers;
mod command;
mod deadlines;
mod events;
pub mod intake;
mod judging;
mod lines;
mod ping;
mod register;
mod reports;
mod turns;

#[cfg(test)]
mod kill_points;
#[cfg(test)]
mod tests;

pub use command::{JobAsk, JobCommand};
pub(crate) use events::{OUR_SPOOL, number as event_number};
pub use lines::render;
pub(crate) use register::Actor;

use crate::{clock::Clock, engine::EngineHandle};
use deadlines::Deadlines;
use std::sync::{Arc, Mutex, PoisonError};
use tocsin_ledger::Ledger;
use tocsin_vocabulary::{Hash, IdSource, RunId, Timestamp};
use tokio::sync::Notify;
use turns::Turns;

/// Jobs and their runs.
pub struct Backups {
    ledger: Arc<Ledger>,
    engine: EngineHandle,
    clock: Clock,
    ids: Mutex<IdSource>,
    /// IANA name of the site's zone: of jobs that name none.
    zone: String,
    deadlines: Mutex<Deadlines>,
    /// Rings when a deadline may have come nearer.
    changed: Notify,
    turns: Turns,
    /// What came of the sources of [`intake`].
    pub(crate) intake: intake::Stands,
}

impl Backups {
    /// Over this ledger; `ids` names new jobs and runs.
    #[must_use]
    pub fn new(ledger: Arc<Ledger>, engine: EngineHandle, clock: Clock, ids: IdSource) -> Self {
        let zone = jiff::tz::TimeZone::system();
        Self {
            ledger,
            engine,
            clock,
            ids: Mutex::new(ids),
            zone: zone.iana_name().unwrap_or("UTC").to_owned(),
            deadlines: Mutex::default(),
            changed: Notify::new(),
            turns: Turns::default(),
            intake: intake::Stands::default(),
        }
    }

    fn next_id<T>(&self, make: impl FnOnce(&mut IdSource, Timestamp) -> T) -> T {
        let now = (self.clock)();
        make(&mut self.ids.lock().unwrap_or_else(PoisonError::into_inner), now)
    }

    fn deadlines(&self) -> std::sync::MutexGuard<'_, Deadlines> {
        self.deadlines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same words are the same run.
fn run_of_words(words: &str) -> RunId {
    let hash = Hash::of(words.as_bytes());
    let mut first = [0; 16];
    for (to, from) in first.iter_mut().zip(hash.as_bytes()) {
        *to = *from;
    }
    RunId::from_bytes(first)
}
