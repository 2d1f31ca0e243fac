//! Measures what an agent costs its host, and how long a first look takes.
//!
//! `agent` enrols a real agent at a real collector, lets it settle, and reads `/proc/PID/stat` and `/proc/PID/status` of it
//! over a number of ticks: CPU time (user and system) per tick, and resident memory. CPU time comes in steps of 10 ms
//! (`CLK_TCK`), so take many ticks. `first-look` starts the quickstart in an empty folder and measures until the API
//! shows this host's first sample, then how long it takes to end after Ctrl-C. `hung` mounts file systems that never
//! answer beside a running agent.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measuring program: prints, and ends when something is missing"
)]

mod aged;
mod agent;
mod beside;
mod crowd;
mod first_look;
mod hung;
mod peers;
mod standalone;

use clap::{Parser, Subcommand};
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

/// What an agent costs its host; how long a first look takes.
#[derive(Debug, Parser)]
struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// CPU time per tick and resident memory of an agent
    Agent {
        /// Agent to measure, if not the one built beside this program
        #[arg(long)]
        agent: Option<PathBuf>,
        /// Seconds between ticks
        #[arg(long, default_value_t = 1)]
        interval: u64,
        /// Ticks to measure over
        #[arg(long, default_value_t = 300)]
        ticks: u64,
        /// Ticks before that, for connecting and first frames
        #[arg(long, default_value_t = 10)]
        settle: u64,
        /// node_exporter to run beside it in the same minutes, scraped with gzip as often as the agent ticks
        #[arg(long)]
        node_exporter: Option<PathBuf>,
    },
    /// From the start of the quickstart to the first sample, and from Ctrl-C to its end
    FirstLook {
        /// How often
        #[arg(long, default_value_t = 10)]
        tries: usize,
    },
    /// CPU time and memory of a round beside Debian's agents and a bare C loop
    Beside(beside::Options),
    /// Memory of an agent after hours of ticks
    Aged(aged::Options),
    /// CPU time and memory on a host with very many processes, mounts and disks
    Crowd(crowd::Options),
    /// Threads, descriptors and ticks of an agent beside file systems that never answer; as root
    Hung(hung::Options),
    /// The same, in a mount namespace of its own
    #[command(hide = true)]
    HungInside(hung::Options),
}

#[tokio::main]
async fn main() {
    match Options::parse().what {
        What::Agent {
            agent,
            interval,
            ticks,
            settle,
            node_exporter,
        } => agent::measure(agent, interval, ticks, settle, node_exporter).await,
        What::FirstLook { tries } => first_look::measure(tries).await,
        What::Beside(options) => beside::measure(&options).await,
        What::Aged(options) => aged::measure(&options).await,
        What::Crowd(options) => crowd::measure(&options),
        What::Hung(options) => hung::measure(&options),
        What::HungInside(options) => hung::inside(&options).await,
    }
}

/// User and system time, fields 14 and 15 of `/proc/PID/stat` (proc(5)), in hundredths of a second on every Linux.
fn cpu_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a running agent");
    let (_, fields) = stat.rsplit_once(") ").expect("a name in brackets");
    let spent: u64 = fields
        .split(' ')
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(spent * 10)
}

#[allow(clippy::disallowed_methods, reason = "measures by the machine's clock")]
fn now() -> Instant {
    Instant::now()
}
