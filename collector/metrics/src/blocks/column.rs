//! One column of a block: integers as deltas, packed by zstd when that helps. The bytes are drawn in `FORMAT.md`.

use super::format::Effort;
use crate::bytes::{Reader, put_varint, unzigzag, zigzag};
use tocsin_vocabulary::batch::Cell;

const PACKED: u8 = 1;
const MIXED: u8 = 2;
const DELTA_OF_DELTA: u8 = 4;
const CONSTANT: u8 = 8;
const KNOWN: u8 = PACKED | MIXED | DELTA_OF_DELTA | CONSTANT;

const ABSENT: u8 = 0;
const SCALED: u8 = 1;
const RAW: u8 = 2;

/// zstd's own default: 3 costs a third of 9 for the last few percent.
const ZSTD_LEVEL: i32 = 3;

/// Encodes the cells of one series.
pub(crate) fn encode(cells: &[Cell], effort: Effort) -> Vec<u8> {
    let scaled: Vec<i64> = cells
        .iter()
        .filter_map(|cell| {
            if let Cell::Scaled(value) = cell {
                Some(*value)
            } else {
                None
            }
        })
        .collect();
    let (mut flags, numbers) = encode_numbers(&scaled);
    let mut plain = Vec::new();
    if scaled.len() < cells.len() {
        flags |= MIXED;
        put_tags(&mut plain, cells);
        plain.extend_from_slice(&numbers);
        for cell in cells {
            if let Cell::Raw(value) = cell {
                plain.extend_from_slice(&value.to_bits().to_le_bytes());
            }
        }
    } else {
        plain = numbers;
    }
    pack(flags, plain, effort)
}

/// Encodes plain integers, such as the time column.
pub(crate) fn encode_integers(values: &[i64], effort: Effort) -> Vec<u8> {
    let (flags, numbers) = encode_numbers(values);
    pack(flags, numbers, effort)
}

/// Decodes `count` cells; `None` when the bytes are not that.
pub(crate) fn decode(bytes: &[u8], count: usize) -> Option<Vec<Cell>> {
    let (flags, plain) = unpack(bytes, count)?;
    let mut reader = Reader::new(&plain);
    let tags = if flags & MIXED == 0 {
        vec![SCALED; count]
    } else {
        tags(&mut reader, count)?
    };
    let scaled = decode_numbers(&mut reader, flags, tags.iter().filter(|tag| **tag == SCALED).count())?;
    let mut scaled = scaled.into_iter();
    let cell = |tag: u8| match tag {
        ABSENT => Some(Cell::Absent),
        SCALED => scaled.next().map(Cell::Scaled),
        RAW => reader.u64().map(|bits| Cell::Raw(f64::from_bits(bits))),
        _ => None,
    };
    let cells = tags.into_iter().map(cell).collect::<Option<_>>()?;
    reader.is_empty().then_some(cells)
}

/// Decodes `count` plain integers.
pub(crate) fn decode_integers(bytes: &[u8], count: usize) -> Option<Vec<i64>> {
    let (flags, plain) = unpack(bytes, count)?;
    let mut reader = Reader::new(&plain);
    let values = (flags & MIXED == 0).then(|| decode_numbers(&mut reader, flags, count))??;
    reader.is_empty().then_some(values)
}

fn encode_numbers(values: &[i64]) -> (u8, Vec<u8>) {
    let Some((&first, rest)) = values.split_first() else {
        return (CONSTANT, Vec::new());
    };
    if rest.iter().all(|value| *value == first) {
        let mut out = Vec::new();
        put_varint(&mut out, zigzag(first));
        return (CONSTANT, out);
    }
    let (delta, double) = (deltas(values, false), deltas(values, true));
    if double.len() < delta.len() {
        (DELTA_OF_DELTA, double)
    } else {
        (0, delta)
    }
}

fn deltas(values: &[i64], double: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(values.len() * 2);
    let (mut last, mut step) = (0_i64, 0_i64);
    for (index, &value) in values.iter().enumerate() {
        let delta = value.wrapping_sub(last);
        put_varint(&mut out, zigzag(delta.wrapping_sub(step)));
        last = value;
        if double && index > 0 {
            step = delta;
        }
    }
    out
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

fn put_tags(out: &mut Vec<u8>, cells: &[Cell]) {
    for four in cells.chunks(4) {
        let mut byte = 0;
        for (index, cell) in four.iter().enumerate() {
            let tag = match cell {
                Cell::Absent => ABSENT,
                Cell::Scaled(_) => SCALED,
                Cell::Raw(_) => RAW,
            };
            byte |= tag << (index * 2);
        }
        out.push(byte);
    }
}

fn tags(reader: &mut Reader<'_>, count: usize) -> Option<Vec<u8>> {
    let bytes = reader.take(count.div_ceil(4))?;
    Some(
        (0..count)
            .map(|index| bytes[index / 4] >> (index % 4 * 2) & 3)
            .collect(),
    )
}

fn pack(flags: u8, plain: Vec<u8>, effort: Effort) -> Vec<u8> {
    let packed = (effort == Effort::Full)
        .then(|| zstd::bulk::compress(&plain, ZSTD_LEVEL).ok())
        .flatten()
        .filter(|packed| packed.len() < plain.len());
    let (flags, body) = packed.map_or((flags, plain), |packed| (flags | PACKED, packed));
    let mut out = Vec::with_capacity(body.len() + 1);
    out.push(flags);
    out.extend_from_slice(&body);
    out
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
    Some((flags, zstd::bulk::decompress(body, most).ok()?))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn any_cell() -> impl Strategy<Value = Cell> {
        prop_oneof![
            8 => (-1_000_i64..1_000).prop_map(Cell::Scaled),
            2 => any::<i64>().prop_map(Cell::Scaled),
            1 => Just(Cell::Absent),
            1 => any::<f64>().prop_map(Cell::Raw),
        ]
    }

    fn bits(cells: &[Cell]) -> Vec<(u8, u64)> {
        let one = |cell: &Cell| match cell {
            Cell::Absent => (0, 0),
            Cell::Scaled(value) => (1, value.cast_unsigned()),
            Cell::Raw(value) => (2, value.to_bits()),
        };
        cells.iter().map(one).collect()
    }

    proptest! {
        #[test]
        fn columns_read_back(cells in prop::collection::vec(any_cell(), 0..200)) {
            let decoded = decode(&encode(&cells, Effort::Full), cells.len()).unwrap();
            prop_assert_eq!(bits(&decoded), bits(&cells));
        }

        #[test]
        fn integers_read_back(values in prop::collection::vec(any::<i64>(), 0..50)) {
            prop_assert_eq!(decode_integers(&encode_integers(&values, Effort::Light), values.len()), Some(values));
        }
    }

    #[test]
    fn a_constant_and_an_even_clock_take_a_few_bytes() {
        assert!(encode(&[Cell::Scaled(42); 360], Effort::Full).len() <= 3);
        let times: Vec<i64> = (0..360).map(|tick| 1_763_780_640_000 + tick * 10_000).collect();
        assert!(encode_integers(&times, Effort::Full).len() < 40);
    }

    #[test]
    fn any_bytes_are_a_column_or_none() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let _ = decode(bytes, 300);
            let _ = decode_integers(bytes, 300);
        });
    }
}
