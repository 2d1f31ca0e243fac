//! How records lie in a segment, byte by byte, and how they are found again after damage.
//!
//! ```text
//! segment = header, records            record = length, checksum, kind, seq, payload
//! ┌─────────────────┬──────┐           ┌────────┬────────┬──────┬────────┬─────────┐
//! │ magic, version  │   8  │           │ length │ crc32c │ kind │ seq    │ payload │
//! │ spool id        │  16  │           │ u32    │ u32    │ u8   │ u64    │ n bytes │
//! │ crc32c of both  │   4  │           └────────┴────────┴──────┴────────┴─────────┘
//! └─────────────────┴──────┘           length = 9 + n; crc32c over kind, seq and payload
//! ```
//! All numbers are little-endian. Payloads: *key tick* = time i64 ms, dictionary hash (32), encoded tick; *delta tick*
//! = time i64 ms, encoded tick; *section* = canonical bytes; *dictionary* = section hashes (32 each) in order;
//! *event* = JSON. Sections and dictionary precede, in the same segment, the first tick that uses them, so that every
//! segment stands alone.

use tocsin_vocabulary::SpoolId;

/// Bytes of a segment's header.
pub(crate) const HEADER_BYTES: usize = 28;
/// Bytes of a record before its payload.
pub(crate) const RECORD_HEAD_BYTES: usize = 17;
/// Largest payload; a length above it is damage.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 4 * 1024 * 1024;

const MAGIC: &[u8; 8] = b"tocspl\0\x01";
/// How many bytes may be checksummed in vain while looking for the next good record of one segment; it bounds the
/// time that a hostile file can take.
const SEARCH_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    KeyTick = 1,
    DeltaTick = 2,
    Section = 3,
    Dictionary = 4,
    Event = 5,
}

impl Kind {
    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::KeyTick),
            2 => Some(Self::DeltaTick),
            3 => Some(Self::Section),
            4 => Some(Self::Dictionary),
            5 => Some(Self::Event),
            _ => None,
        }
    }
}

/// One record whose checksum held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) kind: Kind,
    pub(crate) seq: u64,
    pub(crate) payload: &'a [u8],
}

impl Record<'_> {
    /// Bytes that it takes in the segment.
    pub(crate) const fn len(&self) -> usize {
        RECORD_HEAD_BYTES + self.payload.len()
    }
}

/// What lies at some place of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// A good record that begins at this offset.
    Record(usize, Record<'a>),
    /// Bytes that are no record, from, to (exclusive).
    Damage(usize, usize),
}

/// The header of a new segment.
pub(crate) fn header(id: SpoolId) -> [u8; HEADER_BYTES] {
    let mut out = [0; HEADER_BYTES];
    out[..8].copy_from_slice(MAGIC);
    out[8..24].copy_from_slice(id.as_bytes());
    let checksum = crc32c::crc32c(&out[..24]);
    out[24..].copy_from_slice(&checksum.to_le_bytes());
    out
}

/// Whose segment this is; `None` when the header is damaged or of another version.
pub(crate) fn read_header(bytes: &[u8]) -> Option<SpoolId> {
    let (covered, rest) = bytes.split_at_checked(24)?;
    let checksum = u32::from_le_bytes(rest.get(..4)?.try_into().ok()?);
    if !covered.starts_with(MAGIC) || crc32c::crc32c(covered) != checksum {
        return None;
    }
    Some(SpoolId::from_bytes(covered.get(8..24)?.try_into().ok()?))
}

/// Appends one record; `parts` are joined to the payload.
pub(crate) fn put(out: &mut Vec<u8>, kind: Kind, seq: u64, parts: &[&[u8]]) {
    let start = out.len();
    out.extend_from_slice(&[0; 8]);
    out.push(kind as u8);
    out.extend_from_slice(&seq.to_le_bytes());
    for part in parts {
        out.extend_from_slice(part);
    }
    let covered = &out[start + 8..];
    let length = u32::try_from(covered.len()).unwrap_or(u32::MAX);
    let checksum = crc32c::crc32c(covered);
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    out[start + 4..start + 8].copy_from_slice(&checksum.to_le_bytes());
}

/// Walks through records from an offset on, over damage too.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    search_left: usize,
}

