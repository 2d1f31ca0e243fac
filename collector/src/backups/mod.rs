//! Backup jobs at the collector: runs that come are judged and kept, runs that do not come are missed, and both are
//! told to the rules as events.
//!
//! ```text
//! agents ── backup.run.ended ─▶ ┐
//! pings ───────────────────────▶├─ judged beside history ─▶ ledger ─▶ backup.run.failed … ─▶ rules ─▶ ticket, page
//! people ("done by hand") ─────▶ ┘            ▲
//! deadlines (kept with the job) ──── missed ──┘
//! ```
//!
//! What could be lost where: before a run is in the ledger the agent has it still, for it is acknowledged afterwards;
//! between ledger and rules, the newest verdict of each job is told again at the next start, and the rules know an event
//! by its number; from the rules on, the desk's own commits hold.
//!
//! * `judging` — a run that came,
//! * `deadlines` — what did not come in time,
//! * `events` — how rules are told,
//! * [`command`](JobCommand) — the command line,
//! * `register` — jobs that people declare, runs that they note,
//! * `ping` — runs told over HTTP.

mod command;
mod deadlines;
mod events;
mod judging;
mod ping;
mod register;

#[cfg(test)]
mod tests;

pub use command::{JobAsk, JobCommand, render};
pub(crate) use register::Actor;

use crate::{clock::Clock, engine::EngineHandle};
use deadlines::Deadlines;
use std::sync::{Arc, Mutex, PoisonError};
use tocsin_ledger::Ledger;
use tocsin_vocabulary::{IdSource, Timestamp};
use tokio::sync::Notify;

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
    /// One decision about jobs at a time: what is awaited is read and written again.
    deciding: tokio::sync::Mutex<()>,
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
            deciding: tokio::sync::Mutex::default(),
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
