//! Running a tool of the host: found in the system's own folders, with a clean environment, arguments that we wrote,
//! bounded output and a deadline.
//!
//! A child that hangs in the kernel can't be killed. It is left to itself, remembered, and the tool is not run again
//! before the child has ended: a dead controller costs one process, not one every minute.

use crate::clock::SharedClock;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, Signal, kill_process_group},
};
use std::{
    collections::BTreeMap,
    io::{self, Read},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

/// Where tools are looked for, in this order; never in `PATH`.
const FOLDERS: [&str; 10] = [
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
    "/usr/local/sbin",
    "/usr/local/bin",
    "/opt/MegaRAID/storcli",
    "/opt/MegaRAID/perccli",
    "/opt/MegaRAID/MegaCli",
    "/usr/Arcconf",
];
/// Most bytes taken of each of a tool's outputs; a tool that prints more is killed.
pub(crate) const OUTPUT_BYTES_MAX: usize = 8 << 20;
/// How long a killed child gets to end before it is left.
const REAP_PATIENCE: Duration = Duration::from_millis(500);
/// Between two looks at whether it ended.
const REAP_STEP: Duration = Duration::from_millis(10);

/// What a tool printed, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Output {
    /// Its exit status; 128 + the signal's number when a signal ended it.
    pub(crate) status: i32,
    /// Standard output.
    pub(crate) out: Vec<u8>,
    /// Standard error, the beginning of it.
    pub(crate) err: Vec<u8>,
}

/// Why a tool told nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ToolError {
    /// It took too long and was killed.
    #[error("`{0}` did not end within {1:?}")]
    Late(&'static str, Duration),
    /// An earlier run was killed and still has not ended.
    #[error("an earlier `{0}` hangs in the kernel and can't be ended")]
    Hangs(&'static str),
    /// It printed too much.
    #[error("`{0}` printed more than {OUTPUT_BYTES_MAX} bytes")]
    Long(&'static str),
    /// It could not be started or read.
    #[error("can't run `{0}`")]
    Io(&'static str, #[source] io::Error),
}

/// Runs tools.
pub(crate) trait Tools: Send + Sync {
    /// Whether `name` is installed.
    fn has(&self, name: &str) -> bool;

    /// Runs `name`; `None` when it is not installed.
    fn run(&self, name: &'static str, arguments: &[&str], deadline: Duration) -> Option<Result<Output, ToolError>>;
}

/// Tools of this machine.
pub(crate) struct SystemTools {
    clock: SharedClock,
    /// Children that were killed and have not ended.
    hanging: Mutex<BTreeMap<&'static str, Vec<Child>>>,
}

impl SystemTools {
    /// Tools whose deadlines go by `clock`.
    pub(crate) const fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            hanging: Mutex::new(BTreeMap::new()),
        }
    }

    fn hangs(&self, name: &'static str) -> bool {
        let mut hanging = self.hanging.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(children) = hanging.get_mut(name) else {
            return false;
        };
        children.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        !children.is_empty()
    }

    fn start(
        &self,
        path: &Path,
        name: &'static str,
        arguments: &[&str],
        deadline: Duration,
    ) -> Result<Output, ToolError> {
        let io = |error| ToolError::Io(name, error);
        let mut child = Command::new(path)
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C")
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(io)?;
        let end = self.clock.mono() + deadline;
        let read = self.read(&mut child, end);
        let status = match read {
            Ok(_) => self.wait(&mut child, end).map_err(io)?,
            Err(_) => None,
        };
        match (read, status) {
            (Ok(Heard::All(out, err)), Some(status)) => {
                let status = exit_code(status);
                Ok(Output { status, out, err })
            }
            (read, _) => {
                self.end(name, child);
                Err(match read {
                    Ok(Heard::TooMuch) => ToolError::Long(name),
                    Ok(_) => ToolError::Late(name, deadline),
                    Err(error) => io(error),
                })
            }
        }
    }

    /// Reads both outputs until they end, or until `end`.
    fn read(&self, child: &mut Child, end: Duration) -> io::Result<Heard> {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
        while stdout.is_some() || stderr.is_some() {
            let left = end.saturating_sub(self.clock.mono());
            if left.is_zero() {
                return Ok(Heard::Late);
            }
            let (ready_out, ready_err) = ready(stdout.as_ref(), stderr.as_ref(), left)?;
            if ready_out && !piece(&mut stdout, &mut out)? {
                stdout = None;
            }
            if ready_err && !piece(&mut stderr, &mut err)? {
                stderr = None;
            }
            if out.len() > OUTPUT_BYTES_MAX || err.len() > OUTPUT_BYTES_MAX {
                return Ok(Heard::TooMuch);
            }
        }
        Ok(Heard::All(out, err))
    }

    /// Waits for the child's end, until `end`.
    fn wait(&self, child: &mut Child, end: Duration) -> io::Result<Option<ExitStatus>> {
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            if self.clock.mono() >= end {
                return Ok(None);
            }
            thread::sleep(REAP_STEP);
        }
    }

    /// Kills the child and all it started; one that does not end is remembered.
    fn end(&self, name: &'static str, mut child: Child) {
        if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let end = self.clock.mono() + REAP_PATIENCE;
        if matches!(self.wait(&mut child, end), Ok(Some(_))) {
            return;
        }
        tracing::warn!(
            tool = name,
            pid = child.id(),
            "a tool hangs in the kernel and can't be ended"
        );
        let mut hanging = self.hanging.lock().unwrap_or_else(PoisonError::into_inner);
        hanging.entry(name).or_default().push(child);
    }
}

impl Tools for SystemTools {
    fn has(&self, name: &str) -> bool {
        find(name).is_some()
    }

    fn run(&self, name: &'static str, arguments: &[&str], deadline: Duration) -> Option<Result<Output, ToolError>> {
        let path = find(name)?;
        if self.hangs(name) {
            return Some(Err(ToolError::Hangs(name)));
        }
        Some(self.start(&path, name, arguments, deadline))
    }
}

/// Where the host has program `name`, if it has it.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    FOLDERS
        .iter()
        .map(|folder| PathBuf::from(folder).join(name))
        .find(|path| path.is_file())
}

