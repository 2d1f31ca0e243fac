//! Reading ticks back for the collector.

use super::{
    CHUNK_BYTES_MAX, Gap, GapReason, Spool, StoredChunk, StoredTick,
    ticks::{self, Run},
};
use std::path::{Path, PathBuf};
use tocsin_proto::CHUNK_TICKS_MAX;
use tocsin_vocabulary::{
    Dictionary,
    batch::{Decoder, Encoder},
};

impl Spool {
    /// Consecutive ticks from `first` on and not beyond `last`: at most 60, of one dictionary, the first a key-frame.
    /// `None` when `first` is not stored or cannot be read; what cannot be read becomes a gap.
    pub fn chunk(&mut self, first: u64, last: u64) -> Option<StoredChunk> {
        let mut ticks: Vec<StoredTick> = Vec::new();
        let mut dictionary: Option<Dictionary> = None;
        let mut bytes = 0;
        let mut next = first;
        while next <= last && ticks.len() < CHUNK_TICKS_MAX && bytes < CHUNK_BYTES_MAX {
            let Some((path, run)) = self.run_of(next) else {
                break;
            };
            let Some(own) = self.dictionaries.get(&run.dictionary).cloned() else {
                break;
            };
            if dictionary.as_ref().is_some_and(|dictionary| *dictionary != own) {
                break;
            }
            let read = read_from(&path, &run, next, &own);
            if read.last().map(|tick| tick.seq) != Some(run.last) {
                let good = read.last().map_or(next, |tick| tick.seq + 1);
                self.damaged(good, &run);
            }
            let room = CHUNK_TICKS_MAX - ticks.len();
            let taken: Vec<StoredTick> = read
                .into_iter()
                .take(room)
                .take_while(|tick| tick.seq <= last)
                .collect();
            let Some(end) = taken.last().map(|tick| tick.seq) else {
                break;
            };
            bytes += taken.iter().map(|tick| tick.payload.len()).sum::<usize>();
            ticks.extend(taken);
            dictionary = Some(own);
            next = end + 1;
        }
        dictionary
            .filter(|_| !ticks.is_empty())
            .map(|dictionary| StoredChunk { dictionary, ticks })
    }

    fn run_of(&self, seq: u64) -> Option<(PathBuf, Run)> {
        let at = self
            .segments
            .partition_point(|segment| segment.last().is_some_and(|last| last < seq));
        let segment = self.segments.get(at)?;
        let run = segment.runs.iter().find(|run| run.first <= seq && seq <= run.last)?;
        Some((segment.path.clone(), *run))
    }

    /// Ticks of `run` from `from` on turned out to be unreadable.
    fn damaged(&mut self, from: u64, run: &Run) {
        tracing::warn!(first = from, last = run.last, "stored ticks cannot be read back");
        self.stored.remove(from, run.last);
        self.ticks_dropped += (run.last + 1).saturating_sub(from);
        let gap = Gap {
            first: from,
            last: run.last,
            from: run.from,
            to: run.to,
            reason: GapReason::SpoolDamaged,
        };
        self.state.add_gap(gap);
    }
}

/// The ticks of `run` from `from` on, the first of them a key-frame: as stored, or encoded anew when `from` lies within.
fn read_from(path: &Path, run: &Run, from: u64, dictionary: &Dictionary) -> Vec<StoredTick> {
    let ticks = match ticks::read_run(path, run) {
        Ok(ticks) => ticks,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "cannot read a segment of ticks");
            return Vec::new();
        }
    };
    if from == run.first {
        return ticks;
    }
    let (mut decoder, mut encoder) = (Decoder::new(), Encoder::new());
    let mut out = Vec::new();
    for stored in ticks {
        let Ok(decoded) = decoder.decode(&stored.payload, |_| Some(dictionary.clone())) else {
            break;
        };
        if stored.seq >= from {
            let payload = encoder.encode(decoded.tick, dictionary, false);
            out.push(StoredTick { payload, ..stored });
        }
    }
    out
}
