//! Memory of the sections of many hosts as a collector holds them.
//!
//! `cargo bench -p tocsin-vocabulary --bench memory [-- HOSTS SERIES]`, by default 1000 × 40. Each host brings a section
//! of its own: names, units and keys are those of all hosts, each device has four series and a name that no other host
//! knows. Reads `/proc`, so Linux only. Without `--bench` (as in tests) a small run only shows that it works.
#![allow(clippy::print_stdout)] // this is a command

use std::error::Error;
use tocsin_vocabulary::{Kind, Section, Series};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let full = arguments.iter().any(|argument| argument == "--bench");
    let mut numbers = arguments.iter().filter_map(|argument| argument.parse::<u32>().ok());
    let mut size = |full_run, small_run| numbers.next().unwrap_or(if full { full_run } else { small_run });
    let (hosts, series) = (size(1_000, 10), size(40, 8));

    // By a thread of its own: what it frees is not taken up here.
    let make = move || (0..hosts).map(|host| section(host, series)).collect::<Vec<_>>();
    let all = std::thread::spawn(make).join().map_err(|_| "no sections")?;
    let before = resident_bytes()?;
    let read: Vec<Section> = all
        .iter()
        .map(|bytes| Section::decode(bytes))
        .collect::<Result<_, _>>()?;
    let held = resident_bytes()?.saturating_sub(before);
    let count: usize = read.iter().map(|section| section.series().len()).sum();
    let written: usize = all.iter().map(Vec::len).sum();
    println!(
        "{hosts} sections of {series} series: {held} bytes, {} a series; {} a series as canonical bytes",
        held / count.max(1),
        written / count.max(1)
    );
    Ok(())
}

/// The canonical bytes of a host's section.
fn section(host: u32, series: u32) -> Vec<u8> {
    let one = |number: u32| Series {
        name: format!("system.measured.thing.{number:02}").into(),
        attributes: vec![
            (
                "disk.io.direction".into(),
                if number.is_multiple_of(2) { "read" } else { "write" }.into(),
            ),
            (
                "system.device".into(),
                format!("device-{host:05}-{}", number / 4).into(),
            ),
            ("system.filesystem.type".into(), "ext4".into()),
        ],
        kind: Kind::Counter,
        unit: "By".into(),
        decimals: 0,
    };
    Section::new((0..series).map(one).collect()).bytes()
}

fn resident_bytes() -> Result<usize, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .ok_or("no VmRSS")?;
    Ok(kib.parse::<usize>()? * 1024)
}
