//! CPU time per tick and per sample of the rules alone, and what they keep in memory per host.
//!
//! `cargo bench -p tocsin-rules --bench evaluate [-- HOSTS SERIES TICKS]`, by default 500 × 200 × 200. A fifth of each
//! host's series is its own, so that no two hosts share a plan; hosts take turns, so that each finds the caches full
//! of others. Every second series moves, and no alert is raised. Without `--bench` (as in tests) a small run only shows
//! that it works.
#![allow(clippy::print_stdout)] // this is a command

use rustix::time::{ClockId, clock_gettime};
use std::{error::Error, sync::Arc, time::Duration};
use tocsin_rules::{Engine, RuleSet};
use tocsin_vocabulary::{
    Dictionary, HostId, Section, Series, Timestamp,
    batch::{Cell, Tick},
    catalogue::{METRICS, metric},
};

/// 2025-11-22T00:00:00Z.
const START: Timestamp = Timestamp::from_millis(1_763_769_600_000);
const INTERVAL: Duration = Duration::from_secs(10);
/// Metrics for rules beside the default ones, with a threshold that is never met.
const FURTHER: [(&str, &str); 8] = [
    ("system.network.io", "above = 1e15\nrate = true"),
    ("system.disk.io", "above = 1e15\nrate = true"),
    ("system.cpu.time", "above = 1e9\nrate = true"),
    ("system.memory.linux.available", "below = 0"),
    ("system.filesystem.usage", "above = 1e18"),
    ("tocsin.agent.tick.duration", "above = 1e6"),
    ("system.cpu.load_average.1m", "above = 1e9"),
    ("system.network.packet.count", "above = 1e15\nrate = true"),
];
const RULES: usize = 40;
/// Metrics on which small values mean trouble.
const ALARMING: [&str; 3] = [
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

    let common = Arc::new(Section::new(common(series - series / 5)));
    let fleet: Vec<(HostId, Dictionary)> = (0..hosts)
        .map(|number| (id(number), dictionary(&common, number, series / 5)))
        .collect();
    let mut engine = Engine::new(rules().map_err(|errors| errors[0].to_string())?);
    let mut spoken = 0;
    let resident = resident_bytes()?;
    let binding = cpu_time()?;
    for (host, dictionary) in &fleet {
        engine.expect(*host, INTERVAL, START);
        spoken += engine
            .tick(*host, dictionary, &tick(0, series), &[], START, false)
            .len();
    }
    let binding = cpu_time()?.saturating_sub(binding);
    let resident = resident_bytes()?.saturating_sub(resident);
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

    let per = |time: Duration, count: usize| time.as_nanos() as f64 / count.max(1) as f64;
    println!("{hosts} hosts x {series} series x {ticks} ticks, {RULES} rules, which spoke {spoken} times");
    println!(
        "alerts possible   {:8.1} per host",
        entries as f64 / hosts.max(1) as f64
    );
    println!("first tick        {:8.0} ns", per(binding, hosts));
    println!("kept              {:8.0} B/host", resident as f64 / hosts.max(1) as f64);
    println!("tick              {:8.0} ns", per(spent, hosts * ticks));
    println!("sample            {:8.2} ns", per(spent, hosts * ticks * series));
    Ok(())
}

fn rules() -> Result<RuleSet, Vec<tocsin_rules::RuleError>> {
    let builtin = RuleSet::builtin();
    let further: String = (builtin.rules().len()..RULES)
        .zip(FURTHER.iter().cycle())
        .map(|(number, (metric, condition))| {
            format!(
                "[[rule]]\nname = \"bench-{number}\"\nmetric = \"{metric}\"\n{condition}\nfor = \"30s\"\n\
                 severity = \"warning\"\naction = \"record\"\ntitle.en = \"{{host}}\"\ntitle.zh = \"{{host}}\"\n\
                 remedy.en = \"None.\"\nremedy.zh = \"无。\"\n\n"
            )
        })
        .collect();
    let mut files = RuleSet::builtin_files().to_vec();
    files.push(("bench.toml", &further));
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
fn dictionary(common: &Arc<Section>, host: usize, count: usize) -> Dictionary {
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
    let own = Section::new(devices.take(count).collect());
    Dictionary::new(vec![common.clone(), Arc::new(own)])
}

/// Every second cell moves a little; none comes near a threshold.
fn tick(at: usize, series: usize) -> Tick {
    let moved = i64::try_from(at).unwrap_or(0);
    let cell = |number: usize| Cell::Scaled(if number.is_multiple_of(2) { 100 + moved } else { 1 });
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

/// Memory that this process has resident (`/proc/self/status`, proc(5)).
fn resident_bytes() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .ok_or("no VmRSS")?;
    Ok(kib.parse::<u64>()? * 1024)
}
