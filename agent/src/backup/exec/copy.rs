//! Copies what a command writes to where it belongs, and keeps the end of it.
//!
//! A thread per output: whoever reads ours may be slow or hang, and signals must not wait for that.

use super::super::run::STDERR_KEPT_BYTES;
use nix::sys::signal::{SigSet, SigmaskHow};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::{AsFd, BorrowedFd, OwnedFd},
    io::Errno,
};
use std::{
    io::{self, PipeReader, PipeWriter},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
};

/// Read at once. Larger reads gain nothing, and count as memory of ours.
const CHUNK_BYTES: usize = 64 * 1024;
/// What a pipe holds; more than it may hold without privileges is refused, and the old size stays.
const PIPE_BYTES: i32 = 1024 * 1024;
/// What is still copied after the command's end while others go on writing: all that the pipe can hold.
const REST_BYTES_MAX: usize = 1024 * 1024;
/// The thread's calls are few and flat.
const STACK_BYTES: usize = 64 * 1024;

/// Where it belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Stdout,
    Stderr,
}

/// What was copied.
#[derive(Debug, Default)]
pub(super) struct Copied {
    /// How much in all.
    pub(super) bytes: u64,
    tail: Vec<u8>,
}

impl Copied {
    /// Its end, at most [`STDERR_KEPT_BYTES`], from the first whole character on.
    pub(super) fn text(&self) -> String {
        let from = self.tail.len().saturating_sub(STDERR_KEPT_BYTES);
        let kept = self.tail.get(from..).unwrap_or_default();
        let cut = self.bytes > kept.len() as u64;
        let torn = kept.iter().take(3).take_while(|byte| **byte & 0xC0 == 0x80).count();
        String::from_utf8_lossy(&kept[if cut { torn } else { 0 }..]).into_owned()
    }

    fn push(&mut self, chunk: &[u8]) {
        self.bytes += chunk.len() as u64;
        if chunk.len() >= STDERR_KEPT_BYTES {
            self.tail.clear();
            self.tail.extend_from_slice(&chunk[chunk.len() - STDERR_KEPT_BYTES..]);
            return;
        }
        // Moved rarely: twice as much is kept as is asked for.
        if self.tail.len() + chunk.len() > 2 * STDERR_KEPT_BYTES {
            let gone = self.tail.len().saturating_sub(STDERR_KEPT_BYTES);
            self.tail.drain(..gone);
        }
        self.tail.extend_from_slice(chunk);
    }
}

/// A copying thread.
pub(super) struct Copier {
    target: Target,
    /// Dropped when the command has ended.
    stop: Option<PipeWriter>,
    /// Can be read, as closed, when the thread has ended.
    done: PipeReader,
    result: mpsc::Receiver<(Copied, Option<PipeReader>)>,
}

impl Copier {
    /// A pipe's end for the command, and the thread at its other end.
    ///
    /// # Errors
    /// When the process has no descriptor or thread left.
    pub(super) fn start(target: Target) -> io::Result<(PipeWriter, Self)> {
        let (from, to_us) = io::pipe()?;
        let (stopped, stop) = io::pipe()?;
        let (done, ends) = io::pipe()?;
        let (tell, result) = mpsc::sync_channel(1);
        // An old size works too.
        let _ = nix::fcntl::fcntl(&from, nix::fcntl::FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
        // The thread inherits what is blocked: no signal may find it, for there it would be lost.
        let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let spawned = thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
            let copied = copy(from, &stopped, target);
            // Who asked may have been told to end at once.
            let _ = tell.send(copied);
            drop(ends);
        });
        before.thread_set_mask()?;
        spawned?;
        let copier = Self {
            target,
            stop: Some(stop),
            done,
            result,
        };
        Ok((to_us, copier))
    }

    pub(super) fn is_stdout(&self) -> bool {
        self.target == Target::Stdout
    }

    /// The command has ended: copy what is there, then end.
    pub(super) fn stop(&mut self) {
        self.stop = None;
    }

    /// Readable when the thread has ended.
    pub(super) fn done(&self) -> BorrowedFd<'_> {
        self.done.as_fd()
    }

    /// What was copied. Others may hold the pipe still: another process then copies on.
    pub(super) fn finish(self) -> Copied {
        let Ok((copied, rest)) = self.result.try_recv() else {
            return Copied::default();
        };
        if let Some(rest) = rest {
            relay(rest, self.target);
        }
        copied
    }
}

