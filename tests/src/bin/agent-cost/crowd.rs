//! An agent on a host with very much of everything: a made tree of processes, mounts and disks is sampled, for no machine
//! at hand has as many.

use super::cpu_time;
use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};
use tocsin_tests::program;

/// Ticks before counting.
const SETTLE_TICKS: u64 = 1;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Processes of the made host
    #[arg(long, default_value_t = 50_000)]
    processes: u32,
    /// Its mounted file systems
    #[arg(long, default_value_t = 10_000)]
    mounts: u32,
    /// Its disks
    #[arg(long, default_value_t = 500)]
    disks: u32,
    /// Seconds between ticks
    #[arg(long, default_value_t = 10)]
    interval: u64,
    /// Ticks to measure over
    #[arg(long, default_value_t = 18)]
    ticks: u64,
    /// Agent to measure, if not the one built beside this program
    #[arg(long)]
    agent: Option<PathBuf>,
}

pub(super) fn measure(options: &Options) {
    let folder = tempfile::tempdir().expect("a folder");
    make(folder.path(), options);
    let agent = options.agent.clone().unwrap_or_else(|| program::path("tocsin-agent"));
    let mut child = Command::new(agent)
        .args(["sample", "--format", "json", "--count", "0", "--interval"])
        .arg(format!("{}s", options.interval))
        .arg("--root")
        .arg(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the agent's command runs");
    let pid = child.id();
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).split(b'\n');
    let (mut before, mut most, mut values) = (Duration::ZERO, 0, 0);
    for tick in 0..SETTLE_TICKS + options.ticks {
        let line = lines.next().expect("a tick").expect("a line");
        values = line.windows(8).filter(|piece| piece == b"\"value\":").count();
        most = most.max(program::resident_bytes(pid));
        if tick + 1 == SETTLE_TICKS {
            before = cpu_time(pid);
        }
    }
    let spent = cpu_time(pid).saturating_sub(before).as_secs_f64();
    let _ = child.kill();
    let _ = child.wait();
    #[allow(clippy::cast_precision_loss, reason = "small counts")]
    let (ticks, seconds) = (options.ticks as f64, (options.ticks * options.interval) as f64);
    println!(
        "{} processes, {} mounts, {} disks, a tick every {} s, {values} values with their printing",
        options.processes, options.mounts, options.disks, options.interval
    );
    println!(
        "CPU {:.1} ms per tick, {:.2} % of a core",
        spent * 1e3 / ticks,
        spent * 100.0 / seconds
    );
    println!("RSS {} KiB at most", most / 1024);
}

/// Makes the tree, as the kernel prints such files (proc(5)).
fn make(root: &Path, options: &Options) {
    let proc = root.join("proc");
    let write = |path: PathBuf, text: &str| {
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    };
    write(
        proc.join("stat"),
        "cpu  100 0 100 1000 0 0 0 0 0 0\ncpu0 100 0 100 1000 0 0 0 0 0 0\nbtime 1790000000\n",
    );
    write(proc.join("uptime"), "100000.00 90000.00\n");
    write(
        proc.join("meminfo"),
        "MemTotal: 1000000 kB\nMemFree: 500000 kB\nMemAvailable: 600000 kB\n",
    );
    for pid in 1..=options.processes {
        let stat = format!(
            "{pid} (worker-{}) S 1 {pid} {pid} 0 -1 4194560 100 0 0 0 {} 5 0 0 20 0 1 0 {pid} 10000000 500 \
             18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
            pid % 100,
            pid % 1_000
        );
        write(proc.join(pid.to_string()).join("stat"), &stat);
    }
    let (mut mounts, mut disks) = (String::new(), String::new());
    for mount in 0..options.mounts {
        let _ = writeln!(
            mounts,
            "{} 1 {}:{} / /data/{mount} rw,relatime shared:1 - ext4 /dev/sd{mount} rw",
            mount + 20,
            8 + mount / 256,
            mount % 256
        );
    }
    for disk in 0..options.disks {
        let name = format!("sd{disk}");
        let _ = writeln!(
            disks,
            "{} {} {name} 1000 0 8000 100 2000 0 16000 200 0 300 300",
            8 + disk / 16,
            disk % 16
        );
        write(root.join("sys/block").join(&name).join("size"), "1000000\n");
        write(root.join("sys/block").join(&name).join("device/state"), "running\n");
    }
    write(proc.join("1/mountinfo"), &mounts);
    write(proc.join("self/mountinfo"), &mounts);
    write(proc.join("diskstats"), &disks);
}
