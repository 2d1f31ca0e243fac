//! An agent without a collector.

use std::{
    path::{Path, PathBuf},
    process::Command,
};
use tocsin_agent::status::Status;
use tocsin_tests::{
    patience::until,
    program::{self, Running},
};

/// An agent without a collector: it samples and keeps.
pub(super) struct Agent {
    pub(super) running: Running,
    program: PathBuf,
    state: PathBuf,
}

impl Agent {
    pub(super) fn start(program: Option<&Path>, folder: &Path, config: &str) -> Self {
        let program = program.map_or_else(|| program::path("tocsin-agent"), Path::to_owned);
        let file = folder.join("agent.toml");
        std::fs::write(&file, config).expect("a configuration");
        let state = folder.join("state");
        let mut command = Command::new(&program);
        command
            .arg("run")
            .arg("--config")
            .arg(&file)
            .arg("--state-dir")
            .arg(&state);
        Self {
            running: Running::start(&mut command, &folder.join("agent.log")),
            program,
            state,
        }
    }

    pub(super) fn status(&self) -> Status {
        Status::read(&self.state).unwrap_or_default()
    }

    pub(super) async fn ticked_beyond(&self, seq: u64) -> Status {
        until("more ticks", async || {
            Some(self.status()).filter(|status| status.tick_seq >= seq)
        })
        .await
    }

    /// How many series one of its ticks has.
    pub(super) fn series(&self) -> usize {
        let output = Command::new(&self.program)
            .args(["sample", "--format", "prometheus"])
            .output()
            .expect("the agent's command runs");
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .count()
    }
}
