//! Bytes to ticks. Reads what comes from outside: no input panics, and none allocates beyond its dictionary.

use super::{BatchError, ESCAPE, ESCAPE_ABSENT, ESCAPE_RAW, Tick, cell::Cell, state::State};
use crate::{
    series::{Dictionary, Hash},
    time::Timestamp,
    varint::{self, Reader},
};
use std::sync::Arc;

/// Turns bytes into ticks; keeps what the next delta refers to. After an error it wants a key-frame.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
    /// Shared with whom it was given to: it is copied before it changes only where somebody still has it.
    tick: Arc<Tick>,
    changed: Vec<u64>,
    ready: bool,
}

/// What one batch said.
#[derive(Debug, Clone, Copy)]
pub struct Decoded<'a> {
    /// The whole tick, unchanged cells included.
    pub tick: &'a Arc<Tick>,
    /// The dictionary that gives the cells their meaning.
    pub dictionary: &'a Dictionary,
    /// Bit *i* of word *i* / 64 is set when cell *i* differs from the tick before (all set on a key-frame).
    pub changed: &'a [u64],
    /// Whether the batch stands alone.
    pub key_frame: bool,
}

impl Decoder {
    /// A decoder that wants a key-frame.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the chain: the next batch must be a key-frame.
    pub fn reset(&mut self) {
        self.ready = false;
    }

    /// The last tick. Whoever lets go of it before the next one spares that a copy.
    #[must_use]
    pub const fn tick(&self) -> &Arc<Tick> {
        &self.tick
    }

    /// Decodes one batch; `dictionaries` answers the hash that a key-frame names, and is not asked for the one in use.
    ///
    /// # Errors
    /// When the bytes are not a batch that may come here. The decoder then wants a key-frame.
    pub fn decode(
        &mut self,
        bytes: &[u8],
        dictionaries: impl FnOnce(Hash) -> Option<Dictionary>,
    ) -> Result<Decoded<'_>, BatchError> {
        let ready = std::mem::take(&mut self.ready);
        let mut reader = Reader::new(bytes);
        let key_frame = super::head(&mut reader)?;
        if key_frame {
            self.start(&mut reader, dictionaries)?;
        } else if ready {
            self.proceed(&mut reader)?;
        } else {
            return Err(BatchError::NoKeyFrame);
        }
        self.cells(&mut reader).ok_or(BatchError::Malformed)?;
        if !reader.is_empty() {
            return Err(BatchError::Malformed);
        }
        if key_frame {
            mark_all(&mut self.changed, self.tick.cells.len());
        }
        self.ready = true;
        Ok(Decoded {
            tick: &self.tick,
            dictionary: &self.state.dictionary,
            changed: &self.changed,
            key_frame,
        })
    }

    fn start(
        &mut self,
        reader: &mut Reader<'_>,
        dictionaries: impl FnOnce(Hash) -> Option<Dictionary>,
    ) -> Result<(), BatchError> {
        let (hash, time) = super::key_frame(reader).ok_or(BatchError::Malformed)?;
        let other = if hash == self.state.dictionary.hash() {
            None
        } else {
            Some(dictionaries(hash).ok_or(BatchError::UnknownDictionary(hash))?)
        };
        let tick = Arc::make_mut(&mut self.tick);
        self.state.restart(time.as_millis(), other, &mut tick.cells);
        tick.time = time;
        Ok(())
    }

    fn proceed(&mut self, reader: &mut Reader<'_>) -> Result<(), BatchError> {
        let found = reader.varint().ok_or(BatchError::Malformed)?;
        let expected = self.tick.cells.len();
        if found != expected as u64 {
            return Err(BatchError::CellCount { expected, found });
        }
        let entry = reader.varint().ok_or(BatchError::Malformed)?;
        let time = self.state.tick_backward(varint::unzigzag(entry));
        Arc::make_mut(&mut self.tick).time = Timestamp::from_millis(time);
        Ok(())
    }

    fn cells(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        let cells = &mut Arc::make_mut(&mut self.tick).cells;
        let bitmap = reader.take(cells.len().div_ceil(8))?;
        self.changed.clear();
        self.changed.extend(bitmap.chunks(8).map(word));
        for (index, &word) in self.changed.iter().enumerate() {
            let mut left = word;
            while left != 0 {
                let at = index * 64 + left.trailing_zeros() as usize;
                left &= left - 1;
                // A bit beyond the last cell finds none, and the batch is refused.
                let cell = cells.get_mut(at)?;
                *cell = match entry(reader)? {
                    Entry::Integer(entry) => Cell::Scaled(self.state.backward(at, *cell, entry)),
                    Entry::Other(other) => {
                        self.state.hide(at, *cell);
                        other
                    }
                };
            }
        }
        Some(())
    }
}

/// One entry of a batch.
pub(super) enum Entry {
    Integer(i64),
    Other(Cell),
}

/// Most numbers take a byte or two.
#[inline(always)] // as a call of its own it costs as much again
pub(super) fn entry(reader: &mut Reader<'_>) -> Option<Entry> {
    let (length, value) = match reader.peek()? {
        [first @ 0..=0x7F] => (1, u64::from(first)),
        [first] => match reader.peek() {
            Some([_, second @ 1..=0x7F]) => (2, u64::from(first & 0x7F) | u64::from(second) << 7),
            _ => return long_entry(reader),
        },
    };
    reader.take(length)?;
    Some(Entry::Integer(varint::unzigzag(value)))
}

fn long_entry(reader: &mut Reader<'_>) -> Option<Entry> {
    if reader.peek() != Some(ESCAPE) {
        return reader.varint().map(|value| Entry::Integer(varint::unzigzag(value)));
    }
    reader.take(ESCAPE.len())?;
    match reader.byte()? {
        ESCAPE_ABSENT => Some(Entry::Other(Cell::Absent)),
        ESCAPE_RAW => {
            let bits = reader.take(8)?.try_into().ok()?;
            Some(Entry::Other(Cell::Raw(f64::from_bits(u64::from_le_bytes(bits)))))
        }
        _ => None,
    }
}

fn word(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

fn mark_all(words: &mut [u64], count: usize) {
    words.fill(u64::MAX);
    if let (Some(last), rest @ 1..) = (words.last_mut(), count % 64) {
        *last = (1 << rest) - 1;
    }
}
