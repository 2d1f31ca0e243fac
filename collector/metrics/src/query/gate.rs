//! Lets few large questions in at a time, in the order in which they came.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

#[derive(Debug, Default)]
struct State {
    inside: usize,
    next: u64,
    waiting: VecDeque<u64>,
}

/// A fair gate.
#[derive(Debug)]
pub(crate) struct Gate {
    most: usize,
    state: Mutex<State>,
    changed: Condvar,
}

/// Somebody inside; leaves when dropped.
#[derive(Debug)]
pub(crate) struct Inside<'a>(&'a Gate);

impl Gate {
    /// For half of the processors, at least one.
    pub(crate) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self::of(processors / 2)
    }

    fn of(most: usize) -> Self {
        Self {
            most: most.max(1),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for its turn, at most this long; `None` when that passed.
    pub(crate) fn enter(&self, patience: Duration) -> Option<Inside<'_>> {
        let mut state = self.lock();
        let own = state.next;
        state.next += 1;
        state.waiting.push_back(own);
        let not_yet = |state: &mut State| state.inside >= self.most || state.waiting.front() != Some(&own);
        let (mut state, timeout) = self
            .changed
            .wait_timeout_while(state, patience, not_yet)
            .unwrap_or_else(PoisonError::into_inner);
        state.waiting.retain(|waiting| *waiting != own);
        let inside = !timeout.timed_out();
        state.inside += usize::from(inside);
        drop(state);
        self.changed.notify_all();
        inside.then(|| Inside(self))
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.lock().inside -= 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_finds_it_full_waits_and_gives_up_in_the_end() {
        let gate = Gate::of(1);
        let inside = gate.enter(Duration::ZERO).unwrap();
        assert!(gate.enter(Duration::from_millis(1)).is_none());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| gate.enter(Duration::from_secs(60)).is_some());
            drop(inside);
            assert!(waiting.join().unwrap());
        });
        assert!(gate.enter(Duration::ZERO).is_some(), "everybody left");
    }
}
