//! What is kept of the samples of one series and one bucket, and its cells on disk.
//!
//! Whole numbers stay whole: sums and increases are counted in the series' own decimals, so that what a rollup says is
//! what the samples say. A series whose hour holds a raw value is counted in floating point, and then its cells are raw
//! and say the thing itself, where whole numbers say how far it lies from another.

use super::Tier;
use tocsin_vocabulary::{Kind, batch::Cell};

/// Columns of a gauge's row.
pub(super) const GAUGE_FIELDS: usize = 5;
/// Columns of a counter's row.
pub(super) const COUNTER_FIELDS: usize = 13;

/// Samples. Both kinds.
const COUNT: usize = 0;
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

/// A number in which samples are counted.
trait Number: Copy + PartialOrd {
    const ZERO: Self;
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn float(self) -> f64;
    fn cell(self) -> Cell;
    /// A number that is `relative` to another one.
    fn told(absolute: Self, relative: Self) -> Cell;
}

/// In units of the series' decimals. Wide, so that no sum of an hour overflows.
impl Number for i128 {
    const ZERO: Self = 0;
    fn plus(self, other: Self) -> Self {
        self.saturating_add(other)
    }
    fn minus(self, other: Self) -> Self {
        self.saturating_sub(other)
    }
    fn float(self) -> f64 {
        self as f64
    }
    fn cell(self) -> Cell {
        // Raw here means that it does not fit; see `fields`.
        i64::try_from(self).map_or(Cell::Raw(self as f64), Cell::Scaled)
    }
    fn told(_: Self, relative: Self) -> Cell {
        relative.cell()
    }
}

impl Number for f64 {
    const ZERO: Self = 0.0;
    fn plus(self, other: Self) -> Self {
        self + other
    }
    fn minus(self, other: Self) -> Self {
        self - other
    }
    fn float(self) -> f64 {
        self
    }
    fn cell(self) -> Cell {
        Cell::Raw(self)
    }
    fn told(absolute: Self, _: Self) -> Cell {
        Cell::Raw(absolute)
    }
}

#[derive(Debug, Clone, Copy)]
struct Sums<N> {
    count: i64,
    min: N,
    max: N,
    sum: N,
    first: (i64, N),
    last: (i64, N),
    increase: N,
    millis: i64,
    slow: Option<(N, i64)>,
    fast: Option<(N, i64)>,
}

impl<N: Number> Sums<N> {
    const fn new(time: i64, value: N) -> Self {
        Self {
            count: 0,
            min: value,
            max: value,
            sum: N::ZERO,
            first: (time, value),
            last: (time, value),
            increase: N::ZERO,
            millis: 0,
            slow: None,
            fast: None,
        }
    }

    fn add(&mut self, time: i64, value: N, longest: i64) {
        if self.count > 0 {
            self.pair(time, value, longest);
        }
        self.count += 1;
        if value < self.min {
            self.min = value;
        }
        if value > self.max {
            self.max = value;
        }
        self.sum = self.sum.plus(value);
        self.last = (time, value);
    }

    fn pair(&mut self, time: i64, value: N, longest: i64) {
        let millis = time - self.last.0;
        if millis <= 0 || millis > longest {
            return;
        }
        let before = self.last.1;
        let increase = if value >= before { value.minus(before) } else { value };
        self.increase = self.increase.plus(increase);
        self.millis += millis;
        let rate = |(increase, millis): (N, i64)| increase.float() / millis as f64;
        let this = (increase, millis);
        if self.slow.is_none_or(|slow| rate(this) < rate(slow)) {
            self.slow = Some(this);
        }
        if self.fast.is_none_or(|fast| rate(this) > rate(fast)) {
            self.fast = Some(this);
        }
    }

    fn gauge(&self) -> [Cell; GAUGE_FIELDS] {
        [
            Cell::Scaled(self.count),
            self.min.cell(),
            N::told(self.max, self.max.minus(self.min)),
            self.sum.cell(),
            self.last.1.cell(),
        ]
    }

    fn counter(&self, start: i64) -> [Cell; COUNTER_FIELDS] {
        let span = self.last.1.minus(self.first.1);
        let pair = |pair: Option<(N, i64)>| {
            pair.map_or((Cell::Absent, Cell::Absent), |(increase, millis)| {
                (increase.cell(), Cell::Scaled(millis))
            })
        };
        let (slow, fast) = (pair(self.slow), pair(self.fast));
        [
            Cell::Scaled(self.count),
            self.last.1.cell(),
            N::told(self.first.1, span),
            N::told(self.min, self.first.1.minus(self.min)),
            N::told(self.max, self.max.minus(self.last.1)),
            N::told(self.increase, self.increase.minus(span)),
            Cell::Scaled(self.first.0 - start),
            Cell::Scaled(self.last.0 - start),
            Cell::Scaled(self.last.0 - self.first.0 - self.millis),
            slow.0,
            slow.1,
            fast.0,
            fast.1,
        ]
    }
}

