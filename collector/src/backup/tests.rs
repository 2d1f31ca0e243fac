//! Backup and restore within one process: what stays, what is refused, what is cleaned up.

use super::{Keeper, Listener, Sources, check_backup, check_closed, restore, write_closed};
use crate::{config::Config, pki::Authority};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use tocsin_desk::record::{AuditLine, Slice};
use tocsin_ledger::Ledger;
use tocsin_metrics::{RealDisk, Store, StoreConfig};
use tocsin_vocabulary::{Code, Timestamp};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const NOW: Timestamp = Timestamp::from_millis(1_795_305_600_000);

struct Site {
    folder: tempfile::TempDir,
    config: Config,
}

impl Site {
    /// A state folder with everything in it, a configuration and a rule.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        fs::create_dir_all(folder.path().join("rules.d")).unwrap();
        fs::write(folder.path().join("rules.d/own.toml"), "# none\n").unwrap();
        let file = folder.path().join("collector.toml");
        let text = format!(
            "state_dir = {state:?}\nrules_dir = {:?}\n",
            folder.path().join("rules.d")
        );
        fs::write(&file, text).unwrap();
        let site = Self {
            config: Config::load(&file).unwrap(),
            folder,
        };
        let (ledger, store) = site.open().await;
        Authority::open(&state.join("pki"), "agents", "Tocsin agents", NOW).unwrap();
        let line = AuditLine {
            at: NOW,
            actor: "admin".to_owned(),
            via: "console".to_owned(),
            action: "person.create".to_owned(),
            subject: "wang".to_owned(),
            detail: String::new(),
        };
        ledger.audit(line).await.unwrap();
        store.close();
        ledger.close().await;
        site
    }

    async fn open(&self) -> (Ledger, Store) {
        let state = &self.config.state_dir;
        crate::files::create_private_dir(state).unwrap();
        let ledger = Ledger::open(&self.config.ledger_url(), NOW).await.unwrap();
        let store = Store::open(StoreConfig::new(state.join("metrics")), Arc::new(RealDisk::new())).unwrap();
        (ledger, store)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn elsewhere(&self, name: &str) -> Config {
        Config {
            state_dir: self.path(name),
            ..self.config.clone()
        }
    }

    async fn back_up(&self) -> PathBuf {
        let dir = self.path("backup");
        write_closed(&self.config, &dir, NOW, Listener::nobody()).await.unwrap();
        dir
    }
}

