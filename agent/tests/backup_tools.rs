//! The tools themselves under the wrapper: a good run, a warning where the tool has one, failures, a corrupt repository.
//! Without the tools the tests say that they are skipped; with `TOCSIN_REQUIRE_BACKUP_TOOLS` that is a failure.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a broken assumption is a failed test, and a skipped one says so"
)]

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

#[test]
fn restic() {
    if !has("restic") {
        return;
    }
    let mut bench = Bench::new();
    bench.set("RESTIC_PASSWORD", "x");
    bench.set("RESTIC_REPOSITORY", &bench.text("repo"));
    bench.must(&["restic", "init"]);
    let backup = ["restic", "backup", "--json", "source"];
    let good = bench.run("restic", &backup);
    assert_eq!(
        (result(&good), good["bytes"].as_u64()),
        ("ok", Some(bench.bytes())),
        "{good}"
    );
    assert_eq!(good["files"], 20);
    let plain = bench.run("restic", &["restic", "backup", "source"]);
    assert_eq!((result(&plain), &plain["files"]), ("ok", &20.into()), "{plain}");
    let none = bench.run("restic", &["restic", "backup", "--json", "nowhere"]);
    assert_eq!(result(&none), "failed");
    assert!(none["error"].as_str().unwrap().contains("do not exist"), "{none}");
    bench.set("RESTIC_PASSWORD", "wrong");
    let wrong = bench.run("restic", &backup);
    assert!(
        result(&wrong) == "failed" && wrong["error"].as_str().unwrap().contains("wrong password"),
        "{wrong}"
    );
    bench.set("RESTIC_PASSWORD", "x");
    corrupt(&bench.path("repo/data"));
    let check = bench.run("restic", &["restic", "check", "--read-data"]);
    assert_eq!(result(&check), "failed", "{check}");
    fs::remove_dir_all(bench.path("repo")).unwrap();
    assert_eq!(result(&bench.run("restic", &backup)), "failed");
}

#[test]
fn borg() {
    if !has("borg") {
        return;
    }
    let mut bench = Bench::new();
    bench.set("BORG_PASSPHRASE", "x");
    bench.set("BORG_BASE_DIR", &bench.text("home"));
    bench.must(&["borg", "init", "-e", "repokey", "repo"]);
    let good = bench.run("borg", &["borg", "create", "--json", "--log-json", "repo::a", "source"]);
    assert_eq!(
        (result(&good), good["bytes"].as_u64().is_some()),
        ("ok", true),
        "{good}"
    );
    assert_eq!((&good["files"], &good["artefact"]), (&20.into(), &"a".into()));
    let plain = bench.run("borg", &["borg", "create", "--stats", "repo::b", "source"]);
    assert_eq!((result(&plain), &plain["files"]), ("ok", &20.into()), "{plain}");
    let missing = bench.run(
        "borg",
        &["borg", "create", "--json", "--log-json", "repo::c", "source", "nowhere"],
    );
    assert_eq!(result(&missing), "warning");
    assert!(missing["error"].as_str().unwrap().contains("nowhere"), "{missing}");
    let exists = bench.run("borg", &["borg", "create", "--log-json", "repo::a", "source"]);
    assert!(
        result(&exists) == "failed" && exists["error"].as_str().unwrap().contains("AlreadyExists"),
        "{exists}"
    );
    bench.set("BORG_PASSPHRASE", "wrong");
    assert_eq!(
        result(&bench.run("borg", &["borg", "create", "repo::d", "source"])),
        "failed"
    );
    bench.set("BORG_PASSPHRASE", "x");
    corrupt(&bench.path("repo/data"));
    let check = bench.run("borg", &["borg", "check", "--log-json", "repo"]);
    assert_eq!(result(&check), "failed", "{check}");
    let gone = bench.run("borg", &["borg", "create", "--log-json", "elsewhere::a", "source"]);
    assert!(
        result(&gone) == "failed" && gone["error"].as_str().unwrap().contains("DoesNotExist"),
        "{gone}"
    );
}

#[test]
fn rsync() {
    if !has("rsync") {
        return;
    }
    let bench = Bench::new();
    let good = bench.run("rsync", &["rsync", "-a", "--stats", "source/", "copy/"]);
    assert_eq!(
        (result(&good), good["bytes"].as_u64()),
        ("ok", Some(bench.bytes())),
        "{good}"
    );
    assert_eq!(good["files"], 20);
    let none = bench.run("rsync", &["rsync", "-a", "nowhere/", "copy/"]);
    assert_eq!((result(&none), &none["exit_code"]), ("failed", &23.into()), "{none}");
    assert!(none["error"].as_str().unwrap().contains("nowhere"));
    fs::write(bench.path("full"), "a file").unwrap();
    let target = bench.run("rsync", &["rsync", "-a", "source/", "full/copy/"]);
    assert_eq!(result(&target), "failed", "{target}");
}

#[test]
fn rsnapshot() {
    if !has("rsnapshot") || !has("rsync") {
        return;
    }
    let bench = Bench::new();
    let config = |source: &str| {
        let lines = [
            "config_version\t1.2".to_owned(),
            format!("snapshot_root\t{}/", bench.text("snapshots")),
            "cmd_rsync\t/usr/bin/rsync".to_owned(),
            "retain\tdaily\t3".to_owned(),
            "verbose\t3".to_owned(),
            format!("logfile\t{}", bench.text("rsnapshot.log")),
            format!("backup\t{}/\tlocal/", bench.text(source)),
        ];
        fs::write(bench.path("rsnapshot.conf"), lines.join("\n") + "\n").unwrap();
    };
    config("source");
    let words = ["rsnapshot", "-c", "rsnapshot.conf", "daily"];
    let good = bench.run("rsnapshot", &words);
    assert_eq!(result(&good), "ok", "{good}");
    let judged = bench
        .command(AGENT)
        .args(["backup", "judge", "--adapter", "rsnapshot", "--stdout", "rsnapshot.log"])
        .output()
        .unwrap();
    let judged: Value = serde_json::from_slice(&judged.stdout).unwrap();
    assert_eq!((result(&judged), &judged["job"]), ("ok", &"daily".into()), "{judged}");
    config("nowhere");
    assert_eq!(result(&bench.run("rsnapshot", &words)), "failed");
}

#[test]
fn duplicity() {
    if !has("duplicity") {
        return;
    }
    let bench = Bench::new();
    let target = format!("file://{}", bench.text("target"));
    let words = ["duplicity", "full", "--no-encryption", "source", &target];
    let good = bench.run("duplicity", &words);
    assert_eq!(
        (result(&good), good["bytes"].as_u64().is_some()),
        ("ok", true),
        "{good}"
    );
    let none = bench.run(
        "duplicity",
        &["duplicity", "full", "--no-encryption", "nowhere", &target],
    );
    assert_eq!(result(&none), "failed", "{none}");
    assert!(none["error"].as_str().unwrap().contains("nowhere"), "{none}");
}
