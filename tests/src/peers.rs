//! Debian's own `prometheus`, `prometheus-alertmanager`, `prometheus-node-exporter` and `victoria-metrics`, each with a
//! folder and a free port, asked over HTTP.

use crate::{patience::until, program};
use serde_json::Value;
use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

/// Set to `1` where these programs must be there, so that their absence is a failure.
const REQUIRED: &str = "TOCSIN_REQUIRE_PEERS";

/// A program of another project on a port of its own; killed when dropped.
pub struct Peer {
    program: PathBuf,
    arguments: Vec<String>,
    folder: PathBuf,
    port: u16,
    ready: &'static str,
    running: Option<program::Running>,
    http: reqwest::Client,
}

impl Peer {
    /// A VictoriaMetrics with its data in `folder`, not running yet; none where it is not installed, which is said.
    ///
    /// # Panics
    /// When it is not installed where it is required.
    #[must_use]
    pub fn victoria_metrics(folder: &Path) -> Option<Self> {
        let program = installed("victoria-metrics")?;
        let port = free_port();
        let arguments = vec![
            format!("-storageDataPath={}", folder.join("data").display()),
            format!("-httpListenAddr=127.0.0.1:{port}"),
            "-retentionPeriod=1".to_owned(),
            // So that nothing it wrote into memory has to be waited for.
            "-search.latencyOffset=0s".to_owned(),
            "-search.disableCache".to_owned(),
        ];
        Some(Self::new(program, arguments, folder, port))
    }

    /// A Prometheus with this configuration and its data in `folder`, not running yet; none where it is not installed,
    /// which is said.
    ///
    /// # Panics
    /// When it is not installed where it is required.
    #[must_use]
    pub fn prometheus(folder: &Path, config: &str) -> Option<Self> {
        let program = installed("prometheus")?;
        std::fs::create_dir_all(folder).expect("a folder");
        std::fs::write(folder.join("prometheus.yml"), config).expect("a configuration");
        let port = free_port();
        let arguments = vec![
            format!("--config.file={}", folder.join("prometheus.yml").display()),
            format!("--storage.tsdb.path={}", folder.join("data").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
        ];
        Some(Self::new(program, arguments, folder, port))
    }

    /// A Prometheus Alertmanager with this configuration, alone, not running yet; none where it is not installed, which is
    /// said.
    ///
    /// # Panics
    /// When it is not installed where it is required.
    #[must_use]
    pub fn alertmanager(folder: &Path, config: &str) -> Option<Self> {
        let program = installed("prometheus-alertmanager")?;
        std::fs::create_dir_all(folder).expect("a folder");
        std::fs::write(folder.join("alertmanager.yml"), config).expect("a configuration");
        let port = free_port();
        let arguments = vec![
            format!("--config.file={}", folder.join("alertmanager.yml").display()),
            format!("--storage.path={}", folder.join("data").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
            "--cluster.listen-address=".to_owned(),
        ];
        Some(Self::new(program, arguments, folder, port))
    }

    /// A node_exporter, not running yet; none where it is not installed, which is said.
    ///
    /// # Panics
    /// When it is not installed where it is required.
    #[must_use]
    pub fn node_exporter(folder: &Path) -> Option<Self> {
        let program = installed("prometheus-node-exporter")?;
        let port = free_port();
        let arguments = vec![format!("--web.listen-address=127.0.0.1:{port}")];
        let ready = "/";
        Some(Self {
            ready,
            ..Self::new(program, arguments, folder, port)
        })
    }

    fn new(program: PathBuf, arguments: Vec<String>, folder: &Path, port: u16) -> Self {
        std::fs::create_dir_all(folder).expect("a folder");
        Self {
            program,
            arguments,
            folder: folder.to_owned(),
            port,
            ready: "/-/ready",
            running: None,
            http: reqwest::Client::builder().no_proxy().build().expect("an HTTP client"),
        }
    }

    /// Starts it (again) and waits until it answers.
    ///
    /// # Panics
    /// When it does not.
    pub async fn run(&mut self) {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        self.running = Some(program::Running::start(&mut command, &self.folder.join("log")));
        until("the other program to answer", async || {
            let answer = self.http.get(self.url(self.ready)).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }

    /// Asks it to end, so that it finishes what it has taken, and waits.
    ///
    /// # Panics
    /// When it is not running or does not end.
    pub async fn stop(&mut self) {
        let running = self.running.as_mut().expect("it was started");
        running.signal("INT");
        until("the other program to end", async || running.ended()).await;
    }

    /// An address of it.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// What a PromQL query of this instant answers: labels and value of each series.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn ask(&self, query: &str) -> Value {
        let answer = self.get("/api/v1/query", &[("query", query)]).await;
        let answer: Value = serde_json::from_slice(&answer.bytes().await.expect("a body")).expect("JSON");
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        answer["data"]["result"].clone()
    }

    async fn get(&self, path: &str, parameters: &[(&str, &str)]) -> reqwest::Response {
        let url = reqwest::Url::parse_with_params(&self.url(path), parameters).expect("an address");
        self.http.get(url).send().await.expect("it answers")
    }

    /// Every sample that a VictoriaMetrics holds of a selector, as (milliseconds, value), each series' after the other.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn samples(&self, selector: &str) -> Vec<(i64, f64)> {
        // Reduced memory means: raw, as they were taken.
        let parameters = [("match[]", selector), ("reduce_mem_usage", "1")];
        let answer = self.get("/api/v1/export", &parameters).await;
        let text = answer.text().await.expect("a body");
        let mut samples = Vec::new();
        for line in text.lines() {
            let series: Value = serde_json::from_str(line).expect("JSON");
            let times = series["timestamps"].as_array().expect("times");
            let values = series["values"].as_array().expect("values");
            samples.extend(
                times
                    .iter()
                    .zip(values)
                    .map(|(time, value)| (time.as_i64().unwrap_or(0), value.as_f64().unwrap_or(f64::NAN))),
            );
        }
        samples
    }
}

/// Where a program is; none when it is not, which is said.
fn installed(name: &str) -> Option<PathBuf> {
    installed_at(&format!("/usr/bin/{name}"), name, "exchange with Prometheus")
}

/// This path, when the program is there; none when it is not, which is said of the story that needs it.
pub(crate) fn installed_at(path: &str, package: &str, story: &str) -> Option<PathBuf> {
    let found = Path::new(path);
    if found.is_file() {
        return Some(found.to_owned());
    }
    let message = format!("no {path}: on Debian, apt-get install {package}");
    assert!(std::env::var(REQUIRED).as_deref() != Ok("1"), "{message}");
    program::skipped(story, &message);
    None
}

/// A port that nobody listens on now. These programs can't tell which one they chose themselves.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}
