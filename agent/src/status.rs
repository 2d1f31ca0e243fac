//! How the agent is: `status.json` in the state directory, written every few seconds, and `tocsin-agent status`, which
//! reads it. No socket is needed, so the agent opens none.

use crate::{
    files::{self, FileError},
    spool::Gap,
};
use serde::{Deserialize, Serialize};
use std::{
    fmt, fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tocsin_vocabulary::{Timestamp, time::format_duration};

/// The file below the state directory.
pub const STATUS_FILE: &str = "status.json";
/// How often it is written when something changed …
pub const WRITE_EVERY: Duration = Duration::from_secs(5);
/// … and when nothing did, to show that the agent runs.
const WRITE_AT_LEAST_EVERY: Duration = Duration::from_secs(9);
/// A file older than this was left by an agent that no longer runs.
const STALE_AFTER: Duration = Duration::from_secs(20);

/// How the link to the collectors is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkStatus {
    /// The host of the identity in use; [`Status::host`] shows it.
    #[serde(skip)]
    pub host: Option<String>,
    /// Whether a stream is open.
    pub connected: bool,
    /// The address that is, or was last, called.
    pub peer: Option<String>,
    /// The collector's own name.
    pub collector: Option<String>,
    /// Since when the stream is open.
    pub since: Option<Timestamp>,
    /// Why there is no stream, or what else is wrong with the link.
    pub problem: Option<String>,
    /// The newest tick that is safe at the collector.
    pub acked_seq: Option<u64>,
    /// When the collector last acknowledged something.
    pub acked_at: Option<Timestamp>,
    /// When the certificate ends.
    pub certificate_until: Option<Timestamp>,
}

impl LinkStatus {
    pub(crate) fn connecting(&mut self, peer: String) {
        self.peer = Some(peer);
    }

    pub(crate) fn connected(&mut self, peer: String, collector: String, now: Timestamp) {
        tracing::info!(peer, collector, "connected");
        self.connected = true;
        self.peer = Some(peer);
        self.collector = Some(collector);
        self.since = Some(now);
        self.problem = None;
    }

    pub(crate) fn disconnected(&mut self, problem: String) {
        self.connected = false;
        self.since = None;
        self.problem = Some(problem);
    }

    pub(crate) fn acked(&mut self, newest: Option<u64>, now: Timestamp) {
        self.acked_seq = self.acked_seq.max(newest);
        self.acked_at = Some(now);
    }
}

/// How the spool is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SpoolStatus {
    /// Bytes on disk.
    pub bytes: u64,
    /// Most bytes that it may take.
    pub bytes_max: u64,
    /// Ticks that are kept.
    pub ticks: u64,
    /// All ticks up to here are sealed at the collector.
    pub sealed_seq: u64,
    /// Ticks given up since the agent started.
    pub ticks_dropped: u64,
    /// Events given up since the agent started.
    pub events_dropped: u64,
    /// What is missing.
    pub gaps: Vec<Gap>,
    /// Why it does not store at present.
    pub problem: Option<String>,
}

/// How the documents are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DocumentsStatus {
    /// Versions that no collector has yet.
    pub waiting: u64,
    /// Versions given up since the agent started, though no collector had them.
    pub dropped: u64,
    /// Why they are not stored at present.
    pub problem: Option<String>,
}

/// How the agent is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Of the agent.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// The host that it is enrolled as.
    pub host: Option<String>,
    /// When this was written.
    pub written_at: Timestamp,
    /// When the agent started.
    pub started_at: Timestamp,
    /// Time between ticks, in milliseconds.
    pub interval_ms: u64,
    /// The newest tick.
    pub tick_seq: u64,
    /// When it was taken.
    pub tick_at: Timestamp,
    /// Ticks left out since the agent started because their time had passed.
    pub ticks_skipped: u64,
    /// The link to the collectors.
    pub link: LinkStatus,
    /// The queue of what they do not have yet.
    pub spool: SpoolStatus,
    /// Texts that travel when they change.
    pub documents: DocumentsStatus,
    /// What is wrong with the configuration file; the one before is still in use.
    pub config_problem: Option<String>,
}

/// No status can be shown.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// There is no file.
    #[error("no agent has run here: {} does not exist; start the agent, or name its state directory with --state-dir", .0.display())]
    Absent(PathBuf),
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not what an agent writes.
    #[error("{} is not an agent's status: start the agent to write it anew", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
}

impl Status {
    /// Whether it is worth writing after `last` was written.
    #[must_use]
    pub fn is_news(&self, last: Option<&Self>) -> bool {
        last.is_none_or(|last| {
            let age = self.written_at.since(last.written_at);
            let same = Self {
                written_at: last.written_at,
                ..self.clone()
            };
            self.written_at < last.written_at || age >= WRITE_AT_LEAST_EVERY || same != *last
        })
    }

