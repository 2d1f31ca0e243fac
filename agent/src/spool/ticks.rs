//! Segments of ticks: how they are read back, and the index of runs that stays in memory.
//!
//! A *run* is a key-frame and the deltas that follow it: what can be decoded together, and what damage takes together.

use super::record::{self, Found, Kind, Record, Walk};
use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};
use tocsin_vocabulary::{Dictionary, Hash, Section, SpoolId, Timestamp};

/// A key-frame and the deltas that follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    pub(crate) dictionary: Hash,
    offset: u64,
    bytes: u64,
}

impl Run {
    /// A run that so far has its key-frame only.
    pub(crate) const fn begin(seq: u64, time: Timestamp, dictionary: Hash, offset: u64, bytes: u64) -> Self {
        Self {
            first: seq,
            last: seq,
            from: time,
            to: time,
            dictionary,
            offset,
            bytes,
        }
    }

    /// The next tick joins.
    pub(crate) fn extend(&mut self, time: Timestamp, bytes: u64) {
        self.last += 1;
        self.to = time;
        self.bytes += bytes;
    }
}

/// One file of ticks.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) runs: Vec<Run>,
}

impl Segment {
    pub(crate) fn first(&self) -> Option<u64> {
        self.runs.first().map(|run| run.first)
    }

    pub(crate) fn last(&self) -> Option<u64> {
        self.runs.last().map(|run| run.last)
    }
}

/// One stored tick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTick {
    /// Its number.
    pub seq: u64,
    /// When it was taken, by the agent's clock.
    pub time: Timestamp,
    /// As encoded by `vocabulary::batch`.
    pub payload: Vec<u8>,
}

/// What reading a whole segment gave.
#[derive(Debug)]
pub(crate) struct Scanned {
    pub(crate) id: SpoolId,
    pub(crate) runs: Vec<Run>,
    pub(crate) dictionaries: Vec<Dictionary>,
    /// Byte ranges that hold no good record.
    pub(crate) damage: Vec<(usize, usize)>,
}

/// Reads a segment; `None` when its header is damaged or of another version.
pub(crate) fn scan(bytes: &[u8]) -> Option<Scanned> {
    let id = record::read_header(bytes)?;
    let mut scanned = Scanned {
        id,
        runs: Vec::new(),
        dictionaries: Vec::new(),
        damage: Vec::new(),
    };
    let mut sections: HashMap<Hash, Arc<Section>> = HashMap::new();
    // Whether the newest run may still be extended.
    let mut open = false;
    for found in Walk::new(bytes, record::HEADER_BYTES) {
        match found {
            Found::Damage(from, to) => {
                scanned.damage.push((from, to));
                open = false;
            }
            Found::Record(offset, record) => {
                open = take(&mut scanned, &mut sections, offset, record, open);
            }
        }
    }
    Some(scanned)
}

fn take(
    scanned: &mut Scanned,
    sections: &mut HashMap<Hash, Arc<Section>>,
    offset: usize,
    record: Record<'_>,
    open: bool,
) -> bool {
    match record.kind {
        Kind::Section => {
            if let Ok(section) = Section::decode(record.payload) {
                sections.insert(section.hash(), Arc::new(section));
            }
            false
        }
        Kind::Dictionary => {
            let parts = record
                .payload
                .chunks(32)
                .map(|hash| sections.get(&Hash::from_slice(hash)?).cloned());
            if let Some(parts) = parts.collect::<Option<Vec<_>>>() {
                scanned.dictionaries.push(Dictionary::new(parts));
            }
            false
        }
        Kind::KeyTick => {
            let Some((time, hash, _)) = split_key(record.payload) else {
                return false;
            };
            let known = scanned.dictionaries.iter().any(|dictionary| dictionary.hash() == hash);
            let later = scanned.runs.last().is_none_or(|run| run.last < record.seq);
            if known && later {
                scanned
                    .runs
                    .push(Run::begin(record.seq, time, hash, offset as u64, record.len() as u64));
            }
            known && later
        }
        Kind::DeltaTick => {
            let (Some((time, _)), Some(run)) = (split_delta(record.payload), scanned.runs.last_mut()) else {
                return false;
            };
            let joins = open && run.last.checked_add(1) == Some(record.seq);
            if joins {
                run.extend(time, record.len() as u64);
            }
            joins
        }
        Kind::Event => open,
    }
}

/// Time, dictionary and encoded tick of a key tick's payload.
fn split_key(payload: &[u8]) -> Option<(Timestamp, Hash, &[u8])> {
    let (time, rest) = split_delta(payload)?;
    let (hash, encoded) = rest.split_at_checked(32)?;
    Some((time, Hash::from_slice(hash)?, encoded))
}

/// Time and encoded tick of a delta tick's payload.
fn split_delta(payload: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (time, encoded) = payload.split_at_checked(8)?;
    Some((
        Timestamp::from_millis(i64::from_le_bytes(time.try_into().ok()?)),
        encoded,
    ))
}

/// Reads the ticks of one run back from disk, as far as they are good.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn read_run(path: &Path, run: &Run) -> io::Result<Vec<StoredTick>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(run.offset))?;
    let mut bytes = vec![0; usize::try_from(run.bytes).unwrap_or(0)];
    file.read_exact(&mut bytes)?;
    let mut ticks = Vec::new();
    for (found, seq) in Walk::new(&bytes, 0).zip(run.first..=run.last) {
        let Found::Record(_, record) = found else {
            break;
        };
        let parts = match record.kind {
            Kind::KeyTick => split_key(record.payload).map(|(time, _, encoded)| (time, encoded)),
            Kind::DeltaTick => split_delta(record.payload),
            Kind::Section | Kind::Dictionary | Kind::Event => None,
        };
        match parts {
            Some((time, encoded)) if record.seq == seq => {
                ticks.push(StoredTick {
                    seq,
                    time,
                    payload: encoded.to_vec(),
                });
            }
            _ => break,
        }
    }
    Ok(ticks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::timed;

    #[test]
    fn any_bytes_are_a_segment_or_damage() {
        let header = record::header(SpoolId::from_bytes([1; 16]));
        bolero::check!().for_each(timed(|bytes: &[u8]| {
            let mut segment = header.to_vec();
            segment.extend_from_slice(bytes);
            let scanned = scan(&segment).unwrap();
            assert!(scanned.runs.windows(2).all(|pair| pair[0].last < pair[1].first));
        }));
    }
}
