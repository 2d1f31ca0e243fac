//! The unsealed ticks of some hours as of one moment, read from the journal without any lock.

use super::{Head, Light, Part, Place, hour_of};
use crate::{
    dictionaries::Dictionaries,
    disk::DiskFile,
    host::Latest,
    journal::record::{Chunk, Kind, Live, unframe},
    shared::Segments,
};
use std::{io, ops::RangeInclusive, sync::Arc};
use tocsin_vocabulary::{
    Dictionary, SpoolId, Timestamp,
    batch::{Decoder, Picker, Tick},
};

/// The open ticks of some hours, and what is needed to read them.
#[derive(Debug)]
pub(crate) struct View {
    /// Blocks of these hours that are not sealed.
    pub(crate) light: Vec<Light>,
    hours: RangeInclusive<i64>,
    places: Vec<Place>,
    spools: Vec<SpoolId>,
    files: Vec<(u32, Arc<dyn DiskFile>)>,
}

/// A tick as it was found. Where only some cells were chosen, it has these alone.
pub(crate) struct Found<'a> {
    pub(crate) spool: SpoolId,
    pub(crate) seq: u64,
    pub(crate) tick: &'a Tick,
    pub(crate) dictionary: &'a Dictionary,
    pub(crate) received_at: Timestamp,
}

impl Head {
    /// What lies in these hours. Made under the host's lock; a few kilobytes are copied.
    pub(crate) fn view(&self, hours: RangeInclusive<i64>, segments: &Segments) -> View {
        View {
            light: self.light(hours.clone()).cloned().collect(),
            ..self.view_open(hours, segments)
        }
    }

    /// As [`Self::view`], its light blocks left out.
    pub(crate) fn view_open(&self, hours: RangeInclusive<i64>, segments: &Segments) -> View {
        let wanted = |place: &Place| place.open && hours.contains(&hour_of(Timestamp::from_millis(place.time)));
        let first = self.places.iter().position(wanted);
        let last = self.places.iter().rposition(wanted);
        let places = first
            .zip(last)
            .map_or(&[][..], |(first, last)| &self.places[self.chain_start(first)..=last]);
        View {
            light: Vec::new(),
            hours,
            places: places.to_vec(),
            spools: self.spools.clone(),
            files: files_of(places, segments),
        }
    }

    /// The ticks of the newest chain, whether they are in a block or not: what is needed to know the last of them.
    pub(crate) fn newest_view(&self, segments: &Segments) -> View {
        let mut places = self.places.clone();
        places.iter_mut().for_each(|place| place.open = true);
        View {
            light: Vec::new(),
            hours: i64::MIN..=i64::MAX,
            files: files_of(&places, segments),
            places,
            spools: self.spools.clone(),
        }
    }

    /// Where the live chain begins that the ticks from `at` on belong to.
    fn chain_start(&self, at: usize) -> usize {
        let deltas_first = self.places[at..]
            .iter()
            .find(|place| !matches!(place.part, Part::Batch(_)));
        if deltas_first.is_none_or(|place| place.part == Part::KeyFrame) {
            return at;
        }
        let key_frame = self.places[..at].iter().rposition(|place| place.part == Part::KeyFrame);
        key_frame.unwrap_or(at)
    }
}

fn files_of(places: &[Place], segments: &Segments) -> Vec<(u32, Arc<dyn DiskFile>)> {
    let mut files: Vec<(u32, Arc<dyn DiskFile>)> = Vec::new();
    for place in places {
        let number = place.record.segment;
        if files.iter().any(|(known, _)| *known == number) {
            continue;
        }
        if let Some(segment) = segments.get(&number) {
            files.push((number, segment.file.clone()));
        }
    }
    files
}

impl View {
    /// Calls `each` with every open tick in order of arrival. Returns those that could not be read: their records are
    /// damaged, or one that they refer to is.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn for_each(
        &self,
        dictionaries: &Dictionaries,
        mut each: impl FnMut(Found<'_>),
    ) -> io::Result<Vec<(SpoolId, u64)>> {
        self.read(dictionaries, WholeTicks::default(), &mut each)
    }

