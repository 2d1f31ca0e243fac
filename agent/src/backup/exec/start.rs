//! Finding and starting the command.

use super::copy::{Copier, Target};
use nix::unistd::Pid;
use rustix::{
    fs::{FileType, fstat},
    io::{FdFlags, fcntl_setfd},
};
use std::{
    ffi::{OsStr, OsString},
    io,
    os::{fd::AsRawFd, unix::ffi::OsStrExt as _},
    path::{Path, PathBuf},
    process::Command,
};

/// `ENOEXEC`: a script without `#!`, which a shell runs.
const NOT_AN_IMAGE: i32 = 8;

/// A command that did not begin.
#[derive(Debug, thiserror::Error)]
#[error("cannot run {command}: {}", reason(source))]
pub(super) struct Refused {
    command: String,
    source: io::Error,
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "command not found".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied, or a folder".to_owned(),
        _ => error.to_string(),
    }
}

impl Refused {
    /// As a shell tells it.
    pub(super) fn code(&self) -> u8 {
        match self.source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => 127,
            _ => 126,
        }
    }
}

/// Where the command's output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Standard output is ours as it is; standard error is copied.
    Apart,
    /// Both are copied, each for itself: somebody reads standard output.
    BothCopied,
    /// Both are one file or pipe: they are copied as one, so that their order stays.
    AsOne,
}

impl Way {
    pub(super) fn choose(stdout_is_read: bool) -> Self {
        if same_place() {
            Self::AsOne
        } else if stdout_is_read && !was_closed(&io::stdout()) {
            Self::BothCopied
        } else {
            Self::Apart
        }
    }
}

/// Whether both outputs are one file or pipe. Of a terminal the command wants to know that it is one; `/dev/null`
/// knows no order.
fn same_place() -> bool {
    match (fstat(io::stdout()), fstat(io::stderr())) {
        (Ok(one), Ok(other)) => {
            (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
                && FileType::from_raw_mode(one.st_mode) != FileType::CharacterDevice
        }
        _ => false,
    }
}

/// A command that runs.
pub(super) struct Started {
    pub(super) pid: Pid,
    pub(super) stdout: Option<Copier>,
    pub(super) stderr: Option<Copier>,
}

/// Starts it. A script without `#!` is run by the shell, as `execvp(3)` does it.
pub(super) fn start(words: &[OsString], pipefail: bool, way: Way) -> Result<Started, Refused> {
    let words = if pipefail { strict(words) } else { words.to_vec() };
    let program = words.first().cloned().unwrap_or_default();
    let started = attempt(&words, pipefail, way).or_else(|error| match found(&program) {
        Some(script) if error.raw_os_error() == Some(NOT_AN_IMAGE) => {
            let mut by_shell = vec![OsString::from("/bin/sh"), script.into_os_string()];
            by_shell.extend_from_slice(words.get(1..).unwrap_or_default());
            attempt(&by_shell, pipefail, way)
        }
        _ => Err(error),
    });
    started.map_err(|source| Refused {
        command: program.to_string_lossy().into_owned(),
        source,
    })
}

fn attempt(words: &[OsString], pipefail: bool, way: Way) -> io::Result<Started> {
    let (program, arguments) = words.split_first().ok_or(io::ErrorKind::NotFound)?;
    let mut command = Command::new(program);
    command.args(arguments);
    if pipefail {
        command.env("SHELLOPTS", "pipefail");
    }
    let (stdout, stderr) = connect(&mut command, way)?;
    tocsin_early::fork(&mut command);
    let child = command.spawn()?;
    Ok(Started {
        pid: Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX)),
        stdout,
        stderr,
    })
}

/// Has a program that is started now find closed what was closed when we were started.
pub(in crate::backup) fn leave_closed() {
    for descriptor in tocsin_early::closed() {
        // Ours is `/dev/null` since; where this fails the other program gets that.
        let _ = fcntl_setfd(descriptor, FdFlags::CLOEXEC);
    }
}

/// Whether one of ours was closed when we were started: there is nowhere to copy it to, and the command is to see that.
fn was_closed(output: &impl AsRawFd) -> bool {
    tocsin_early::closed().any(|descriptor| descriptor.as_raw_fd() == output.as_raw_fd())
}

/// Gives the command its outputs.
fn connect(command: &mut Command, way: Way) -> io::Result<(Option<Copier>, Option<Copier>)> {
    if was_closed(&io::stderr()) {
        return Ok((None, None));
    }
    // Without a pipe the command runs all the same, and its words are not kept.
    let Ok((stderr, copier)) = Copier::start(Target::Stderr) else {
        return Ok((None, None));
    };
    match way {
        Way::Apart => {}
        Way::AsOne => {
            command.stdout(stderr.try_clone()?);
        }
        Way::BothCopied => {
            let (stdout, other) = Copier::start(Target::Stdout)?;
            command.stdout(stdout).stderr(stderr);
            return Ok((Some(other), Some(copier)));
        }
    }
    command.stderr(stderr);
    Ok((None, Some(copier)))
}

/// Where a program is, as `PATH` finds it.
fn found(program: &OsStr) -> Option<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return Some(PathBuf::from(program));
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// The words with which pipes fail when any of their commands does: one word is a line for bash; `sh -c` and `bash -c`
/// get the option. Scripts of bash inherit it by `SHELLOPTS` (`bash(1)`).
fn strict(words: &[OsString]) -> Vec<OsString> {
    let word = |text: &str| OsString::from(text);
    match words {
        [line] if found(line).is_none() || line.as_bytes().contains(&b'|') => {
            vec![word("bash"), word("-o"), word("pipefail"), word("-c"), line.clone()]
        }
        [shell, rest @ ..]
            if is_shell(shell) && rest.first().is_some_and(|first| first.as_bytes().starts_with(b"-")) =>
        {
            let mut strict = vec![word("bash"), word("-o"), word("pipefail")];
            strict.extend_from_slice(rest);
            strict
        }
        _ => words.to_vec(),
    }
}

fn is_shell(word: &OsStr) -> bool {
    let name = Path::new(word).file_name().unwrap_or_default();
    ["sh", "bash", "dash"].iter().any(|shell| name == *shell)
}
