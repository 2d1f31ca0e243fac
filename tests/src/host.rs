//! An agent process enrolled at a site.

use crate::{patience::until, program, site::Site};
use serde_json::Value;
use std::{path::PathBuf, process::Command};

/// A host of a site: its state folder, and an agent that may be killed and started again.
pub struct Host {
    folder: PathBuf,
    agent: Option<program::Running>,
}

impl Host {
    /// Enrols a host and starts its agent, with 1 s ticks and `more` TOML in its configuration.
    pub async fn start(site: &Site, name: &str, more: &str) -> Self {
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
        std::fs::write(folder.join("agent.toml"), format!("interval = \"1s\"\n{more}")).expect("a configuration");
        Self { folder, agent: None }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(program::path("tocsin-agent"));
        command.arg("--config").arg(self.folder.join("agent.toml")).arg("--state-dir").arg(self.folder.join("state"));
        command
    }

    /// The command that runs the agent, for a test that wants to start it its own way.
    #[must_use]
    pub fn command_to_run(&self) -> Command {
        let mut command = self.command();
        command.arg("run");
        command
    }

    /// What `tocsin-agent status --json` says; null before there is a status.
    #[must_use]
    pub fn status(&self) -> Value {
        let output = self.command().args(["status", "--json"]).output().expect("the agent's command runs");
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    /// Enrols with an install string on standard input.
    ///
    /// # Errors
    /// What the agent printed.
    pub fn enrol(&self, install: &str) -> Result<String, String> {
        crate::site::run(self.command().args(["enrol", "-"]), install)
    }

    /// Starts the agent (again).
    pub fn run(&mut self) {
        let log = self.folder.join("agent.log");
        self.agent = Some(program::Running::start(self.command().arg("run"), &log));
    }

    /// The agent's process.
    ///
    /// # Panics
    /// When it was not started.
    pub fn agent(&mut self) -> &mut program::Running {
        self.agent.as_mut().expect("the agent was started")
    }

    /// A path in the host's folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Its id, as it was given at enrolment.
    ///
    /// # Panics
    /// When it is not enrolled.
    #[must_use]
    pub fn id(&self) -> String {
        std::fs::read_to_string(self.folder.join("state/identity/host_id")).expect("an enrolled host").trim().to_owned()
    }

    /// Waits until the site has a tick of it.
    pub async fn is_live(&self, site: &Site) -> Value {
        let id = self.id();
        until("a host to be live", async || {
            let host = site.get(&format!("hosts/{id}")).await;
            (host["state"] == "live").then_some(host)
        })
        .await
    }
}