impl<'a> Walk<'a> {
    pub(crate) const fn new(bytes: &'a [u8], at: usize) -> Self {
        Self {
            bytes,
            at,
            search_left: SEARCH_BYTES_MAX,
        }
    }

    /// The record at `at`, and how many bytes were checksummed to know.
    fn record_at(&self, at: usize) -> (Option<Record<'a>>, usize) {
        let Some((length, checksum, covered)) = self.framed_at(at) else {
            return (None, 0);
        };
        let Some((kind, seq, payload)) = split(covered) else {
            return (None, 0);
        };
        let good = crc32c::crc32c(covered) == checksum;
        (good.then_some(Record { kind, seq, payload }), length)
    }

    fn framed_at(&self, at: usize) -> Option<(usize, u32, &'a [u8])> {
        let rest = self.bytes.get(at..)?;
        let length = usize::try_from(u32::from_le_bytes(rest.get(..4)?.try_into().ok()?)).ok()?;
        let checksum = u32::from_le_bytes(rest.get(4..8)?.try_into().ok()?);
        if !(9..=PAYLOAD_BYTES_MAX + 9).contains(&length) {
            return None;
        }
        Some((length, checksum, rest.get(8..8 + length)?))
    }
}

fn split(covered: &[u8]) -> Option<(Kind, u64, &[u8])> {
    let kind = Kind::from_byte(*covered.first()?)?;
    let seq = u64::from_le_bytes(covered.get(1..9)?.try_into().ok()?);
    Some((kind, seq, covered.get(9..)?))
}

impl<'a> Iterator for Walk<'a> {
    type Item = Found<'a>;

    fn next(&mut self) -> Option<Found<'a>> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let start = self.at;
        while self.at < self.bytes.len() {
            let (record, cost) = self.record_at(self.at);
            match record {
                Some(_) if self.at > start => return Some(Found::Damage(start, self.at)),
                Some(record) => {
                    self.at += record.len();
                    return Some(Found::Record(start, record));
                }
                None => {}
            }
            match self.search_left.checked_sub(cost) {
                Some(left) => self.search_left = left,
                None => break,
            }
            self.at += 1;
        }
        self.at = self.bytes.len();
        Some(Found::Damage(start, self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::timed;
    use proptest::prelude::*;

    fn segment(payloads: &[Vec<u8>]) -> Vec<u8> {
        let mut out = Vec::new();
        for (seq, payload) in payloads.iter().enumerate() {
            put(&mut out, Kind::DeltaTick, seq as u64, &[payload]);
        }
        out
    }

    proptest! {
        #[test]
        fn damage_takes_the_records_it_touches_and_no_other(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..12),
            place: prop::sample::Index,
            flip in 1_u8..,
        ) {
            let good = segment(&payloads);
            let mut bad = good;
            let at = place.index(bad.len());
            bad[at] ^= flip;
            let mut start = 0;
            let hit = payloads.iter().position(|payload| {
                start += RECORD_HEAD_BYTES + payload.len();
                at < start
            });
            let seqs: Vec<u64> = Walk::new(&bad, 0)
                .filter_map(|found| match found {
                    Found::Record(_, record) => Some(record.seq),
                    Found::Damage(..) => None,
                })
                .collect();
            let expected: Vec<u64> = (0..payloads.len()).filter(|i| Some(*i) != hit).map(|i| i as u64).collect();
            prop_assert_eq!(seqs, expected);
        }
    }

    #[test]
    fn any_bytes_are_walked_to_their_end_without_overlap() {
        bolero::check!().for_each(timed(|bytes: &[u8]| {
            let mut at = 0;
            for found in Walk::new(bytes, 0) {
                let (from, to) = match found {
                    Found::Record(from, record) => (from, from + record.len()),
                    Found::Damage(from, to) => (from, to),
                };
                assert_eq!(from, at);
                assert!(to > from);
                at = to;
            }
            assert_eq!(at, bytes.len());
        }));
    }

    #[test]
    fn a_header_says_whose_segment_it_is_and_damage_says_nobodys() {
        let id = SpoolId::from_bytes([7; 16]);
        let mut bytes = header(id);
        assert_eq!(read_header(&bytes), Some(id));
        bytes[9] ^= 1;
        assert_eq!(read_header(&bytes), None);
        assert_eq!(read_header(&bytes[..10]), None);
    }
}
