//! The bytes of a block: prefix, header with directory, body. Drawn in `FORMAT.md`.

use super::{Columns, directory};
use crate::{
    bytes::{Reader, length_u32, put_varint},
    config::TICKS_PER_HOUR_MAX,
    intervals::Intervals,
};
use tocsin_vocabulary::{Hash, HostId, SpoolId, Timestamp};

/// First bytes of every block, before the one of its [`Version`].
pub(crate) const MAGIC: [u8; 3] = *b"TBK";
/// Bytes before the header.
pub(crate) const PREFIX_BYTES: usize = 16;
/// Longest header: all columns and many intervals.
const HEADER_BYTES_MAX: u32 = 4 << 20;

/// How a block is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// Each column packed for itself. Only read.
    First,
    /// Columns packed in groups.
    Second,
}

impl Version {
    /// Of the byte after the [`MAGIC`].
    pub(crate) const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            b'1' => Some(Self::First),
            b'2' => Some(Self::Second),
            _ => None,
        }
    }
}

/// Lengths and checksum that come first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prefix {
    pub(crate) version: Version,
    pub(crate) header_bytes: u32,
    pub(crate) body_bytes: u32,
    crc: u32,
}

impl Prefix {
    pub(crate) fn decode(bytes: &[u8; PREFIX_BYTES]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.take(3)? != MAGIC {
            return None;
        }
        let prefix = Self {
            version: Version::from_byte(reader.byte()?)?,
            header_bytes: reader.u32()?,
            body_bytes: reader.u32()?,
            crc: reader.u32()?,
        };
        (prefix.header_bytes <= HEADER_BYTES_MAX).then_some(prefix)
    }

    /// Bytes of the whole block.
    pub(crate) const fn total_bytes(&self) -> u64 {
        PREFIX_BYTES as u64 + self.header_bytes as u64 + self.body_bytes as u64
    }
}

/// What a block says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BlockHeader {
    pub(crate) host: HostId,
    pub(crate) hour: i64,
    pub(crate) generation: u32,
    pub(crate) dictionary: Hash,
    pub(crate) ticks: usize,
    pub(crate) first: Timestamp,
    pub(crate) last: Timestamp,
    /// Which ticks it holds.
    pub(crate) seqs: Vec<(SpoolId, Intervals)>,
    /// Generations of the same host and hour whose ticks are all in this one: they no longer count. Ascending.
    pub(crate) replaces: Vec<u32>,
}

impl BlockHeader {
    fn encode(&self, offset: u64, directory: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(160 + directory.len());
        out.extend_from_slice(&offset.to_le_bytes());
        out.extend_from_slice(self.host.as_bytes());
        out.extend_from_slice(&self.hour.to_le_bytes());
        out.extend_from_slice(&self.generation.to_le_bytes());
        out.extend_from_slice(self.dictionary.as_bytes());
        out.extend_from_slice(&length_u32(self.ticks).to_le_bytes());
        out.extend_from_slice(&self.first.as_millis().to_le_bytes());
        out.extend_from_slice(&self.last.as_millis().to_le_bytes());
        put_varint(&mut out, self.seqs.len() as u64);
        for (spool, intervals) in &self.seqs {
            out.extend_from_slice(spool.as_bytes());
            intervals.encode(&mut out);
        }
        put_varint(&mut out, self.replaces.len() as u64);
        for generation in &self.replaces {
            put_varint(&mut out, u64::from(*generation));
        }
        out.extend_from_slice(directory);
        out
    }

    /// Reads a header that lies at `offset`, and the bytes of its directory; `None` when it is damaged or lies elsewhere.
    pub(crate) fn decode<'a>(
        prefix: &Prefix,
        start: &[u8; PREFIX_BYTES],
        bytes: &'a [u8],
        offset: u64,
    ) -> Option<(Self, &'a [u8])> {
        if crc32c::crc32c_append(crc32c::crc32c(&start[..12]), bytes) != prefix.crc {
            return None;
        }
        let mut reader = Reader::new(bytes);
        if reader.u64()? != offset {
            return None;
        }
        let host = HostId::from_bytes(reader.array()?);
        let hour = reader.i64()?;
        let generation = reader.u32()?;
        let dictionary = Hash::from_slice(reader.take(32)?)?;
        let ticks = usize::try_from(reader.u32()?)
            .ok()
            .filter(|ticks| *ticks <= TICKS_PER_HOUR_MAX)?;
        let (first, last) = (
            Timestamp::from_millis(reader.i64()?),
            Timestamp::from_millis(reader.i64()?),
        );
        let mut seqs = Vec::new();
        for _ in 0..reader.count()? {
            let spool = SpoolId::from_bytes(reader.array()?);
            seqs.push((spool, Intervals::decode(&mut reader)?));
        }
        let mut replaces = Vec::new();
        if prefix.version == Version::Second {
            for _ in 0..reader.count()? {
                replaces.push(u32::try_from(reader.varint()?).ok()?);
            }
        }
        let header = Self {
            host,
            hour,
            generation,
            dictionary,
            ticks,
            first,
            last,
            seqs,
            replaces,
        };
        Some((header, reader.rest()))
    }
}

/// How much work is put into making a block small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Little: columns lie plain in small groups, quick to write and to read alone. For blocks that live for an hour.
    Light,
    /// All that pays. For blocks that stay.
    Full,
}

/// Encodes the block of these columns as it will lie at `offset`.
pub(crate) fn encode(
    host: HostId,
    hour: i64,
    generation: u32,
    columns: &Columns,
    effort: Effort,
    offset: u64,
) -> Vec<u8> {
    encode_replacing(host, hour, (generation, &[]), columns, effort, offset)
}