/// The columns of the row of one series and one hour: for each field its cells, one for each bucket. Samples must be
/// sorted by time, each time once; two further apart than `longest` milliseconds make no increase.
pub(super) fn fields(
    tier: Tier,
    kind: Kind,
    decimals: u8,
    hour: i64,
    samples: &[(i64, Cell)],
    longest: i64,
) -> Vec<Vec<Cell>> {
    let whole = samples.iter().all(|(_, cell)| !matches!(cell, Cell::Raw(_)));
    if whole {
        let number = |cell: Cell| match cell {
            Cell::Scaled(value) => Some(i128::from(value)),
            _ => None,
        };
        let columns = count(tier, kind, hour, samples, longest, number);
        // A sum beyond 64 bits came out as a float of the wrong scale; then all of it is counted in floats.
        if !columns.iter().flatten().any(|cell| matches!(cell, Cell::Raw(_))) {
            return columns;
        }
    }
    let number = |cell: Cell| cell.to_f64(decimals).filter(|value| value.is_finite());
    count(tier, kind, hour, samples, longest, number)
}

fn count<N: Number>(
    tier: Tier,
    kind: Kind,
    hour: i64,
    samples: &[(i64, Cell)],
    longest: i64,
    number: impl Fn(Cell) -> Option<N>,
) -> Vec<Vec<Cell>> {
    let mut sums: Vec<Option<Sums<N>>> = vec![None; tier.per_hour()];
    for &(time, cell) in samples {
        let Some(value) = number(cell) else { continue };
        let index = usize::try_from((time - hour).div_euclid(tier.millis())).unwrap_or(usize::MAX);
        if let Some(sums) = sums.get_mut(index) {
            sums.get_or_insert_with(|| Sums::new(time, value))
                .add(time, value, longest);
        }
    }
    let mut columns: Vec<Vec<Cell>> = vec![Vec::with_capacity(sums.len()); width(kind)];
    for (index, sums) in (0_i64..).zip(&sums) {
        let cells = sums.as_ref().map(|sums| match kind {
            Kind::Gauge => sums.gauge().to_vec(),
            Kind::Counter => sums.counter(hour + index * tier.millis()).to_vec(),
        });
        for (field, column) in columns.iter_mut().enumerate() {
            let none = if field == COUNT { Cell::Scaled(0) } else { Cell::Absent };
            column.push(cells.as_ref().map_or(none, |cells| cells[field]));
        }
    }
    columns
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
    /// Count, least, greatest, sum, last: what rows of gauges have.
    Values,
    /// Least, greatest and last value of a counter.
    Extremes,
    /// Increase over time: what rows of counters have.
    Increase,
}

impl Need {
    pub(super) const fn wants(self, kind: Kind, field: usize) -> bool {
        match (kind, self) {
            (Kind::Gauge, _) => true,
            (Kind::Counter, Self::Increase) => field != MIN && field != MAX,
            (Kind::Counter, _) => matches!(field, COUNT | LAST | SPAN | MIN | MAX),
        }
    }
}

/// Reads bucket `at` that begins at `start` from a row's columns; those that were not wanted are empty.
pub(super) fn read(kind: Kind, columns: &[Vec<Cell>], at: usize, start: i64, decimals: u8) -> Option<Bucket> {
    let value = |field: usize| -> f64 {
        let cell = columns.get(field).and_then(|column| column.get(at));
        cell.and_then(|cell| cell.to_f64(decimals)).unwrap_or(0.0)
    };
    let whole = |field: usize| -> i64 {
        match columns.get(field).and_then(|column| column.get(at)) {
            Some(Cell::Scaled(value)) => *value,
            _ => 0,
        }
    };
    let count = whole(COUNT);
    if count <= 0 {
        return None;
    }
    let mut bucket = Bucket {
        count: count as f64,
        ..Bucket::default()
    };
    if kind == Kind::Gauge {
        bucket.min = value(GAUGE_MIN);
        bucket.max = sum(columns, at, decimals, &[(GAUGE_MIN, 1), (GAUGE_MAX, 1)]);
        bucket.sum = value(GAUGE_SUM);
        bucket.last = value(GAUGE_LAST);
        return Some(bucket);
    }
    let all = |terms: &[(usize, i64)]| sum(columns, at, decimals, terms);
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
    Some(bucket)
}

/// Adds terms up in whole numbers, so that nothing is lost. The last one is what is asked for: when it is raw, it is the
/// answer itself.
fn sum(columns: &[Vec<Cell>], at: usize, decimals: u8, terms: &[(usize, i64)]) -> f64 {
    let mut sum = 0_i64;
    for &(field, sign) in terms {
        match columns.get(field).and_then(|column| column.get(at)) {
            Some(Cell::Scaled(value)) => sum = sum.saturating_add(value.saturating_mul(sign)),
            Some(Cell::Raw(value)) if Some(field) == terms.last().map(|term| term.0) => return *value,
            _ => {}
        }
    }
    Cell::Scaled(sum).to_f64(decimals).unwrap_or(0.0)
}
