//! Ours, Debian's agents and a bare C loop beside each other on one machine, in the same minutes.

use super::{cpu_time, standalone::Agent};
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tocsin_tests::program;

/// The loop that no agent can be cheaper than.
const BARE_LOOP: &str = include_str!("bare_loop.c");
/// Rounds before counting: first frames, caches, and what is only made once.
const SETTLE_ROUNDS: u64 = 3;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Seconds between rounds
    #[arg(long, default_value_t = 10)]
    interval: u64,
    /// Rounds to measure over
    #[arg(long, default_value_t = 30)]
    rounds: u64,
    /// Processes that sleep are started until the machine has so many
    #[arg(long, default_value_t = 0)]
    processes: usize,
    /// Agent to measure, if not the one built beside this program
    #[arg(long)]
    agent: Option<PathBuf>,
}

/// One line of the table.
struct Line {
    name: &'static str,
    pid: u32,
    before: Duration,
    values: usize,
}

pub(super) async fn measure(options: &Options) {
    let folder = tempfile::tempdir().expect("a folder");
    let sleepers = Sleepers::until(options.processes);
    let config = format!("interval = \"{}s\"\n", options.interval);
    let agent = Agent::start(options.agent.as_deref(), folder.path(), &config);
    let peers = super::peers::Peer::all(folder.path(), options.interval);
    let mut lines = vec![Line {
        name: "tocsin-agent",
        pid: agent.running.pid(),
        before: Duration::ZERO,
        values: agent.series(),
    }];
    lines.extend(peers.iter().map(|peer| Line {
        name: peer.name,
        pid: peer.pid(),
        before: Duration::ZERO,
        values: 0,
    }));
    let mut rounds = tokio::time::interval(Duration::from_secs(options.interval));
    rounds.tick().await;
    for round in 0..SETTLE_ROUNDS + options.rounds {
        rounds.tick().await;
        if round == SETTLE_ROUNDS {
            lines.iter_mut().for_each(|line| line.before = group_cpu(line.pid));
        }
        peers.iter().for_each(super::peers::Peer::round);
    }
    rounds.tick().await;
    let spent: Vec<Duration> = lines
        .iter()
        .map(|line| group_cpu(line.pid).saturating_sub(line.before))
        .collect();
    for (line, peer) in lines[1..].iter_mut().zip(&peers) {
        line.values = peer.values().unwrap_or(0);
    }
    println!(
        "{} rounds of {} s, {} processes on the host",
        options.rounds,
        options.interval,
        processes()
    );
    println!(
        "{:<16}{:>12}{:>9}{:>14}{:>12}",
        "", "ms a round", "values", "us a value", "RSS MiB"
    );
    for (line, spent) in lines.iter().zip(spent) {
        #[allow(clippy::cast_precision_loss, reason = "small counts")]
        let (rounds, values) = (options.rounds as f64, line.values.max(1) as f64);
        let round = spent.as_secs_f64() * 1e3 / rounds;
        println!(
            "{:<16}{round:>12.2}{:>9}{:>14.2}{:>12.1}",
            line.name,
            line.values,
            round * 1e3 / values,
            mib(group_resident(line.pid))
        );
    }
    drop((agent, peers));
    println!("{:<16}{:>12.2}", "bare C loop", bare_loop(folder.path(), options));
    drop(sleepers);
}

/// CPU milliseconds of a round of the C loop.
fn bare_loop(folder: &Path, options: &Options) -> f64 {
    let (source, program) = (folder.join("bare_loop.c"), folder.join("bare_loop"));
    std::fs::write(&source, BARE_LOOP).expect("a file");
    let compiled = Command::new("cc")
        .args(["-O2", "-o"])
        .arg(&program)
        .arg(&source)
        .status();
    assert!(compiled.is_ok_and(|status| status.success()), "cc compiles bare_loop.c");
    let output = Command::new(program)
        .args([options.rounds.to_string(), options.interval.min(1).to_string()])
        .output()
        .expect("the loop runs");
    let text = String::from_utf8(output.stdout).expect("a number");
    text.trim().parse().expect("a number")
}

/// Processes that do nothing.
struct Sleepers(Vec<std::process::Child>);

impl Sleepers {
    fn until(wanted: usize) -> Self {
        let missing = wanted.saturating_sub(processes());
        let sleep = |_| Command::new("sleep").arg("86400").spawn().expect("`sleep` runs");
        Self((0..missing).map(sleep).collect())
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn numbers() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    entries.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok())
}

fn processes() -> usize {
    numbers().count()
}

/// The processes of a group: field 5 of `/proc/PID/stat` (proc(5)).
fn group(leader: u32) -> Vec<u32> {
    let belongs = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let group = stat
            .rsplit_once(") ")
            .and_then(|(_, rest)| rest.split(' ').nth(2)?.parse().ok());
        *pid == leader || group == Some(leader)
    };
    numbers().filter(belongs).collect()
}

fn group_cpu(leader: u32) -> Duration {
    group(leader).into_iter().map(cpu_time).sum()
}

fn group_resident(leader: u32) -> u64 {
    group(leader).into_iter().map(program::resident_bytes).sum()
}

#[allow(clippy::cast_precision_loss, reason = "for people")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
