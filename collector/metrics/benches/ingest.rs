//! Wall time per sample: append → journal → sync → head, then a restart over that journal, then sealing. No network, no
//! rules.
//!
//! `cargo bench -p tocsin-metrics --bench ingest [-- HOSTS SERIES TICKS]`, by default 500 × 200 × 60. The hosts differ in
//! phase and slope. Without `--bench` (as in tests) a small run only shows that it works.
#![allow(clippy::print_stdout)] // this is a command

use std::{error::Error, sync::Arc, sync::mpsc, time::Duration};
use tocsin_metrics::{Disk, RealDisk, Store, StoreConfig, Stream};
use tocsin_vocabulary::{
    Dictionary, HostId, Kind, Section, Series, SpoolId, Timestamp,
    batch::{Cell, Encoder, Tick},
};

/// 2025-11-22T00:00:00Z.
const START_MS: i64 = 1_763_769_600_000;

struct Host {
    number: i64,
    stream: Stream,
    encoder: Encoder,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let full = arguments.iter().any(|argument| argument == "--bench");
    let mut numbers = arguments.iter().filter_map(|argument| argument.parse::<i64>().ok());
    let mut size = |full_run, small_run| numbers.next().unwrap_or(if full { full_run } else { small_run });
    let (hosts, series, ticks) = (size(500, 3), size(200, 5), size(60, 3));

    let dir = tempfile::tempdir()?;
    let disk = Arc::new(RealDisk::new());
    let config = StoreConfig {
        free_bytes_min: 0,
        free_percent_min: 0,
        ..StoreConfig::new(dir.path())
    };
    let store = Store::open(config.clone(), disk.clone())?;
    let dictionary = dictionary(&store, series)?;
    let mut fleet: Vec<Host> = (0..hosts).map(|number| host(&store, number)).collect();

    let mut appending = Duration::ZERO;
    for tick in 0..ticks {
        let batches: Vec<_> = fleet
            .iter_mut()
            .map(|host| batch(host, &dictionary, tick, series))
            .collect();
        let started = disk.monotonic();
        append(&store, &fleet, &batches, tick)?;
        appending += disk.monotonic().saturating_sub(started);
    }
    let journal = store.health().journal_bytes;
    drop(fleet);
    drop(store);
    let started = disk.monotonic();
    let store = Store::open(config, disk.clone())?;
    let restart = disk.monotonic().saturating_sub(started);

    let started = disk.monotonic();
    store.seal_everything(Timestamp::from_millis(START_MS + ticks * 10_000))?;
    let sealing = disk.monotonic().saturating_sub(started);

    let samples = hosts * series * ticks;
    let per_sample = |time: Duration| time.as_nanos() as f64 / samples as f64;
    println!("{hosts} hosts x {series} series x {ticks} ticks = {samples} samples");
    println!(
        "restart            {:8.3} s over {:.1} MB of journal",
        restart.as_secs_f64(),
        journal as f64 / 1e6
    );
    println!("append to durable  {:8.1} ns/sample", per_sample(appending));
    println!("seal               {:8.1} ns/sample", per_sample(sealing));
    println!(
        "blocks             {:8.3} B/sample",
        store.health().block_bytes as f64 / samples as f64
    );
    Ok(())
}

fn dictionary(store: &Store, series: i64) -> Result<Dictionary, Box<dyn Error>> {
    let one = |number: i64| Series {
        name: format!("bench.metric.{number}").into(),
        attributes: vec![("part".into(), number.to_string().into())],
        kind: if number % 2 == 0 { Kind::Gauge } else { Kind::Counter },
        unit: "1".into(),
        decimals: 1,
    };
    let section = Section::new((0..series).map(one).collect());
    store.put_sections(&[section.bytes()])?;
    Ok(store.put_dictionary(&[section.hash()])?)
}

fn host(store: &Store, number: i64) -> Host {
    let mut id = [7; 16];
    id[..8].copy_from_slice(&number.to_le_bytes());
    let stream = store.begin_stream(HostId::from_bytes(id), SpoolId::from_bytes(id), 1);
    Host {
        number,
        stream,
        encoder: Encoder::new(),
    }
}

/// Half of the series stand still, a quarter counts, a quarter swings.
fn batch(host: &mut Host, dictionary: &Dictionary, tick: i64, series: i64) -> Vec<u8> {
    let phase = tick + host.number * 17;
    let cell = |number: i64| match number % 4 {
        1 => phase * (number + host.number % 13) + phase % 5,
        2 => 500 + (phase * (number + 3)) % 97,
        _ => number * 1_000,
    };
    let cells = (0..series).map(|number| Cell::Scaled(cell(number))).collect();
    let time = Timestamp::from_millis(START_MS + tick * 10_000 + host.number % 10_000);
    host.encoder.encode(&Tick { time, cells }, dictionary, tick % 30 == 0)
}

fn append(store: &Store, fleet: &[Host], batches: &[Vec<u8>], tick: i64) -> Result<(), Box<dyn Error>> {
    let now = Timestamp::from_millis(START_MS + tick * 10_000);
    let seq = u64::try_from(tick)? + 1;
    let (sender, receiver) = mpsc::channel();
    for (host, payload) in fleet.iter().zip(batches) {
        let sender = sender.clone();
        let on_durable = Box::new(move |outcome| drop(sender.send(outcome)));
        store.append_live(&host.stream, seq, payload, now, on_durable)?;
    }
    drop(sender);
    for outcome in receiver {
        outcome?;
    }
    Ok(())
}
