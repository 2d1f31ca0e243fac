//! What surveys keep over a restart of the agent: one small file of JSON for each survey, below `surveys` in the state
//! folder.
//!
//! A restart must not make a slow link the best one that was ever seen, tell old records of a log again, or forget that a
//! disk is getting worse. Files are replaced as a whole and bounded; one that can't be read, or is of another version, is
//! as if it were not there. To make a survey forget, for instance after a link was made slower on purpose, stop the agent
//! and remove its file.

use crate::files;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};
use tocsin_vocabulary::Timestamp;

/// Below the state folder.
const FOLDER: &str = "surveys";
/// Version of the files' form; others are not read.
const VERSION: u32 = 1;
/// Longest file: 4 096 [`Bests`] with names of 200 bytes, or the history of 2 000 disks.
const BYTES_MAX: usize = 1 << 20;

/// The form of a file.
#[derive(Serialize, Deserialize)]
struct Page<T> {
    version: u32,
    value: T,
}

/// The files of all surveys.
#[derive(Debug)]
pub(crate) struct Memory {
    folder: PathBuf,
    /// What each file holds as far as this process wrote it.
    written: Mutex<BTreeMap<&'static str, Vec<u8>>>,
}

impl Memory {
    /// Below this state folder. Nothing is made before something is remembered.
    pub(crate) fn below(state_dir: &Path) -> Self {
        Self {
            folder: state_dir.join(FOLDER),
            written: Mutex::default(),
        }
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.json"))
    }

    /// The value under `key`, if there is one that can be read.
    pub(crate) fn recall<T: DeserializeOwned>(&self, key: &'static str) -> Option<T> {
        let path = self.path(key);
        match read(&path) {
            Ok(bytes) => {
                let page = parse(&bytes);
                if page.is_none() {
                    tracing::warn!(path = %path.display(), "what a survey remembered can't be read: it begins anew");
                }
                page
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "what a survey remembered can't be read: it begins anew");
                None
            }
        }
    }

    /// Writes `value` under `key`, unless that is what was written last. What fails is tried again at the next change.
    pub(crate) fn remember<T: Serialize>(&self, key: &'static str, value: &T) {
        let Ok(bytes) = serde_json::to_vec(&Page {
            version: VERSION,
            value,
        }) else {
            return;
        };
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.get(key).is_some_and(|known| *known == bytes) {
            return;
        }
        if bytes.len() > BYTES_MAX {
            tracing::warn!(
                survey = key,
                bytes = bytes.len(),
                "too much to remember: the last file stays"
            );
        } else if let Err(error) =
            files::private_dir(&self.folder).and_then(|()| files::replace(&self.path(key), &bytes, 0o600))
        {
            tracing::warn!(
                survey = key,
                error = &error as &dyn std::error::Error,
                "can't remember what a survey saw"
            );
        }
        written.insert(key, bytes);
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The value of a file of this version.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    if bytes.len() > BYTES_MAX {
        return None;
    }
    let page: Page<T> = serde_json::from_slice(bytes).ok()?;
    (page.version == VERSION).then_some(page.value)
}

/// The best that was ever seen of each of several things: speeds of ports, paths of volumes.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bests(BTreeMap<String, Best>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Best {
    value: u64,
    /// Since the epoch; a whole day, so that seeing a thing again is written once a day and not at every look.
    seen_day: i64,
}

impl Bests {
    /// Most things; beyond it those go first that were not seen for longest.
    const MAX: usize = 4_096;
    /// A thing that was not seen for so many days is forgotten: what comes back under its name may be another.
    const DAYS: i64 = 30;
    const DAY_MS: i64 = 86_400_000;

    /// Takes what is seen of a thing now; gives the best, which is at least that.
    pub(crate) fn note(&mut self, id: &str, value: u64, now: Timestamp) -> u64 {
        let today = now.as_millis().div_euclid(Self::DAY_MS);
        let best = self.0.get(id).map_or(value, |best| best.value.max(value));
        let seen = Best {
            value: best,
            seen_day: today,
        };
        if self.0.insert(id.to_owned(), seen).is_none() {
            self.0.retain(|_, known| known.seen_day > today - Self::DAYS);
            while self.0.len() > Self::MAX {
                let oldest = self.0.iter().min_by_key(|(_, known)| known.seen_day);
                let Some(oldest) = oldest.map(|(id, _)| id.clone()) else {
                    break;
                };
                self.0.remove(&oldest);
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::timed;
    use std::fs;

    const DAY: i64 = 86_400_000;

    #[test]
    fn what_is_remembered_is_recalled_by_the_next_agent() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::below(folder.path());
        assert_eq!(memory.recall::<u64>("fc"), None);
        memory.remember("fc", &7_u64);
        memory.remember("links", &8_u64);
        let next = Memory::below(folder.path());
        assert_eq!((next.recall("fc"), next.recall("links")), (Some(7_u64), Some(8_u64)));
        let text = fs::read_to_string(folder.path().join("surveys/fc.json")).unwrap();
        assert_eq!(text, r#"{"version":1,"value":7}"#);
    }

    #[test]
    fn what_did_not_change_is_not_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::below(folder.path());
        memory.remember("fc", &7_u64);
        let file = folder.path().join("surveys/fc.json");
        fs::remove_file(&file).unwrap();
        memory.remember("fc", &7_u64);
        assert!(!file.exists());
        memory.remember("fc", &8_u64);
        assert!(file.exists());
    }

    #[test]
    fn a_file_that_is_damaged_of_another_version_or_too_long_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::below(folder.path());
        let file = folder.path().join("surveys/fc.json");
        fs::create_dir(file.parent().unwrap()).unwrap();
        let long = format!(r#"{{"version":1,"value":7{}}}"#, " ".repeat(BYTES_MAX));
        for text in [
            "",
            "{",
            r#"{"version":2,"value":7}"#,
            r#"{"version":1,"value":"x"}"#,
            &long,
        ] {
            fs::write(&file, text).unwrap();
            assert_eq!(memory.recall::<u64>("fc"), None, "{}", text.len());
        }
        let much = "x".repeat(BYTES_MAX);
        memory.remember("fc", &"short");
        memory.remember("fc", &much);
        assert_eq!(
            memory.recall::<String>("fc").as_deref(),
            Some("short"),
            "the last file stays"
        );
    }

    #[test]
    fn where_nothing_can_be_written_nothing_falls() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let memory = Memory::below(&file);
        memory.remember("fc", &7_u64);
        assert_eq!(memory.recall::<u64>("fc"), None);
    }

    #[test]
    fn the_best_stays_until_its_thing_was_away_for_long() {
        let at = |day: i64| Timestamp::from_millis(day * DAY + 5);
        let mut bests = Bests::default();
        assert_eq!(bests.note("eth0", 10, at(0)), 10);
        assert_eq!(bests.note("eth0", 1, at(29)), 10);
        assert_eq!(bests.note("eth0", 1, at(58)), 10);
        assert_eq!(bests.note("eth1", 1, at(90)), 1);
        assert_eq!(bests.note("eth0", 1, at(91)), 1, "it was away for a month");
        for at_most in 0..=Bests::MAX {
            bests.note(&at_most.to_string(), 1, at(92));
        }
        assert_eq!(bests.0.len(), Bests::MAX);
        assert!(!bests.0.contains_key("eth1"));
    }

    #[test]
    fn any_file_is_a_memory_or_none() {
        bolero::check!().for_each(timed(|bytes: &[u8]| {
            if let Some(mut bests) = parse::<Bests>(bytes) {
                bests.note("eth0", 1, Timestamp::from_millis(0));
            }
        }));
    }
}
