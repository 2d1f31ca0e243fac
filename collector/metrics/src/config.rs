//! The store's settings and its documented limits.

use crate::retention::{Retention, RetentionClass};
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// Newest on-disk format that this build writes and reads.
pub const FORMAT_VERSION: u32 = 3;
/// Most series of one host. More is refused to that host alone.
pub const SERIES_PER_HOST_MAX: usize = 20_000;
/// Longest batch in bytes: 20 000 series, each with the widest escape, fit.
pub const BATCH_BYTES_MAX: usize = 1 << 20;
/// Most batches of one backlog chunk.
pub const CHUNK_BATCHES_MAX: usize = 600;
/// Most records that wait for the committer; beyond it an append is refused as busy. About two seconds of 10 000 hosts.
pub const QUEUE_RECORDS_MAX: usize = 16_384;
/// Most bytes that wait for the committer.
pub const QUEUE_BYTES_MAX: usize = 64 << 20;
/// Most bytes written between two syncs.
pub const GROUP_BYTES_MAX: usize = 8 << 20;
/// Longest journal record; anything that claims more is damage.
pub const RECORD_BYTES_MAX: usize = 4 << 20;
/// Size at which a journal segment ends.
pub const SEGMENT_BYTES_MAX: u64 = 64 << 20;
/// Age at which a journal segment with data ends, so that a small fleet's journal is short too.
pub const SEGMENT_AGE_MAX: Duration = Duration::from_secs(3_600);
/// Most intervals of received sequence numbers per spool before backlog has to wait.
pub const BACKLOG_INTERVALS_MAX: usize = 8;
/// As above for live ticks, which must get through while backlog is still missing.
pub const LIVE_INTERVALS_MAX: usize = 64;
/// Most spools remembered per host.
pub const SPOOLS_PER_HOST_MAX: usize = 64;
/// Most hours of one host in memory before its backlog has to wait for sealing.
pub const OPEN_HOURS_MAX: usize = 96;
/// Most ticks of one host in one unsealed hour: ten per second.
pub const TICKS_PER_HOUR_MAX: usize = 36_000;
/// Most bytes of all dictionaries on disk.
pub const DICTIONARY_BYTES_MAX: u64 = 1 << 30;
/// Most points of one series in one answer.
pub const POINTS_MAX: usize = 11_000;
/// Most series in one answer.
pub const QUERY_SERIES_MAX: usize = 2_000;

/// Where the store lies and how long it keeps what.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The store's own folder; made when missing.
    pub dir: PathBuf,
    /// Day files of the default class that are older than this are removed. Default 30 days.
    pub retention: Duration,
    /// Its rollups of five minutes older than this are removed. Default 180 days.
    pub retention_5m: Duration,
    /// Its rollups of an hour older than this are removed. Default 5 years, 1 826 days.
    pub retention_1h: Duration,
    /// The other retention classes. Default none.
    pub classes: BTreeMap<RetentionClass, Retention>,
    /// How long after its end (and after its last tick arrived) an hour is sealed. Default 5 minutes.
    pub lateness: Duration,
    /// Sealing of one hour is spread over this time, by host. Default 10 minutes.
    pub stagger: Duration,
    /// Free space below which the oldest raw day is dropped, in bytes. Default 1 GiB.
    pub free_bytes_min: u64,
    /// As above as a share of the file system, in percent, at most 32 GiB. Default 5.
    pub free_percent_min: u64,
    /// Least time between the starts of two journal groups: a tick waits no longer for others to be synced with it.
    /// Default 16 ms; a tick that comes alone does not wait.
    pub group_pause: Duration,
    /// Most bytes of unsealed ticks in memory; beyond it appends are refused as busy. Default 2 GiB.
    pub head_bytes_max: usize,
}

impl StoreConfig {
    /// The defaults, in `dir`.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            retention: Duration::from_secs(30 * 86_400),
            retention_5m: Duration::from_secs(180 * 86_400),
            retention_1h: Duration::from_secs(1_826 * 86_400),
            classes: BTreeMap::new(),
            lateness: Duration::from_secs(300),
            stagger: Duration::from_secs(600),
            free_bytes_min: 1 << 30,
            free_percent_min: 5,
            group_pause: Duration::from_millis(16),
            head_bytes_max: 2 << 30,
        }
    }
}
