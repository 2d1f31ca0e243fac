//! What is kept for the entries of one host's plan: a counter's total and a bit while all is well, the whole life of an alert
//! only while it is not clear.

use super::{
    flaps::Flaps,
    life::{Life, Phase},
    memory::Memory,
    totals::Totals,
};
use crate::{few::Few, plan::Layout, rule::Flapping};
use tocsin_vocabulary::Timestamp;

/// Bits in one word of a bitmap.
const WORD: usize = 64;

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
    len: u32,
    /// Words of `bits` before those of entries.
    words: u32,
    /// By cell: whether its counter stood still on the last tick, so that its rate is zero until it changes. After those, by
    /// entry: whether it was ever seen healthy.
    bits: Box<[u64]>,
    /// By cell with an entry that compares a rate: the counter's total on the last tick.
    totals: Totals,
    /// Alerts that are not clear, in the order of entries.
    awake: Few<Awake>,
    /// Alerts that were raised lately.
    flaps: Few<(usize, Flaps)>,
}

#[derive(Debug)]
struct Awake {
    entry: usize,
    cell: usize,
    /// Apart, for they are found by their entry and come and go in the middle.
    life: Box<Life>,
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
    /// For the entries of a layout, of which nothing is known yet.
    pub(super) fn of(layout: &Layout) -> Self {
        Self {
            len: small(layout.len()),
            words: small(layout.words()),
            bits: vec![0; layout.words() + layout.len().div_ceil(WORD)].into(),
            totals: Totals::of(layout.rated()),
            awake: Few::new(),
            flaps: Few::new(),
        }
    }

    /// Takes the state of an entry; `rated` is the place of its cell, if it compares a rate. In the order of entries.
    pub(super) fn settle(&mut self, entry: usize, cell: usize, rated: Option<usize>, state: &State) {
        if let (Some(rated), Some(total)) = (rated, state.total) {
            self.totals.replace(rated, Some(total));
        }
        if state.healthy_seen {
            self.saw_healthy(entry);
        }
        if let Some(flaps) = &state.flaps {
            self.flaps.push((entry, flaps.clone()));
        }
        self.put(entry, cell, state.life);
    }

    /// Number of entries.
    pub(super) const fn len(&self) -> usize {
        self.len as usize
    }

    /// Where the alert of an entry stands.
    pub(super) fn life(&self, entry: usize) -> Life {
        self.find(entry)
            .map_or_else(|_| Life::default(), |at| *self.awake[at].life)
    }

    /// Everything about an entry; `rated` is the place of its cell, if it compares a rate.
    pub(super) fn state(&self, entry: usize, rated: Option<usize>) -> State {
        State {
            life: self.life(entry),
            total: rated.and_then(|rated| self.totals.get(rated)),
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
                self.awake.change(|awake| awake.remove(at));
            }
            (Ok(at), _) => *self.awake[at].life = life,
            (Err(_), Phase::Clear) => {}
            (Err(at), _) => {
                let life = Box::new(life);
                self.awake.change(|awake| awake.insert(at, Awake { entry, cell, life }));
            }
        }
    }

    /// The alert of an entry is raised; whether it is flapping.
    pub(super) fn raised(&mut self, entry: usize, now: Timestamp, rule: Option<Flapping>) -> bool {
        self.flaps
            .retain_mut(|(of, flaps)| *of == entry || !flaps.is_stale(now));
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
        self.awake.change(|awake| {
            let pending = awake.extract_if(.., |one| one.life.phase == Phase::Pending);
            pending.map(|one| (one.entry, one.life.due)).collect()
        })
    }

    /// Entries whose alert is not clear.
    pub(super) fn awake(&self) -> impl Iterator<Item = (usize, &Life)> {
        self.awake.iter().map(|one| (one.entry, &*one.life))
    }

    /// Which of the 64 cells of a word are counters that stood still.
    pub(super) fn still_cells(&self, word: usize) -> u64 {
        self.bits[word]
    }

    /// Keeps whether a counter stands still.
    pub(super) fn set_still(&mut self, cell: usize, is_still: bool) {
        let (word, bit) = (&mut self.bits[cell / WORD], 1 << (cell % WORD));
        if (*word & bit != 0) != is_still {
            *word ^= bit;
        }
    }

    /// Keeps the total of a rate, if there is one; answers the one before, if there was.
    pub(super) fn count(&mut self, rated: usize, total: Option<i64>) -> Option<i64> {
        self.totals.replace(rated, total)
    }

    pub(super) fn was_healthy(&self, entry: usize) -> bool {
        self.bits[self.words as usize + entry / WORD] >> (entry % WORD) & 1 == 1
    }

    pub(super) fn saw_healthy(&mut self, entry: usize) {
        let bit = 1 << (entry % WORD);
        let word = &mut self.bits[self.words as usize + entry / WORD];
        if *word & bit == 0 {
            *word |= bit;
        }
    }

    fn find(&self, entry: usize) -> Result<usize, usize> {
        self.awake.binary_search_by_key(&entry, |one| one.entry)
    }
}

/// Entries and words are fewer than the bytes that they were named with: neither comes near 2³².
fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
