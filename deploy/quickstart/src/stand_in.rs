//! The stand-in service: a process that does nothing but run, so that killing it harms nobody.

use anyhow::Context as _;
use std::{
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
};

/// How it is called in the process table.
pub(crate) const NAME: &str = "tocsin-stand-in";

/// The running service. It ends with this process: it reads a pipe that then closes.
pub(crate) struct StandIn {
    child: Child,
}

impl StandIn {
    /// Starts it.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let child = Command::new("cat")
            .arg0(NAME)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .context("cannot start the stand-in service (`cat`)")?;
        Ok(Self { child })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it and takes it out of the process table.
    pub(crate) fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.stop();
    }
}
