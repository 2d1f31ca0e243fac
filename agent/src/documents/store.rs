//! What is kept of documents below the state directory: `index.json`, which is replaced whole, and one file for each
//! content, named by its SHA-256.
//!
//! A content is written and synced before the index that names it; what no index names is removed at the next start.
//! A lost or damaged index costs the versions that no collector has, and makes every document new once more.

use super::{BYTES_MAX, COUNT_MAX, VERSIONS_MAX};
use crate::{
    files::{self, FileError},
    surveys::Document,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};
use tocsin_proto::{DOCUMENT_BYTES_MAX, DOCUMENT_NAME_BYTES_MAX};
use tocsin_vocabulary::{Hash, HostId, Timestamp};

const INDEX_FILE: &str = "index.json";
const FORMAT: u32 = 1;
/// The kind of which nothing is kept once a collector has it: each has a name of its own.
const ONCE: &str = "diagnosis";

/// One version of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Counts versions of all documents, from 1 upwards.
    pub number: u64,
    /// `parts`, `inventory`, `file`, `diagnosis`.
    pub kind: String,
    /// Which one of its kind.
    pub name: String,
    /// SHA-256 of the content, hexadecimal.
    pub hash: String,
    /// Of the content, in bytes.
    pub size: u64,
    /// `application/json` or `text/plain`.
    pub media: String,
    /// When it came to be.
    pub time: Timestamp,
    /// What is known beside it.
    pub attributes: BTreeMap<String, String>,
    /// A collector has it.
    pub acked: bool,
}