fn is_empty(dir: &Path) -> bool {
    fs::read_dir(dir).unwrap().next().is_none()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_restored_is_what_was_there_and_says_that_it_was_restored() {
    let site = Site::new().await;
    let dir = site.back_up().await;
    let elsewhere = site.elsewhere("elsewhere");
    let said = restore(&elsewhere, &dir, NOW, Listener::nobody()).await.unwrap();
    assert!(said.contains("config"), "{said}");
    for name in ["pki/agents.pem", "metrics/FORMAT", "metrics/dictionaries.log"] {
        let read = |state: &Path| fs::read(state.join(name)).unwrap();
        assert_eq!(read(&site.config.state_dir), read(&elsewhere.state_dir), "{name}");
    }
    assert!(!elsewhere.state_dir.join("restoring").exists());
    let ledger = Ledger::open(&elsewhere.ledger_url(), NOW).await.unwrap();
    let slice = Slice {
        limit: 10,
        ..Slice::default()
    };
    let lines = ledger.audit_lines(&slice).await.unwrap().items;
    let actions: Vec<&str> = lines.iter().map(|line| line.action.as_str()).collect();
    assert_eq!(actions, ["backup.restore", "person.create"]);
    ledger.close().await;
    drop(ledger);
    assert!(check_closed(&elsewhere, Listener::nobody()).await.unwrap().is_whole());
    let (manifest, findings) = check_backup(dir, Listener::nobody()).await.unwrap();
    assert!(findings.is_whole() && findings.audit_lines == Some(1), "{findings:?}");
    let has = |path: &str| manifest.entries.iter().any(|entry| entry.path == path);
    assert!(has("config/collector.toml") && has("config/rules.d/own.toml") && has("pki/agents.pem"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_was_interrupted_is_begun_anew_and_anything_else_is_left_alone() {
    let site = Site::new().await;
    let dir = site.back_up().await;
    let elsewhere = site.elsewhere("elsewhere");
    fs::create_dir_all(elsewhere.state_dir.join("restoring/metrics")).unwrap();
    fs::write(elsewhere.state_dir.join("restoring/metrics/half"), "of it").unwrap();
    restore(&elsewhere, &dir, NOW, Listener::nobody()).await.unwrap();
    assert!(!elsewhere.state_dir.join("metrics/half").exists());

    let full = site.elsewhere("full");
    fs::create_dir_all(&full.state_dir).unwrap();
    fs::write(full.state_dir.join("letter"), "dear").unwrap();
    let refused = restore(&full, &dir, NOW, Listener::nobody()).await.unwrap_err();
    assert_eq!(refused.code, Code::Conflict);
    assert_eq!(fs::read(full.state_dir.join("letter")).unwrap(), b"dear");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_ledger_key_or_manifest_is_found_and_nothing_is_restored() {
    let site = Site::new().await;
    let dir = site.back_up().await;
    for name in [
        "ledger.db",
        "pki/agents.pem",
        "metrics/MANIFEST",
        "config/collector.toml",
    ] {
        let whole = fs::read(dir.join(name)).unwrap();
        let mut bytes = whole.clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
        fs::write(dir.join(name), bytes).unwrap();
        let (_, findings) = check_backup(dir.clone(), Listener::nobody()).await.unwrap();
        let told = findings.damages.join("\n");
        assert!(told.contains(name), "{name}: {told}");
        let elsewhere = site.elsewhere("elsewhere");
        let refused = restore(&elsewhere, &dir, NOW, Listener::nobody()).await.unwrap_err();
        assert_eq!(refused.code, Code::FailedPrecondition);
        assert!(is_empty(&elsewhere.state_dir));
        fs::write(dir.join(name), whole).unwrap();
    }
    fs::remove_file(dir.join("ledger.db")).unwrap();
    let (_, findings) = check_backup(dir, Listener::nobody()).await.unwrap();
    assert!(!findings.is_whole());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_nobody_waits_for_leaves_an_empty_folder_and_one_runs_at_a_time() {
    let site = Site::new().await;
    let (ledger, store) = site.open().await;
    let keeper = Keeper {
        ledger: Arc::new(ledger),
        store: Arc::new(store),
        sources: Sources::of(&site.config),
        clock: Arc::new(|| NOW),
        cancel: CancellationToken::new(),
        busy: Arc::default(),
    };
    let dir = site.path("live");
    let (sender, receiver) = mpsc::channel(1);
    drop(receiver);
    assert!(keeper.back_up(dir.clone(), Listener::over(sender)).await.is_err());
    assert!(is_empty(&dir));

    let turn = keeper.busy.clone().try_lock_owned().unwrap();
    let refused = keeper.back_up(dir.clone(), Listener::nobody()).await.unwrap_err();
    assert_eq!(refused.code, Code::Conflict);
    drop(turn);
    let inside = site.config.state_dir.join("metrics/backup");
    let refused = keeper.back_up(inside, Listener::nobody()).await.unwrap_err();
    assert_eq!(refused.code, Code::InvalidInput);
    let written = keeper.back_up(dir.clone(), Listener::nobody()).await.unwrap();
    assert_eq!(written.linked_files, written.files);
    assert!(keeper.check(Listener::nobody()).await.unwrap().is_whole());
    // The state is in use: neither of the commands that work without a collector touches it.
    assert!(
        write_closed(&site.config, &site.path("b"), NOW, Listener::nobody())
            .await
            .is_err()
    );
    assert!(check_closed(&site.config, Listener::nobody()).await.is_err());
}
