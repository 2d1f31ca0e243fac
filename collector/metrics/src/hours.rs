//! A host's past, hour by hour and column by column, for whoever goes through all of it: a replay of rules.
//!
//! An hour that lies in one sealed block is handed over as the block holds it. Any other hour — not sealed yet, or of several
//! generations, or damaged — is only named: [`Store::query`] puts it together.

use crate::{
    blocks::{BlockRef, column::Numbers},
    error::QueryError,
    head::{HOUR_MS, hour_of},
    store::Store,
};
use std::{collections::BTreeMap, io, ops::ControlFlow, sync::Arc};
use tocsin_vocabulary::{Dictionary, HostId, Timestamp, batch::Cell};

/// The values of one series in an hour, one for each of its ticks, as integers × 10^-decimals.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// No tick has one.
    Absent,
    /// Every tick has this one.
    Constant(i64),
    /// Each tick has its own.
    Each(Vec<i64>),
    /// Anything else.
    Cells(Vec<Cell>),
}

impl Values {
    /// The cell of a tick.
    #[inline]
    #[must_use]
    pub fn get(&self, at: usize) -> Cell {
        match self {
            Self::Absent => Cell::Absent,
            Self::Constant(number) => Cell::Scaled(*number),
            Self::Each(numbers) => numbers.get(at).map_or(Cell::Absent, |number| Cell::Scaled(*number)),
            Self::Cells(cells) => cells.get(at).copied().unwrap_or(Cell::Absent),
        }
    }

    /// Whether all its cells are the same.
    #[must_use]
    pub const fn is_still(&self) -> bool {
        matches!(self, Self::Absent | Self::Constant(_))
    }
}

impl From<Numbers> for Values {
    fn from(numbers: Numbers) -> Self {
        match numbers {
            Numbers::Absent => Self::Absent,
            Numbers::Constant(number) => Self::Constant(number),
            Numbers::Each(numbers) => Self::Each(numbers),
            Numbers::Mixed(cells) => Self::Cells(cells),
        }
    }
}

/// An hour that lies in one block.
#[derive(Debug, Clone)]
pub struct HourColumns {
    /// What the host measured then.
    pub dictionary: Dictionary,
    /// Which series were chosen, by their place in it, ascending.
    pub places: Arc<[usize]>,
    /// When the ticks were taken, epoch milliseconds, sorted.
    pub times: Vec<i64>,
    /// The chosen series.
    pub columns: Vec<Values>,
}

/// An hour of a host.
#[derive(Debug, Clone)]
pub enum Hour {
    /// It lies in one block.
    Whole(HourColumns),
    /// It must be asked for: from the first instant until before the second.
    Scattered(Timestamp, Timestamp),
}

impl Store {
    /// Hands over each hour of a host that has ticks between `from` and before `to`, oldest first and whole, edges included.
    /// `choose` names the wanted series of a dictionary, ascending.
    ///
    /// # Errors
    /// When the list of blocks can't be read.
    pub fn each_hour(
        &self,
        host: HostId,
        (from, to): (Timestamp, Timestamp),
        choose: &mut dyn FnMut(&Dictionary) -> Arc<[usize]>,
        each: &mut dyn FnMut(Hour) -> ControlFlow<()>,
    ) -> Result<(), QueryError> {
        for (hour, block) in self.hours_of(host, from, to)? {
            let whole = block.and_then(|block| self.read_hour(&block, choose));
            let next = match whole {
                Some(columns) => each(Hour::Whole(columns)),
                None => each(Hour::Scattered(
                    Timestamp::from_millis(hour),
                    Timestamp::from_millis(hour.saturating_add(HOUR_MS)),
                )),
            };
            if next.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Hours with ticks, and the block of those that lie in one.
    fn hours_of(
        &self,
        host: HostId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<BTreeMap<i64, Option<BlockRef>>, QueryError> {
        let shared = self.shared();
        let mut found = BTreeMap::new();
        let Some(host) = shared.hosts.find(host) else {
            return Ok(found);
        };
        let last = Timestamp::from_millis(to.as_millis().saturating_sub(1));
        let hours = hour_of(from)..=hour_of(last);
        let (listing, open) = {
            let state = host.lock();
            let mut open: Vec<i64> = state
                .head
                .view_open(hours.clone(), &shared.segments())
                .open_hours()
                .collect();
            open.extend(state.head.light(hours.clone()).map(|light| light.block.hour));
            (shared.blocks.list(host.id, hours), open)
        };
        let blocks = listing.read().map_err(|source| QueryError::Io {
            path: shared.config.dir.clone(),
            source,
        })?;
        for of_hour in blocks.chunk_by(|one, two| one.hour == two.hour) {
            if let Some(first) = of_hour.first() {
                found.insert(first.hour, (of_hour.len() == 1).then(|| first.clone()));
            }
        }
        found.extend(open.into_iter().map(|hour| (hour, None)));
        Ok(found)
    }

    /// The block's columns; `None` when it is damaged or its dictionary is not known.
    fn read_hour(&self, block: &BlockRef, choose: &mut dyn FnMut(&Dictionary) -> Arc<[usize]>) -> Option<HourColumns> {
        let start = block.start().ok()?;
        let dictionary = self.shared().dictionaries.get(start.header.dictionary)?;
        let places = choose(&dictionary);
        let open = block.open_chosen(start, &places).ok()?;
        let columns = places.iter().map(|place| open.numbers(*place).map(Values::from));
        Some(HourColumns {
            times: open.times().ok()?,
            columns: columns.collect::<io::Result<_>>().ok()?,
            dictionary,
            places,
        })
    }
}
