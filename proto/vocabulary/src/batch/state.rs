//! What a delta refers to; encoder and decoder keep the same.

use super::cell::Cell;
use crate::series::{Dictionary, Kind};
use std::collections::BTreeMap;

/// What a delta refers to, beside the tick before.
#[derive(Debug)]
pub(super) struct State {
    pub(super) dictionary: Dictionary,
    /// By 64 cells.
    counters: Vec<Counters>,
    /// By counter: its last step that was not zero; 0 at a key-frame.
    steps: Vec<i64>,
    /// By cell that shows no integer now: the last that it showed, where that was not 0.
    hidden: BTreeMap<usize, i64>,
    time: i64,
    interval: i64,
}

/// Which of 64 cells are counters.
#[derive(Debug, Clone, Copy)]
struct Counters {
    /// Bit *i* is set when cell *i* is a counter's.
    bits: u64,
    /// Counters before these cells.
    before: usize,
}

/// What one cell's next entry is counted from; zeros at a key-frame.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Memory {
    /// The last value that was an integer.
    value: i64,
    /// The last step that was not zero; stays 0 for a gauge.
    step: i64,
}

fn counters(dictionary: &Dictionary) -> Vec<Counters> {
    let none = Counters { bits: 0, before: 0 };
    let mut words = vec![none; dictionary.len().div_ceil(64)];
    for (at, series) in dictionary.series().enumerate() {
        words[at / 64].bits |= u64::from(series.kind == Kind::Counter) << (at % 64);
    }
    let mut before = 0;
    for word in &mut words {
        word.before = before;
        before += word.bits.count_ones() as usize;
    }
    words
}

impl Default for State {
    fn default() -> Self {
        let dictionary = Dictionary::new(Vec::new());
        Self {
            dictionary,
            counters: Vec::new(),
            steps: Vec::new(),
            hidden: BTreeMap::new(),
            time: 0,
            interval: 0,
        }
    }
}

impl State {
    /// Starts anew at `time`, as a key-frame does, with `cells` of zeros. The only place that allocates for each cell, and
    /// never more than the dictionary is long.
    pub(super) fn restart(&mut self, time: i64, dictionary: Option<Dictionary>, cells: &mut Vec<Cell>) {
        if let Some(dictionary) = dictionary {
            self.dictionary = dictionary;
            self.counters = counters(&self.dictionary);
            let last = self.counters.last();
            let count = last.map_or(0, |last| last.before + last.bits.count_ones() as usize);
            self.steps = vec![0; count];
        }
        self.steps.fill(0);
        self.hidden.clear();
        cells.clear();
        cells.resize(self.dictionary.len(), Cell::Scaled(0));
        (self.time, self.interval) = (time, 0);
    }

    /// The entry that turns cell `at` from what it was `before` into `value`.
    #[inline]
    pub(super) fn forward(&mut self, at: usize, before: Cell, value: i64) -> i64 {
        let step = value.wrapping_sub(self.last_value(at, before));
        match self.step_of(at) {
            None => step,
            Some(last) => {
                let entry = step.wrapping_sub(*last);
                advance(last, step);
                entry
            }
        }
    }

    /// The value that `entry` turns cell `at` into, which was `before`.
    #[inline]
    pub(super) fn backward(&mut self, at: usize, before: Cell, entry: i64) -> i64 {
        let value = self.last_value(at, before);
        let step = match self.step_of(at) {
            None => entry,
            Some(last) => {
                let step = entry.wrapping_add(*last);
                advance(last, step);
                step
            }
        };
        value.wrapping_add(step)
    }

    /// Cell `at`, which was `before`, shows no integer for now.
    pub(super) fn hide(&mut self, at: usize, before: Cell) {
        if let Cell::Scaled(value) = before
            && value != 0
        {
            self.hidden.insert(at, value);
        }
    }

    /// The last integer of a cell, which shows one from now on.
    #[inline]
    fn last_value(&mut self, at: usize, before: Cell) -> i64 {
        match before {
            Cell::Scaled(value) => value,
            Cell::Absent | Cell::Raw(_) => self.hidden.remove(&at).unwrap_or(0),
        }
    }

    /// The last step of a cell, if it is a counter's.
    #[inline]
    fn step_of(&mut self, at: usize) -> Option<&mut i64> {
        let Counters { bits, before } = self.counters[at / 64];
        let bit = 1 << (at % 64);
        let counter = bits & bit != 0;
        counter.then(|| &mut self.steps[before + (bits & (bit - 1)).count_ones() as usize])
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

/// Remembers a step, unless the counter stood still.
#[inline]
const fn advance(last: &mut i64, step: i64) {
    if step != 0 {
        *last = step;
    }
}

impl Memory {
    /// The value that `entry` leads to, which is remembered.
    #[inline]
    pub(super) const fn backward(&mut self, entry: i64, counter: bool) -> i64 {
        let step = entry.wrapping_add(self.step);
        self.value = self.value.wrapping_add(step);
        if counter {
            advance(&mut self.step, step);
        }
        self.value
    }
}
