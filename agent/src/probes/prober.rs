//! Asks each probe at its own pace, few at the same time.

use super::{ASKED_AT_ONCE_MAX, Board, Probe, asking::Asking};
use crate::{clock::SharedClock, config::Config};
use std::sync::Arc;
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;

/// The task of all probes.
pub(crate) struct Prober {
    /// Changes as the file changes.
    pub(crate) configs: watch::Receiver<Config>,
    /// Where answers go.
    pub(crate) board: Arc<Board>,
    /// Measures how long answers take.
    pub(crate) clock: SharedClock,
}

impl Prober {
    /// Asks until `stop`. Another configuration of other probes begins anew: authorities of the system are read again.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut probes: Vec<Arc<Probe>> = Vec::new();
        let mut tasks = JoinSet::new();
        loop {
            let wanted = self.configs.borrow_and_update().probes.clone();
            if !wanted.iter().eq(probes.iter().map(Arc::as_ref)) {
                probes = wanted.into_iter().map(Arc::new).collect();
                tasks.shutdown().await;
                self.board.set(&probes);
                self.start(&probes, &mut tasks);
            }
            tokio::select! {
                () = stop.cancelled() => return,
                changed = self.configs.changed() => if changed.is_err() { return stop.cancelled().await },
            }
        }
    }

    fn start(&self, probes: &[Arc<Probe>], tasks: &mut JoinSet<()>) {
        let asking = Arc::new(Asking::new(Arc::clone(&self.clock)));
        let turns = Arc::new(Semaphore::new(ASKED_AT_ONCE_MAX));
        for probe in probes {
            let (asking, turns) = (Arc::clone(&asking), Arc::clone(&turns));
            tasks.spawn(repeat(Arc::clone(probe), asking, turns, Arc::clone(&self.board)));
        }
    }
}

/// Asks one probe again and again, at once at first.
async fn repeat(probe: Arc<Probe>, asking: Arc<Asking>, turns: Arc<Semaphore>, board: Arc<Board>) {
    let mut pace = tokio::time::interval(probe.every);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        pace.tick().await;
        let Ok(_turn) = turns.acquire().await else { return };
        board.put(&probe, asking.ask(&probe).await);
    }
}
