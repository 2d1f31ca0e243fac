//! The collector that a fleet connects to: a process of its own, in a folder that may be kept.

use super::rules;
use crate::{
    program::Running,
    site::{Plan, Site},
};
use serde_json::Value;
use std::path::{Path, PathBuf};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};

/// Rules that a measured collector has on.
pub const RULES: usize = 40;

/// A collector with [`RULES`] rules on, and what is kept of it between runs.
pub struct Station {
    /// The site around it.
    pub site: Site,
    state: PathBuf,
}

impl Station {
    /// Starts the collector `program`, or the one built beside this, with its state in `folder` and `more` TOML in its
    /// configuration: enrolled hosts are kept, samples of earlier runs are removed.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(folder: &Path, collector: Option<PathBuf>, more: &str) -> Self {
        // As many connections as the system lets one process have; a collector inherits it.
        raise_file_limit();
        std::fs::create_dir_all(folder).expect("a folder");
        let folder = folder.canonicalize().expect("a folder");
        let state = folder.join("collector");
        let _ = std::fs::remove_dir_all(state.join("metrics"));
        if !state.exists() {
            let _ = std::fs::remove_file(folder.join(HOSTS_FILE));
        }
        let rules = folder.join("rules.d");
        rules::write(&rules, RULES);
        let site = Site::start_as(Plan {
            more: format!("rules_dir = {rules:?}\n{more}"),
            state_dir: Some(state),
            collector,
            ..Plan::default()
        })
        .await;
        Self { site, state: folder }
    }

    /// Where credentials of its hosts are kept.
    #[must_use]
    pub fn hosts_file(&self) -> PathBuf {
        self.state.join(HOSTS_FILE)
    }

    /// Its control socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.site.path("collector.sock")
    }

    /// The process.
    pub fn process(&mut self) -> &mut Running {
        self.site.collector()
    }

    /// Bytes of its folders of samples: the journal, and everything else.
    #[must_use]
    pub fn disk_bytes(&self) -> (u64, u64) {
        let metrics = self.site.state("metrics");
        let journal = super::usage::folder_bytes(&metrics.join("journal"));
        (journal, super::usage::folder_bytes(&metrics) - journal)
    }
}

const HOSTS_FILE: &str = "hosts.jsonl";

/// Asks a collector over its control socket; answers what it says is done.
///
/// # Panics
/// When it does not answer, or refuses.
pub async fn ask(socket: &Path, ask: &Value) -> Value {
    let mut stream = UnixStream::connect(socket).await.expect("the control socket");
    stream
        .write_all(format!("{ask}\n").as_bytes())
        .await
        .expect("a request");
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("an answer");
    let mut answer: Value = serde_json::from_str(&text).expect("an answer in JSON");
    assert!(answer.get("done").is_some(), "{ask}: {answer}");
    answer["done"].take()
}

/// Raises this process's limit of open files as far as it may; children inherit it.
///
/// # Panics
/// When the system refuses that.
pub fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("a limit of open files");
}
