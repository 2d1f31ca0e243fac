//! Blocks of format 1, which older versions wrote and this one only reads: each column packed for itself. The bytes are
//! drawn in `FORMAT.md`.

use super::column::Numbers;
use crate::{
    bytes::{Reader, unzigzag},
    config::SERIES_PER_HOST_MAX,
};
use tocsin_vocabulary::batch::Cell;

const PACKED: u8 = 1;
const MIXED: u8 = 2;
const DELTA_OF_DELTA: u8 = 4;
const CONSTANT: u8 = 8;
const KNOWN: u8 = PACKED | MIXED | DELTA_OF_DELTA | CONSTANT;

/// Length and checksum of one column, and where it begins in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) start: u64,
    pub(crate) bytes: u32,
    pub(crate) crc: u32,
}

/// The columns of a body of `body_bytes`: times, then one for each series.
pub(crate) fn columns(directory: &[u8], body_bytes: u32) -> Option<Vec<Column>> {
    let mut reader = Reader::new(directory);
    let count = reader.count().filter(|count| *count <= SERIES_PER_HOST_MAX + 1)?;
    let mut columns = Vec::with_capacity(count.min(reader.remaining()));
    let mut start = 0_u64;
    for _ in 0..count {
        let bytes = u32::try_from(reader.varint()?).ok()?;
        let crc = reader.u32()?;
        columns.push(Column { start, bytes, crc });
        start += u64::from(bytes);
    }
    (start == u64::from(body_bytes) && reader.is_empty()).then_some(columns)
}

/// Decodes a column of `count` cells.
pub(crate) fn decode(bytes: &[u8], count: usize) -> Option<Numbers> {
    let (flags, plain) = unpack(bytes, count)?;
    let mut reader = Reader::new(&plain);
    if flags & MIXED == 0 {
        let numbers = decode_numbers(&mut reader, flags, count)?;
        return reader.is_empty().then_some(Numbers::Each(numbers));
    }
    let tags = reader.take(count.div_ceil(4))?;
    let tag = |index: usize| tags[index / 4] >> (index % 4 * 2) & 3;
    let scaled = (0..count).filter(|&index| tag(index) == 1).count();
    let mut numbers = decode_numbers(&mut reader, flags, scaled)?.into_iter();
    let cell = |index| match tag(index) {
        0 => Some(Cell::Absent),
        1 => numbers.next().map(Cell::Scaled),
        2 => reader.u64().map(|bits| Cell::Raw(f64::from_bits(bits))),
        _ => None,
    };
    let cells = (0..count).map(cell).collect::<Option<_>>()?;
    reader.is_empty().then_some(Numbers::Mixed(cells))
}

fn decode_numbers(reader: &mut Reader<'_>, flags: u8, count: usize) -> Option<Vec<i64>> {
    if count == 0 {
        return Some(Vec::new());
    }
    if flags & CONSTANT != 0 {
        return Some(vec![unzigzag(reader.varint()?); count]);
    }
    let mut values = Vec::with_capacity(count.min(reader.remaining()));
    let (mut last, mut step) = (0_i64, 0_i64);
    for index in 0..count {
        let delta = unzigzag(reader.varint()?).wrapping_add(step);
        last = last.wrapping_add(delta);
        values.push(last);
        if flags & DELTA_OF_DELTA != 0 && index > 0 {
            step = delta;
        }
    }
    Some(values)
}

fn unpack(bytes: &[u8], count: usize) -> Option<(u8, Vec<u8>)> {
    let (&flags, body) = bytes.split_first()?;
    if flags & !KNOWN != 0 {
        return None;
    }
    if flags & PACKED == 0 {
        return Some((flags, body.to_vec()));
    }
    // A tag, ten bytes of varint and eight of raw value each: nothing honest is longer.
    let most = count.checked_mul(19)?.checked_add(16)?;
    Some((flags, super::pack::unpack(body, most)?))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        blocks::{column::tests::bits, format::tests::start_of_header},
        bytes::{length_u32, put_varint, zigzag},
    };
    use tocsin_vocabulary::HostId;

    /// A block as format 1 had it, of two constant columns and one that counts, 3 ticks.
    pub(crate) fn block(host: HostId, hour: i64, generation: u32, offset: u64) -> Vec<u8> {
        let numbers = |flags: u8, values: &[i64]| {
            let mut bytes = vec![flags];
            values.iter().for_each(|value| put_varint(&mut bytes, zigzag(*value)));
            bytes
        };
        let mut mixed = vec![MIXED, 0b10_00_01];
        put_varint(&mut mixed, zigzag(-7));
        mixed.extend_from_slice(&f64::NAN.to_bits().to_le_bytes());
        let mut packed = vec![PACKED | DELTA_OF_DELTA];
        packed.extend(zstd::bulk::compress(&numbers(0, &[100, 5, 1])[1..], 3).unwrap());
        let columns = [numbers(0, &[hour, 10, 10]), numbers(CONSTANT, &[9]), mixed, packed];
        let mut header = start_of_header(host, hour, generation, offset, 3);
        put_varint(&mut header, columns.len() as u64);
        for column in &columns {
            put_varint(&mut header, column.len() as u64);
            header.extend_from_slice(&crc32c::crc32c(column).to_le_bytes());
        }
        let mut out = b"TBK1".to_vec();
        out.extend_from_slice(&length_u32(header.len()).to_le_bytes());
        out.extend_from_slice(&length_u32(columns.concat().len()).to_le_bytes());
        out.extend_from_slice(&crc32c::crc32c_append(crc32c::crc32c(&out), &header).to_le_bytes());
        out.extend_from_slice(&header);
        out.extend_from_slice(&columns.concat());
        out
    }

    /// What [`block`] holds.
    pub(crate) fn cells(series: usize) -> Vec<Cell> {
        match series {
            0 => vec![Cell::Scaled(9); 3],
            1 => vec![Cell::Scaled(-7), Cell::Absent, Cell::Raw(f64::NAN)],
            _ => vec![Cell::Scaled(100), Cell::Scaled(105), Cell::Scaled(111)],
        }
    }

    #[test]
    fn blocks_of_format_1_are_read() {
        let day = crate::blocks::tests::day_file();
        day.append(&block(HostId::from_bytes([4; 16]), 0, 1, 0)).unwrap();
        let open = crate::blocks::tests::place(&day, 0).open().unwrap();
        assert!(open.is_whole());
        assert_eq!((open.header.generation, open.header.ticks), (1, 3));
        assert_eq!(open.times().unwrap(), [0, 10, 20]);
        for series in 0..3 {
            assert_eq!(bits(&open.cells(series).unwrap()), bits(&cells(series)));
        }
        assert!(open.cells(3).is_err());
    }

    #[test]
    fn any_bytes_are_a_first_column_or_none() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let _ = decode(bytes, 300);
            let _ = columns(bytes, 100);
        });
    }
}
