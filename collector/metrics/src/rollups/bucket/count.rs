//! Counts the samples of one series and hour: the buckets of five minutes, and of these the hour's.

use super::{
    super::Tier,
    COUNTER_FIELDS,
    grid::{Grid, Span},
    width,
};
use crate::blocks::column;
use tocsin_vocabulary::{Kind, batch::Cell};

/// A number in which samples are counted. What overflows is none, and then the hour is counted in floating point.
trait Number: Copy + PartialOrd {
    const ZERO: Self;
    fn plus(self, other: Self) -> Option<Self>;
    fn minus(self, other: Self) -> Option<Self>;
    /// So many times the number.
    fn times(self, count: usize) -> Option<Self>;
    /// The sum of numbers between `least` and `greatest`.
    fn sum(numbers: &[Self], least: Self, greatest: Self) -> Option<Self>;
    /// Whether the first increase over its milliseconds is less than the second one over its own.
    fn is_slower(one: (Self, i64), two: (Self, i64)) -> bool;
    fn cell(self) -> Cell;
    /// A number that is `relative` to another one.
    fn told(absolute: Self, relative: Self) -> Cell;
}

/// In units of the series' decimals.
impl Number for i64 {
    const ZERO: Self = 0;
    fn plus(self, other: Self) -> Option<Self> {
        self.checked_add(other)
    }
    fn minus(self, other: Self) -> Option<Self> {
        self.checked_sub(other)
    }
    fn times(self, count: usize) -> Option<Self> {
        self.checked_mul(Self::try_from(count).ok()?)
    }
    fn sum(numbers: &[Self], least: Self, greatest: Self) -> Option<Self> {
        // Nothing between these can overflow, so nothing needs a look on the way.
        let most = least.unsigned_abs().max(greatest.unsigned_abs());
        if most.checked_mul(numbers.len() as u64)? <= Self::MAX.unsigned_abs() {
            return Some(numbers.iter().sum());
        }
        let wide: i128 = numbers.iter().map(|number| i128::from(*number)).sum();
        Self::try_from(wide).ok()
    }
    fn is_slower(one: (Self, i64), two: (Self, i64)) -> bool {
        if one.1 == two.1 {
            one.0 < two.0
        } else {
            i128::from(one.0) * i128::from(two.1) < i128::from(two.0) * i128::from(one.1)
        }
    }
    fn cell(self) -> Cell {
        Cell::Scaled(self)
    }
    fn told(_: Self, relative: Self) -> Cell {
        Cell::Scaled(relative)
    }
}

impl Number for f64 {
    const ZERO: Self = 0.0;
    fn plus(self, other: Self) -> Option<Self> {
        Some(self + other)
    }
    fn minus(self, other: Self) -> Option<Self> {
        Some(self - other)
    }
    fn times(self, count: usize) -> Option<Self> {
        Some(self * count as Self)
    }
    fn sum(numbers: &[Self], _: Self, _: Self) -> Option<Self> {
        Some(numbers.iter().sum())
    }
    fn is_slower(one: (Self, i64), two: (Self, i64)) -> bool {
        one.0 / (one.1 as Self) < two.0 / (two.1 as Self)
    }
    fn cell(self) -> Cell {
        Cell::Raw(self)
    }
    fn told(absolute: Self, _: Self) -> Cell {
        Cell::Raw(absolute)
    }
}

/// The cells of one field on their way to bytes.
#[derive(Debug, Default, Clone)]
pub(in crate::rollups) struct Field {
    numbers: Vec<i64>,
    /// All of them, once one is no whole number.
    cells: Vec<Cell>,
}

impl Field {
    pub(in crate::rollups) fn push(&mut self, cell: Cell) {
        match cell {
            Cell::Scaled(number) if self.cells.is_empty() => self.numbers.push(number),
            cell => {
                self.cells.extend(self.numbers.drain(..).map(Cell::Scaled));
                self.cells.push(cell);
            }
        }
    }

    fn clear(&mut self) {
        self.numbers.clear();
        self.cells.clear();
    }

    fn put(&self, scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
        if self.cells.is_empty() {
            column::put_integers_alone(&self.numbers, scratch, out);
        } else {
            column::put_alone(&self.cells, scratch, out);
        }
    }
}

/// The columns of a row, filled again and again.
#[derive(Debug, Default)]
pub(in crate::rollups) struct Fields {
    pub(in crate::rollups) columns: [Field; COUNTER_FIELDS],
    scratch: Vec<u8>,
    packed: Vec<u8>,
}

impl Fields {
    pub(in crate::rollups) fn clear(&mut self) {
        self.columns.iter_mut().for_each(Field::clear);
    }

