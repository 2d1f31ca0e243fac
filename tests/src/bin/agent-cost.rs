//! Measures what an agent costs its host, and how long a first look takes.
//!
//! `agent` enrols a real agent at a real collector, lets it settle, and reads `/proc/PID/stat` and `/proc/PID/status` of it
//! over a number of ticks: CPU time (user and system) per tick, and resident memory. CPU time comes in steps of 10 ms
//! (`CLK_TCK`), so take many ticks. `first-look` starts the quickstart in an empty folder and measures until the API
//! shows this host's first sample, then how long it takes to end after Ctrl-C.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measuring program: prints, and ends when something is missing"
)]

use clap::{Parser, Subcommand};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tocsin_tests::{
    figures::Figures,
    host::Host,
    patience::until,
    program::{self, Running},
    site::Site,
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
        } => measure_agent(agent, interval, ticks, settle, node_exporter).await,
        What::FirstLook { tries } => measure_first_look(tries).await,
    }
}

async fn measure_agent(
    program: Option<PathBuf>,
    interval: u64,
    ticks: u64,
    settle: u64,
    node_exporter: Option<PathBuf>,
) {
    let site = Site::start("").await;
    let peer = node_exporter.map(|path| Peer::start(&site, &path, interval));
    let mut host = Host::prepare(&site, "host", "");
    host.configure(&format!("interval = \"{interval}s\"\n"));
    if let Some(program) = program {
        host = host.with_program(program);
    }
    host.enrol(&site.install_string()).expect("enrols");
    host.run();
    let pid = host.agent().pid();
    let (start, _) = after(&site, &host, pid, settle.max(1), interval).await;
    let peer_start = peer.as_ref().map(Peer::used);
    let (end, resident) = after(&site, &host, pid, ticks, interval).await;
    let cpu = end.cpu.saturating_sub(start.cpu).as_secs_f64() * 1_000.0;
    let taken = end.ticks - start.ticks;
    #[allow(clippy::cast_precision_loss, reason = "small counts")]
    let per_tick = cpu / taken.max(1) as f64;
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let processes = processes
        .filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok())
        .count();
    #[allow(clippy::cast_precision_loss, reason = "for people")]
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!("{taken} ticks of {interval} s, {processes} processes on the host");
    println!("CPU {per_tick:.2} ms per tick");
    println!(
        "RSS {:.1} MiB at the end, {:.1} MiB at most",
        mib(end.resident),
        mib(resident)
    );
    if let (Some(peer), Some(start)) = (peer, peer_start) {
        let end = peer.used();
        let scrapes = end.ticks.saturating_sub(start.ticks).max(1);
        let cpu = end.cpu.saturating_sub(start.cpu).as_secs_f64() * 1_000.0;
        #[allow(clippy::cast_precision_loss, reason = "small counts")]
        let per_scrape = cpu / scrapes as f64;
        println!(
            "node_exporter beside it: {scrapes} scrapes, CPU {per_scrape:.2} ms per scrape, RSS {:.1} MiB",
            mib(end.resident)
        );
        println!(
            "agent / node_exporter: CPU {:.2}, RSS {:.2}",
            per_tick / per_scrape,
            mib(resident) / mib(end.resident)
        );
    }
}

/// A node_exporter on loopback, scraped in the background until dropped.
struct Peer {
    running: Running,
    scrapes: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Peer {
    fn start(site: &Site, path: &Path, interval: u64) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let mut command = Command::new(path);
        command.arg(format!("--web.listen-address={address}"));
        let running = Running::start(&mut command, &site.path("node_exporter.log"));
        let scrapes = Arc::new(AtomicU64::new(0));
        let counted = scrapes.clone();
        let task = tokio::spawn(async move {
            let http = reqwest::Client::new();
            let mut period = tokio::time::interval(Duration::from_secs(interval));
            loop {
                period.tick().await;
                let request = http
                    .get(format!("http://{address}/metrics"))
                    .header("accept-encoding", "gzip");
                if let Ok(answer) = request.send().await
                    && answer.bytes().await.is_ok()
                {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Self { running, scrapes, task }
    }

    fn used(&self) -> Used {
        let pid = self.running.pid();
        Used {
            ticks: self.scrapes.load(Ordering::Relaxed),
            cpu: cpu_time(pid),
            resident: program::resident_bytes(pid),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a process has used so far.
struct Used {
    ticks: u64,
    cpu: Duration,
    resident: u64,
}

/// What the agent has used after so many more ticks, and the most memory seen meanwhile.
async fn after(site: &Site, host: &Host, pid: u32, ticks: u64, interval: u64) -> (Used, u64) {
    let mut most = 0;
    let wanted = host.ticks(site).await.len() as u64 + ticks;
    loop {
        let resident = program::resident_bytes(pid);
        most = most.max(resident);
        let stored = host.ticks(site).await.len() as u64;
        if stored >= wanted {
            return (
                Used {
                    ticks: stored,
                    cpu: cpu_time(pid),
                    resident,
                },
                most,
            );
        }
        tokio::time::sleep(Duration::from_millis(500 * interval)).await;
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

async fn measure_first_look(tries: usize) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (mut starts, mut ends) = (Figures::default(), Figures::default());
    for _ in 0..tries {
        let folder = tempfile::tempdir().expect("a folder");
        let began = now();
        let mut command = Command::new(program::path("tocsin-quickstart"));
        command
            .arg("--data-dir")
            .arg(folder.path().join("data"))
            .args(["--port", "0"]);
        let mut look = Running::start(&mut command, &folder.path().join("look.log"));
        first_sample(&folder.path().join("data")).await;
        starts.add(began.elapsed());
        let asked = now();
        look.signal("INT");
        until("the quickstart to end", async || look.ended()).await;
        ends.add(asked.elapsed());
    }
    println!("{tries} tries, an empty folder each; milliseconds, read every 20 ms");
    println!("{:<24}{}", "", Figures::HEAD);
    println!("{:<24}{starts}", "start → first sample");
    println!("{:<24}{ends}", "Ctrl-C → ended");
}

/// Waits until the API shows values of this host.
async fn first_sample(data: &Path) {
    let access: Value = until("access.json", async || {
        serde_json::from_slice(&std::fs::read(data.join("access.json")).ok()?).ok()
    })
    .await;
    let ca = std::fs::read(access["ca_file"].as_str().expect("a file")).expect("an authority");
    let ca = reqwest::Certificate::from_pem(&ca).expect("a certificate");
    let http = reqwest::Client::builder()
        .tls_certs_only([ca])
        .build()
        .expect("a client");
    let get = async |path: String| -> Option<Value> {
        let url = format!("{}/{path}", access["api_url"].as_str()?);
        http.get(url)
            .bearer_auth(access["api_token"].as_str()?)
            .send()
            .await
            .ok()?
            .json()
            .await
            .ok()
    };
    until("the first sample", async || {
        let hosts = get("hosts".to_owned()).await?;
        let series = get(format!("hosts/{}/series", hosts["items"][0]["id"].as_str()?)).await?;
        series["items"]
            .as_array()?
            .iter()
            .any(|one| one["value"].is_number())
            .then_some(())
    })
    .await;
}

#[allow(clippy::disallowed_methods, reason = "measures by the machine's clock")]
fn now() -> Instant {
    Instant::now()
}
