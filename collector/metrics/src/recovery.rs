//! Opening a store that may have been cut off anywhere.
//!
//! 1. Dictionaries are read, so that batches have a meaning.
//! 2. The journal is read once to learn which ticks it still holds.
//! 3. Block headers are read. A block whose ticks the journal still holds may be unfinished: it counts only when all
//!    its columns are whole. Any other was synced before its journal was dropped.
//! 4. The journal is replayed: what is not in a block goes to the head.
//! 5. A new segment begins with what is sealed. Old segments are never written again.

use crate::{
    blocks::{self, BlockRef, Blocks, format::BlockHeader},
    committer::watermarks,
    config::{FORMAT_VERSION, StoreConfig},
    dictionaries::Dictionaries,
    disk::{Disk, read_all, replace},
    error::OpenError,
    host::{Host, Latest},
    intervals::Intervals,
    journal::{
        record::{Chunk, Gap, Kind, Live, Watermark},
        scan::{Damage, scan},
        segment_number, segment_path,
        writer::{Failure, Writer},
    },
    shared::Shared,
};
use std::{
    any::Any,
    collections::{BTreeMap, HashMap},
    io,
    path::Path,
    sync::{Arc, atomic::Ordering},
};
use tocsin_vocabulary::{
    HostId, SpoolId, Timestamp,
    batch::{Cell, Decoder, Tick},
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
            check_format(dir, &bytes)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = format!("tocsin-metrics {FORMAT_VERSION}\n");
            replace(disk, dir, "FORMAT", text.as_bytes()).map_err(OpenError::io("write", &path))?;
        }
        Err(error) => return Err(OpenError::io("open", &path)(error)),
    }
    Ok(lock)
}

/// Only a clearly newer version is refused: a damaged file of two words must not stop a collector.
fn check_format(dir: &Path, bytes: &[u8]) -> Result<(), OpenError> {
    let text = String::from_utf8_lossy(bytes);
    let version = text
        .trim()
        .strip_prefix("tocsin-metrics ")
        .and_then(|number| number.parse::<u32>().ok());
    match version {
        Some(version) if version > FORMAT_VERSION => Err(OpenError::NewerFormat {
            dir: dir.to_owned(),
            found: version.to_string(),
            known: FORMAT_VERSION,
        }),
        Some(_) => Ok(()),
        None => {
            tracing::warn!(dir = %dir.display(), "the FORMAT file is not readable, reading as version {FORMAT_VERSION}");
            Ok(())
        }
    }
}

type Held = HashMap<(HostId, SpoolId), Intervals>;

/// What the first reading of the journal found.
#[derive(Default)]
struct Survey {
    held: Held,
    watermarks: Vec<Watermark>,
    segments: BTreeMap<u32, u64>,
    quarantined: u64,
    torn_bytes: u64,
}

impl Survey {
    fn note(&mut self, kind: Kind, body: &[u8]) {
        match kind {
            Kind::Live => {
                if let Some(live) = Live::decode(body) {
                    self.held.entry((live.host, live.spool)).or_default().insert(live.seq);
                }
            }
            Kind::Chunk => {
                if let Some(chunk) = Chunk::decode(body) {
                    let held = self.held.entry((chunk.host, chunk.spool)).or_default();
                    chunk.batches.iter().for_each(|(seq, _)| held.insert(*seq));
                }
            }
            Kind::Watermark => self.watermarks.extend(Watermark::decode(body)),
            Kind::Gap | Kind::Section | Kind::Dictionary => {}
        }
    }

