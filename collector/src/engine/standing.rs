//! Where the alerts of one rule stand, for those who ask.

use super::EngineHandle;
use tocsin_rules::{AlertState, Rule};

/// Hosts whose clear alerts are listed too; of a larger fleet only those that have stirred.
const HOSTS_MAX: usize = 500;

impl EngineHandle {
    /// The rule of this name and where its alerts stand; `None` when there is none.
    #[must_use]
    pub fn standing(&self, rule: &str) -> Option<(Rule, Vec<AlertState>)> {
        let watch = &self.watch;
        let found = watch.lock().rules.rules().get(rule)?.clone();
        let hosts = watch.hosts();
        if hosts.len() > HOSTS_MAX {
            let stirred = watch.lock().rules.snapshot();
            return Some((found, stirred.into_iter().filter(|state| state.rule == rule).collect()));
        }
        let mut states = Vec::new();
        // One host at a time: ticks wait for this lock.
        for host in hosts {
            let of_host: Vec<AlertState> = watch.lock().rules.states(host);
            states.extend(of_host.into_iter().filter(|state| state.rule == rule));
        }
        Some((found, states))
    }
}
