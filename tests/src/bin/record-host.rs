//! Records what the agent's own sampler sees of this machine, for measurements on real metrics.
//!
//! Nothing is left out that the agent leaves out by default (loop devices, sessions), processors are told apart, and
//! each name among the processes that run at the start, or that `--process` gives, is watched as a group: so an
//! ordinary machine gives 300 series and more.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measuring program: prints, and ends when something is missing"
)]

use clap::Parser;
use std::{
    collections::BTreeSet,
    fs::File,
    io::BufWriter,
    path::PathBuf,
    time::{Duration, Instant},
};
use tocsin_agent::sources::{ProcessGroup, Sampler, SamplerConfig};
use tocsin_tests::{recording::Recorder, wire};

/// Record this machine's metrics as the agent samples them.
#[derive(Debug, Parser)]
struct Options {
    /// File to write
    out: PathBuf,
    /// Milliseconds between ticks
    #[arg(long, default_value_t = 1_000)]
    interval: u64,
    /// Ticks to record
    #[arg(long, default_value_t = 2_100)]
    ticks: u64,
    /// Watch processes of this name too (may be repeated)
    #[arg(long)]
    process: Vec<String>,
}

/// Most names that are watched.
const GROUPS_MAX: usize = 60;

fn main() {
    let options = Options::parse();
    let mut names: BTreeSet<String> = options.process.iter().cloned().collect();
    names.extend(running().into_iter().take(GROUPS_MAX.saturating_sub(names.len())));
    let group = |name: &String| ProcessGroup {
        name: name.clone(),
        process: Some(name.clone()),
        command: None,
        user: None,
        ..ProcessGroup::default()
    };
    let mut sampler = Sampler::new(SamplerConfig {
        per_core: true,
        process_groups: names.iter().map(group).collect(),
        exclude_mounts: Vec::new(),
        exclude_interfaces: Vec::new(),
        exclude_disks: Vec::new(),
        ..SamplerConfig::default()
    });
    let file = File::create(&options.out).expect("a file to write");
    let mut recorder = Recorder::begin(BufWriter::new(file)).expect("a file that takes data");
    #[allow(clippy::disallowed_methods, reason = "samples a real machine in real time")]
    let start = Instant::now();
    let mut series = 0;
    for number in 0..options.ticks {
        let due = Duration::from_millis(options.interval * number);
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        let sampled = sampler.sample(wire::now(), start.elapsed());
        series = series.max(sampled.dictionary.len());
        recorder
            .add(&sampled.tick, &sampled.dictionary)
            .expect("a file that takes data");
    }
    println!(
        "{} ticks of up to {series} series in {}",
        options.ticks,
        options.out.display()
    );
}

/// The names of the processes that run, the kernel's own threads left out.
fn running() -> BTreeSet<String> {
    let processes = std::fs::read_dir("/proc").expect("a /proc").flatten();
    let folders = processes.map(|entry| entry.path());
    let ours = folders.filter(|path| std::fs::read(path.join("cmdline")).is_ok_and(|line| !line.is_empty()));
    let names = ours.filter_map(|path| std::fs::read_to_string(path.join("comm")).ok());
    names
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}
