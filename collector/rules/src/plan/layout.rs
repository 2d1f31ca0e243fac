//! Which cells of a tick rules look at, and where their entries lie: numbers alone, no names.
//!
//! Entries lie in cell order as a few flat arrays, some four bytes each, and a tick finds those of the cells that changed
//! by their bits. Entries that look at several cells, or at what cells were before, are *derived* and lie after the
//! others.

use super::{DerivedSpot, index};
use crate::rule::MetricCondition;
use std::ops::Range;

/// Cells in one word of a bitmap.
const WORD: usize = 64;

/// The cell of an entry that is not found by a cell.
pub(crate) const NO_CELL: usize = usize::MAX;

/// Where the entries of a plan lie, in cell order.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Layout {
    /// For every 64 cells.
    words: Vec<Word>,
    /// By watched cell: its first entry; and the number of entries.
    firsts: Vec<u32>,
    /// By watched cell: the decimals of its series.
    decimals: Vec<u8>,
    /// By entry: index of the rule in its set.
    rules: Vec<u16>,
    /// How many cells have an entry that compares a rate.
    rated: usize,
    /// The entries after those.
    derived: Vec<DerivedSpot>,
}

/// 64 cells, by bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Word {
    /// Cells that have an entry.
    watched: u64,
    /// Cells that have an entry which compares a rate: that changes while the counter does not.
    rated: u64,
    /// Watched cells before this word.
    before: u32,
    /// Of those, cells that have an entry which compares a rate.
    rated_before: u32,
}

/// A cell that is looked at, and its entries.
#[derive(Debug, Clone)]
pub(crate) struct Spot {
    /// Index of the cell in a tick.
    pub(crate) cell: usize,
    pub(crate) decimals: u8,
    /// Its place among the cells that have an entry which compares a rate.
    pub(crate) rated: Option<usize>,
    pub(crate) entries: Range<usize>,
}

impl Layout {
    /// Number of entries.
    pub(crate) const fn len(&self) -> usize {
        self.rules.len() + self.derived.len()
    }

    /// Number of entries that are found by their cell: the first ones.
    pub(crate) const fn plain(&self) -> usize {
        self.rules.len()
    }

    /// The entries after those.
    pub(crate) fn derived(&self) -> &[DerivedSpot] {
        &self.derived
    }

    /// How many cells have an entry that compares a rate.
    pub(crate) const fn rated(&self) -> usize {
        self.rated
    }

    /// Number of words that [`Self::due`] knows.
    pub(crate) const fn words(&self) -> usize {
        self.words.len()
    }

    /// Index of an entry's rule.
    pub(crate) fn rule(&self, entry: usize) -> usize {
        match self.rules.get(entry) {
            Some(rule) => usize::from(*rule),
            None => self.derived[entry - self.rules.len()].rule(),
        }
    }

    /// Indices of the rules of some plain entries.
    pub(crate) fn plain_rules(&self, entries: Range<usize>) -> &[u16] {
        &self.rules[entries]
    }

    /// Which of 64 cells are looked at, when these have changed or wait, and these counters stood still.
    pub(crate) fn due(&self, word: usize, changed: u64, waiting: u64, still: u64) -> u64 {
        let Word { watched, rated, .. } = self.words[word];
        watched & (changed | waiting | (rated & !still))
    }

    /// The place of a cell among those that have an entry which compares a rate.
    pub(crate) fn rated_place(&self, cell: usize) -> Option<usize> {
        let word = self.words.get(cell / WORD)?;
        let bit = cell % WORD;
        let below = word.rated & !(u64::MAX << bit);
        (word.rated >> bit & 1 == 1).then_some(word.rated_before as usize + below.count_ones() as usize)
    }

    /// The watched cell at a bit of a word.
    pub(crate) fn spot(&self, word: usize, bit: u32) -> Spot {
        let Word { watched, before, .. } = self.words[word];
        let rank = before as usize + (watched & !(u64::MAX << bit)).count_ones() as usize;
        let cell = word * WORD + bit as usize;
        Spot {
            cell,
            rated: self.rated_place(cell),
            decimals: self.decimals[rank],
            entries: self.firsts[rank] as usize..self.firsts[rank + 1] as usize,
        }
    }

    /// The cell that an entry is found by.
    pub(crate) fn cell(&self, entry: usize) -> usize {
        if entry >= self.plain() {
            return NO_CELL;
        }
        let rank = self
            .firsts
            .partition_point(|first| *first as usize <= entry)
            .saturating_sub(1);
        let word = self
            .words
            .partition_point(|word| word.before as usize <= rank)
            .saturating_sub(1);
        let Word {
            mut watched, before, ..
        } = self.words[word];
        for _ in before as usize..rank {
            watched &= watched.wrapping_sub(1);
        }
        word * WORD + watched.trailing_zeros() as usize
    }

    /// Whether a cell is looked at by itself.
    pub(crate) fn is_watched(&self, cell: usize) -> bool {
        let word = self.words.get(cell / WORD);
        word.is_some_and(|word| word.watched >> (cell % WORD) & 1 == 1)
    }

    /// By watched cell: indices of the rules of its entries.
    pub(crate) fn plain_rules_by_cell(&self) -> impl Iterator<Item = &[u16]> {
        let ends = self.firsts.windows(2);
        ends.map(|ends| &self.rules[ends[0] as usize..ends[1] as usize])
    }

    /// One without entries, for so many cells.
    pub(super) fn new(cells: usize) -> Self {
        Self {
            words: vec![Word::default(); cells.div_ceil(WORD)],
            firsts: vec![0],
            ..Self::default()
        }
    }

    /// Adds the next cell that some rules look at.
    pub(super) fn push(&mut self, cell: usize, decimals: u8, rules: &[(u16, &MetricCondition)]) {
        let word = &mut self.words[cell / WORD];
        word.watched |= 1 << (cell % WORD);
        if rules.iter().any(|(_, condition)| condition.per.is_some()) {
            word.rated |= 1 << (cell % WORD);
            self.rated += 1;
        }
        self.decimals.push(decimals);
        self.rules.extend(rules.iter().map(|(rule, _)| rule));
        self.firsts.push(index(self.rules.len()));
    }

    /// Adds the derived entries, counts what lies before each word, and lets go of spare memory.
    pub(super) fn finish(&mut self, derived: Vec<DerivedSpot>) {
        self.derived = derived;
        let (mut before, mut rated_before) = (0, 0);
        for word in &mut self.words {
            (word.before, word.rated_before) = (before, rated_before);
            before += word.watched.count_ones();
            rated_before += word.rated.count_ones();
        }
        self.firsts.shrink_to_fit();
        self.decimals.shrink_to_fit();
        self.rules.shrink_to_fit();
        self.derived.shrink_to_fit();
    }
}
