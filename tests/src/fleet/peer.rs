//! Another store on a free port of this machine, its data in a temporary folder.

use super::usage;
use crate::{patience::until, program::Running};
use std::{path::PathBuf, process::Command, time::Duration};
use tempfile::TempDir;

/// Which store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum PeerKind {
    /// Debian's victoria-metrics, a single node.
    VictoriaMetrics,
    /// Debian's prometheus with its remote-write receiver.
    Prometheus,
}

impl PeerKind {
    /// Its program, where Debian puts it.
    #[must_use]
    pub fn program(self) -> PathBuf {
        PathBuf::from(match self {
            Self::VictoriaMetrics => "/usr/bin/victoria-metrics",
            Self::Prometheus => "/usr/bin/prometheus",
        })
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::VictoriaMetrics => "VictoriaMetrics",
            Self::Prometheus => "Prometheus",
        }
    }
}

/// A running store.
pub struct Peer {
    /// Which.
    pub kind: PeerKind,
    folder: TempDir,
    process: Running,
    url: String,
    http: reqwest::Client,
    /// Resident bytes while it held nothing.
    pub empty_bytes: u64,
}

/// What a peer has on disk, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PeerDisk {
    /// Samples.
    pub data: u64,
    /// What finds them.
    pub index: u64,
    /// What was not folded into either.
    pub log: u64,
}

impl Peer {
    /// Starts the store and waits until it answers.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(kind: PeerKind) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().expect("a folder");
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let mut command = Command::new(kind.program());
        let data = folder.path().join("data");
        match kind {
            PeerKind::VictoriaMetrics => command
                .arg(format!("-storageDataPath={}", data.display()))
                .arg(format!("-httpListenAddr={address}"))
                .arg("-retentionPeriod=10y"),
            PeerKind::Prometheus => {
                let config = folder.path().join("prometheus.yml");
                std::fs::write(&config, "global: {}\n").expect("a configuration");
                command
                    .arg(format!("--config.file={}", config.display()))
                    .arg(format!("--storage.tsdb.path={}", data.display()))
                    .arg(format!("--web.listen-address={address}"))
                    .args(["--web.enable-remote-write-receiver", "--web.enable-admin-api"])
            }
        };
        let process = Running::start(&mut command, &folder.path().join("peer.log"));
        let mut peer = Self {
            kind,
            folder,
            process,
            url: format!("http://{address}"),
            http: reqwest::Client::new(),
            empty_bytes: 0,
        };
        let ready = match kind {
            PeerKind::VictoriaMetrics => "health",
            PeerKind::Prometheus => "-/ready",
        };
        until("the peer to answer", async || {
            let answer = peer.http.get(format!("{}/{ready}", peer.url)).send().await;
            answer.is_ok_and(|answer| answer.status().is_success()).then_some(())
        })
        .await;
        peer.empty_bytes = crate::program::resident_bytes(peer.pid());
        peer
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// CPU time so far.
    #[must_use]
    pub fn cpu_time(&self) -> Duration {
        usage::cpu_time(self.pid())
    }

    /// Writes the body of one request.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn write(&self, body: Vec<u8>) {
        let request = self.http.post(format!("{}/api/v1/write", self.url)).body(body);
        let request = request
            .header("content-type", "application/x-protobuf")
            .header("content-encoding", "snappy")
            .header("x-prometheus-remote-write-version", "0.1.0");
        let answer = request.send().await.expect("the peer answers");
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        assert!(status.is_success(), "{}: {status} {text}", self.kind.name());
    }

    /// The body of an answer.
    ///
    /// # Panics
    /// When there is none.
    pub async fn get(&self, path: &str, parameters: &[(&str, String)]) -> Vec<u8> {
        let url = reqwest::Url::parse_with_params(&format!("{}/{path}", self.url), parameters).expect("a URL");
        let answer = self.http.get(url).send().await.expect("the peer answers");
        let status = answer.status();
        let body = answer.bytes().await.expect("a body").to_vec();
        assert!(status.is_success(), "{}: {status}", self.kind.name());
        body
    }

    /// Bytes on disk after everything was flushed and merged, or put in a block, as far as there is a command for it.
    ///
    /// # Panics
    /// When the command is refused.
    pub async fn settled_disk(&self) -> PeerDisk {
        let data = self.folder.path().join("data");
        match self.kind {
            PeerKind::VictoriaMetrics => {
                for command in ["internal/force_flush", "internal/force_merge"] {
                    let answer = self.http.get(format!("{}/{command}", self.url)).send().await;
                    assert!(answer.is_ok_and(|answer| answer.status().is_success()), "{command}");
                }
                self.stands_still(&data).await;
                PeerDisk {
                    data: usage::folder_bytes(&data.join("data")),
                    index: usage::folder_bytes(&data.join("indexdb")),
                    log: 0,
                }
            }
            PeerKind::Prometheus => {
                let snapshot = format!("{}/api/v1/admin/tsdb/snapshot", self.url);
                let answer = self.http.post(snapshot).send().await;
                assert!(answer.is_ok_and(|answer| answer.status().is_success()), "snapshot");
                let index = find_bytes(&data.join("snapshots"), "index");
                PeerDisk {
                    data: usage::folder_bytes(&data.join("snapshots")) - index,
                    index,
                    log: usage::folder_bytes(&data.join("wal")),
                }
            }
        }
    }

    /// Merging goes on in the background: waits until the folder did not change for a second.
    async fn stands_still(&self, folder: &std::path::Path) {
        let mut last = 0;
        until("the peer to have merged", async || {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let bytes = usage::folder_bytes(folder);
            (std::mem::replace(&mut last, bytes) == bytes).then_some(())
        })
        .await;
    }
}

/// Bytes of all files of this name below `folder`.
fn find_bytes(folder: &std::path::Path, name: &str) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| {
            let about = entry.metadata().ok();
            match about {
                Some(about) if about.is_dir() => find_bytes(&entry.path(), name),
                Some(about) if entry.file_name() == name => about.len(),
                _ => 0,
            }
        })
        .sum()
}
