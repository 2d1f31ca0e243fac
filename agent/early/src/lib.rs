//! Which of the descriptors 0, 1 and 2 were closed when the process began.
//!
//! Before `main`, Rust's runtime opens `/dev/null` where one of them is closed, so that no file gets their number by
//! chance. Afterwards a closed descriptor and a `/dev/null` that somebody gave us look alike: some starters open it for
//! reading and writing, too. A wrapper that wants to hand on exactly what it was given must look earlier, and what the
//! linker collects in `.init_array` runs before the runtime does (System V ABI, "Initialization and Termination
//! Functions").
//!
//! What runs there may rely on nothing of `std`. It makes three system calls and writes one byte.
//!
//! The wrapper's other calls that Rust can't check are here, too: [`send`] and [`fork`].

use rustix::{fd::BorrowedFd, io::fcntl_getfd, stdio};
use std::{
    os::unix::process::CommandExt as _,
    process::Command,
    sync::atomic::{AtomicU8, Ordering},
};

/// Bit `n`: descriptor `n` was closed.
static CLOSED: AtomicU8 = AtomicU8::new(0);

#[used]
#[allow(
    unsafe_code,
    reason = "the section's name is what makes it run; its entries are functions of C, as this is"
)]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    let mut closed = 0;
    for (bit, descriptor) in standard().into_iter().enumerate() {
        closed |= u8::from(fcntl_getfd(descriptor).is_err()) << bit;
    }
    CLOSED.store(closed, Ordering::Relaxed);
}

/// Standard input, output and error.
fn standard() -> [BorrowedFd<'static>; 3] {
    [stdio::stdin(), stdio::stdout(), stdio::stderr()]
}

/// Those that were closed when the process began, and that are `/dev/null` now.
pub fn closed() -> impl Iterator<Item = BorrowedFd<'static>> {
    let closed = CLOSED.load(Ordering::Relaxed);
    let pairs = standard().into_iter().enumerate();
    pairs.filter_map(move |(bit, descriptor)| (closed & 1 << bit != 0).then_some(descriptor))
}

/// Sends the signal of this number, of which nobody needs to know a name: a real-time one. A process that is gone gets none.
#[allow(
    unsafe_code,
    reason = "kill(2) of the crates that are safe knows signals by name, and real-time ones have none"
)]
pub fn send(pid: i32, number: i32) {
    // SAFETY: the call takes two numbers and touches no memory.
    let _ = unsafe { libc::kill(pid, number) };
}

/// Has a command be started by fork(2) and execve(2). What std prefers, glibc's posix_spawn(3), leaves signals 32 and 33 ignored in
/// it, which it would see as a difference.
#[allow(
    unsafe_code,
    reason = "std forks for what is to be done between, and that may be anything"
)]
pub fn fork(command: &mut Command) {
    // SAFETY: nothing is done between.
    unsafe { command.pre_exec(|| Ok(())) };
}
