//! One record: a header of 24 bytes and a body. The bytes are drawn in `FORMAT.md`.

use crate::{
    bytes::{Reader, length_u32, put_varint},
    intervals::Intervals,
};
use tocsin_vocabulary::{Hash, HostId, SpoolId, Timestamp};

/// First bytes of every record; the last one is the version.
pub(crate) const MAGIC: [u8; 4] = *b"TJR1";
/// Bytes before the body.
pub(crate) const HEADER_BYTES: usize = 24;

/// What a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One live tick.
    Live,
    /// A chunk of backlog that decodes alone.
    Chunk,
    /// A dictionary's section.
    Section,
    /// A dictionary: its sections' hashes.
    Dictionary,
    /// Ticks that the agent lost.
    Gap,
    /// What was sealed of one spool when the segment began.
    Watermark,
}

impl Kind {
    const fn code(self) -> u8 {
        match self {
            Self::Live => 1,
            Self::Chunk => 2,
            Self::Section => 3,
            Self::Dictionary => 4,
            Self::Gap => 5,
            Self::Watermark => 6,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Live,
            2 => Self::Chunk,
            3 => Self::Section,
            4 => Self::Dictionary,
            5 => Self::Gap,
            6 => Self::Watermark,
            _ => return None,
        })
    }
}

/// Appends header and body as they lie at `offset` of `segment`.
pub(crate) fn frame(out: &mut Vec<u8>, kind: Kind, segment: u32, offset: u32, body: &[u8]) {
    let start = out.len();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[kind.code(), 0, 0, 0]);
    out.extend_from_slice(&length_u32(body.len()).to_le_bytes());
    out.extend_from_slice(&segment.to_le_bytes());
    out.extend_from_slice(&offset.to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&out[start..]), body);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(body);
}

/// The record at the start of `bytes`, when it is whole and lies where it says.
pub(crate) fn unframe(bytes: &[u8], segment: u32, offset: u32) -> Option<(Kind, &[u8])> {
    let mut reader = Reader::new(bytes);
    if reader.take(4)? != MAGIC {
        return None;
    }
    let kind = Kind::from_code(reader.byte()?)?;
    reader.take(3)?;
    let length = usize::try_from(reader.u32()?).ok()?;
    if length > crate::config::RECORD_BYTES_MAX || reader.u32()? != segment || reader.u32()? != offset {
        return None;
    }
    let crc = reader.u32()?;
    let body = reader.take(length)?;
    let found = crc32c::crc32c_append(crc32c::crc32c(&bytes[..HEADER_BYTES - 4]), body);
    (found == crc).then_some((kind, body))
}

/// One live tick, as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Live<'a> {
    pub(crate) host: HostId,
    pub(crate) spool: SpoolId,
    pub(crate) seq: u64,
    pub(crate) received_at: Timestamp,
    /// Position in its chain: 0 is a key-frame, *n* refers to *n* - 1.
    pub(crate) link: u32,
    pub(crate) payload: &'a [u8],
}

impl<'a> Live<'a> {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.payload.len() + 52);
        put_ids(&mut out, self.host, self.spool);
        out.extend_from_slice(&self.seq.to_le_bytes());
        out.extend_from_slice(&self.received_at.as_millis().to_le_bytes());
        out.extend_from_slice(&self.link.to_le_bytes());
        out.extend_from_slice(self.payload);
        out
    }

    pub(crate) fn decode(body: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        let (host, spool) = ids(&mut reader)?;
        let seq = reader.u64()?;
        let received_at = Timestamp::from_millis(reader.i64()?);
        Some(Self {
            host,
            spool,
            seq,
            received_at,
            link: reader.u32()?,
            payload: reader.rest(),
        })
    }
}

/// Consecutive ticks of the backlog, as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunk<'a> {
    pub(crate) host: HostId,
    pub(crate) spool: SpoolId,
    pub(crate) received_at: Timestamp,
    pub(crate) batches: Vec<(u64, &'a [u8])>,
}

