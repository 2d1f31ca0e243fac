//! CPU time per tick and per sample of the rules alone, and what they keep in memory per host.
//!
//! `cargo bench -p tocsin-rules --bench evaluate [-- HOSTS SERIES TICKS]`, by default 500 × 200 × 200. Three fleets, one
//! after the other, each beside those before it: *equal* hosts have one dictionary; hosts with *names of their own* have a
//! fifth of their series on disks, mounts and interfaces that only they have, so no two share a plan; hosts with a *shape
//! of their own* have these in another order too, so no two share where its entries lie. Hosts take turns, so that each
//! finds the caches full of others. Every second series moves, and no alert is raised. The built-in rules are those about
//! what each tick of an ordinary host brings; one of them has a window.
//!
//! *Kept* is the growth of `RssAnon` since before the fleet's first tick, without what windows and baselines hold, which is
//! stated apart; the dictionaries themselves are whose the connections are, and not in it. Without `--bench` (as in tests)
//! a small run only shows that it works.
#![allow(clippy::print_stdout)] // this is a command

use rustix::time::{ClockId, clock_gettime};
use std::{error::Error, sync::Arc, time::Duration};
use tocsin_rules::{Engine, RuleSet, testing::never_met};
use tocsin_vocabulary::{
    Dictionary, HostId, Section, Series, Timestamp,
    batch::{Cell, Tick},
    catalogue::{METRICS, metric},
};

/// 2025-11-22T00:00:00Z.
const START: Timestamp = Timestamp::from_millis(1_763_769_600_000);
const INTERVAL: Duration = Duration::from_secs(10);
/// Built-in files about what each tick of an ordinary host brings.
const OF_EVERY_HOST: [&str; 5] = ["agent.toml", "cpu.toml", "memory.toml", "network.toml", "process.toml"];
const RULES: usize = 40;
/// Bytes that the disks of a host which runs for months have read.
const TERABYTES: i64 = 8 << 40;
/// Metrics on which small values mean trouble.
const ALARMING: [&str; 5] = [
    "tocsin.agent.surveys.off",
    "tocsin.agent.surveys.stuck",
    "tocsin.agent.spool.dropped",
    "tocsin.memory.oom_kills",
    "tocsin.cpu.load_per_cpu",
];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let full = arguments.iter().any(|argument| argument == "--bench");
    let mut numbers = arguments.iter().filter_map(|argument| argument.parse::<usize>().ok());
    let mut size = |full_run, small_run| numbers.next().unwrap_or(if full { full_run } else { small_run });
    let (hosts, series, ticks) = (size(500, 3), size(200, 30), size(200, 3));

    let rules = rules().map_err(|errors| errors[0].to_string())?;
    println!(
        "{hosts} hosts x {series} series x {ticks} ticks, {} rules",
        rules.rules().len()
    );
    // Each engine is kept, so that no fleet lives in the memory of another.
    let mut engines = Vec::new();
    for kind in [Kind::Equal, Kind::OwnNames, Kind::OwnShapes] {
        engines.push(run(kind, Engine::new(rules.clone()), hosts, series, ticks)?);
    }
    Ok(())
}

/// What hosts have in common.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Equal,
    OwnNames,
    OwnShapes,
}

fn run(kind: Kind, mut engine: Engine, hosts: usize, series: usize, ticks: usize) -> Result<Engine, Box<dyn Error>> {
    let common = Arc::new(Section::new(common(series - series / 5)));
    let fleet: Vec<(HostId, Dictionary)> = (0..hosts)
        .map(|number| (id(number), dictionary(&common, kind, number, series / 5)))
        .collect();
    // What making a plan needs for a moment is there before it is measured what stays.
    let _ = bind(&mut Engine::new(engine.rules().clone()), &fleet[..hosts.min(1)], series);
    let resident = resident_bytes()?;
    let binding = cpu_time()?;
    let mut spoken = bind(&mut engine, &fleet, series);
    let binding = cpu_time()?.saturating_sub(binding);
    let first = kept(&engine, resident)?;
    let entries: usize = fleet.iter().map(|(host, _)| engine.states(*host).len()).sum();

    let changed = vec![0x5555_5555_5555_5555; series.div_ceil(64)];
    let mut spent = Duration::ZERO;
    for at in 1..=ticks {
        let tick = tick(at, series);
        let begun = cpu_time()?;
        for (host, dictionary) in &fleet {
            spoken += engine.tick(*host, dictionary, &tick, &changed, tick.time, false).len();
        }
        spent += cpu_time()?.saturating_sub(begun);
    }
    let last = kept(&engine, resident)?;

    let per = |time: Duration, count: usize| time.as_nanos() as f64 / count.max(1) as f64;
    let per_host = |count: usize| count as f64 / hosts.max(1) as f64;
    println!("{kind:?}, which spoke {spoken} times");
    println!("  alerts possible   {:8.1} per host", per_host(entries));
    println!("  first tick        {:8.0} ns", per(binding, hosts));
    for (when, (rest, memory)) in [("first", first), ("last", last)] {
        println!(
            "  kept after {when:<5}  {:8.0} B/host, windows and baselines {:.0} B/host apart",
            per_host(rest),
            per_host(memory)
        );
    }
    println!("  tick              {:8.0} ns", per(spent, hosts * ticks));
    println!("  sample            {:8.2} ns", per(spent, hosts * ticks * series));
    Ok(engine)
}

