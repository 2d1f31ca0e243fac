//! Which segments readers behind the writer still need, within bounds.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tocsin_vocabulary::Timestamp;

/// Most bytes of segments that are kept for readers alone.
pub const PIN_BYTES_MAX: u64 = 4 << 30;
/// A reader that is further behind keeps nothing.
pub const PIN_AGE_MAX: Duration = Duration::from_secs(86_400);

/// By reader: the oldest segment it needs, and until when it has passed everything on.
#[derive(Debug, Default)]
pub(crate) struct Pins(Mutex<BTreeMap<String, (u32, Timestamp)>>);

impl Pins {
    pub(super) fn pin(&self, reader: &str, segment: u32, at: Timestamp) {
        let mut pins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pins.insert(reader.to_owned(), (segment, at));
    }

    /// The oldest segment to keep, at most `needed`, which the store itself needs. `segments` are all with their bytes.
    pub(crate) fn hold(&self, needed: u32, segments: &BTreeMap<u32, u64>, now: Timestamp) -> u32 {
        let pins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let in_time = pins.values().filter(|(_, at)| now.since(*at) < PIN_AGE_MAX);
        let Some(pinned) = in_time
            .map(|(segment, _)| *segment)
            .min()
            .filter(|pinned| *pinned < needed)
        else {
            return needed;
        };
        let (mut kept, mut bytes) = (needed, 0_u64);
        for (&segment, &length) in segments.range(pinned..needed).rev() {
            bytes = bytes.saturating_add(length);
            if bytes > PIN_BYTES_MAX {
                break;
            }
            kept = segment;
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_reader_keeps_segments_up_to_the_bounds() {
        let at = |hours: i64| Timestamp::from_millis(hours * 3_600_000);
        let segments: BTreeMap<u32, u64> = (1..=10).map(|segment| (segment, 1 << 30)).collect();
        let pins = Pins::default();
        assert_eq!(pins.hold(9, &segments, at(0)), 9);
        pins.pin("fast", 9, at(0));
        assert_eq!(pins.hold(8, &segments, at(1)), 8);
        pins.pin("slow", 7, at(0));
        assert_eq!(pins.hold(9, &segments, at(23)), 7);
        assert_eq!(pins.hold(9, &segments, at(24)), 9, "it is too far behind");
        pins.pin("slow", 2, at(0));
        assert_eq!(pins.hold(9, &segments, at(1)), 5, "it would keep too much");
    }
}
