//! A collector process with its folder, and a client of its command line and API.

use crate::{patience::until, program};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tempfile::TempDir;

/// The administrator's password.
pub const PASSWORD: &str = "correct horse battery";

/// How to set up a site, for stories that want it other than [`Site::start`] makes it.
#[derive(Debug, Default)]
pub struct Plan {
    /// TOML for the collector's configuration, before its tables.
    pub more: String,
    /// The collector's state; none: in the site's own folder.
    pub state_dir: Option<PathBuf>,
    /// The authority of agents of another site, to be this one's too.
    pub agents_authority: Option<Vec<u8>>,
    /// Collector to run, if not the one built beside this program.
    pub collector: Option<PathBuf>,
    /// Variables in the collector's environment.
    pub environment: Vec<(String, String)>,
}

/// A site: a folder, and a collector that may be killed and started again.
pub struct Site {
    folder: TempDir,
    state_dir: PathBuf,
    program: PathBuf,
    collector: Option<program::Running>,
    addresses: Value,
    token: String,
    http: Option<reqwest::Client>,
    environment: Vec<(String, String)>,
}

impl Site {
    /// Starts a collector on free ports with the built-in rules, an administrator `admin` on duty, and `more` TOML
    /// in its configuration.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(more: &str) -> Self {
        Self::start_as(Plan {
            more: more.to_owned(),
            ..Plan::default()
        })
        .await
    }

    /// As [`Site::start`], set up as `plan` says.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_as(plan: Plan) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let state_dir = plan.state_dir.unwrap_or_else(|| folder.path().join("collector"));
        // The socket stays out of the state folder, which a story may fill up or take away.
        let config = format!(
            "state_dir = {state_dir:?}\nsocket = {:?}\n{}\n{LISTEN}",
            folder.path().join("collector.sock"),
            plan.more,
        );
        std::fs::write(folder.path().join("collector.toml"), config).expect("the configuration can be written");
        if let Some(pem) = plan.agents_authority {
            std::fs::create_dir_all(state_dir.join("pki")).expect("a folder");
            std::fs::write(state_dir.join("pki/agents.pem"), pem).expect("an authority");
        }
        let mut site = Self {
            folder,
            state_dir,
            program: plan.collector.unwrap_or_else(|| program::path("tocsin-collector")),
            collector: None,
            addresses: Value::Null,
            token: String::new(),
            http: None,
            environment: plan.environment,
        };
        let is_new = !site.state("ledger.db").exists();
        site.run().await;
        if is_new {
            site.cli_with_input(
                &["user", "add", "admin", "--role", "administrator", "--password-stdin"],
                PASSWORD,
            );
            let _ = site.cli(&["user", "duty", "admin", "on"]);
        }
        site.token = site.cli(&["user", "api-token", "admin", "--role", "administrator"]);
        site
    }

    /// Starts the collector (again) and waits until it answers. After the first time it keeps its ports, as an
    /// installed one would.
    ///
    /// # Panics
    /// When it ends instead.
    pub async fn run(&mut self) {
        self.launch();
        self.answers().await;
    }

    /// Starts the collector (again) and does not wait for it.
    pub fn launch(&mut self) {
        let log = self.path("collector.log");
        let mut command = self.command_to_run();
        command.envs(self.environment.iter().cloned());
        self.collector = Some(program::Running::start(&mut command, &log));
    }

    /// Waits until the collector that was launched answers.
    ///
    /// # Panics
    /// When it ends instead.
    pub async fn answers(&mut self) {
        let status = until("the collector to answer on its socket", async || {
            assert!(self.collector().is_running(), "the collector ended: see its log");
            self.try_cli(&["status"], "").ok()
        })
        .await;
        let status: Value = serde_json::from_str(&status).expect("status is JSON");
        self.addresses = status["addresses"].clone();
        self.keep_ports();
        let ca = reqwest::Certificate::from_pem(self.console_authority().as_bytes()).expect("a certificate");
        let http = reqwest::Client::builder()
            .tls_certs_only([ca])
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("an HTTP client");
        self.http = Some(http);
    }

    /// The command that runs the collector.
    #[must_use]
    pub fn command_to_run(&self) -> Command {
        self.command(&["run"])
    }

    fn keep_ports(&self) {
        let path = self.path("collector.toml");
        let mut text = std::fs::read_to_string(&path).expect("the configuration");
        for name in ["agents", "enrolment", "console"] {
            text = text.replace(
                &format!("{name} = \"127.0.0.1:0\""),
                &format!("{name} = \"{}\"", self.address(name)),
            );
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

    /// A path in the collector's state folder.
    #[must_use]
    pub fn state(&self, name: &str) -> PathBuf {
        self.state_dir.join(name)
    }

    /// The address of a listener: `agents`, `enrolment` or `console`.
    ///
    /// # Panics
    /// When there is no such listener.
    #[must_use]
    pub fn address(&self, listener: &str) -> String {
        self.addresses[listener].as_str().expect("a known listener").to_owned()
    }

    /// The console's URL.
    #[must_use]
    pub fn console(&self) -> String {
        format!("https://{}", self.address("console").replace("127.0.0.1", "localhost"))
    }

    /// PEM of the authority behind the console's certificate.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn console_authority(&self) -> String {
        let pem = std::fs::read_to_string(self.state("pki/console.pem")).expect("the console's authority");
        let start = pem
            .find("-----BEGIN CERTIFICATE")
            .expect("a certificate beside its key");
        pem[start..].to_owned()
    }

    /// Makes `state_dir` the collector's state folder from its next start on.
    ///
    /// # Panics
    /// When the configuration can't be written.
    pub fn move_to(&mut self, state_dir: PathBuf) {
        let path = self.path("collector.toml");
        let text = std::fs::read_to_string(&path).expect("the configuration");
        let text = text.replacen(&format!("{:?}", self.state_dir), &format!("{state_dir:?}"), 1);
        std::fs::write(path, text).expect("the configuration can be written");
        self.state_dir = state_dir;
    }

    /// Changes a part of the configuration; it holds from the collector's next start on.
    ///
    /// # Panics
    /// When it can't be read or written, or has no such part.
    pub fn change_config(&self, from: &str, to: &str) {
        let path = self.path("collector.toml");
        let text = std::fs::read_to_string(&path).expect("the configuration");
        assert!(text.contains(from), "the configuration has no `{from}`");
        std::fs::write(path, text.replacen(from, to, 1)).expect("the configuration can be written");
    }

    /// The collector's command line, to be run.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(self.path("collector.toml")).args(arguments);
        command
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
        self.try_cli(arguments, input)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    }

    /// As [`Site::cli`]; an error is what it printed on standard error.
    ///
    /// # Errors
    /// When the command failed.
    pub fn try_cli(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        run(&mut self.command(arguments), input)
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
        let (status, body) = self.try_get(path).await;
        assert_eq!(status, 200, "GET {path}: {body}");
        body
    }

    /// GET below `/api/v1/`; answers status and body.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn try_get(&self, path: &str) -> (u16, Value) {
        self.answer(self.request(reqwest::Method::GET, path)).await
    }

    /// POST JSON below `/api/v1/`; answers status and body.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.answer(self.request(reqwest::Method::POST, path).json(body)).await
    }

    /// Posts to a path of the API; the answer's status, or none when the collector did not live to answer.
    pub async fn send(&self, path: &str, body: &Value) -> Option<u16> {
        let request = self.request(reqwest::Method::POST, path).json(body);
        let answer = request.send().await.ok()?;
        Some(answer.status().as_u16())
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        let response = request.send().await.expect("the API answers");
        let status = response.status().as_u16();
        let text = response.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// The collector's own figures, as Prometheus would scrape them.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn metrics(&self) -> String {
        let request = self.http().get(format!("{}/metrics", self.console()));
        let answer = request.bearer_auth(&self.token).send().await.expect("an answer");
        answer.text().await.expect("a body")
    }

    fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.http()
            .request(method, format!("{}/api/v1/{path}", self.console()))
            .bearer_auth(&self.token)
    }

    /// An HTTP client that trusts the console and follows no redirect.
    ///
    /// # Panics
    /// When the collector never ran.
    #[must_use]
    pub fn http(&self) -> &reqwest::Client {
        self.http.as_ref().expect("the collector was started")
    }

    /// Signs the administrator in by the form; answers the session's cookie.
    ///
    /// # Panics
    /// When that is refused.
    pub async fn sign_in(&self) -> String {
        let form = format!("login=admin&password={}", PASSWORD.replace(' ', "+"));
        let request = self.http().post(format!("{}/sign-in", self.console()));
        let request = request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        let response = request.send().await.expect("the console answers");
        assert_eq!(response.status(), 303, "the password is right");
        let cookie = response
            .headers()
            .get("set-cookie")
            .and_then(|value| value.to_str().ok())
            .expect("a cookie");
        cookie.split(';').next().unwrap_or_default().to_owned()
    }

    /// A page of the console as a browser with this cookie gets it.
    ///
    /// # Panics
    /// When the answer is not 200.
    pub async fn page(&self, path: &str, cookie: &str) -> String {
        let request = self
            .http()
            .get(format!("{}{path}", self.console()))
            .header("cookie", cookie);
        let response = request.send().await.expect("the console answers");
        assert_eq!(response.status(), 200, "{path}");
        response.text().await.expect("a body")
    }

    /// Tickets in one of `states` (comma-separated words).
    pub async fn tickets(&self, states: &str) -> Vec<Value> {
        let list = self.get(&format!("tickets?state={states}")).await;
        list["items"].as_array().cloned().unwrap_or_default()
    }

    /// Waits until a ticket is in this state.
    ///
    /// # Panics
    /// When that does not happen within a minute.
    pub async fn ticket_becomes(&self, number: u64, state: &str) -> Value {
        until(&format!("ticket {number} to be {state}"), async || {
            let ticket = self.get(&format!("tickets/{number}")).await;
            (ticket["state"] == state).then_some(ticket)
        })
        .await
    }
}

/// Listeners on free ports of this machine.
pub const LISTEN: &str = "[listen]\nagents = \"127.0.0.1:0\"\nenrolment = \"127.0.0.1:0\"\nconsole = \"127.0.0.1:0\"\n";

/// A command that has not ended after this long never will.
const COMMAND_PATIENCE: Duration = Duration::from_secs(180);

/// Runs a command to its end with something on standard input.
///
/// # Errors
/// What it printed on standard error, when it failed.
///
/// # Panics
/// When it does not end within three minutes.
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
    let (sender, receiver) = std::sync::mpsc::channel();
    let pid = child.id().to_string();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = receiver.recv_timeout(COMMAND_PATIENCE) else {
        let _ = Command::new("kill").args(["-KILL", &pid]).status();
        panic!("{command:?} did not end");
    };
    let output = output.map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

/// Writes a folder of rules with `text` in it; answers the line of configuration that names it.
///
/// # Panics
/// When it can't be written.
#[must_use]
pub fn rules_dir(folder: &Path, text: &str) -> String {
    let rules = folder.join("rules.d");
    std::fs::create_dir_all(&rules).expect("a folder");
    std::fs::write(rules.join("story.toml"), text).expect("a rule");
    format!("rules_dir = {rules:?}\n")
}