    /// As [`Self::for_each`], but of each tick only the cells whose places `choose` names of its dictionary, ascending.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn for_each_chosen(
        &self,
        dictionaries: &Dictionaries,
        choose: impl Fn(&Dictionary) -> Vec<usize>,
        mut each: impl FnMut(Found<'_>),
    ) -> io::Result<Vec<(SpoolId, u64)>> {
        let chosen = ChosenCells {
            choose,
            live: Picker::new(),
            chunk: Picker::new(),
        };
        self.read(dictionaries, chosen, &mut each)
    }

    fn read(
        &self,
        dictionaries: &Dictionaries,
        decoders: impl Decoders,
        each: &mut impl FnMut(Found<'_>),
    ) -> io::Result<Vec<(SpoolId, u64)>> {
        let mut reading = Reading {
            view: self,
            dictionaries,
            decoders,
            buffer: Vec::new(),
            unreadable: Vec::new(),
        };
        let mut rest = self.places.as_slice();
        while let Some((place, after)) = rest.split_first() {
            if matches!(place.part, Part::Batch(_)) {
                let same = |other: &&Place| other.record == place.record;
                let (chunk, after) = rest.split_at(rest.iter().take_while(same).count());
                reading.chunk(chunk, each)?;
                rest = after;
            } else {
                reading.live(place, each)?;
                rest = after;
            }
        }
        Ok(reading.unreadable)
    }

    /// The newest tick: the last live one, or else the one with the latest time.
    pub(crate) fn newest(&self, dictionaries: &Dictionaries) -> Option<Latest> {
        let live = self.places.iter().any(|place| !matches!(place.part, Part::Batch(_)));
        let mut newest: Option<Latest> = None;
        let read = self.for_each(dictionaries, |found| {
            if live || newest.as_ref().is_none_or(|latest| latest.tick.time <= found.tick.time) {
                newest = Some(Latest {
                    tick: Arc::new(found.tick.clone()),
                    dictionary: found.dictionary.clone(),
                    received_at: found.received_at,
                });
            }
        });
        read.ok().and(newest)
    }

    /// The hours that have open ticks in it.
    pub(crate) fn open_hours(&self) -> impl Iterator<Item = i64> {
        let wanted = self.places.iter().filter(|place| self.wants(place));
        wanted.map(|place| hour_of(Timestamp::from_millis(place.time)))
    }

    fn wants(&self, place: &Place) -> bool {
        place.open && self.hours.contains(&hour_of(Timestamp::from_millis(place.time)))
    }

    fn spool_of(&self, place: &Place) -> SpoolId {
        let none = SpoolId::from_bytes([0; 16]);
        self.spools.get(usize::from(place.spool)).copied().unwrap_or(none)
    }
}

/// Which of two chains a batch belongs to: that of the live ticks, or that of the chunk at hand.
#[derive(Debug, Clone, Copy)]
enum Which {
    Live,
    Chunk,
}

/// What decodes the batches of both chains.
trait Decoders {
    /// The chain begins anew.
    fn reset(&mut self, which: Which);
    /// The next tick of the chain; `None` when the batch does not belong there.
    fn decode(&mut self, which: Which, bytes: &[u8], dictionaries: &Dictionaries) -> Option<(&Tick, &Dictionary)>;
}

/// Decodes all cells.
#[derive(Default)]
struct WholeTicks {
    live: Decoder,
    chunk: Decoder,
}

impl WholeTicks {
    const fn of(&mut self, which: Which) -> &mut Decoder {
        match which {
            Which::Live => &mut self.live,
            Which::Chunk => &mut self.chunk,
        }
    }
}

impl Decoders for WholeTicks {
    fn reset(&mut self, which: Which) {
        self.of(which).reset();
    }

