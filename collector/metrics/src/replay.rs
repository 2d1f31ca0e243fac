//! Reading the journal at a start: where each tick lies, what was sealed, what is damaged.
//!
//! Cells are not decoded: a record with a right checksum decoded when it came, and its chain is followed by links.

use crate::{
    bytes::length_u32,
    dictionaries::Dictionaries,
    disk::{Disk, read_all, replace},
    error::OpenError,
    head::{Part, RecordPlace, TickPlace},
    host::Hosts,
    journal::{
        record::{Chunk, Gap, HEADER_BYTES, Kind, Live, Watermark},
        scan::{Damage, scan},
        segment_number, segment_path,
    },
    shared::{Segment, Segments},
};
use std::{path::Path, sync::atomic::Ordering};
use tocsin_vocabulary::{
    HostId, SpoolId, Timestamp,
    batch::{Times, peek},
};

/// What the journal holds.
#[derive(Default)]
pub(crate) struct Replay {
    /// Each host with the ticks that the journal has of it, sealed ones among them.
    pub(crate) hosts: Hosts,
    pub(crate) segments: Segments,
    pub(crate) watermarks: Vec<Watermark>,
    pub(crate) gaps: Vec<Gap>,
    /// Ticks that can't be decoded: something that they refer to is damaged.
    pub(crate) undecodable: Vec<(HostId, SpoolId, u64)>,
    /// Damaged stretches.
    pub(crate) quarantined: u64,
    /// Bytes of unfinished ends.
    pub(crate) torn_bytes: u64,
    /// The newest segment whose watermarks are all there; zero when there is none.
    pub(crate) settled: u32,
}

impl Replay {
    /// Reads all segments.
    pub(crate) fn read(disk: &dyn Disk, journal: &Path, dictionaries: &Dictionaries) -> Result<Self, OpenError> {
        let names = disk.list(journal).map_err(OpenError::io("list", journal))?;
        let mut numbers: Vec<u32> = names.iter().filter_map(|name| segment_number(name)).collect();
        numbers.sort_unstable();
        let mut replay = Self::default();
        let only = numbers.len() == 1;
        for segment in numbers {
            let path = segment_path(journal, segment);
            let file = disk.open(&path, false).map_err(OpenError::io("open", &path))?;
            let bytes = read_all(file.as_ref()).map_err(OpenError::io("read", &path))?;
            let mut used = false;
            let damage = scan(&bytes, segment, |kind, offset, body| {
                used |= kind != Kind::Watermark;
                let record = RecordPlace {
                    segment,
                    offset: length_u32(offset),
                    length: length_u32(HEADER_BYTES + body.len()),
                };
                replay.take(dictionaries, kind, body, record);
            });
            // Its watermarks were synced before anything was written behind them, and before older segments went.
            if damage.ranges.is_empty() && (used || only && damage.tail.is_none()) {
                replay.settled = segment;
            }
            replay.quarantined += damage.ranges.len() as u64;
            replay.torn_bytes += damage.tail.map_or(0, |tail| (damage.end - tail) as u64);
            quarantine(disk, journal, segment, &bytes, &damage);
            let bytes = damage.end as u64;
            replay.segments.insert(segment, Segment { bytes, file });
        }
        Ok(replay)
    }

    /// Number of the newest segment; zero when there is none.
    pub(crate) fn last_segment(&self) -> u32 {
        self.segments.keys().next_back().copied().unwrap_or(0)
    }

    fn take(&mut self, dictionaries: &Dictionaries, kind: Kind, body: &[u8], record: RecordPlace) {
        match kind {
            Kind::Live => {
                if let Some(live) = Live::decode(body) {
                    self.live(dictionaries, &live, record);
                }
            }
            Kind::Chunk => {
                if let Some(chunk) = Chunk::decode(body) {
                    self.chunk(dictionaries, &chunk, record);
                }
            }
            Kind::Gap => self.gaps.extend(Gap::decode(body)),
            Kind::Watermark => self.watermarks.extend(Watermark::decode(body)),
            Kind::Section | Kind::Dictionary => {}
        }
    }

    fn live(&mut self, dictionaries: &Dictionaries, live: &Live<'_>, record: RecordPlace) {
        let host = self.hosts.get(live.host);
        let mut state = host.lock();
        state.current_spool = Some(live.spool);
        // When a record before this one was damaged, what refers to it means nothing, up to the next key-frame.
        let linked = live.link == 0 || live.link == state.chain.next_link;
        let time = linked
            .then(|| time_of(dictionaries, &mut state.chain.times, live.payload))
            .flatten();
        let Some(time) = time else {
            state.chain.restart();
            self.undecodable.push((live.host, live.spool, live.seq));
            return;
        };
        if live.link == 0 {
            state.chain.segment.store(record.segment, Ordering::Release);
        }
        state.chain.next_link = live.link.saturating_add(1);
        let needed = state.chain.segment.load(Ordering::Acquire);
        let tick = TickPlace {
            spool: live.spool,
            seq: live.seq,
            time,
            part: if live.link == 0 { Part::KeyFrame } else { Part::Delta },
        };
        state.store(tick, record, needed, live.received_at);
    }

    fn chunk(&mut self, dictionaries: &Dictionaries, chunk: &Chunk<'_>, record: RecordPlace) {
        let host = self.hosts.get(chunk.host);
        let mut state = host.lock();
        let mut times = Times::new();
        for (number, (seq, payload)) in (0_u16..).zip(&chunk.batches) {
            let Some(time) = time_of(dictionaries, &mut times, payload) else {
                self.undecodable.push((chunk.host, chunk.spool, *seq));
                continue;
            };
            let tick = TickPlace {
                spool: chunk.spool,
                seq: *seq,
                time,
                part: Part::Batch(number),
            };
            state.store(tick, record, record.segment, chunk.received_at);
        }
    }
}

/// The time of the next batch of a chain; `None` when it can't be decoded because its dictionary is lost.
fn time_of(dictionaries: &Dictionaries, times: &mut Times, payload: &[u8]) -> Option<Timestamp> {
    let dictionary = peek(payload).ok()?.key_frame;
    if dictionary.is_some_and(|hash| !dictionaries.knows(hash)) {
        *times = Times::new();
        return None;
    }
    times.next(payload).ok()
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
