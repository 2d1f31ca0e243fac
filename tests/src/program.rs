//! The programs as built beside the tests, started and stopped for certain.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// The path of a program of ours: beside the test, or in the folder above it (`target/PROFILE`).
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn path(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a program knows its own path");
    let found = own
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    found.unwrap_or_else(|| {
        panic!(
            "{name} is not built beside {}: run `cargo build --workspace --bins` first, as tests/run does",
            own.display()
        )
    })
}

/// Resident memory of a process, in bytes.
///
/// # Panics
/// When there is no such process.
#[must_use]
pub fn resident_bytes(pid: u32) -> u64 {
    memory_bytes(pid, "VmRSS:")
}

/// A line of `/proc/PID/status` that counts memory, in bytes.
///
/// # Panics
/// When there is no such process or line.
#[must_use]
pub fn memory_bytes(pid: u32, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
    let line = status
        .lines()
        .find_map(|found| found.strip_prefix(line))
        .expect("a process with memory");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of KiB");
    kib * 1024
}

/// Whether this runs as root, which some stories need for what they do to the system.
#[must_use]
pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Says that a story did not run, past the capture of test output: what did not run must be seen.
pub fn skipped(story: &str, why: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "SKIPPED: {story}: {why}");
}

/// A running program; killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts a program; what it prints goes to `log`.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("the log can be written");
        let errors = file.try_clone().expect("the log can be shared");
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .spawn()
            .expect("the program starts");
        Self {
            child,
            log: log.to_owned(),
        }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed, and what those printed who wrote to the same log before it.
    #[must_use]
    pub fn printed(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Kills it without a warning (SIGKILL).
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end (SIGTERM) and waits; answers whether it ended well.
    ///
    /// # Panics
    /// When it can't be signalled or does not end within a minute.
    pub async fn stop(&mut self) -> bool {
        self.signal("TERM");
        crate::patience::until("a program to end after SIGTERM", async || self.ended()).await
    }

    /// Sends a signal by its name, such as `INT`.
    ///
    /// # Panics
    /// When it can't be signalled.
    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let signalled = Command::new("kill")
            .args([&format!("-{name}"), &pid])
            .status()
            .expect("`kill` runs");
        assert!(signalled.success(), "cannot signal {pid}");
    }

    /// Whether it ended well; none while it runs.
    ///
    /// # Panics
    /// When the system does not know it.
    pub fn ended(&mut self) -> Option<bool> {
        self.child
            .try_wait()
            .expect("a child can be waited for")
            .map(|status| status.success())
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        self.ended().is_none()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let printed = self.printed();
            let tail: Vec<&str> = printed.lines().rev().take(40).collect();
            eprintln!("--- last lines of {}", self.log.display());
            tail.into_iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}
