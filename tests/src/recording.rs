//! Real metrics of a host as the agent sampled them, in a file: what measurements of size are made on.
//!
//! ```text
//! "tocsin-recording 1\n", then records: kind u8 · length u32, little-endian · body
//!   kind 1  canonical bytes of a dictionary section
//!   kind 2  a dictionary: the hash of each of its sections, 32 bytes each
//!   kind 3  a tick as a batch of one chain; the first is a key-frame
//! ```

use std::{
    collections::{HashMap, HashSet},
    io::{self, Read, Write},
    path::Path,
    sync::Arc,
};
use tocsin_vocabulary::{
    Dictionary, Hash, Section,
    batch::{Decoder, Encoder, Tick},
};

const HEAD: &[u8] = b"tocsin-recording 1\n";
const SECTION: u8 = 1;
const DICTIONARY: u8 = 2;
const TICK: u8 = 3;

/// Writes a recording tick by tick.
#[derive(Debug)]
pub struct Recorder<W> {
    out: W,
    encoder: Encoder,
    written: HashSet<Hash>,
}

impl<W: Write> Recorder<W> {
    /// Begins a recording.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn begin(mut out: W) -> io::Result<Self> {
        out.write_all(HEAD)?;
        let (encoder, written) = (Encoder::new(), HashSet::new());
        Ok(Self { out, encoder, written })
    }

    /// Adds a tick, and its dictionary where that is new.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn add(&mut self, tick: &Tick, dictionary: &Dictionary) -> io::Result<()> {
        if self.written.insert(dictionary.hash()) {
            let mut hashes = Vec::new();
            for section in dictionary.sections() {
                hashes.extend_from_slice(section.hash().as_bytes());
                if self.written.insert(section.hash()) {
                    self.record(SECTION, &section.bytes())?;
                }
            }
            self.record(DICTIONARY, &hashes)?;
        }
        let batch = self.encoder.encode(tick, dictionary, false);
        self.record(TICK, &batch)?;
        self.out.flush()
    }

    fn record(&mut self, kind: u8, body: &[u8]) -> io::Result<()> {
        let length = u32::try_from(body.len()).map_err(io::Error::other)?;
        self.out.write_all(&[kind])?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(body)
    }
}

/// A recording, read.
#[derive(Debug, Default)]
pub struct Recording {
    /// Its ticks in order, each with what its cells mean.
    pub ticks: Vec<(Arc<Tick>, Dictionary)>,
}

impl Recording {
    /// Reads a recording; one that is still being written ends at its last whole record.
    ///
    /// # Errors
    /// When the file can't be read, or is no recording.
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.read_to_end(&mut bytes)?;
        let not_one = || {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{} is no recording", path.display()),
            )
        };
        let mut rest = bytes.strip_prefix(HEAD).ok_or_else(not_one)?;
        let (mut sections, mut dictionaries) = (HashMap::new(), HashMap::new());
        let mut decoder = Decoder::new();
        let mut recording = Self::default();
        while let Some((kind, body, after)) = next(rest) {
            rest = after;
            match kind {
                SECTION => {
                    let section = Section::decode(body).map_err(io::Error::other)?;
                    sections.insert(section.hash(), Arc::new(section));
                }
                DICTIONARY => {
                    let hashes = body.chunks(32).map(Hash::from_slice);
                    let found = hashes.map(|hash| hash.and_then(|hash| sections.get(&hash).cloned()));
                    let dictionary = Dictionary::new(found.collect::<Option<_>>().ok_or_else(not_one)?);
                    dictionaries.insert(dictionary.hash(), dictionary);
                }
                TICK => {
                    let decoded = decoder.decode(body, |hash| dictionaries.get(&hash).cloned());
                    let decoded = decoded.map_err(io::Error::other)?;
                    let tick = decoded.tick.clone();
                    recording.ticks.push((tick, decoded.dictionary.clone()));
                }
                _ => return Err(not_one()),
            }
        }
        Ok(recording)
    }
}

fn next(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&kind, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (body, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    Some((kind, body, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tocsin_vocabulary::{Kind, Series, Timestamp, batch::Cell};

    #[test]
    fn a_recording_reads_back_up_to_its_last_whole_tick() {
        let series = |name: &str| Series {
            name: name.into(),
            attributes: Vec::new(),
            kind: Kind::Gauge,
            unit: "1".into(),
            decimals: 0,
        };
        let one = Dictionary::new(vec![Arc::new(Section::new(vec![series("a")]))]);
        let two = Dictionary::new(vec![Arc::new(Section::new(vec![series("a"), series("b")]))]);
        let mut bytes = Vec::new();
        let mut recorder = Recorder::begin(&mut bytes).unwrap();
        for (second, dictionary) in [&one, &two, &two].into_iter().enumerate() {
            let time = Timestamp::from_millis(i64::try_from(second).unwrap() * 1_000);
            let cells = vec![Cell::Scaled(7); dictionary.len()];
            recorder.add(&Tick { time, cells }, dictionary).unwrap();
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.recording");
        std::fs::write(&path, &bytes).unwrap();
        let lengths = |recording: Recording| {
            recording
                .ticks
                .iter()
                .map(|(tick, _)| tick.cells.len())
                .collect::<Vec<_>>()
        };
        assert_eq!(lengths(Recording::read(&path).unwrap()), [1, 2, 2]);
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(lengths(Recording::read(&path).unwrap()), [1, 2]);
        std::fs::write(&path, b"something else").unwrap();
        assert!(Recording::read(&path).is_err());
    }
}
