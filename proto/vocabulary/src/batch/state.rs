//! What a delta refers to; encoder and decoder keep the same.

use super::cell::Cell;
use crate::series::{Dictionary, Kind};

/// The tick before, cell by cell.
#[derive(Debug)]
pub(super) struct State {
    pub(super) dictionary: Dictionary,
    memory: Vec<Memory>,
    time: i64,
    interval: i64,
}

/// What one cell's next entry is counted from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    /// The last value that was an integer.
    value: i64,
    /// The last step that was not zero; stays 0 for a gauge.
    step: i64,
    counter: bool,
}

impl Default for State {
    fn default() -> Self {
        let dictionary = Dictionary::new(Vec::new());
        Self {
            dictionary,
            memory: Vec::new(),
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
            self.memory.clear();
            let memory = |series: &crate::Series| Memory::new(series.kind == Kind::Counter);
            self.memory.extend(self.dictionary.series().map(memory));
        }
        self.memory.iter_mut().for_each(Memory::restart);
        cells.clear();
        cells.resize(self.dictionary.len(), Cell::Scaled(0));
        (self.time, self.interval) = (time, 0);
    }

    /// The entry that turns cell `at` into `value`, which is remembered.
    #[inline]
    pub(super) fn forward(&mut self, at: usize, value: i64) -> i64 {
        let memory = &mut self.memory[at];
        let step = value.wrapping_sub(memory.value);
        let entry = step.wrapping_sub(memory.step);
        memory.advance(value, step);
        entry
    }

    /// The value that `entry` turns cell `at` into, which is remembered.
    #[inline]
    pub(super) fn backward(&mut self, at: usize, entry: i64) -> i64 {
        self.memory[at].backward(entry)
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
    pub(super) const fn new(counter: bool) -> Self {
        Self {
            value: 0,
            step: 0,
            counter,
        }
    }

    /// As it is at a key-frame.
    pub(super) const fn restart(&mut self) {
        (self.value, self.step) = (0, 0);
    }

    /// The value that `entry` leads to, which is remembered.
    #[inline]
    pub(super) const fn backward(&mut self, entry: i64) -> i64 {
        let step = entry.wrapping_add(self.step);
        let value = self.value.wrapping_add(step);
        self.advance(value, step);
        value
    }

    #[inline]
    const fn advance(&mut self, value: i64, step: i64) {
        self.value = value;
        if self.counter && step != 0 {
            self.step = step;
        }
    }
}
