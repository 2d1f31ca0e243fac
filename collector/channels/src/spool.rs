//! GSM modems: SMS without any network, through the daemons that drive them.
//!
//! Through **folders** of gammu-smsd and smstools3: a message is written beside the spool and renamed into it, so that
//! nobody takes half of one; its name is made from the page's id, so that a message that was written before a crash is found
//! again and not written twice.
//!
//! | | out | on its way | taken and sent | failed | in |
//! |---|---|---|---|---|---|
//! | [`Gammu`] | `outbox/OUT<A-Z><date>_<time>_00_<number>_<note>.txtd` | | `sent/` | `error/` | `inbox/IN<date>_<time>_<serial>_<sender>_<seq>.txt` |
//! | [`Smstools`] | `outgoing/tocsin-…` with headers `To`, `Alphabet: UCS2`, `Report: yes` | `checked/` | `sent/` | `failed/` | `incoming/*` |
//!
//! The spool takes the page; that it left is known when the file appears in `sent`, and that it won't when in the folder of
//! failures. What came in is moved into a folder `taken` beside it once it was dealt with.
//!
//! Through **tables** of gammu-smsd's SQL backend: [`GammuSql`].

mod gammu;
mod gammu_sql;
mod smstools;

pub use gammu::{Gammu, GammuConfig};
pub use gammu_sql::{GammuSql, GammuSqlConfig, OpenTables, SmsTables};
pub use smstools::{Smstools, SmstoolsConfig};

use crate::{
    advice::Advice,
    channel::{Channel, Condition, Envelope, Incoming, Outcome, Receipt, SendError},
    config::Common,
    sms,
    wording::Style,
};
use async_trait::async_trait;
use std::{
    collections::{HashSet, VecDeque},
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};
use tocsin_desk::model::Person;
use tocsin_vocabulary::{PageId, Timestamp};
use tokio::sync::Mutex;

/// How often the folders are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Largest file that is read from an inbox, in bytes: an SMS of many parts has a few thousand.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// Files of one folder that are looked at in one go.
const FILES_MAX: usize = 10_000;
/// Who may read a message in a spool: its owner and the folder's group.
const FILE_MODE: u32 = 0o660;
/// Where files of an inbox go that were read.
const TAKEN: &str = "taken";
/// Messages in a spool that did not move since so long mean that nobody takes them.
const STUCK_AFTER: Duration = Duration::from_secs(600);

/// The folders of a daemon.
#[derive(Debug, Clone, Default)]
struct Folders {
    out: PathBuf,
    /// Where it keeps what it has taken and not sent yet, if it has such a folder.
    taken: Option<PathBuf>,
    sent: PathBuf,
    failed: PathBuf,
    inbox: PathBuf,
}

/// What is wrong with the folders of a configuration.
fn folder_mistakes(daemon: &str, folders: &[(&str, &Path)], mistakes: &mut Vec<String>) {
    for (key, path) in folders {
        if !path.is_absolute() {
            mistakes.push(format!("`{key}` is a full path, as in {daemon}'s own configuration"));
        }
    }
}

/// How a daemon writes its files.
pub trait Daemon: Send + Sync + 'static {
    /// What it is called.
    const NAME: &'static str;

    /// Name and content of the file that it takes.
    fn file(&self, envelope: &Envelope, number: &str, text: &str, now: Timestamp) -> (String, Vec<u8>);

    /// Whether a file in its inbox is a text.
    fn is_text(&self, name: &str) -> bool;

    /// Sender and text of a file in its inbox; none: it is no reply.
    fn reply(&self, name: &str, bytes: &[u8]) -> Option<(String, String)>;

    /// The modem's signal in percent, where it tells.
    fn signal(&self) -> Option<u8> {
        None
    }
}

/// Sends through a daemon's folders.
pub struct Spool<D> {
    daemon: D,
    folders: Folders,
    style: Style,
    found: Mutex<Found>,
}

impl<D: Daemon> Spool<D> {
    fn open(daemon: D, folders: Folders, common: &Common) -> Self {
        Self {
            daemon,
            folders,
            style: Style::sms(common, true),
            found: Mutex::default(),
        }
    }

    /// What appeared in the folders since the last look.
    fn look(&self, found: &mut Found) {
        // A sent message is on its way, and the files say no more.
        for (folder, outcome) in [
            (&self.folders.sent, Outcome::Delivered),
            (&self.folders.failed, Outcome::Failed),
        ] {
            for (note, name) in fresh(folder, &mut found.told) {
                let report = Incoming::Report {
                    references: vec![note],
                    outcome,
                    detail: format!("{} moved {name}", D::NAME),
                };
                found.queue.push_back((report, None));
            }
        }
        for name in names(&self.folders.inbox) {
            let path = self.folders.inbox.join(&name);
            if !self.daemon.is_text(&name) || !found.told.insert(path.clone()) {
                continue;
            }
            let Some(bytes) = read(&path) else { continue };
            match self.daemon.reply(&name, &bytes) {
                Some((from, text)) => found.queue.push_back((Incoming::Reply { from, text }, Some(path))),
                None => put_aside(&path),
            }
        }
    }
}

