//! Unsealed ticks of one host and hour, in memory.
//!
//! Ticks are kept encoded, as a chain of their own that begins with a key-frame, so that an hour of 200 series at 10 s
//! takes about as many bytes as it took on the wire instead of a megabyte of cells.

use crate::intervals::Intervals;
use tocsin_vocabulary::{
    Dictionary, Hash, SpoolId, Timestamp,
    batch::{Decoder, Encoder, Tick},
};

/// An hour in milliseconds.
pub(crate) const HOUR_MS: i64 = 3_600_000;

/// First instant after the year 9999, epoch milliseconds: no day file has a name for it.
pub(crate) const END_OF_TIME_MS: i64 = 253_402_300_800_000;

/// The start of the hour that holds this instant, epoch milliseconds.
pub(crate) const fn hour_of(time: Timestamp) -> i64 {
    time.as_millis().div_euclid(HOUR_MS) * HOUR_MS
}

/// One tick and where it came from.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) spool: SpoolId,
    pub(crate) seq: u64,
    pub(crate) tick: Tick,
    pub(crate) dictionary: Dictionary,
}

#[derive(Debug, Clone)]
struct Place {
    spool: SpoolId,
    seq: u64,
    length: u32,
}

/// Ticks of one hour, in order of arrival.
#[derive(Debug)]
pub(crate) struct HeadHour {
    /// Start of the hour, epoch milliseconds.
    pub(crate) hour: i64,
    /// Oldest journal segment that is needed to decode these ticks again.
    pub(crate) oldest_segment: u32,
    /// When the first of them arrived.
    pub(crate) first_received: Timestamp,
    /// When the last of them arrived.
    pub(crate) last_received: Timestamp,
    bytes: Vec<u8>,
    places: Vec<Place>,
    dictionaries: Vec<Dictionary>,
    encoder: Encoder,
}

impl HeadHour {
    pub(crate) fn new(hour: i64, segment: u32, received_at: Timestamp) -> Self {
        Self {
            hour,
            oldest_segment: segment,
            first_received: received_at,
            last_received: received_at,
            bytes: Vec::new(),
            places: Vec::new(),
            dictionaries: Vec::new(),
            encoder: Encoder::new(),
        }
    }

    /// Adds a tick that needs journal segments from `segment` on. Returns the bytes it takes.
    pub(crate) fn push(
        &mut self,
        spool: SpoolId,
        seq: u64,
        tick: &Tick,
        dictionary: &Dictionary,
        segment: u32,
        received_at: Timestamp,
    ) -> usize {
        let known = |known: &Dictionary| known.hash() == dictionary.hash();
        if !self.dictionaries.iter().any(known) {
            self.dictionaries.push(dictionary.clone());
        }
        let encoded = self.encoder.encode(tick, dictionary, self.places.is_empty());
        self.bytes.extend_from_slice(&encoded);
        self.places.push(Place {
            spool,
            seq,
            length: crate::bytes::length_u32(encoded.len()),
        });
        self.oldest_segment = self.oldest_segment.min(segment);
        self.first_received = self.first_received.min(received_at);
        self.last_received = self.last_received.max(received_at);
        encoded.len() + size_of::<Place>()
    }

    /// Number of ticks.
    pub(crate) const fn len(&self) -> usize {
        self.places.len()
    }

    /// Bytes held, as counted by [`Self::push`].
    pub(crate) const fn size(&self) -> usize {
        self.bytes.len() + self.places.len() * size_of::<Place>()
    }

    /// What a reader needs, copied out so that no lock is held while it decodes.
    pub(crate) fn snapshot(&self) -> HeadSnapshot {
        HeadSnapshot {
            bytes: self.bytes.clone(),
            places: self.places.clone(),
            dictionaries: self.dictionaries.clone(),
        }
    }
}

/// The ticks of a [`HeadHour`] at one moment.
#[derive(Debug)]
pub(crate) struct HeadSnapshot {
    bytes: Vec<u8>,
    places: Vec<Place>,
    dictionaries: Vec<Dictionary>,
}

impl HeadSnapshot {
    /// Calls `each` with every tick in order of arrival. What the store encoded itself always decodes.
    pub(crate) fn for_each(&self, mut each: impl FnMut(SpoolId, u64, &Tick, &Dictionary)) {
        let mut decoder = Decoder::new();
        let mut at = 0;
        for place in &self.places {
            let end = at + place.length as usize;
            let find = |hash: Hash| self.dictionaries.iter().find(|known| known.hash() == hash).cloned();
            match decoder.decode(&self.bytes[at..end], find) {
                Ok(decoded) => each(place.spool, place.seq, decoded.tick, decoded.dictionary),
                Err(error) => {
                    tracing::error!(seq = place.seq, %error, "a tick in memory does not decode");
                }
            }
            at = end;
        }
    }

    /// Sequence numbers per spool.
    pub(crate) fn seqs(stored: &[Stored]) -> Vec<(SpoolId, Intervals)> {
        let mut seqs: Vec<(SpoolId, Intervals)> = Vec::new();
        for one in stored {
            if let Some((_, intervals)) = seqs.iter_mut().find(|(spool, _)| *spool == one.spool) {
                intervals.insert(one.seq);
            } else {
                let mut intervals = Intervals::default();
                intervals.insert(one.seq);
                seqs.push((one.spool, intervals));
            }
        }
        seqs
    }
}