    /// The columns of a row of this kind as bytes.
    pub(in crate::rollups) fn pack(&mut self, kind: Kind) -> Vec<u8> {
        self.packed.clear();
        for column in self.columns.iter().take(width(kind)) {
            column.put(&mut self.scratch, &mut self.packed);
        }
        self.packed.clone()
    }

    /// A bucket without samples.
    fn push_none(&mut self) {
        self.columns[super::COUNT].push(Cell::Scaled(0));
    }

    fn push(&mut self, cells: impl IntoIterator<Item = Cell>) {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.push(cell);
        }
    }
}

/// What a bucket's samples come to. Gauges need no increases, counters no sum.
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
    /// Of the same number at each tick.
    fn constant(number: N, times: &[i64], span: &Span) -> Option<Self> {
        let still = (span.interval > 0).then_some((N::ZERO, span.interval));
        Some(Self {
            count: i64::try_from(times.len()).ok()?,
            min: number,
            max: number,
            sum: number.times(times.len())?,
            first: (*times.first()?, number),
            last: (*times.last()?, number),
            increase: N::ZERO,
            millis: span.millis,
            slow: still,
            fast: still,
        })
    }

    fn of(kind: Kind, times: &[i64], numbers: &[N], span: &Span, longest: i64) -> Option<Self> {
        let (first, last) = (*numbers.first()?, *numbers.last()?);
        let (mut min, mut max) = (first, first);
        for &number in numbers {
            min = if number < min { number } else { min };
            max = if number > max { number } else { max };
        }
        let mut sums = Self {
            count: i64::try_from(numbers.len()).ok()?,
            min,
            max,
            sum: N::ZERO,
            first: (*times.first()?, first),
            last: (*times.last()?, last),
            increase: N::ZERO,
            millis: span.millis,
            slow: None,
            fast: None,
        };
        match kind {
            Kind::Gauge => sums.sum = N::sum(numbers, min, max)?,
            Kind::Counter if span.even => sums.even_pairs(numbers, span.interval)?,
            Kind::Counter => {
                for (times, numbers) in times.windows(2).zip(numbers.windows(2)) {
                    let millis = times[1] - times[0];
                    if millis <= longest {
                        sums.note_pair((increase(numbers[0], numbers[1])?, millis))?;
                    }
                }
            }
        }
        Some(sums)
    }

    /// Pairs that all lie equally far apart: the least increase is the least rate.
    fn even_pairs(&mut self, numbers: &[N], interval: i64) -> Option<()> {
        let [one, two, ..] = numbers else { return Some(()) };
        let mut least = increase(*one, *two)?;
        let (mut most, mut total) = (least, N::ZERO);
        for pair in numbers.windows(2) {
            let this = increase(pair[0], pair[1])?;
            total = total.plus(this)?;
            least = if this < least { this } else { least };
            most = if this > most { this } else { most };
        }
        self.increase = total;
        (self.slow, self.fast) = (Some((least, interval)), Some((most, interval)));
        Some(())
    }

    fn note_pair(&mut self, pair: (N, i64)) -> Option<()> {
        self.increase = self.increase.plus(pair.0)?;
        self.note_rates(Some(pair), Some(pair));
        Some(())
    }

    fn note_rates(&mut self, slow: Option<(N, i64)>, fast: Option<(N, i64)>) {
        if let Some(slow) = slow
            && self.slow.is_none_or(|known| N::is_slower(slow, known))
        {
            self.slow = Some(slow);
        }
        if let Some(fast) = fast
            && self.fast.is_none_or(|known| N::is_slower(known, fast))
        {
            self.fast = Some(fast);
        }
    }

    /// Adds the bucket after it.
    fn join(&mut self, kind: Kind, later: &Self, longest: i64) -> Option<()> {
        self.count += later.count;
        self.min = if later.min < self.min { later.min } else { self.min };
        self.max = if later.max > self.max { later.max } else { self.max };
        match kind {
            Kind::Gauge => self.sum = self.sum.plus(later.sum)?,
            Kind::Counter => {
                let millis = later.first.0 - self.last.0;
                if millis <= longest {
                    self.millis += millis;
                    self.note_pair((increase(self.last.1, later.first.1)?, millis))?;
                }
                self.millis += later.millis;
                self.increase = self.increase.plus(later.increase)?;
                self.note_rates(later.slow, later.fast);
            }
        }
        self.last = later.last;
        Some(())
    }

    fn put(&self, kind: Kind, start: i64, fields: &mut Fields) -> Option<()> {
        match kind {
            Kind::Gauge => fields.push([
                Cell::Scaled(self.count),
                self.min.cell(),
                N::told(self.max, self.max.minus(self.min)?),
                self.sum.cell(),
                self.last.1.cell(),
            ]),
            Kind::Counter => {
                let span = self.last.1.minus(self.first.1)?;
                let (slow, slow_ms) = self.slow.unwrap_or((N::ZERO, 0));
                let (fast, fast_ms) = self.fast.unwrap_or((N::ZERO, 0));
                fields.push([
                    Cell::Scaled(self.count),
                    self.last.1.cell(),
                    N::told(self.first.1, span),
                    N::told(self.min, self.first.1.minus(self.min)?),
                    N::told(self.max, self.max.minus(self.last.1)?),
                    N::told(self.increase, self.increase.minus(span)?),
                    Cell::Scaled(self.first.0 - start),
                    Cell::Scaled(self.last.0 - start),
                    Cell::Scaled(self.last.0 - self.first.0 - self.millis),
                    slow.cell(),
                    Cell::Scaled(slow_ms),
                    fast.cell(),
                    Cell::Scaled(fast_ms),
                ]);
            }
        }
        Some(())
    }
}

