//! Configuration files: watched, and told when they changed, without what is secret in them.
//!
//! A thread looks at every file that the patterns mean. Notifications of the kernel only wake it up: what counts is
//! what it finds then, so a file that was replaced by renaming, a folder that came or went, and notifications that were
//! lost are all the same to it. Now and then it reads everything again without having been woken.
//!
//! * `config` — what an administrator may choose, and the usual files,
//! * `glob` — which files are meant,
//! * `read` — reading one of them, safely,
//! * [`mask`] — what does not leave the host.

mod config;
mod glob;
pub(crate) mod mask;
mod read;

#[cfg(test)]
mod tests;

pub use config::FilesConfig;
pub(crate) use glob::Pattern;

use crate::{
    clock::SharedClock,
    config::Config,
    documents::DocumentsHandle,
    notices::{Notice, Notices},
    sources::read_path,
    spool::{StoredEvent, worker::SpoolHandle},
    surveys::Document,
    wake::{Waker, timespec},
};
use glob::{below, walk};
use mask::Mask;
use read::{Content, Stamp};
use rustix::event::{PollFd, PollFlags, poll};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};
use tocsin_vocabulary::{Hash, Severity, Timestamp};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Most files; what follows in the alphabet is left out, and that is told.
const FILES_MAX: usize = 1_000;
/// Most folders of which the kernel tells; files of others are found when everything is looked at again.
const FOLDERS_MAX: usize = 512;
/// Edits come in bursts: files are looked at when nothing happened for this long …
const QUIET: Duration = Duration::from_millis(200);
/// … but not later than this after the first of them.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often everything is read again.
const READ_ALL_EVERY: Duration = Duration::from_secs(1_800);
const STACK_BYTES: usize = 512 << 10;
/// Documents handed over at once.
const TOGETHER: usize = 16;
/// Pause while the disk does not keep up.
const BUSY: Duration = Duration::from_millis(100);

/// What watching needs.
pub(crate) struct Watch {
    pub(crate) config: watch::Receiver<Config>,
    /// `/`, or a recorded tree.
    pub(crate) root: PathBuf,
    pub(crate) documents: DocumentsHandle,
    pub(crate) spool: SpoolHandle,
    pub(crate) clock: SharedClock,
}

/// What the thread is told.
struct Orders {
    waker: Waker,
    /// Another configuration that it has not seen yet.
    config: Mutex<Option<FilesConfig>>,
}

impl Orders {
    fn change(&self, files: FilesConfig) {
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = Some(files);
        self.waker.wake();
    }

    fn take(&self) -> Option<FilesConfig> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Watches until `stop`. The thread that reads is left to itself then: it may hang in a file system.
pub(crate) async fn run(mut watch: Watch, stop: CancellationToken) {
    let mut files = watch.config.borrow_and_update().files.clone();
    let mut configs = watch.config.clone();
    let waker = match Waker::new() {
        Ok(waker) => waker,
        Err(error) => {
            tracing::warn!(%error, "files are not watched: the agent has no descriptor left");
            return stop.cancelled().await;
        }
    };
    let orders = Arc::new(Orders {
        waker,
        config: Mutex::default(),
    });
    let watcher = Watcher::new(watch, files.clone(), Arc::clone(&orders), stop.clone());
    let thread = thread::Builder::new()
        .name("files".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || watcher.serve());
    if let Err(error) = thread {
        tracing::warn!(%error, "cannot start the thread that watches files");
        return stop.cancelled().await;
    }
    loop {
        tokio::select! {
            () = stop.cancelled() => return orders.waker.wake(),
            changed = configs.changed() => if changed.is_err() { return stop.cancelled().await },
        }
        let new = configs.borrow_and_update().files.clone();
        if new != files {
            files = new;
            orders.change(files.clone());
        }
    }
}

/// What is known of a file.
#[derive(Debug)]
struct Known {
    /// `None`: from before the agent started.
    stamp: Option<Stamp>,
    raw: Option<Hash>,
    /// Of what was told.
    told: String,
}

struct Watcher {
    root: PathBuf,
    documents: DocumentsHandle,
    spool: SpoolHandle,
    clock: SharedClock,
    files: FilesConfig,
    patterns: Vec<Pattern>,
    mask: Mask,
    known: BTreeMap<PathBuf, Known>,
    first: bool,
    cut_told: bool,
    orders: Arc<Orders>,
    stop: CancellationToken,
    /// Absent when the host has no room for it.
    notices: Option<Notices>,
}

impl Watcher {
    fn new(watch: Watch, files: FilesConfig, orders: Arc<Orders>, stop: CancellationToken) -> Self {
        let known = watch.documents.view().borrow().versions.iter().fold(
            BTreeMap::new(),
            |mut known: BTreeMap<PathBuf, Known>, version| {
                if version.kind == "file" && !version.attributes.contains_key("gone") {
                    let told = version.hash.clone();
                    let before = Known {
                        stamp: None,
                        raw: None,
                        told,
                    };
                    known.insert(PathBuf::from(&version.name), before);
                } else if version.kind == "file" {
                    known.remove(Path::new(&version.name));
                }
                known
            },
        );
        Self {
            root: watch.root,
            documents: watch.documents,
            spool: watch.spool,
            clock: watch.clock,
            patterns: files.patterns(),
            mask: Mask::new(&files.mask),
            files,
            known,
            first: true,
            cut_told: false,
            orders,
            stop,
            notices: Notices::new()
                .inspect_err(|error| {
                    tracing::warn!(%error, "the kernel does not tell of files: they are looked at now and then");
                })
                .ok(),
        }
    }

