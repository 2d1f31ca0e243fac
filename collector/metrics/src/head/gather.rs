//! Ticks and light blocks on their way to columns: one set for each dictionary, cut before it grows too large.

use crate::{
    blocks::{Columns, OpenBlock},
    intervals::Intervals,
};
use std::io;
use tocsin_vocabulary::{
    Dictionary, SpoolId,
    batch::{Cell, Tick},
};

/// Most cells of one block (64 MiB in memory while it is made); a longer hour becomes several generations.
const BLOCK_CELLS_MAX: usize = 4 << 20;

/// Columns that are being gathered.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    done: Vec<Columns>,
    open: Vec<Columns>,
}

impl Gather {
    /// Adds one tick.
    pub(crate) fn add_tick(&mut self, spool: SpoolId, seq: u64, tick: &Tick, dictionary: &Dictionary) {
        let at = self.place(dictionary);
        let columns = &mut self.open[at];
        columns.times.push(tick.time.as_millis());
        for (column, cell) in columns.cells.iter_mut().zip(&tick.cells) {
            column.push(*cell);
        }
        note(&mut columns.seqs, spool, |seqs| seqs.insert(seq));
        self.cut(at);
    }

    /// Adds a whole block, or nothing when it is damaged.
    pub(crate) fn add_block(&mut self, block: &OpenBlock, dictionary: &Dictionary) -> io::Result<()> {
        let times = block.times()?;
        let cells = (0..dictionary.len()).map(|index| block.cells(index));
        let cells: Vec<Vec<Cell>> = cells.collect::<io::Result<_>>()?;
        let at = self.place(dictionary);
        let columns = &mut self.open[at];
        columns.times.extend(times);
        for (column, cells) in columns.cells.iter_mut().zip(cells) {
            column.extend(cells);
        }
        for (spool, held) in &block.header.seqs {
            note(&mut columns.seqs, *spool, |seqs| seqs.merge(held));
        }
        self.cut(at);
        Ok(())
    }

    /// The columns, each sorted by time.
    pub(crate) fn finish(self) -> Vec<Columns> {
        let mut all = self.done;
        all.extend(self.open);
        all.iter_mut().for_each(sort);
        all
    }

    fn place(&mut self, dictionary: &Dictionary) -> usize {
        let same = |columns: &Columns| columns.dictionary.hash() == dictionary.hash();
        self.open.iter().position(same).unwrap_or_else(|| {
            self.open.push(Columns {
                dictionary: dictionary.clone(),
                times: Vec::new(),
                cells: vec![Vec::new(); dictionary.len()],
                seqs: Vec::new(),
            });
            self.open.len() - 1
        })
    }

    fn cut(&mut self, at: usize) {
        let columns = &self.open[at];
        if columns.times.len() * columns.cells.len().max(1) >= BLOCK_CELLS_MAX {
            self.done.push(self.open.swap_remove(at));
        }
    }
}

fn note(seqs: &mut Vec<(SpoolId, Intervals)>, spool: SpoolId, add: impl FnOnce(&mut Intervals)) {
    if let Some((_, known)) = seqs.iter_mut().find(|(known, _)| *known == spool) {
        add(known);
    } else {
        let mut intervals = Intervals::default();
        add(&mut intervals);
        seqs.push((spool, intervals));
    }
}

fn sort(columns: &mut Columns) {
    if columns.times.is_sorted() {
        return;
    }
    let mut order: Vec<usize> = (0..columns.times.len()).collect();
    order.sort_by_key(|&at| columns.times[at]);
    columns.times = order.iter().map(|&at| columns.times[at]).collect();
    for column in &mut columns.cells {
        *column = order.iter().map(|&at| column[at]).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tocsin_vocabulary::{Kind, Section, Series, Timestamp};

    #[test]
    fn late_ticks_find_their_place_and_each_dictionary_its_columns() {
        let series = |name: &str| Series {
            name: name.into(),
            attributes: Vec::new(),
            kind: Kind::Gauge,
            unit: "1".into(),
            decimals: 0,
        };
        let dictionary = |name| Dictionary::new(vec![Arc::new(Section::new(vec![series(name)]))]);
        let (one, two) = (dictionary("a"), dictionary("b"));
        let spool = SpoolId::from_bytes([1; 16]);
        let mut gather = Gather::default();
        for (seq, at, of) in [(1, 10, &one), (2, 20, &two), (3, 30, &one), (4, 5, &one)] {
            let tick = Tick {
                time: Timestamp::from_millis(at),
                cells: vec![Cell::Scaled(at)],
            };
            gather.add_tick(spool, seq, &tick, of);
        }
        let all = gather.finish();
        assert_eq!(all[0].times, [5, 10, 30]);
        assert_eq!(all[0].cells[0], [Cell::Scaled(5), Cell::Scaled(10), Cell::Scaled(30)]);
        assert_eq!(all[0].seqs[0].1.ranges(), [(1, 1), (3, 4)]);
        assert_eq!((all.len(), all[1].times.as_slice()), (2, [20].as_slice()));
    }
}
