//! The files of one folder whose names fit: which there are, which were renamed or emptied, and reading them.
//!
//! A file that was renamed is read to its end under its new name; one that was copied and emptied is read to its end
//! from the copy. A file that appears is read from its beginning, but at the very first start all are read from their
//! ends on: what is old is no news.

use super::{
    follower::{FilePosition, Follower, Identity, Progress, open},
    lines::Line,
};
use crate::sources::fits;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

/// Most files of one folder that are followed.
pub(super) const FILES_MAX: usize = 256;
/// Most entries of a folder that are looked at.
const ENTRIES_MAX: usize = 20_000;
/// A renamed file that does not grow any more is left after this time: whoever writes opens the new one by then.
const RETIRE_AFTER: Duration = Duration::from_secs(30);
/// What log rotation packs is not text.
const PACKED: [&str; 6] = [".gz", ".xz", ".bz2", ".zst", ".zip", ".lz4"];

/// Something that an administrator should know of a followed log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It can't be read.
    Unreadable(PathBuf, String),
    /// It was read to here, and is gone: what was written to it later may be missing.
    Gone(PathBuf, u64),
    /// There are more files than are followed.
    TooMany(PathBuf),
}

/// Follows the files of one folder.
#[derive(Debug)]
pub(super) struct Tail {
    folder: PathBuf,
    name: String,
    followers: Vec<Follower>,
    /// From an earlier run; `None` once it was used.
    kept: Option<Vec<FilePosition>>,
    /// Whether this log was followed before: what appears is new.
    begun: bool,
    /// What is unreadable was told.
    told: BTreeMap<PathBuf, io::ErrorKind>,
    /// Notifications about files that are not followed any more.
    unwatched: Vec<i32>,
}

impl Tail {
    /// Files of `folder` that `name` fits; `kept` is how far they were read by an earlier run, if there was one.
    pub(super) fn new(folder: PathBuf, name: String, kept: Option<Vec<FilePosition>>) -> Self {
        Self {
            folder,
            name,
            followers: Vec::new(),
            begun: kept.is_some(),
            kept,
            told: BTreeMap::new(),
            unwatched: Vec::new(),
        }
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The files that are followed.
    pub(super) fn followers(&mut self) -> &mut [Follower] {
        &mut self.followers
    }

    /// Notifications that nobody needs any more.
    pub(super) fn take_unwatched(&mut self) -> Vec<i32> {
        std::mem::take(&mut self.unwatched)
    }

    /// How far the files were read; `None` before the first look.
    pub(super) fn positions(&self) -> Option<Vec<FilePosition>> {
        match &self.kept {
            Some(kept) => Some(kept.clone()),
            None => self.begun.then(|| self.followers.iter().map(Follower::kept).collect()),
        }
    }

    /// Bytes of all files that were not read yet.
    pub(super) fn behind(&self) -> u64 {
        self.followers.iter().map(Follower::behind).sum()
    }

    /// Looks which files there are now.
    pub(super) fn scan(&mut self, mono: Duration, troubles: &mut Vec<Trouble>) {
        let mut paths = self.paths();
        if paths.len() > FILES_MAX {
            paths.truncate(FILES_MAX);
            if self.told.insert(self.folder.clone(), io::ErrorKind::Other).is_none() {
                troubles.push(Trouble::TooMany(self.folder.join(&self.name)));
            }
        }
        let kept = self.kept.take().unwrap_or_default();
        let mut present = Vec::new();
        for path in paths {
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_file() => {
                    let identity = Identity::of(&metadata);
                    present.push(identity);
                    self.meet(path, identity, &kept, troubles);
                }
                _ => {}
            }
        }
        for position in &kept {
            self.find_again(position, &kept, mono, troubles);
        }
        for follower in &mut self.followers {
            if present.contains(&follower.identity) {
                follower.retired = None;
            } else if follower.retired.is_none() {
                follower.retired = Some(mono);
            }
        }
        self.begun = true;
    }

