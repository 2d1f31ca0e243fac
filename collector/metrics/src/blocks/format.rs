//! The bytes of a block: prefix, header, columns. Drawn in `FORMAT.md`.

use super::{Columns, column};
use crate::{
    bytes::{Reader, length_u32, put_varint},
    config::{SERIES_PER_HOST_MAX, TICKS_PER_HOUR_MAX},
    intervals::Intervals,
};
use tocsin_vocabulary::{Hash, HostId, SpoolId, Timestamp};

/// First bytes of every block; the last one is the version.
pub(crate) const MAGIC: [u8; 4] = *b"TBK1";
/// Bytes before the header.
pub(crate) const PREFIX_BYTES: usize = 16;
/// Longest header: all columns and many intervals.
const HEADER_BYTES_MAX: u32 = 4 << 20;

/// Lengths and checksum that come first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prefix {
    pub(crate) header_bytes: u32,
    pub(crate) body_bytes: u32,
    crc: u32,
}

impl Prefix {
    pub(crate) fn decode(bytes: &[u8; PREFIX_BYTES]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.take(4)? != MAGIC {
            return None;
        }
        let prefix = Self {
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

/// Length and checksum of one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) bytes: u32,
    pub(crate) crc: u32,
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
    /// The time column, then one for each series.
    pub(crate) columns: Vec<Column>,
}

impl BlockHeader {
    fn encode(&self, offset: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(128 + self.columns.len() * 7);
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
        put_varint(&mut out, self.columns.len() as u64);
        for column in &self.columns {
            put_varint(&mut out, u64::from(column.bytes));
            out.extend_from_slice(&column.crc.to_le_bytes());
        }
        out
    }

    /// Reads a header that lies at `offset`; `None` when it is damaged or lies elsewhere.
    pub(crate) fn decode(prefix: &Prefix, start: &[u8; PREFIX_BYTES], bytes: &[u8], offset: u64) -> Option<Self> {
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
        let count = reader.count().filter(|count| *count <= SERIES_PER_HOST_MAX + 1)?;
        let mut columns = Vec::with_capacity(count.min(reader.remaining()));
        let mut total = 0_u64;
        for _ in 0..count {
            let bytes = u32::try_from(reader.varint()?).ok()?;
            total += u64::from(bytes);
            columns.push(Column {
                bytes,
                crc: reader.u32()?,
            });
        }
        let fits = total == u64::from(prefix.body_bytes) && reader.is_empty();
        fits.then_some(Self {
            host,
            hour,
            generation,
            dictionary,
            ticks,
            first,
            last,
            seqs,
            columns,
        })
    }
}

/// How much work is put into making a block small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Little: each column lies plain, quick to write and to read alone. For blocks that live for an hour.
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
    let mut body = Vec::new();
    let mut places = Vec::with_capacity(columns.cells.len() + 1);
    let mut add = |bytes: Vec<u8>| {
        places.push(Column {
            bytes: length_u32(bytes.len()),
            crc: crc32c::crc32c(&bytes),
        });
        body.extend_from_slice(&bytes);
    };
    add(column::encode_integers(&columns.times, effort));
    for cells in &columns.cells {
        add(column::encode(cells, effort));
    }
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
        columns: places,
    };
    join(&header.encode(offset), &body)
}

fn join(header: &[u8], body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(PREFIX_BYTES + header.len() + body.len());
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&length_u32(header.len()).to_le_bytes());
    out.extend_from_slice(&length_u32(body.len()).to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&out), header);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(header);
    out.extend_from_slice(body);
    out
}

#[cfg(test)]
mod tests {
    use super::{super::*, *};
    use crate::{blocks::column::tests::any_cell, disk::FaultDisk};
    use proptest::prelude::*;
    use tocsin_vocabulary::{Dictionary, Kind, Section, Series, batch::Cell};

    fn dictionary(series: usize) -> Dictionary {
        let one = |index| Series {
            name: format!("m{index}"),
            attributes: Vec::new(),
            kind: Kind::Gauge,
            unit: "1".into(),
            decimals: 0,
        };
        Dictionary::new(vec![Arc::new(Section::new((0..series).map(one).collect()))])
    }

    fn columns(rows: &[Vec<Cell>]) -> Columns {
        let width = rows.first().map_or(0, Vec::len);
        let mut seqs = Intervals::default();
        seqs.insert_range(1, rows.len() as u64);
        Columns {
            dictionary: dictionary(width),
            times: (0..rows.len())
                .map(|tick| 1_000 * i64::try_from(tick).unwrap())
                .collect(),
            cells: (0..width)
                .map(|column| rows.iter().map(|row| row[column]).collect())
                .collect(),
            seqs: vec![(SpoolId::from_bytes([3; 16]), seqs)],
        }
    }

    fn place(rows: &[Vec<Cell>]) -> (Arc<DayFile>, BlockRef) {
        let day = open_day(&FaultDisk::new(), 0, "/a.blk".into()).unwrap();
        day.append(b"some bytes before").unwrap();
        let offset = day.end();
        let block = encode(HostId::from_bytes([1; 16]), 0, 2, &columns(rows), Effort::Full, offset);
        day.append(&block).unwrap();
        (
            day.clone(),
            BlockRef {
                file: day,
                offset,
                hour: 0,
                generation: 2,
            },
        )
    }

    proptest! {
        #[test]
        fn blocks_read_back(rows in (1_usize..6).prop_flat_map(|width| prop::collection::vec(prop::collection::vec(any_cell(), width), 1..40))) {
            let (_, place) = place(&rows);
            let block = place.open().unwrap();
            prop_assert!(block.is_whole());
            prop_assert_eq!(block.times().unwrap().len(), rows.len());
            prop_assert_eq!(block.header.seqs[0].1.ranges(), &[(1, rows.len() as u64)]);
            for column in 0..rows[0].len() {
                let expected: Vec<Cell> = rows.iter().map(|row| row[column]).collect();
                prop_assert_eq!(format!("{:?}", block.cells(column).unwrap()), format!("{expected:?}"));
            }
        }
    }

    #[test]
    fn a_flipped_byte_costs_one_column_or_the_block_and_is_noticed() {
        let rows = vec![
            vec![Cell::Scaled(1), Cell::Scaled(7)],
            vec![Cell::Scaled(5), Cell::Scaled(9)],
        ];
        let (day, place) = place(&rows);
        let mut whole = vec![0; length_usize(day.end())];
        day.file.read_at(0, &mut whole).unwrap();
        let start = length_usize(place.offset);
        for at in start..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x40;
            day.undo(0).unwrap();
            day.append(&bytes).unwrap();
            let unharmed = place.open().is_ok_and(|block| block.is_whole());
            assert!(!unharmed, "byte {at}");
            if let Ok(block) = place.open() {
                let damaged =
                    (0..2).filter(|series| block.cells(*series).is_err()).count() + usize::from(block.times().is_err());
                assert_eq!(damaged, 1, "byte {at}");
            }
        }
    }

    #[test]
    fn any_bytes_are_a_header_or_none() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let Some((start, rest)) = bytes.split_first_chunk::<PREFIX_BYTES>() else {
                return;
            };
            let mut prefix = Prefix {
                header_bytes: length_u32(rest.len()),
                body_bytes: 0,
                crc: 0,
            };
            prefix.crc = crc32c::crc32c_append(crc32c::crc32c(&start[..12]), rest);
            let _ = BlockHeader::decode(&prefix, start, rest, 0);
            let _ = Prefix::decode(start);
        });
    }
}
