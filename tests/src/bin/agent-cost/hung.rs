//! An agent beside file systems that never answer: they may cost a parked worker each, and nothing else.

use super::standalone::Agent;
use std::{path::PathBuf, process::Command, time::Duration};
use tocsin_tests::{hung_mount::HungMount, program};

/// How often the agent is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// By then the agent knows which mounts hang.
const SETTLE: Duration = Duration::from_secs(10);
/// Files that are open for a moment only.
const DESCRIPTORS_SLACK: usize = 4;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// File systems that never answer
    #[arg(long, default_value_t = 50)]
    mounts: usize,
    /// Seconds to measure over
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// Agent to measure, if not the one built beside this program
    #[arg(long)]
    agent: Option<PathBuf>,
}

/// Runs [`inside`] where no other program of the machine meets these mounts.
pub(super) fn measure(options: &Options) {
    let own = std::env::current_exe().expect("a program knows its own path");
    let mut command = Command::new("unshare");
    // An agent reads the mounts of process 1: that is the program itself there.
    command.args([
        "--mount",
        "--propagation",
        "private",
        "--pid",
        "--fork",
        "--mount-proc",
        "--",
    ]);
    command.arg(own);
    command.args(["hung-inside", "--mounts", &options.mounts.to_string()]);
    command.args(["--seconds", &options.seconds.to_string()]);
    if let Some(agent) = &options.agent {
        command.arg("--agent").arg(agent);
    }
    let status = command.status().expect("unshare of util-linux");
    assert!(status.success(), "ended with {status}");
}

/// What an agent has, as far as it is bounded.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    threads: usize,
    descriptors: usize,
    resident: u64,
}

impl Held {
    fn by(pid: u32) -> Self {
        let count = |folder: &str| {
            std::fs::read_dir(format!("/proc/{pid}/{folder}"))
                .expect("a running agent")
                .count()
        };
        Self {
            threads: count("task"),
            descriptors: count("fd"),
            resident: program::resident_bytes(pid),
        }
    }

    fn most(self, other: Self) -> Self {
        Self {
            threads: self.threads.max(other.threads),
            descriptors: self.descriptors.max(other.descriptors),
            resident: self.resident.max(other.resident),
        }
    }
}

pub(super) async fn inside(options: &Options) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut agent = Agent::start(options.agent.as_deref(), folder.path(), "interval = \"1s\"\n");
    agent.ticked_beyond(3).await;
    let quiet = Held::by(agent.running.pid());
    let mounts: Vec<HungMount> = (0..options.mounts)
        .map(|_| HungMount::new().expect("root and FUSE"))
        .collect();
    tokio::time::sleep(SETTLE).await;
    let before = agent.status();
    let at_first = Held::by(agent.running.pid());
    let mut most = at_first;
    let looks = Duration::from_secs(options.seconds).as_millis() / LOOK_EVERY.as_millis();
    for _ in 0..looks {
        tokio::time::sleep(LOOK_EVERY).await;
        most = most.most(Held::by(agent.running.pid()));
    }
    let after = agent.ticked_beyond(before.tick_seq + options.seconds).await;
    drop(mounts);
    agent.running.kill();
    let due = after.tick_at.since(before.tick_at).as_millis().div_ceil(1_000);
    let ticks = u128::from(after.tick_seq - before.tick_seq);
    println!(
        "{} mounts that never answer, {} s, ticks of 1 s",
        options.mounts, options.seconds
    );
    println!("ticks: {ticks} of {due} due, {} left out", after.ticks_skipped);
    println!(
        "threads: {} without, {} at first, {} at most",
        quiet.threads, at_first.threads, most.threads
    );
    println!(
        "descriptors: {} without, {} at first, {} at most",
        quiet.descriptors, at_first.descriptors, most.descriptors
    );
    println!(
        "RSS: {} KiB without, {} KiB at most",
        quiet.resident / 1024,
        most.resident / 1024
    );
    assert_eq!(after.ticks_skipped, 0, "ticks were left out");
    assert!(
        most.threads <= quiet.threads + options.mounts,
        "more than a thread for each mount"
    );
    assert!(
        most.descriptors <= at_first.descriptors + DESCRIPTORS_SLACK,
        "descriptors grow"
    );
}
