//! Waking a thread that waits for descriptors.

use rustix::{
    event::{EventfdFlags, Timespec, eventfd},
    fd::{AsFd, BorrowedFd, OwnedFd},
    io::{read, write},
};
use std::{io, sync::Arc, time::Duration};

/// Wakes the thread that waits.
#[derive(Debug, Clone)]
pub(crate) struct Waker(Arc<OwnedFd>);

impl Waker {
    /// # Errors
    /// When the process has no descriptor left.
    pub(crate) fn new() -> io::Result<Self> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        Ok(Self(Arc::new(eventfd(0, flags)?)))
    }

    /// Whoever waits, or waits next, stops waiting.
    pub(crate) fn wake(&self) {
        // It can only be full, and then it is awake.
        let _ = write(&self.0, &1_u64.to_ne_bytes());
    }

    /// Says whether somebody woke it since it was asked last.
    pub(crate) fn clear(&self) -> bool {
        read(&self.0, &mut [0_u8; 8]).is_ok()
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// How long to wait, as the kernel takes it.
pub(crate) fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    }
}
