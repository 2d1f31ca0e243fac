//! The same fault noticed by us and by Prometheus with Alertmanager: how long until its notice is at the receiver.
//!
//! Small file systems are filled, one after the other at random moments of a scrape interval. Three watch them on the
//! same machine at the same time, each with the one rule *more than 95 % full* and without `for`:
//!
//! * ours, with ticks of 1 s,
//! * Debian's Prometheus, node_exporter and Alertmanager, tuned: scraped and evaluated every second, no `group_wait`,
//! * the same at the settings that Debian's packages come with: every 15 s, `group_wait` 30 s; but each file system is a
//!   group of its own, for otherwise all but the first would wait for `group_interval`, 5 min.
//!
//! Each sends to an HTTP server of this program; counted is from the moment that the file system was full. Needs root,
//! for it mounts: in namespaces of its own, where it is process 1, whose mounts agents look at.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measuring program: prints, and ends when something is missing"
)]

mod disks;
mod rival;

use clap::Parser;
use disks::Disk;
use rival::Rival;
use std::{
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Command, ExitCode},
    time::Duration,
};
use tocsin_agent::random::Chance;
use tocsin_tests::{
    figures::Figures,
    host::Host,
    patience::until,
    phone::Phone,
    site::{Site, rules_dir},
};

/// Over which the moments of the faults are spread: a scrape interval at Debian's settings.
const SPREAD: Duration = Duration::from_secs(15);
/// Longest that a notice may take: two scrapes, an evaluation, `group_wait`, and room.
const PATIENCE: Duration = Duration::from_secs(180);

/// How long until the notice of the same fault arrives from ours and from Prometheus with Alertmanager.
#[derive(Debug, Parser)]
struct Options {
    /// File systems that are filled
    #[arg(long, default_value_t = 12)]
    tries: usize,
    /// Start of the random moments, to repeat a run
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Agent to measure, if not the one built beside this program
    #[arg(long)]
    agent: Option<PathBuf>,
    /// Says that the namespaces are made
    #[arg(long, hide = true)]
    inside: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if !options.inside {
        let own = std::env::current_exe().expect("a program knows its own path");
        let mut command = Command::new("unshare");
        let apart = "--mount --propagation private --pid --fork --kill-child --mount-proc --";
        command.args(apart.split(' ')).arg(own).arg("--inside");
        command.args(std::env::args_os().skip(1));
        // Comes back only when it failed.
        eprintln!("unshare of util-linux, as root: {}", command.exec());
        return ExitCode::FAILURE;
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(measure(&options));
    ExitCode::SUCCESS
}

async fn measure(options: &Options) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut disks: Vec<Disk> = (0..options.tries)
        .map(|number| Disk::mount(folder.path(), number))
        .collect();
    let mut phone = Phone::start(folder.path()).await;
    // Each notice is measured: none is told together with others.
    let paging = "[paging]\npages_per_minute = 1000000\n";
    let rules = rules_dir(folder.path(), RULE);
    let site = Site::start(&format!("{rules}{paging}{}", phone.channel())).await;
    let mut host = Host::prepare(&site, "host", "");
    if let Some(agent) = &options.agent {
        host = host.with_program(agent.clone());
    }
    host.enrol(&site.install_string()).expect("enrols");
    host.run();
    let mut tuned = Rival::start(&folder.path().join("tuned"), &rival::TUNED).await;
    let mut debian = Rival::start(&folder.path().join("debian"), &rival::DEBIAN).await;
    for disk in &disks {
        until("ours to see each file system", async || sees(&site, &host, disk).await).await;
        tuned.sees(disk).await;
        debian.sees(disk).await;
    }

    let mut chance = Chance::new(options.seed);
    let mut moments: Vec<Duration> = disks.iter().map(|_| SPREAD.mul_f64(chance.share())).collect();
    moments.sort_unstable();
    let began = tokio::time::Instant::now();
    for (disk, moment) in disks.iter_mut().zip(moments) {
        // The phase is what is measured at random, not a race.
        tokio::time::sleep_until(began + moment).await;
        disk.fill();
    }
    let ours = async {
        let mut figures = Figures::default();
        while figures.len() < disks.len() {
            let received = phone.rings_for("opened").await;
            let title = received.page["title"]["en"].as_str().unwrap_or_default();
            if let Some(disk) = disks.iter().find(|disk| disk.is_at(title)) {
                figures.add(disk.since(received.at));
            }
        }
        figures
    };
    let all = async { tokio::join!(ours, tuned.notices(&disks), debian.notices(&disks)) };
    let (ours, tuned, debian) = tokio::time::timeout(PATIENCE, all).await.expect("every notice arrives");

    println!(
        "{} file systems filled; milliseconds from full to notice received",
        options.tries
    );
    println!("{:<46}{}", "", Figures::HEAD);
    println!("{:<46}{ours}", "ours, ticks of 1 s");
    println!("{:<46}{tuned}", "Prometheus + Alertmanager, 1 s / 1 s / 0 s");
    println!("{:<46}{debian}", "Prometheus + Alertmanager, 15 s / 15 s / 30 s");
    let ratio = |other: &Figures| ours.percentile(50).as_secs_f64() / other.percentile(50).as_secs_f64();
    println!(
        "ours / theirs, p50: tuned {:.3}, as packaged {:.3}",
        ratio(&tuned),
        ratio(&debian)
    );
}

/// Whether ours has a series of this file system.
async fn sees(site: &Site, host: &Host, disk: &Disk) -> Option<()> {
    let series = site.get(&format!("hosts/{}/series", host.id())).await;
    let items = series["items"].as_array()?;
    let found = items.iter().any(|one| {
        one["name"] == "system.filesystem.utilization"
            && one["attributes"]["system.filesystem.mountpoint"]
                .as_str()
                .is_some_and(|point| disk.is_at(point))
    });
    found.then_some(())
}

/// The rule of ours.
const RULE: &str = r#"
[[rule]]
name = "full"
metric = "system.filesystem.utilization"
where = { "system.filesystem.state" = "used" }
above = 0.95
severity = "critical"
action = "ticket"
title.en = "{system.filesystem.mountpoint}"
title.zh = "{system.filesystem.mountpoint}"
remedy.en = "remove the filler"
remedy.zh = "删除填充文件"
"#;
