//! Signals on their way to the command, and its end.
//!
//! A command inherits what is blocked and what is ignored, but no handlers. So it is started under handlers that only
//! take note; then signals are blocked and read from a descriptor, so that nothing is interrupted. What was ignored when
//! we were started (`nohup`) gets no handler, and stays ignored in the command. Real-time signals are passed on as well, but
//! not those of the instant in which the command is started.

use super::{copy::Copier, start::Refused};
use nix::{
    sys::{
        signal::{SigSet, Signal, kill, raise},
        signalfd::{SfdFlags, SignalFd},
    },
    unistd::Pid,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{self, WaitOptions, WaitStatus},
};
use std::{
    io,
    os::fd::AsFd as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// What can be passed on. Those of faults of our own code are not among them, nor those that can't be caught.
const PASSED_ON: [Signal; 17] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGTERM,
    Signal::SIGCONT,
    Signal::SIGTSTP,
    Signal::SIGURG,
    Signal::SIGXCPU,
    Signal::SIGVTALRM,
    Signal::SIGPROF,
    Signal::SIGWINCH,
    Signal::SIGIO,
    Signal::SIGPWR,
    Signal::SIGSTKFLT,
];
/// Of these the kernel sends a terminal's to the whole process group: the command has them already.
const OF_TERMINALS: [Signal; 5] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTSTP,
    Signal::SIGWINCH,
];
/// A command that runs for longer is worth making ourselves small for.
const SHORT: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};
/// A code above this is the kernel's own (`sigaction(2)`: `si_code`).
const SENT_BY_A_PROCESS_MAX: i32 = 0;

/// How a command ended.
#[derive(Debug)]
pub(super) enum End {
    /// By itself, with this code.
    Exit(u8),
    /// By a signal.
    Signal(i32),
    /// It did not begin.
    NotStarted(Refused),
    /// The system does not tell.
    Lost,
}

impl End {
    /// As a shell tells it: 126 can't be executed, 127 not found, 128 + signal.
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Exit(code) => *code,
            Self::Signal(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
            Self::NotStarted(refused) => refused.code(),
            Self::Lost => 125,
        }
    }

    pub(super) const fn signal(&self) -> Option<i32> {
        match self {
            Self::Signal(signal) => Some(*signal),
            _ => None,
        }
    }
}

/// Takes note of signals while the command is started.
pub(super) struct Notes(Vec<(Signal, Arc<AtomicBool>)>);

impl Notes {
    /// From here on signals are noted. Where that fails, they have their usual effect.
    pub(super) fn begin() -> Self {
        // Whoever ignores the end of children bequeaths that, and then nobody learns how ours ended. A handler undoes it.
        let _ = signal_hook::flag::register(Signal::SIGCHLD as i32, Arc::default());
        let ignored = ignored();
        let caught = PASSED_ON
            .into_iter()
            .filter(|signal| ignored & (1 << (*signal as i32 - 1)) == 0);
        let note = |signal: Signal| {
            let noted: Arc<AtomicBool> = Arc::default();
            signal_hook::flag::register(signal as i32, noted.clone()).ok()?;
            Some((signal, noted))
        };
        Self(caught.filter_map(note).collect())
    }
}

/// The signals that are ignored, as bits from 1 (`proc(5)`: `SigIgn`).
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok())
        .unwrap_or(0)
}

/// Where signals are read.
pub(super) struct Watch {
    signals: SignalFd,
}

impl Watch {
    /// From here on signals are read; those that were noted before are passed on to `pid`.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn begin(notes: &Notes, pid: Pid) -> io::Result<Self> {
        // All, and then not those: no other way there is to name the real-time ones.
        let mut set = SigSet::all();
        let others = Signal::iterator().filter(|signal| *signal != Signal::SIGCHLD && !PASSED_ON.contains(signal));
        others.for_each(|signal| set.remove(signal));
        set.thread_block()?;
        let signals = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        for (signal, noted) in &notes.0 {
            // Whether a terminal sent it is not known; a command that got it twice is better off than one that did not.
            if noted.load(Ordering::Acquire) && *signal != Signal::SIGWINCH {
                let _ = kill(pid, *signal);
            }
        }
        Ok(Self { signals })
    }
}

