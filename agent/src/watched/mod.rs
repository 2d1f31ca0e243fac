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
    sources::read_path,
    spool::{StoredEvent, worker::SpoolHandle},
    surveys::Document,
};
use glob::{below, walk};
use mask::Mask;
use notify::{RecursiveMode, Watcher as _};
use read::{Content, Stamp};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::mpsc::{self, RecvTimeoutError, SyncSender},
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

enum Wake {
    /// Something happened to a file that may be meant.
    Files,
    Config(FilesConfig),
}

/// Watches until `stop`. The thread that reads is left to itself then: it may hang in a file system.
pub(crate) async fn run(mut watch: Watch, stop: CancellationToken) {
    let mut files = watch.config.borrow_and_update().files.clone();
    let (wake, woken) = mpsc::sync_channel(1);
    let mut configs = watch.config.clone();
    let watcher = Watcher::new(watch, files.clone(), wake.clone(), stop.clone());
    let thread = thread::Builder::new()
        .name("files".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || watcher.serve(&woken));
    if let Err(error) = thread {
        tracing::warn!(%error, "cannot start the thread that watches files");
        return stop.cancelled().await;
    }
    loop {
        tokio::select! {
            () = stop.cancelled() => {
                // A full queue wakes it too.
                let _ = wake.try_send(Wake::Files);
                return;
            }
            changed = configs.changed() => if changed.is_err() { return stop.cancelled().await },
        }
        let new = configs.borrow_and_update().files.clone();
        if new != files {
            files = new;
            let (wake, files) = (wake.clone(), files.clone());
            // The thread may be busy with a slow disk, and the queue is short.
            let _ = tokio::task::spawn_blocking(move || wake.send(Wake::Config(files))).await;
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
    wake: SyncSender<Wake>,
    stop: CancellationToken,
    watcher: Option<notify::RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
}

impl Watcher {
    fn new(watch: Watch, files: FilesConfig, wake: SyncSender<Wake>, stop: CancellationToken) -> Self {
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
            wake,
            stop,
            watcher: None,
            watched: BTreeSet::new(),
        }
    }

    fn serve(mut self, woken: &mpsc::Receiver<Wake>) {
        self.begin();
        let mut all_at = self.clock.mono() + READ_ALL_EVERY;
        while !self.stop.is_cancelled() {
            match woken.recv_timeout(all_at.saturating_sub(self.clock.mono())) {
                Ok(Wake::Files) => {
                    if let Some(files) = self.settle(woken) {
                        self.change(files);
                    }
                    self.scan(false);
                }
                Ok(Wake::Config(files)) => self.change(files),
                Err(RecvTimeoutError::Timeout) => {
                    all_at = self.clock.mono() + READ_ALL_EVERY;
                    self.scan(true);
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Waits until a burst is over; answers a configuration that came meanwhile.
    fn settle(&self, woken: &mpsc::Receiver<Wake>) -> Option<FilesConfig> {
        let end = self.clock.mono() + PATIENCE;
        loop {
            let left = end.saturating_sub(self.clock.mono());
            if left.is_zero() {
                return None;
            }
            match woken.recv_timeout(left.min(QUIET)) {
                Ok(Wake::Files) => {}
                Ok(Wake::Config(files)) => return Some(files),
                Err(_) => return None,
            }
        }
    }

    fn change(&mut self, files: FilesConfig) {
        self.patterns = files.patterns();
        self.mask = Mask::new(&files.mask);
        self.files = files;
        // Files that are meant from now on did not come to be now.
        self.first = true;
        self.begin();
    }

    /// Begins to listen, and scans once it does: what changed before was not heard.
    fn begin(&mut self) {
        let (wake, patterns, root) = (self.wake.clone(), self.patterns.clone(), self.root.clone());
        let heard = move |event: notify::Result<notify::Event>| {
            let concerns = event.map_or(true, |event| {
                let meant = |path: &PathBuf| {
                    let own = path
                        .strip_prefix(&root)
                        .map_or_else(|_| path.clone(), |rest| Path::new("/").join(rest));
                    patterns.iter().any(|pattern| pattern.matches(&own)) || path.is_dir()
                };
                let written = !event.kind.is_access() && event.paths.iter().any(meant);
                event.need_rescan() || event.paths.is_empty() || written || is_folder_gone(&event)
            });
            if concerns {
                // Full means that it is awake already.
                let _ = wake.try_send(Wake::Files);
            }
        };
        self.watched.clear();
        self.watcher = match notify::recommended_watcher(heard) {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::warn!(%error, "the kernel does not tell of files: they are looked at now and then");
                None
            }
        };
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
        let Some(watcher) = &mut self.watcher else { return };
        let folders: BTreeSet<PathBuf> = folders.iter().take(FOLDERS_MAX).cloned().collect();
        for gone in self.watched.difference(&folders) {
            // The kernel forgot it with the folder.
            let _ = watcher.unwatch(&below(&self.root, gone));
        }
        let mut watched = BTreeSet::new();
        for folder in folders {
            let known = self.watched.contains(&folder);
            match known
                || watcher
                    .watch(&below(&self.root, &folder), RecursiveMode::NonRecursive)
                    .is_ok()
            {
                true => drop(watched.insert(folder)),
                false => tracing::debug!(folder = %folder.display(), "the kernel does not tell of this folder"),
            }
        }
        self.watched = watched;
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

fn is_folder_gone(event: &notify::Event) -> bool {
    use notify::{EventKind, event::RemoveKind};
    matches!(event.kind, EventKind::Remove(RemoveKind::Folder))
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
