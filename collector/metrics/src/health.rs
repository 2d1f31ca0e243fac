//! What the store says about itself: [`Health`] for people, [`Counters`] for `/metrics`.

use crate::{
    config::StoreConfig,
    disk::Space,
    retention::{ClassDay, ClassSize, RetentionClass},
    shared::Shared,
};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};
use tocsin_vocabulary::Timestamp;

/// Running totals. Read with [`crate::Store::counters`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) records: AtomicU64,
    pub(crate) ticks: AtomicU64,
    pub(crate) duplicates: AtomicU64,
    pub(crate) busy: AtomicU64,
    pub(crate) journal_bytes_written: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) sync_micros: AtomicU64,
    pub(crate) last_sync_micros: AtomicU64,
    pub(crate) sealed_blocks: AtomicU64,
    pub(crate) sealed_ticks: AtomicU64,
    pub(crate) dropped_segments: AtomicU64,
    pub(crate) dropped_days: AtomicU64,
    pub(crate) quarantined: AtomicU64,
    pub(crate) torn_bytes: AtomicU64,
    pub(crate) undecodable: AtomicU64,
    pub(crate) damaged_blocks: AtomicU64,
    pub(crate) space_low: AtomicBool,
    pub(crate) days_dropped_for_space: AtomicU64,
}

/// One counter or gauge of the store itself, for `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter {
    /// Name without prefix, in Prometheus' manner.
    pub name: &'static str,
    /// What it counts.
    pub help: &'static str,
    /// Whether it only grows.
    pub monotonic: bool,
    /// Its value now.
    pub value: u64,
}

/// How the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// A sync failed: nothing more is taken until a restart.
    pub poisoned: bool,
    /// Free space is below the limit; the oldest raw days are being dropped.
    pub space_low: bool,
    /// Raw days dropped for want of space since the start.
    pub days_dropped_for_space: u64,
    /// Damaged stretches of journal and dictionary log set aside at the last start.
    pub quarantined_records: u64,
    /// Bytes of an unfinished end cut off at the last start.
    pub torn_bytes: u64,
    /// Journal ticks that could not be decoded at the last start; their agents are asked again.
    pub undecodable_ticks: u64,
    /// Blocks found damaged, at the start or by a query.
    pub damaged_blocks: u64,
    /// Size of the journal.
    pub journal_bytes: u64,
    /// Size of all blocks.
    pub block_bytes: u64,
    /// Size of all rollups.
    pub rollup_bytes: u64,
    /// What each retention class has of both: those that are declared, and those that have files. The default class first.
    pub classes: Vec<ClassSize>,
    /// Files of rollups found damaged that could not yet be made again.
    pub damaged_rollups: u64,
    /// Unsealed ticks in memory.
    pub head_bytes: u64,
    /// Records that wait for the committer.
    pub queued_records: u64,
    /// Room on the file system; `None` when it can't be read.
    pub free_bytes: Option<u64>,
    /// How long the last write and sync took, milliseconds.
    pub last_sync_ms: u64,
}

impl Health {
    /// Whether somebody should look.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        !self.poisoned
            && !self.space_low
            && self.quarantined_records == 0
            && self.damaged_blocks == 0
            && self.damaged_rollups == 0
    }
}

pub(crate) fn health(shared: &Shared) -> Health {
    let counters = &shared.counters;
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let classes = classes(shared);
    Health {
        poisoned: shared.poisoned.load(Ordering::Acquire),
        space_low: counters.space_low.load(Ordering::Relaxed),
        days_dropped_for_space: read(&counters.days_dropped_for_space),
        quarantined_records: read(&counters.quarantined),
        torn_bytes: read(&counters.torn_bytes),
        undecodable_ticks: read(&counters.undecodable),
        damaged_blocks: read(&counters.damaged_blocks) + shared.blocks.damaged_indexes(),
        journal_bytes: shared.segments().values().map(|segment| segment.bytes).sum(),
        block_bytes: classes.iter().map(|class| class.block_bytes).sum(),
        rollup_bytes: classes.iter().map(|class| class.rollup_bytes).sum(),
        classes,
        damaged_rollups: shared.rollups.damaged(),
        head_bytes: shared.head_bytes.load(Ordering::Relaxed) as u64,
        queued_records: shared.queue.len() as u64,
        free_bytes: shared.disk.space(&shared.config.dir).ok().map(|space| space.free_bytes),
        last_sync_ms: read(&counters.last_sync_micros) / 1_000,
    }
}

