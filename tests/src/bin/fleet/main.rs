//! Measures a real collector under very many simulated hosts, and other stores beside it.
//!
//! Hosts speak the real protocol over real TLS, each with its own key, connection, phase, scale and a fifth of its
//! series its own (`tocsin_tests::fleet`); the collector has 40 rules on. What is measured:
//!
//! * `steady` — CPU, memory, disk and the time to an acknowledgement, beside peers that get the same values at the same
//!   pace; also second by second, across a full hour,
//! * `herd` — all hosts come back at once with a backlog,
//! * `alerting` — hosts fail: how soon somebody is paged; what becomes of open alerts when the collector is killed; what
//!   happens when all hosts are gone at once,
//! * `killing` — the collector is killed again and again, and nothing may be lost or stored twice.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measuring program: prints, and ends when something is missing"
)]

mod alerting;
mod herd;
mod killing;
mod seconds;
mod steady;

use clap::Parser;
use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};
use tocsin_tests::{
    fleet::{
        Plan,
        member::BACKOFF_MOST,
        model::Model,
        peer::PeerKind,
        register::{self, Credentials},
        station::Station,
    },
    phone::Phone,
    recording::Recording,
};

/// Longest that a whole fleet may take for what it is waited for.
const PATIENCE: Duration = Duration::from_secs(1_800);

/// What very many hosts cost a collector.
#[derive(Debug, Parser)]
struct Options {
    /// Simulated hosts
    #[arg(long, default_value_t = 500)]
    hosts: usize,
    /// Series of each
    #[arg(long, default_value_t = 200)]
    series: usize,
    /// Seconds between ticks of one host
    #[arg(long, default_value_t = 10)]
    interval: u64,
    /// Seconds to measure over
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Seconds before that, once every host is live
    #[arg(long, default_value_t = 30)]
    warm_up: u64,
    /// Collector to measure, if not the one built beside this program
    #[arg(long)]
    collector: Option<PathBuf>,
    /// Folder for the collector's state and the hosts' identities, so that later runs need no enrolment; none: a
    /// temporary one
    #[arg(long)]
    state: Option<PathBuf>,
    /// Recording of a real host whose values all hosts replay, instead of made-up ones
    #[arg(long)]
    recording: Option<PathBuf>,
    /// Start of everything random, to repeat a run
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Store that gets the same values at the same pace by remote-write, in the same run; may be given twice
    #[arg(long, conflicts_with_all = ["backlog", "kill_every"])]
    peer: Vec<PeerKind>,
    /// Prints each second of the measured time
    #[arg(long, conflicts_with_all = ["backlog", "kill_every"])]
    per_second: bool,
    /// Begins measuring a minute before a full hour, and prints each second
    #[arg(long, conflicts_with_all = ["backlog", "kill_every"])]
    hour_edge: bool,
    /// Each host holds so many minutes of ticks, and all connect at once
    #[arg(long, conflicts_with = "kill_every")]
    backlog: Option<u64>,
    /// Kills the collector after a random time of 1 s to so many seconds, again and again
    #[arg(long)]
    kill_every: Option<u64>,
    /// So many hosts fail over the measured time; then the collector is killed, then all hosts are gone. Wants a state
    /// that no such run had before
    #[arg(long, conflicts_with_all = ["backlog", "kill_every", "peer"])]
    alerts: Option<usize>,
}

/// What every measurement begins with.
struct Setup {
    options: Options,
    station: Station,
    credentials: Vec<Arc<Credentials>>,
    model: Model,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let temporary = tempfile::tempdir().expect("a folder");
    let state = options.state.clone().unwrap_or_else(|| temporary.path().to_owned());
    let phone = Phone::start(temporary.path()).await;
    // Many pages of one minute are not told together: each is measured.
    let paging = "[paging]\npages_per_minute = 1000000\n";
    let channel = options.alerts.map(|_| format!("{paging}{}", phone.channel()));
    let channel = channel.unwrap_or_default();
    let station = Station::start(&state, options.collector.clone(), &channel).await;
    let began = tokio::time::Instant::now();
    let (credentials, enrolled) = register::credentials(&station.hosts_file(), &station, options.hosts).await;
    if enrolled > 0 {
        println!("{enrolled} hosts enrolled in {:.1} s", began.elapsed().as_secs_f64());
    }
    let model = match &options.recording {
        Some(path) => Model::replayed(&Recording::read(path).expect("a recording")),
        None => Model::made(options.series),
    };
    let setup = Setup {
        options,
        station,
        credentials,
        model,
    };
    if let Some(seconds) = setup.options.kill_every {
        return killing::run(setup, seconds).await;
    }
    match (setup.options.backlog, setup.options.alerts) {
        (Some(minutes), _) => herd::run(setup, minutes).await,
        (None, Some(count)) => alerting::run(setup, count, phone).await,
        (None, None) => steady::run(setup).await,
    }
    ExitCode::SUCCESS
}

impl Setup {
    fn plan(&self) -> Plan {
        Plan {
            collector: self.station.site.address("agents"),
            interval: Duration::from_secs(self.options.interval),
            backlog: 0,
            herd: false,
            held: false,
            backoff_most: BACKOFF_MOST,
            seed: self.options.seed,
        }
    }

    /// How many series the whole fleet has.
    fn series(&self) -> u64 {
        let of_one = self.model.machine(0).dictionary().len() as u64;
        of_one * self.credentials.len() as u64
    }

    /// The line that every table begins with.
    fn headline(&self) -> String {
        format!(
            "{} hosts x {} series, a tick every {} s, {} rules",
            self.credentials.len(),
            self.model.machine(0).dictionary().len(),
            self.options.interval,
            tocsin_tests::fleet::station::RULES,
        )
    }
}