/// As [`encode`], but the block takes the place of the generations `replaces`.
pub(crate) fn encode_replacing(
    host: HostId,
    hour: i64,
    (generation, replaces): (u32, &[u32]),
    columns: &Columns,
    effort: Effort,
    offset: u64,
) -> Vec<u8> {
    let (directory, body) = directory::encode(&columns.times, &columns.cells, effort);
    let edge = |time: Option<&i64>| Timestamp::from_millis(time.copied().unwrap_or(hour));
    let header = BlockHeader {
        host,
        hour,
        generation,
        dictionary: columns.dictionary.hash(),
        ticks: columns.times.len(),
        first: edge(columns.times.first()),
        last: edge(columns.times.last()),
        seqs: columns.seqs.clone(),
        replaces: replaces.to_vec(),
    };
    join(&header.encode(offset, &directory), &body)
}

fn join(header: &[u8], body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(PREFIX_BYTES + header.len() + body.len());
    out.extend_from_slice(&MAGIC);
    out.push(b'2');
    out.extend_from_slice(&length_u32(header.len()).to_le_bytes());
    out.extend_from_slice(&length_u32(body.len()).to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&out), header);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(header);
    out.extend_from_slice(body);
    out
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{
        super::{
            column::tests::{any_cells, bits},
            tests::{columns, day_file, place},
        },
        *,
    };
    use crate::{bytes::length_usize, disk::read_all};
    use proptest::prelude::*;
    use tocsin_vocabulary::batch::Cell;

    /// What the headers of both formats begin with: everything before the directory of format 1.
    pub(crate) fn start_of_header(host: HostId, hour: i64, generation: u32, offset: u64, ticks: usize) -> Vec<u8> {
        let mut intervals = Intervals::default();
        intervals.insert_range(1, ticks as u64);
        let header = BlockHeader {
            host,
            hour,
            generation,
            dictionary: columns(&[]).dictionary.hash(),
            ticks,
            first: Timestamp::from_millis(hour),
            last: Timestamp::from_millis(hour + 20),
            seqs: vec![(SpoolId::from_bytes([3; 16]), intervals)],
            replaces: Vec::new(),
        };
        let mut bytes = header.encode(offset, &[]);
        // No generations replaced: format 1 does not know of that.
        bytes.pop();
        bytes
    }

    fn write(day: &super::super::DayFile, series: &[Vec<Cell>], effort: Effort) -> u64 {
        let offset = day.end();
        let host = HostId::from_bytes([1; 16]);
        let block = encode_replacing(host, 0, (2, &[0, 1]), &columns(series), effort, offset);
        day.append(&block).unwrap();
        offset
    }

    fn any_series() -> impl Strategy<Value = Vec<Vec<Cell>>> {
        (1_usize..40).prop_flat_map(|ticks| prop::collection::vec(any_cells(ticks..ticks + 1), 1..60))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn blocks_read_back(series in any_series(), light: bool) {
            let day = day_file();
            day.append(b"some bytes before").unwrap();
            let offset = write(&day, &series, if light { Effort::Light } else { Effort::Full });
            let block = place(&day, offset).open().unwrap();
            prop_assert!(block.is_whole());
            prop_assert_eq!(block.times().unwrap().len(), series[0].len());
            prop_assert_eq!(block.header.seqs[0].1.ranges(), &[(1, series[0].len() as u64)]);
            prop_assert_eq!(&block.header.replaces, &[0, 1]);
            for (index, expected) in series.iter().enumerate().rev() {
                prop_assert_eq!(bits(&block.cells(index).unwrap()), bits(expected));
            }
            prop_assert!(block.cells(series.len()).is_err());
        }
    }

    #[test]
    fn a_flipped_byte_costs_one_group_or_the_block_and_is_noticed() {
        let series: Vec<Vec<Cell>> = (0..200)
            .map(|series| {
                (0..10)
                    .map(|tick| Cell::Scaled((tick + 3) * (series + 5) * 7_919 % 60_013))
                    .collect()
            })
            .collect();
        let day = day_file();
        day.append(b"before").unwrap();
        let offset = write(&day, &series, Effort::Light);
        let groups = place(&day, offset).open().unwrap().groups();
        assert!(groups > 3);
        let whole = read_all(day.file.as_ref()).unwrap();
        for at in length_usize(offset)..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x40;
            day.undo(0).unwrap();
            day.append(&bytes).unwrap();
            let Ok(block) = place(&day, offset).open() else {
                continue;
            };
            assert!(!block.is_whole(), "byte {at}");
            let damaged: Vec<usize> = (0..series.len())
                .filter(|series| block.cells(*series).is_err())
                .collect();
            assert!(
                !damaged.is_empty() && damaged.len() < 100,
                "byte {at}: {}",
                damaged.len()
            );
            assert_eq!(damaged.last().unwrap() - damaged[0] + 1, damaged.len(), "neighbours");
        }
    }

    #[test]
    fn any_bytes_are_a_header_or_none() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let Some((start, rest)) = bytes.split_first_chunk::<PREFIX_BYTES>() else {
                return;
            };
            for version in [Version::First, Version::Second] {
                let mut prefix = Prefix {
                    version,
                    header_bytes: length_u32(rest.len()),
                    body_bytes: 0,
                    crc: 0,
                };
                prefix.crc = crc32c::crc32c_append(crc32c::crc32c(&start[..12]), rest);
                let _ = BlockHeader::decode(&prefix, start, rest, 0);
            }
            let _ = Prefix::decode(start);
        });
    }
}
