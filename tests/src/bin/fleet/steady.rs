//! A fleet that ticks evenly, and peers that get the same.

use super::{PATIENCE, Setup, seconds};
use std::{sync::Arc, time::Duration};
use tocsin_tests::{
    figures::Figures,
    fleet::{
        Fleet, Plan,
        feed::{Feed, Source},
        pace,
        peer::{Peer, PeerDisk},
        tally::{Acked, Tally},
        usage::{self, bytes_per, mib, nanos_per},
    },
    program,
};
use tocsin_vocabulary::Timestamp;

const HOUR_MS: i64 = 3_600_000;
/// How long before a full hour measuring begins.
const BEFORE_HOUR: Duration = Duration::from_secs(60);
/// Series for which memory is stated.
const SERIES: u64 = 100_000;

/// What a process had used at one moment.
#[derive(Clone, Copy)]
struct Used {
    cpu: Duration,
    samples: u64,
}

pub(super) async fn run(mut setup: Setup) {
    let mut peers = Vec::new();
    for kind in &setup.options.peer {
        peers.push(Arc::new(Peer::start(*kind).await));
    }
    let pid = setup.station.process().pid();
    let empty = program::resident_bytes(pid);
    let plan = Plan {
        held: true,
        ..setup.plan()
    };
    let fleet = Fleet::start(&plan, &setup.model, &setup.credentials);
    fleet.is_connected(PATIENCE).await;
    let connected = program::resident_bytes(pid);
    fleet.begin();
    let feeds: Vec<Feed> = peers.iter().map(|peer| fed(peer, &setup, &fleet)).collect();
    fleet.is_live(PATIENCE).await;
    tokio::time::sleep(until_measuring(&setup, pace::now())).await;

    let (_, _) = (fleet.tally.take_acked(), fleet.tally.take_late());
    let before: Vec<Used> = peers.iter().zip(&feeds).map(of_peer).collect();
    let ours = of_ours(pid, &fleet.tally);
    let ticks = fleet.tally.live.get();
    let watch = seconds::Watch::start(pid);
    tokio::time::sleep(Duration::from_secs(setup.options.seconds)).await;
    let ours = (ours, of_ours(pid, &fleet.tally));
    let after = peers.iter().zip(&feeds).map(of_peer);
    let theirs: Vec<(Used, Used)> = before.into_iter().zip(after).collect();
    let acked = fleet.tally.take_acked();

    println!("{}", setup.headline());
    let sent = fleet.tally.live.get() - ticks;
    println!(
        "{sent} ticks, {} samples in {} s",
        ours.1.samples - ours.0.samples,
        setup.options.seconds
    );
    latencies(&fleet.tally, &acked);
    let own = Own {
        nanos: nanos(ours),
        memory: [empty, connected, program::resident_bytes(pid)],
        disk: setup.station.disk_bytes(),
        samples: fleet.tally.samples.get(),
    };
    own.print(&setup, &fleet.tally);
    drop(feeds);
    for (peer, used) in peers.iter().zip(theirs) {
        beside(peer, used, &own, &setup).await;
    }
    if setup.options.per_second || setup.options.hour_edge {
        watch.print(&acked);
    }
}

/// From now on until measuring begins.
fn until_measuring(setup: &Setup, now: Timestamp) -> Duration {
    let warm = Duration::from_secs(setup.options.warm_up);
    if !setup.options.hour_edge {
        return warm;
    }
    let earliest = now.plus(warm).plus(BEFORE_HOUR).as_millis();
    let hour = Timestamp::from_millis((earliest.div_euclid(HOUR_MS) + 1) * HOUR_MS);
    hour.minus(BEFORE_HOUR).since(now)
}

fn fed(peer: &Arc<Peer>, setup: &Setup, fleet: &Fleet) -> Feed {
    let now = pace::now();
    let hosts = fleet.hosts.iter().enumerate();
    let sources = hosts.map(|(number, host)| Source::new(&setup.model, number, host.pace, host.pace.taken(now)));
    Feed::start(peer.clone(), sources.collect())
}

fn of_ours(pid: u32, tally: &Tally) -> Used {
    Used {
        cpu: usage::cpu_time(pid),
        samples: tally.samples.get(),
    }
}