#[async_trait]
impl<D: Daemon> Channel for Spool<D> {
    async fn send(&self, envelope: &Envelope, now: Timestamp) -> Result<Receipt, SendError> {
        let number = sms::number(&envelope.person).map_err(SendError::no_contact)?;
        let reference = note(envelope.page.id);
        let folders = &self.folders;
        // After a crash it may be there already, or may have left.
        let mut known = vec![folders.out.as_path(), folders.sent.as_path()];
        known.extend(folders.taken.as_deref());
        let answer = if envelope.is_resent() && is_there(&known, &reference) {
            "was in the spool already".to_owned()
        } else {
            let text = self.style.message(envelope, now);
            let (name, content) = self.daemon.file(envelope, &number, &text, now);
            put(&folders.out, &name, &content)?;
            format!("in {}'s spool", D::NAME)
        };
        Ok(Receipt {
            reference,
            ..Receipt::taken(answer)
        })
    }

    fn address(&self, person: &Person) -> Option<String> {
        sms::number(person).ok()
    }

    async fn incoming(&self, _now: Timestamp) -> Incoming {
        let mut found = self.found.lock().await;
        // Whoever asks for the next has dealt with the last one: a crash before that brings it again.
        if let Some(path) = found.handed.take() {
            put_aside(&path);
            found.told.remove(&path);
        }
        loop {
            if let Some((incoming, file)) = found.queue.pop_front() {
                found.handed = file;
                return incoming;
            }
            self.look(&mut found);
            if found.queue.is_empty() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }

    fn render(&self, envelope: &Envelope) -> Vec<String> {
        vec![self.style.message(envelope, envelope.page.created_at)]
    }

    fn condition(&self) -> Option<Condition> {
        let mut condition = moves(&self.folders);
        condition.signal_percent = self.daemon.signal();
        Some(condition)
    }
}

/// Names of the files in a folder; none where it can't be read.
fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .flatten()
        .take(FILES_MAX)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// Writes a file beside its folder's reader and renames it in.
fn put(folder: &Path, name: &str, content: &[u8]) -> Result<(), SendError> {
    // A name with a leading dot is taken by neither daemon.
    let aside = folder.join(format!(".{name}.new"));
    let written = (|| -> std::io::Result<()> {
        let mut file = std::fs::File::create(&aside)?;
        // The daemon reads it as another user of the folder's group, whatever our umask.
        file.set_permissions(std::fs::Permissions::from_mode(FILE_MODE))?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&aside, folder.join(name))
    })();
    written.map_err(|error| {
        let _ = std::fs::remove_file(&aside);
        let reason = format!(
            "cannot write into {}: {error}; the collector's user needs to write there",
            folder.display()
        );
        SendError::temporary(reason).meaning(Advice::Spool)
    })
}

/// Reads a file of an inbox; none where it can't be.
fn read(path: &Path) -> Option<Vec<u8>> {
    if std::fs::metadata(path).ok()?.len() > FILE_BYTES_MAX {
        return None;
    }
    std::fs::read(path).ok()
}

/// Moves a file of an inbox aside: it was dealt with. One that can't be moved stays, and is not told again.
fn put_aside(path: &Path) {
    if let (Some(folder), Some(name)) = (path.parent(), path.file_name()) {
        let aside = folder.join(TAKEN);
        let _ = std::fs::create_dir(&aside);
        if let Err(error) = std::fs::rename(path, aside.join(name)) {
            tracing::warn!(path = %path.display(), %error, "cannot move a message that was read aside");
        }
    }
}

/// The part of a file's name that is this page's.
fn note(page: PageId) -> String {
    format!("tocsin{}", page.to_string().replace('-', ""))
}

/// Whether something like this page's file is in one of the folders.
fn is_there(folders: &[&Path], note: &str) -> bool {
    folders
        .iter()
        .any(|folder| names(folder).iter().any(|name| name.contains(note)))
}

/// Our notes among the names in a folder that were not told yet. A message may fail first and be sent later, under one name:
/// each folder is told for itself.
fn fresh(folder: &Path, told: &mut HashSet<PathBuf>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for name in names(folder) {
        let Some(at) = name.find("tocsin") else { continue };
        let Some(note) = name.get(at..at + 38) else { continue };
        if told.insert(folder.join(&name)) {
            found.push((note.to_owned(), name.clone()));
        }
    }
    found
}

/// Whether the spool moves: nothing in it is older than [`STUCK_AFTER`].
fn moves(folders: &Folders) -> Condition {
    let mut ages = Vec::new();
    for folder in std::iter::once(&folders.out).chain(&folders.taken) {
        if let Err(error) = std::fs::read_dir(folder) {
            return Condition::new(false, format!("cannot read {}: {error}", folder.display()));
        }
        let changed = |name: &String| std::fs::metadata(folder.join(name)).ok()?.modified().ok();
        let waiting = names(folder);
        ages.extend(waiting.iter().filter_map(changed).filter_map(|at| at.elapsed().ok()));
    }
    let stuck = ages.iter().filter(|age| **age > STUCK_AFTER).count();
    let mut condition = match stuck {
        0 => Condition::new(true, format!("{} messages wait in the spool", ages.len())),
        stuck => Condition::new(
            false,
            format!("{stuck} messages wait for more than 10 minutes: does the modem's daemon run?"),
        ),
    };
    condition.oldest = ages.into_iter().max();
    condition
}

/// What was found and not handed on yet; kept so that nothing is lost when waiting is cut off.
#[derive(Debug, Default)]
struct Found {
    /// With the file of the inbox that it stands in.
    queue: VecDeque<(Incoming, Option<PathBuf>)>,
    /// The file of the one that was handed on last.
    handed: Option<PathBuf>,
    told: HashSet<PathBuf>,
}

#[cfg(test)]
mod tests;
