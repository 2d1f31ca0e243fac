//! Little-endian numbers, LEB128 varints, zigzag, and a reader that never panics.

/// Appends `value` as LEB128.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7F) as u8);
}

/// Maps small magnitudes of either sign to small numbers.
pub(crate) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// Undoes [`zigzag`].
pub(crate) const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

/// The length of a buffer as it is written on disk. Everything written is bounded far below 4 GiB.
pub(crate) fn length_u32(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// A length read from disk; what does not fit the machine can't be in memory either.
pub(crate) fn length_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Reads from a slice; `None` when it ends early or a number is malformed.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next two bytes, if `wanted` says so of them.
    #[inline]
    pub(crate) fn two_if(&mut self, wanted: impl FnOnce([u8; 2]) -> bool) -> Option<[u8; 2]> {
        let (two, rest) = self.rest.split_first_chunk::<2>()?;
        if !wanted(*two) {
            return None;
        }
        self.rest = rest;
        Some(*two)
    }

    /// Everything that is left.
    pub(crate) const fn rest(self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    #[inline]
    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    #[inline]
    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    #[inline]
    pub(crate) fn varint(&mut self) -> Option<u64> {
        // Most numbers of a column take one byte.
        match self.rest {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.rest = rest;
                Some(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    /// Calls `each` with the next `count` varints. As [`Self::varint`], but for long rows of short ones: eight of one byte
    /// at once, others of up to four bytes without a branch that nobody can foresee.
    #[inline]
    pub(crate) fn varints(&mut self, count: usize, mut each: impl FnMut(u64)) -> Option<()> {
        const MORE: u64 = 0x8080_8080_8080_8080;
        let mut left = count;
        while left > 0 {
            let Some(eight) = self.rest.first_chunk::<8>() else {
                each(self.varint()?);
                left -= 1;
                continue;
            };
            let bytes = u64::from_le_bytes(*eight);
            let ends = !bytes & MORE;
            if ends == MORE && left >= 8 {
                eight.iter().for_each(|byte| each(u64::from(*byte)));
                self.rest = &self.rest[8..];
                left -= 8;
                continue;
            }
            let bits = ends.trailing_zeros() + 1;
            if bits > 32 {
                each(self.long_varint()?);
            } else {
                let own = bytes & (u64::MAX >> (64 - bits));
                each(own & 0x7F | own >> 1 & 0x3F80 | own >> 2 & 0x1F_C000 | own >> 3 & 0xFE0_0000);
                self.rest = &self.rest[bits as usize / 8..];
            }
            left -= 1;
        }
        Some(())
    }

    fn long_varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A varint that is a length or a count.
    #[inline]
    pub(crate) fn count(&mut self) -> Option<usize> {
        usize::try_from(self.varint()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn varints_and_zigzag_read_back(value: u64, signed: i64) {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            prop_assert_eq!(Reader::new(&bytes).varint(), Some(value));
            prop_assert_eq!(unzigzag(zigzag(signed)), signed);
        }

        #[test]
        fn rows_of_varints_read_back(
            values in prop::collection::vec((any::<u64>(), 0_u32..64).prop_map(|(value, shift)| value >> shift), 0..60),
            small in prop::collection::vec(0_u64..300, 0..60),
        ) {
            for values in [&values, &small] {
                let mut bytes = Vec::new();
                values.iter().for_each(|value| put_varint(&mut bytes, *value));
                let mut reader = Reader::new(&bytes);
                let mut read = Vec::new();
                prop_assert_eq!(reader.varints(values.len(), |value| read.push(value)), Some(()));
                prop_assert!(reader.is_empty());
                prop_assert_eq!(&read, values);
                prop_assert_eq!(Reader::new(&bytes).varints(values.len() + 1, |_| ()), None, "one more than there are");
            }
        }
    }
}
