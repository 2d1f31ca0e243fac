//! What several sources of one hour hold of a host's series, and how doubles among them are settled.
//!
//! Mostly the sources follow each other, light block by light block and then the journal, and every tick has a whole
//! number: then a series stays a row of numbers. Only where that ends does it become a row of ranked samples.

use crate::blocks::column::Numbers;
use tocsin_vocabulary::batch::Cell;

/// A sample with the rank of its source, by which doubles are settled.
type Ranked = (i64, u32, Cell);

/// What several sources of one hour hold together.
#[derive(Debug, Default)]
pub(super) struct Mixed {
    /// Of all sources, one after the other.
    times: Vec<i64>,
    /// Where the times of each source begin, and its rank.
    sources: Vec<(usize, u32)>,
    series: Vec<Row>,
}

/// What is held of one series.
#[derive(Debug, Default)]
struct Row {
    /// A number for each of the times so far, or for some of the first of them; none once there are samples.
    numbers: Vec<i64>,
    samples: Option<Vec<Ranked>>,
}

impl Row {
    /// Whether all of so many times have a number here.
    const fn is_whole(&self, times: usize) -> bool {
        self.samples.is_none() && self.numbers.len() == times
    }

    /// The samples; numbers become that.
    fn samples(&mut self, times: &[i64], sources: &[(usize, u32)]) -> &mut Vec<Ranked> {
        let numbers = std::mem::take(&mut self.numbers);
        self.samples.get_or_insert_with(|| {
            let mut ranked = Vec::with_capacity(times.len());
            let ends = sources.iter().skip(1).map(|(at, _)| *at).chain([times.len()]);
            for ((begin, rank), end) in sources.iter().zip(ends) {
                let own = times.iter().zip(&numbers).take(end).skip(*begin);
                ranked.extend(own.map(|(time, number)| (*time, *rank, Cell::Scaled(*number))));
            }
            ranked
        })
    }
}

/// A series' part of an hour, sorted by time, each time once.
pub(super) enum Settled<'a> {
    /// A number for each tick of the hour.
    Whole(&'a [i64]),
    /// Cells with times of their own.
    Cells(Vec<i64>, Vec<Cell>),
}

impl Mixed {
    /// Begins a source with these times. Sources with the same rank follow each other.
    pub(super) fn begin(&mut self, rank: u32, times: impl IntoIterator<Item = i64>) {
        self.sources.push((self.times.len(), rank));
        self.times.extend(times);
    }

    /// Adds a tick to the source that was begun last.
    pub(super) fn push_time(&mut self, time: i64) {
        self.times.push(time);
    }

    /// What the source that was begun last holds of a series: the cells of a column from `from` on, as many as it has
    /// times, in these decimals where the series' own are others.
    pub(super) fn add(&mut self, slot: usize, numbers: &Numbers, from: usize, (decimals, own): (u8, u8)) {
        let Some(&(begin, rank)) = self.sources.last() else {
            return;
        };
        let end = self.times.len();
        let row = row(&mut self.series, slot);
        match numbers {
            Numbers::Each(numbers) if decimals == own && row.is_whole(begin) => {
                let numbers = numbers.get(from..from + end - begin).unwrap_or_default();
                row.numbers.extend_from_slice(numbers);
            }
            Numbers::Constant(number) if decimals == own && row.is_whole(begin) => row.numbers.resize(end, *number),
            _ => {
                let samples = row.samples(&self.times, &self.sources);
                let cells = self.times.iter().skip(begin).zip(from..);
                samples.extend(cells.map(|(time, at)| (*time, rank, rescaled(numbers.get(at), decimals, own))));
            }
        }
    }

    /// The cell that the tick which was added last has of a series.
    pub(super) fn push(&mut self, slot: usize, cell: Cell) {
        let (Some(&(_, rank)), Some(&time)) = (self.sources.last(), self.times.last()) else {
            return;
        };
        let row = row(&mut self.series, slot);
        match cell {
            Cell::Scaled(number) if row.is_whole(self.times.len() - 1) => row.numbers.push(number),
            cell => row.samples(&self.times, &self.sources).push((time, rank, cell)),
        }
    }

    /// Takes over the sources of another one.
    pub(super) fn append(&mut self, other: Self) {
        let begin = self.times.len();
        self.sources
            .extend(other.sources.iter().map(|(at, rank)| (begin + at, *rank)));
        self.times.extend_from_slice(&other.times);
        for (slot, mut theirs) in other.series.into_iter().enumerate() {
            let own = row(&mut self.series, slot);
            if own.is_whole(begin) && theirs.samples.is_none() {
                own.numbers.extend(theirs.numbers);
            } else {
                let theirs = std::mem::take(theirs.samples(&other.times, &other.sources));
                own.samples(&self.times, &self.sources).extend(theirs);
            }
        }
    }

    /// The times of all ticks, sorted and each once, and whether they were so already.
    pub(super) fn times(&self) -> (Vec<i64>, bool) {
        let mut times = self.times.clone();
        let once = times.is_sorted_by(|one, two| one < two);
        if !once {
            times.sort_unstable();
            times.dedup();
        }
        (times, once)
    }

