//! Sections and dictionaries, content-addressed, kept in `dictionaries.log` beside the journal.
//!
//! Journal and blocks name a dictionary by its hash; the log holds what the hash means and is synced before any batch
//! that uses it. It has the record format of the journal (segment number 0) and is never dropped with it. A section
//! lost to damage is simply unknown again: the agent is asked for it when it next offers its dictionary.

use crate::{
    config::{DICTIONARY_BYTES_MAX, RECORD_BYTES_MAX, SERIES_PER_HOST_MAX},
    disk::{Disk, DiskFile, read_all},
    error::{OpenError, StoreError},
    journal::{
        record::{HEADER_BYTES, Kind, decode_hashes, frame},
        scan::{Damage, scan},
    },
};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, atomic::AtomicBool, atomic::Ordering},
};
use tocsin_vocabulary::{Dictionary, Hash, Section};

#[derive(Debug)]
struct Log {
    file: Arc<dyn DiskFile>,
    length: u64,
}

/// What the log says.
#[derive(Debug, Default)]
pub(crate) struct Known {
    sections: HashMap<Hash, Arc<Section>>,
    dictionaries: HashMap<Hash, Dictionary>,
}

impl Known {
    /// Reads the bytes of a log; what is damaged is left out.
    pub(crate) fn read(bytes: &[u8]) -> (Self, Damage) {
        let mut known = Self::default();
        let mut dictionaries = Vec::new();
        let damage = scan(bytes, 0, |kind, _, body| match kind {
            Kind::Dictionary => dictionaries.push(body),
            kind => known.learn(kind, body),
        });
        for body in dictionaries {
            known.learn(Kind::Dictionary, body);
        }
        (known, damage)
    }

    /// The dictionary of this hash.
    pub(crate) fn dictionary(&self, hash: Hash) -> Option<&Dictionary> {
        self.dictionaries.get(&hash)
    }

    fn learn(&mut self, kind: Kind, body: &[u8]) {
        match kind {
            Kind::Section => {
                if let Ok(section) = Section::decode(body) {
                    self.sections.insert(section.hash(), Arc::new(section));
                }
            }
            Kind::Dictionary => {
                if let Some(dictionary) = decode_hashes(body).and_then(|hashes| self.assemble(&hashes).ok()) {
                    self.dictionaries.insert(dictionary.hash(), dictionary);
                }
            }
            _ => {}
        }
    }

    fn assemble(&self, hashes: &[Hash]) -> Result<Dictionary, StoreError> {
        let find = |hash: &Hash| {
            self.sections
                .get(hash)
                .cloned()
                .ok_or(StoreError::UnknownSection(*hash))
        };
        Ok(Dictionary::new(hashes.iter().map(find).collect::<Result<_, _>>()?))
    }
}

/// All dictionaries known here.
#[derive(Debug)]
pub(crate) struct Dictionaries {
    path: PathBuf,
    known: RwLock<Known>,
    log: Mutex<Log>,
    poisoned: Arc<AtomicBool>,
}

impl Dictionaries {
    /// Reads the log; a damaged record is left out, a torn end cut off.
    pub(crate) fn open(disk: &dyn Disk, dir: &Path, poisoned: Arc<AtomicBool>) -> Result<(Self, Damage), OpenError> {
        let path = dir.join("dictionaries.log");
        let file = disk.open(&path, true).map_err(OpenError::io("open", &path))?;
        let bytes = read_all(file.as_ref()).map_err(OpenError::io("read", &path))?;
        let (known, damage) = Known::read(&bytes);
        let whole = damage.tail.unwrap_or(damage.end);
        let length = whole as u64;
        if whole < bytes.len() {
            file.truncate(length).map_err(OpenError::io("truncate", &path))?;
        }
        file.sync_data().map_err(OpenError::io("sync", &path))?;
        let log = Mutex::new(Log { file, length });
        Ok((
            Self {
                path,
                known: RwLock::new(known),
                log,
                poisoned,
            },
            damage,
        ))
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of the log that are safe on the disk.
    pub(crate) fn length(&self) -> u64 {
        self.lock().length
    }

    /// The dictionary of this hash.
    pub(crate) fn get(&self, hash: Hash) -> Option<Dictionary> {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .dictionaries
            .get(&hash)
            .cloned()
    }

    /// Whether a dictionary is known.
    pub(crate) fn knows(&self, hash: Hash) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.dictionaries.contains_key(&hash)
    }

