//! Series as the store answers them, turned into ticks again.

use std::{collections::BTreeSet, sync::Arc};
use tocsin_metrics::SeriesData;
use tocsin_vocabulary::{
    Dictionary, Section, Series, Timestamp,
    batch::{Cell, Tick},
    catalogue,
};

/// A column: the series and its cell at each of the chunk's ticks from `first` on.
struct Column {
    series: Series,
    first: usize,
    cells: Vec<Cell>,
}

/// A stretch of a host's time.
pub(super) struct Chunk {
    times: Vec<Timestamp>,
    columns: Vec<Column>,
}

impl Chunk {
    /// Of what a query without steps answered for one host; times of all series count, the wanted ones have columns.
    pub(super) fn new(series: Vec<SeriesData>, wanted: &dyn Fn(&Series) -> bool) -> Self {
        let times = times(&series);
        let columns = series
            .into_iter()
            .filter_map(|data| {
                let metric = catalogue::metric(&data.name)?;
                let series = Series {
                    name: data.name,
                    attributes: data.attributes,
                    kind: data.kind,
                    unit: data.unit,
                    decimals: metric.decimals,
                };
                wanted(&series).then(|| column(series, &data.points, &times)).flatten()
            })
            .collect();
        Self { times, columns }
    }

    /// Hands every tick over, in the order of time, with its dictionary and what differs from the tick before.
    pub(super) fn for_each(&self, mut each: impl FnMut(&Dictionary, &Tick, &[u64])) {
        let mut bounds: BTreeSet<usize> = BTreeSet::from([0, self.times.len()]);
        for column in &self.columns {
            bounds.extend([column.first, column.first + column.cells.len()]);
        }
        let bounds: Vec<usize> = bounds.into_iter().collect();
        for pair in bounds.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            let present: Vec<&Column> = self
                .columns
                .iter()
                .filter(|column| column.first <= from && to <= column.first + column.cells.len())
                .collect();
            let section = Section::new(present.iter().map(|column| column.series.clone()).collect());
            let dictionary = Dictionary::new(vec![Arc::new(section)]);
            let mut tick = Tick {
                time: Timestamp::default(),
                cells: vec![Cell::Absent; present.len()],
            };
            let mut changed = vec![0_u64; present.len().div_ceil(64)];
            for at in from..to {
                tick.time = self.times[at];
                changed.fill(0);
                for (nth, (cell, column)) in tick.cells.iter_mut().zip(&present).enumerate() {
                    let now = column.cells[at - column.first];
                    if at == from || *cell != now {
                        *cell = now;
                        changed[nth / 64] |= 1 << (nth % 64);
                    }
                }
                each(&dictionary, &tick, &changed);
            }
        }
    }
}

/// Times of all series, each once.
fn times(series: &[SeriesData]) -> Vec<Timestamp> {
    let of = |data: &SeriesData| data.points.iter().map(|(time, _)| *time).collect::<Vec<_>>();
    let longest = series
        .iter()
        .max_by_key(|data| data.points.len())
        .map(of)
        .unwrap_or_default();
    // Mostly all have the same.
    let same = series.iter().all(|data| {
        data.points.is_empty()
            || (data.points.len() == longest.len()
                && data.points.first().map(|point| point.0) == longest.first().copied()
                && data.points.last().map(|point| point.0) == longest.last().copied())
    });
    if same {
        return longest;
    }
    let all: BTreeSet<Timestamp> = series
        .iter()
        .flat_map(|data| data.points.iter().map(|(time, _)| *time))
        .collect();
    all.into_iter().collect()
}

fn column(series: Series, points: &[(Timestamp, Option<f64>)], times: &[Timestamp]) -> Option<Column> {
    let begin = points.first()?.0;
    let first = times.binary_search(&begin).ok()?;
    let mut points = points.iter().peekable();
    let mut cells = Vec::new();
    for time in times.get(first..)? {
        let Some((_, value)) = points.next_if(|(at, _)| at <= time) else {
            if points.peek().is_none() {
                break;
            }
            cells.push(Cell::Absent);
            continue;
        };
        cells.push(value.map_or(Cell::Absent, |value| Cell::from_f64(value, series.decimals)));
    }
    Some(Column { series, first, cells })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tocsin_vocabulary::Kind;

    fn data(mount: &str, points: &[(i64, Option<f64>)]) -> SeriesData {
        SeriesData {
            host: None,
            name: "system.filesystem.utilization".into(),
            attributes: vec![("system.filesystem.mountpoint".into(), mount.into())],
            unit: "1".into(),
            kind: Kind::Gauge,
            points: points
                .iter()
                .map(|(at, value)| (Timestamp::from_millis(*at), *value))
                .collect(),
            min: Vec::new(),
            max: Vec::new(),
        }
    }

    #[test]
    fn series_become_ticks_again_and_one_that_comes_later_begins_a_new_dictionary() {
        let series = vec![
            data("/", &[(1, Some(0.5)), (2, None), (3, Some(0.5)), (4, Some(0.5))]),
            data("/mnt", &[(3, Some(0.1)), (4, Some(0.2))]),
        ];
        let mut seen = Vec::new();
        Chunk::new(series, &|_| true).for_each(|dictionary, tick, changed| {
            seen.push((
                tick.time.as_millis(),
                dictionary.series().count(),
                tick.cells.clone(),
                changed[0],
            ));
        });
        let half = Cell::Scaled(5_000);
        assert_eq!(
            seen,
            [
                (1, 1, vec![half], 1),
                (2, 1, vec![Cell::Absent], 1),
                (3, 2, vec![half, Cell::Scaled(1_000)], 3),
                (4, 2, vec![half, Cell::Scaled(2_000)], 2),
            ]
        );
    }
}
