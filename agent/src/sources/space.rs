//! Asking file systems for their space without ever waiting for one that hangs.
//!
//! `statvfs` on a dead NFS server or a frozen disk does not return, and the thread in it can't be killed. So calls are
//! made by workers, never by the thread that ticks; each file system has at most one call outstanding; and the tick
//! takes what is known. One worker serves all file systems in turn. When it is caught in one, another takes over, up to
//! [`WORKERS_MAX`]; a worker that gets free again and is not needed ends. So threads are bounded by the file systems
//! that hang at the same time, plus one.

use super::mountinfo::Mount;
use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// Most workers at the same time. When that many file systems hang, the others keep their last value until one answers.
pub(crate) const WORKERS_MAX: usize = 64;

/// How long a tick waits for answers that usually take microseconds, and how often before it goes on without. A file
/// system that newly hangs costs one tick this much; after that it is not waited for.
const ANSWER_WAIT: Duration = Duration::from_millis(5);
const ANSWER_WAITS: usize = 4;

/// An answer that takes longer makes a file system *hung*.
const HUNG_AFTER: Duration = Duration::from_secs(2);

/// File systems that ask other machines are asked at most this often.
const REMOTE_PERIOD: Duration = Duration::from_secs(10);

/// A worker calls one function; the smallest stack that the C library's thread start is comfortable with.
const WORKER_STACK_BYTES: usize = 128 << 10;

/// What a file system says of itself (statvfs(3)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Space {
    /// Size in bytes.
    pub(crate) size: u64,
    /// Bytes free, root's reserve included.
    pub(crate) free: u64,
    /// Bytes free for everybody.
    pub(crate) available: u64,
    /// Inodes; zero where there is no limit.
    pub(crate) inodes: u64,
    /// Inodes free.
    pub(crate) inodes_free: u64,
}

/// How a path is asked; `None` when that fails.
pub(crate) type Ask = Arc<dyn Fn(&Path) -> Option<Space> + Send + Sync>;

/// Asks the kernel.
pub(crate) fn ask_kernel(path: &Path) -> Option<Space> {
    let answer = rustix::fs::statvfs(path).ok()?;
    let unit = if answer.f_frsize == 0 {
        answer.f_bsize
    } else {
        answer.f_frsize
    };
    Some(Space {
        size: answer.f_blocks.saturating_mul(unit),
        free: answer.f_bfree.saturating_mul(unit),
        available: answer.f_bavail.saturating_mul(unit),
        inodes: answer.f_files,
        inodes_free: answer.f_ffree,
    })
}

/// What is known of one file system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// The last answer.
    pub(crate) space: Option<Space>,
    /// Whether an answer is overdue.
    pub(crate) hung: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Queued,
    Calling,
}

#[derive(Debug)]
struct Slot {
    path: PathBuf,
    /// `major:minor` of the file system.
    device: Vec<u8>,
    remote: bool,
    /// Not watched any more, but a call is still outstanding: the same file system, watched again, waits for that call
    /// instead of another.
    left: bool,
    phase: Phase,
    /// When the last call was queued.
    asked: Option<Duration>,
    space: Option<Space>,
}

#[derive(Debug, Default)]
struct State {
    slots: BTreeMap<u64, Slot>,
    queue: VecDeque<u64>,
    /// Of the calls queued at the last tick, how many are unanswered; and the first of their round.
    unanswered: usize,
    round: Duration,
    workers: usize,
    idle: usize,
    closed: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
    answered: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Knows the space of file systems; asks for it in the background.
pub(crate) struct Spaces {
    shared: Arc<Shared>,
    ask: Ask,
    next: u64,
}

impl fmt::Debug for Spaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spaces")
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}

impl Spaces {
    pub(crate) fn new(ask: Ask) -> Self {
        Self {
            shared: Arc::default(),
            ask,
            next: 0,
        }
    }

