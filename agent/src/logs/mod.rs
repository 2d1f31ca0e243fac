//! Logs: files, the journal and the kernel's messages, watched for patterns; what fits becomes an event.
//!
//! ```text
//! files ──┐
//! journal ┤▶ lines ▶ matcher ▶ limit ▶ events ▶ spool (durable) ▶ positions (durable)
//! kernel ─┘
//! ```
//!
//! One thread does all of it, for a file on a network may hang; a tick never waits for it. What it holds in memory does
//! not depend on what is written: lines are cut at a bound, events are limited in number, and when the spool is slow
//! the logs are simply read later.
//!
//! * `settings` — what an administrator wants watched,
//! * `lines`, `matcher`, `limit`, `kernel` — from bytes to events,
//! * `follower`, `tail`, `journal`, `kmsg` — where the bytes come from,
//! * `position` — how far they were read,
//! * `wake`, `sources`, `watcher` — the thread.

mod follower;
mod journal;
mod kernel;
mod kmsg;
mod limit;
mod lines;
mod matcher;
mod position;
mod settings;
mod sources;
mod tail;
mod wake;
mod watcher;

pub(crate) use settings::compile;
pub use settings::{LOGS_MAX, LogConfig, LogMatch, LogSource, LogsConfig, MATCHES_MAX};
pub(crate) use watcher::LogWatch;

use std::sync::atomic::{AtomicU64, Ordering};

/// What watching logs came to since the agent started.
#[derive(Debug, Default)]
pub struct LogFigures {
    /// Lines that were read.
    pub lines: AtomicU64,
    /// Of those, lines that fitted a pattern.
    pub matched: AtomicU64,
    /// Of those, lines that became no event because there were too many.
    pub suppressed: AtomicU64,
    /// Bytes of files that are written and not read yet.
    pub behind: AtomicU64,
}

impl LogFigures {
    pub(crate) fn read(&self) -> [u64; 4] {
        [&self.lines, &self.matched, &self.suppressed, &self.behind].map(|figure| figure.load(Ordering::Relaxed))
    }
}
