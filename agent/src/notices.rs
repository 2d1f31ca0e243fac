//! What happens in folders: names that come, go or change.
//!
//! That a file is merely opened or read is not asked for: on a busy host every program that starts opens files in `/etc`,
//! and each notice would wake the agent. Nor is each write: whoever writes a log beside a watched file writes thousands of
//! times a second. A file that was written is told when its writer closes it. Notices are kept until they are asked for;
//! a descriptor says when there are some.

use crate::wake::Waker;
use notify::{
    Config, Event, EventKind, EventKindMask, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{CreateKind, ModifyKind, RemoveKind},
};
use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// Notices that are kept; what happens beyond is [`Notice::Anything`].
const KEPT_MAX: usize = 1_024;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// To this file in a watched folder.
    File(PathBuf),
    /// To a folder, or nobody knows to what: notices were lost.
    Anything,
}

impl Notice {
    /// Whether it may concern a file of this name.
    fn is_of(&self, name: &OsStr) -> bool {
        match self {
            Self::File(path) => path.file_name() == Some(name),
            Self::Anything => true,
        }
    }
}

/// Something that happened, and whether its name is gone from where it was.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Heard {
    notice: Notice,
    gone: Option<PathBuf>,
}

/// What was heard and not asked for yet.
#[derive(Debug)]
struct Kept {
    heard: Mutex<Vec<Heard>>,
    waker: Waker,
    /// The only name that counts; `None`: all do.
    only: Option<OsString>,
}

/// Watched folders.
#[derive(Debug)]
pub(crate) struct Notices {
    watcher: RecommendedWatcher,
    folders: BTreeSet<PathBuf>,
    kept: Arc<Kept>,
}

impl Notices {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// When the host has no room for it.
    pub(crate) fn new() -> io::Result<Self> {
        Self::hearing_of(None)
    }

    fn hearing_of(only: Option<OsString>) -> io::Result<Self> {
        let kept = Arc::new(Kept {
            heard: Mutex::default(),
            waker: Waker::new()?,
            only,
        });
        let keeper = kept.clone();
        let kinds = (EventKindMask::CORE - EventKindMask::MODIFY_DATA) | EventKindMask::ACCESS_CLOSE;
        let changes = Config::default().with_event_kinds(kinds);
        let watcher = RecommendedWatcher::new(move |event| keeper.hear(event), changes).map_err(io::Error::other)?;
        Ok(Self {
            watcher,
            folders: BTreeSet::new(),
            kept,
        })
    }

    /// Watches exactly these folders from now on; gives those that can't be watched.
    pub(crate) fn watch(&mut self, folders: &BTreeSet<PathBuf>) -> Vec<PathBuf> {
        let unwanted: Vec<PathBuf> = self.folders.difference(folders).cloned().collect();
        for folder in unwanted {
            self.forget(&folder);
        }
        let mut failed = Vec::new();
        for folder in folders {
            if self.folders.contains(folder) {
                continue;
            }
            if folder.is_dir() && self.watcher.watch(folder, RecursiveMode::NonRecursive).is_ok() {
                self.folders.insert(folder.clone());
            } else {
                failed.push(folder.clone());
            }
        }
        failed
    }

    fn forget(&mut self, folder: &Path) {
        self.folders.remove(folder);
        // It may have been forgotten with the folder.
        let _ = self.watcher.unwatch(folder);
    }

    /// Tells what happened since the last call; never waits.
    pub(crate) fn drain(&mut self, mut tell: impl FnMut(Notice)) {
        let _ = self.kept.waker.clear();
        let heard = std::mem::take(&mut *self.kept.heard.lock().unwrap_or_else(PoisonError::into_inner));
        for Heard { notice, gone } in heard {
            match gone.filter(|gone| self.folders.contains(gone)) {
                // What comes to its place is another folder.
                Some(folder) => {
                    self.forget(&folder);
                    tell(Notice::Anything);
                }
                None => tell(notice),
            }
        }
    }
}

impl Kept {
    fn hear(&self, event: notify::Result<Event>) {
        let news = match event {
            Ok(event) if !event.need_rescan() => of_event(event),
            _ => vec![Heard {
                notice: Notice::Anything,
                gone: None,
            }],
        };
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let asleep = heard.is_empty();
        for one in news {
            if self.only.as_ref().is_some_and(|name| !one.notice.is_of(name)) {
                continue;
            }
            if heard.len() >= KEPT_MAX {
                // Names of folders that are gone are not forgotten with the rest.
                heard.retain(|kept| kept.gone.is_some());
                heard.truncate(KEPT_MAX / 2);
                heard.push(Heard {
                    notice: Notice::Anything,
                    gone: None,
                });
            }
            if heard.last() != Some(&one) {
                heard.push(one);
            }
        }
        if asleep && !heard.is_empty() {
            self.waker.wake();
        }
    }
}

