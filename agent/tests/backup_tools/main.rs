//! The tools themselves under the wrapper: a good run, a warning where the tool has one, failures, a corrupt repository, each
//! with its times and bytes.
//! Without the tools the tests say that they are skipped; with `TOCSIN_REQUIRE_BACKUP_TOOLS` that is a failure.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a broken assumption is a failed test, and a skipped one says so"
)]

mod borg;
mod duplicity;
mod pgbackrest;
mod restic;
mod rsnapshot;
mod rsync;

use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

const AGENT: &str = env!("CARGO_BIN_EXE_tocsin-agent");

/// Whether a tool is there.
fn has(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(tool).is_file());
    assert!(
        found || std::env::var_os("TOCSIN_REQUIRE_BACKUP_TOOLS").is_none(),
        "{tool} is not installed"
    );
    if !found {
        println!("skipped: {tool} is not installed");
    }
    found
}

/// A folder with something to back up.
struct Bench {
    folder: TempDir,
    environment: Vec<(&'static str, String)>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        fs::create_dir(&source).unwrap();
        for number in 0..20_u32 {
            let text: String = (0..200)
                .map(|line| format!("{number} {line} {}\n", line * number))
                .collect();
            fs::write(source.join(format!("file{number}")), text).unwrap();
        }
        let home = folder.path().join("home").display().to_string();
        Self {
            folder,
            environment: vec![
                ("HOME", home.clone()),
                ("XDG_CACHE_HOME", home),
                ("LC_ALL", "C".to_owned()),
            ],
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Adds a file to the source that no tool can make smaller.
    fn fill(&self, name: &str, bytes: usize) {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let noise: Vec<u8> = (0..bytes)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_le_bytes()[3]
            })
            .collect();
        fs::write(self.path("source").join(name), noise).unwrap();
    }

    /// Everybody may write here, and nobody but root may read one file of the source.
    fn hide_a_file(&self) {
        let mode = |mode: &str, path: &Path| {
            let changed = Command::new("chmod").args(["-R", mode]).arg(path).status().unwrap();
            assert!(changed.success());
        };
        mode("a+rwX", self.folder.path());
        mode("000", &self.path("source/file0"));
    }

    fn bytes(&self) -> u64 {
        let files = fs::read_dir(self.path("source")).unwrap();
        files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
    }

    fn set(&mut self, key: &'static str, value: &str) {
        self.environment.retain(|(known, _)| *known != key);
        self.environment.push((key, value.to_owned()));
    }

    /// Prepares something, without the wrapper.
    fn must(&self, words: &[&str]) {
        let output = self.command(words[0]).args(&words[1..]).output().unwrap();
        assert!(
            output.status.success(),
            "{words:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.envs(self.environment.iter().map(|(key, value)| (*key, value)));
        command.current_dir(self.folder.path());
        command
    }

    /// Runs a tool under the wrapper; answers the run that was kept.
    fn run(&self, adapter: &str, words: &[&str]) -> Value {
        let state = self.path("state");
        let mut wrapper = self.command(AGENT);
        wrapper
            .args(["backup", "exec", "--job", "x", "--adapter", adapter, "--state-dir"])
            .arg(&state);
        wrapper.arg("--").args(words).output().unwrap();
        let list = Command::new(AGENT)
            .args(["backup", "runs", "--json", "--limit", "1", "--state-dir"])
            .arg(&state)
            .output()
            .unwrap();
        let list: Value = serde_json::from_slice(&list.stdout).unwrap();
        list["items"][0].clone()
    }
}

fn result(run: &Value) -> &str {
    run["result"].as_str().unwrap()
}

/// Asserts what a run was, and that its error tells why; one that is good tells nothing. Its times are those of the wrapper.
#[track_caller]
fn was(run: &Value, wanted: &str, words: &str) {
    assert_eq!(result(run), wanted, "{run:#}");
    let error = run["error"].as_str().unwrap().to_lowercase();
    assert!(error.contains(&words.to_lowercase()), "`{words}` is not in `{error}`");
    assert_eq!(wanted == "ok", error.is_empty(), "{error}");
    let time = |key: &str| {
        run[key]
            .as_str()
            .unwrap()
            .parse::<tocsin_vocabulary::Timestamp>()
            .unwrap()
    };
    let took = u128::from(run["duration_ms"].as_u64().unwrap());
    let between = time("ended_at").since(time("started_at")).as_millis();
    // Two clocks: one that may step, one that does not.
    assert!(between.abs_diff(took) < 1_000, "{took} ms, {between} ms by the wall");
}

/// A small file system in memory, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None, and said so, where this may not be mounted.
    fn mount(place: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir(&place).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size},mode=777"), "tmpfs"])
            .arg(&place)
            .stderr(std::process::Stdio::null())
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            println!("skipped: a small file system can't be mounted");
            return None;
        }
        Some(Self(place))
    }

    fn text(&self) -> String {
        self.0.display().to_string()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Waits for what another process does.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..3_000 {
        if done() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("{what} does not come");
}

/// A process that ends with the test.
struct Holder(std::process::Child);

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The words for somebody who may not read everything, as root may.
fn unprivileged<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let is_root = rustix::process::geteuid().is_root();
    let lend: &[&str] = if is_root {
        &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    } else {
        &[]
    };
    [lend, words].concat()
}

/// Changes bytes in the middle of the largest file below a folder.
fn corrupt(folder: &Path) {
    let mut largest = (0, PathBuf::new());
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let found = entry.metadata().unwrap();
            if found.is_dir() {
                folders.push(entry.path());
            } else if found.len() > largest.0 {
                largest = (found.len(), entry.path());
            }
        }
    }
    let mut bytes = fs::read(&largest.1).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].iter_mut().for_each(|byte| *byte ^= 0x55);
    Command::new("chmod").arg("u+w").arg(&largest.1).status().unwrap();
    fs::write(largest.1, bytes).unwrap();
}
