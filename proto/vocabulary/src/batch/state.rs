//! What a delta refers to; encoder and decoder keep the same.

use super::cell::Cell;
use crate::series::{Dictionary, Kind};

/// The tick before, cell by cell.
#[derive(Debug)]
pub(super) struct State {
    pub(super) dictionary: Dictionary,
    memory: Vec<Memory>,
    /// Bit *i* of word *i* / 64 is set when cell *i* is a counter's.
    counters: Vec<u64>,
    time: i64,
    interval: i64,
}

/// What one cell's next entry is counted from; zeros at a key-frame.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Memory {
    /// The last value that was an integer.
    value: i64,
    /// The last step that was not zero; stays 0 for a gauge.
    step: i64,
}

/// One bit for each series.
fn counters(dictionary: &Dictionary) -> Vec<u64> {
    let mut words = vec![0; dictionary.len().div_ceil(64)];
    for (at, series) in dictionary.series().enumerate() {
        words[at / 64] |= u64::from(series.kind == Kind::Counter) << (at % 64);
    }
    words
}

impl Default for State {
    fn default() -> Self {
        let dictionary = Dictionary::new(Vec::new());
        Self {
            dictionary,
            memory: Vec::new(),
            counters: Vec::new(),
            time: 0,
            interval: 0,
        }
    }
}

impl State {
    /// Starts anew at `time`, as a key-frame does, with `cells` of zeros. The only place that allocates, and never
    /// more than the dictionary is long.
    pub(super) fn restart(&mut self, time: i64, dictionary: Option<Dictionary>, cells: &mut Vec<Cell>) {
        if let Some(dictionary) = dictionary {
            self.dictionary = dictionary;
            self.counters = counters(&self.dictionary);
        }
        self.memory.clear();
        self.memory.resize(self.dictionary.len(), Memory::default());
        cells.clear();
        cells.resize(self.dictionary.len(), Cell::Scaled(0));
        (self.time, self.interval) = (time, 0);
    }

    /// The entry that turns cell `at` into `value`, which is remembered.
    #[inline]
    pub(super) fn forward(&mut self, at: usize, value: i64) -> i64 {
        let counter = self.is_counter(at);
        let memory = &mut self.memory[at];
        let step = value.wrapping_sub(memory.value);
        let entry = step.wrapping_sub(memory.step);
        memory.advance(value, step, counter);
        entry
    }

    /// The value that `entry` turns cell `at` into, which is remembered.
    #[inline]
    pub(super) fn backward(&mut self, at: usize, entry: i64) -> i64 {
        let counter = self.is_counter(at);
        self.memory[at].backward(entry, counter)
    }

    #[inline]
    fn is_counter(&self, at: usize) -> bool {
        self.counters[at / 64] >> (at % 64) & 1 == 1
    }

    /// Remembers an interval and tells by how much it differs from the last one.
    pub(super) fn tick_forward(&mut self, time: i64) -> i64 {
        let interval = time.wrapping_sub(self.time);
        let entry = interval.wrapping_sub(self.interval);
        (self.time, self.interval) = (time, interval);
        entry
    }

    /// Undoes [`Self::tick_forward`] and returns the time.
    pub(super) fn tick_backward(&mut self, entry: i64) -> i64 {
        self.interval = entry.wrapping_add(self.interval);
        self.time = self.time.wrapping_add(self.interval);
        self.time
    }
}

impl Memory {
    /// The value that `entry` leads to, which is remembered.
    #[inline]
    pub(super) const fn backward(&mut self, entry: i64, counter: bool) -> i64 {
        let step = entry.wrapping_add(self.step);
        let value = self.value.wrapping_add(step);
        self.advance(value, step, counter);
        value
    }

    #[inline]
    const fn advance(&mut self, value: i64, step: i64, counter: bool) {
        self.value = value;
        if counter && step != 0 {
            self.step = step;
        }
    }
}
