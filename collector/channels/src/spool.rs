//! GSM modems through the spool folders of gammu-smsd and smstools3: SMS without any network. A message is written beside the
//! spool and renamed into it, so that nobody takes half of one; its name is made from the page's id, so that a message that
//! was written before a crash is found again and not written twice.
//!
//! | | out | taken and sent | failed | in |
//! |---|---|---|---|---|
//! | gammu-smsd | `outbox/OUT<A-Z><date>_<time>_00_<number>_<note>.txtd` | `sent/` | `error/` | `inbox/IN<date>_<time>_<serial>_<sender>_<seq>.txt` |
//! | smstools3 | `outgoing/tocsin-…` with headers `To`, `Alphabet: UCS2`, `Report: yes` | `sent/` | `failed/` | `incoming/*` |
//!
//! The spool takes the page; that it left is known when the file appears in `sent`, and that it won't when in the folder of
//! failures. What came in is moved into a folder `taken` beside it.

mod gammu;
mod smstools;

pub use gammu::{Gammu, GammuConfig};
pub use smstools::{Smstools, SmstoolsConfig};

use crate::channel::{Incoming, SendError};
use std::{
    collections::{HashSet, VecDeque},
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};
use tocsin_vocabulary::PageId;

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
        SendError::temporary(format!(
            "cannot write into {}: {error}; the collector's user needs to write there",
            folder.display()
        ))
    })
}

/// Reads a file of an inbox and puts it aside; none where it can't be.
fn take(folder: &Path, name: &str) -> Option<Vec<u8>> {
    let path = folder.join(name);
    if std::fs::metadata(&path).ok()?.len() > FILE_BYTES_MAX {
        return None;
    }
    let bytes = std::fs::read(&path).ok()?;
    let aside = folder.join(TAKEN);
    let _ = std::fs::create_dir(&aside);
    // What can't be moved would be told again and again.
    std::fs::rename(&path, aside.join(name)).ok()?;
    Some(bytes)
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
fn moves(folder: &PathBuf) -> (bool, String) {
    let waiting = names(folder);
    if let Err(error) = std::fs::read_dir(folder) {
        return (false, format!("cannot read {}: {error}", folder.display()));
    }
    let stuck = waiting.iter().filter_map(|name| {
        let changed = std::fs::metadata(folder.join(name)).ok()?.modified().ok()?;
        changed.elapsed().ok().filter(|age| *age > STUCK_AFTER)
    });
    match stuck.count() {
        0 => (true, format!("{} messages wait in the spool", waiting.len())),
        old => (
            false,
            format!("{old} messages wait for more than 10 minutes: does the modem's daemon run?"),
        ),
    }
}

/// What was found and not handed on yet; kept so that nothing is lost when waiting is cut off.
#[derive(Debug, Default)]
struct Found {
    queue: VecDeque<Incoming>,
    told: HashSet<PathBuf>,
}

#[cfg(test)]
mod tests;
