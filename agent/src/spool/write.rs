//! Writing one tick to the newest segment, and beginning a new one.

use super::{
    OpenSegment, SEGMENT_BYTES, Spool, StoredTick,
    record::{self, Kind},
    ticks::{Run, Segment},
};
use crate::files::{self, FileError};
use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
};
use tocsin_vocabulary::Dictionary;

impl Spool {
    pub(super) fn store(
        &mut self,
        tick: &StoredTick,
        key_frame: bool,
        dictionary: &Dictionary,
    ) -> Result<(), FileError> {
        let full = self.open_bytes() >= SEGMENT_BYTES;
        if self.open.is_none() || (key_frame && full) {
            self.rotate(tick.seq)?;
        }
        let (Some(open), Some(segment)) = (self.open.as_mut(), self.segments.back_mut()) else {
            return Ok(());
        };
        let mut bytes = Vec::with_capacity(tick.payload.len() + 64);
        let new_dictionary = key_frame && !open.dictionaries.contains(&dictionary.hash());
        if new_dictionary {
            put_dictionary(&mut bytes, tick.seq, dictionary);
        }
        let offset = segment.bytes + bytes.len() as u64;
        let before = bytes.len();
        let time = tick.time.as_millis().to_le_bytes();
        if key_frame {
            let hash = dictionary.hash();
            record::put(
                &mut bytes,
                Kind::KeyTick,
                tick.seq,
                &[&time, hash.as_bytes(), &tick.payload],
            );
        } else {
            record::put(&mut bytes, Kind::DeltaTick, tick.seq, &[&time, &tick.payload]);
        }
        if let Err(error) = open.file.write_all(&bytes) {
            // Half a record may be there: cut it off, or leave the segment as it is and begin another.
            let cut = open.file.set_len(segment.bytes);
            if cut.is_err() {
                self.open = None;
            }
            return Err(FileError::new("write", &segment.path, error));
        }
        let record_bytes = (bytes.len() - before) as u64;
        segment.bytes += bytes.len() as u64;
        if new_dictionary {
            open.dictionaries.insert(dictionary.hash());
            self.dictionaries.insert(dictionary.hash(), dictionary.clone());
        }
        match segment.runs.last_mut() {
            Some(run) if !key_frame => run.extend(tick.time, record_bytes),
            _ => segment
                .runs
                .push(Run::begin(tick.seq, tick.time, dictionary.hash(), offset, record_bytes)),
        }
        Ok(())
    }

    pub(super) fn rotate(&mut self, first: u64) -> Result<(), FileError> {
        self.sync();
        self.open = None;
        // A segment whose first write failed holds nothing.
        if self.segments.back().is_some_and(|segment| segment.runs.is_empty()) {
            self.pop_back();
        }
        let path = self.dir.join(format!("ticks-{first:020}.seg"));
        let begin = || -> io::Result<File> {
            let mut file = OpenOptions::new()
                .append(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)?;
            file.write_all(&record::header(self.state.spool_id))
                .inspect_err(|_| drop(fs::remove_file(&path)))?;
            Ok(file)
        };
        let file = begin().map_err(|error| FileError::new("create", &path, error))?;
        files::sync_dir(&self.dir)?;
        self.open = Some(OpenSegment {
            file,
            dictionaries: HashSet::new(),
        });
        self.segments.push_back(Segment {
            path,
            bytes: record::HEADER_BYTES as u64,
            runs: Vec::new(),
        });
        Ok(())
    }
}

fn put_dictionary(bytes: &mut Vec<u8>, seq: u64, dictionary: &Dictionary) {
    let mut hashes = Vec::with_capacity(dictionary.sections().len() * 32);
    for section in dictionary.sections() {
        record::put(bytes, Kind::Section, seq, &[&section.bytes()]);
        hashes.extend_from_slice(section.hash().as_bytes());
    }
    record::put(bytes, Kind::Dictionary, seq, &[&hashes]);
}
