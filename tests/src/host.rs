//! An agent process enrolled at a site.

use crate::{patience::until, program, site::Site};
use serde_json::Value;
use std::{path::PathBuf, process::Command};

/// A host of a site: its state folder, and an agent that may be killed and started again.
pub struct Host {
    folder: PathBuf,
    program: PathBuf,
    agent: Option<program::Running>,
}

impl Host {
    /// Enrols a host and starts its agent, with 1 s ticks and `more` TOML in its configuration.
    ///
    /// # Panics
    /// When it can't be enrolled.
    #[must_use]
    pub fn start(site: &Site, name: &str, more: &str) -> Self {
        let mut host = Self::prepare(site, name, more);
        host.enrol(&site.install_string()).expect("a fresh token enrols");
        host.run();
        host
    }

    /// A folder and a configuration, not enrolled yet.
    ///
    /// # Panics
    /// When files can't be written.
    #[must_use]
    pub fn prepare(site: &Site, name: &str, more: &str) -> Self {
        let folder = site.path(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        let host = Self {
            folder,
            program: program::path("tocsin-agent"),
            agent: None,
        };
        host.configure(&format!("interval = \"1s\"\n{more}"));
        host
    }

    /// The same host, its agent another build.
    #[must_use]
    pub fn with_program(self, program: PathBuf) -> Self {
        Self { program, ..self }
    }

    /// Writes its configuration, all of it.
    ///
    /// # Panics
    /// When it can't be written.
    pub fn configure(&self, text: &str) {
        std::fs::write(self.folder.join("agent.toml"), text).expect("a configuration");
    }

    fn command(&self, word: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(word).arg("--state-dir").arg(self.state_dir());
        command
    }

    /// The command that runs the agent.
    #[must_use]
    pub fn command_to_run(&self) -> Command {
        let mut command = self.command("run");
        command.arg("--config").arg(self.folder.join("agent.toml"));
        command
    }

    /// The agent's state folder.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// What `tocsin-agent status --json` says; null before there is a status.
    ///
    /// # Panics
    /// When the command can't be run.
    #[must_use]
    pub fn status(&self) -> Value {
        let output = self
            .command("status")
            .arg("--json")
            .output()
            .expect("the agent's command runs");
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    /// Waits until the agent's status says what `wanted` looks for.
    ///
    /// # Panics
    /// When it does not within a minute.
    pub async fn says<T>(&self, what: &str, wanted: impl Fn(&Value) -> Option<T>) -> T {
        until(what, async || wanted(&self.status())).await
    }

    /// Enrols with an install string on standard input.
    ///
    /// # Errors
    /// What the agent printed.
    pub fn enrol(&self, install: &str) -> Result<String, String> {
        crate::site::run(self.command("enrol").args(["--install-file", "-"]), install)
    }

    /// Starts the agent (again).
    pub fn run(&mut self) {
        let log = self.folder.join("agent.log");
        self.agent = Some(program::Running::start(&mut self.command_to_run(), &log));
    }

    /// The agent's process.
    ///
    /// # Panics
    /// When it was not started.
    pub fn agent(&mut self) -> &mut program::Running {
        self.agent.as_mut().expect("the agent was started")
    }

    /// Its id, as it was given at enrolment.
    ///
    /// # Panics
    /// When it is not enrolled.
    #[must_use]
    pub fn id(&self) -> String {
        std::fs::read_to_string(self.folder.join("state/identity/host_id"))
            .expect("an enrolled host")
            .trim()
            .to_owned()
    }

    /// Waits until the site has a tick of it; answers the host as the API shows it.
    ///
    /// # Panics
    /// When there is none within a minute.
    pub async fn is_live(&self, site: &Site) -> Value {
        let id = self.id();
        until("a host to be live", async || {
            let series = site.get(&format!("hosts/{id}/series")).await;
            let any = series["items"].as_array().is_some_and(|items| !items.is_empty());
            let host = site.get(&format!("hosts/{id}")).await;
            (any && host["state"] == "live").then_some(host)
        })
        .await
    }

    /// Waits for a tick that was taken after this call.
    ///
    /// # Panics
    /// When there is none within a minute.
    pub async fn goes_on(&self, site: &Site) {
        let before = self.ticks(site).await.last().copied();
        until("another tick", async || {
            (self.ticks(site).await.last().copied() > before).then_some(())
        })
        .await;
    }

    /// The times of its ticks that the site stores, in milliseconds: one for each point of a gauge that is in each tick.
    pub async fn ticks(&self, site: &Site) -> Vec<i64> {
        let path = format!(
            "query?host={}&metric=system.memory.utilization&from=0&to=4102444800000",
            self.id()
        );
        let answer = site.get(&path).await;
        let points = answer["series"][0]["points"].as_array().cloned().unwrap_or_default();
        points.iter().filter_map(|point| point[0].as_i64()).collect()
    }

    /// How many processes its newest tick counts in a group; none before there is such a tick.
    pub async fn counts(&self, site: &Site, group: &str) -> Option<f64> {
        let series = site.get(&format!("hosts/{}/series", self.id())).await;
        let found = series["items"].as_array()?.iter().find(|one| {
            one["name"] == "tocsin.process.group.count" && one["attributes"]["tocsin.process.group"] == group
        })?;
        found["value"].as_f64()
    }
}
