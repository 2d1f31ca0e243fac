//! The journal, followed through a child `journalctl` that is read within bounds and started again when it ends.
//!
//! The cursor of the last entry is kept, so nothing is missed while the agent, or the child, was away. Without
//! `journalctl` there is no journal.

use super::lines::{Line, Splitter};
use rustix::{
    fs::{OFlags, fcntl_setfl},
    process::{Pid, Signal, kill_process_group},
};
use serde::Deserialize;
use serde_json::Value;
use std::{
    io::{self, Read},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::process::CommandExt as _,
    },
    path::PathBuf,
    process::{Child, ChildStderr, ChildStdout, Command, Stdio},
    thread,
    time::Duration,
};
use tocsin_vocabulary::Timestamp;

/// An entry that is longer than this is left out.
const ENTRY_BYTES_MAX: usize = 256 << 10;
/// Read from the child in one pass.
const PASS_BYTES_MAX: usize = 1 << 20;
/// Kept of what the child complains about.
const COMPLAINT_BYTES_MAX: usize = 1 << 10;
/// A cursor is never longer; what is longer is none.
const CURSOR_BYTES_MAX: usize = 512;
/// After the child ended, the first and the longest wait before the next.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// Ends in a row, without an entry between, after which the cursor is given up: the journal may have lost it.
const CURSOR_FAILURES_MAX: u32 = 4;
/// How long a killed child gets to end before it is left.
const REAP_STEPS: u32 = 50;
const REAP_STEP: Duration = Duration::from_millis(10);

/// One entry, as far as it matters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) cursor: String,
    pub(super) time: Timestamp,
    pub(super) message: Vec<u8>,
    /// The unit it is about, or that said it.
    pub(super) unit: Option<String>,
    pub(super) kernel: bool,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(rename = "__CURSOR", default)]
    cursor: Value,
    #[serde(rename = "__REALTIME_TIMESTAMP", default)]
    micros: Value,
    #[serde(rename = "MESSAGE", default)]
    message: Value,
    #[serde(rename = "_SYSTEMD_UNIT", default)]
    said_by: Value,
    #[serde(rename = "UNIT", default)]
    about: Value,
    #[serde(rename = "_TRANSPORT", default)]
    transport: Value,
}

/// Reads one line of `journalctl --output=json`. A field is a text, a list of bytes when it is not UTF-8, or a list of
/// both when it was given more than once.
pub(super) fn parse(line: &[u8]) -> Option<Entry> {
    let raw: Raw = serde_json::from_slice(line).ok()?;
    let micros: i64 = raw.micros.as_str()?.parse().ok()?;
    let unit = raw.about.as_str().or_else(|| raw.said_by.as_str());
    Some(Entry {
        cursor: raw.cursor.as_str()?.to_owned(),
        time: Timestamp::from_millis(micros / 1_000),
        unit: unit.map(str::to_owned),
        kernel: raw.transport == "kernel",
        message: bytes(&raw.message)?,
    })
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.as_bytes().to_vec()),
        Value::Array(items) if items.iter().all(Value::is_number) => items
            .iter()
            .map(|item| item.as_u64().and_then(|byte| u8::try_from(byte).ok()))
            .collect(),
        Value::Array(items) => items.first().and_then(bytes),
        _ => None,
    }
}

/// What of the journal is asked for; empty: everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) all: bool,
    pub(super) kernel: bool,
    pub(super) units: Vec<String>,
}

impl Wanted {
    /// Matches for the command line: of units by name the journal itself chooses, patterns are matched here.
    fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        if self.all || self.units.iter().any(|unit| unit.contains('*')) {
            return arguments;
        }
        let mut or = |group: &[String]| {
            if !arguments.is_empty() {
                arguments.push("+".to_owned());
            }
            arguments.extend_from_slice(group);
        };
        if self.kernel {
            or(&["_TRANSPORT=kernel".to_owned()]);
        }
        for unit in &self.units {
            or(&[format!("_SYSTEMD_UNIT={unit}")]);
            // What the service manager says about it.
            or(&["_PID=1".to_owned(), format!("UNIT={unit}")]);
        }
        arguments
    }
}

struct Running {
    child: Child,
    out: ChildStdout,
    complaints: ChildStderr,
}

/// Follows the journal.
pub(super) struct Journal {
    program: PathBuf,
    wanted: Wanted,
    cursor: Option<String>,
    /// Entries before this are not wanted when there is no cursor.
    since: Timestamp,
    running: Option<Running>,
    splitter: Splitter,
    complaint: Vec<u8>,
    pause: Duration,
    start_at: Duration,
    failures: u32,
}