    /// What is held of a series. `once` as [`Self::times`] said.
    pub(super) fn settle(&mut self, slot: usize, once: bool) -> Settled<'_> {
        let Some(row) = self.series.get_mut(slot) else {
            return Settled::Cells(Vec::new(), Vec::new());
        };
        if once && row.is_whole(self.times.len()) {
            return Settled::Whole(&row.numbers);
        }
        let samples = std::mem::take(row.samples(&self.times, &self.sources));
        let (times, cells) = settle(samples);
        Settled::Cells(times, cells)
    }
}

/// The row of a series, made when it is new.
fn row(series: &mut Vec<Row>, slot: usize) -> &mut Row {
    if series.len() <= slot {
        series.resize_with(slot + 1, Row::default);
    }
    &mut series[slot]
}

/// A cell of a source that counts in other decimals than the series' first one is told as its value.
pub(super) fn rescaled(cell: Cell, decimals: u8, own: u8) -> Cell {
    match cell {
        Cell::Scaled(_) if decimals != own => cell.to_f64(decimals).map_or(Cell::Absent, Cell::Raw),
        cell => cell,
    }
}

/// Sorted by time, each time once: of doubles the highest rank counts.
fn settle(mut ranked: Vec<Ranked>) -> (Vec<i64>, Vec<Cell>) {
    if !ranked.is_sorted_by(|one, two| one.0 < two.0) {
        ranked.sort_by_key(|(time, rank, _)| (*time, std::cmp::Reverse(*rank)));
        ranked.dedup_by_key(|(time, ..)| *time);
    }
    ranked.into_iter().map(|(time, _, cell)| (time, cell)).unzip()
}

/// The numbers, when every tick has a whole one.
pub(super) fn whole(cells: &[Cell]) -> Option<Vec<i64>> {
    let number = |cell: &Cell| match cell {
        Cell::Scaled(number) => Some(*number),
        _ => None,
    };
    cells.iter().map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What one source holds: its times ascending, and of each of two series a column, if it has that series at all.
    fn any_source() -> impl Strategy<Value = (Vec<i64>, [Option<Numbers>; 2])> {
        (prop::collection::vec(1_i64..50, 0..12), 0_i64..600).prop_flat_map(|(pauses, begin)| {
            let times: Vec<i64> = pauses
                .iter()
                .scan(begin, |time, pause| {
                    *time += pause;
                    Some(*time)
                })
                .collect();
            let column = prop::option::weighted(0.9, any_numbers(times.len()));
            (Just(times), [column.clone(), column])
        })
    }

    fn any_numbers(count: usize) -> impl Strategy<Value = Numbers> + Clone {
        let cell = prop_oneof![
            (0_i64..9).prop_map(Cell::Scaled),
            Just(Cell::Absent),
            Just(Cell::Raw(0.5))
        ];
        prop_oneof![
            4 => prop::collection::vec(0_i64..9, count).prop_map(Numbers::Each),
            2 => (0_i64..9).prop_map(Numbers::Constant),
            1 => Just(Numbers::Absent),
            1 => prop::collection::vec(cell, count).prop_map(Numbers::Mixed),
        ]
    }

    proptest! {
        #[test]
        fn sources_settle_as_if_each_sample_were_ranked(
            sources in prop::collection::vec((any_source(), 0_u32..3), 0..5), in_order: bool, last_is_pushed: bool, other_scale in 0_usize..8,
        ) {
            let (mut mixed, mut expected) = (Mixed::default(), [Vec::new(), Vec::new()]);
            let (mut begin, count) = (0, sources.len());
            for (at, ((times, columns), rank)) in sources.into_iter().enumerate() {
                // In order: each source begins after the one before it.
                let shift = if in_order { begin } else { 0 };
                let times: Vec<i64> = times.iter().map(|time| time + shift).collect();
                begin = times.last().map_or(begin, |last| last + 1);
                let decimals = if at == other_scale { 2 } else { 1 };
                let scale = |cell| rescaled(cell, decimals, 1);
                for (samples, column) in expected.iter_mut().zip(&columns) {
                    let Some(column) = column else { continue };
                    samples.extend(times.iter().enumerate().map(|(at, time)| (*time, rank, scale(column.get(at)))));
                }
                let there = || columns.iter().enumerate().filter_map(|(slot, column)| Some((slot, column.as_ref()?)));
                if last_is_pushed && at + 1 == count {
                    let mut pushed = Mixed::default();
                    pushed.begin(rank, []);
                    for (at, time) in times.iter().enumerate() {
                        pushed.push_time(*time);
                        there().for_each(|(slot, column)| pushed.push(slot, scale(column.get(at))));
                    }
                    mixed.append(pushed);
                } else {
                    mixed.begin(rank, times.iter().copied());
                    there().for_each(|(slot, column)| mixed.add(slot, column, 0, (decimals, 1)));
                }
            }
            let (times, once) = mixed.times();
            for (slot, expected) in expected.into_iter().enumerate() {
                let found = match mixed.settle(slot, once) {
                    Settled::Whole(numbers) => (times.clone(), numbers.iter().copied().map(Cell::Scaled).collect()),
                    Settled::Cells(times, cells) => (times, cells),
                };
                prop_assert_eq!(found, settle(expected));
            }
        }
    }
}
