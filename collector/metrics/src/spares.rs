//! Places of ticks that nobody needs any more, for those to come.
//!
//! A tick takes some kilobytes, and of each host one is kept, the last. Allocating a place for every one and freeing that
//! of the one before, on another thread, costs more than decoding it; so the places go round.

use std::sync::{Arc, Mutex, PoisonError};
use tocsin_vocabulary::batch::Tick;

/// Most places that are kept: as many ticks as come while a group is written, of a large fleet.
const SPARES_MAX: usize = 64;
/// Larger places are not kept, so that all of them are 4 MiB at most.
const CELLS_MAX: usize = 4_096;

/// Free places, each with the number of cells that fit.
#[derive(Debug, Default)]
pub(crate) struct Spares(Mutex<Vec<(usize, Arc<Tick>)>>);

impl Spares {
    /// Takes in a tick that its owner gives up.
    pub(crate) fn give(&self, tick: Arc<Tick>) {
        let room = tick.cells.capacity();
        if room > CELLS_MAX || Arc::strong_count(&tick) > 1 {
            return;
        }
        let mut spares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spares.len() < SPARES_MAX {
            spares.push((room, tick));
        }
    }

    /// A place for so many cells, and not for many more, lest small hosts keep large places.
    pub(crate) fn take(&self, cells: usize) -> Option<Arc<Tick>> {
        let fits = cells..=cells.saturating_mul(2);
        let mut spares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = spares.iter().rposition(|(room, _)| fits.contains(room))?;
        Some(spares.swap_remove(at).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tocsin_vocabulary::{Timestamp, batch::Cell};

    fn tick(cells: usize) -> Arc<Tick> {
        Arc::new(Tick {
            time: Timestamp::default(),
            cells: vec![Cell::Absent; cells],
        })
    }

    #[test]
    fn a_place_that_fits_is_found_and_one_that_is_in_use_or_huge_is_not_kept() {
        let spares = Spares::default();
        let used = tick(100);
        spares.give(used.clone());
        assert_eq!(Arc::strong_count(&used), 1, "not kept");
        spares.give(tick(CELLS_MAX + 1));
        spares.give(tick(1_000));
        assert!(spares.take(100).is_none(), "too large for it");
        spares.give(tick(150));
        assert_eq!(spares.take(100).unwrap().cells.len(), 150);
        assert!(spares.take(1_001).is_none(), "too small");
        for _ in 0..2 * SPARES_MAX {
            spares.give(tick(10));
        }
        assert_eq!(std::iter::from_fn(|| spares.take(10)).count(), SPARES_MAX - 1);
    }
}
