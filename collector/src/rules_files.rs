//! Rule files: read at start, read again when the folder changes. A bad edit keeps the rules that were good.

use crate::engine::{Command, EngineHandle};
use arc_swap::ArcSwap;
use notify::{RecursiveMode, Watcher as _};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tocsin_console::backend::HealthPart;
use tocsin_rules::{RuleError, RuleSet};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Editors write in several steps; this long after the last one the folder is read.
const SETTLE: Duration = Duration::from_millis(200);
/// The folder is read this often even if nothing was heard: not every file system tells.
const RESCAN: Duration = Duration::from_secs(30);

/// A larger file is not one of rules.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The folder of rules beside a running collector: where it is, and what is wrong with it now.
#[derive(Debug, Clone, Default)]
pub struct RulesFolder {
    /// None: the built-in rules are in force.
    pub path: Option<PathBuf>,
    refused: Arc<ArcSwap<Vec<String>>>,
}

impl RulesFolder {
    /// A folder whose rules are in force, or none.
    #[must_use]
    pub fn new(path: Option<PathBuf>) -> Self {
        Self {
            path,
            ..Self::default()
        }
    }

    /// Mistakes of its last change, while the rules from before it stay in force.
    #[must_use]
    pub fn refused(&self) -> Arc<Vec<String>> {
        self.refused.load_full()
    }

    fn taken(&self) {
        self.refused.store(Arc::default());
    }

    fn refuse(&self, mistakes: &str) {
        let told = mistakes.lines().map(str::to_owned).collect();
        self.refused.store(Arc::new(told));
        tracing::error!("the rules that were good stay in force; {mistakes}");
    }

    /// What System says of it. A refused change is a warning: nothing stands still because of it.
    #[must_use]
    pub fn health(&self) -> HealthPart {
        let detail = match (&self.path, self.refused().as_slice()) {
            (_, [first, further @ ..]) => {
                let count = further.len() + 1;
                format!(
                    "warning: a change was refused for {count} mistakes, the rules from before are in force; {first}"
                )
            }
            (Some(path), []) => format!("those of {} are in force", path.display()),
            (None, []) => "the built-in ones are in force".to_owned(),
        };
        HealthPart {
            name: "rules".to_owned(),
            healthy: true,
            detail,
        }
    }
}

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

/// Files that can be read, by name and text, and what is wrong with the others.
type Files = (Vec<(String, String)>, Vec<RuleError>);

fn read(folder: &Path) -> Result<Files, String> {
    let paths = toml_files(folder).map_err(|error| format!("cannot read rules {}: {error}", folder.display()))?;
    let (mut files, mut mistakes) = (Vec::new(), Vec::new());
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match read_file(&path, &name) {
            Ok(text) => files.push((name, text)),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    Ok((files, mistakes))
}

/// Looks at what can be read all the same, so that every mistake is told at once.
fn parse((files, unreadable): &Files) -> Result<RuleSet, String> {
    let parsed = RuleSet::parse(files);
    let wrong = parsed.as_ref().err().into_iter().flatten();
    let mistakes: Vec<RuleError> = unreadable.iter().chain(wrong).cloned().collect();
    match parsed {
        Ok(rules) if mistakes.is_empty() => Ok(rules),
        _ => Err(lines(&mistakes)),
    }
}

/// What is called `*.toml` in a folder and is no folder itself, in the order of names.
pub(crate) fn toml_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml") && !path.is_dir())
        .collect();
    paths.sort();
    Ok(paths)
}

/// The text of a file, called `name` in messages.
///
/// # Errors
/// When it can't be read, is no file, is larger than 1 MiB, or holds what is no text.
pub(crate) fn read_file(path: &Path, name: &str) -> Result<String, RuleError> {
    let mistake = |line: usize, message: String, hint: &str| RuleError {
        file: name.to_owned(),
        line,
        message,
        hint: hint.to_owned(),
    };
    let unreadable = |error: io::Error| {
        mistake(
            1,
            format!("cannot be read: {error}"),
            "correct its owner and mode, or remove it",
        )
    };
    let facts = std::fs::metadata(path).map_err(unreadable)?;
    if !facts.is_file() {
        return Err(mistake(1, "is no regular file".to_owned(), "remove it, or rename it"));
    }
    if facts.len() > FILE_BYTES_MAX {
        let message = format!("has {} bytes, more than 1 MiB", facts.len());
        return Err(mistake(
            1,
            message,
            "split it by subject, or remove it if it holds no rules",
        ));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        mistake(
            line,
            "holds bytes that are no UTF-8 text".to_owned(),
            "save it as UTF-8, or remove it if it holds no rules",
        )
    })
}

/// Mistakes, one a line.
pub(crate) fn lines(mistakes: &[RuleError]) -> String {
    mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Watches the folder until cancelled, sends each good change to the engine, and keeps what is wrong with a bad one.
pub async fn watch(rules: RulesFolder, engine: EngineHandle, cancel: CancellationToken) {
    let Some(folder) = rules.path.clone() else { return };
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
            Ok(read) => {
                tracing::info!(rules = read.rules().count(), "rules loaded again");
                rules.taken();
                engine.send(Command::Reload(Box::new(read))).await;
            }
            Err(mistakes) => rules.refuse(&mistakes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const BAD: &str = "[[rule]]\nname = \"a\"\nmetric = \"system.uptme\"\n";

    #[test]
    fn what_is_no_file_of_rules_is_told_with_all_other_mistakes() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("bad.toml"), BAD).unwrap();
        fs::write(at("binary.toml"), b"# good\n\xff\xfe\x00").unwrap();
        fs::write(at("long.toml"), vec![b'x'; 10_000_000]).unwrap();
        std::os::unix::fs::symlink("loop.toml", at("loop.toml")).unwrap();
        fs::create_dir(at("folder.toml")).unwrap();
        fs::write(at("notes.txt"), b"\xff").unwrap();
        let told = load(Some(folder.path())).unwrap_err();
        for part in [
            "bad.toml:3:",
            "system.uptime",
            "binary.toml:2: holds bytes that are no UTF-8 text",
            "long.toml:1: has 10000000 bytes, more than 1 MiB",
            "loop.toml:1: cannot be read",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(!told.contains("folder.toml") && !told.contains("notes.txt"), "{told}");
        for name in ["bad.toml", "binary.toml", "long.toml", "loop.toml"] {
            fs::remove_file(at(name)).unwrap();
        }
        assert_eq!(load(Some(folder.path())).unwrap().rules().count(), 0);
    }
}
