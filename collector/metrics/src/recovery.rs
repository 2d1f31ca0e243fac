//! Opening a store that may have been cut off anywhere.
//!
//! 1. Dictionaries are read, so that batches have a meaning.
//! 2. The journal is read, once: the head learns where each tick lies. Cells are not decoded, so an hour of ten thousand
//!    hosts takes seconds.
//! 3. Block headers are read, of indexed blocks only those that the watermarks may not know. A block whose ticks the journal still holds may be unfinished: it counts only when all
//!    its columns are whole. Any other was synced before its journal was dropped.
//! 4. What is in a block leaves the head.
//! 5. A new segment begins with what is sealed. Old segments are never written again.

use crate::{
    blocks::{self, BlockRef, Blocks, format::BlockHeader},
    committer::watermarks,
    config::{FORMAT_VERSION, StoreConfig},
    dictionaries::Dictionaries,
    disk::{Disk, read_all, replace},
    error::OpenError,
    head::scratch::{self, Scratch},
    host::{HostState, Hosts, Latest},
    intervals::Intervals,
    journal::{
        record::Watermark,
        segment_path,
        writer::{Failure, Writer},
    },
    replay::Replay,
    shared::Shared,
};
use std::{
    any::Any,
    collections::HashMap,
    io,
    path::Path,
    sync::{Arc, atomic::Ordering},
};
use tocsin_vocabulary::{
    SpoolId, Timestamp,
    batch::{Cell, Tick},
};

