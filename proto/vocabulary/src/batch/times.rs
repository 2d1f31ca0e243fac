//! When the ticks of a chain were taken, read without their cells.

use super::BatchError;
use crate::{
    time::Timestamp,
    varint::{self, Reader},
};

/// Follows the times of one chain: a few bytes of each batch instead of all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Times {
    /// Time and interval of the tick before, milliseconds; `None` wants a key-frame.
    last: Option<(i64, i64)>,
}

impl Times {
    /// Wants a key-frame.
    #[must_use]
    pub const fn new() -> Self {
        Self { last: None }
    }

    /// The time of the next batch of the chain, as [`super::Decoder`] would find it. After an error, and after
    /// whatever is no batch of this chain, a key-frame is wanted.
    ///
    /// # Errors
    /// When the bytes don't begin as a batch that may come here.
    pub fn next(&mut self, bytes: &[u8]) -> Result<Timestamp, BatchError> {
        let last = self.last.take();
        let mut reader = Reader::new(bytes);
        let (time, interval) = if super::head(&mut reader)? {
            let (_, time) = super::key_frame(&mut reader).ok_or(BatchError::Malformed)?;
            (time.as_millis(), 0)
        } else {
            let (time, interval) = last.ok_or(BatchError::NoKeyFrame)?;
            let _cells = reader.varint().ok_or(BatchError::Malformed)?;
            let change = varint::unzigzag(reader.varint().ok_or(BatchError::Malformed)?);
            let interval = interval.wrapping_add(change);
            (time.wrapping_add(interval), interval)
        };
        self.last = Some((time, interval));
        Ok(Timestamp::from_millis(time))
    }
}
