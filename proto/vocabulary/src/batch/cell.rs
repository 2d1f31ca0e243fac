//! One value as it travels: an integer × 10^-decimals, or what does not fit.

use crate::series::DECIMALS_MAX;

/// One value of one series at one tick. Equality is of bits: a NaN equals itself, `0.0` differs from `-0.0`.
#[derive(Debug, Clone, Copy)]
pub enum Cell {
    /// Nothing was measured.
    Absent,
    /// The value times 10^decimals of its series, rounded: exact as declared.
    Scaled(i64),
    /// What does not fit: NaN, ±∞, magnitudes beyond 64 bits.
    Raw(f64),
}

const POWERS: [f64; DECIMALS_MAX as usize + 1] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
/// 2^63: the first magnitude that an i64 can't hold.
const LIMIT: f64 = 9_223_372_036_854_775_808.0;

#[inline]
fn power(decimals: u8) -> f64 {
    POWERS[usize::from(decimals.min(DECIMALS_MAX))]
}

impl Cell {
    /// `value` kept to `decimals` digits after the point (more than nine count as nine), rounded half away from zero;
    /// raw when it is not finite or does not fit.
    #[must_use]
    pub fn from_f64(value: f64, decimals: u8) -> Self {
        let scaled = (value * power(decimals)).round();
        if (-LIMIT..LIMIT).contains(&scaled) {
            #[allow(clippy::cast_possible_truncation)] // in range, and without a fraction
            return Self::Scaled(scaled as i64);
        }
        Self::Raw(value)
    }

    /// A whole number of a series with no decimals; raw beyond 2^63 − 1.
    #[must_use]
    pub fn from_u64(value: u64) -> Self {
        i64::try_from(value).map_or(Self::Raw(value as f64), Self::Scaled)
    }

    /// The value that this cell stands for in a series with `decimals`; `None` when absent.
    #[inline]
    #[must_use]
    pub fn to_f64(self, decimals: u8) -> Option<f64> {
        match self {
            Self::Absent => None,
            Self::Scaled(value) => Some(value as f64 / power(decimals)),
            Self::Raw(value) => Some(value),
        }
    }
}

impl PartialEq for Cell {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Absent, Self::Absent) => true,
            (Self::Scaled(a), Self::Scaled(b)) => a == b,
            (Self::Raw(a), Self::Raw(b)) => a.to_bits() == b.to_bits(),
            _ => false,
        }
    }
}

impl Eq for Cell {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn precision_is_kept_as_declared(value in -1e8..1e8_f64, decimals in 0..=DECIMALS_MAX) {
            let read = Cell::from_f64(value, decimals).to_f64(decimals).unwrap();
            let tolerance = 0.5 / power(decimals) + value.abs() * 4.0 * f64::EPSILON;
            prop_assert!((read - value).abs() <= tolerance, "{value} became {read}");
        }

        #[test]
        fn decimal_figures_read_back_as_they_were_written(
            digits in -1_000_000_000_000_i64..1_000_000_000_000,
            decimals in 0..=DECIMALS_MAX,
        ) {
            let value = digits as f64 / power(decimals);
            prop_assert_eq!(Cell::from_f64(value, decimals), Cell::Scaled(digits));
            prop_assert_eq!(Cell::Scaled(digits).to_f64(decimals), Some(value));
        }

        #[test]
        fn no_number_is_lost_or_panics(bits: u64, decimals: u8) {
            let value = f64::from_bits(bits);
            match Cell::from_f64(value, decimals) {
                Cell::Raw(raw) => prop_assert_eq!(raw.to_bits(), bits),
                Cell::Scaled(_) => prop_assert!(value.is_finite()),
                Cell::Absent => prop_assert!(false, "a number became absent"),
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_raw() {
        assert_eq!(Cell::from_f64(f64::NAN, 2), Cell::Raw(f64::NAN));
        assert_eq!(Cell::from_f64(f64::NEG_INFINITY, 0), Cell::Raw(f64::NEG_INFINITY));
        assert_eq!(Cell::from_f64(1e18, 9), Cell::Raw(1e18));
        assert_eq!(Cell::from_f64(LIMIT, 0), Cell::Raw(LIMIT));
        assert_eq!(Cell::from_f64(-LIMIT, 0), Cell::Scaled(i64::MIN));
        assert_eq!(Cell::from_u64(u64::MAX), Cell::Raw(u64::MAX as f64));
        assert_eq!(Cell::from_u64(7), Cell::Scaled(7));
        assert_eq!(Cell::Absent.to_f64(2), None);
    }
}