/// Makes hosts known and shows each its first tick; how often rules spoke.
fn bind(engine: &mut Engine, fleet: &[(HostId, Dictionary)], series: usize) -> usize {
    let first = tick(0, series);
    let bound = fleet.iter().enumerate().map(|(number, (host, dictionary))| {
        let name = format!("host-{number:05}.example.net");
        let introduced = engine.introduce(*host, &name, &[], START).len();
        engine.expect(*host, INTERVAL, START);
        introduced + engine.tick(*host, dictionary, &first, &[], START, false).len()
    });
    bound.sum()
}

/// What is kept since so much was resident: windows and baselines, and before that the rest.
fn kept(engine: &Engine, before: usize) -> Result<(usize, usize), Box<dyn Error>> {
    let memory = engine.memory_bytes();
    let all = resident_bytes()?.saturating_sub(before);
    Ok((all.saturating_sub(memory), memory))
}

fn rules() -> Result<RuleSet, Vec<tocsin_rules::RuleError>> {
    let mut files: Vec<(String, String)> = RuleSet::builtin_files()
        .iter()
        .filter(|(name, _)| OF_EVERY_HOST.contains(name))
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    let builtin = RuleSet::parse(&files)?.rules().len();
    files.push(("bench.toml".to_owned(), never_met(builtin..RULES)));
    RuleSet::parse(&files)
}

fn id(number: usize) -> HostId {
    let mut id = [7; 16];
    id[..8].copy_from_slice(&number.to_le_bytes());
    HostId::from_bytes(id)
}

fn series_of(name: &str, attributes: &[(&str, &str)]) -> Option<Series> {
    metric(name).map(|metric| metric.series(attributes))
}

/// What every host has: what needs no attribute, and its processors.
fn common(count: usize) -> Vec<Series> {
    let plain = METRICS.iter().filter(|metric| metric.attributes.is_empty());
    let plain = plain.filter(|metric| !ALARMING.contains(&metric.name));
    let plain = plain.map(|metric| metric.series(&[]));
    let processors = (0..count).flat_map(|cpu| {
        let cpu = cpu.to_string();
        ["user", "system", "idle", "iowait", "steal"]
            .into_iter()
            .flat_map(move |mode| {
                let attributes = [("cpu.logical_number", cpu.as_str()), ("cpu.mode", mode)];
                ["system.cpu.time", "system.cpu.utilization"].map(|name| series_of(name, &attributes))
            })
    });
    plain.chain(processors.flatten()).take(count).collect()
}

/// The disks, mounts and interfaces of one host beside what all have.
fn dictionary(common: &Arc<Section>, kind: Kind, host: usize, count: usize) -> Dictionary {
    let host = if kind == Kind::Equal { 0 } else { host };
    let devices = (0..count).flat_map(|at| {
        let name = format!("{host}-{at}");
        let disk = [("system.device", name.as_str())];
        let mount = [
            ("system.device", name.as_str()),
            ("system.filesystem.mountpoint", name.as_str()),
            ("system.filesystem.state", "used"),
            ("system.filesystem.type", "ext4"),
        ];
        let nic = [("network.interface.name", name.as_str())];
        let on_disk = ["system.disk.io", "system.disk.weighted_io_time"].map(|name| series_of(name, &disk));
        let on_mount = [
            "system.filesystem.usage",
            "system.filesystem.utilization",
            "tocsin.filesystem.hung",
        ]
        .map(|name| series_of(name, &mount));
        let on_nic = [
            "system.network.io",
            "system.network.packet.count",
            "system.network.errors",
        ]
        .map(|name| series_of(name, &nic));
        on_disk
            .into_iter()
            .chain(on_mount)
            .chain(on_nic)
            .flatten()
            .collect::<Vec<_>>()
    });
    let mut devices: Vec<Series> = devices.take(count).collect();
    if kind == Kind::OwnShapes {
        shuffle(&mut devices, host);
    }
    let own = Section::new(devices);
    Dictionary::new(vec![common.clone(), Arc::new(own)])
}

/// Another order for each number.
fn shuffle(series: &mut [Series], number: usize) {
    let mut random = number as u64;
    for at in (1..series.len()).rev() {
        // Knuth's multiplier and a step of it; its upper bits are good enough to shuffle.
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        series.swap(at, (random >> 33) as usize % (at + 1));
    }
}

/// Every second cell moves a little; none comes near a threshold.
fn tick(at: usize, series: usize) -> Tick {
    let moved = i64::try_from(at).unwrap_or(0);
    // A disk's bytes, in one cell of all: the counters of a host that has run for long are of a terabyte, not of a hundred.
    let greatest = series.saturating_sub(series / 5);
    let cell = |number: usize| {
        Cell::Scaled(if number == greatest {
            TERABYTES
        } else if number.is_multiple_of(2) {
            100 + moved
        } else {
            1
        })
    };
    Tick {
        time: START.plus(INTERVAL * u32::try_from(at).unwrap_or(0)),
        cells: (0..series).map(cell).collect(),
    }
}

/// CPU time of this thread so far.
fn cpu_time() -> Result<Duration, Box<dyn Error>> {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Ok(Duration::new(time.tv_sec.try_into()?, time.tv_nsec.try_into()?))
}

/// Memory that this process has resident, without files (`/proc/self/status`, proc(5)).
fn resident_bytes() -> Result<usize, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .ok_or("no RssAnon")?;
    Ok(kib.parse::<usize>()? * 1024)
}
