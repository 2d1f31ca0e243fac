//! What a survey reads: files below the host's root, and tools with fixed arguments.

use super::{
    memory::Memory,
    tool::{Output, ToolError, Tools},
};
use crate::sources::read_path;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fs,
    io::{BufRead, BufReader, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tocsin_vocabulary::Timestamp;

/// Most entries of one folder that are listed.
const ENTRIES_MAX: usize = 20_000;

/// A line of the kernel's tables has less than 200 bytes.
const LINE_BYTES_MAX: u64 = 1_000;

/// The host as a survey sees it.
pub(crate) struct Host {
    /// `/`, or a recorded tree.
    root: PathBuf,
    /// When this look began.
    pub(crate) now: Timestamp,
    /// The same by the monotonic clock.
    pub(crate) mono: Duration,
    /// Programs of the host; a recorded tree has none.
    tools: Option<Arc<dyn Tools>>,
    /// What surveys keep over restarts; a recorded tree has none.
    memory: Option<Arc<Memory>>,
}

impl Host {
    /// The host below `root`, at this moment.
    pub(crate) fn new(root: &Path, now: Timestamp, mono: Duration, tools: Option<Arc<dyn Tools>>) -> Self {
        Self {
            root: root.to_owned(),
            now,
            mono,
            tools,
            memory: None,
        }
    }

    /// The same host, of which surveys remember something over restarts.
    pub(crate) fn remembering(mut self, memory: Option<Arc<Memory>>) -> Self {
        self.memory = memory;
        self
    }

    /// What was remembered under `key`, also by an agent before this one; `None` when there is nothing, or nothing that
    /// can be read.
    pub(crate) fn recall<T: DeserializeOwned>(&self, key: &'static str) -> Option<T> {
        self.memory.as_ref()?.recall(key)
    }

    /// Keeps `value` under `key`, which is the survey's name. What did not change is not written again.
    pub(crate) fn remember<T: Serialize>(&self, key: &'static str, value: &T) {
        if let Some(memory) = &self.memory {
            memory.remember(key, value);
        }
    }

    /// Where `path`, written without its leading slash, is found.
    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }

    /// Whether this is the machine itself, and not a recorded tree.
    pub(crate) const fn is_live(&self) -> bool {
        self.tools.is_some()
    }

    /// A whole file; `None` when there is none or it can't be read.
    pub(crate) fn bytes(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let mut buffer = Vec::new();
        read_path(&self.path(path), &mut buffer)?;
        Some(buffer)
    }

    /// Tells each line of a table, which is never kept whole; `None` when there is no such table, when it can't be read, or
    /// when it is longer than `bytes_max`: a part is not the whole.
    pub(crate) fn each_line(&self, path: impl AsRef<Path>, bytes_max: u64, tell: impl FnMut(&[u8])) -> Option<()> {
        let file = fs::File::open(self.path(path)).ok()?;
        each_line(BufReader::with_capacity(64 << 10, file), bytes_max, tell)
    }

    /// A file's text without white space around it; other bytes than UTF-8 are replaced.
    pub(crate) fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        let bytes = self.bytes(path)?;
        Some(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// A file that holds one whole number.
    pub(crate) fn number(&self, path: impl AsRef<Path>) -> Option<u64> {
        self.text(path)?.parse().ok()
    }

    /// A file that holds one whole number, perhaps below zero.
    pub(crate) fn signed(&self, path: impl AsRef<Path>) -> Option<i64> {
        self.text(path)?.parse().ok()
    }

    /// Names in a folder, sorted; none when there is no such folder. Names that are not UTF-8 are left out.
    pub(crate) fn entries(&self, folder: impl AsRef<Path>) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(folder)) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .take(ENTRIES_MAX)
            .collect();
        names.sort_unstable();
        names
    }

    /// The last component of what a symbolic link points to.
    pub(crate) fn link_name(&self, path: impl AsRef<Path>) -> Option<String> {
        let target = fs::read_link(self.path(path)).ok()?;
        Some(target.file_name()?.to_str()?.to_owned())
    }

    /// Whether a tool of the host is installed; a recorded tree has none.
    pub(crate) fn has_tool(&self, name: &str) -> bool {
        self.tools.as_ref().is_some_and(|tools| tools.has(name))
    }

    /// Runs a tool of the host; `None` when it is not installed, or this is a recorded tree.
    pub(crate) fn tool(
        &self,
        name: &'static str,
        arguments: &[&str],
        deadline: Duration,
    ) -> Option<Result<Output, ToolError>> {
        self.tools.as_ref()?.run(name, arguments, deadline)
    }
}

/// See [`Host::each_line`].
pub(super) fn each_line(mut table: impl BufRead, bytes_max: u64, mut tell: impl FnMut(&[u8])) -> Option<()> {
    let (mut line, mut left) = (Vec::new(), bytes_max);
    loop {
        line.clear();
        let length = (&mut table).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).ok()?;
        if length == 0 {
            return Some(());
        }
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        left = left.checked_sub(length).filter(|_| length < LINE_BYTES_MAX)?;
        tell(&line);
    }
}