/// Makes the folders, takes the lock, checks the format.
pub(crate) fn claim(config: &StoreConfig, disk: &dyn Disk) -> Result<Box<dyn Any + Send + Sync>, OpenError> {
    let dir = &config.dir;
    disk.create_dir(dir).map_err(OpenError::io("create folder", dir))?;
    let lock = disk.lock(&dir.join("lock")).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => OpenError::InUse { dir: dir.clone() },
        _ => OpenError::io("lock", dir.join("lock"))(error),
    })?;
    for folder in [dir.join("journal"), blocks::folder(dir)] {
        disk.create_dir(&folder)
            .map_err(OpenError::io("create folder", &folder))?;
    }
    let path = dir.join("FORMAT");
    match disk.open(&path, false) {
        Ok(file) => {
            let bytes = read_all(file.as_ref()).map_err(OpenError::io("read", &path))?;
            // An older build must not take for damage what this one will write.
            if check_format(dir, &bytes)? != Some(FORMAT_VERSION) {
                write_format(disk, dir)?;
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => write_format(disk, dir)?,
        Err(error) => return Err(OpenError::io("open", &path)(error)),
    }
    Ok(lock)
}

fn write_format(disk: &dyn Disk, dir: &Path) -> Result<(), OpenError> {
    let text = format_text(FORMAT_VERSION);
    replace(disk, dir, "FORMAT", text.as_bytes()).map_err(OpenError::io("write", dir.join("FORMAT")))
}

/// The content of the file `FORMAT`: the version, and from 2 on a checksum of what stands before it.
pub(crate) fn format_text(version: u32) -> String {
    let text = format!("tocsin-metrics {version}");
    let crc = crc32c::crc32c(text.as_bytes());
    format!("{text} {crc:08x}\n")
}

/// The version that it names. Only a clearly newer one is refused: a damaged file of three words must not stop a
/// collector.
fn check_format(dir: &Path, bytes: &[u8]) -> Result<Option<u32>, OpenError> {
    let text = String::from_utf8_lossy(bytes);
    let version = text
        .trim()
        .strip_prefix("tocsin-metrics ")
        .and_then(|rest| rest.split(' ').next()?.parse::<u32>().ok())
        .filter(|version| *version == 1 || text == format_text(*version));
    match version {
        Some(version) if version > FORMAT_VERSION => Err(OpenError::NewerFormat {
            dir: dir.to_owned(),
            found: version.to_string(),
            known: FORMAT_VERSION,
        }),
        Some(version) => Ok(Some(version)),
        None => {
            tracing::warn!(dir = %dir.display(), "the FORMAT file is not readable, reading as version {FORMAT_VERSION}");
            Ok(None)
        }
    }
}

/// Rebuilds everything; returns the store's state and the open end of its journal.
pub(crate) fn recover(config: StoreConfig, disk: Arc<dyn Disk>) -> Result<(Shared, Writer), OpenError> {
    let poisoned = Arc::default();
    let dir = config.dir.clone();
    let journal = dir.join("journal");
    let (dictionaries, damage) = Dictionaries::open(disk.as_ref(), &dir, Arc::clone(&poisoned))?;
    // The names made so far must outlive what refers to them.
    disk.sync_dir(&dir).map_err(OpenError::io("sync", &dir))?;
    let scratch = Scratch::begin(disk.clone(), &dir).map_err(OpenError::io("empty", scratch::folder(&dir)))?;
    let replay = Replay::read(disk.as_ref(), &journal, &dictionaries)?;
    let suspect = |header: &BlockHeader| overlaps(&replay.hosts, header);
    let (blocks, found) = Blocks::open(disk.clone(), blocks::folder(&dir), suspect)?;
    let (next, settled) = (replay.last_segment() + 1, replay.settled);
    let Replay {
        hosts,
        segments,
        watermarks: sealed,
        gaps,
        undecodable,
        quarantined,
        torn_bytes,
        ..
    } = replay;
    let shared = Shared::new(config, disk, dictionaries, blocks, poisoned, scratch, hosts, segments);
    shared.rollups.open(shared.disk.as_ref(), &shared.blocks.days())?;
    for host in found.hosts {
        shared.hosts.get(host);
    }
    for (header, place) in found.blocks {
        restore_block(&shared, &header);
        shared.blocks.publish_replacing(header.host, place, &header.replaces);
    }
    // What is in an index was sealed; what of it the watermarks don't know stands in the headers.
    let indexed = shared
        .blocks
        .headers_since(settled, |header| restore_block(&shared, &header));
    indexed.map_err(OpenError::io("read", blocks::folder(&dir)))?;
    for watermark in &sealed {
        restore_watermark(&shared, watermark);
    }
    for gap in gaps {
        let host = shared.hosts.get(gap.host);
        host.lock()
            .lose(gap.spool, gap.first_seq, gap.last_seq, Some((gap.from, gap.to)));
    }
    for host in shared.hosts.all() {
        let open = settle(&mut host.lock());
        shared.hold(open);
    }
    let missing = undecodable
        .iter()
        .filter(|(host, spool, seq)| !shared.hosts.get(*host).lock().spool(*spool).received.contains(*seq));
    let counters = &shared.counters;
    counters.undecodable.store(missing.count() as u64, Ordering::Relaxed);
    counters
        .quarantined
        .store(quarantined + damage.ranges.len() as u64, Ordering::Relaxed);
    counters
        .torn_bytes
        .store(torn_bytes + found.torn_bytes, Ordering::Relaxed);
    counters.damaged_blocks.store(found.damaged, Ordering::Relaxed);
    let writer =
        Writer::create(shared.disk.as_ref(), &journal, next, &watermarks(&shared)).map_err(
            |failure| match failure {
                Failure::Undone(error) | Failure::Fatal(error) => {
                    OpenError::io("write", segment_path(&journal, next))(error)
                }
            },
        )?;
    shared.set_active(next, writer.length(), writer.file());
    Ok((shared, writer))
}

/// Whether the journal still has ticks that this block claims.
fn overlaps(hosts: &Hosts, header: &BlockHeader) -> bool {
    let touches = |held: &Intervals, block: &Intervals| {
        block.ranges().iter().any(|&(first, last)| {
            held.ranges()
                .iter()
                .any(|&(held_first, held_last)| held_first <= last && first <= held_last)
        })
    };
    let Some(host) = hosts.find(header.host) else {
        return false;
    };
    let state = host.lock();
    header.seqs.iter().any(|(spool, seqs)| {
        let held = state.spools.iter().find(|known| known.id == *spool);
        held.is_some_and(|held| touches(&held.received, seqs))
    })
}

/// Closes what turned out to be sealed, and ends the chain: nothing will refer to it. Answers how many ticks are left.
fn settle(state: &mut HostState) -> usize {
    let spools = state.spools.iter();
    let sealed: HashMap<SpoolId, Intervals> = spools.map(|spool| (spool.id, spool.sealed.clone())).collect();
    let is_sealed = |spool: SpoolId, seq: u64, _| sealed.get(&spool).is_some_and(|sealed| sealed.contains(seq));
    let count = state.head.len();
    state.head.close(count, true, is_sealed);
    state.head.settle();
    state.chain.restart();
    state.head.open()
}

fn restore_watermark(shared: &Shared, watermark: &Watermark) {
    let host = shared.hosts.get(watermark.host);
    let mut state = host.lock();
    if watermark.current {
        state.current_spool = Some(watermark.spool);
    }
    let spool = state.spool(watermark.spool);
    spool.sealed.merge(&watermark.sealed);
    spool.received.merge(&watermark.sealed);
}

fn restore_block(shared: &Shared, header: &BlockHeader) {
    let host = shared.hosts.get(header.host);
    let mut state = host.lock();
    for (id, seqs) in &header.seqs {
        let spool = state.spool(*id);
        spool.sealed.merge(seqs);
        spool.received.merge(seqs);
    }
}

/// The last tick of a block; `None` when it is damaged or its dictionary is not known.
pub(crate) fn newest_of(block: &BlockRef, dictionaries: &Dictionaries) -> Option<Latest> {
    let open = block.open().ok()?;
    let dictionary = dictionaries.get(open.header.dictionary)?;
    let last = |index| {
        open.cells(index)
            .ok()
            .and_then(|cells| cells.last().copied())
            .unwrap_or(Cell::Absent)
    };
    let cells = (0..dictionary.len()).map(last).collect();
    let time: Timestamp = open.header.last;
    Some(Latest {
        tick: Arc::new(Tick { time, cells }),
        dictionary,
        received_at: time,
    })
}
