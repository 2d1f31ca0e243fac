//! Reads the journal behind its writer, in order of arrival, for whoever passes ticks on.
//!
//! A [`Tail`] reads only what is durable. It keeps one decoder per host, because live ticks are deltas to the tick before,
//! and it leaves out what it has yielded already: the journal may hold a tick twice, for a duplicate is written when later
//! ticks refer to it.
//!
//! A reader's [`Position`] is where its next record begins *and* the segment that holds the oldest key-frame which later
//! records refer to. [`Store::tail`] begins there, decodes without yielding up to the position, and goes on from it; so a
//! restart costs some reading and no tick. What is sealed of a spool, written at the head of each segment, tells of older
//! ticks that they need not be yielded again.
//!
//! [`Store::pin_journal`] keeps the segments that a slow reader still needs, at most [`PIN_BYTES_MAX`] beyond what the
//! store itself needs and at most [`PIN_AGE_MAX`] behind; then they go, and the reader is told how many it missed.

mod pins;
mod reader;
#[cfg(test)]
mod tests;

pub(crate) use pins::Pins;
pub use pins::{PIN_AGE_MAX, PIN_BYTES_MAX};

use crate::{
    config::SPOOLS_PER_HOST_MAX,
    error::StoreError,
    intervals::Intervals,
    journal::record::{Chunk, Gap, Kind, Live, Watermark},
    shared::Shared,
    store::Store,
};
use reader::Reader;
use std::{collections::HashMap, fmt, str::FromStr, time::Duration};
use tocsin_vocabulary::{
    Dictionary, HostId, SpoolId, Timestamp,
    batch::{Decoder, Tick},
};

/// Bytes that one call reads at most, so that it ends soon also where nothing is to be yielded.
const CALL_BYTES_MAX: u64 = 16 << 20;
/// A chain that had no tick for three key-frame intervals needs its key-frame no more.
const CHAIN_IDLE_MAX: Duration = Duration::from_secs(900);
/// Most intervals of yielded ticks per spool; beyond it the lowest hole counts as yielded.
const SEEN_INTERVALS_MAX: usize = 256;

/// Where a reader stands. The default is before everything; segments are numbered from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// Segment of the next record.
    pub segment: u32,
    /// Its place there, in bytes.
    pub offset: u32,
    /// Segment from which decoders must be rebuilt; not after `segment`.
    pub rebuild_from: u32,
}

impl fmt::Display for Position {
    /// `segment:offset:rebuild_from`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.segment, self.offset, self.rebuild_from)
    }
}

/// Text that is not a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a journal position: expected segment:offset:rebuild_from")]
pub struct ParsePositionError;

impl FromStr for Position {
    type Err = ParsePositionError;
    fn from_str(text: &str) -> Result<Self, ParsePositionError> {
        let numbers: Vec<u32> = text
            .split(':')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(|_| ParsePositionError)?;
        let &[segment, offset, rebuild_from] = numbers.as_slice() else {
            return Err(ParsePositionError);
        };
        Ok(Self {
            segment,
            offset,
            rebuild_from: rebuild_from.min(segment),
        })
    }
}

/// One tick, as it was received.
#[derive(Debug, Clone)]
pub struct TailTick {
    /// Whose.
    pub host: HostId,
    /// When it arrived, by the collector's clock.
    pub received_at: Timestamp,
    /// Sent after the fact: older ticks of this host may follow newer ones.
    pub backlog: bool,
    /// Its cells.
    pub tick: Tick,
    /// What they mean.
    pub dictionary: Dictionary,
}

/// What one call of [`Tail::next_batch`] found.
#[derive(Debug, Default)]
pub struct TailBatch {
    /// Ticks in order of arrival, none of them yielded before.
    pub ticks: Vec<TailTick>,
    /// Where the next batch begins: keep it once these ticks are passed on.
    pub next: Position,
    /// Whether there is more to read right now.
    pub more: bool,
    /// Segments that were gone before they were read.
    pub missed_segments: u32,
    /// Live ticks that refer to a tick which is damaged or gone.
    pub undecodable: u64,
}

/// What is known of one host.
#[derive(Debug, Default)]
struct HostTail {
    decoder: Decoder,
    /// Number of the link that may come next; none before a key-frame.
    next_link: Option<u32>,
    /// Segment of the key-frame.
    segment: u32,
    last_received: Timestamp,
    seen: Vec<(SpoolId, Intervals)>,
}

impl HostTail {
    fn seen(&mut self, spool: SpoolId) -> &mut Intervals {
        let known = self.seen.iter().position(|(known, _)| *known == spool);
        let at = known.unwrap_or_else(|| {
            if self.seen.len() >= SPOOLS_PER_HOST_MAX {
                self.seen.remove(0);
            }
            self.seen.push((spool, Intervals::default()));
            self.seen.len() - 1
        });
        &mut self.seen[at].1
    }

