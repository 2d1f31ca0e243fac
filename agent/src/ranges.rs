//! A set of sequence numbers, kept as few inclusive ranges.
//!
//! Ticks are numbered without holes, so what is stored, received or wanted is nearly always one range; outages and
//! damage add a few more.

/// A set of `u64`, as sorted, disjoint, non-adjacent inclusive ranges.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ranges {
    parts: Vec<(u64, u64)>,
}

impl Ranges {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self { parts: Vec::new() }
    }

    /// Of any ranges, in any order; those that end before they begin are ignored.
    pub fn of(ranges: impl IntoIterator<Item = (u64, u64)>) -> Self {
        let mut set = Self::new();
        for (first, last) in ranges {
            set.insert(first, last);
        }
        set
    }

    /// Adds `first..=last`.
    pub fn insert(&mut self, first: u64, last: u64) {
        if first > last {
            return;
        }
        let start = self.parts.partition_point(|part| part.1.saturating_add(1) < first);
        let end = self.parts.partition_point(|part| part.0 <= last.saturating_add(1));
        let mut merged = (first, last);
        if let Some(touched) = self.parts.get(start..end)
            && let (Some(low), Some(high)) = (touched.first(), touched.last())
        {
            merged = (first.min(low.0), last.max(high.1));
        }
        self.parts.splice(start..end.max(start), [merged]);
    }

    /// Takes `first..=last` out.
    pub fn remove(&mut self, first: u64, last: u64) {
        if first > last {
            return;
        }
        let mut kept = Vec::with_capacity(self.parts.len() + 1);
        for &(from, to) in &self.parts {
            if to < first || from > last {
                kept.push((from, to));
                continue;
            }
            if from < first {
                kept.push((from, first - 1));
            }
            if to > last {
                kept.push((last + 1, to));
            }
        }
        self.parts = kept;
    }

    /// What is here and not in `other`.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let mut left = self.clone();
        for &(first, last) in &other.parts {
            left.remove(first, last);
        }
        left
    }

    /// What is here and also between `first` and `last`.
    #[must_use]
    pub fn within(&self, first: u64, last: u64) -> Self {
        Self::of(self.parts.iter().map(|&(from, to)| (from.max(first), to.min(last))))
    }

    /// Whether `number` is in the set.
    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        self.parts
            .iter()
            .any(|&(first, last)| first <= number && number <= last)
    }

    /// The smallest number.
    #[must_use]
    pub fn first(&self) -> Option<u64> {
        self.parts.first().map(|part| part.0)
    }

    /// The largest number.
    #[must_use]
    pub fn last(&self) -> Option<u64> {
        self.parts.last().map(|part| part.1)
    }

    /// How many numbers.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.parts
            .iter()
            .map(|&(first, last)| (last - first).saturating_add(1))
            .fold(0, u64::saturating_add)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The ranges in ascending order, both ends included.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, u64)> + '_ {
        self.parts.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn ranges_behave_like_a_plain_set(steps in prop::collection::vec((any::<bool>(), 0_u64..60, 0_u64..12), 0..40)) {
            let mut ranges = Ranges::new();
            let mut plain = BTreeSet::new();
            for (add, first, length) in steps {
                let last = first + length;
                if add {
                    ranges.insert(first, last);
                    plain.extend(first..=last);
                } else {
                    ranges.remove(first, last);
                    plain.retain(|n| *n < first || *n > last);
                }
                prop_assert!(ranges.parts.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
                prop_assert_eq!(ranges.iter().flat_map(|(a, b)| a..=b).collect::<BTreeSet<_>>(), plain.clone());
                prop_assert_eq!(ranges.count(), plain.len() as u64);
            }
        }
    }

    #[test]
    fn the_ends_of_the_numbers_do_not_overflow() {
        let mut ranges = Ranges::of([(0, 0), (u64::MAX, u64::MAX)]);
        assert!(ranges.contains(u64::MAX));
        ranges.insert(1, u64::MAX);
        assert_eq!(ranges.iter().collect::<Vec<_>>(), [(0, u64::MAX)]);
        ranges.remove(0, u64::MAX);
        assert!(ranges.is_empty());
    }
}
