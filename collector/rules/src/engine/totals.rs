//! The last totals of a host's counters: the greater part of what rules keep for it, so they are as wide as the greatest of
//! them needs, and no wider.

/// Bytes of a total to begin with.
const NARROWEST: usize = 4;
/// Bytes of a total that takes all of its type.
const WIDEST: usize = size_of::<i64>();

/// By place: the total of a counter, if there is one.
#[derive(Debug, Default)]
pub(super) struct Totals {
    /// One after the other, the lower bytes of each first. Where there is none, the least value of this width stands. Some
    /// bytes follow, so that eight can be read anywhere.
    bytes: Box<[u8]>,
    /// Bytes of each, from [`NARROWEST`] to [`WIDEST`].
    width: u8,
}

impl Totals {
    /// So many, of which none is known.
    pub(super) fn of(places: usize) -> Self {
        Self::with_width(places, NARROWEST)
    }

    fn with_width(places: usize, width: usize) -> Self {
        let mut totals = Self {
            bytes: vec![0; places * width + WIDEST - width].into(),
            width: u8::try_from(width).unwrap_or(u8::MAX),
        };
        (0..places).for_each(|place| totals.put(place, None));
        totals
    }

    #[inline]
    pub(super) fn get(&self, place: usize) -> Option<i64> {
        let total = self.word(place) << self.spare() >> self.spare();
        (total != self.none()).then_some(total)
    }

    /// Keeps a total; answers the one before.
    #[inline]
    pub(super) fn replace(&mut self, place: usize, total: Option<i64>) -> Option<i64> {
        let before = self.get(place);
        if before != total {
            if let Some(total) = total.filter(|total| !self.holds(*total)) {
                self.widen(total);
            }
            self.put(place, total);
        }
        before
    }

    /// Bits of eight bytes that are not those of a total.
    const fn spare(&self) -> u32 {
        i64::BITS - 8 * self.width as u32
    }

    /// Stands for no total.
    const fn none(&self) -> i64 {
        i64::MIN >> self.spare()
    }

    const fn holds(&self, total: i64) -> bool {
        total > self.none() && total <= i64::MAX >> self.spare()
    }

    /// Makes all wide enough for this one.
    fn widen(&mut self, total: i64) {
        let width = usize::from(self.width);
        let places = (self.bytes.len() + width).saturating_sub(WIDEST) / width;
        // With a bit for its sign, and none of them the one that stands for none.
        let bits = i64::BITS - total.unsigned_abs().leading_zeros() + 1;
        let mut wider = Self::with_width(places, (bits as usize).div_ceil(8).clamp(width, WIDEST));
        (0..places).for_each(|place| wider.put(place, self.get(place)));
        *self = wider;
    }

    #[inline]
    fn put(&mut self, place: usize, total: Option<i64>) {
        let own = u64::MAX >> self.spare();
        let total = total.unwrap_or(self.none()).cast_unsigned();
        let word = (self.word(place).cast_unsigned() & !own) | (total & own);
        let at = place * usize::from(self.width);
        self.bytes[at..at + WIDEST].copy_from_slice(&word.to_le_bytes());
    }

    /// The eight bytes from a total on.
    #[inline]
    fn word(&self, place: usize) -> i64 {
        let at = place * usize::from(self.width);
        let bytes = self.bytes[at..].first_chunk();
        bytes.map_or(0, |bytes| i64::from_le_bytes(*bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_total() -> impl Strategy<Value = Option<i64>> {
        // The least value of all stands for none.
        let any = (0..i64::BITS, any::<i64>()).prop_map(|(less, total)| Some((total >> less).max(-i64::MAX)));
        let edges =
            (1..i64::BITS, -2..2_i64).prop_map(|(bit, by)| Some((1_i64 << bit).saturating_add(by).max(-i64::MAX)));
        prop_oneof![Just(None), edges, any]
    }

    proptest! {
        #[test]
        fn every_total_is_kept_as_it_is_beside_others(all in prop::collection::vec((0..5_usize, any_total()), 0..60)) {
            let (mut totals, mut plain) = (Totals::of(5), [None; 5]);
            for (place, total) in all {
                prop_assert_eq!(totals.replace(place, total), std::mem::replace(&mut plain[place], total));
                for (place, total) in plain.iter().enumerate() {
                    prop_assert_eq!(totals.get(place), *total);
                }
            }
        }
    }

    #[test]
    fn they_take_as_many_bytes_as_the_greatest_needs() {
        let mut totals = Totals::of(10);
        assert_eq!(totals.bytes.len(), 44);
        totals.replace(9, Some(1_i64 << 40));
        assert_eq!(totals.bytes.len(), 62);
        assert_eq!(totals.get(9), Some(1_i64 << 40));
    }
}
