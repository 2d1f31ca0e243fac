//! The stand-in service: a process that does nothing but run, so that killing it harms nobody.

use anyhow::Context as _;
use std::{
    os::unix::process::CommandExt as _,
    path::Path,
    process::{ChildStdin, Command, Stdio},
    thread::JoinHandle,
};
use tocsin_vocabulary::Hash;

/// How it is called in the process table: the data folder decides, so that first looks side by side count each its own,
/// and the same from start to start.
pub(crate) fn name(data_dir: &Path) -> String {
    let hash = Hash::of(data_dir.as_os_str().as_encoded_bytes()).to_string();
    format!("tocsin-stand-in-{}", &hash[..6])
}

/// The running service: it reads a pipe and ends when that closes, so it never outlives this process. A thread waits for
/// its end, so that whoever kills it leaves no defunct process behind.
pub(crate) struct StandIn {
    name: String,
    pid: u32,
    pipe: Option<ChildStdin>,
    waiter: Option<JoinHandle<()>>,
}

impl StandIn {
    /// Starts it under this name.
    pub(crate) fn start(name: &str) -> anyhow::Result<Self> {
        let mut child = Command::new("cat")
            .arg0(name)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .context("cannot start the stand-in service (`cat`)")?;
        let (pid, pipe) = (child.id(), child.stdin.take());
        let waiter = std::thread::spawn(move || {
            let _ = child.wait();
        });
        Ok(Self {
            name: name.to_owned(),
            pid,
            pipe,
            waiter: Some(waiter),
        })
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Ends it, and waits until it is out of the process table.
    pub(crate) fn stop(&mut self) {
        self.pipe = None;
        if let Some(waiter) = self.waiter.take() {
            let _ = waiter.join();
        }
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.stop();
    }
}
