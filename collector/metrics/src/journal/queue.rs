//! The bounded queue before the committer. Full means *busy*, at once; nobody waits.

use crate::config::{QUEUE_BYTES_MAX, QUEUE_RECORDS_MAX};
use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// Why something was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// [`QUEUE_RECORDS_MAX`] or [`QUEUE_BYTES_MAX`] is reached.
    Full,
    /// Nobody drains it any more.
    Closed,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
    closed: bool,
    /// Whether somebody waits: only then is there anybody to wake.
    waited_for: bool,
}

/// A queue of things that weigh bytes.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    ready: Condvar,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        let state = State {
            items: VecDeque::new(),
            bytes: 0,
            closed: false,
            waited_for: false,
        };
        Self {
            state: Mutex::new(state),
            ready: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds to the end.
    pub(crate) fn push(&self, item: T, bytes: usize) -> Result<(), (Refused, T)> {
        let mut state = self.lock();
        if state.closed {
            return Err((Refused::Closed, item));
        }
        if state.items.len() >= QUEUE_RECORDS_MAX || state.bytes.saturating_add(bytes) > QUEUE_BYTES_MAX {
            return Err((Refused::Full, item));
        }
        state.items.push_back((item, bytes));
        state.bytes += bytes;
        let wake = std::mem::take(&mut state.waited_for);
        drop(state);
        if wake {
            self.ready.notify_one();
        }
        Ok(())
    }

    /// Waits until there is something; `false` once closed and empty.
    pub(crate) fn wait(&self) -> bool {
        let mut state = self.lock();
        while state.items.is_empty() {
            if state.closed {
                return false;
            }
            state.waited_for = true;
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    /// Takes what is there, up to `bytes_max` (at least one).
    pub(crate) fn take(&self, bytes_max: usize) -> Vec<T> {
        let mut state = self.lock();
        let mut taken = Vec::new();
        let mut total = 0_usize;
        while let Some((item, bytes)) = state.items.pop_front() {
            if !taken.is_empty() && total.saturating_add(bytes) > bytes_max {
                state.items.push_front((item, bytes));
                break;
            }
            total = total.saturating_add(bytes);
            state.bytes -= bytes;
            taken.push(item);
        }
        taken
    }

    /// Takes nothing more; what is queued is still drained.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.ready.notify_all();
    }

    /// Takes nothing more and drops what is queued: nobody will drain it, so nobody may wait for it.
    pub(crate) fn abandon(&self) {
        self.close();
        let left = {
            let mut state = self.lock();
            state.bytes = 0;
            std::mem::take(&mut state.items)
        };
        drop(left);
    }

    /// Things that wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().items.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_refuses_at_once_and_a_closed_one_empties() {
        let queue = Queue::new();
        queue.push(1, QUEUE_BYTES_MAX).unwrap();
        assert_eq!(queue.push(2, 1), Err((Refused::Full, 2)));
        queue.close();
        assert_eq!(queue.push(3, 0), Err((Refused::Closed, 3)));
        assert!(queue.wait());
        assert_eq!(queue.take(10), [1]);
        assert!(!queue.wait());
    }

    #[test]
    fn who_waits_for_an_abandoned_queue_is_let_go() {
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let queue = Queue::new();
        assert!(queue.push(sender, 1).is_ok());
        queue.abandon();
        assert!(receiver.recv().is_err());
        assert_eq!(queue.len(), 0);
    }
}
