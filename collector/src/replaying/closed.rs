//! A replay over the state of a collector that does not run.

use super::{Listener, ReplayAsk, Replayed, replay};
use crate::config::Config;
use std::{os::unix::fs::MetadataExt as _, sync::Arc};
use tocsin_console::backend::Failure;
use tocsin_ledger::Ledger;
use tocsin_metrics::{RealDisk, Store, StoreConfig};
use tocsin_vocabulary::Code;

/// Opens the state, replays, and closes it again. Both stores are locked meanwhile, so that no collector starts beside it.
///
/// # Errors
/// When there is no state, it belongs to another user, a collector runs after all, or as for `replay`.
pub async fn closed(config: &Config, ask: ReplayAsk, listener: Listener) -> Result<Replayed, Failure> {
    let metrics = config.state_dir.join("metrics");
    let there = std::fs::metadata(&metrics).map_err(|error| {
        let reason = format!(
            "no collector runs, and there is no state of one in {} ({error}): name its --state-dir or --config",
            config.state_dir.display()
        );
        Failure::new(Code::NotFound, reason)
    })?;
    // Files that another user makes there would keep the collector from starting.
    if there.uid() != rustix::process::geteuid().as_raw() {
        let reason = format!(
            "{} belongs to another user: start the collector, or run this as its owner",
            metrics.display()
        );
        return Err(Failure::new(Code::Forbidden, reason));
    }
    let unreadable = |error: &dyn std::fmt::Display| Failure::new(Code::Unavailable, error.to_string());
    let ledger = Ledger::open_as_it_is(&config.ledger_url())
        .await
        .map_err(|error| unreadable(&error))?;
    let mut store_config = StoreConfig::new(metrics);
    [
        store_config.retention,
        store_config.retention_5m,
        store_config.retention_1h,
    ] = config.retention;
    store_config.classes = config.retention_classes.kept();
    let store = tokio::task::spawn_blocking(move || Store::open(store_config, Arc::new(RealDisk::new())))
        .await
        .map_err(|error| Failure::new(Code::Internal, error.to_string()))?
        .map_err(|error| unreadable(&error))?;
    let store = Arc::new(store);
    let replayed = replay(&ledger, store.clone(), ask, listener).await;
    store.close();
    ledger.close().await;
    replayed
}
