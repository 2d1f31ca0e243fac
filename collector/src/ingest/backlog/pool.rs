//! Who may send backlog now: one pool of credit for all agents, pure.
//!
//! A stream that misses ticks asks once and waits in line. When its turn comes it gets credit for *one* chunk; once
//! that is stored the credit goes back to the pool, and a stream that still misses something joins the line at its end.
//! So the line goes round, a host with a day of backlog does not hold up one with a minute, and what all agents together
//! may have under way is bounded in chunks and in bytes, however many they are.
//!
//! ```text
//!            wants            hand_out            arrives             done
//!   (idle) ─────────▶ waiting ─────────▶ granted ─────────▶ under way ─────▶ (idle)
//!                                          │ take_back           ▲   │ leaves
//!                                          ▼      arrives        │   ▼
//!                                        late ───────────────────┘ leaving ─▶ (gone)
//! ```
//!
//! Credit that lies idle would keep the others waiting: after [`PATIENCE`] it counts for them again. The agent still
//! believes in it, so its chunk is taken later if there is room; if not, it has to come again.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};
use tocsin_vocabulary::Timestamp;

/// How long credit may lie unused.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How much may be under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Chunks.
    pub chunks: usize,
    /// Their payload in bytes. One chunk alone is always allowed, whatever its size.
    pub bytes: usize,
}

/// A stream's place. A stream without one is idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Waiting { bytes: usize },
    Granted { bytes: usize, at: Timestamp },
    Late,
    UnderWay { bytes: usize },
    Leaving { bytes: usize },
}

/// What became of a chunk that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It is under way; [`Pool::done`] ends that.
    Taken,
    /// Its credit was taken back and there is no room now.
    Late,
    /// It came without credit.
    Unasked,
}

/// The pool.
#[derive(Debug)]
pub struct Pool {
    room: Room,
    /// Granted and under way.
    used: Room,
    places: HashMap<u64, Place>,
    /// In the order in which they asked; some may have left since.
    line: VecDeque<u64>,
}

impl Pool {
    /// Nobody waits.
    #[must_use]
    pub fn new(room: Room) -> Self {
        Self {
            room,
            used: Room { chunks: 0, bytes: 0 },
            places: HashMap::new(),
            line: VecDeque::new(),
        }
    }

    /// A stream misses ticks; a chunk of them has about so many `bytes`. Asking again changes nothing.
    pub fn wants(&mut self, stream: u64, bytes: usize) {
        if self.places.contains_key(&stream) {
            return;
        }
        self.places.insert(stream, Place::Waiting { bytes });
        self.line.push_back(stream);
        if self.line.len() > 2 * self.places.len() + 64 {
            let places = &self.places;
            self.line
                .retain(|stream| matches!(places.get(stream), Some(Place::Waiting { .. })));
        }
    }

    /// Gives credit for one chunk each to those who are first in line, as long as there is room; answers to whom.
    pub fn hand_out(&mut self, now: Timestamp) -> Vec<u64> {
        let mut given = Vec::new();
        while let Some(&stream) = self.line.front() {
            if let Some(&Place::Waiting { bytes }) = self.places.get(&stream) {
                if !self.fits(bytes) {
                    break;
                }
                self.occupy(bytes);
                self.places.insert(stream, Place::Granted { bytes, at: now });
                given.push(stream);
            }
            self.line.pop_front();
        }
        given
    }

    /// A chunk came.
    pub fn arrives(&mut self, stream: u64, bytes: usize) -> Arrival {
        match self.places.get(&stream) {
            Some(&Place::Granted { bytes: expected, .. }) => {
                self.release(expected);
                self.occupy(bytes);
            }
            Some(Place::Late) if self.fits(bytes) => self.occupy(bytes),
            Some(Place::Late) => return Arrival::Late,
            _ => return Arrival::Unasked,
        }
        self.places.insert(stream, Place::UnderWay { bytes });
        Arrival::Taken
    }

    /// The chunk of a stream is stored, or can't be.
    pub fn done(&mut self, stream: u64) {
        if let Some(Place::UnderWay { bytes } | Place::Leaving { bytes }) = self.places.get(&stream).copied() {
            self.release(bytes);
            self.places.remove(&stream);
        }
    }

    /// A stream ended. Its credit goes back; a chunk under way stays so until it is done.
    pub fn leaves(&mut self, stream: u64) {
        match self.places.remove(&stream) {
            Some(Place::Granted { bytes, .. }) => self.release(bytes),
            Some(Place::UnderWay { bytes } | Place::Leaving { bytes }) => {
                self.places.insert(stream, Place::Leaving { bytes });
            }
            Some(Place::Waiting { .. } | Place::Late) | None => {}
        }
    }

    /// Takes back what has been granted for [`PATIENCE`] and was not used.
    pub fn take_back(&mut self, now: Timestamp) {
        let mut released = Vec::new();
        for place in self.places.values_mut() {
            if let Place::Granted { bytes, at } = *place
                && now.since(at) >= PATIENCE
            {
                *place = Place::Late;
                released.push(bytes);
            }
        }
        for bytes in released {
            self.release(bytes);
        }
    }

    /// What is granted and under way.
    #[must_use]
    pub const fn used(&self) -> Room {
        self.used
    }

    /// Streams that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let waits = |stream: &&u64| matches!(self.places.get(stream), Some(Place::Waiting { .. }));
        self.line.iter().filter(waits).count()
    }

    const fn fits(&self, bytes: usize) -> bool {
        self.used.chunks == 0
            || (self.used.chunks < self.room.chunks && self.used.bytes.saturating_add(bytes) <= self.room.bytes)
    }

    const fn occupy(&mut self, bytes: usize) {
        self.used.chunks += 1;
        self.used.bytes = self.used.bytes.saturating_add(bytes);
    }

    const fn release(&mut self, bytes: usize) {
        self.used.chunks = self.used.chunks.saturating_sub(1);
        self.used.bytes = self.used.bytes.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests;