    /// Writes the file over.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, state_dir: &Path) -> Result<(), FileError> {
        let json = serde_json::to_vec_pretty(self).unwrap_or_default();
        files::overwrite(&state_dir.join(STATUS_FILE), json)
    }

    /// Reads the file.
    ///
    /// # Errors
    /// When it is absent or malformed.
    pub fn read(state_dir: &Path) -> Result<Self, StatusError> {
        let path = state_dir.join(STATUS_FILE);
        let parse = |bytes: &[u8]| serde_json::from_slice(bytes);
        match fs::read(&path) {
            // It may have been read while it was written.
            Ok(bytes) => parse(&bytes)
                .or_else(|error| fs::read(&path).map_or(Err(error), |bytes| parse(&bytes)))
                .map_err(|source| StatusError::Malformed { path, source }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(StatusError::Absent(path)),
            Err(error) => Err(FileError::new("read", &path, error).into()),
        }
    }

    /// Everything that is not as it should be; empty means healthy.
    #[must_use]
    pub fn problems(&self, now: Timestamp) -> Vec<String> {
        let mut problems = Vec::new();
        if now.since(self.written_at) > STALE_AFTER {
            let ago = format_duration(Duration::from_secs(now.since(self.written_at).as_secs()));
            problems.push(format!(
                "the agent does not run, or cannot write to its state directory: its last word is {ago} old"
            ));
        }
        let interval = Duration::from_millis(self.interval_ms.max(1_000));
        if self.written_at.since(self.tick_at) > interval * 3 {
            problems.push("no tick was taken for more than three intervals".to_owned());
        }
        if !self.link.connected {
            problems.push("no connection to a collector".to_owned());
        }
        problems.extend(self.link.problem.iter().map(|problem| format!("link: {problem}")));
        if self.link.certificate_until.is_some_and(|until| until <= now) {
            problems.push("certificate expired: enrol again".to_owned());
        }
        problems.extend(self.spool.problem.iter().map(|problem| format!("spool: {problem}")));
        problems.extend(
            self.documents
                .problem
                .iter()
                .map(|problem| format!("documents: {problem}")),
        );
        problems.extend(
            self.config_problem
                .iter()
                .map(|problem| format!("configuration: {problem}")),
        );
        problems
    }
}

/// A status and the moment at which it is read, for people.
pub struct ForPeople<'a>(pub &'a Status, pub Timestamp);

impl fmt::Display for ForPeople<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(status, now) = self;
        let problems = status.problems(*now);
        let unknown = || "-".to_owned();
        writeln!(f, "{}", if problems.is_empty() { "healthy" } else { "not healthy" })?;
        for problem in &problems {
            writeln!(f, "  ! {}", printable(problem))?;
        }
        writeln!(
            f,
            "agent        {} (process {}), since {}",
            status.version, status.pid, status.started_at
        )?;
        writeln!(f, "host         {}", status.host.clone().unwrap_or_else(unknown))?;
        let link = &status.link;
        let peer = link.peer.as_deref().map_or_else(unknown, printable);
        match (link.connected, link.since) {
            (true, Some(since)) => writeln!(f, "collector    {peer}, connected since {since}")?,
            _ => writeln!(f, "collector    {peer}, not connected")?,
        }
        let acked = link.acked_at.map_or_else(unknown, |at| at.to_string());
        writeln!(
            f,
            "last ack     {acked}, tick {}",
            link.acked_seq.map_or_else(unknown, |seq| seq.to_string())
        )?;
        let interval = format_duration(Duration::from_millis(status.interval_ms));
        writeln!(
            f,
            "last tick    {}, tick {}, every {interval}",
            status.tick_at, status.tick_seq
        )?;
        let until = link.certificate_until.map_or_else(unknown, |until| until.to_string());
        writeln!(f, "certificate  until {until}")?;
        let spool = &status.spool;
        writeln!(
            f,
            "spool        {} KiB of {} KiB, {} ticks, {} given up",
            spool.bytes / 1024,
            spool.bytes_max / 1024,
            spool.ticks,
            spool.ticks_dropped
        )?;
        let documents = &status.documents;
        writeln!(
            f,
            "documents    {} wait for a collector, {} given up",
            documents.waiting, documents.dropped
        )?;
        for gap in &spool.gaps {
            writeln!(f, "gap          {} to {}: {}", gap.from, gap.to, gap.reason)?;
        }
        Ok(())
    }
}

/// Without control characters: some texts come from others.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() && c != '\n' { '\u{FFFD}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn healthy() -> Status {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let mut status = Status {
            written_at: now,
            tick_at: now,
            interval_ms: 10_000,
            ..Status::default()
        };
        status.link.connected("10.0.0.5:7443".to_owned(), "one".to_owned(), now);
        status
    }

    #[test]
    fn a_running_connected_agent_is_healthy_and_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let status = healthy();
        status.write(dir.path()).unwrap();
        assert_eq!(Status::read(dir.path()).unwrap(), status);
        assert_eq!(status.problems(status.written_at), Vec::<String>::new());
        assert!(
            ForPeople(&status, status.written_at)
                .to_string()
                .starts_with("healthy\n")
        );
    }

    #[test]
    fn a_status_is_written_when_it_changed_and_now_and_then() {
        let first = healthy();
        let after = |seconds| Status {
            written_at: first.written_at.plus(Duration::from_secs(seconds)),
            ..first.clone()
        };
        assert!(first.is_news(None));
        assert!(!after(3).is_news(Some(&first)));
        assert!(after(9).is_news(Some(&first)));
        assert!(first.is_news(Some(&after(3))), "the clock was set back");
        let ticked = Status {
            tick_seq: 1,
            ..after(3)
        };
        assert!(ticked.is_news(Some(&first)));
    }

    #[test]
    fn each_thing_that_is_wrong_is_named() {
        let mut status = healthy();
        status.link.disconnected("refused: no".to_owned());
        status.link.certificate_until = Some(status.written_at);
        status.config_problem = Some("line 1".to_owned());
        status.tick_at = status.written_at.minus(Duration::from_secs(31));
        let problems = status.problems(status.written_at.plus(Duration::from_secs(60)));
        assert_eq!(problems.len(), 6, "{problems:?}");
    }

    #[test]
    fn an_absent_file_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        assert!(
            Status::read(dir.path())
                .unwrap_err()
                .to_string()
                .contains("start the agent")
        );
    }

    #[test]
    fn control_characters_of_others_are_not_printed() {
        let mut status = healthy();
        status.link.disconnected("\u{1b}[2Jgone".to_owned());
        assert!(!ForPeople(&status, status.written_at).to_string().contains('\u{1b}'));
    }
}
