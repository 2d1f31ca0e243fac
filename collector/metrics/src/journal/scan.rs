//! Reads a segment and steps over damage.
//!
//! Where a record should begin and none does, the scan looks for the next magic at which a whole record lies. A record
//! names its segment and offset, so bytes that an agent sent can't pose as one.

use super::record::{HEADER_BYTES, Kind, MAGIC, unframe};
use crate::bytes::length_u32;
use std::ops::Range;

/// What was not readable.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Damage {
    /// Byte ranges with a whole record behind them.
    pub(crate) ranges: Vec<Range<usize>>,
    /// Where an unreadable end begins: a torn write, or damage in the last record.
    pub(crate) tail: Option<usize>,
    /// Where all that was written ends. Behind it are only zeros, if anything: room that was made ahead.
    pub(crate) end: usize,
}

/// Calls `each` with every whole record and where it begins.
pub(crate) fn scan<'a>(bytes: &'a [u8], segment: u32, mut each: impl FnMut(Kind, usize, &'a [u8])) -> Damage {
    let mut damage = Damage::default();
    let mut at = 0;
    let mut bad_since = None;
    // A record begins with something else than zero, wherever it ends.
    let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    while at < written {
        if let Some((kind, body)) = unframe(&bytes[at..], segment, length_u32(at)) {
            if let Some(start) = bad_since.take() {
                damage.ranges.push(start..at);
            }
            each(kind, at, body);
            at += HEADER_BYTES + body.len();
        } else {
            bad_since.get_or_insert(at);
            at = next_magic(&bytes[..written], at + 1);
        }
    }
    damage.tail = bad_since;
    damage.end = at;
    damage
}

fn next_magic(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.windows(MAGIC.len())
        .position(|window| window == MAGIC)
        .map_or(bytes.len(), |found| from + found)
}

#[cfg(test)]
mod tests {
    use super::{super::record::frame, *};
    use proptest::prelude::*;

    fn journal(bodies: &[Vec<u8>]) -> (Vec<u8>, Vec<Range<usize>>) {
        let (mut bytes, mut places) = (Vec::new(), Vec::new());
        for body in bodies {
            let start = bytes.len();
            frame(&mut bytes, Kind::Live, 7, length_u32(start), body);
            places.push(start..bytes.len());
        }
        (bytes, places)
    }

    fn read(bytes: &[u8]) -> (Vec<Vec<u8>>, Damage) {
        let mut found = Vec::new();
        let damage = scan(bytes, 7, |_, _, body| found.push(body.to_vec()));
        (found, damage)
    }

    proptest! {
        #[test]
        fn damage_at_any_byte_costs_only_its_record(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..12),
            place in any::<prop::sample::Index>(),
            flip in 1_u8..,
        ) {
            let (mut bytes, places) = journal(&bodies);
            let place = place.index(bytes.len());
            bytes[place] ^= flip;
            let expected: Vec<_> = bodies.iter().zip(&places).filter(|(_, at)| !at.contains(&place)).map(|(b, _)| b.clone()).collect();
            let (found, damage) = read(&bytes);
            prop_assert_eq!(found, expected);
            prop_assert_eq!(damage.ranges.len() + usize::from(damage.tail.is_some()), 1);
        }

        #[test]
        fn truncation_anywhere_costs_only_the_end(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..12),
            place in any::<prop::sample::Index>(),
        ) {
            let (bytes, places) = journal(&bodies);
            let place = place.index(bytes.len());
            let (found, damage) = read(&bytes[..place]);
            let whole = places.iter().filter(|at| at.end <= place).count();
            prop_assert_eq!(found.as_slice(), &bodies[..whole]);
            prop_assert!(damage.ranges.is_empty());
            prop_assert_eq!(damage.tail.is_some(), !places.iter().any(|at| at.end == place) && place > 0);
        }
    }

    #[test]
    fn zeros_behind_the_last_record_are_room_and_nothing_else() {
        let (mut bytes, _) = journal(&[b"ends in a zero\0".to_vec()]);
        let end = bytes.len();
        bytes.resize(end + 5_000, 0);
        let (found, damage) = read(&bytes);
        assert_eq!((found.len(), damage.tail, damage.end), (1, None, end));
        bytes[end + 3_000] = 1;
        let (found, damage) = read(&bytes);
        assert_eq!((found.len(), damage.tail, damage.end), (1, Some(end), end + 3_001));
        bytes.truncate(end - 1);
        bytes.resize(end + 5_000, 0);
        assert_eq!(read(&bytes).0.len(), 1, "what was cut off was a zero");
        bytes[end - 2] = 0;
        assert_eq!(read(&bytes).1.tail, Some(0));
    }

    #[test]
    fn a_record_inside_a_damaged_record_is_not_believed() {
        let mut inner = Vec::new();
        frame(&mut inner, Kind::Gap, 7, 0, b"forged");
        let (mut bytes, _) = journal(&[inner, b"next".to_vec()]);
        bytes[0] ^= 1;
        assert_eq!(read(&bytes).0, vec![b"next".to_vec()]);
    }

    #[test]
    fn any_bytes_scan_to_an_end() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let damage = scan(bytes, 0, |_, _, _| ());
            assert!(damage.tail.is_none_or(|tail| tail <= bytes.len()));
        });
    }
}
