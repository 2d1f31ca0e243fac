//! A set of sequence numbers as sorted, disjoint, inclusive intervals: watermark and what lies beyond it.

use crate::bytes::{Reader, put_varint};

/// Sorted, disjoint, non-adjacent inclusive intervals of sequence numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Intervals {
    ranges: Vec<(u64, u64)>,
}

impl Intervals {
    /// The intervals, lowest first, both ends inclusive.
    #[must_use]
    pub(crate) fn ranges(&self) -> &[(u64, u64)] {
        &self.ranges
    }

    /// Whether nothing is in it.
    #[must_use]
    pub(crate) const fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether `seq` is in it.
    #[must_use]
    pub(crate) fn contains(&self, seq: u64) -> bool {
        let after = self.ranges.partition_point(|&(first, _)| first <= seq);
        after > 0 && self.ranges[after - 1].1 >= seq
    }

    /// Adds one number.
    pub(crate) fn insert(&mut self, seq: u64) {
        self.insert_range(seq, seq);
    }

    /// Adds `first..=last`; nothing when `last < first`.
    pub(crate) fn insert_range(&mut self, first: u64, last: u64) {
        if last < first {
            return;
        }
        let start = self.ranges.partition_point(|&(_, end)| end.saturating_add(1) < first);
        let end = self
            .ranges
            .partition_point(|&(begin, _)| begin <= last.saturating_add(1));
        let (mut low, mut high) = (first, last);
        if start < end {
            low = low.min(self.ranges[start].0);
            high = high.max(self.ranges[end - 1].1);
        }
        self.ranges.splice(start..end.max(start), [(low, high)]);
    }

    /// Removes one number.
    pub(crate) fn remove(&mut self, seq: u64) {
        let after = self.ranges.partition_point(|&(first, _)| first <= seq);
        if after == 0 || self.ranges[after - 1].1 < seq {
            return;
        }
        let (first, last) = self.ranges[after - 1];
        let below = (first < seq).then(|| (first, seq - 1));
        let above = (seq < last).then(|| (seq + 1, last));
        self.ranges.splice(after - 1..after, below.into_iter().chain(above));
    }

    /// Adds everything of `other`.
    pub(crate) fn merge(&mut self, other: &Self) {
        for &(first, last) in &other.ranges {
            self.insert_range(first, last);
        }
    }

    /// How many intervals there would be with `seq` added.
    #[must_use]
    pub(crate) fn count_with(&self, seq: u64) -> usize {
        let near = self
            .ranges
            .iter()
            .any(|&(first, last)| first <= seq.saturating_add(1) && seq <= last.saturating_add(1));
        self.ranges.len() + usize::from(!near)
    }

    /// The end of the interval that begins at the first sequence number, 1; zero when that is missing.
    #[must_use]
    pub(crate) fn watermark(&self) -> u64 {
        self.ranges
            .first()
            .filter(|&&(first, _)| first <= 1)
            .map_or(0, |&(_, last)| last)
    }

    /// Writes `count, { first, last - first }` as varints.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.ranges.len() as u64);
        for &(first, last) in &self.ranges {
            put_varint(out, first);
            put_varint(out, last - first);
        }
    }

    /// Reads what [`Self::encode`] wrote.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let mut intervals = Self::default();
        for _ in 0..reader.count()? {
            let first = reader.varint()?;
            intervals.insert_range(first, first.checked_add(reader.varint()?)?);
        }
        Some(intervals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn intervals_agree_with_a_plain_set(steps in prop::collection::vec((any::<bool>(), 1_u64..40, 0_u64..6), 0..40)) {
            let (mut intervals, mut plain) = (Intervals::default(), BTreeSet::new());
            for (add, first, length) in steps {
                if add {
                    let mut with = intervals.clone();
                    with.insert(first);
                    prop_assert!(with.ranges.len() <= intervals.count_with(first));
                    intervals.insert_range(first, first + length);
                    plain.extend(first..=first + length);
                } else {
                    intervals.remove(first);
                    plain.remove(&first);
                }
            }
            for seq in 0..60 {
                prop_assert_eq!(intervals.contains(seq), plain.contains(&seq));
            }
            for pair in intervals.ranges().windows(2) {
                prop_assert!(pair[0].1 + 1 < pair[1].0);
            }
            let mut bytes = Vec::new();
            intervals.encode(&mut bytes);
            prop_assert_eq!(Intervals::decode(&mut Reader::new(&bytes)), Some(intervals));
        }
    }

    #[test]
    fn the_watermark_needs_the_first_number() {
        let mut intervals = Intervals::default();
        intervals.insert_range(5, 9);
        assert_eq!(intervals.watermark(), 0);
        intervals.insert_range(1, 4);
        assert_eq!(intervals.watermark(), 9);
    }
}
