//! A watched tree, through a real kernel's notifications.

use super::{FilesConfig, Watch, run};
use crate::{
    clock::SystemClock,
    config::Config,
    documents::{self, DocumentsHandle, Store},
    spool::{Spool, worker::SpoolHandle},
};
use std::{fs, path::Path, sync::Arc, time::Duration};
use tocsin_vocabulary::{IdSource, SpoolId, Timestamp};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

struct World {
    host: tempfile::TempDir,
    _state: tempfile::TempDir,
    documents: DocumentsHandle,
    spool: SpoolHandle,
    stop: CancellationToken,
    _config: watch::Sender<Config>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn world(prepare: impl FnOnce(&Path)) -> World {
    let (host, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::create_dir_all(host.path().join("etc/app")).unwrap();
    prepare(&host.path().join("etc/app"));
    let clock = Arc::new(SystemClock);
    let id = SpoolId::next(&mut IdSource::new(1), NOW);
    let spool = Spool::open(&state.path().join("spool"), 64 << 20, id, NOW).unwrap();
    let spool = crate::spool::worker::start(spool, clock.clone()).unwrap();
    let store = Store::open(&state.path().join("documents"), None).unwrap();
    let documents = documents::worker::start(store, spool.clone(), clock.clone()).unwrap();
    let files = FilesConfig {
        default: false,
        paths: vec!["/etc/app/**/*.conf".to_owned()],
        ..FilesConfig::default()
    };
    let (sender, config) = watch::channel(Config {
        files,
        ..Config::default()
    });
    let stop = CancellationToken::new();
    let watch = Watch {
        config,
        root: host.path().to_owned(),
        documents: documents.clone(),
        spool: spool.clone(),
        clock,
    };
    tokio::spawn(run(watch, stop.clone()));
    World {
        host,
        _state: state,
        documents,
        spool,
        stop,
        _config: sender,
    }
}

impl World {
    fn file(&self, name: &str) -> std::path::PathBuf {
        self.host.path().join("etc/app").join(name)
    }

    /// The texts of a file's versions, once there are so many.
    async fn versions(&self, name: &str, count: usize) -> Vec<String> {
        let name = format!("/etc/app/{name}");
        let mut view = self.documents.view();
        let come = async {
            loop {
                let hashes: Vec<String> = view
                    .borrow_and_update()
                    .versions
                    .iter()
                    .filter(|version| version.name == name)
                    .map(|version| version.hash.clone())
                    .collect();
                if hashes.len() >= count {
                    return hashes;
                }
                view.changed().await.unwrap();
            }
        };
        let hashes = tokio::time::timeout(Duration::from_secs(60), come).await.unwrap();
        let mut texts = Vec::new();
        for hash in hashes {
            let content = self.documents.read(hash).await.unwrap().unwrap();
            texts.push(String::from_utf8(content).unwrap());
        }
        texts
    }
}

#[tokio::test]
async fn a_file_that_is_replaced_by_renaming_gets_a_version_without_its_secret() {
    let world = world(|folder| fs::write(folder.join("a.conf"), "port = 1\npassword = one\n").unwrap());
    assert_eq!(world.versions("a.conf", 1).await, ["port = 1\npassword = ********\n"]);
    fs::write(world.file("a.conf.new"), "port = 2\npassword = two\n").unwrap();
    fs::rename(world.file("a.conf.new"), world.file("a.conf")).unwrap();
    assert_eq!(world.versions("a.conf", 2).await[1], "port = 2\npassword = ********\n");
    let events = loop {
        let events = world.spool.events_after(0, 10).await.unwrap();
        if !events.is_empty() {
            break events;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(events[0].name, "file.changed");
    assert_eq!(events[0].attributes["path"], "/etc/app/a.conf");
    assert_eq!(events[0].attributes["change"], "changed");
}

#[tokio::test]
async fn a_file_in_a_folder_that_comes_later_is_found_and_told_when_it_goes() {
    let world = world(|folder| fs::write(folder.join("a.conf"), "x").unwrap());
    world.versions("a.conf", 1).await;
    fs::create_dir(world.file("new")).unwrap();
    fs::write(world.file("new/b.conf"), "here").unwrap();
    assert_eq!(world.versions("new/b.conf", 1).await, ["here"]);
    fs::remove_dir_all(world.file("new")).unwrap();
    assert_eq!(world.versions("new/b.conf", 2).await, ["here", ""]);
}
