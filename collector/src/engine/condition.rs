//! How the engine is doing, for health: told by the engine, read by anybody.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tocsin_console::backend::HealthPart;

#[derive(Debug, Default)]
struct State {
    /// Why the last commit failed; none once one succeeded.
    failing: Option<String>,
    /// Changes of alerts that wait to be written.
    unwritten: usize,
    /// Changes of alerts that the ledger refuses for good, and why the last one was.
    refused: (u64, String),
}

/// The engine's condition, shared.
#[derive(Debug, Clone, Default)]
pub(super) struct Condition(Arc<Mutex<State>>);

impl Condition {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn failing(&self, reason: String, unwritten: usize) {
        let mut state = self.lock();
        state.failing = Some(reason);
        state.unwritten = unwritten;
    }

    pub(super) fn well(&self) {
        let mut state = self.lock();
        state.failing = None;
        state.unwritten = 0;
    }

    pub(super) fn refused(&self, changes: usize, reason: String) {
        let mut state = self.lock();
        state.refused.0 += changes as u64;
        state.refused.1 = reason;
    }

    pub(super) fn health(&self) -> HealthPart {
        let state = self.lock();
        let (refused, why) = &state.refused;
        let detail = match &state.failing {
            Some(reason) => format!(
                "tickets and pages cannot be written, trying again: {reason}; {} changes of alerts wait",
                state.unwritten
            ),
            None if *refused > 0 => {
                format!("{refused} changes of alerts were refused by the ledger since the start, see the log: {why}")
            }
            None => "tickets and pages are written".to_owned(),
        };
        HealthPart {
            name: "desk".to_owned(),
            healthy: state.failing.is_none() && *refused == 0,
            detail,
        }
    }
}