    /// Whether this tick is met for the first time.
    fn first_time(&mut self, spool: SpoolId, seq: u64) -> bool {
        let seen = self.seen(spool);
        if seen.contains(seq) {
            return false;
        }
        seen.insert(seq);
        if seen.ranges().len() > SEEN_INTERVALS_MAX {
            let (low, high) = (seen.ranges()[0].0, seen.ranges()[1].1);
            seen.insert_range(low, high);
        }
        true
    }

    fn restart(&mut self) {
        self.decoder = Decoder::new();
        self.next_link = None;
    }
}

/// A reader of the journal; see the module's head.
#[derive(Debug)]
pub struct Tail {
    reader: Reader,
    /// Nothing before this place is yielded.
    start: (u32, u32),
    hosts: HashMap<HostId, HostTail>,
    newest_received: Timestamp,
}

impl Store {
    /// A reader that yields what lies at and after `from`. The default position, or one that this journal can't have because
    /// it is of another store, means the beginning of what there is.
    #[must_use]
    pub fn tail(&self, from: Position) -> Tail {
        let segments = self.shared().segment_lengths();
        let newest = segments
            .iter()
            .next_back()
            .map_or((0, 0), |(&segment, &length)| (segment, length));
        let from = if from.segment == 0 || (from.segment, u64::from(from.offset)) > newest {
            let oldest = segments.keys().next().copied().unwrap_or(0);
            Position {
                segment: oldest,
                offset: 0,
                rebuild_from: oldest,
            }
        } else {
            from
        };
        Tail {
            reader: Reader::new(from.rebuild_from.min(from.segment)),
            start: (from.segment, from.offset),
            hosts: HashMap::new(),
            newest_received: Timestamp::default(),
        }
    }

    /// The end of what is durable: from here on only what arrives later is read. A host whose last key-frame lies further
    /// back than the last segment but one is read from its next one on.
    #[must_use]
    pub fn tail_end(&self) -> Position {
        let segments = self.shared().segment_lengths();
        let mut newest_first = segments.iter().rev();
        let Some((&segment, &length)) = newest_first.next() else {
            return Position::default();
        };
        Position {
            segment,
            offset: u32::try_from(length).unwrap_or(u32::MAX),
            rebuild_from: newest_first.next().map_or(segment, |(&before, _)| before),
        }
    }

    /// Keeps the segments that a reader at `position` needs, which has passed on everything received until `at`. Call it
    /// again as the reader goes on.
    pub fn pin_journal(&self, reader: &str, position: Position, at: Timestamp) {
        let segment = position.rebuild_from.min(position.segment);
        self.shared().pins.pin(reader, segment, at);
    }

    /// Bytes of the journal at and after a position: how much a reader there has yet to read.
    #[must_use]
    pub fn journal_bytes_after(&self, position: Position) -> u64 {
        let segments = self.shared().segment_lengths();
        let all: u64 = segments.range(position.segment..).map(|(_, length)| *length).sum();
        let read = segments
            .get(&position.segment)
            .map_or(0, |length| u64::from(position.offset).min(*length));
        all - read
    }
}

impl Tail {
    /// Reads on until there are about `cells_max` cells, the durable end is reached, or enough was read for one call. A
    /// chunk of backlog comes alone and whole, however long, so that the batch at a position is the same whenever it is
    /// read. Blocks on the disk.
    ///
    /// # Errors
    /// When a segment can't be read; the next call tries again.
    pub fn next_batch(&mut self, store: &Store, cells_max: usize) -> Result<TailBatch, StoreError> {
        let shared = store.shared();
        let mut batch = TailBatch::default();
        let (mut cells, read_before) = (0_usize, self.reader.bytes_read);
        while cells < cells_max && self.reader.bytes_read - read_before < CALL_BYTES_MAX {
            let segment = self.reader.segment;
            let Some(record) = self.reader.next(shared)? else {
                return Ok(self.finish(batch));
            };
            let (kind, place, body) = (record.kind, (record.segment, record.offset), record.body.to_vec());
            if place.0 != segment {
                self.enter(segment, place.0, &mut batch);
            }
            if kind == Kind::Chunk && !batch.ticks.is_empty() {
                self.reader.unread(body.len());
                break;
            }
            let before = batch.ticks.len();
            self.take(shared, kind, &body, place, &mut batch);
            if kind == Kind::Chunk && !batch.ticks.is_empty() {
                break;
            }
            cells += batch.ticks[before..]
                .iter()
                .map(|tick| tick.tick.cells.len())
                .sum::<usize>();
        }
        batch.more = true;
        Ok(self.finish(batch))
    }