    fn decode(&mut self, which: Which, bytes: &[u8], dictionaries: &Dictionaries) -> Option<(&Tick, &Dictionary)> {
        let decoded = self.of(which).decode(bytes, |hash| dictionaries.get(hash)).ok()?;
        Some((decoded.tick.as_ref(), decoded.dictionary))
    }
}

/// Decodes the cells that are chosen.
struct ChosenCells<F> {
    choose: F,
    live: Picker,
    chunk: Picker,
}

impl<F: Fn(&Dictionary) -> Vec<usize>> Decoders for ChosenCells<F> {
    fn reset(&mut self, which: Which) {
        match which {
            Which::Live => self.live.reset(),
            Which::Chunk => self.chunk.reset(),
        }
    }

    fn decode(&mut self, which: Which, bytes: &[u8], dictionaries: &Dictionaries) -> Option<(&Tick, &Dictionary)> {
        let picker = match which {
            Which::Live => &mut self.live,
            Which::Chunk => &mut self.chunk,
        };
        let picked = picker.pick(bytes, |hash| dictionaries.get(hash), &self.choose).ok()?;
        Some((picked.tick, picked.dictionary))
    }
}

struct Reading<'a, D> {
    view: &'a View,
    dictionaries: &'a Dictionaries,
    decoders: D,
    buffer: Vec<u8>,
    unreadable: Vec<(SpoolId, u64)>,
}

impl<D: Decoders> Reading<'_, D> {
    /// Reads a record; `false` when there is none where it should be.
    fn read(&mut self, place: &Place) -> io::Result<bool> {
        let record = place.record;
        let Some((_, file)) = self.view.files.iter().find(|(number, _)| *number == record.segment) else {
            return Ok(false);
        };
        self.buffer.resize(record.length as usize, 0);
        match file.read_at(u64::from(record.offset), &mut self.buffer) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn give_up(&mut self, place: &Place) {
        if self.view.wants(place) {
            self.unreadable.push((self.view.spool_of(place), place.seq));
        }
    }

    fn live(&mut self, place: &Place, each: &mut impl FnMut(Found<'_>)) -> io::Result<()> {
        let whole = self.read(place)?;
        let record = place.record;
        let found = whole
            .then(|| unframe(&self.buffer, record.segment, record.offset))
            .flatten()
            .filter(|(kind, _)| *kind == Kind::Live)
            .and_then(|(_, body)| Live::decode(body))
            .filter(|live| live.seq == place.seq);
        let Some(live) = found else {
            self.decoders.reset(Which::Live);
            self.give_up(place);
            return Ok(());
        };
        let received_at = live.received_at;
        let decoded = self.decoders.decode(Which::Live, live.payload, self.dictionaries);
        match decoded {
            Some((tick, dictionary)) if self.view.wants(place) => each(Found {
                spool: self.view.spool_of(place),
                seq: place.seq,
                tick,
                dictionary,
                received_at,
            }),
            Some(_) => {}
            None => self.give_up(place),
        }
        Ok(())
    }

    fn chunk(&mut self, places: &[Place], each: &mut impl FnMut(Found<'_>)) -> io::Result<()> {
        let Some(first) = places.first() else { return Ok(()) };
        let whole = self.read(first)?;
        let buffer = std::mem::take(&mut self.buffer);
        let found = whole
            .then(|| unframe(&buffer, first.record.segment, first.record.offset))
            .flatten()
            .filter(|(kind, _)| *kind == Kind::Chunk)
            .and_then(|(_, body)| Chunk::decode(body));
        let mut left = places;
        if let Some(chunk) = found {
            self.decoders.reset(Which::Chunk);
            for (index, (seq, payload)) in chunk.batches.iter().enumerate() {
                let decoded = self.decoders.decode(Which::Chunk, payload, self.dictionaries);
                let Some((tick, dictionary)) = decoded else { break };
                let Some((place, rest)) = left.split_first() else { break };
                if place.part != Part::Batch(u16::try_from(index).unwrap_or(u16::MAX)) || place.seq != *seq {
                    continue;
                }
                left = rest;
                if self.view.wants(place) {
                    each(Found {
                        spool: self.view.spool_of(place),
                        seq: *seq,
                        tick,
                        dictionary,
                        received_at: chunk.received_at,
                    });
                }
            }
        }
        left.iter().for_each(|place| self.give_up(place));
        self.buffer = buffer;
        Ok(())
    }
}
