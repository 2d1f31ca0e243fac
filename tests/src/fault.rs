//! A fault made to order: a process that does nothing, the agent's setting that counts it, the rule about its death.

use crate::{
    host::Host,
    patience::until,
    phone::Phone,
    program::Running,
    site::{Site, rules_dir},
};
use std::{os::unix::process::CommandExt as _, path::Path, process::Command};
use tempfile::TempDir;

/// Starts a process that is called `name` and does nothing; what it prints goes into `folder`.
#[must_use]
pub fn stand_in(folder: &Path, name: &str) -> Running {
    let mut command = Command::new("sleep");
    Running::start(command.arg0(name).arg("3600"), &folder.join("stand-in.log"))
}

/// The agent's setting that counts the processes called `name`.
#[must_use]
pub fn group(name: &str) -> String {
    format!("[[process]]\nname = \"{name}\"\ncommand = \"{name}\"\n")
}

/// A rule by which the death of the group `name` is a fault at once.
#[must_use]
pub fn rule(name: &str) -> String {
    format!(
        "[[rule]]\nname = \"down\"\nmetric = \"tocsin.process.group.count\"\n\
         where = {{ \"tocsin.process.group\" = \"{name}\" }}\nbelow = 1\nseverity = \"major\"\naction = \"ticket\"\n\
         title.en = \"{{host}}: {{tocsin.process.group}} is not running\"\n\
         title.zh = \"{{host}}:{{tocsin.process.group}} 未运行\"\n\
         remedy.en = \"start it\"\nremedy.zh = \"启动它\"\n"
    )
}

/// A site with a phone, a live host, and a process on it whose death is a fault.
pub struct Scene {
    /// The name of the process and its group.
    pub name: String,
    /// Where pages go.
    pub phone: Phone,
    /// The collector.
    pub site: Site,
    /// The agent.
    pub host: Host,
    process: Running,
    folder: TempDir,
}

impl Scene {
    /// Sets everything up, with `more` TOML in the collector's configuration, and waits until the process is counted.
    ///
    /// # Panics
    /// When that does not happen within a minute.
    pub async fn set(name: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let phone = Phone::start(folder.path()).await;
        let name = format!("{name}-{}", std::process::id());
        let rules = rules_dir(folder.path(), &rule(&name));
        let site = Site::start(&format!("{rules}{more}{}", phone.channel())).await;
        let process = stand_in(folder.path(), &name);
        let host = Host::start(&site, "host", &group(&name));
        let scene = Self {
            name,
            phone,
            site,
            host,
            process,
            folder,
        };
        until("the process to be counted", async || {
            scene.counted().await.filter(|count| *count >= 1.0)
        })
        .await;
        scene
    }

    /// The group's count in the newest tick.
    pub async fn counted(&self) -> Option<f64> {
        self.host.counts(&self.site, &self.name).await
    }

    /// Kills the process; waits for the page of it, and answers the ticket's number and the page.
    ///
    /// # Panics
    /// When no page arrives within a minute.
    pub async fn cause(&mut self) -> (u64, serde_json::Value) {
        self.kill();
        let page = self.phone.rings_for("opened").await.page;
        (page["ticket_number"].as_u64().expect("a ticket's number"), page)
    }

    /// Kills the process.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts the process again.
    pub fn mend(&mut self) {
        self.process = stand_in(self.folder.path(), &self.name);
    }
}
