//! What is kept for the entries of one host's plan: a counter's total and a bit while all is well, the whole life of an alert
//! only while it is not clear.

use super::{
    flaps::Flaps,
    life::{Life, Phase},
    memory::Memory,
};
use crate::rule::Flapping;
use tocsin_vocabulary::Timestamp;

/// Bits in one word of a bitmap.
const WORD: usize = 64;

/// Stands for no total: no counter is there.
const NO_TOTAL: i64 = i64::MIN;

/// What is kept for one entry, on its way from one plan to another.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) life: Life,
    /// A counter's total on the last tick.
    pub(super) total: Option<i64>,
    /// Whether it was ever seen healthy.
    pub(super) healthy_seen: bool,
    /// Of a derived entry.
    pub(super) memory: Option<Memory>,
    pub(super) flaps: Option<Flaps>,
}

/// What is kept for all entries of a plan.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Number of entries.
    len: usize,
    /// By cell, as bits: whether its counter stood still on the last tick, so that its rate is zero until it changes.
    still: Vec<u64>,
    /// By cell with an entry that compares a rate: the counter's total on the last tick, [`NO_TOTAL`] without one.
    totals: Vec<i64>,
    /// By entry, as bits: whether it was ever seen healthy.
    healthy: Vec<u64>,
    /// Alerts that are not clear, in the order of entries.
    awake: Vec<Awake>,
    /// Alerts that were raised lately.
    flaps: Vec<(usize, Flaps)>,
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
            memory: None,
            flaps: None,
        }
    }
}

impl Kept {
    /// Room for so many entries, cells with a rate, and words of cells.
    pub(super) fn with_room(entries: usize, rated: usize, words: usize) -> Self {
        Self {
            len: 0,
            still: vec![0; words],
            totals: vec![NO_TOTAL; rated],
            healthy: Vec::with_capacity(entries.div_ceil(WORD)),
            awake: Vec::new(),
            flaps: Vec::new(),
        }
    }

    /// Adds the state of the next entry; `rated` is the place of its cell, if it compares a rate.
    pub(super) fn push(&mut self, cell: usize, rated: Option<usize>, state: &State) {
        let entry = self.len;
        if entry.is_multiple_of(WORD) {
            self.healthy.push(0);
        }
        if let (Some(rated), Some(total)) = (rated, state.total) {
            self.totals[rated] = total;
        }
        if state.healthy_seen {
            self.saw_healthy(entry);
        }
        self.len += 1;
        if let Some(flaps) = &state.flaps {
            self.flaps.push((entry, flaps.clone()));
        }
        self.put(entry, cell, state.life);
    }

    /// Number of entries.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Where the alert of an entry stands.
    pub(super) fn life(&self, entry: usize) -> Life {
        self.find(entry)
            .map_or_else(|_| Life::default(), |at| self.awake[at].life)
    }

    /// Everything about an entry; `rated` is the place of its cell, if it compares a rate.
    pub(super) fn state(&self, entry: usize, rated: Option<usize>) -> State {
        State {
            life: self.life(entry),
            total: rated.map(|rated| self.totals[rated]).filter(|total| *total != NO_TOTAL),
            healthy_seen: self.was_healthy(entry),
            memory: None,
            flaps: self
                .flaps
                .iter()
                .find(|(of, _)| *of == entry)
                .map(|(_, flaps)| flaps.clone()),
        }
    }

    /// Keeps where the alert of an entry on `cell` stands.
    pub(super) fn put(&mut self, entry: usize, cell: usize, life: Life) {
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

    /// The alert of an entry is raised; whether it is flapping.
    pub(super) fn raised(&mut self, entry: usize, now: Timestamp, rule: Option<Flapping>) -> bool {
        self.flaps.retain(|(of, flaps)| *of == entry || !flaps.is_stale(now));
        let at = self.flaps.iter().position(|(of, _)| *of == entry);
        let at = at.unwrap_or_else(|| {
            self.flaps.push((entry, Flaps::default()));
            self.flaps.len() - 1
        });
        self.flaps[at].1.raised(now, rule)
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

    /// Drops alerts that are pending; answers their entries with when a timer would have looked.
    pub(super) fn drop_pending(&mut self) -> Vec<(usize, Option<Timestamp>)> {
        let pending = self.awake.extract_if(.., |one| one.life.phase == Phase::Pending);
        let dropped = pending.map(|one| (one.entry, one.life.due)).collect();
        if self.awake.is_empty() {
            self.awake = Vec::new();
        }
        dropped
    }

    /// Entries whose alert is not clear.
    pub(super) fn awake(&self) -> impl Iterator<Item = (usize, &Life)> {
        self.awake.iter().map(|one| (one.entry, &one.life))
    }

    /// Which of the 64 cells of a word are counters that stood still.
    pub(super) fn still_cells(&self, word: usize) -> u64 {
        self.still[word]
    }

    /// Keeps whether a counter stands still.
    pub(super) fn set_still(&mut self, cell: usize, is_still: bool) {
        let (word, bit) = (&mut self.still[cell / WORD], 1 << (cell % WORD));
        if (*word & bit != 0) != is_still {
            *word ^= bit;
        }
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