    fn serve(mut self) {
        self.scan(true);
        let mut all_at = self.clock.mono() + READ_ALL_EVERY;
        while !self.stop.is_cancelled() {
            if let Some(files) = self.orders.take() {
                self.change(files);
            }
            if self.wait(all_at) {
                self.settle();
                self.scan(false);
            }
            if self.clock.mono() >= all_at {
                all_at = self.clock.mono() + READ_ALL_EVERY;
                self.scan(true);
            }
        }
    }

    /// Waits until something happened to a file that may be meant, which it says; or there is an order, or it is `end`.
    fn wait(&mut self, end: Duration) -> bool {
        loop {
            let left = timespec(end.saturating_sub(self.clock.mono()));
            let mut polled = vec![PollFd::new(&self.orders.waker, PollFlags::IN)];
            polled.extend(self.notices.iter().map(|notices| PollFd::new(notices, PollFlags::IN)));
            let _ = poll(&mut polled, Some(&left)); // a signal is as good as a notice
            drop(polled);
            if self.heard() {
                return true;
            }
            if self.orders.waker.clear() || self.clock.mono() >= end {
                return false;
            }
        }
    }

    /// Whether a notice concerns a file that may be meant.
    fn heard(&mut self) -> bool {
        let Some(notices) = &mut self.notices else { return false };
        let (root, patterns) = (&self.root, &self.patterns);
        let mut concerns = false;
        notices.drain(|notice| {
            concerns |= match notice {
                Notice::Anything => true,
                Notice::File(path) => {
                    let below = path.strip_prefix(root).map(|rest| Path::new("/").join(rest));
                    let own = below.as_deref().unwrap_or(&path);
                    patterns.iter().any(|pattern| pattern.matches(own))
                }
            };
        });
        concerns
    }

    /// Waits until a burst is over.
    fn settle(&mut self) {
        let end = self.clock.mono() + PATIENCE;
        while self.wait(end.min(self.clock.mono() + QUIET)) {
            if self.clock.mono() >= end {
                return;
            }
        }
    }

    fn change(&mut self, files: FilesConfig) {
        self.patterns = files.patterns();
        self.mask = Mask::new(&files.mask);
        self.files = files;
        // Files that are meant from now on did not come to be now.
        self.first = true;
        self.scan(true);
    }

    /// Looks at all files, and reads those whose stamp is another; `all`: every one.
    fn scan(&mut self, all: bool) {
        let found = walk(&self.root, &self.patterns, FILES_MAX);
        if found.cut && !self.cut_told {
            self.cut_told = true;
            tracing::warn!(
                most = FILES_MAX,
                "more files are to be watched than can be: some are left out"
            );
        }
        self.listen(&found.folders);
        let mut batch = Batch::default();
        for path in &found.files {
            self.look(path, all, &mut batch);
            if batch.documents.len() >= TOGETHER {
                self.hand_over(&mut batch);
            }
        }
        // After a walk that was cut short nobody knows what is gone.
        if !found.cut {
            self.find_gone(&found.files, &mut batch);
        }
        self.hand_over(&mut batch);
        self.first = false;
    }

