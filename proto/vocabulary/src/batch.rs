//! The tick codec: one tick of a host as the bytes that travel, are journalled and replayed.
//!
//! A *key-frame* names its dictionary and stands alone; every other batch is a *delta* to the tick before. A delta
//! says only which cells changed and by how much, so an idle host costs a bit per series. Both parts keep the same
//! state (last cells, last steps of counters), and both start it anew at each key-frame.
//!
//! # Bytes
//!
//! *Varint* is LEB128, *zigzag* maps small magnitudes of either sign to small varints. All arithmetic on values wraps
//! around at 64 bits, so no pair of values is out of reach of a delta.
//!
//! ```text
//!  key-frame                                          delta
//! ┌──────┬────────────────────────────────────────┐  ┌──────┬────────────────────────────────────────┐
//! │ 0x11 │ head: version 1, flag 1 = key-frame    │  │ 0x10 │ head: version 1, no flag               │
//! ├──────┼────────────────────────────────────────┤  ├──────┼────────────────────────────────────────┤
//! │ 32 B │ hash of the dictionary                 │  │ 1‥3  │ number of cells, varint                │
//! ├──────┼────────────────────────────────────────┤  ├──────┼────────────────────────────────────────┤
//! │ 1‥10 │ time, ms since 1970, zigzag            │  │ 1‥10 │ this interval − last interval, ms,     │
//! │      │                                        │  │      │ zigzag; after a key-frame the last     │
//! │      │                                        │  │      │ interval counts as 0                   │
//! ├──────┴────────────────────────────────────────┤  ├──────┴────────────────────────────────────────┤
//! │ bitmap, ⌈cells / 8⌉ B, cell i is bit i % 8 of │  │ bitmap, the same: 1 = differs from the tick   │
//! │ byte i / 8: 1 = is not zero; rest of it is 0  │  │ before                                        │
//! ├───────────────────────────────────────────────┤  ├───────────────────────────────────────────────┤
//! │ one entry for each 1, in cell order           │  │ one entry for each 1, in cell order           │
//! └───────────────────────────────────────────────┘  └───────────────────────────────────────────────┘
//!
//!  entry                gauge     value − last value                  zigzag
//!                       counter   (value − last value) − last step    zigzag
//!                       absent    0x80 0x00 0x00
//!                       raw       0x80 0x00 0x01, then 8 B: the f64's bits, little-endian
//! ```
//!
//! `0x80 0x00` is a zero written too long, which no value produces; it is the escape column. *Last value* is the last
//! that was an integer, skipping absent and raw ones, and 0 at a key-frame; *last step* is the last difference of a
//! counter that was not zero, and 0 at a key-frame. A counter that goes on as before therefore costs one byte, and one
//! that stands still costs a bit. (Measured on a recorded host, marking *unchanged values* costs 3 % less than marking
//! *unchanged rates*, and it is what the rules want to know.)
//!
//! A decoder must see the batches of one chain in order and without holes; who notices a hole (by sequence number)
//! calls [`Decoder::reset`] and waits for the next key-frame.

mod cell;
mod decoder;
mod encoder;
mod picker;
mod state;
#[cfg(test)]
mod tests;
mod times;

pub use cell::Cell;
pub use decoder::{Decoded, Decoder};
pub use encoder::Encoder;
pub use picker::{Picked, Picker};
pub use times::Times;

use crate::{
    series::Hash,
    time::Timestamp,
    varint::{self, Reader},
};

const VERSION: u8 = 1;
const KEY_FRAME: u8 = 1;
const ESCAPE: [u8; 2] = [0x80, 0x00];
const ESCAPE_ABSENT: u8 = 0;
const ESCAPE_RAW: u8 = 1;

/// One pass of sampling on a host: all its cells bear one timestamp.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tick {
    /// When it was taken, by the agent's clock.
    pub time: Timestamp,
    /// One cell for each series of the dictionary.
    pub cells: Vec<Cell>,
}

/// Bytes that are not a batch, or not one that fits here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Ends early, has bytes left over, or a number is malformed.
    #[error("batch is malformed")]
    Malformed,
    /// A delta arrived where only a key-frame makes sense.
    #[error("batch is not a key-frame, and no key-frame came before it")]
    NoKeyFrame,
    /// The key-frame names a dictionary that was not sent.
    #[error("batch uses dictionary {0}, which is not known")]
    UnknownDictionary(Hash),
    /// The delta was made for another dictionary.
    #[error("batch is for {found} series, the dictionary has {expected}")]
    CellCount {
        /// Series of the current dictionary.
        expected: usize,
        /// Cells that the delta announces.
        found: u64,
    },
    /// Written by another version.
    #[error("batch has version {0}, this build reads version 1")]
    Version(u8),
}

/// What can be said about a batch without a decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The dictionary that a key-frame names; `None` for a delta.
    pub key_frame: Option<Hash>,
    /// The time of a key-frame; `None` for a delta.
    pub time: Option<Timestamp>,
}

/// Reads the head of a batch; its cells are not looked at.
///
/// # Errors
/// When the bytes are too few, or of another version.
pub fn peek(bytes: &[u8]) -> Result<Header, BatchError> {
    let mut reader = Reader::new(bytes);
    if !head(&mut reader)? {
        return Ok(Header {
            key_frame: None,
            time: None,
        });
    }
    let (hash, time) = key_frame(&mut reader).ok_or(BatchError::Malformed)?;
    Ok(Header {
        key_frame: Some(hash),
        time: Some(time),
    })
}

/// Whether a key-frame follows.
fn head(reader: &mut Reader<'_>) -> Result<bool, BatchError> {
    let head = reader.byte().ok_or(BatchError::Malformed)?;
    match (head >> 4, head & 0x0F) {
        (VERSION, 0) => Ok(false),
        (VERSION, KEY_FRAME) => Ok(true),
        (VERSION, _) => Err(BatchError::Malformed),
        (version, _) => Err(BatchError::Version(version)),
    }
}

fn key_frame(reader: &mut Reader<'_>) -> Option<(Hash, Timestamp)> {
    let hash = reader.take(32).and_then(Hash::from_slice)?;
    let time = varint::unzigzag(reader.varint()?);
    Some((hash, Timestamp::from_millis(time)))
}
