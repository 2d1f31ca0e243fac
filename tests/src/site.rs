//! A collector process with its folder, and a client of its API.

use crate::{patience::until, program};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// A site: a folder, and a collector that may be killed and started again.
pub struct Site {
    folder: TempDir,
    collector: Option<program::Running>,
    addresses: Value,
    token: String,
    http: Option<reqwest::Client>,
}

impl Site {
    /// Starts a collector on free ports with the built-in rules, an administrator `admin` on duty, and `more` TOML
    /// in its configuration.
    pub async fn start(more: &str) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = format!(
            "state_dir = {:?}\n{more}\n[listen]\nagents = \"127.0.0.1:0\"\nenrolment = \"127.0.0.1:0\"\nconsole = \"127.0.0.1:0\"\n",
            folder.path().join("collector")
        );
        std::fs::write(folder.path().join("collector.toml"), config).expect("the configuration can be written");
        let mut site = Self { folder, collector: None, addresses: Value::Null, token: String::new(), http: None };
        site.run().await;
        let password = "correct horse battery";
        site.cli_with_input(&["user", "add", "admin", "--role", "administrator", "--password-stdin"], password);
        site.cli(&["user", "duty", "admin", "on"]);
        site.token = site.cli(&["user", "api-token", "admin", "--role", "administrator"]);
        site
    }

    /// Starts the collector (again). After the first time it keeps its ports, as an installed one would.
    pub async fn run(&mut self) {
        let log = self.path("collector.log");
        let mut command = Command::new(program::path("tocsin-collector"));
        command.arg("--config").arg(self.path("collector.toml")).arg("run");
        self.collector = Some(program::Running::start(&mut command, &log));
        let status = until("the collector to answer on its socket", async || {
            assert!(self.collector().is_running(), "the collector ended: see its log");
            self.try_cli(&["status"], "").ok()
        })
        .await;
        let status: Value = serde_json::from_str(&status).expect("status is JSON");
        self.addresses = status["addresses"].clone();
        self.keep_ports();
        let ca = std::fs::read(self.path("collector/pki/console.pem")).expect("the console's authority");
        let ca = reqwest::Certificate::from_pem(&certificate_of(&ca)).expect("a certificate");
        let http = reqwest::Client::builder().tls_certs_only([ca]).build().expect("an HTTP client");
        self.http = Some(http);
    }

    fn keep_ports(&self) {
        let path = self.path("collector.toml");
        let mut text = std::fs::read_to_string(&path).expect("the configuration");
        for name in ["agents", "enrolment", "console"] {
            text = text.replace(&format!("{name} = \"127.0.0.1:0\""), &format!("{name} = \"{}\"", self.address(name)));
        }
        std::fs::write(path, text).expect("the configuration can be written");
    }

    /// The collector's process.
    ///
    /// # Panics
    /// When it is not running.
    pub fn collector(&mut self) -> &mut program::Running {
        self.collector.as_mut().expect("the collector was started")
    }

    /// A path in the site's folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The address of a listener: `agents`, `enrolment` or `console`.
    #[must_use]
    pub fn address(&self, listener: &str) -> String {
        self.addresses[listener].as_str().expect("a known listener").to_owned()
    }

    /// The console's URL.
    #[must_use]
    pub fn console(&self) -> String {
        format!("https://{}", self.address("console").replace("127.0.0.1", "localhost"))
    }

    /// Runs the collector's command line; answers what it printed.
    ///
    /// # Panics
    /// When it failed.
    #[must_use]
    pub fn cli(&self, arguments: &[&str]) -> String {
        self.cli_with_input(arguments, "")
    }

    /// As [`Site::cli`], with something on standard input.
    ///
    /// # Panics
    /// When it failed.
    pub fn cli_with_input(&self, arguments: &[&str], input: &str) -> String {
        self.try_cli(arguments, input).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    }

    /// As [`Site::cli`]; an error is what it printed on standard error.
    ///
    /// # Errors
    /// When the command failed.
    pub fn try_cli(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        let mut command = Command::new(program::path("tocsin-collector"));
        command.arg("--config").arg(self.path("collector.toml")).args(arguments);
        run(&mut command, input)
    }

    /// An install string for one host.
    #[must_use]
    pub fn install_string(&self) -> String {
        self.cli(&["token", "create"])
    }

    /// GET below `/api/v1/`.
    ///
    /// # Panics
    /// When the answer is not 200 with JSON.
    pub async fn get(&self, path: &str) -> Value {
        let response = self.request(reqwest::Method::GET, path).send().await.expect("the API answers");
        let status = response.status();
        let text = response.text().await.expect("a body");
        assert!(status.is_success(), "GET {path}: {status} {text}");
        serde_json::from_str(&text).expect("JSON")
    }

    /// POST JSON below `/api/v1/`; answers status and body.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let response = self.request(reqwest::Method::POST, path).json(body).send().await.expect("the API answers");
        let status = response.status().as_u16();
        let text = response.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.http().request(method, format!("{}/api/v1/{path}", self.console())).bearer_auth(&self.token)
    }

    /// An HTTP client that trusts the console.
    ///
    /// # Panics
    /// When the collector never ran.
    #[must_use]
    pub fn http(&self) -> &reqwest::Client {
        self.http.as_ref().expect("the collector was started")
    }

    /// Tickets in one of `states` (comma-separated words).
    pub async fn tickets(&self, states: &str) -> Vec<Value> {
        let list = self.get(&format!("tickets?state={states}")).await;
        list["items"].as_array().cloned().unwrap_or_default()
    }
}

/// Only the certificate of a PEM file that may hold a key too.
fn certificate_of(pem: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(pem);
    let start = text.find("-----BEGIN CERTIFICATE").expect("a certificate");
    text[start..].as_bytes().to_vec()
}

/// Runs a command to its end with something on standard input.
///
/// # Errors
/// What it printed on standard error, when it failed.
pub fn run(command: &mut Command, input: &str) -> Result<String, String> {
    use std::{io::Write as _, process::Stdio};
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

/// Whether a file holds `text`; false when there is no file.
#[must_use]
pub fn file_contains(path: &Path, text: &str) -> bool {
    std::fs::read_to_string(path).is_ok_and(|content| content.contains(text))
}