    fn listen(&mut self, folders: &[PathBuf]) {
        let Some(notices) = &mut self.notices else { return };
        let folders = folders.iter().take(FOLDERS_MAX);
        let wanted: BTreeSet<PathBuf> = folders.map(|folder| below(&self.root, folder)).collect();
        for folder in notices.watch(&wanted) {
            tracing::debug!(folder = %folder.display(), "the kernel does not tell of this folder");
        }
    }

    fn look(&mut self, path: &Path, all: bool, batch: &mut Batch) {
        let place = below(&self.root, path);
        let known = self.known.get(path);
        if !all && known.is_some_and(|known| known.stamp.is_some() && known.stamp == read::stamp(&place)) {
            return;
        }
        let Some(name) = path.to_str() else { return };
        let Some(content) = read::read(&place, name, self.files.bytes_max, &self.mask) else {
            return;
        };
        let Content {
            stamp,
            raw,
            owner,
            mut document,
        } = content;
        let told = Hash::of(&document.bytes).to_string();
        let change = match known {
            None if self.first => None,
            None => Some("created"),
            Some(known) if known.told != told || known.raw.is_some_and(|before| before != raw) => Some("changed"),
            Some(_) => None,
        };
        let owner = self.owner(owner);
        document.attributes.insert("owner".to_owned(), owner.clone());
        if let Some(change) = change {
            let hidden = known.is_some_and(|known| known.told == told);
            batch
                .events
                .push(event(name, change, &owner, hidden, self.clock.wall()));
        }
        batch.documents.push(document);
        let known = Known {
            stamp: Some(stamp),
            raw: Some(raw),
            told,
        };
        self.known.insert(path.to_owned(), known);
    }

    /// Tells of files that are not there any more. One that is merely no longer meant is let go silently.
    fn find_gone(&mut self, files: &[PathBuf], batch: &mut Batch) {
        let missing: Vec<PathBuf> = self
            .known
            .keys()
            .filter(|path| files.binary_search(path).is_err())
            .cloned()
            .collect();
        for path in missing {
            self.known.remove(&path);
            let meant = self.patterns.iter().any(|pattern| pattern.matches(&path));
            let Some(name) = path.to_str().filter(|_| meant) else {
                continue;
            };
            batch.events.push(event(name, "removed", "", false, self.clock.wall()));
            batch.documents.push(Document {
                kind: "file",
                name: name.to_owned(),
                media: "text/plain",
                bytes: Vec::new(),
                attributes: BTreeMap::from([("gone".to_owned(), "true".to_owned())]),
            });
        }
    }

    fn owner(&self, uid: u32) -> String {
        let mut buffer = Vec::new();
        let users = read_path(&self.root.join("etc/passwd"), &mut buffer).unwrap_or_default();
        let number = uid.to_string();
        let name = users.split(|byte| *byte == b'\n').find_map(|line| {
            let mut fields = line.split(|byte| *byte == b':');
            let name = fields.next()?;
            (fields.nth(1)? == number.as_bytes()).then(|| String::from_utf8_lossy(name).into_owned())
        });
        name.unwrap_or(number)
    }

    fn hand_over(&self, batch: &mut Batch) {
        let now = self.clock.wall();
        let mut documents = std::mem::take(&mut batch.documents);
        while !documents.is_empty() {
            match self.documents.put(documents, now) {
                Ok(()) => break,
                Err(again) => documents = again,
            }
            thread::sleep(BUSY);
        }
        let mut events = std::mem::take(&mut batch.events);
        while !events.is_empty() {
            match self.spool.events(events) {
                Ok(()) => break,
                Err(again) => events = again,
            }
            thread::sleep(BUSY);
        }
    }
}

#[derive(Default)]
struct Batch {
    documents: Vec<Document>,
    events: Vec<StoredEvent>,
}

/// `hidden`: nothing changed but what is masked.
fn event(name: &str, change: &'static str, owner: &str, hidden: bool, now: Timestamp) -> StoredEvent {
    let mut attributes = BTreeMap::from([
        ("path".to_owned(), name.to_owned()),
        ("change".to_owned(), change.to_owned()),
    ]);
    if !owner.is_empty() {
        attributes.insert("owner".to_owned(), owner.to_owned());
    }
    let aside = if hidden { " in a part that is not shown" } else { "" };
    StoredEvent {
        seq: 0,
        time: now,
        name: "file.changed".to_owned(),
        severity: Severity::Info,
        attributes,
        body: format!("{name} was {change}{aside}"),
    }
}
