//! Rule files: read at start, read again when the folder changes. A bad edit keeps the rules that were good.

use crate::engine::{Command, EngineHandle};
use notify::{RecursiveMode, Watcher as _};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tocsin_rules::RuleSet;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Editors write in several steps; this long after the last one the folder is read.
const SETTLE: Duration = Duration::from_millis(200);
/// The folder is read this often even if nothing was heard: not every file system tells.
const RESCAN: Duration = Duration::from_secs(30);

/// Reads `*.toml` of `folder`, or answers the built-in rules when there is no folder.
///
/// # Errors
/// With all mistakes of all files, one a line.
pub fn load(folder: Option<&Path>) -> Result<RuleSet, String> {
    match folder {
        None => Ok(RuleSet::builtin()),
        Some(folder) => parse(&read(folder)?),
    }
}

fn read(folder: &Path) -> Result<Vec<(String, String)>, String> {
    let unreadable = |path: &Path, error| format!("cannot read rules {}: {error}", path.display());
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(|error| unreadable(folder, error))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Ok((name, text))
        })
        .collect()
}

fn parse(files: &[(String, String)]) -> Result<RuleSet, String> {
    RuleSet::parse(files).map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

/// Watches the folder until cancelled and sends each good change to the engine.
pub async fn watch(folder: PathBuf, engine: EngineHandle, cancel: CancellationToken) {
    let changed = Arc::new(Notify::new());
    let bell = changed.clone();
    let heard = move |event: notify::Result<notify::Event>| {
        // That a file is read is no change: reading the folder is heard here too, and would be followed by the next.
        if !event.is_ok_and(|event| event.kind.is_access()) {
            bell.notify_one();
        }
    };
    let watcher = notify::recommended_watcher(heard).and_then(|mut watcher| {
        watcher.watch(&folder, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    });
    if let Err(error) = &watcher {
        tracing::warn!(folder = %folder.display(), %error, "cannot watch the rules folder; reading it every 30 s");
    }
    let mut known = read(&folder).ok();
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            () = changed.notified() => tokio::time::sleep(SETTLE).await,
            () = tokio::time::sleep(RESCAN) => {}
        }
        let files = read(&folder);
        if files.as_ref().ok() == known.as_ref() {
            continue;
        }
        known = files.as_ref().ok().cloned();
        match files.and_then(|files| parse(&files)) {
            Ok(rules) => {
                tracing::info!(rules = rules.rules().count(), "rules loaded again");
                engine.send(Command::Reload(Box::new(rules))).await;
            }
            Err(mistakes) => tracing::error!("the rules that were good stay in force; {mistakes}"),
        }
    }
}
