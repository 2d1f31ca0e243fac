//! What is kept of the samples of one series and one bucket, and its cells on disk.
//!
//! Whole numbers stay whole: sums and increases are counted in the series' own decimals, so that what a rollup says is
//! what the samples say. A series whose hour holds a raw value, or a sum beyond 64 bits, is counted in floating point,
//! and then its cells are raw and say the thing itself, where whole numbers say how far it lies from another.

mod count;
mod grid;

pub(super) use count::{Fields, Samples, count};
pub(super) use grid::Grid;

use crate::blocks::column::Numbers;
use tocsin_vocabulary::{Kind, batch::Cell};

/// Columns of a gauge's row.
pub(super) const GAUGE_FIELDS: usize = 5;
/// Columns of a counter's row.
pub(super) const COUNTER_FIELDS: usize = 13;

/// Samples. Both kinds; the only column that has a cell for buckets without any.
pub(super) const COUNT: usize = 0;
const GAUGE_MIN: usize = 1;
/// Above the minimum.
const GAUGE_MAX: usize = 2;
const GAUGE_SUM: usize = 3;
const GAUGE_LAST: usize = 4;
const LAST: usize = 1;
/// Last less first.
const SPAN: usize = 2;
/// Below the first: nothing, without a reset.
const MIN: usize = 3;
/// Above the last: nothing, without a reset.
const MAX: usize = 4;
/// Increase beyond last less first: nothing, without a reset or a gap.
const RESETS: usize = 5;
/// Time of the first sample after the bucket's start, and of the last one.
const FIRST_AT: usize = 6;
const LAST_AT: usize = 7;
/// Milliseconds between first and last that are gaps.
const GAPS: usize = 8;
/// Increase and milliseconds of the pair with the least rate, and of the one with the greatest.
const SLOW: usize = 9;
const SLOW_MS: usize = 10;
const FAST: usize = 11;
const FAST_MS: usize = 12;

/// What a query is told of one bucket. Fields that its aggregate does not need are zero.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Bucket {
    /// Samples that have a value.
    pub(crate) count: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    /// Gauges only.
    pub(crate) sum: f64,
    /// Counters only.
    pub(crate) first: f64,
    pub(crate) last: f64,
    /// Epoch milliseconds. Counters only, as all that follows.
    pub(crate) first_at: i64,
    pub(crate) last_at: i64,
    /// Between samples of this bucket.
    pub(crate) increase: f64,
    /// Time in which it increased, milliseconds; none when there is no pair of samples.
    pub(crate) millis: i64,
    /// Least and greatest increase per second of two samples that follow each other.
    pub(crate) slowest: f64,
    pub(crate) fastest: f64,
}

/// Number of columns of a row.
pub(super) const fn width(kind: Kind) -> usize {
    match kind {
        Kind::Gauge => GAUGE_FIELDS,
        Kind::Counter => COUNTER_FIELDS,
    }
}

/// Which columns of a row a question needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Count, least, greatest and sum, of a gauge.
    Values,
    /// Least, greatest and last value.
    Extremes,
    /// Increase over time, of a counter; of a gauge as [`Self::Values`].
    Increase,
}

impl Need {
    pub(super) const fn wants(self, kind: Kind, field: usize) -> bool {
        match (kind, self) {
            // What an answer has besides its points are the least and the greatest value.
            (Kind::Gauge, Self::Extremes) => field != GAUGE_SUM,
            (Kind::Gauge, _) => field != GAUGE_LAST,
            (Kind::Counter, Self::Increase) => field != MIN && field != MAX,
            (Kind::Counter, _) => matches!(field, COUNT | LAST | SPAN | MIN | MAX),
        }
    }
}

/// Reads the bucket of `count` samples that begins at `start` from place `at` of a row's columns; those that were not
/// wanted are absent.
#[inline]
pub(super) fn read(kind: Kind, columns: &[Numbers], (at, count): (usize, i64), start: i64, decimals: u8) -> Bucket {
    let cell = |field: usize| columns.get(field).map_or(Cell::Absent, |column| column.get(at));
    let value = |field: usize| -> f64 { cell(field).to_f64(decimals).unwrap_or(0.0) };
    let whole = |field: usize| -> i64 {
        match cell(field) {
            Cell::Scaled(value) => value,
            _ => 0,
        }
    };
    let all = |terms: &[(usize, i64)]| sum(cell, decimals, terms);
    let mut bucket = Bucket {
        count: count as f64,
        ..Bucket::default()
    };
    if kind == Kind::Gauge {
        bucket.min = value(GAUGE_MIN);
        bucket.max = all(&[(GAUGE_MIN, 1), (GAUGE_MAX, 1)]);
        bucket.sum = value(GAUGE_SUM);
        bucket.last = value(GAUGE_LAST);
        return bucket;
    }
    bucket.last = value(LAST);
    bucket.first = all(&[(LAST, 1), (SPAN, -1)]);
    bucket.min = all(&[(LAST, 1), (SPAN, -1), (MIN, -1)]);
    bucket.max = all(&[(LAST, 1), (MAX, 1)]);
    bucket.increase = all(&[(SPAN, 1), (RESETS, 1)]);
    bucket.first_at = start.saturating_add(whole(FIRST_AT));
    bucket.last_at = start.saturating_add(whole(LAST_AT));
    bucket.millis = bucket
        .last_at
        .saturating_sub(bucket.first_at)
        .saturating_sub(whole(GAPS))
        .max(0);
    let rate = |increase: usize, millis: usize| value(increase) / (whole(millis).max(1) as f64 / 1_000.0);
    if bucket.millis > 0 {
        bucket.slowest = rate(SLOW, SLOW_MS);
        bucket.fastest = rate(FAST, FAST_MS);
    }
    bucket
}

/// Adds terms up in whole numbers, so that nothing is lost. The last one is what is asked for: when it is raw, it is the
/// answer itself.
#[inline]
fn sum(cell: impl Fn(usize) -> Cell, decimals: u8, terms: &[(usize, i64)]) -> f64 {
    let mut sum = 0_i64;
    for &(field, sign) in terms {
        match cell(field) {
            Cell::Scaled(value) => sum = sum.saturating_add(value.saturating_mul(sign)),
            Cell::Raw(value) if Some(field) == terms.last().map(|term| term.0) => return value,
            _ => {}
        }
    }
    Cell::Scaled(sum).to_f64(decimals).unwrap_or(0.0)
}