impl<'a> Chunk<'a> {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_ids(&mut out, self.host, self.spool);
        out.extend_from_slice(&self.received_at.as_millis().to_le_bytes());
        put_varint(&mut out, self.batches.len() as u64);
        for (seq, payload) in &self.batches {
            put_varint(&mut out, *seq);
            put_varint(&mut out, payload.len() as u64);
            out.extend_from_slice(payload);
        }
        out
    }

    pub(crate) fn decode(body: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        let (host, spool) = ids(&mut reader)?;
        let received_at = Timestamp::from_millis(reader.i64()?);
        let mut batches = Vec::new();
        for _ in 0..reader.count()? {
            let seq = reader.varint()?;
            let length = reader.count()?;
            batches.push((seq, reader.take(length)?));
        }
        Some(Self {
            host,
            spool,
            received_at,
            batches,
        })
    }
}

/// Ticks that will never come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) host: HostId,
    pub(crate) spool: SpoolId,
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    pub(crate) reason: String,
}

impl Gap {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_ids(&mut out, self.host, self.spool);
        out.extend_from_slice(&self.first_seq.to_le_bytes());
        out.extend_from_slice(&self.last_seq.to_le_bytes());
        out.extend_from_slice(&self.from.as_millis().to_le_bytes());
        out.extend_from_slice(&self.to.as_millis().to_le_bytes());
        out.extend_from_slice(self.reason.as_bytes());
        out
    }

    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        let (host, spool) = ids(&mut reader)?;
        let (first_seq, last_seq) = (reader.u64()?, reader.u64()?);
        let from = Timestamp::from_millis(reader.i64()?);
        let to = Timestamp::from_millis(reader.i64()?);
        let reason = String::from_utf8_lossy(reader.rest()).into_owned();
        Some(Self {
            host,
            spool,
            first_seq,
            last_seq,
            from,
            to,
            reason,
        })
    }
}

/// What was sealed of one spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Watermark {
    pub(crate) host: HostId,
    pub(crate) spool: SpoolId,
    /// Whether it was the host's newest spool.
    pub(crate) current: bool,
    pub(crate) sealed: Intervals,
}

impl Watermark {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_ids(&mut out, self.host, self.spool);
        out.push(u8::from(self.current));
        self.sealed.encode(&mut out);
        out
    }

    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        let (host, spool) = ids(&mut reader)?;
        let current = reader.byte()? == 1;
        Some(Self {
            host,
            spool,
            current,
            sealed: Intervals::decode(&mut reader)?,
        })
    }
}

/// A dictionary's body: 32 bytes per section.
pub(crate) fn decode_hashes(body: &[u8]) -> Option<Vec<Hash>> {
    body.chunks(32).map(Hash::from_slice).collect()
}

fn put_ids(out: &mut Vec<u8>, host: HostId, spool: SpoolId) {
    out.extend_from_slice(host.as_bytes());
    out.extend_from_slice(spool.as_bytes());
}

fn ids(reader: &mut Reader<'_>) -> Option<(HostId, SpoolId)> {
    Some((
        HostId::from_bytes(reader.array()?),
        SpoolId::from_bytes(reader.array()?),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_read_back() {
        let (host, spool) = (HostId::from_bytes([1; 16]), SpoolId::from_bytes([2; 16]));
        let received_at = Timestamp::from_millis(5);
        let live = Live {
            host,
            spool,
            seq: 9,
            received_at,
            link: 3,
            payload: b"abc",
        };
        assert_eq!(Live::decode(&live.encode()), Some(live));
        let chunk = Chunk {
            host,
            spool,
            received_at,
            batches: vec![(1, b"x"), (2, b"yz")],
        };
        assert_eq!(Chunk::decode(&chunk.encode()), Some(chunk));
        let gap = Gap {
            host,
            spool,
            first_seq: 1,
            last_seq: 2,
            from: received_at,
            to: received_at,
            reason: "full".into(),
        };
        assert_eq!(Gap::decode(&gap.encode()), Some(gap));
        let mut sealed = Intervals::default();
        sealed.insert_range(4, 8);
        let watermark = Watermark {
            host,
            spool,
            current: true,
            sealed,
        };
        assert_eq!(Watermark::decode(&watermark.encode()), Some(watermark));
    }

    #[test]
    fn a_record_copied_elsewhere_is_not_a_record() {
        let mut bytes = Vec::new();
        frame(&mut bytes, Kind::Live, 1, 0, b"body");
        assert_eq!(unframe(&bytes, 1, 0), Some((Kind::Live, b"body".as_slice())));
        assert_eq!(unframe(&bytes, 2, 0), None);
        assert_eq!(unframe(&bytes, 1, 28), None);
    }
}