    /// Which of these sections are not known.
    pub(crate) fn missing(&self, hashes: &[Hash]) -> Vec<Hash> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        hashes
            .iter()
            .filter(|hash| !known.sections.contains_key(hash))
            .copied()
            .collect()
    }

    /// Keeps sections; durable on return.
    pub(crate) fn put_sections(&self, sections: &[Vec<u8>]) -> Result<(), StoreError> {
        let mut decoded = Vec::new();
        for bytes in sections {
            limit("bytes of a section", bytes.len(), RECORD_BYTES_MAX)?;
            let section = Section::decode(bytes).map_err(StoreError::Section)?;
            limit("series", section.series().len(), SERIES_PER_HOST_MAX)?;
            decoded.push((bytes, section));
        }
        let mut log = self.lock();
        let new = decoded
            .iter()
            .filter(|(_, section)| !self.missing(&[section.hash()]).is_empty());
        let records: Vec<_> = new.map(|(bytes, _)| (Kind::Section, bytes.as_slice())).collect();
        self.append(&mut log, &records)?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.sections.extend(
            decoded
                .into_iter()
                .map(|(_, section)| (section.hash(), Arc::new(section))),
        );
        Ok(())
    }

    /// Keeps a dictionary of known sections; durable on return.
    pub(crate) fn put_dictionary(&self, hashes: &[Hash]) -> Result<Dictionary, StoreError> {
        let mut log = self.lock();
        let dictionary = self
            .known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .assemble(hashes)?;
        limit("series", dictionary.len(), SERIES_PER_HOST_MAX)?;
        if self.get(dictionary.hash()).is_some() {
            return Ok(dictionary);
        }
        let body: Vec<u8> = hashes.iter().flat_map(|hash| *hash.as_bytes()).collect();
        self.append(&mut log, &[(Kind::Dictionary, &body)])?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.dictionaries.insert(dictionary.hash(), dictionary.clone());
        Ok(dictionary)
    }

    fn append(&self, log: &mut Log, records: &[(Kind, &[u8])]) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        if self.poisoned.load(Ordering::Acquire) {
            return Err(StoreError::Poisoned);
        }
        let mut bytes = Vec::new();
        for (kind, body) in records {
            let offset = u32::try_from(log.length + bytes.len() as u64).unwrap_or(u32::MAX);
            frame(&mut bytes, *kind, 0, offset, body);
        }
        let after = log.length + (bytes.len() + HEADER_BYTES) as u64;
        if after > DICTIONARY_BYTES_MAX {
            return Err(StoreError::Busy("no room for more dictionaries"));
        }
        if let Err(error) = log.file.append(&bytes) {
            if log.file.truncate(log.length).is_err() {
                self.poisoned.store(true, Ordering::Release);
            }
            return Err(StoreError::write("append to", &self.path)(error));
        }
        if let Err(error) = log.file.sync_data() {
            self.poisoned.store(true, Ordering::Release);
            return Err(StoreError::write("sync", &self.path)(error));
        }
        log.length += bytes.len() as u64;
        Ok(())
    }
}

/// Refuses what is beyond a limit.
pub(crate) const fn limit(what: &'static str, found: usize, max: usize) -> Result<(), StoreError> {
    if found > max {
        Err(StoreError::Limit { what, found, max })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::FaultDisk;
    use tocsin_vocabulary::{Kind as SeriesKind, Series};

    fn section(name: &str, count: usize) -> Section {
        let series = |index| Series {
            name: name.into(),
            attributes: vec![("i".into(), format!("{index}").into())],
            kind: SeriesKind::Gauge,
            unit: "1".into(),
            decimals: 0,
        };
        Section::new((0..count).map(series).collect())
    }

    fn open(disk: &FaultDisk) -> Dictionaries {
        Dictionaries::open(disk, Path::new("/s"), Arc::default()).unwrap().0
    }

    #[test]
    fn what_was_put_is_known_after_a_power_cut() {
        let disk = FaultDisk::new();
        let (one, two) = (section("a", 2), section("b", 3));
        let dictionaries = open(&disk);
        disk.sync_dir(Path::new("/s")).unwrap();
        dictionaries.put_sections(&[one.bytes(), two.bytes()]).unwrap();
        let dictionary = dictionaries.put_dictionary(&[one.hash(), two.hash()]).unwrap();
        let again = open(&disk.restart(3));
        assert_eq!(again.get(dictionary.hash()).map(|found| found.len()), Some(5));
        assert!(again.missing(&[one.hash()]).is_empty());
    }

    #[test]
    fn too_many_series_are_refused_to_the_one_who_asks() {
        let disk = FaultDisk::new();
        let dictionaries = open(&disk);
        let (one, two) = (section("a", 15_000), section("b", 15_000));
        dictionaries.put_sections(&[one.bytes(), two.bytes()]).unwrap();
        let error = dictionaries.put_dictionary(&[one.hash(), two.hash()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "30000 series exceed the limit of 20000; reduce what this host measures"
        );
        assert!(matches!(
            dictionaries.put_dictionary(&[Hash::of(b"?")]),
            Err(StoreError::UnknownSection(_))
        ));
    }
}
