//! Some cells of a chain's ticks; the others are passed over. For questions about few of a host's series.

use super::{
    BatchError, ESCAPE, Tick,
    cell::Cell,
    decoder::{Entry, entry},
    state::Memory,
};
use crate::{
    series::{Dictionary, Hash, Kind},
    time::Timestamp,
    varint::{self, Reader},
};

/// The highest bit of each byte: a number goes on behind it.
const MORE: u64 = 0x8080_8080_8080_8080;
const ONES: u64 = 0x0101_0101_0101_0101;

/// As [`super::Decoder`], but decodes only cells that were chosen. What is passed over is not checked, nor whether
/// anything follows the last chosen cell: feed it what a decoder has taken before.
#[derive(Debug)]
pub struct Picker {
    dictionary: Dictionary,
    picks: Vec<Pick>,
    tick: Tick,
    interval: i64,
    ready: bool,
}

#[derive(Debug, Clone, Copy)]
struct Pick {
    at: usize,
    counter: bool,
    memory: Memory,
}

/// What one batch said.
#[derive(Debug, Clone, Copy)]
pub struct Picked<'a> {
    /// Its time, and of its cells those that were chosen, in the order of their dictionary.
    pub tick: &'a Tick,
    /// The dictionary that the choice was made from.
    pub dictionary: &'a Dictionary,
}

impl Default for Picker {
    fn default() -> Self {
        Self {
            dictionary: Dictionary::new(Vec::new()),
            picks: Vec::new(),
            tick: Tick::default(),
            interval: 0,
            ready: false,
        }
    }
}

impl Picker {
    /// A picker that wants a key-frame.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the chain: the next batch must be a key-frame.
    pub const fn reset(&mut self) {
        self.ready = false;
    }

    /// Decodes the chosen cells of one batch. `dictionaries` answers the hash that a key-frame names, and `choose` the
    /// places of the series that are wanted of it, ascending; neither is asked again for the one in use.
    ///
    /// # Errors
    /// When the bytes are not a batch that may come here. The picker then wants a key-frame.
    pub fn pick(
        &mut self,
        bytes: &[u8],
        dictionaries: impl FnOnce(Hash) -> Option<Dictionary>,
        choose: impl FnOnce(&Dictionary) -> Vec<usize>,
    ) -> Result<Picked<'_>, BatchError> {
        let ready = std::mem::take(&mut self.ready);
        let mut reader = Reader::new(bytes);
        if super::head(&mut reader)? {
            let (hash, time) = super::key_frame(&mut reader).ok_or(BatchError::Malformed)?;
            if hash != self.dictionary.hash() {
                self.dictionary = dictionaries(hash).ok_or(BatchError::UnknownDictionary(hash))?;
                self.choose(&choose(&self.dictionary));
            }
            self.picks.iter_mut().for_each(|pick| pick.memory = Memory::default());
            self.tick.cells.fill(Cell::Scaled(0));
            (self.tick.time, self.interval) = (time, 0);
        } else if ready {
            self.proceed(&mut reader)?;
        } else {
            return Err(BatchError::NoKeyFrame);
        }
        self.cells(&mut reader).ok_or(BatchError::Malformed)?;
        self.ready = true;
        Ok(Picked {
            tick: &self.tick,
            dictionary: &self.dictionary,
        })
    }

    fn choose(&mut self, places: &[usize]) {
        let pick = |(at, series): (usize, &crate::Series)| {
            places.binary_search(&at).ok().map(|_| Pick {
                at,
                counter: series.kind == Kind::Counter,
                memory: Memory::default(),
            })
        };
        self.picks = self.dictionary.series().enumerate().filter_map(pick).collect();
        self.tick.cells = vec![Cell::Scaled(0); self.picks.len()];
    }

    fn proceed(&mut self, reader: &mut Reader<'_>) -> Result<(), BatchError> {
        let found = reader.varint().ok_or(BatchError::Malformed)?;
        let expected = self.dictionary.len();
        if found != expected as u64 {
            return Err(BatchError::CellCount { expected, found });
        }
        let change = varint::unzigzag(reader.varint().ok_or(BatchError::Malformed)?);
        self.interval = self.interval.wrapping_add(change);
        let time = self.tick.time.as_millis().wrapping_add(self.interval);
        self.tick.time = Timestamp::from_millis(time);
        Ok(())
    }

    fn cells(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        let bitmap = reader.take(self.dictionary.len().div_ceil(8))?;
        let mut next = 0;
        for (pick, cell) in self.picks.iter_mut().zip(&mut self.tick.cells) {
            skip(reader, ones(bitmap, next, pick.at))?;
            next = pick.at + 1;
            if bitmap[pick.at / 8] >> (pick.at % 8) & 1 == 1 {
                *cell = match entry(reader)? {
                    Entry::Integer(entry) => Cell::Scaled(pick.memory.backward(entry, pick.counter)),
                    Entry::Other(cell) => cell,
                };
            }
        }
        Some(())
    }
}

/// How many of the bits from `from` to before `to` are set.
fn ones(bitmap: &[u8], from: usize, to: usize) -> u32 {
    let (first, last) = (from / 8, to / 8);
    let below = |byte: usize, bit: usize| {
        let byte = bitmap.get(byte).copied().unwrap_or(0);
        (byte & !(u8::MAX << bit)).count_ones()
    };
    let whole: u32 = bitmap[first..last].iter().map(|byte| byte.count_ones()).sum();
    whole + below(last, to % 8) - below(first, from % 8)
}

/// Passes over entries, eight bytes at once where no escape is among them.
fn skip(reader: &mut Reader<'_>, mut entries: u32) -> Option<()> {
    while entries > 0 {
        let Some(eight) = reader.peek::<8>() else {
            entry(reader)?;
            entries -= 1;
            continue;
        };
        let bytes = u64::from_le_bytes(eight);
        let ends = !bytes & MORE;
        let escapes = bytes ^ (u64::from(ESCAPE[0]) * ONES);
        let perhaps_escape = escapes.wrapping_sub(ONES) & !escapes & MORE != 0;
        let whole = ends.count_ones();
        if perhaps_escape || whole == 0 || whole > entries {
            entry(reader)?;
            entries -= 1;
        } else {
            reader.take(8 - ends.leading_zeros() as usize / 8)?;
            entries -= whole;
        }
    }
    Some(())
}
