//! Who hears how far a long copy or check has come, and may go away.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tocsin_metrics::backup::Progress;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Less than this is done before anybody wonders; nothing is said about it.
const WORTH_TELLING_BYTES: u64 = 64 << 20;
/// Steps that are told, in percent.
const STEP_PERCENT: u64 = 5;

/// Hears lines and may go away. Clones tell the same one.
#[derive(Clone)]
pub struct Listener {
    say: Arc<dyn Fn(String) + Send + Sync>,
    gone: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

impl Listener {
    /// Hears nothing and stays.
    #[must_use]
    pub fn nobody() -> Self {
        Self::new(|_| {})
    }

    /// Hears everything and stays.
    pub fn new(say: impl Fn(String) + Send + Sync + 'static) -> Self {
        Self {
            say: Arc::new(say),
            gone: Arc::new(|| false),
        }
    }

    /// Hears what there is room for, until the other end is dropped.
    #[must_use]
    pub fn over(sender: mpsc::Sender<String>) -> Self {
        let ears = sender.clone();
        Self {
            // A slow terminal does not slow a backup.
            say: Arc::new(move |line| drop(sender.try_send(line))),
            gone: Arc::new(move || ears.is_closed()),
        }
    }

    /// Counts as gone once `cancel` is cancelled, too.
    #[must_use]
    pub fn until(self, cancel: CancellationToken) -> Self {
        let gone = self.gone;
        Self {
            say: self.say,
            gone: Arc::new(move || gone() || cancel.is_cancelled()),
        }
    }

    /// Whether nobody waits any more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        (self.gone)()
    }

    /// Says a line.
    pub fn say(&self, line: impl Into<String>) {
        (self.say)(line.into());
    }

    /// Tells how far `what` has come, each few percent; `false` when there is nobody to go on for.
    pub fn steps(&self, what: &'static str) -> impl Fn(Progress) -> bool + use<> {
        let listener = self.clone();
        let told = AtomicU64::new(0);
        move |progress: Progress| {
            let Progress {
                done_bytes,
                total_bytes,
            } = progress;
            let percent = done_bytes.saturating_mul(100) / total_bytes.max(1);
            let step = percent / STEP_PERCENT;
            if total_bytes >= WORTH_TELLING_BYTES && told.fetch_max(step, Ordering::Relaxed) < step {
                listener.say(format!("{what}: {percent} % of {} MiB", total_bytes >> 20));
            }
            !(listener.gone)()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_told_once_and_the_work_ends_when_nobody_listens() {
        let (sender, mut receiver) = mpsc::channel(100);
        let steps = Listener::over(sender).steps("reading");
        let total_bytes = 100 << 20;
        let at = |done_bytes| Progress {
            done_bytes,
            total_bytes,
        };
        for done in 0..=100_u64 {
            assert!(steps(at(done << 20)));
            assert!(steps(at(done << 20)));
        }
        let mut lines = Vec::new();
        while let Ok(line) = receiver.try_recv() {
            lines.push(line);
        }
        assert_eq!(lines.len(), 20);
        assert_eq!(lines[0], "reading: 5 % of 100 MiB");
        drop(receiver);
        assert!(!steps(at(0)));
    }

    #[test]
    fn a_collector_that_ends_ends_the_work() {
        let cancel = CancellationToken::new();
        let steps = Listener::nobody().until(cancel.clone()).steps("reading");
        let at = Progress {
            done_bytes: 1,
            total_bytes: 2,
        };
        assert!(steps(at));
        cancel.cancel();
        assert!(!steps(at));
    }
}
