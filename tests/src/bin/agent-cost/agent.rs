//! CPU time per tick and resident memory of an agent that streams to a collector.

use super::cpu_time;
use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tocsin_tests::{
    host::Host,
    program::{self, Running},
    site::Site,
};

pub(super) async fn measure(
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
