//! Watching the configuration file: a good edit takes effect, a bad one is reported and changes nothing.
//!
//! The *directory* is watched, for editors and configuration tools replace files by renaming. Notifications only wake
//! this task up: what counts is the file's content, which is read again every thirty seconds too, for notifications are
//! lost (overflow, network file systems).

use crate::{
    config::Config,
    notices::{self, Notices},
};
use sd_notify::NotifyState;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::watch,
};
use tokio_util::sync::CancellationToken;

/// Edits come in bursts: the file is read when nothing happened for this long.
const DEBOUNCE: Duration = Duration::from_millis(200);
/// The file is read this often without any notification.
const READ_EVERY: Duration = Duration::from_secs(30);

/// The parts of the task.
pub(crate) struct Reload {
    /// `None`: the configuration is fixed.
    pub(crate) path: Option<PathBuf>,
    pub(crate) config: watch::Sender<Config>,
    /// What is wrong with the file, if anything is.
    pub(crate) problem: watch::Sender<Option<String>>,
    /// Whether the service manager is told, and `SIGHUP` is heard.
    pub(crate) systemd: bool,
}

impl Reload {
    /// Watches until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let Some(path) = self.path.clone() else {
            return stop.cancelled().await;
        };
        let mut edits = watch_file(&path);
        let mut hangup = self.systemd.then(hangup).flatten();
        let mut last = None;
        let mut every = tokio::time::interval(READ_EVERY);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = edited(&mut edits) => {
                    tokio::time::sleep(DEBOUNCE).await;
                    if let Some(edits) = &mut edits {
                        edits.get_mut().drain(drop);
                    }
                    self.read(&path, &mut last);
                }
                () = signalled(&mut hangup) => {
                    last = None;
                    self.read(&path, &mut last);
                }
                _ = every.tick() => self.read(&path, &mut last),
            }
        }
    }

    /// Reads the file; `last` is its content when it was read before.
    fn read(&self, path: &Path, last: &mut Option<Vec<u8>>) {
        let content = std::fs::read(path).unwrap_or_default();
        if last.as_ref() == Some(&content) {
            return;
        }
        *last = Some(content);
        match Config::load_or_default(path) {
            Ok(config) => {
                self.problem.send_if_modified(|problem| problem.take().is_some());
                if *self.config.borrow() == config {
                    return;
                }
                tracing::info!(path = %path.display(), "the configuration changed");
                self.tell(|| {
                    self.config.send_replace(config);
                });
            }
            Err(error) => {
                let problem = error.to_string();
                tracing::error!("the configuration stays as it was, for the file cannot be used:\n{problem}");
                self.problem.send_replace(Some(problem));
            }
        }
    }

    /// Tells the service manager around a change.
    fn tell(&self, change: impl FnOnce()) {
        if self.systemd {
            match NotifyState::monotonic_usec_now() {
                Ok(now) => drop(sd_notify::notify(&[NotifyState::Reloading, now])),
                Err(_) => drop(sd_notify::notify(&[NotifyState::Reloading])),
            }
        }
        change();
        if self.systemd {
            let _ = sd_notify::notify(&[NotifyState::Ready]);
        }
    }
}

fn watch_file(path: &Path) -> Option<AsyncFd<Notices>> {
    #[allow(
        deprecated,
        reason = "unsound only for what does not own its descriptor; the one that is not deprecated is unsafe"
    )]
    let watch = notices::of_file(path).and_then(|notices| AsyncFd::with_interest(notices, Interest::READABLE).ok());
    if watch.is_none() {
        tracing::warn!(path = %path.display(), "edits are noticed within 30 s only");
    }
    watch
}

/// Waits until something happens to the file.
async fn edited(edits: &mut Option<AsyncFd<Notices>>) {
    let Some(edits) = edits else {
        return std::future::pending().await;
    };
    while let Ok(mut ready) = edits.readable_mut().await {
        let mut concerns = false;
        ready.get_inner_mut().drain(|_| concerns = true);
        ready.clear_ready();
        if concerns {
            return;
        }
    }
    std::future::pending::<()>().await;
}

fn hangup() -> Option<tokio::signal::unix::Signal> {
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok()
}

async fn signalled(signal: &mut Option<tokio::signal::unix::Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[tokio::test]
    async fn a_bad_edit_changes_nothing_and_is_reported_until_a_good_one_comes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.toml");
        let (config, mut configs) = watch::channel(Config::default());
        let (problem, mut problems) = watch::channel(None);
        let stop = CancellationToken::new();
        let reload = Reload {
            path: Some(path.clone()),
            config,
            problem,
            systemd: false,
        };
        let task = tokio::spawn(reload.run(stop.clone()));

        let write = |text: &str| {
            fs::write(dir.path().join("new"), text).unwrap();
            fs::rename(dir.path().join("new"), &path).unwrap();
        };
        // The watch begins while the task runs: write until it is heard.
        write("interval = \"5s\"");
        configs.changed().await.unwrap();
        assert_eq!(configs.borrow_and_update().interval, Duration::from_secs(5));

        write("interval = \"soon\"");
        problems.changed().await.unwrap();
        assert!(problems.borrow_and_update().as_ref().unwrap().contains("line 1"));
        assert!(!configs.has_changed().unwrap());

        write("interval = \"7s\"");
        configs.changed().await.unwrap();
        assert_eq!(configs.borrow_and_update().interval, Duration::from_secs(7));
        assert_eq!(*problems.borrow(), None);
        stop.cancel();
        task.await.unwrap();
    }
}