/// What each class has.
fn classes(shared: &Shared) -> Vec<ClassSize> {
    let mut sizes: BTreeMap<RetentionClass, ClassSize> = BTreeMap::new();
    let of = |class| ClassSize {
        class,
        block_bytes: 0,
        rollup_bytes: 0,
        oldest_raw_day: None,
        oldest_day: None,
        declared: shared.config.retention_of(class).is_some(),
    };
    let declared = shared.config.classes.keys().copied();
    for class in declared.chain([RetentionClass::DEFAULT]) {
        sizes.insert(class, of(class));
    }
    let oldest = |known: Option<Timestamp>, key: ClassDay| {
        let day = Timestamp::from_millis(key.day);
        Some(known.map_or(day, |known| known.min(day)))
    };
    for (key, bytes) in shared.blocks.lengths() {
        let size = sizes.entry(key.class).or_insert_with(|| of(key.class));
        size.block_bytes += bytes;
        size.oldest_raw_day = oldest(size.oldest_raw_day, key);
        size.oldest_day = oldest(size.oldest_day, key);
    }
    for (key, bytes) in shared.rollups.sizes() {
        let size = sizes.entry(key.class).or_insert_with(|| of(key.class));
        size.rollup_bytes += bytes;
        size.oldest_day = oldest(size.oldest_day, key);
    }
    sizes.into_values().collect()
}

pub(crate) fn counters(shared: &Shared) -> Vec<Counter> {
    let mut all = totals(&shared.counters);
    all.extend(levels(&health(shared)));
    all
}

fn totals(counters: &Counters) -> Vec<Counter> {
    let table = [
        (
            "store_records_total",
            "records written to the journal",
            &counters.records,
        ),
        ("store_ticks_total", "ticks taken", &counters.ticks),
        (
            "store_duplicates_total",
            "ticks that were held already",
            &counters.duplicates,
        ),
        (
            "store_busy_total",
            "appends refused because the store was busy",
            &counters.busy,
        ),
        (
            "store_journal_written_bytes_total",
            "bytes of records written to the journal",
            &counters.journal_bytes_written,
        ),
        ("store_syncs_total", "groups synced to the journal", &counters.syncs),
        (
            "store_sync_microseconds_total",
            "time spent writing groups",
            &counters.sync_micros,
        ),
        ("store_sealed_blocks_total", "blocks sealed", &counters.sealed_blocks),
        (
            "store_sealed_ticks_total",
            "ticks sealed in blocks",
            &counters.sealed_ticks,
        ),
        (
            "store_dropped_segments_total",
            "journal segments removed",
            &counters.dropped_segments,
        ),
        ("store_dropped_days_total", "day files removed", &counters.dropped_days),
    ];
    let one = |(name, help, counter): (_, _, &AtomicU64)| Counter {
        name,
        help,
        monotonic: true,
        value: counter.load(Ordering::Relaxed),
    };
    table.into_iter().map(one).collect()
}

fn levels(health: &Health) -> impl Iterator<Item = Counter> + use<> {
    let table = [
        (
            "store_quarantined_records",
            "damage set aside at start",
            health.quarantined_records,
        ),
        ("store_damaged_blocks", "blocks found damaged", health.damaged_blocks),
        ("store_journal_bytes", "size of the journal", health.journal_bytes),
        ("store_block_bytes", "size of all blocks", health.block_bytes),
        ("store_rollup_bytes", "size of all rollups", health.rollup_bytes),
        (
            "store_damaged_rollups",
            "files of rollups found damaged",
            health.damaged_rollups,
        ),
        ("store_head_bytes", "unsealed ticks in memory", health.head_bytes),
        (
            "store_queued_records",
            "records waiting for the disk",
            health.queued_records,
        ),
        ("store_poisoned", "1 when a sync failed", u64::from(health.poisoned)),
        (
            "store_space_low",
            "1 when old days go for want of space",
            u64::from(health.space_low),
        ),
    ];
    table.into_iter().map(|(name, help, value)| Counter {
        name,
        help,
        monotonic: false,
        value,
    })
}

/// Never more than this is kept free as a share: 5 % of a disk of many terabytes, filled by others, is no reason to
/// throw measurements away.
const FREE_SHARE_BYTES_MAX: u64 = 32 << 30;

/// Whether so little room is left that the oldest raw day must go.
pub(crate) const fn is_low(space: Space, config: &StoreConfig) -> bool {
    let share = space.total_bytes / 100 * config.free_percent_min;
    let share = if share < FREE_SHARE_BYTES_MAX {
        share
    } else {
        FREE_SHARE_BYTES_MAX
    };
    space.free_bytes < config.free_bytes_min || space.free_bytes < share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_a_huge_disk_is_not_more_than_a_store_can_use() {
        let config = StoreConfig::new("/nowhere");
        let low = |total_bytes: u64, free_bytes: u64| {
            is_low(
                Space {
                    free_bytes,
                    total_bytes,
                },
                &config,
            )
        };
        assert!(low(252 << 30, 12 << 30) && !low(252 << 30, 13 << 30));
        assert!(low(20 << 40, 31 << 30) && !low(20 << 40, 33 << 30));
        assert!(low(4 << 30, (1 << 30) - 1) && !low(4 << 30, 1 << 30));
    }
}