impl Journal {
    /// Goes on behind `cursor`; without one begins at `now`.
    pub(super) const fn new(program: PathBuf, wanted: Wanted, cursor: Option<String>, now: Timestamp) -> Self {
        Self {
            program,
            wanted,
            cursor,
            since: now,
            running: None,
            splitter: Splitter::new(ENTRY_BYTES_MAX),
            complaint: Vec::new(),
            pause: BACKOFF.0,
            start_at: Duration::ZERO,
            failures: 0,
        }
    }

    /// The last entry that was read.
    pub(super) fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// What can be waited for.
    pub(super) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.running.iter().map(|running| running.out.as_fd())
    }

    /// What the child complained about when it last ended, once.
    pub(super) fn complaint(&mut self) -> Option<String> {
        if self.running.is_some() || self.complaint.is_empty() {
            return None;
        }
        let complaint = std::mem::take(&mut self.complaint);
        Some(crate::sources::text(complaint.trim_ascii()))
    }

    /// Reads what is there, after starting the child if it is time to; says whether there may be more.
    pub(super) fn read(&mut self, mono: Duration, each: &mut dyn FnMut(Entry)) -> bool {
        if self.running.is_none() {
            if mono < self.start_at {
                return false;
            }
            match self.start() {
                Ok(running) => self.running = Some(running),
                Err(error) => {
                    self.complaint = format!("can't run journalctl: {error}").into_bytes();
                    self.ended(mono);
                    return false;
                }
            }
        }
        let read = self.pieces(each);
        if matches!(read, Ok(true)) {
            return true;
        }
        if read.is_err() {
            self.ended(mono);
        }
        false
    }

    /// `Ok(false)` when there is nothing more now, an error at the end.
    fn pieces(&mut self, each: &mut dyn FnMut(Entry)) -> io::Result<bool> {
        let Some(running) = self.running.as_mut() else {
            return Ok(false);
        };
        let mut buffer = vec![0; 64 << 10];
        complain(&mut running.complaints, &mut self.complaint, &mut buffer);
        let (cursor, failures, pause, since) = (&mut self.cursor, &mut self.failures, &mut self.pause, self.since);
        let mut take = |line: Line<'_>| {
            let Some(entry) = parse(line.bytes).filter(|_| !line.is_cut()) else {
                return;
            };
            let before = cursor.is_none() && entry.time < since;
            if is_cursor(&entry.cursor) {
                *cursor = Some(entry.cursor.clone());
            }
            (*failures, *pause) = (0, BACKOFF.0);
            if !before {
                each(entry);
            }
        };
        let mut left = PASS_BYTES_MAX;
        while left > 0 {
            match running.out.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => {
                    self.splitter.feed(&buffer[..length], &mut take);
                    left = left.saturating_sub(length);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn start(&self) -> io::Result<Running> {
        let mut command = Command::new(&self.program);
        command.args(["--output=json", "--follow", "--all", "--quiet", "--no-pager"]);
        match &self.cursor {
            Some(cursor) => command.arg("--no-tail").arg(format!("--after-cursor={cursor}")),
            // The newest entry, whose cursor says where the beginning is.
            None => command.arg("--lines=1"),
        };
        let mut child = command
            .args(self.wanted.arguments())
            .env_clear()
            .env("LC_ALL", "C")
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let (Some(out), Some(complaints)) = (child.stdout.take(), child.stderr.take()) else {
            end(child);
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let set = fcntl_setfl(&out, OFlags::NONBLOCK).and_then(|()| fcntl_setfl(&complaints, OFlags::NONBLOCK));
        if let Err(error) = set {
            end(child);
            return Err(error.into());
        }
        Ok(Running { child, out, complaints })
    }

    fn ended(&mut self, mono: Duration) {
        if let Some(mut running) = self.running.take() {
            complain(
                &mut running.complaints,
                &mut self.complaint,
                &mut vec![0; COMPLAINT_BYTES_MAX],
            );
            end(running.child);
        }
        self.splitter.clear();
        self.failures += 1;
        if self.failures >= CURSOR_FAILURES_MAX && self.cursor.take().is_some() {
            tracing::warn!("the journal does not go on where it was left: it is followed from now on");
            self.failures = 0;
        }
        self.start_at = mono + self.pause;
        self.pause = (self.pause * 2).min(BACKOFF.1);
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            end(running.child);
        }
    }
}

fn complain(from: &mut ChildStderr, into: &mut Vec<u8>, buffer: &mut [u8]) {
    while let Ok(length @ 1..) = from.read(buffer) {
        let room = COMPLAINT_BYTES_MAX.saturating_sub(into.len());
        into.extend_from_slice(&buffer[..length.min(room)]);
    }
}

/// Kills the child and waits a little for its end.
fn end(mut child: Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    for _ in 0..REAP_STEPS {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        thread::sleep(REAP_STEP);
    }
    tracing::warn!(pid = child.id(), "journalctl hangs in the kernel and can't be ended");
}

/// Whether it looks like what the journal gives: it becomes an argument.
fn is_cursor(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"=;_-".contains(&byte);
    !text.is_empty() && text.len() <= CURSOR_BYTES_MAX && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::timed;
    use std::{fs, os::unix::fs::PermissionsExt};

    #[test]
    fn an_entry_is_read_whatever_form_its_message_has() {
        let line = |message: &str| {
            format!(
                "{{\"__CURSOR\":\"s=1;i=2\",\"__REALTIME_TIMESTAMP\":\"1700000000123456\",\"MESSAGE\":{message},\
                 \"_SYSTEMD_UNIT\":\"init.scope\",\"UNIT\":\"nginx.service\",\"_TRANSPORT\":\"journal\"}}"
            )
        };
        let entry = parse(line("\"started\"").as_bytes()).unwrap();
        let expected = Entry {
            cursor: "s=1;i=2".to_owned(),
            time: Timestamp::from_millis(1_700_000_000_123),
            message: b"started".to_vec(),
            unit: Some("nginx.service".to_owned()),
            kernel: false,
        };
        assert_eq!(entry, expected);
        assert_eq!(parse(line("[104,105,255]").as_bytes()).unwrap().message, b"hi\xff");
        assert_eq!(parse(line("[[104],\"second\"]").as_bytes()).unwrap().message, b"h");
        for message in ["null", "[300]", "{}", "7"] {
            assert_eq!(parse(line(message).as_bytes()), None);
        }
    }

    #[test]
    fn any_bytes_are_an_entry_or_none() {
        bolero::check!().for_each(timed(|bytes: &[u8]| {
            let _ = parse(bytes).map(|entry| is_cursor(&entry.cursor));
        }));
    }

    #[test]
    fn what_is_wanted_becomes_matches() {
        let wanted = Wanted {
            all: false,
            kernel: true,
            units: vec!["a.service".to_owned()],
        };
        let arguments = wanted.arguments().join(" ");
        assert_eq!(
            arguments,
            "_TRANSPORT=kernel + _SYSTEMD_UNIT=a.service + _PID=1 UNIT=a.service"
        );
        let pattern = Wanted {
            units: vec!["a@*.service".to_owned()],
            ..wanted
        };
        assert_eq!(pattern.arguments(), [] as [&str; 0]);
    }

    /// A program that does as `journalctl` does: prints two entries after the cursor, then ends.
    fn stand_in(folder: &std::path::Path) -> PathBuf {
        let path = folder.join("journalctl");
        let script = format!(
            "#!/bin/sh\necho \"$@\" >>{}\nfor i in 1 2; do\n\
             echo '{{\"__CURSOR\":\"s='$i'\",\"__REALTIME_TIMESTAMP\":\"'$i'000000\",\"MESSAGE\":\"m'$i'\"}}'\ndone\necho no more >&2\n",
            folder.join("arguments").display()
        );
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn a_child_that_ends_is_started_again_behind_the_last_entry() {
        let folder = tempfile::tempdir().unwrap();
        let since = Timestamp::from_millis(1_500);
        let mut journal = Journal::new(stand_in(folder.path()), Wanted::default(), None, since);
        let (mut seen, mut second) = (Vec::new(), 0);
        let mut complaint = None;
        while seen.len() < 3 {
            journal.read(Duration::from_secs(second), &mut |entry| seen.push(entry.message));
            complaint = complaint.or(journal.complaint());
            second += u64::from(journal.running.is_none());
            thread::yield_now();
        }
        assert_eq!(seen[0], b"m2", "the first entry was there before");
        assert_eq!(complaint.as_deref(), Some("no more"));
        let arguments = fs::read_to_string(folder.path().join("arguments")).unwrap();
        let mut lines = arguments.lines();
        assert!(lines.next().unwrap().ends_with("--lines=1"));
        assert!(lines.next().unwrap().ends_with("--no-tail --after-cursor=s=2"));
    }
}
