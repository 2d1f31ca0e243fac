//! What is looked after all the time: sealing, retention, when hosts were last seen.

use super::Stores;
use crate::{backend::LedgerWrites, clock::Clock, live::Live, supervise::Supervisor};
use std::{sync::Arc, time::Duration};
use tocsin_vocabulary::Timestamp;
use tokio::time::MissedTickBehavior;

/// How often blocks are sealed and retention is looked after.
const MAINTAIN_PERIOD: Duration = Duration::from_secs(5);
/// How often old documents are let go.
const FORGET_PERIOD: Duration = Duration::from_secs(600);
/// How often `last seen` is written to the ledger.
const TOUCH_PERIOD: Duration = Duration::from_secs(60);

/// Retention of documents.
fn forget(supervisor: &Supervisor, stores: &Stores, clock: &Clock) {
    let (ledger, time, cancel) = (stores.ledger.clone(), clock.clone(), supervisor.cancel());
    supervisor.critical("documents", async move {
        let mut period = tokio::time::interval(FORGET_PERIOD);
        period.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = period.tick() => {}
                () = cancel.cancelled() => return,
            }
            // What one call leaves, the next one takes; a disk that refuses is told elsewhere, and tried again.
            if let Err(error) = ledger.trim_documents(time()).await {
                tracing::warn!(%error, "cannot let go of old documents");
            }
        }
    });
}

/// Sealing, retention, and when hosts were last heard; answers whether the ledger took that.
pub(super) fn look_after(supervisor: &Supervisor, stores: &Stores, live: &Arc<Live>, clock: &Clock) -> LedgerWrites {
    let (store, time, cancel) = (stores.store.clone(), clock.clone(), supervisor.cancel());
    supervisor.critical("sealing", async move {
        let mut period = tokio::time::interval(MAINTAIN_PERIOD);
        period.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = period.tick() => {}
                () = cancel.cancelled() => return,
            }
            let (store, now) = (store.clone(), time());
            match tokio::task::spawn_blocking(move || store.maintain(now)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::error!(%error, "cannot seal"),
                Err(_) => return,
            }
        }
    });
    forget(supervisor, stores, clock);
    let writes = LedgerWrites::default();
    let (ledger, live, time) = (stores.ledger.clone(), live.clone(), clock.clone());
    let (cancel, outcome) = (supervisor.cancel(), writes.clone());
    supervisor.critical("presence", async move {
        let mut period = tokio::time::interval(TOUCH_PERIOD);
        period.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = Timestamp::from_millis(0);
        while !cancel.is_cancelled() {
            // The last time at the end, so that a restart knows.
            tokio::select! {
                _ = period.tick() => {}
                () = cancel.cancelled() => {}
            }
            let (now, seen) = (time(), live.last_seen(told));
            let written = async {
                if !seen.is_empty() {
                    ledger.touch_hosts(&seen).await?;
                }
                // After what was heard until then, so that nobody's silence is counted too long.
                ledger.watched(now).await
            };
            match written.await {
                Ok(()) => {
                    told = now.minus(Duration::from_millis(1));
                    outcome.well();
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot note when hosts were last heard");
                    outcome.failed(&error);
                }
            }
        }
    });
    writes
}