    /// Begins to watch a file system; the number stands for it.
    pub(crate) fn add(&mut self, mount: &Mount) -> u64 {
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(&mount.point));
        let mut state = self.shared.lock();
        let same = |slot: &Slot| slot.left && slot.path == path && slot.device == mount.device;
        if let Some((number, slot)) = state.slots.iter_mut().find(|(_, slot)| same(slot)) {
            slot.left = false;
            return *number;
        }
        let slot = Slot {
            path,
            device: mount.device.clone(),
            remote: mount.is_remote(),
            left: false,
            phase: Phase::Idle,
            asked: None,
            space: None,
        };
        self.next += 1;
        state.slots.insert(self.next, slot);
        self.next
    }

    /// Ends it. A call that is outstanding is left to itself.
    pub(crate) fn remove(&mut self, number: u64) {
        let mut state = self.shared.lock();
        match state.slots.get_mut(&number) {
            Some(slot) if slot.phase == Phase::Calling => slot.left = true,
            _ => drop(state.slots.remove(&number)),
        }
    }

    /// Asks all file systems that have no call outstanding, and gives them a moment to answer.
    pub(crate) fn refresh(&mut self, mono: Duration) {
        let mut state = self.shared.lock();
        let State {
            slots,
            queue,
            unanswered,
            round,
            ..
        } = &mut *state;
        (*unanswered, *round) = (0, mono);
        for (number, slot) in slots.iter_mut() {
            let early = slot.remote
                && slot
                    .asked
                    .is_some_and(|asked| mono.saturating_sub(asked) < REMOTE_PERIOD);
            if slot.phase == Phase::Idle && !early {
                (slot.phase, slot.asked) = (Phase::Queued, Some(mono));
                // Those that ask other machines wait behind those that do not.
                if slot.remote {
                    queue.push_back(*number);
                } else {
                    queue.push_front(*number);
                }
                *unanswered += 1;
            }
        }
        for _ in 0..ANSWER_WAITS {
            self.staff(&mut state); // whoever waits behind one that hangs gets another worker
            self.shared.work.notify_one();
            let waited = self
                .shared
                .answered
                .wait_timeout_while(state, ANSWER_WAIT, |state| state.unanswered > 0);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if state.unanswered == 0 {
                break;
            }
        }
        self.staff(&mut state);
    }

    /// What is known of the file system `number`.
    pub(crate) fn known(&self, number: u64, mono: Duration) -> Known {
        let state = self.shared.lock();
        state.slots.get(&number).map_or_else(Known::default, |slot| {
            let overdue = slot.asked.is_some_and(|asked| mono.saturating_sub(asked) >= HUNG_AFTER);
            Known {
                space: slot.space,
                hung: slot.phase == Phase::Calling && overdue,
            }
        })
    }

    /// Sees to it that somebody is free for the queue.
    fn staff(&self, state: &mut State) {
        if state.queue.is_empty() || state.idle > 0 || state.workers >= WORKERS_MAX {
            return;
        }
        let (shared, ask) = (Arc::clone(&self.shared), Arc::clone(&self.ask));
        let builder = thread::Builder::new()
            .name("statvfs".to_owned())
            .stack_size(WORKER_STACK_BYTES);
        match builder.spawn(move || work(&shared, &ask)) {
            Ok(_) => {
                state.workers += 1;
                state.idle += 1;
            }
            Err(error) => {
                tracing::warn!(%error, "no thread to ask file systems for their space; their values stay as they are");
            }
        }
    }
}

impl Drop for Spaces {
    /// Workers end by themselves: at once when free, else when the file system that they are caught in answers.
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        state.queue.clear();
        self.shared.work.notify_all();
    }
}

/// What a worker does; `idle` already counts it when it starts.
fn work(shared: &Shared, ask: &Ask) {
    let mut state = shared.lock();
    while !state.closed {
        let Some(number) = state.queue.pop_front() else {
            if state.idle > 1 {
                break; // came to relieve another, who is back
            }
            state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        let Some(path) = begin(&mut state, number) else {
            continue;
        };
        state.idle -= 1;
        drop(state);
        let space = ask(&path);
        state = shared.lock();
        state.idle += 1;
        end(&mut state, number, space);
        if state.unanswered == 0 {
            shared.answered.notify_all();
        }
    }
    state.idle -= 1;
    state.workers -= 1;
}

fn begin(state: &mut State, number: u64) -> Option<PathBuf> {
    let slot = state.slots.get_mut(&number)?;
    slot.phase = Phase::Calling;
    Some(slot.path.clone())
}

fn end(state: &mut State, number: u64, space: Option<Space>) {
    let Some(slot) = state.slots.get_mut(&number) else {
        return;
    };
    slot.phase = Phase::Idle;
    slot.space = space;
    let (of_this_round, left) = (slot.asked == Some(state.round), slot.left);
    if of_this_round {
        state.unanswered = state.unanswered.saturating_sub(1);
    }
    if left {
        state.slots.remove(&number);
    }
}

#[cfg(test)]
mod tests;
