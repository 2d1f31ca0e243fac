//! Decisions about one job come one after another, those about different jobs beside each other: what is awaited of a job is
//! read, decided upon and written again, and nobody may write it meanwhile.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};
use tocsin_vocabulary::HostId;
use tokio::sync::{Mutex as Gate, OwnedMutexGuard};

/// So many gates are kept until those that nobody uses are looked for.
const GATES_KEPT: usize = 1_024;

/// The turn of one job; the next one's comes when this is dropped. Whoever holds one waits for no other: two that waited for
/// each other's would wait for ever.
pub(super) type Turn = OwnedMutexGuard<()>;

/// Gates by host and the job's name; those that nobody holds or waits at are let go.
type Gates = HashMap<(HostId, String), Weak<Gate<()>>>;

/// A gate for each job that somebody decides about. A job is known by host and name, for one that is new has no identity yet.
#[derive(Debug, Default)]
pub(super) struct Turns {
    gates: Mutex<Gates>,
}

impl Turns {
    /// Waits until it is this job's turn.
    pub(super) async fn of(&self, host: HostId, name: &str) -> Turn {
        let gate = self.gate(host, name);
        gate.lock_owned().await
    }

    fn gate(&self, host: HostId, name: &str) -> Arc<Gate<()>> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if gates.len() >= GATES_KEPT {
            gates.retain(|_, gate| gate.strong_count() > 0);
        }
        let known = gates.entry((host, name.to_owned())).or_default();
        known.upgrade().unwrap_or_else(|| {
            let gate = Arc::default();
            *known = Arc::downgrade(&gate);
            gate
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tocsin_vocabulary::{IdSource, Timestamp};

    #[tokio::test]
    async fn one_job_waits_for_its_own_turn_and_for_no_other() {
        let turns = Turns::default();
        let host = HostId::next(&mut IdSource::new(1), Timestamp::default());
        let turn = turns.of(host, "nightly").await;
        let other = turns.of(host, "weekly").await;
        let again = turns.gate(host, "nightly");
        assert!(again.try_lock().is_err(), "somebody decides about it");
        drop((turn, other));
        assert!(again.try_lock().is_ok());
    }

    #[tokio::test]
    async fn gates_that_nobody_uses_are_not_kept() {
        let turns = Turns::default();
        let host = HostId::next(&mut IdSource::new(1), Timestamp::default());
        let held = turns.of(host, "held").await;
        for number in 0..2 * GATES_KEPT {
            drop(turns.of(host, &number.to_string()).await);
        }
        let kept = turns.gates.lock().unwrap().len();
        assert!(kept <= GATES_KEPT, "{kept}");
        assert!(turns.gate(host, "held").try_lock().is_err());
        drop(held);
    }
}