/// What was read of a child.
enum Heard {
    All(Vec<u8>, Vec<u8>),
    TooMuch,
    Late,
}

/// Waits until something can be read; says of which.
fn ready(
    stdout: Option<&std::process::ChildStdout>,
    stderr: Option<&std::process::ChildStderr>,
    left: Duration,
) -> io::Result<(bool, bool)> {
    let mut polled = Vec::with_capacity(2);
    if let Some(stdout) = stdout {
        polled.push(PollFd::new(stdout, PollFlags::IN));
    }
    if let Some(stderr) = stderr {
        polled.push(PollFd::new(stderr, PollFlags::IN));
    }
    let timeout = Timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: left.subsec_nanos().into(),
    };
    match poll(&mut polled, Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let mut answers = polled.iter().map(|polled| !polled.revents().is_empty());
    let out = stdout.is_some() && answers.next().unwrap_or(false);
    let err = stderr.is_some() && answers.next().unwrap_or(false);
    Ok((out, err))
}

/// Reads what is there; `false` at the end.
fn piece(from: &mut Option<impl Read>, into: &mut Vec<u8>) -> io::Result<bool> {
    let Some(from) = from else { return Ok(false) };
    let mut buffer = [0; 16 << 10];
    match from.read(&mut buffer) {
        Ok(0) => Ok(false),
        Ok(n) => {
            into.extend_from_slice(&buffer[..n]);
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
        Err(error) => Err(error),
    }
}

fn exit_code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use std::sync::Arc;

    fn tools() -> SystemTools {
        SystemTools::new(Arc::new(SystemClock))
    }

    #[test]
    fn a_tool_tells_what_it_printed_and_how_it_ended() {
        let output = tools()
            .run(
                "sh",
                &["-c", "echo out; echo err >&2; exit 64"],
                Duration::from_secs(20),
            )
            .unwrap()
            .unwrap();
        assert_eq!(
            (output.status, output.out.as_slice(), output.err.as_slice()),
            (64, &b"out\n"[..], &b"err\n"[..])
        );
    }

    #[test]
    fn a_tool_gets_no_environment_of_ours() {
        let output = tools().run("env", &[], Duration::from_secs(20)).unwrap().unwrap();
        let text = String::from_utf8(output.out).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]);
    }

    #[test]
    fn a_tool_that_is_not_there_is_absent() {
        assert!(tools().run("no-such-tool", &[], Duration::from_secs(1)).is_none());
        assert!(!tools().has("no-such-tool") && tools().has("sh"));
    }

    #[test]
    fn a_tool_that_does_not_end_is_killed_with_what_it_started() {
        let late = tools()
            .run("sh", &["-c", "sleep 1000 & sleep 1000"], Duration::from_millis(50))
            .unwrap();
        assert!(matches!(late, Err(ToolError::Late("sh", _))));
        // It closed its outputs, but goes on.
        let late = tools()
            .run("sh", &["-c", "exec >&- 2>&-; sleep 1000"], Duration::from_millis(50))
            .unwrap();
        assert!(matches!(late, Err(ToolError::Late("sh", _))));
    }

    #[test]
    fn a_killed_tool_is_reaped() {
        let folder = tempfile::tempdir().unwrap();
        let script = format!("echo $$ > {}/pid; exec sleep 1000", folder.path().display());
        let pid = || -> Option<u32> {
            std::fs::read_to_string(folder.path().join("pid"))
                .ok()?
                .trim()
                .parse()
                .ok()
        };
        // However slow the machine: until it had time to say who it is.
        let pid = (0..10)
            .find_map(|_| {
                let late = tools().run("sh", &["-c", &script], Duration::from_millis(200)).unwrap();
                assert!(matches!(late, Err(ToolError::Late("sh", _))));
                pid()
            })
            .unwrap();
        // A child that was not waited for would still be there, as a zombie.
        let parent = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        assert!(
            !parent.contains(&format!("PPid:\t{}\n", std::process::id())),
            "{parent}"
        );
    }

    #[test]
    fn a_tool_is_not_run_again_before_the_one_that_hangs_has_ended() {
        let tools = tools();
        let hanging = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = hanging.id();
        tools.hanging.lock().unwrap().insert("sh", vec![hanging]);
        let run = || tools.run("sh", &["-c", "exit 3"], Duration::from_secs(20)).unwrap();
        assert!(matches!(run(), Err(ToolError::Hangs("sh"))));
        assert!(
            tools.run("true", &[], Duration::from_secs(20)).unwrap().is_ok(),
            "others go on"
        );
        rustix::process::kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::KILL).unwrap();
        let status = loop {
            match run() {
                Ok(output) => break output.status,
                Err(error) => assert!(matches!(error, ToolError::Hangs(_)), "{error}"),
            }
        };
        assert_eq!(status, 3);
        assert!(tools.hanging.lock().unwrap()["sh"].is_empty());
    }

    #[test]
    fn a_tool_that_prints_without_end_is_stopped() {
        let long = tools().run("yes", &[], Duration::from_secs(60)).unwrap();
        assert!(matches!(long, Err(ToolError::Long("yes"))));
    }
}
