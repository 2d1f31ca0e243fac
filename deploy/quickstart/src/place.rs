//! The folder of all data: `collector/`, `agent/`, `rules.d/`, `agent.toml`, `quickstart.log`, `access.json`.

use crate::stand_in;
use anyhow::Context as _;
use std::{
    fs::OpenOptions,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};
use tocsin_collector::{config::Config, files};
use tocsin_vocabulary::time::format_duration;

/// Where everything is, and what runs there.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The folder.
    pub(crate) dir: PathBuf,
    /// The agent's state.
    pub(crate) agent_dir: PathBuf,
    /// The collector's configuration.
    pub(crate) collector: Config,
    /// Between ticks.
    interval: Duration,
}

impl Place {
    /// Makes the folder ready. Rule files that are there stay as they are.
    pub(crate) fn prepare(dir: Option<&Path>, port: u16, interval: Duration) -> anyhow::Result<Self> {
        let dir = match dir {
            Some(dir) => dir.to_owned(),
            None => default_dir()?,
        };
        files::create_private_dir(&dir)?;
        let dir = dir
            .canonicalize()
            .with_context(|| format!("cannot use {}", dir.display()))?;
        let rules_dir = dir.join("rules.d");
        files::create_private_dir(&rules_dir)?;
        for (name, text) in tocsin_rules::RuleSet::builtin_files() {
            let path = rules_dir.join(name);
            if !path.exists() {
                files::write_private(&path, text.as_bytes())?;
            }
        }
        let agent_dir = dir.join("agent");
        let loopback = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        let collector = Config {
            agents: loopback(0),
            enrolment: loopback(0),
            console: loopback(port),
            state_dir: dir.join("collector"),
            rules_dir: Some(rules_dir),
            ..Config::default()
        };
        Ok(Self {
            dir,
            agent_dir,
            collector,
            interval,
        })
    }

    /// What the stand-in service is called here.
    pub(crate) fn stand_in(&self) -> String {
        stand_in::name(&self.dir)
    }

    /// Writes the agent's configuration and answers how the agent runs here. Ports differ from start to start.
    pub(crate) fn agent_options(&self, collector: SocketAddr) -> anyhow::Result<tocsin_agent::app::Options> {
        let file = self.dir.join("agent.toml");
        let text = format!(
            "# Written by tocsin-quickstart at each start.\ncollectors = [\"{collector}\"]\ninterval = \"{}\"\n\n\
             [[process]]\nname = \"{}\"\ncommand = \"{}\"\n",
            format_duration(self.interval),
            self.stand_in(),
            self.stand_in(),
        );
        files::write_private(&file, text.as_bytes())?;
        Ok(tocsin_agent::app::Options {
            config: tocsin_agent::config::Config::load(&file)?,
            config_file: Some(file),
            state_dir: self.agent_dir.clone(),
            root: PathBuf::from("/"),
            clock: Arc::new(tocsin_agent::clock::SystemClock),
            service: false,
            log: None,
        })
    }

    /// Logs go to a file, so that the terminal stays readable.
    pub(crate) fn init_logs(&self) -> anyhow::Result<()> {
        let path = self.dir.join("quickstart.log");
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::INFO)
            .with_ansi(false)
            .with_writer(Mutex::new(file))
            .init();
        Ok(())
    }
}

/// `$XDG_STATE_HOME/tocsin/quickstart`, or the same below `~/.local/state`.
fn default_dir() -> anyhow::Result<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let state = state.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state")));
    Ok(state
        .context("neither HOME nor XDG_STATE_HOME is set: give --data-dir")?
        .join("tocsin/quickstart"))
}
