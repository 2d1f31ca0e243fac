//! What several sources of one hour hold of a host's series, and how doubles among them are settled.

use tocsin_vocabulary::batch::Cell;

/// Samples with the rank of their source, by which doubles are settled.
pub(super) type Ranked = (i64, u32, Cell);

/// What several sources of one hour hold together.
#[derive(Default)]
pub(super) struct Mixed {
    pub(super) times: Vec<i64>,
    pub(super) samples: Vec<Vec<Ranked>>,
}

impl Mixed {
    pub(super) fn add(&mut self, other: Self) {
        self.times.extend(other.times);
        for (at, samples) in other.samples.into_iter().enumerate() {
            self.slot(at).extend(samples);
        }
    }

    pub(super) fn slot(&mut self, slot: usize) -> &mut Vec<Ranked> {
        if self.samples.len() <= slot {
            self.samples.resize_with(slot + 1, Vec::new);
        }
        &mut self.samples[slot]
    }
}

/// A cell of a source that counts in other decimals than the series' first one is told as its value.
pub(super) fn rescaled(cell: Cell, decimals: u8, own: u8) -> Cell {
    match cell {
        Cell::Scaled(_) if decimals != own => cell.to_f64(decimals).map_or(Cell::Absent, Cell::Raw),
        cell => cell,
    }
}

/// Sorted by time, each time once: of doubles the highest rank counts.
pub(super) fn settle(mut ranked: Vec<Ranked>) -> (Vec<i64>, Vec<Cell>) {
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