impl Version {
    fn is_of(&self, other: &Self) -> bool {
        self.kind == other.kind && self.name == other.name
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Index {
    format: u32,
    /// As whom the host is enrolled; `None` before it ever was.
    host: Option<HostId>,
    next_number: u64,
    /// By number.
    versions: Vec<Version>,
}

impl Default for Index {
    fn default() -> Self {
        Self {
            format: FORMAT,
            host: None,
            next_number: 1,
            versions: Vec::new(),
        }
    }
}

/// Documents on disk.
#[derive(Debug)]
pub(crate) struct Store {
    dir: PathBuf,
    index: Index,
    /// Versions given up since it was opened, though no collector had them.
    pub(crate) dropped: u64,
    /// Why it does not store at present.
    pub(crate) problem: Option<String>,
}

impl Store {
    /// Opens the folder, which is made when it is missing. What belongs to another host than `host` is forgotten.
    ///
    /// # Errors
    /// When the folder can't be made.
    pub(crate) fn open(dir: &Path, host: Option<HostId>) -> Result<Self, FileError> {
        files::private_dir(dir)?;
        let mut index = fs::read(dir.join(INDEX_FILE))
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Index>(&bytes).ok())
            .filter(|index| index.format == FORMAT)
            .unwrap_or_default();
        if host.is_some() && index.host.is_some() && index.host != host {
            index.versions.clear();
        }
        index.host = host.or(index.host);
        let mut store = Self {
            dir: dir.to_owned(),
            index,
            dropped: 0,
            problem: None,
        };
        store.sweep();
        Ok(store)
    }

    /// All versions that are kept, by number.
    pub(crate) fn versions(&self) -> &[Version] {
        &self.index.versions
    }

    /// Keeps what changed of `documents`; says whether anything did.
    pub(crate) fn put(&mut self, documents: Vec<Document>, now: Timestamp) -> bool {
        let mut changed = false;
        for document in documents {
            match self.take(document, now) {
                Ok(new) => changed |= new,
                Err(error) => return self.failed(&error),
            }
        }
        if changed {
            self.trim();
            self.save();
        }
        changed
    }

    /// A collector has this version, or will never take it.
    pub(crate) fn acked(&mut self, number: u64) -> bool {
        let Some(version) = self
            .index
            .versions
            .iter_mut()
            .find(|version| version.number == number && !version.acked)
        else {
            return false;
        };
        version.acked = true;
        self.trim();
        self.save();
        true
    }

    /// The content of a version; `None` when it is not there any more or damaged, and then nothing of it is kept.
    pub(crate) fn read(&mut self, hash: &str) -> Option<Vec<u8>> {
        let known = self.index.versions.iter().any(|version| version.hash == hash);
        let content = known.then(|| fs::read(self.dir.join(hash)).ok()).flatten();
        let content = content.filter(|content| Hash::of(content).to_string() == hash);
        if known && content.is_none() {
            let before = self.index.versions.len();
            self.index.versions.retain(|version| version.hash != hash);
            self.dropped += u64::try_from(before - self.index.versions.len()).unwrap_or(0);
            self.save();
        }
        content
    }

    fn take(&mut self, document: Document, now: Timestamp) -> Result<bool, FileError> {
        let Document {
            kind,
            name,
            media,
            bytes,
            attributes,
        } = document;
        if bytes.len() > DOCUMENT_BYTES_MAX || name.len() > DOCUMENT_NAME_BYTES_MAX {
            tracing::warn!(
                kind,
                name,
                bytes = bytes.len(),
                "a document is too large and is left out"
            );
            return Ok(false);
        }
        let version = Version {
            number: self.index.next_number,
            kind: kind.to_owned(),
            name,
            hash: Hash::of(&bytes).to_string(),
            size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            media: media.to_owned(),
            time: now,
            attributes,
            acked: false,
        };
        let newest = self.index.versions.iter().rfind(|kept| kept.is_of(&version));
        if newest.is_some_and(|newest| newest.hash == version.hash) {
            return Ok(false);
        }
        let path = self.dir.join(&version.hash);
        if !path.exists() {
            let beside = path.with_extension("tmp");
            files::write_synced(&beside, &bytes, 0o600)?;
            fs::rename(&beside, &path).map_err(|error| FileError::new("rename over", &path, error))?;
        }
        self.index.next_number += 1;
        self.index.versions.push(version);
        Ok(true)
    }

    /// Lets go of what a collector has and something newer superseded, and of the oldest beyond the bounds.
    fn trim(&mut self) {
        let mut newer: BTreeMap<(String, String), usize> = BTreeMap::new();
        let mut dropped = 0;
        let mut kept: Vec<Version> = Vec::with_capacity(self.index.versions.len());
        for version in std::mem::take(&mut self.index.versions).into_iter().rev() {
            let newer = newer.entry((version.kind.clone(), version.name.clone())).or_default();
            let wanted = if version.acked {
                *newer == 0 && version.kind != ONCE
            } else if *newer >= VERSIONS_MAX {
                dropped += 1;
                false
            } else {
                true
            };
            *newer += 1;
            if wanted {
                kept.push(version);
            }
        }
        kept.reverse();
        let mut bytes: u64 = kept.iter().map(|version| version.size).sum();
        while kept.len() > COUNT_MAX || bytes > BYTES_MAX {
            let superseded = |at: &usize| kept[at + 1..].iter().any(|newer| newer.is_of(&kept[*at]));
            let at = (0..kept.len()).find(superseded).unwrap_or(0);
            let gone = kept.remove(at);
            bytes -= gone.size;
            dropped += u64::from(!gone.acked);
        }
        self.index.versions = kept;
        self.dropped += dropped;
    }

    fn save(&mut self) {
        let bytes = serde_json::to_vec(&self.index).unwrap_or_default();
        match files::replace(&self.dir.join(INDEX_FILE), &bytes, 0o600) {
            Ok(()) => {
                self.problem = None;
                self.sweep();
            }
            Err(error) => {
                self.failed(&error);
            }
        }
    }

    /// Removes contents that nothing names.
    fn sweep(&mut self) {
        let named: BTreeSet<&str> = self
            .index
            .versions
            .iter()
            .map(|version| version.hash.as_str())
            .collect();
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let keep = name
                .to_str()
                .is_some_and(|name| name == INDEX_FILE || named.contains(name));
            if !keep {
                // What can't be removed now is in the way of nothing.
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn failed(&mut self, error: &FileError) -> bool {
        let problem = format!("{error}: {}", error.source);
        if self.problem.as_ref() != Some(&problem) {
            tracing::warn!(problem, "documents can't be stored");
        }
        self.problem = Some(problem);
        false
    }
}
