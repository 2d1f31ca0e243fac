//! What is kept for the entries of one host's plan: a value and a bit while all is well, the whole life of an alert
//! only while it is not clear.

use super::life::{Life, Phase};

/// Bits in one word of a bitmap.
const WORD: usize = 64;

/// Stands for no total: no counter is there.
const NO_TOTAL: i64 = i64::MIN;

/// What is kept for one entry, on its way from one plan to another.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct State {
    pub(super) life: Life,
    /// A counter's total on the last tick.
    pub(super) total: Option<i64>,
    /// Whether it was ever seen healthy.
    pub(super) healthy_seen: bool,
}

/// What is kept for all entries of a plan.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// By entry: the last value; NaN, which no value is, when nothing was measured.
    values: Vec<f64>,
    /// By entry that compares a rate, in their order: the counter's total on the last tick, [`NO_TOTAL`] without one.
    totals: Vec<i64>,
    /// By entry, as bits: whether it was ever seen healthy.
    healthy: Vec<u64>,
    /// Alerts that are not clear, in the order of entries.
    awake: Vec<Awake>,
}

#[derive(Debug)]
struct Awake {
    entry: usize,
    cell: usize,
    life: Life,
}

impl State {
    /// Of an alert that comes back to its series: it was healthy once, or it would not have been raised.
    pub(super) const fn raised(life: Life) -> Self {
        Self {
            life,
            total: None,
            healthy_seen: true,
        }
    }
}

impl Kept {
    /// Room for so many entries, so many of them rates.
    pub(super) fn with_room(entries: usize, rated: usize) -> Self {
        Self {
            values: Vec::with_capacity(entries),
            totals: Vec::with_capacity(rated),
            healthy: Vec::with_capacity(entries.div_ceil(WORD)),
            awake: Vec::new(),
        }
    }

    /// Adds the state of the next entry.
    pub(super) fn push(&mut self, cell: usize, rated: bool, state: State) {
        let entry = self.values.len();
        if entry.is_multiple_of(WORD) {
            self.healthy.push(0);
        }
        if rated {
            self.totals.push(state.total.unwrap_or(NO_TOTAL));
        }
        if state.healthy_seen {
            self.saw_healthy(entry);
        }
        self.values.push(f64::NAN);
        self.put(entry, cell, state.life);
    }

    /// Number of entries.
    pub(super) const fn len(&self) -> usize {
        self.values.len()
    }

    /// Where the alert of an entry stands.
    pub(super) fn life(&self, entry: usize) -> Life {
        self.find(entry)
            .map_or_else(|_| Life::clear_at(self.value(entry)), |at| self.awake[at].life)
    }

    /// Everything about an entry; `rated` is its place among rates.
    pub(super) fn state(&self, entry: usize, rated: Option<usize>) -> State {
        State {
            life: self.life(entry),
            total: rated.map(|rated| self.totals[rated]).filter(|total| *total != NO_TOTAL),
            healthy_seen: self.was_healthy(entry),
        }
    }

    /// Keeps where the alert of an entry on `cell` stands.
    pub(super) fn put(&mut self, entry: usize, cell: usize, life: Life) {
        self.set_value(entry, life.value);
        match (self.find(entry), life.phase) {
            (Ok(at), Phase::Clear) => {
                self.awake.remove(at);
            }
            (Ok(at), _) => self.awake[at].life = life,
            (Err(_), Phase::Clear) => {}
            (Err(at), _) => self.awake.insert(at, Awake { entry, cell, life }),
        }
        if self.awake.is_empty() {
            self.awake = Vec::new();
        }
    }

    /// Whether no alert is anything but clear.
    pub(super) const fn is_calm(&self) -> bool {
        self.awake.is_empty()
    }

    /// Whether the alert of an entry is not clear.
    pub(super) fn is_awake(&self, entry: usize) -> bool {
        !self.is_calm() && self.find(entry).is_ok()
    }

    /// Which of the 64 cells of a word have an alert that is not clear.
    pub(super) fn awake_cells(&self, word: usize) -> u64 {
        if self.is_calm() {
            return 0;
        }
        // Entries are in cell order.
        let first = self.awake.partition_point(|one| one.cell < word * WORD);
        let cells = self.awake[first..].iter().map(|one| one.cell);
        let cells = cells.take_while(|cell| cell / WORD == word);
        cells.fold(0, |bits, cell| bits | 1 << (cell % WORD))
    }

    /// Entries whose alert is not clear.
    pub(super) fn awake(&self) -> impl Iterator<Item = (usize, &Life)> {
        self.awake.iter().map(|one| (one.entry, &one.life))
    }

    pub(super) fn set_value(&mut self, entry: usize, value: Option<f64>) {
        self.values[entry] = value.unwrap_or(f64::NAN);
    }

    pub(super) fn value(&self, entry: usize) -> Option<f64> {
        Some(self.values[entry]).filter(|value| !value.is_nan())
    }

    /// Keeps the total of a rate, if there is one; answers the one before, if there was.
    pub(super) fn count(&mut self, rated: usize, total: Option<i64>) -> Option<i64> {
        let total = total.unwrap_or(NO_TOTAL);
        let before = self.totals[rated];
        if before != total {
            self.totals[rated] = total;
        }
        (before != NO_TOTAL).then_some(before)
    }

    pub(super) fn was_healthy(&self, entry: usize) -> bool {
        self.healthy[entry / WORD] >> (entry % WORD) & 1 == 1
    }

    pub(super) fn saw_healthy(&mut self, entry: usize) {
        let bit = 1 << (entry % WORD);
        let word = &mut self.healthy[entry / WORD];
        if *word & bit == 0 {
            *word |= bit;
        }
    }

    fn find(&self, entry: usize) -> Result<usize, usize> {
        self.awake.binary_search_by_key(&entry, |one| one.entry)
    }
}
