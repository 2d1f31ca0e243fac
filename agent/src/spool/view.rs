//! What others may know of the spool.

use super::{Gap, Spool};
use crate::ranges::Ranges;
use std::sync::Arc;
use tocsin_vocabulary::{Dictionary, HostId, SpoolId};

/// What others may know of the spool at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolView {
    /// This spool's life.
    pub id: SpoolId,
    /// As whom the host is enrolled, as far as the spool was told.
    pub host: Option<HostId>,
    /// Ticks that can be read back.
    pub stored: Arc<Ranges>,
    /// Ticks that are missing.
    pub gaps: Arc<[Gap]>,
    /// The number of the next tick.
    pub next_seq: u64,
    /// Newest event, 0 when there is none.
    pub last_event: u64,
    /// All ticks up to here are sealed at the collector.
    pub sealed: u64,
    /// All events up to here are stored at the collector.
    pub events_acked: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Ticks dropped since the agent started, for whatever reason.
    pub ticks_dropped: u64,
    /// Events dropped since the agent started.
    pub events_dropped: u64,
    /// Why the spool does not store at present.
    pub problem: Option<String>,
    /// The dictionary of the newest tick.
    pub dictionary: Option<Dictionary>,
}

impl Spool {
    /// What others may know.
    #[must_use]
    pub fn view(&self) -> SpoolView {
        SpoolView {
            id: self.state.spool_id,
            host: self.state.host,
            stored: Arc::new(self.stored.clone()),
            gaps: self.state.gaps.clone().into(),
            next_seq: self.next_seq,
            last_event: self.events.last(),
            sealed: self.state.sealed,
            events_acked: self.state.events_acked,
            bytes: self.bytes(),
            ticks_dropped: self.ticks_dropped,
            events_dropped: self.events.dropped,
            problem: self.problem.clone(),
            dictionary: self.newest.and_then(|hash| self.dictionaries.get(&hash).cloned()),
        }
    }
}
