//! One owner for all tasks: a critical task that dies turns health red and stops the collector.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tocsin_console::backend::HealthPart;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long all tasks together may take to end after they are asked to.
const FAREWELL: Duration = Duration::from_millis(1_500);

/// Tells whether every critical task lives.
#[derive(Debug, Clone)]
pub struct Tasks {
    dead: Arc<Mutex<Vec<&'static str>>>,
}

impl Tasks {
    /// Their health as one part.
    #[must_use]
    pub fn health(&self) -> HealthPart {
        let dead = self.dead.lock().unwrap_or_else(PoisonError::into_inner);
        HealthPart {
            name: "tasks".to_owned(),
            healthy: dead.is_empty(),
            detail: if dead.is_empty() {
                "all running".to_owned()
            } else {
                format!("ended: {}", dead.join(", "))
            },
        }
    }
}

/// Owns the tasks.
#[derive(Debug)]
pub struct Supervisor {
    cancel: CancellationToken,
    tasks: Mutex<Vec<(&'static str, JoinHandle<()>)>>,
    dead: Arc<Mutex<Vec<&'static str>>>,
}

impl Supervisor {
    /// Tasks end when `cancel` is cancelled; the supervisor cancels it when a critical task dies.
    #[must_use]
    pub fn new(cancel: CancellationToken) -> Self {
        Self {
            cancel,
            tasks: Mutex::default(),
            dead: Arc::default(),
        }
    }

    /// Cancelled when everything must end.
    #[must_use]
    pub fn cancel(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// Runs a task without which the collector can't keep its promises. It may end only after cancellation.
    pub fn critical(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let cancel = self.cancel.clone();
        let dead = self.dead.clone();
        let handle = tokio::spawn(async move {
            let ended = tokio::spawn(task).await;
            if !cancel.is_cancelled() {
                let panicked = ended.is_err();
                tracing::error!(task = name, panicked, "a critical task ended; stopping");
                dead.lock().unwrap_or_else(PoisonError::into_inner).push(name);
                cancel.cancel();
            }
        });
        self.tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((name, handle));
    }

    /// What tells whether every critical task lives.
    #[must_use]
    pub fn tasks(&self) -> Tasks {
        Tasks {
            dead: self.dead.clone(),
        }
    }

    /// Waits for all tasks after cancellation; answers those that died before, or did not end in time.
    pub async fn farewell(&self) -> Vec<&'static str> {
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        let mut late: Vec<&'static str> = self.dead.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let together = tokio::time::sleep(FAREWELL);
        tokio::pin!(together);
        for (name, mut handle) in tasks {
            tokio::select! {
                biased;
                _ = &mut handle => {}
                () = &mut together => {
                    tracing::warn!(task = name, "did not end in time");
                    late.push(name);
                }
            }
        }
        late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_critical_task_that_dies_stops_everything_and_shows() {
        let supervisor = Supervisor::new(CancellationToken::new());
        let waits = supervisor.cancel();
        supervisor.critical("steady", async move { waits.cancelled().await });
        assert!(supervisor.tasks().health().healthy);
        supervisor.critical("brittle", async {});
        supervisor.cancel().cancelled().await;
        assert_eq!(supervisor.farewell().await, ["brittle"]);
        assert!(!supervisor.tasks().health().healthy);
    }
}