fn of_peer((peer, feed): (&Arc<Peer>, &Feed)) -> Used {
    Used {
        cpu: peer.cpu_time(),
        samples: feed.samples(),
    }
}

fn nanos((before, after): (Used, Used)) -> f64 {
    nanos_per(after.cpu.saturating_sub(before.cpu), after.samples - before.samples)
}

fn latencies(tally: &Tally, acked: &[Acked]) {
    let mut figures = Figures::default();
    acked.iter().for_each(|one| figures.add(one.after));
    println!("{:<32}{}   milliseconds", "", Figures::HEAD);
    println!("{:<32}{figures}", "tick sent -> acknowledged");
    println!("{:<32}{}", "tick due -> sent (simulation)", tally.take_late());
}

/// What the collector cost.
struct Own {
    nanos: f64,
    /// Resident bytes: without hosts, with all connected, with all ticking.
    memory: [u64; 3],
    /// Bytes of journal, and of everything else.
    disk: (u64, u64),
    samples: u64,
}

impl Own {
    /// Resident bytes for each so many series, connections apart.
    fn of_series(&self, series: u64) -> u64 {
        self.memory[2].saturating_sub(self.memory[1]) * SERIES / series.max(1)
    }

    fn disk_per_sample(&self) -> f64 {
        bytes_per(self.disk.0 + self.disk.1, self.samples)
    }

    fn print(&self, setup: &Setup, tally: &Tally) {
        let [empty, connected, ticking] = self.memory;
        let connection = connected.saturating_sub(empty) / (setup.credentials.len() as u64).max(1);
        println!("CPU {:.1} ns per sample, TLS, gRPC and rules included", self.nanos);
        println!(
            "RSS {:.1} MiB without hosts, {:.1} MiB with all connected, {:.1} MiB with all ticking",
            mib(empty),
            mib(connected),
            mib(ticking)
        );
        println!("RSS {:.1} KiB per connection", bytes_per(connection, 1024));
        println!(
            "RSS {:.1} MiB per 100 000 series, connections apart",
            mib(self.of_series(setup.series()))
        );
        println!(
            "journal {:.3} bytes per sample, {:.3} on the wire before TLS",
            bytes_per(self.disk.0, self.samples),
            bytes_per(tally.bytes.get(), self.samples)
        );
        println!(
            "disk {:.3} bytes per sample, journal and dictionaries included",
            self.disk_per_sample()
        );
        println!(
            "streams {}, asked to come back later {}, refused {}, broken {}",
            tally.welcomed.get(),
            tally.retries.get(),
            tally.refused.get(),
            tally.broken.get()
        );
        let own = std::process::id();
        println!(
            "simulation itself: CPU {:.1} s, RSS {:.1} MiB",
            usage::own_cpu_time().as_secs_f64(),
            mib(program::resident_bytes(own))
        );
    }
}

async fn beside(peer: &Peer, used: (Used, Used), own: &Own, setup: &Setup) {
    let nanos = nanos(used);
    let resident = program::resident_bytes(peer.pid());
    let of_series = resident.saturating_sub(peer.empty_bytes) * SERIES / setup.series().max(1);
    let samples = used.1.samples;
    let PeerDisk { data, index, log } = peer.settled_disk().await;
    println!(
        "{} beside it, {} samples:",
        peer.kind.name(),
        used.1.samples - used.0.samples
    );
    println!("  CPU {nanos:.1} ns per sample, plain HTTP");
    println!(
        "  RSS {:.1} MiB empty, {:.1} MiB now, {:.1} MiB per 100 000 series",
        mib(peer.empty_bytes),
        mib(resident),
        mib(of_series)
    );
    println!(
        "  disk {:.3} bytes per sample, {:.3} of index, {:.3} of log",
        bytes_per(data, samples),
        bytes_per(index, samples),
        bytes_per(log, samples)
    );
    println!(
        "ours / {}: CPU {:.3}, RSS per series {:.3}, disk {:.3} (ours not sealed, theirs without a log)",
        peer.kind.name(),
        own.nanos / nanos,
        bytes_per(own.of_series(setup.series()), of_series),
        own.disk_per_sample() / bytes_per(data + index, samples)
    );
}