/// From one sample of a counter to the next: a fall means that it began again at zero.
fn increase<N: Number>(before: N, after: N) -> Option<N> {
    if after >= before {
        after.minus(before)
    } else {
        Some(after)
    }
}

/// The samples of a series in one hour.
pub(in crate::rollups) enum Samples<'a> {
    /// The same whole number at each tick.
    Constant(i64),
    /// A whole number at each tick.
    Each(&'a [i64]),
    /// A cell at each tick.
    Cells(&'a [Cell]),
}

/// Numbers at the ticks of a grid.
enum Values<'a, N> {
    Constant(N),
    Each(&'a [N]),
}

/// Fills the columns of both tiers for one series and the hour of `grid`.
pub(in crate::rollups) fn count(
    kind: Kind,
    decimals: u8,
    grid: &Grid<'_>,
    samples: &Samples<'_>,
    fields: &mut [Fields; 2],
) {
    let counted = match samples {
        Samples::Constant(number) => fill(kind, grid, &Values::Constant(*number), fields),
        Samples::Each(numbers) => fill(kind, grid, &Values::Each(numbers), fields),
        Samples::Cells(cells) => whole_of(grid.times, cells).and_then(|(times, numbers)| {
            let grid = Grid::new(grid.hour, &times, grid.longest);
            fill(kind, &grid, &Values::Each(&numbers), fields)
        }),
    };
    if counted.is_none() {
        let finite = |cell: Cell| cell.to_f64(decimals).filter(|value| value.is_finite());
        let values: Vec<Option<f64>> = match samples {
            Samples::Constant(number) => vec![finite(Cell::Scaled(*number)); grid.times.len()],
            Samples::Each(numbers) => numbers.iter().map(|number| finite(Cell::Scaled(*number))).collect(),
            Samples::Cells(cells) => cells.iter().map(|cell| finite(*cell)).collect(),
        };
        let there = grid.times.iter().zip(values);
        let (times, values): (Vec<i64>, Vec<f64>) = there.filter_map(|(time, value)| Some((*time, value?))).unzip();
        let grid = Grid::new(grid.hour, &times, grid.longest);
        // Floating point has no overflow, so this is never none.
        let _counted = fill(kind, &grid, &Values::Each(&values), fields);
    }
}

/// Those that have a value, when all of these are whole numbers.
fn whole_of(times: &[i64], cells: &[Cell]) -> Option<(Vec<i64>, Vec<i64>)> {
    let (mut there, mut numbers) = (Vec::with_capacity(cells.len()), Vec::with_capacity(cells.len()));
    for (time, cell) in times.iter().zip(cells) {
        match cell {
            Cell::Scaled(number) => {
                there.push(*time);
                numbers.push(*number);
            }
            Cell::Absent => {}
            Cell::Raw(_) => return None,
        }
    }
    Some((there, numbers))
}

fn fill<N: Number>(kind: Kind, grid: &Grid<'_>, values: &Values<'_, N>, fields: &mut [Fields; 2]) -> Option<()> {
    let [minutes, hour] = fields;
    minutes.clear();
    hour.clear();
    let mut all: Option<Sums<N>> = None;
    let mut start = grid.hour;
    for span in &grid.spans {
        let times = grid.times.get(span.ticks.clone())?;
        if times.is_empty() {
            minutes.push_none();
        } else {
            let sums = match values {
                Values::Constant(number) => Sums::constant(*number, times, span),
                Values::Each(numbers) => Sums::of(kind, times, numbers.get(span.ticks.clone())?, span, grid.longest),
            }?;
            sums.put(kind, start, minutes)?;
            match &mut all {
                Some(all) => all.join(kind, &sums, grid.longest)?,
                none => *none = Some(sums),
            }
        }
        start += Tier::Minutes.millis();
    }
    match all {
        Some(all) => all.put(kind, grid.hour, hour),
        None => {
            hour.push_none();
            Some(())
        }
    }
}
