//! Waiting for logs: for notifications of the kernel about files and folders, for descriptors that can be read, for
//! another thread, and at most for a time.
//!
//! Notifications are hints: they are lost on network file systems, and when there are too many. So the files are looked
//! at every few seconds too.

use crate::wake::{Waker, timespec};
use rustix::{
    event::{PollFd, PollFlags, poll},
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags},
    io::Errno,
};
use std::{collections::BTreeSet, mem::MaybeUninit, path::Path, time::Duration};

/// What changed while waiting.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Woken {
    /// Names in a folder came, went or changed; or nobody knows.
    pub(super) folders: bool,
}

/// Notifications about files and folders.
#[derive(Debug)]
pub(super) struct Waiting {
    waker: Waker,
    /// Absent when the host has no room for it: then there is only looking.
    inotify: Option<OwnedFd>,
    folders: BTreeSet<i32>,
}

impl Waiting {
    pub(super) fn new(waker: Waker) -> Self {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .inspect_err(|error| tracing::warn!(%error, "changes of logs are noticed within seconds only"))
            .ok();
        Self {
            waker,
            inotify,
            folders: BTreeSet::new(),
        }
    }

    /// Notices names that come and go in a folder.
    pub(super) fn folder(&mut self, path: &Path) {
        let flags = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
        let watch = self.inotify.as_ref().map(|own| inotify::add_watch(own, path, flags));
        if let Some(Ok(watch)) = watch {
            self.folders.insert(watch);
        }
    }

    /// Notices that a file grows.
    pub(super) fn file(&self, path: &Path) -> Option<i32> {
        inotify::add_watch(self.inotify.as_ref()?, path, WatchFlags::MODIFY).ok()
    }

    /// Notices it no more.
    pub(super) fn forget(&self, watch: i32) {
        if let Some(own) = &self.inotify {
            let _ = inotify::remove_watch(own, watch);
        }
    }

    /// Waits, at most for `longest`, until there is something to do: `others` can be read, or somebody wakes.
    pub(super) fn wait<'a>(&self, others: impl Iterator<Item = BorrowedFd<'a>>, longest: Duration) -> Woken {
        let mut polled = vec![PollFd::new(&self.waker, PollFlags::IN)];
        polled.extend(self.inotify.iter().map(|own| PollFd::new(own, PollFlags::IN)));
        polled.extend(others.map(|other| PollFd::from_borrowed_fd(other, PollFlags::IN)));
        let timeout = timespec(longest);
        let _ = poll(&mut polled, Some(&timeout)); // a signal is as good as a notification
        drop(polled);
        self.waker.clear();
        self.drain()
    }

    /// Waits for `time`, or until somebody wakes; whoever waits next does not wait then.
    pub(super) fn pause(&self, time: Duration) {
        let timeout = timespec(time);
        let _ = poll(&mut [PollFd::new(&self.waker, PollFlags::IN)], Some(&timeout));
    }

    fn drain(&self) -> Woken {
        let mut woken = Woken::default();
        let Some(own) = &self.inotify else { return woken };
        let mut buffer = [MaybeUninit::uninit(); 4 << 10];
        let mut reader = inotify::Reader::new(own.as_fd(), &mut buffer);
        loop {
            match reader.next() {
                Ok(event) => {
                    woken.folders |=
                        event.events().contains(ReadFlags::QUEUE_OVERFLOW) || self.folders.contains(&event.wd());
                }
                Err(Errno::INTR) => {}
                Err(_) => return woken,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, io::Write, thread};

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn waiting_ends_when_somebody_wakes_even_before() {
        let waker = Waker::new().unwrap();
        let waiting = Waiting::new(waker.clone());
        waker.wake();
        assert_eq!(waiting.wait([].into_iter(), LONG), Woken { folders: false });
        let other = thread::spawn(move || waker.wake());
        waiting.wait([].into_iter(), LONG);
        other.join().unwrap();
    }

    #[test]
    fn waiting_ends_when_a_file_grows_or_a_name_comes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.log");
        let mut file = fs::File::create(&path).unwrap();
        let mut waiting = Waiting::new(Waker::new().unwrap());
        waiting.folder(folder.path());
        assert!(waiting.file(&path).is_some());
        file.write_all(b"line\n").unwrap();
        assert_eq!(waiting.wait([].into_iter(), LONG), Woken { folders: false });
        fs::rename(&path, folder.path().join("app.log.1")).unwrap();
        assert_eq!(waiting.wait([].into_iter(), LONG), Woken { folders: true });
    }
}
