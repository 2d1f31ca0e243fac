//! The stand-in service: a process that does nothing but run, so that killing it harms nobody.

use anyhow::Context as _;
use std::{
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};
use tocsin_vocabulary::Hash;

/// How it is called in the process table: the data folder decides, so that first looks side by side count each its own,
/// and the same from start to start.
pub(crate) fn name(data_dir: &Path) -> String {
    let hash = Hash::of(data_dir.as_os_str().as_encoded_bytes()).to_string();
    format!("tocsin-stand-in-{}", &hash[..6])
}

/// The running service. It ends with this process: it reads a pipe that then closes.
pub(crate) struct StandIn {
    name: String,
    child: Child,
}

impl StandIn {
    /// Starts it under this name.
    pub(crate) fn start(name: &str) -> anyhow::Result<Self> {
        let child = Command::new("cat")
            .arg0(name)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .context("cannot start the stand-in service (`cat`)")?;
        Ok(Self {
            name: name.to_owned(),
            child,
        })
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &str {
        &self.name
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