/// Waits until the command has ended and what it wrote was copied.
pub(super) fn wait(watch: Option<&Watch>, pid: Pid, copiers: &mut [Copier]) -> End {
    let Some(watch) = watch else {
        let end = blocking(pid);
        copiers.iter_mut().for_each(Copier::stop);
        while !all_done(copiers, None) {}
        return end;
    };
    let mut end = look(pid);
    if end.is_none() && stays_quiet(&watch.signals) {
        // Most of what we needed to begin is not needed to wait; where it can't be given back, it stays.
        let _ = tocsin_thrift::give_back();
    }
    loop {
        if let Some(found) = end.take().or_else(|| look(pid)) {
            copiers.iter_mut().for_each(Copier::stop);
            end = Some(found);
        }
        let done = all_done(copiers, Some((&watch.signals, end.is_some())));
        if done && let Some(end) = end {
            return end;
        }
        while let Ok(Some(told)) = watch.signals.read_signal() {
            let number = i32::try_from(told.ssi_signo).unwrap_or_default();
            match end.take() {
                None => pass_on(number, told.ssi_code, pid),
                // The command is gone; who wants us to end does not want us to wait for a slow reader.
                Some(found) if is_last(number) => return found,
                Some(found) => end = Some(found),
            }
        }
    }
}

/// Whether no signal comes for a little while, that of the command's end among them.
fn stays_quiet(signals: &SignalFd) -> bool {
    let mut polled = [PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN)];
    poll(&mut polled, Some(&SHORT)) == Ok(0)
}

fn is_last(number: i32) -> bool {
    matches!(
        Signal::try_from(number),
        Ok(Signal::SIGINT | Signal::SIGTERM | Signal::SIGHUP | Signal::SIGQUIT)
    )
}

/// Waits for a signal, or, once the command has `ended`, for a copier; answers whether all copiers are done.
fn all_done(copiers: &[Copier], signals: Option<(&SignalFd, bool)>) -> bool {
    let (signals, ended) = signals.map_or((None, true), |(signals, ended)| (Some(signals), ended));
    let mut polled: Vec<PollFd<'_>> = Vec::with_capacity(3);
    if ended {
        let done = |copier: &Copier| {
            let mut own = [PollFd::from_borrowed_fd(copier.done(), PollFlags::IN)];
            let now = Timespec { tv_sec: 0, tv_nsec: 0 };
            poll(&mut own, Some(&now)).is_ok_and(|ready| ready > 0)
        };
        let waiting: Vec<&Copier> = copiers.iter().filter(|copier| !done(copier)).collect();
        if waiting.is_empty() {
            return true;
        }
        polled.extend(
            waiting
                .iter()
                .map(|copier| PollFd::from_borrowed_fd(copier.done(), PollFlags::IN)),
        );
    }
    polled.extend(signals.map(|signals| PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN)));
    // An interruption is as good as news.
    let _ = poll(&mut polled, None);
    false
}

fn pass_on(number: i32, code: i32, pid: Pid) {
    // In each case it may be gone meanwhile.
    match Signal::try_from(number) {
        Ok(Signal::SIGCHLD) => {}
        Ok(signal) if code > SENT_BY_A_PROCESS_MAX && OF_TERMINALS.contains(&signal) => {}
        Ok(signal) => drop(kill(pid, signal)),
        Err(_) => tocsin_early::send(pid.as_raw(), number),
    }
}

/// Looks what became of the command; stops ourselves where the terminal stopped it.
fn look(pid: Pid) -> Option<End> {
    loop {
        match waited(pid, WaitOptions::NOHANG | WaitOptions::UNTRACED) {
            Ok(Some(status)) => match status.stopping_signal() {
                Some(signal) => stop_too(signal),
                None => return ended(status),
            },
            Ok(None) => return None,
            Err(Errno::INTR) => {}
            Err(_) => return Some(End::Lost),
        }
    }
}

fn waited(pid: Pid, options: WaitOptions) -> Result<Option<WaitStatus>, Errno> {
    let pid = process::Pid::from_raw(pid.as_raw());
    process::waitpid(pid, options).map(|found| found.map(|(_, status)| status))
}

fn ended(status: WaitStatus) -> Option<End> {
    let code = |code: i32| End::Exit(u8::try_from(code & 0xFF).unwrap_or(u8::MAX));
    status
        .exit_status()
        .map(code)
        .or_else(|| status.terminating_signal().map(End::Signal))
}

fn blocking(pid: Pid) -> End {
    loop {
        match waited(pid, WaitOptions::empty()) {
            Ok(status) => {
                if let Some(end) = status.and_then(ended) {
                    return end;
                }
            }
            Err(Errno::INTR) => {}
            Err(_) => return End::Lost,
        }
    }
}

/// The command was stopped from its terminal: we stop too, so that the shell takes the terminal back. Other stops are
/// somebody's who will continue the command and does not know of us.
fn stop_too(number: i32) {
    if !matches!(
        Signal::try_from(number),
        Ok(Signal::SIGTSTP | Signal::SIGTTIN | Signal::SIGTTOU)
    ) {
        return;
    }
    // As the terminal would have: by a stop that nobody handles. In a group without a shell the command would not have
    // been stopped.
    let _ = raise(Signal::SIGSTOP);
}
