//! The one thread that serves the connections of agents.
//!
//! A tick is one small message, and most of what it would cost is waking threads for it. So all connections of agents,
//! their streams and their acknowledgements are served by one thread, which wakes nobody on the way from socket to
//! journal and back. What else the collector does — handshakes, ledger, rules, console — goes on beside it, on the
//! runtime that all others share.
//!
//! Where wakes follow each other closely the thread lets more gather for [`GATHER`] before it looks again, so that many
//! ticks and acknowledgements are one wake. A tick that comes alone does not wait, nor does what was synced.

use std::{
    future::Future,
    io,
    panic::resume_unwind,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{runtime, sync::oneshot, time::Instant};

/// Least time between two looks at all sockets while there is much to do: a tick waits no longer for others, be it for the
/// rules or for the journal, which gathers twice as long. A thousand ticks a second are eight to a wake then. Three times as
/// long costs a tenth less CPU and makes every alert so much later, which is not worth it.
const GATHER: Duration = Duration::from_millis(8);
/// So many waits in a row that were shorter than [`GATHER`] are much to do. A tick and its acknowledgement are two wakes.
const SHORT_WAITS: u32 = 3;

/// At what pace the thread looks at its sockets.
struct Pace {
    begun: Instant,
    /// When it last began to wait, and when it last ended, in microseconds since it began.
    parked: AtomicU64,
    woken: AtomicU64,
    /// Short waits in a row.
    short: AtomicU32,
}

impl Pace {
    fn new() -> Self {
        Self {
            begun: Instant::now(),
            parked: AtomicU64::new(0),
            woken: AtomicU64::new(0),
            short: AtomicU32::new(0),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// How long to let more gather, now that all is done.
    fn rest(&self, now: u64) -> Duration {
        if self.short.load(Ordering::Relaxed) < SHORT_WAITS {
            return Duration::ZERO;
        }
        let since = now.saturating_sub(self.woken.load(Ordering::Relaxed));
        GATHER.saturating_sub(Duration::from_micros(since))
    }

    /// A wait begins.
    fn parks(&self, now: u64) {
        self.parked.store(now, Ordering::Relaxed);
    }

    /// A wait ends.
    fn wakes(&self, now: u64) {
        let waited = now.saturating_sub(self.parked.load(Ordering::Relaxed));
        if Duration::from_micros(waited) < GATHER {
            self.short.fetch_add(1, Ordering::Relaxed);
        } else {
            self.short.store(0, Ordering::Relaxed);
        }
        self.woken.store(now, Ordering::Relaxed);
    }
}

/// Runs `work` on a thread of its own; the answer ends when it does, also by a panic.
///
/// # Errors
/// When the operating system gives no thread, or nothing to watch sockets with.
pub(crate) fn run<F, W>(name: &'static str, work: F) -> io::Result<impl Future<Output = ()> + Send + use<F, W>>
where
    F: FnOnce() -> W + Send + 'static,
    W: Future<Output = ()>,
{
    let pace = Arc::new(Pace::new());
    let resting = pace.clone();
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_park(move || {
            let rest = resting.rest(resting.now());
            if !rest.is_zero() {
                // Ended early by the bell: what is synced is acknowledged at once.
                std::thread::park_timeout(rest);
            }
            resting.parks(resting.now());
        })
        .on_thread_unpark(move || pace.wakes(pace.now()))
        .build()?;
    let (ends, ended) = oneshot::channel::<()>();
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _ends = ends;
        runtime.block_on(work());
        // What is still open was asked to end before.
        runtime.shutdown_background();
    })?;
    Ok(async move {
        // Nothing is sent: it is dropped with the thread.
        let _ = ended.await;
    })
}

/// Does `work` on the runtime of `home` and waits for it: the ledger's connections belong there.
pub(super) async fn at_home<T: Send + 'static>(
    home: &runtime::Handle,
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    match home.spawn(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // That runtime is going, and this thread with it.
            Err(_) => std::future::pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_gathers_only_while_wakes_follow_each_other_closely() {
        let pace = Pace::new();
        let wait = |from, until| {
            pace.parks(from);
            pace.wakes(until);
        };
        // Every 40 ms a tick, and 3 ms later its acknowledgement.
        for tick in 0..5 {
            wait(tick * 40_000, tick * 40_000 + 37_000);
            assert_eq!(pace.rest(tick * 40_000 + 37_100), Duration::ZERO);
            wait(tick * 40_000 + 37_000, tick * 40_000 + 40_000);
            assert_eq!(pace.rest(tick * 40_000 + 40_000), Duration::ZERO);
        }
        for at in (200_000..210_000).step_by(1_000) {
            wait(at, at + 900);
        }
        assert_eq!(pace.rest(209_900), GATHER);
        assert_eq!(pace.rest(213_900), GATHER / 2);
        assert_eq!(pace.rest(217_900), Duration::ZERO);
        wait(218_000, 228_000);
        assert_eq!(pace.rest(228_100), Duration::ZERO);
    }

    #[tokio::test]
    async fn whoever_waits_for_the_thread_hears_of_its_panic() {
        run("brittle", || async { panic!("on purpose") }).unwrap().await;
    }

    #[test]
    fn work_is_done_elsewhere_and_answered_here() {
        let elsewhere = runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let home = elsewhere.handle().clone();
        let here = std::thread::current().id();
        let (sender, receiver) = std::sync::mpsc::channel();
        let ended = run("tests", move || async move {
            let there = at_home(&home, async { std::thread::current().id() }).await;
            sender
                .send(there != here && there != std::thread::current().id())
                .unwrap();
        });
        elsewhere.block_on(ended.unwrap());
        assert!(receiver.recv().unwrap());
    }
}