    fn finish(&self, mut batch: TailBatch) -> TailBatch {
        let (segment, offset) = (self.reader.segment, self.reader.offset).max(self.start);
        batch.next = Position {
            segment,
            offset,
            rebuild_from: self.oldest_needed().min(segment),
        };
        batch
    }

    /// Another segment begins: what lies between was dropped.
    fn enter(&mut self, left: u32, entered: u32, batch: &mut TailBatch) {
        let whole = if self.reader.left_whole { left + 1 } else { left };
        let first_unread = whole.max(self.start.0);
        batch.missed_segments = batch
            .missed_segments
            .saturating_add(entered.saturating_sub(first_unread));
        let newest = self.newest_received;
        for host in self.hosts.values_mut() {
            if newest.since(host.last_received) >= CHAIN_IDLE_MAX {
                host.restart();
            }
        }
    }

    /// The oldest segment with a key-frame to which a later record may refer.
    fn oldest_needed(&self) -> u32 {
        let active = self
            .hosts
            .values()
            .filter(|host| host.next_link.is_some() && self.newest_received.since(host.last_received) < CHAIN_IDLE_MAX);
        let oldest = active.map(|host| host.segment).min();
        oldest.unwrap_or(self.reader.segment).min(self.reader.segment)
    }

    fn take(&mut self, shared: &Shared, kind: Kind, body: &[u8], place: (u32, u32), batch: &mut TailBatch) {
        let yields = place >= self.start;
        match kind {
            Kind::Live => {
                if let Some(live) = Live::decode(body) {
                    self.take_live(shared, &live, place.0, yields, batch);
                }
            }
            Kind::Chunk => {
                if let Some(chunk) = Chunk::decode(body) {
                    self.take_chunk(shared, &chunk, yields, batch);
                }
            }
            Kind::Gap => {
                if let Some(gap) = Gap::decode(body) {
                    let host = self.hosts.entry(gap.host).or_default();
                    host.seen(gap.spool).insert_range(gap.first_seq, gap.last_seq);
                }
            }
            // What is sealed was in the journal before this segment.
            Kind::Watermark => {
                if let Some(watermark) = Watermark::decode(body) {
                    let host = self.hosts.entry(watermark.host).or_default();
                    host.seen(watermark.spool).merge(&watermark.sealed);
                }
            }
            Kind::Section | Kind::Dictionary => {}
        }
    }

    fn take_live(&mut self, shared: &Shared, live: &Live<'_>, segment: u32, yields: bool, batch: &mut TailBatch) {
        self.newest_received = self.newest_received.max(live.received_at);
        let host = self.hosts.entry(live.host).or_default();
        host.last_received = live.received_at;
        let linked = live.link == 0 || host.next_link == Some(live.link);
        let find = |hash| shared.dictionaries.get(hash);
        let decoded = linked.then(|| host.decoder.decode(live.payload, find).ok()).flatten();
        let Some(decoded) = decoded else {
            host.restart();
            // Its agent sends it again if it was damaged, so it is not marked as seen.
            let new = !host.seen(live.spool).contains(live.seq);
            batch.undecodable += u64::from(yields && new);
            return;
        };
        // Copied only when it is passed on.
        let found = yields.then(|| (Tick::clone(decoded.tick), decoded.dictionary.clone()));
        if live.link == 0 {
            host.segment = segment;
        }
        host.next_link = Some(live.link.saturating_add(1));
        if host.first_time(live.spool, live.seq)
            && let Some((tick, dictionary)) = found
        {
            batch.ticks.push(TailTick {
                host: live.host,
                received_at: live.received_at,
                backlog: false,
                tick,
                dictionary,
            });
        }
    }

    fn take_chunk(&mut self, shared: &Shared, chunk: &Chunk<'_>, yields: bool, batch: &mut TailBatch) {
        self.newest_received = self.newest_received.max(chunk.received_at);
        let host = self.hosts.entry(chunk.host).or_default();
        let mut decoder = Decoder::new();
        for (at, (seq, payload)) in chunk.batches.iter().enumerate() {
            if !yields {
                host.first_time(chunk.spool, *seq);
                continue;
            }
            let Ok(decoded) = decoder.decode(payload, |hash| shared.dictionaries.get(hash)) else {
                batch.undecodable += (chunk.batches.len() - at) as u64;
                return;
            };
            if host.first_time(chunk.spool, *seq) {
                batch.ticks.push(TailTick {
                    host: chunk.host,
                    received_at: chunk.received_at,
                    backlog: true,
                    tick: Tick::clone(decoded.tick),
                    dictionary: decoded.dictionary.clone(),
                });
            }
        }
    }
}