    /// Whether the journal still has ticks that this block claims.
    fn overlaps(&self, header: &BlockHeader) -> bool {
        let touches = |held: &Intervals, block: &Intervals| {
            block.ranges().iter().any(|&(first, last)| {
                held.ranges()
                    .iter()
                    .any(|&(held_first, held_last)| held_first <= last && first <= held_last)
            })
        };
        header.seqs.iter().any(|(spool, seqs)| {
            self.held
                .get(&(header.host, *spool))
                .is_some_and(|held| touches(held, seqs))
        })
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
    let mut survey = survey(disk.as_ref(), &journal)?;
    survey.quarantined += damage.ranges.len() as u64;
    let (blocks, found) = Blocks::open(disk.clone(), blocks::folder(&dir), |header| survey.overlaps(header))?;
    let segments = survey.segments.clone();
    let shared = Shared::new(config, disk, dictionaries, blocks, poisoned, segments);
    shared.counters.quarantined.store(survey.quarantined, Ordering::Relaxed);
    shared.counters.torn_bytes.store(survey.torn_bytes, Ordering::Relaxed);
    shared.counters.damaged_blocks.store(found.damaged, Ordering::Relaxed);
    for watermark in &survey.watermarks {
        restore_watermark(&shared, watermark);
    }
    for (header, place) in found.blocks {
        restore_block(&shared, &header, place);
    }
    for &segment in survey.segments.keys() {
        replay(&shared, &journal, segment)?;
    }
    for host in shared.hosts.all() {
        host.lock().chain.restart();
    }
    let next = survey.segments.keys().next_back().map_or(1, |last| last + 1);
    let writer =
        Writer::create(shared.disk.as_ref(), &journal, next, &watermarks(&shared)).map_err(
            |failure| match failure {
                Failure::Undone(error) | Failure::Fatal(error) => {
                    OpenError::io("write", segment_path(&journal, next))(error)
                }
            },
        )?;
    shared.set_active_bytes(next, writer.length());
    Ok((shared, writer))
}

fn survey(disk: &dyn Disk, journal: &Path) -> Result<Survey, OpenError> {
    let mut survey = Survey::default();
    let names = disk.list(journal).map_err(OpenError::io("list", journal))?;
    let mut segments: Vec<u32> = names.iter().filter_map(|name| segment_number(name)).collect();
    segments.sort_unstable();
    for segment in segments {
        let path = segment_path(journal, segment);
        let bytes = read_segment(disk, &path)?;
        survey.segments.insert(segment, bytes.len() as u64);
        let damage = scan(&bytes, segment, |kind, body| survey.note(kind, body));
        survey.torn_bytes += damage.tail.map_or(0, |tail| (bytes.len() - tail) as u64);
        survey.quarantined += damage.ranges.len() as u64;
        quarantine(disk, journal, segment, &bytes, &damage);
    }
    Ok(survey)
}

fn read_segment(disk: &dyn Disk, path: &Path) -> Result<Vec<u8>, OpenError> {
    let file = disk.open(path, false).map_err(OpenError::io("open", path))?;
    read_all(file.as_ref()).map_err(OpenError::io("read", path))
}

/// Sets damaged bytes aside for whoever wants to look. That this may fail must not stop the start.
fn quarantine(disk: &dyn Disk, journal: &Path, segment: u32, bytes: &[u8], damage: &Damage) {
    if damage.ranges.is_empty() {
        return;
    }
    let damaged: Vec<u8> = damage
        .ranges
        .iter()
        .flat_map(|range| bytes[range.clone()].iter().copied())
        .collect();
    let name = format!("{segment:010}.damaged");
    tracing::error!(segment, stretches = damage.ranges.len(), bytes = damaged.len(), file = %name, "journal: damage set aside");
    if let Err(error) = replace(disk, journal, &name, &damaged) {
        tracing::warn!(%error, file = %name, "journal: could not set damage aside");
    }
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

fn restore_block(shared: &Shared, header: &BlockHeader, place: BlockRef) {
    let host = shared.hosts.get(header.host);
    let mut state = host.lock();
    for (id, seqs) in &header.seqs {
        let spool = state.spool(*id);
        spool.sealed.merge(seqs);
        spool.received.merge(seqs);
    }
    drop(state);
    shared.blocks.publish(header.host, place);
}

fn replay(shared: &Shared, journal: &Path, segment: u32) -> Result<(), OpenError> {
    let bytes = read_segment(shared.disk.as_ref(), &segment_path(journal, segment))?;
    scan(&bytes, segment, |kind, body| match kind {
        Kind::Live => {
            if let Some(live) = Live::decode(body) {
                replay_live(shared, &live, segment);
            }
        }
        Kind::Chunk => {
            if let Some(chunk) = Chunk::decode(body) {
                replay_chunk(shared, &chunk, segment);
            }
        }
        Kind::Gap => {
            if let Some(gap) = Gap::decode(body) {
                let host = shared.hosts.get(gap.host);
                host.lock()
                    .lose(gap.spool, gap.first_seq, gap.last_seq, Some((gap.from, gap.to)));
            }
        }
        Kind::Watermark | Kind::Section | Kind::Dictionary => {}
    });
    Ok(())
}

fn replay_live(shared: &Shared, live: &Live<'_>, segment: u32) {
    let host: Arc<Host> = shared.hosts.get(live.host);
    let mut state = host.lock();
    state.current_spool = Some(live.spool);
    let held = state.spool(live.spool).received.contains(live.seq);
    let chain = &mut state.chain;
    // When a record before this one was damaged, what refers to it means nothing, up to the next key-frame.
    let linked = live.link == 0 || live.link == chain.next_link;
    let decoded = if linked {
        chain
            .decoder
            .decode(live.payload, |hash| shared.dictionaries.get(hash))
            .ok()
    } else {
        None
    };
    let Some(decoded) = decoded else {
        chain.restart();
        shared
            .counters
            .undecodable
            .fetch_add(u64::from(!held), Ordering::Relaxed);
        return;
    };
    let (tick, dictionary) = (Arc::new(decoded.tick.clone()), decoded.dictionary.clone());
    if live.link == 0 {
        chain.segment.store(segment, Ordering::Release);
    }
    chain.next_link = live.link.saturating_add(1);
    let needed = chain.segment.load(Ordering::Acquire);
    state.set_latest(&tick, &dictionary, live.received_at);
    let bytes = state.store(live.spool, live.seq, &tick, &dictionary, needed, live.received_at);
    shared.head_bytes.fetch_add(bytes, Ordering::Relaxed);
}

fn replay_chunk(shared: &Shared, chunk: &Chunk<'_>, segment: u32) {
    let host = shared.hosts.get(chunk.host);
    let mut state = host.lock();
    let mut decoder = Decoder::new();
    for (seq, payload) in &chunk.batches {
        let Ok(decoded) = decoder.decode(payload, |hash| shared.dictionaries.get(hash)) else {
            shared.counters.undecodable.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let (tick, dictionary) = (Arc::new(decoded.tick.clone()), decoded.dictionary.clone());
        state.offer_latest(&tick, &dictionary, chunk.received_at);
        let bytes = state.store(chunk.spool, *seq, &tick, &dictionary, segment, chunk.received_at);
        shared.head_bytes.fetch_add(bytes, Ordering::Relaxed);
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
