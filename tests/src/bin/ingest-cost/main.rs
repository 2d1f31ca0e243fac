//! Measures what a sample costs without any transport: the metric store and the rules in one process.
//!
//! * `fleet` — batches of many hosts, encoded beforehand, go through decode → journal → sync → rules, and are sealed;
//!   CPU time is that of all threads of the process, not time on a wall,
//! * `recorded` — the ticks of one recorded host are stored and sealed: bytes per sample, beside VictoriaMetrics.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measuring program: prints, and ends when something is missing"
)]

mod fleet;
mod place;
mod recorded;

use clap::Parser;
use std::path::PathBuf;

/// What a sample costs without any transport.
#[derive(Debug, Parser)]
struct Options {
    /// Hosts
    #[arg(long, default_value_t = 500)]
    hosts: usize,
    /// Series of each
    #[arg(long, default_value_t = 200)]
    series: usize,
    /// Ticks of each
    #[arg(long, default_value_t = 240)]
    ticks: u64,
    /// Seconds between ticks
    #[arg(long, default_value_t = 10)]
    interval: u64,
    /// Folder on the disk to measure; none: a temporary one
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Stores this recording of one host instead
    #[arg(long)]
    recording: Option<PathBuf>,
    /// Stores every so many-th tick of the recording
    #[arg(long, default_value_t = 1, requires = "recording")]
    every: usize,
}

#[tokio::main]
async fn main() {
    let options = Options::parse();
    match &options.recording {
        Some(path) => recorded::run(&options, path).await,
        None => fleet::run(&options),
    }
}
