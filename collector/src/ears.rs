//! Whether the collector itself can hear its agents. While it cannot, nobody's silence counts.
//!
//! What is said by agents is heard by one listener and one thread. That thread shows twice a second that it lives: when
//! it does not for `DEAF_AFTER` — the machine has no time for it, a disk or a lock holds it up — ticks wait unread, and
//! hosts are not silent but unheard. The listener says when it can't take a connection, such as for lack of file
//! handles: then no agent can come back. Both are this collector's own trouble; that *everybody* is silent while it
//! hears well is told of in the engine's `silence`.

use crate::clock::Clock;
use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tocsin_console::backend::HealthPart;
use tocsin_vocabulary::Timestamp;

/// Time between two signs of life of the listening thread.
const BEAT: Duration = Duration::from_millis(500);
/// Without one for this long it does not hear.
const DEAF_AFTER: Duration = Duration::from_secs(2);

/// Signs of life of what hears agents.
#[derive(Debug, Default)]
pub struct Ears {
    state: Mutex<State>,
    /// Connections that could not be taken.
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// The last sign of life; none before the first: nobody listens yet, and nothing is known.
    beat: Option<Timestamp>,
    /// [`Ears::refused`] as of then.
    refused: u64,
    /// When a connection was last seen to be refused.
    refused_at: Option<Timestamp>,
    /// When the thread last came back after it had not lived.
    came_back: Option<Timestamp>,
}

/// Why nothing can be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deaf {
    /// The thread that serves agents does not run.
    Stalled(Duration),
    /// The listener can take no connection.
    Refusing,
}

impl Ears {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Beats until dropped, on the thread that serves agents.
    pub async fn keep_beating(&self, clock: Clock) {
        let mut period = tokio::time::interval(BEAT);
        loop {
            period.tick().await;
            self.beat(clock());
        }
    }

    /// The listening thread lives.
    pub fn beat(&self, now: Timestamp) {
        let refused = self.refused.load(Ordering::Relaxed);
        let mut state = self.lock();
        if state.refused != refused {
            (state.refused, state.refused_at) = (refused, Some(now));
        }
        let quiet = state.beat.map_or(Duration::ZERO, |beat| now.since(beat));
        if quiet > DEAF_AFTER {
            let seconds = quiet.as_secs();
            tracing::warn!(
                seconds,
                "agents were not listened to (overload, or a disk that hangs): silence is counted anew"
            );
            state.came_back = Some(now);
        }
        state.beat = Some(now);
    }

    /// A connection could not be taken.
    pub fn refuses(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Why nothing can be heard now; none when all is well, or nobody listens yet.
    #[must_use]
    pub fn deaf(&self, now: Timestamp) -> Option<Deaf> {
        let state = self.lock();
        let quiet = now.since(state.beat?);
        if quiet > DEAF_AFTER {
            return Some(Deaf::Stalled(quiet));
        }
        let refused = state.refused_at.is_some_and(|at| now.since(at) <= DEAF_AFTER);
        refused.then_some(Deaf::Refusing)
    }

    /// Up to when agents could not be heard: `now` while they cannot; none when they always could.
    #[must_use]
    pub fn last_deaf(&self, now: Timestamp) -> Option<Timestamp> {
        if self.deaf(now).is_some() {
            return Some(now);
        }
        let state = self.lock();
        state.came_back.max(state.refused_at)
    }

    /// For health.
    #[must_use]
    pub fn health(&self, now: Timestamp) -> HealthPart {
        let detail = match self.deaf(now) {
            Some(Deaf::Stalled(quiet)) => format!(
                "agents are not listened to for {} s: this machine is overloaded or a disk hangs; hosts' silence does not count",
                quiet.as_secs()
            ),
            Some(Deaf::Refusing) => {
                "agents' connections cannot be taken (file handles, memory?): hosts' silence does not count".to_owned()
            }
            None => "agents are listened to".to_owned(),
        };
        HealthPart {
            name: "listener".to_owned(),
            healthy: self.deaf(now).is_none(),
            detail,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

    fn at(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn a_thread_that_does_not_beat_does_not_hear() {
        let ears = Ears::default();
        assert_eq!(ears.deaf(at(100)), None, "nobody listens yet");
        assert_eq!(ears.last_deaf(at(100)), None);
        ears.beat(at(0));
        assert_eq!(ears.deaf(at(2)), None);
        assert_eq!(ears.deaf(at(9)), Some(Deaf::Stalled(Duration::from_secs(9))));
        assert!(!ears.health(at(9)).healthy);
        assert_eq!(ears.last_deaf(at(9)), Some(at(9)));
        ears.beat(at(10));
        assert_eq!(ears.deaf(at(10)), None);
        assert_eq!(ears.last_deaf(at(30)), Some(at(30)));
        ears.beat(at(11));
        assert_eq!(ears.last_deaf(at(11)), Some(at(10)));
        assert!(ears.health(at(11)).healthy);
    }

    #[test]
    fn a_listener_that_refuses_does_not_hear_until_it_stops_refusing() {
        let ears = Ears::default();
        ears.beat(at(0));
        ears.refuses();
        ears.beat(at(1));
        assert_eq!(ears.deaf(at(1)), Some(Deaf::Refusing));
        (2..=4).for_each(|second| ears.beat(at(second)));
        assert_eq!(ears.deaf(at(4)), None);
    }
}
