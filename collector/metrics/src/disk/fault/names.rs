//! The names of a disk: which exist, which are safe, and which changes wait for their folder's sync.

use super::random::Random;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// A change that is not durable yet.
#[derive(Debug, Clone)]
enum Change {
    Made(PathBuf, usize),
    Renamed(PathBuf, PathBuf, usize),
    Removed(PathBuf),
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Made(path, file) => drop(names.insert(path.clone(), *file)),
            Self::Renamed(from, to, file) => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
            Self::Removed(path) => drop(names.remove(path)),
        }
    }

    fn touches(&self, dir: &Path) -> bool {
        let inside = |path: &PathBuf| path.parent() == Some(dir);
        match self {
            Self::Made(path, _) | Self::Removed(path) => inside(path),
            Self::Renamed(from, to, _) => inside(from) || inside(to),
        }
    }
}

/// All names, each with the number of its file.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    pub(super) seen: BTreeMap<PathBuf, usize>,
    safe: BTreeMap<PathBuf, usize>,
    waiting: Vec<Change>,
}

impl Names {
    pub(super) fn settled(names: BTreeMap<PathBuf, usize>) -> Self {
        Self {
            safe: names.clone(),
            seen: names,
            waiting: Vec::new(),
        }
    }

    pub(super) fn make(&mut self, path: &Path, file: usize) {
        self.change(Change::Made(path.to_owned(), file));
    }

    /// The file that was renamed.
    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> Option<usize> {
        let file = *self.seen.get(from)?;
        self.change(Change::Renamed(from.to_owned(), to.to_owned(), file));
        Some(file)
    }

    pub(super) fn remove(&mut self, path: &Path) -> bool {
        let known = self.seen.contains_key(path);
        if known {
            self.change(Change::Removed(path.to_owned()));
        }
        known
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.waiting.push(change);
    }

    /// Makes the changes of one folder durable.
    pub(super) fn sync(&mut self, dir: &Path) {
        let (done, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|change| change.touches(dir));
        self.waiting = waiting;
        let done: Vec<Change> = done;
        done.iter().for_each(|change| change.apply(&mut self.safe));
    }

    /// What a restart finds: of the waiting changes all, none, the first few, or any of them.
    pub(super) fn survive(&self, random: &mut Random) -> BTreeMap<PathBuf, usize> {
        let mut names = self.safe.clone();
        let fate = random.within(0, 3);
        let first = random.within(0, self.waiting.len());
        for (index, change) in self.waiting.iter().enumerate() {
            let reached = match fate {
                0 => true,
                1 => false,
                2 => index < first,
                _ => random.one_in(2),
            };
            if reached {
                change.apply(&mut names);
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_survive_in_any_order_until_their_folder_is_synced() {
        let path = |name: &str| Path::new("/d").join(name);
        let mut names = Names::default();
        names.make(&path("a"), 0);
        names.sync(Path::new("/d"));
        names.make(&path("b"), 1);
        names.rename(&path("a"), &path("c"));
        let found = |seed| {
            let found = names.survive(&mut Random::new(seed));
            found
                .keys()
                .map(|path| path.display().to_string())
                .collect::<Vec<_>>()
                .join(" ")
        };
        let outcomes: BTreeSet<String> = (0..64).map(found).collect();
        assert_eq!(Vec::from_iter(outcomes), ["/d/a", "/d/a /d/b", "/d/b /d/c", "/d/c"]);
        names.sync(Path::new("/d"));
        assert!((0..64).all(|seed| names.survive(&mut Random::new(seed)) == names.seen));
    }
}
