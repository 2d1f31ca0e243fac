//! Finding again what an earlier run left: always succeeds with what is good, sets aside what is not.

use super::{
    events::{self, EventQueue},
    state::{Loaded, State},
    ticks::{self, Segment},
};
use crate::files::{self, FileError};
use std::{
    collections::{HashMap, VecDeque},
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};
use tocsin_vocabulary::{Dictionary, Hash, HostId, SpoolId};

pub(super) const STATE_FILE: &str = "state.json";
const QUARANTINE: &str = "quarantine";
/// Most bytes kept in quarantine, for a person to look at; further damage is only logged.
const QUARANTINE_BYTES_MAX: u64 = 4 * 1024 * 1024;

pub(super) struct Recovered {
    pub(super) state: State,
    pub(super) segments: VecDeque<Segment>,
    pub(super) dictionaries: HashMap<Hash, Dictionary>,
    pub(super) events: EventQueue,
}

pub(super) fn recover(dir: &Path, new_id: SpoolId) -> Result<Recovered, FileError> {
    files::private_dir(dir)?;
    let path = dir.join(STATE_FILE);
    let state = match State::load(&path) {
        Loaded::State(state) => Some(state),
        Loaded::Absent => None,
        Loaded::Unreadable(reason) => {
            tracing::warn!(
                reason,
                "the spool's state is unreadable: finding it again from the segments"
            );
            quarantine(dir, STATE_FILE, &fs::read(&path).unwrap_or_default());
            None
        }
        Loaded::Newer(version) => return Err(newer(&path, version)),
    };
    let paths = segments_of(dir)?;
    let lost = state.is_none();
    let id = match &state {
        Some(state) => state.spool_id,
        None => paths.iter().rev().find_map(|path| id_of(path)).unwrap_or(new_id),
    };
    let mut recovered = Recovered {
        state: state.unwrap_or_else(|| State::new(id)),
        segments: VecDeque::new(),
        dictionaries: HashMap::new(),
        events: EventQueue::new(dir.to_owned(), id),
    };
    for path in paths {
        recovered.adopt(dir, path, id);
    }
    if lost {
        recovered.forget_numbers();
    }
    Ok(recovered)
}

fn newer(path: &Path, version: u32) -> FileError {
    FileError {
        operation: "use",
        path: path.to_owned(),
        remedy: "a newer agent wrote it; install that one again, or move the spool's directory away and lose what it holds",
        source: io::Error::other(format!("it has version {version}, this agent knows 1")),
    }
}

/// Removes a spool whose ticks were taken under another identity than `host`: they are that host's, not this one's.
pub(super) fn forget_other_host(dir: &Path, host: HostId) -> Result<(), FileError> {
    match State::load(&dir.join(STATE_FILE)) {
        Loaded::State(State { host: Some(owner), .. }) if owner != host => {
            tracing::warn!(%owner, %host, "this host was enrolled anew: what was stored under its old identity is removed");
            fs::remove_dir_all(dir).map_err(|error| FileError::new("remove", dir, error))
        }
        _ => Ok(()),
    }
}

impl Recovered {
    fn adopt(&mut self, dir: &Path, path: PathBuf, id: SpoolId) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "cannot read a segment of the spool");
                return;
            }
        };
        let scanned = ticks::scan(&bytes).filter(|scanned| scanned.id == id);
        let Some(scanned) = scanned else {
            tracing::warn!(path = %path.display(), "a segment is damaged at its head or belongs to another spool");
            quarantine(dir, &name, &bytes);
            let _ = fs::remove_file(&path);
            return;
        };
        for &(from, to) in &scanned.damage {
            tracing::warn!(path = %path.display(), from, to, "skipping damaged bytes of the spool");
            quarantine(dir, &format!("{name}-{from}"), bytes.get(from..to).unwrap_or_default());
        }
        if events::is_event_segment(&path) {
            self.events.adopt(path, &bytes);
            return;
        }
        let last = self.segments.back().and_then(Segment::last).unwrap_or(0);
        let runs: Vec<_> = scanned.runs.into_iter().filter(|run| run.first > last).collect();
        if runs.is_empty() {
            let _ = fs::remove_file(&path);
            return;
        }
        let used = |dictionary: &Dictionary| runs.iter().any(|run| run.dictionary == dictionary.hash());
        for dictionary in scanned.dictionaries.into_iter().filter(used) {
            self.dictionaries.insert(dictionary.hash(), dictionary);
        }
        self.segments.push_back(Segment {
            path,
            bytes: bytes.len() as u64,
            runs,
        });
    }

    /// The state is lost: what was sealed is unknown, and numbers behind the last may have been used.
    fn forget_numbers(&mut self) {
        if let Some(first) = self.segments.front().and_then(Segment::first) {
            self.state.sealed = first - 1;
        }
        if let Some(last) = self.segments.back().and_then(Segment::last) {
            self.state.next_seq = last + 1 + super::RESERVED_TICKS;
        }
        if self.events.last() > 0 {
            self.state.next_event = self.events.last() + 1 + super::RESERVED_EVENTS;
        }
    }
}

/// Segments in the order of their numbers.
fn segments_of(dir: &Path) -> Result<Vec<PathBuf>, FileError> {
    let entries = fs::read_dir(dir).map_err(|error| FileError::new("list", dir, error))?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
        .collect();
    paths.sort();
    Ok(paths)
}

fn id_of(path: &Path) -> Option<SpoolId> {
    let mut header = [0; super::record::HEADER_BYTES];
    fs::File::open(path).ok()?.read_exact(&mut header).ok()?;
    super::record::read_header(&header)
}

fn quarantine(dir: &Path, name: &str, bytes: &[u8]) {
    let place = dir.join(QUARANTINE);
    let held: u64 = fs::read_dir(&place)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()))
        .sum();
    if held + bytes.len() as u64 > QUARANTINE_BYTES_MAX {
        return;
    }
    let kept =
        files::private_dir(&place).and_then(|()| files::replace(&place.join(format!("{name}.bad")), bytes, 0o600));
    if let Err(error) = kept {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "cannot keep damaged bytes in quarantine"
        );
    }
}
