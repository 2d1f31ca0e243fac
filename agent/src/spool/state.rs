//! What the spool must know beside its segments: numbers already given out, what is sealed, what was lost.
//!
//! `state.json`, replaced by rename and fsync. When it is lost, all but the gaps is found again from the segments.

use crate::files::{self, FileError};
use serde::{Deserialize, Serialize};
use std::{fmt, fs, io, path::Path};
use tocsin_vocabulary::{HostId, SpoolId, Timestamp};

/// Most gaps that are remembered; beyond it the oldest is forgotten (the collector still sees the numbers missing).
pub const GAPS_MAX: usize = 256;

const VERSION: u32 = 1;

/// Why ticks are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// The spool reached its bound and dropped its oldest ticks.
    SpoolFull,
    /// Stored ticks could not be read back.
    SpoolDamaged,
    /// The disk was full or refused to write.
    DiskFull,
    /// The disk did not keep up.
    DiskSlow,
    /// The agent or its host stopped without warning; the numbers up to here may have been used.
    Restart,
}

impl GapReason {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SpoolFull => "spool_full",
            Self::SpoolDamaged => "spool_damaged",
            Self::DiskFull => "disk_full",
            Self::DiskSlow => "disk_slow",
            Self::Restart => "restart",
        }
    }
}

impl fmt::Display for GapReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Ticks that the spool does not have, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// First missing tick.
    pub first: u64,
    /// Last missing tick.
    pub last: u64,
    /// Time of the first, as far as known.
    pub from: Timestamp,
    /// Time of the last, as far as known.
    pub to: Timestamp,
    /// Why.
    pub reason: GapReason,
}

/// The durable part beside the segments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    version: u32,
    pub(crate) spool_id: SpoolId,
    /// As whom the host was enrolled; `None` before it ever was.
    #[serde(default)]
    pub(crate) host: Option<HostId>,
    /// Ticks below this number may have been sent; a new run begins here.
    pub(crate) next_seq: u64,
    /// Events below this number may have been sent.
    pub(crate) next_event: u64,
    /// All ticks up to here are sealed at the collector.
    pub(crate) sealed: u64,
    /// All events up to here are stored at the collector.
    pub(crate) events_acked: u64,
    pub(crate) gaps: Vec<Gap>,
}

/// What `state.json` turned out to be.
#[derive(Debug)]
pub(crate) enum Loaded {
    State(State),
    Absent,
    /// Why.
    Unreadable(String),
    /// Written by a newer agent: its version.
    Newer(u32),
}

impl State {
    pub(crate) const fn new(spool_id: SpoolId) -> Self {
        Self {
            version: VERSION,
            spool_id,
            host: None,
            next_seq: 1,
            next_event: 1,
            sealed: 0,
            events_acked: 0,
            gaps: Vec::new(),
        }
    }

    /// Reads the file.
    pub(crate) fn load(path: &Path) -> Loaded {
        /// All that is read of what another version wrote.
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Loaded::Absent,
            Err(error) => return Loaded::Unreadable(error.to_string()),
        };
        match serde_json::from_slice::<Version>(&bytes) {
            Ok(Version { version }) if version > VERSION => return Loaded::Newer(version),
            Ok(_) => {}
            Err(error) => return Loaded::Unreadable(error.to_string()),
        }
        serde_json::from_slice(&bytes).map_or_else(|error| Loaded::Unreadable(error.to_string()), Loaded::State)
    }

    pub(crate) fn save(&self, path: &Path) -> Result<(), FileError> {
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        files::replace(path, &bytes, 0o600)
    }

    /// Remembers a gap; one that continues the newest for the same reason extends it.
    pub(crate) fn add_gap(&mut self, gap: Gap) {
        let gap = Gap {
            first: gap.first.max(self.sealed.saturating_add(1)),
            ..gap
        };
        if gap.first > gap.last {
            return;
        }
        let joined = self
            .gaps
            .iter_mut()
            .find(|old| old.reason == gap.reason && old.first <= gap.first && gap.first <= old.last.saturating_add(1));
        if let Some(old) = joined {
            old.last = old.last.max(gap.last);
            old.to = old.to.max(gap.to);
            return;
        }
        self.gaps.push(gap);
        self.gaps.sort_by_key(|gap| gap.first);
        if self.gaps.len() > GAPS_MAX {
            self.gaps.remove(0);
        }
    }

    /// Everything up to `seq` is sealed: gaps below it need not be told any more.
    pub(crate) fn seal(&mut self, seq: u64) {
        self.sealed = self.sealed.max(seq);
        self.gaps.retain(|gap| gap.last > seq);
    }
}
