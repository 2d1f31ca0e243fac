//! Watching the configuration file: a good edit takes effect, a bad one is reported and changes nothing.
//!
//! The *directory* is watched, for editors and configuration tools replace files by renaming. Notifications only wake
//! this task up: what counts is the file's content, which is read again every thirty seconds too, for notifications are
//! lost (overflow, network file systems).

use crate::config::Config;
use notify::{RecursiveMode, Watcher};
use sd_notify::NotifyState;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::sync::{mpsc, watch};
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
        let (wake, mut woken) = mpsc::channel(1);
        let _watcher = watch_directory(&path, wake);
        let mut hangup = self.systemd.then(hangup).flatten();
        let mut last = None;
        let mut every = tokio::time::interval(READ_EVERY);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(()) = woken.recv() => {
                    tokio::time::sleep(DEBOUNCE).await;
                    while woken.try_recv().is_ok() {}
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

fn watch_directory(path: &Path, wake: mpsc::Sender<()>) -> Option<notify::RecommendedWatcher> {
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let name = path.file_name().map(ToOwned::to_owned);
    let heard = move |event: notify::Result<notify::Event>| {
        let concerns = event.map_or(true, |event| {
            let ours = event.paths.iter().any(|path| path.file_name() == name.as_deref());
            event.need_rescan() || event.paths.is_empty() || (ours && !event.kind.is_access())
        });
        if concerns {
            // Full means that it is awake already.
            let _ = wake.try_send(());
        }
    };
    let watcher = notify::recommended_watcher(heard).and_then(|mut watcher| {
        watcher.watch(directory, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    });
    watcher
        .inspect_err(|error| {
            tracing::warn!(directory = %directory.display(), %error, "edits are noticed within 30 s only");
        })
        .ok()
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