    /// Meets a file under one of the names that fit.
    fn meet(&mut self, path: PathBuf, identity: Identity, kept: &[FilePosition], troubles: &mut Vec<Trouble>) {
        if let Some(known) = self.followers.iter_mut().find(|known| known.identity == identity) {
            known.path = path;
            return;
        }
        let (file, metadata) = match open(&path) {
            Ok(Some(opened)) => opened,
            Ok(None) => return,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound && self.told.insert(path.clone(), error.kind()).is_none() {
                    troubles.push(Trouble::Unreadable(path, error.to_string()));
                }
                return;
            }
        };
        self.told.remove(&path);
        // Between the look and the opening it may have become another.
        let identity = Identity::of(&metadata);
        if self.followers.iter().any(|known| known.identity == identity) {
            return;
        }
        let before = kept.iter().find(|kept| kept.identity == identity);
        let position = match before {
            Some(before) if metadata.len() >= before.position && before.fingerprint.fits(&file) => before.position,
            Some(_) => 0,
            None if self.begun => self.copied(&path, &file, metadata.len()),
            None => metadata.len(),
        };
        self.followers.push(Follower::new(path, file, &metadata, position));
    }

    /// Where the news of a new file begin: a copy beside a followed one was read as far as that. Files of other names
    /// may well begin alike.
    fn copied(&self, path: &Path, file: &File, length: u64) -> u64 {
        let longer = |original: &Path| {
            let names = (path.to_str(), original.to_str());
            matches!(names, (Some(name), Some(original)) if name.len() > original.len() && name.starts_with(original))
        };
        let original = self.followers.iter().find(|known| {
            let kept = known.kept();
            let beside = known.retired.is_none() && longer(&kept.path);
            beside && kept.position <= length && !kept.fingerprint.is_empty() && kept.fingerprint.fits(file)
        });
        original.map_or(0, Follower::position)
    }

    /// Finds a file of an earlier run that no name fits any more, or that was copied and emptied since.
    fn find_again(&mut self, kept: &FilePosition, all: &[FilePosition], mono: Duration, troubles: &mut Vec<Trouble>) {
        let known = self.followers.iter().find(|known| known.identity == kept.identity);
        if known.is_some_and(|known| known.position() >= kept.position) {
            return;
        }
        match self.rest_of(kept, None) {
            Some(rest) => {
                let later = self.later_than(&rest, kept, all);
                self.insert_retired(0, rest, mono);
                for (at, follower) in later.into_iter().enumerate() {
                    self.insert_retired(at + 1, follower, mono);
                }
            }
            None if kept.position > 0 => troubles.push(Trouble::Gone(kept.path.clone(), kept.position)),
            None => {}
        }
    }

    /// The file beside `kept` that bears its content now: the same one, or else the newest that begins alike. `changed`:
    /// when the original last changed, which a copy can't be older than.
    fn rest_of(&self, kept: &FilePosition, changed: Option<i64>) -> Option<Follower> {
        let name = kept.path.file_name()?.to_str()?;
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        let stem = if stem.is_empty() { name } else { stem };
        let mut best: Option<((bool, i64), Follower)> = None;
        for path in names(kept.path.parent()?) {
            let sibling = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if !sibling.starts_with(stem) || is_packed(sibling) {
                continue;
            }
            let Ok(Some((file, metadata))) = open(&path) else {
                continue;
            };
            let identity = Identity::of(&metadata);
            let rank = (identity == kept.identity, metadata.mtime());
            // Of a file that was empty only the inode tells which it is.
            if metadata.len() < kept.position
                || (kept.fingerprint.is_empty() && !rank.0)
                || changed.is_some_and(|changed| metadata.mtime() < changed)
                || self.followers.iter().any(|known| known.identity == identity)
                || best.as_ref().is_some_and(|(before, _)| *before >= rank)
                || !kept.fingerprint.fits(&file)
            {
                continue;
            }
            best = Some((rank, Follower::new(path, file, &metadata, kept.position)));
        }
        best.map(|(_, follower)| follower)
    }

    /// Files that were written after `rest` and renamed too while nobody looked, the oldest first: unknown ones that bear
    /// the name of `kept` and a number or date, and do not begin like it.
    fn later_than(&self, rest: &Follower, kept: &FilePosition, all: &[FilePosition]) -> Vec<Follower> {
        let (Some(stem), Some(folder)) = (kept.path.to_str(), kept.path.parent()) else {
            return Vec::new();
        };
        let is_rotated = |path: &Path| {
            let suffix = path
                .to_str()
                .and_then(|path| path.strip_prefix(stem))
                .unwrap_or_default();
            !suffix.is_empty() && suffix.chars().all(|c| c.is_ascii_digit() || ".-_".contains(c))
        };
        let mut later = Vec::new();
        for path in names(folder).into_iter().filter(|path| is_rotated(path)) {
            let Ok(Some((file, metadata))) = open(&path) else {
                continue;
            };
            let (identity, modified) = (Identity::of(&metadata), (metadata.mtime(), metadata.mtime_nsec()));
            let known = self
                .followers
                .iter()
                .chain([rest])
                .any(|known| known.identity == identity)
                || all.iter().any(|other| other.identity == identity);
            if !known && modified > rest.modified() && (kept.fingerprint.is_empty() || !kept.fingerprint.fits(&file)) {
                later.push((modified, Follower::new(path, file, &metadata, 0)));
            }
        }
        later.sort_by_key(|(modified, _)| *modified);
        later.into_iter().map(|(_, follower)| follower).collect()
    }

    fn insert_retired(&mut self, at: usize, mut follower: Follower, mono: Duration) {
        follower.retired = Some(mono);
        self.followers.insert(at, follower);
    }

    /// Reads what came; says whether there is more.
    pub(super) fn read(
        &mut self,
        buffer: &mut [u8],
        mono: Duration,
        troubles: &mut Vec<Trouble>,
        each: &mut dyn FnMut(Line<'_>),
    ) -> bool {
        let mut more = false;
        let mut at = 0;
        while let Some(follower) = self.followers.get_mut(at) {
            let before = follower.position();
            let progress = follower.read(buffer, each);
            if follower.retired.is_some() && follower.position() > before {
                follower.retired = Some(mono);
            }
            let ends = match progress {
                Ok(Progress::More) => {
                    more = true;
                    false
                }
                Ok(Progress::End) => follower
                    .retired
                    .is_some_and(|since| mono.saturating_sub(since) >= RETIRE_AFTER || follower.is_deleted()),
                Ok(Progress::Emptied) => {
                    more = true;
                    let (kept, changed) = (follower.kept(), follower.changed());
                    follower.begin_anew();
                    // The copy is read first: its lines are the older ones.
                    if let Some(rest) = self.rest_of(&kept, changed) {
                        self.insert_retired(at, rest, mono);
                    }
                    continue;
                }
                Err(error) => {
                    troubles.push(Trouble::Unreadable(follower.path.clone(), error.to_string()));
                    true
                }
            };
            if ends {
                let mut gone = self.followers.remove(at);
                gone.finish(each);
                self.unwatched.extend(gone.watch);
            } else {
                at += 1;
            }
        }
        more
    }

    /// Paths that fit, sorted.
    fn paths(&self) -> Vec<PathBuf> {
        if !self.name.contains('*') {
            return vec![self.folder.join(&self.name)];
        }
        let mut paths = names(&self.folder);
        paths.retain(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            fits(&self.name, name) && !is_packed(name)
        });
        paths.sort_unstable();
        paths
    }
}

fn is_packed(name: &str) -> bool {
    PACKED.iter().any(|packed| name.ends_with(packed))
}

fn names(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.take(ENTRIES_MAX).map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests;