/// Has another process copy on, for as long as there is somebody who writes.
fn relay(from: PipeReader, target: Target) {
    let mut own = Command::new("/proc/self/exe");
    own.args(["backup", "relay"])
        .stdin(OwnedFd::from(from))
        .stdout(Stdio::null());
    if target == Target::Stdout {
        let Ok(stdout) = io::stdout().as_fd().try_clone_to_owned() else {
            return;
        };
        own.stderr(stdout);
    }
    // It is left to itself. When it can't be started, those who write get a broken pipe.
    let _ = own.spawn();
}

/// Copies until the end, until nobody reads any more, or until it is told to stop and nothing is left.
fn copy(from: PipeReader, stopped: &PipeReader, target: Target) -> (Copied, Option<PipeReader>) {
    let (stdout, stderr) = (io::stdout(), io::stderr());
    let to = match target {
        Target::Stdout => stdout.as_fd(),
        Target::Stderr => stderr.as_fd(),
    };
    let mut copied = Copied::default();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut rest = 0;
    loop {
        let mut polled = [PollFd::new(&from, PollFlags::IN), PollFd::new(stopped, PollFlags::IN)];
        match poll(&mut polled, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return (copied, Some(from)),
        }
        let (readable, stopped) = (!polled[0].revents().is_empty(), !polled[1].revents().is_empty());
        if !readable {
            if stopped {
                return (copied, Some(from));
            }
            continue;
        }
        let read = match rustix::io::read(&from, &mut chunk) {
            Ok(0) | Err(Errno::IO) => return (copied, None),
            Ok(read) => read,
            Err(_) => continue,
        };
        copied.push(&chunk[..read]);
        if write_all(to, &chunk[..read]) == Err(Errno::PIPE) {
            // Whoever writes learns of it as it would without us.
            return (copied, None);
        }
        rest += if stopped { read } else { 0 };
        if rest > REST_BYTES_MAX {
            return (copied, Some(from));
        }
    }
}

/// Writes everything. A disk that is full loses it, as it would without us.
fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let second = Timespec { tv_sec: 1, tv_nsec: 0 };
                let _ = poll(&mut [PollFd::from_borrowed_fd(to, PollFlags::OUT)], Some(&second));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The process that copies on: standard input to standard error.
pub(in crate::backup) fn relay_on() {
    let (stdin, stderr) = (io::stdin(), io::stderr());
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match rustix::io::read(&stdin, &mut chunk) {
            Err(Errno::INTR) => {}
            Ok(read) if read > 0 && write_all(stderr.as_fd(), &chunk[..read]) != Err(Errno::PIPE) => {}
            Ok(_) | Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_whatever_the_pieces() {
        let text: Vec<u8> = (0..400_000_u32).map(|i| b'a' + u8::try_from(i % 26).unwrap()).collect();
        for piece in [1, 7, 4_096, 65_535, 65_536, 65_537, 200_000, 400_000] {
            let mut copied = Copied::default();
            text.chunks(piece).for_each(|chunk| copied.push(chunk));
            assert_eq!(
                copied.text().as_bytes(),
                &text[text.len() - STDERR_KEPT_BYTES..],
                "{piece}"
            );
            assert_eq!(copied.bytes, 400_000);
        }
    }

    #[test]
    fn a_character_that_was_cut_is_left_out_and_bytes_are_replaced() {
        let mut copied = Copied::default();
        copied.push("错".repeat(STDERR_KEPT_BYTES).as_bytes());
        assert!(copied.text().starts_with('错'));
        let mut binary = Copied::default();
        binary.push(b"\xff\x00ok");
        assert_eq!(binary.text(), "\u{FFFD}\0ok");
    }
}