fn of_event(event: Event) -> Vec<Heard> {
    let is_folder = matches!(
        event.kind,
        EventKind::Create(CreateKind::Folder) | EventKind::Remove(RemoveKind::Folder)
    );
    let is_gone = matches!(
        event.kind,
        EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_))
    );
    let one = |path: PathBuf| Heard {
        gone: is_gone.then(|| path.clone()),
        notice: if is_folder {
            Notice::Anything
        } else {
            Notice::File(path)
        },
    };
    event.paths.into_iter().map(one).collect()
}

impl AsFd for Notices {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.kept.waker.as_fd()
    }
}

impl AsRawFd for Notices {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// Notices of one folder; `None`, and said so, when it can't be watched.
pub(crate) fn of_folder(folder: &Path) -> Option<Notices> {
    let mut notices = Notices::new().ok()?;
    let failed = notices.watch(&BTreeSet::from([folder.to_owned()]));
    failed.is_empty().then_some(notices)
}

/// Notices of one file, from its folder, for a file may be replaced; `None` when that can't be watched.
pub(crate) fn of_file(path: &Path) -> Option<Notices> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut notices = Notices::hearing_of(Some(path.file_name()?.to_owned())).ok()?;
    let failed = notices.watch(&BTreeSet::from([folder.to_owned()]));
    failed.is_empty().then_some(notices)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, poll};
    use std::fs;

    /// What is told until `last` is.
    fn told_until(notices: &mut Notices, last: &Notice) -> Vec<Notice> {
        let mut told = Vec::new();
        while !told.contains(last) {
            let mut waits = [PollFd::new(notices, PollFlags::IN)];
            let woken = poll(
                &mut waits,
                Some(&crate::wake::timespec(std::time::Duration::from_secs(30))),
            )
            .unwrap();
            assert_ne!(woken, 0, "{last:?} was not told, only {told:?}");
            notices.drain(|notice| told.push(notice));
        }
        told.dedup();
        told
    }

    #[test]
    fn what_is_written_or_renamed_is_told_and_what_is_read_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        fs::write(file("old"), "x").unwrap();
        let mut notices = of_folder(folder.path()).unwrap();
        assert_eq!(fs::read(file("old")).unwrap(), b"x");
        fs::write(file("new"), "y").unwrap();
        let new = Notice::File(file("new"));
        assert_eq!(told_until(&mut notices, &new), [new]);
        fs::rename(file("new"), file("old")).unwrap();
        let told = told_until(&mut notices, &Notice::File(file("old")));
        assert!(told.contains(&Notice::File(file("new"))), "{told:?}");
        fs::create_dir(file("below")).unwrap();
        let _ = told_until(&mut notices, &Notice::Anything);
    }

    #[test]
    fn who_goes_on_writing_is_told_once_and_neighbours_of_one_file_never() {
        use std::io::Write as _;
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let mut log = fs::File::create(file("log")).unwrap();
        let mut all = of_folder(folder.path()).unwrap();
        let mut one = of_file(&file("a.toml")).unwrap();
        for _ in 0..100 {
            log.write_all(b"line\n").unwrap();
        }
        fs::write(file("a.toml"), "").unwrap();
        let wanted = Notice::File(file("a.toml"));
        assert_eq!(told_until(&mut one, &wanted), std::slice::from_ref(&wanted));
        let closed = Notice::File(file("log"));
        assert!(!told_until(&mut all, &wanted).contains(&closed));
        drop(log);
        let _ = told_until(&mut all, &closed);
    }

    #[test]
    fn a_folder_that_was_replaced_is_watched_again() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("a");
        let wanted = BTreeSet::from([folder.clone()]);
        fs::create_dir(&folder).unwrap();
        let mut notices = of_folder(&folder).unwrap();
        for replaced in [true, false] {
            if replaced {
                fs::rename(&folder, outer.path().join("b")).unwrap();
            } else {
                fs::remove_dir_all(&folder).unwrap();
            }
            fs::create_dir(&folder).unwrap();
            let _ = told_until(&mut notices, &Notice::Anything);
            assert_eq!(notices.watch(&wanted), Vec::<PathBuf>::new());
            fs::write(folder.join("c"), "").unwrap();
            let _ = told_until(&mut notices, &Notice::File(folder.join("c")));
        }
        let missing = BTreeSet::from([outer.path().join("missing")]);
        assert_eq!(notices.watch(&missing), [outer.path().join("missing")]);
        assert!(notices.folders.is_empty());
    }

    #[test]
    fn what_nobody_asks_for_does_not_grow() {
        let kept = Kept {
            heard: Mutex::default(),
            waker: Waker::new().unwrap(),
            only: None,
        };
        for number in 0..3 * KEPT_MAX {
            let path = PathBuf::from(number.to_string());
            kept.hear(Ok(Event::new(EventKind::Create(CreateKind::File)).add_path(path)));
        }
        let heard = kept.heard.lock().unwrap();
        assert!(heard.len() <= KEPT_MAX);
        assert!(heard.iter().any(|one| one.notice == Notice::Anything));
    }
}
